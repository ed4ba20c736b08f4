//! Joiners and leavers: what is to be done for people who come and go, by deadline; one task with why it was opened and what proves that it is
//! done; closing one or several; and telling of a leaver ahead of time.
//!
//! - [`list`]: what is to be done
//! - [`one`]: one task
//! - [`close`]: done, several done, not needed
//! - [`tell`]: somebody who will leave, or is new

pub mod close;
pub mod list;
pub mod one;
pub mod tell;

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use control::Right;
use control::tasks::Task;

use super::parts::Link;
use super::show::Said;
use super::visit::Visitor;
use crate::Console;

/// Everything under `/console/tasks`.
pub fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/console/tasks", get(list::list))
        .route(
            "/console/tasks/done",
            get(close::ask_several).post(close::several),
        )
        .route(
            "/console/tasks/leaver",
            get(tell::ask_leaver).post(tell::leaver),
        )
        .route(
            "/console/tasks/joiner",
            get(tell::ask_joiner).post(tell::joiner),
        )
        .route("/console/tasks/{id}", get(one::read))
        .route(
            "/console/tasks/{id}/done",
            get(close::ask_done).post(close::done),
        )
        .route(
            "/console/tasks/{id}/not-needed",
            get(close::ask_not_needed).post(close::not_needed),
        )
}

/// Whom a task is about: a link to their page where there is one, and who looks may see it.
#[derive(Debug)]
pub(super) enum Whom {
    /// Somebody the directory knows.
    Known(Link),
    /// Somebody else, or whom who looks may not see.
    Told(Said),
}

pub(super) fn whom(visitor: &Visitor, task: &Task) -> Whom {
    let known = task.about.parse::<domain::PersonId>().ok();
    match known.filter(|_| visitor.actor().may(Right::PeopleRead)) {
        Some(person) => Whom::Known(Link {
            to: format!("/console/people/{person}"),
            word: Said::from(&task.label),
        }),
        None => Whom::Told(Said::from(&task.label)),
    }
}
