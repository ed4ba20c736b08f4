//! A person's own pages: what one may use and why, what one used and what is left, where one is signed in, what one agreed to, and what
//! one asks for. Everyone has them, and sees nobody else's.
//!
//! - [`page`]: the page itself
//! - [`ask`]: asking for access, and taking that back
//! - [`reach`]: the connectors that one may reach

pub mod ask;
pub mod page;
pub mod reach;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};
use control::may_use::{self, MayUse, Question, Tried};
use domain::ClientKind;

use super::parts;
use super::visit::Visitor;
use super::wrong::Wrong;
use crate::Console;

/// Everything under `/me`.
pub fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/me", get(page::read))
        .route("/me/sessions/{id}/end", post(page::end))
        .route("/me/sessions/end-others", post(page::end_others))
        .route("/me/ask", get(ask::read).post(ask::send))
        .route("/me/asked/{id}/withdraw", post(ask::withdraw))
}

/// Every model there is, by id.
fn models(visitor: &Visitor) -> Vec<String> {
    let installation = &visitor.console().installation;
    installation
        .models
        .iter()
        .map(|model| model.id.clone())
        .collect()
}

/// What decides whether one may use these models.
fn question<'q>(visitor: &Visitor, models: &'q [String]) -> Question<'q> {
    Question {
        models,
        issuers_for_people: visitor.console().rules.issuers_for_people(),
        tried: Tried::newest(ClientKind::ClaudeCode),
    }
}

/// What one may use.
async fn may_use(visitor: &Visitor) -> Result<MayUse, Wrong> {
    let models = models(visitor);
    let question = question(visitor, &models);
    Ok(may_use::own(&visitor.operation(), question).await?)
}
