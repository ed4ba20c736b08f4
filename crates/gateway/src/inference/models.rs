//! `GET /v1/models` and `GET /v1/models/{id}`: the models this caller may use and a provider serves, and no others.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, Request, State};
use axum::response::{IntoResponse as _, Response};
use domain::policy::CallerPolicy;
use domain::{Reason, ReasonCode, Refusal};
use http::HeaderMap;
use pipeline::{Call, Facts};
use serde::Deserialize;
use serde_json::{Value, json};

use super::catalogue::Model;
use super::{Inference, refuse};

/// Entries on a page when the client does not say.
const PAGE: usize = 20;
/// Most entries on a page.
const PAGE_MAX: usize = 1_000;

/// Where in the list, and how much of it.
#[derive(Debug, Default, Deserialize)]
pub struct Paging {
    limit: Option<usize>,
    after_id: Option<String>,
    before_id: Option<String>,
}

/// `GET /v1/models`.
pub async fn list(
    State(door): State<Arc<Inference>>,
    Query(paging): Query<Paging>,
    request: Request,
) -> Response {
    let (facts, headers) = (
        door.facts(&request, "models"),
        request.into_parts().0.headers,
    );
    match allowed(&door, facts, &headers).await {
        Ok((policy, _)) => Json(page(&models(&door, &policy), &paging)).into_response(),
        Err(refused) => refused,
    }
}

/// `GET /v1/models/{id}`.
pub async fn one(
    State(door): State<Arc<Inference>>,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    let (facts, headers) = (
        door.facts(&request, "models"),
        request.into_parts().0.headers,
    );
    let (policy, request_id) = match allowed(&door, facts, &headers).await {
        Ok(allowed) => allowed,
        Err(refused) => return refused,
    };
    let found = models(&door, &policy)
        .into_iter()
        .find(|model| model.id.as_str() == id);
    if let Some(model) = found {
        return Json(shape(model)).into_response();
    }
    let reason = Reason::new(ReasonCode::PathUnknown, "There is no such model for you.");
    refuse(request_id)(Refusal::one(reason))
}

async fn allowed(
    door: &Inference,
    facts: Facts,
    headers: &HeaderMap,
) -> Result<(Arc<CallerPolicy>, domain::RequestId), Response> {
    let call = Call::received(&door.pipeline, facts);
    let call = door
        .identify(call, headers)
        .await
        .map_err(refuse(facts.request))?;
    Ok((call.done().1, facts.request))
}

fn models<'d>(door: &'d Inference, policy: &CallerPolicy) -> Vec<&'d Model> {
    let usable = |model: &&Model| {
        policy.grants_model(model.id.as_str()) && door.upstreams.serves(model.id.as_str())
    };
    door.catalogue.models().iter().filter(usable).collect()
}

fn page(models: &[&Model], paging: &Paging) -> Value {
    let place = |id: &Option<String>| {
        id.as_ref()
            .and_then(|id| models.iter().position(|m| m.id.as_str() == id))
    };
    let limit = paging.limit.unwrap_or(PAGE).clamp(1, PAGE_MAX);
    let (start, end) = match (place(&paging.after_id), place(&paging.before_id)) {
        (Some(after), _) => (after + 1, (after + 1 + limit).min(models.len())),
        (None, Some(before)) => (before.saturating_sub(limit), before),
        (None, None) => (0, limit.min(models.len())),
    };
    let shown = &models[start..end];
    let has_more = if paging.before_id.is_some() && paging.after_id.is_none() {
        start > 0
    } else {
        end < models.len()
    };
    json!({
        "data": shown.iter().copied().map(shape).collect::<Vec<_>>(),
        "has_more": has_more,
        "first_id": shown.first().map(|model| model.id.as_str()),
        "last_id": shown.last().map(|model| model.id.as_str()),
    })
}

fn shape(model: &Model) -> Value {
    let mut shape = json!({
        "type": "model",
        "id": model.id,
        "display_name": model.display_name,
        "created_at": model.created_at,
        "max_input_tokens": model.max_input_tokens,
    });
    if let Some(tier) = &model.anthropic_family_tier {
        shape["anthropic_family_tier"] = json!(tier);
    }
    shape
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inference::catalogue::Catalogue;

    fn ids(paging: &Paging) -> (Vec<String>, bool) {
        let catalogue = Catalogue::new(vec![]);
        let models: Vec<_> = catalogue.models().iter().take(5).collect();
        let page = page(&models, paging);
        let ids = page["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|m| m["id"].as_str().unwrap().to_owned())
            .collect();
        (ids, page["has_more"].as_bool().unwrap())
    }

    #[test]
    fn pages_follow_one_another_without_a_gap() {
        let (first, more) = ids(&Paging {
            limit: Some(2),
            ..Paging::default()
        });
        assert!(more);
        let (second, more) = ids(&Paging {
            limit: Some(2),
            after_id: first.last().cloned(),
            ..Paging::default()
        });
        assert!(more && second[0] != first[1]);
        let (third, more) = ids(&Paging {
            limit: Some(2),
            after_id: second.last().cloned(),
            ..Paging::default()
        });
        assert_eq!((third.len(), more), (1, false));
        let (back, _) = ids(&Paging {
            limit: Some(2),
            before_id: second.first().cloned(),
            ..Paging::default()
        });
        assert_eq!(back, first);
    }

    #[test]
    fn any_limit_is_brought_into_bounds() {
        assert_eq!(
            ids(&Paging {
                limit: Some(0),
                ..Paging::default()
            })
            .0
            .len(),
            1
        );
        assert_eq!(
            ids(&Paging {
                limit: Some(usize::MAX),
                ..Paging::default()
            })
            .0
            .len(),
            5
        );
    }
}
