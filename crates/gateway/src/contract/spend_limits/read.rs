//! The list of limits, one of them, and the audit of their changes.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, Request, State};
use axum::response::{IntoResponse as _, Response};
use domain::{BudgetId, limits};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use store::Page;

use super::shape::shape;
use super::{Contract, Needs, fail, not_found, unavailable};

/// Limits of a page whose request does not say.
const PAGE_LIMITS: u32 = 20;
/// Entries of the audit that are shown, the latest; the ledger has all.
const AUDIT_ENTRIES_MAX: u32 = limits::STORE_PAGE_MAX - 1;

/// Where in a list, and which of it.
#[derive(Debug, Default, Deserialize)]
pub struct Paging {
    limit: Option<u32>,
    after_id: Option<String>,
    before_id: Option<String>,
    scope_type: Option<String>,
}

impl Paging {
    fn page(&self) -> Result<Page, &'static str> {
        let id = |text: &str| text.parse::<BudgetId>();
        match (&self.after_id, &self.before_id) {
            (None, None) => Ok(Page::First),
            (Some(after), None) => id(after)
                .map(Page::After)
                .map_err(|_| "after_id: is no limit's id"),
            (None, Some(before)) => id(before)
                .map(Page::Before)
                .map_err(|_| "before_id: is no limit's id"),
            (Some(_), Some(_)) => Err("after_id and before_id: only one of them"),
        }
    }
}

/// `GET /v1/organizations/spend_limits`.
pub async fn list(
    State(state): State<Arc<Contract>>,
    Query(paging): Query<Paging>,
    request: Request,
) -> Response {
    let id = state.door.facts(&request, "spend_limits").request;
    let headers = request.into_parts().0.headers;
    if let Err(refused) = state.admin(&headers, Needs::Reading, id) {
        return *refused;
    }
    let page = match paging.page() {
        Ok(page) => page,
        Err(text) => {
            return *fail(id, StatusCode::BAD_REQUEST, "invalid_request_error", text);
        }
    };
    let most = paging
        .limit
        .unwrap_or(PAGE_LIMITS)
        .clamp(1, limits::STORE_PAGE_MAX);
    let kind = paging.scope_type.as_deref();
    let found = state.store.spend_limits_page(state.org, kind, page, most);
    let (shown, has_more) = match found.await {
        Ok(found) => found,
        Err(error) => return *unavailable(id, &error),
    };
    Json(json!({
        "data": shown.iter().map(shape).collect::<Vec<_>>(),
        "has_more": has_more,
        "first_id": shown.first().map(|limit| limit.id),
        "last_id": shown.last().map(|limit| limit.id),
    }))
    .into_response()
}

/// `GET /v1/organizations/spend_limits/{id}`.
pub async fn one(
    State(state): State<Arc<Contract>>,
    Path(limit): Path<String>,
    request: Request,
) -> Response {
    let id = state.door.facts(&request, "spend_limits").request;
    let headers = request.into_parts().0.headers;
    if let Err(refused) = state.admin(&headers, Needs::Reading, id) {
        return *refused;
    }
    let Ok(wanted) = limit.parse::<BudgetId>() else {
        return *not_found(id);
    };
    match state.store.spend_limit(state.org, wanted).await {
        Ok(Some(limit)) => Json(shape(&limit)).into_response(),
        Ok(None) => *not_found(id),
        Err(error) => *unavailable(id, &error),
    }
}

/// `GET /v1/organizations/spend_limits/audit`.
pub async fn audit(State(state): State<Arc<Contract>>, request: Request) -> Response {
    let id = state.door.facts(&request, "spend_limits").request;
    let headers = request.into_parts().0.headers;
    if let Err(refused) = state.admin(&headers, Needs::Reading, id) {
        return *refused;
    }
    // one more than is shown tells whether there are more
    let asked = AUDIT_ENTRIES_MAX + 1;
    let mut entries = match state.store.spend_limit_audit(state.org, asked).await {
        Ok(entries) => entries,
        Err(error) => return *unavailable(id, &error),
    };
    let shown = usize::try_from(AUDIT_ENTRIES_MAX).unwrap_or(usize::MAX);
    let has_more = entries.len() > shown;
    entries.truncate(shown);
    let parse = |json: &Option<String>| {
        json.as_deref()
            .and_then(|json| serde_json::from_str::<Value>(json).ok())
    };
    let data: Vec<Value> = entries
        .iter()
        .map(|entry| {
            json!({
                "type": "audit_event",
                "id": entry.id,
                "created_at": entry.created.to_string(),
                "actor": entry.actor,
                "action": entry.action,
                "target_id": entry.target,
                "before": parse(&entry.before_json),
                "after": parse(&entry.after_json),
                "reason": null,
            })
        })
        .collect();
    Json(json!({
        "has_more": has_more,
        "first_id": data.first().map(|entry| entry["id"].clone()),
        "last_id": data.last().map(|entry| entry["id"].clone()),
        "data": data,
    }))
    .into_response()
}
