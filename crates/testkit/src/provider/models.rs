//! The models the provider knows, and `GET /v1/models` with its cursors.

use http::Response;
use serde_json::{Value, json};

use super::errors::Refusal;
use crate::net::ask::Fields;
use crate::net::{Body, reply};

/// Id, display name, date of release.
const MODELS: [(&str, &str, &str); 14] = [
    (
        "claude-fable-5-2",
        "Claude Fable 5.2",
        "2026-11-09T00:00:00Z",
    ),
    ("claude-opus-5-5", "Claude Opus 5.5", "2026-10-07T00:00:00Z"),
    (
        "claude-sonnet-5-5",
        "Claude Sonnet 5.5",
        "2026-10-07T00:00:00Z",
    ),
    (
        "claude-haiku-5-5",
        "Claude Haiku 5.5",
        "2026-10-07T00:00:00Z",
    ),
    ("claude-opus-5", "Claude Opus 5", "2026-06-01T00:00:00Z"),
    ("claude-sonnet-5", "Claude Sonnet 5", "2026-06-01T00:00:00Z"),
    ("claude-opus-4-8", "Claude Opus 4.8", "2026-04-01T00:00:00Z"),
    ("claude-opus-4-7", "Claude Opus 4.7", "2026-03-01T00:00:00Z"),
    ("claude-opus-4-6", "Claude Opus 4.6", "2026-02-05T00:00:00Z"),
    (
        "claude-sonnet-4-6",
        "Claude Sonnet 4.6",
        "2026-02-05T00:00:00Z",
    ),
    (
        "claude-opus-4-5-20251101",
        "Claude Opus 4.5",
        "2025-11-24T00:00:00Z",
    ),
    (
        "claude-haiku-4-5",
        "Claude Haiku 4.5",
        "2025-10-15T00:00:00Z",
    ),
    (
        "claude-haiku-4-5-20251001",
        "Claude Haiku 4.5",
        "2025-10-15T00:00:00Z",
    ),
    (
        "claude-sonnet-4-5-20250929",
        "Claude Sonnet 4.5",
        "2025-09-29T00:00:00Z",
    ),
];

/// The ids of the models a provider serves when told nothing else, newest first.
pub fn known_models() -> impl Iterator<Item = &'static str> {
    MODELS.iter().map(|(id, ..)| *id)
}

fn info(id: &str) -> Value {
    let known = MODELS.iter().find(|(known, ..)| *known == id);
    let (_, name, created) = known.copied().unwrap_or((id, id, "2026-01-01T00:00:00Z"));
    json!({
        "type": "model", "id": id, "display_name": name, "created_at": created,
        "max_input_tokens": 200_000, "max_tokens": 128_000, "lifecycle": "active",
    })
}

/// `GET /v1/models/{id}`.
pub(super) fn one(models: &[String], id: &str) -> Result<Response<Body>, Refusal> {
    if models.iter().any(|known| known == id) {
        Ok(reply::json(200, &info(id)))
    } else {
        Err(Refusal::new(404, format!("model: {id}")))
    }
}

/// `GET /v1/models`: `limit` 1 to 1000 (20), `after_id`, `before_id`.
pub(super) fn list(models: &[String], query: &Fields) -> Result<Response<Body>, Refusal> {
    let limit = match query.find("limit") {
        None => 20,
        Some(text) => text
            .parse::<usize>()
            .ok()
            .filter(|limit| (1..=1_000).contains(limit))
            .ok_or_else(|| Refusal::invalid("limit: Input should be between 1 and 1000"))?,
    };
    let place = |name: &str| match query.find(name) {
        None => Ok(None),
        Some(id) => models
            .iter()
            .position(|known| known == id)
            .map(Some)
            .ok_or_else(|| Refusal::invalid(format!("{name}: no such model"))),
    };
    let (page, has_more) = match (place("after_id")?, place("before_id")?) {
        (_, Some(before)) => {
            let start = before.saturating_sub(limit);
            (&models[start..before], start > 0)
        }
        (after, None) => {
            let start = after.map_or(0, |at| at + 1);
            let end = (start + limit).min(models.len());
            (&models[start..end], end < models.len())
        }
    };
    Ok(reply::json(
        200,
        &json!({
            "data": page.iter().map(|id| info(id)).collect::<Vec<_>>(),
            "has_more": has_more,
            "first_id": page.first(),
            "last_id": page.last(),
        }),
    ))
}
