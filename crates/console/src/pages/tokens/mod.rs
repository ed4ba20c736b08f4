//! Personal access tokens: everyone's, for whoever looks after them, and one's own. A token is shown once, when its owner makes it.
//!
//! - [`own`]: one's own, under `/me/tokens`
//! - [`all`]: everyone's, under `/console/tokens`

pub mod all;
pub mod own;

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use control::tokens::PersonalToken;
use domain::Timestamp;
use domain::window::DAY_MS;

use super::parts::{Badge, Link, Tone, badge};
use super::show::{self, Said};
use crate::Console;

/// A token that ends within so much time is told.
const SOON_MS: i64 = 14 * DAY_MS;

/// Everything under `/me/tokens` and `/console/tokens`.
pub fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/me/tokens", get(own::list))
        .route("/me/tokens/new", get(own::ask_new).post(own::make))
        .route(
            "/me/tokens/{id}/revoke",
            get(own::ask_revoke).post(own::revoke),
        )
        .route("/console/tokens", get(all::list))
        .route(
            "/console/tokens/{id}/revoke",
            get(all::ask_revoke).post(all::revoke),
        )
}

/// A token as a row, never the token.
#[derive(Debug, Clone)]
pub struct Row {
    name: Said,
    prefix: Said,
    who: Option<Link>,
    scopes: String,
    badge: Badge,
    used: String,
    ends: String,
    made: String,
    opens: bool,
    revoke: Option<String>,
}

impl Row {
    fn of(token: &PersonalToken, now: Timestamp, revoke: Option<String>) -> Self {
        let opens = token.revoked_at.is_none() && now < token.expires;
        let left = token.expires.ms_since(now);
        Self {
            name: Said::from(&token.name),
            prefix: Said::from(format!("{}…", token.prefix)),
            who: None,
            scopes: token.scopes.join(", "),
            badge: match token.revoked_at {
                Some(_) => badge(Tone::None, "taken away"),
                None if !opens => badge(Tone::None, "ended"),
                None if left < SOON_MS => {
                    badge(Tone::Ask, format!("ends in {}", show::length(left)))
                }
                None => badge(Tone::Allow, "valid"),
            },
            used: token.last_used.map_or_else(
                || "never".to_owned(),
                |at| format!("{} ago", show::length(now.ms_since(at))),
            ),
            ends: show::day(token.expires),
            made: show::day(token.created),
            opens,
            revoke: revoke.filter(|_| opens),
        }
    }
}
