//! People: find one, see who they are, what they may use and why, what they used and hold, and take their access away or give it back.
//! The list shows everyone whom an issuer vouches for or a directory provisions.
//!
//! - [`list`]: the list
//! - [`person`]: one person
//! - [`access`]: shut out, let in, end sessions
//! - [`connections`]: their own accounts at connectors, and ending one

pub mod access;
pub mod connections;
pub mod list;
pub mod person;

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use control::people::Person;

use super::parts::{State, Tone, state};
use super::show::{self, Said};
use crate::Console;

/// Everything under `/console/people`.
pub fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/console/people", get(list::list))
        .route("/console/people.csv", get(list::file))
        .route("/console/people/{id}", get(person::read))
        .route(
            "/console/people/{id}/shut-out",
            get(access::ask_shut_out).post(access::shut_out),
        )
        .route(
            "/console/people/{id}/let-in",
            get(access::ask_let_in).post(access::let_in),
        )
        .route(
            "/console/people/{id}/end-sessions",
            get(access::ask_end_sessions).post(access::end_sessions),
        )
        .route(
            "/console/people/{id}/end-connection",
            get(connections::ask_end).post(connections::end),
        )
}

/// The best name there is: the name, else the e-mail address, else the stable id.
pub fn name_of(person: &Person) -> Said {
    let name = person.name.as_deref().or(person.email.as_deref());
    Said::from(name.unwrap_or(&person.stable_id))
}

/// Whether they may come in, and who says otherwise.
pub fn access_of(person: &Person) -> (State, String) {
    match (person.shut_out_at, person.left_at) {
        (None, None) => (state(Tone::Allow, "May come in"), String::new()),
        (Some(at), None) => (
            state(Tone::Stop, "Shut out"),
            format!("by an administrator, {}", show::short_day(at)),
        ),
        (None, Some(at)) => (
            state(Tone::None, "Left"),
            format!("by the directory, {}", show::short_day(at)),
        ),
        (Some(_), Some(at)) => (
            state(Tone::Stop, "Shut out and left"),
            format!("by the directory since {}", show::short_day(at)),
        ),
    }
}
