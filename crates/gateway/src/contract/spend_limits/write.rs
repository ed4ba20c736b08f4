//! Setting a limit and taking one away. The ledger's record is durable before the change: it says what was asked for and what stood
//! then. The audit's entry is part of the change and says what really stood before, whoever else changes the limit meanwhile.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse as _, Response};
use domain::{AuditId, BudgetId, ReasonCode, Refusal, RequestId, limits};
use http::StatusCode;
use ledger::record::{Change, ChangeKind};
use serde_json::json;
use store::{SpendLimit, SpendLimitAudit};

use super::shape::{Wanted, shape};
use super::{AdminKey, Contract, Needs, Refused, fail, not_found, unavailable};
use crate::envelope;

/// `POST /v1/organizations/spend_limits`.
pub async fn upsert(State(state): State<Arc<Contract>>, request: Request) -> Response {
    upserted(&state, request)
        .await
        .unwrap_or_else(|refused| *refused)
}

async fn upserted(state: &Contract, request: Request) -> Result<Response, Refused> {
    let facts = state.door.facts(&request, "spend_limits");
    let id = facts.request;
    let (head, body) = request.into_parts();
    let key = state.admin(&head.headers, Needs::Writing, id)?;
    let whole = state
        .door
        .memory
        .read(&head.headers, body, limits::SMALL_BODY_BYTES_MAX)
        .await;
    let whole = whole.map_err(|refusal| Box::new(envelope::refusal_response(&refusal, id)))?;
    let bad = |text: &str| fail(id, StatusCode::BAD_REQUEST, "invalid_request_error", text);
    let wanted: Wanted =
        serde_json::from_slice(&whole.bytes).map_err(|error| bad(&error.to_string()))?;
    let limit = wanted
        .check(state.new_id(facts.began), facts.began)
        .map_err(|text| bad(&text))?;
    let all = state.store.spend_limits(state.org).await;
    let all = all.map_err(|error| unavailable(id, &error))?;
    let stands = all.iter().find(|other| other.is_for_the_same(&limit));
    state.record(key, stands, Some(&limit), id).await?;
    let stored = state
        .store
        .set_spend_limit(state.org, &limit, |before, after| {
            state.audit_entry(key, "spend_limit.upsert", before, Some(after), facts.began)
        })
        .await
        .map_err(|error| unavailable(id, &error))?;
    state.reload().await;
    Ok(Json(shape(&stored)).into_response())
}

/// `DELETE /v1/organizations/spend_limits/{id}`.
pub async fn remove(
    State(state): State<Arc<Contract>>,
    Path(limit): Path<String>,
    request: Request,
) -> Response {
    removed(&state, &limit, request)
        .await
        .unwrap_or_else(|refused| *refused)
}

async fn removed(state: &Contract, limit: &str, request: Request) -> Result<Response, Refused> {
    let facts = state.door.facts(&request, "spend_limits");
    let id = facts.request;
    let headers = request.into_parts().0.headers;
    let key = state.admin(&headers, Needs::Writing, id)?;
    let wanted: BudgetId = limit.parse().map_err(|_| not_found(id))?;
    let stands = state.store.spend_limit(state.org, wanted).await;
    let stands = stands.map_err(|error| unavailable(id, &error))?;
    let stands = stands.ok_or_else(|| not_found(id))?;
    state.record(key, Some(&stands), None, id).await?;
    let gone = state
        .store
        .delete_spend_limit(state.org, wanted, |stood| {
            state.audit_entry(key, "spend_limit.delete", Some(stood), None, facts.began)
        })
        .await
        .map_err(|error| unavailable(id, &error))?
        .ok_or_else(|| not_found(id))?;
    state.reload().await;
    Ok(Json(json!({"type": "spend_limit_deleted", "id": gone.id})).into_response())
}

impl Contract {
    fn new_id(&self, now: domain::Timestamp) -> BudgetId {
        BudgetId::from_parts(
            now.unix_ms().unsigned_abs(),
            self.door.pipeline.ids.random_bits(),
        )
    }

    /// Puts a changed limit in force here at once; other replicas follow when they next look.
    async fn reload(&self) {
        if let Err(error) = self.door.pipeline.rules.load(&self.store, self.org).await {
            tracing::warn!(error = %error, "a changed spend limit is not in force yet");
        }
    }

    fn audit_entry(
        &self,
        key: &AdminKey,
        action: &str,
        before: Option<&SpendLimit>,
        after: Option<&SpendLimit>,
        now: domain::Timestamp,
    ) -> SpendLimitAudit {
        SpendLimitAudit {
            id: AuditId::from_parts(
                now.unix_ms().unsigned_abs(),
                self.door.pipeline.ids.random_bits(),
            ),
            created: now,
            actor: format!("admin-key:{}", key.id),
            action: action.to_owned(),
            target: after
                .or(before)
                .map(|limit| limit.id.to_string())
                .unwrap_or_default(),
            before_json: before.map(|limit| shape(limit).to_string()),
            after_json: after.map(|limit| shape(limit).to_string()),
        }
    }

    /// Makes a change durable in the ledger before it is made; it is not made otherwise.
    async fn record(
        &self,
        key: &AdminKey,
        before: Option<&SpendLimit>,
        after: Option<&SpendLimit>,
        request: RequestId,
    ) -> Result<(), Refused> {
        let fingerprint = |limit: &SpendLimit| {
            crate::contract::settings::checksum(&shape(limit))
                .as_str()
                .into()
        };
        let change = Change {
            org: Some(self.org),
            by: None,
            by_label: format!("admin-key:{}", key.id).as_str().into(),
            address: None,
            noun: "spend_limit".into(),
            // a limit that stands keeps its id
            name: before
                .or(after)
                .map(|limit| limit.id.to_string())
                .unwrap_or_default()
                .as_str()
                .into(),
            done: match (before, after) {
                (None, _) => ChangeKind::Created,
                (Some(_), Some(_)) => ChangeKind::Updated,
                (Some(_), None) => ChangeKind::Deleted,
            },
            version: None,
            before: before.map(fingerprint),
            after: after.map(fingerprint),
            reason: None,
        };
        let ledger = &self.door.pipeline.ledger;
        let recorded = ledger.append(ledger::Record::Change(change)).await;
        recorded.map(drop).map_err(|error| {
            tracing::error!(%request, error = %error, "a spend limit is not changed: its record is not durable");
            let refusal = Refusal::plain(ReasonCode::LedgerUnavailable);
            Box::new(envelope::refusal_response(&refusal, request))
        })
    }
}
