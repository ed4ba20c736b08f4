//! Services: machines and their keys. Find one, see what it may use and why, what it used and which keys open for it; make a key, which
//! is shown once; take one away.
//!
//! - [`list`]: the list
//! - [`service`]: one service
//! - [`key`]: make a key, take one away

pub mod key;
pub mod list;
pub mod service;

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use control::service_keys::ServiceKey;
use domain::Timestamp;
use domain::window::DAY_MS;

use super::parts::{Badge, Tone, badge};
use super::show;
use crate::Console;

/// A key that ends within so much time is told.
const SOON_MS: i64 = 14 * DAY_MS;

/// Everything under `/console/services`.
pub fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/console/services", get(list::list))
        .route("/console/services.csv", get(list::file))
        .route(
            "/console/services/new-key",
            get(key::ask_new).post(key::make),
        )
        .route("/console/services/{id}", get(service::read))
        .route(
            "/console/services/{id}/keys/{key}/revoke",
            get(key::ask_revoke).post(key::revoke),
        )
}

/// How a key stands.
fn standing(key: &ServiceKey, now: Timestamp) -> Badge {
    match (key.revoked_at, key.expires) {
        (Some(_), _) => badge(Tone::None, "taken away"),
        (None, Some(end)) if end <= now => badge(Tone::None, "ended"),
        (None, Some(end)) => ends(end, now),
        (None, None) => badge(Tone::Allow, "valid"),
    }
}

/// What ends at a moment, and whether that is soon.
fn ends(end: Timestamp, now: Timestamp) -> Badge {
    let left = end.ms_since(now);
    if left < SOON_MS {
        badge(Tone::Ask, format!("ends in {}", show::length(left)))
    } else {
        badge(Tone::Allow, "valid")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_ends_soon_is_told_and_one_that_has_ended_opens_nothing() {
        let now = Timestamp::from_unix_ms(100 * DAY_MS);
        let check = |expires: Option<i64>, revoked: bool, expected: &str| {
            let key = ServiceKey {
                key_hash: String::new(),
                service: domain::ServiceId::from_parts(1, 1),
                service_name: String::new(),
                prefix: String::new(),
                groups: std::collections::BTreeSet::new(),
                made_by: String::new(),
                created: now,
                expires: expires.map(|days| now.plus_ms(days * DAY_MS)),
                revoked_at: revoked.then_some(now),
                used_at: None,
            };
            let shown = standing(&key, now).to_string();
            assert!(shown.contains(expected), "{shown}");
        };
        check(None, false, ">valid<");
        check(Some(30), false, ">valid<");
        check(Some(3), false, "ends in 3 days");
        check(Some(0), false, ">ended<");
        check(Some(30), true, "taken away");
    }
}
