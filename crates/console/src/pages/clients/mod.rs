//! What Claude's clients receive: the rollout rings, each ring's files to save and how to install them, a lint for somebody's own settings
//! file, and what people see when a client does not work. Reads the policy; changes nothing.
//!
//! - [`list`]: the rings
//! - [`ring`]: one ring's files, and a file to save
//! - [`lint`]: the form
//! - [`symptoms`]: what is seen, why, and what helps

pub mod lint;
pub mod list;
pub mod ring;
pub mod symptoms;

use std::sync::Arc;

use axum::Router;
use axum::routing::get;

use crate::Console;

/// Everything under `/console/clients`.
pub fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/console/clients", get(list::list))
        .route("/console/clients/ring", get(ring::read))
        .route("/console/clients/file", get(ring::file))
        .route("/console/clients/lint", get(lint::ask).post(lint::look))
        .route("/console/clients/symptoms", get(symptoms::read))
}

/// The pages of this place, for the tabs of each.
const TABS: [(&str, &str); 3] = [
    ("Rings and files", "/console/clients"),
    ("Look through a settings file", "/console/clients/lint"),
    ("When a client does not work", "/console/clients/symptoms"),
];

/// One of the tabs: its word, where it leads, whether it is here.
type Tab = (&'static str, &'static str, bool);

fn tabs(here: &str) -> Vec<Tab> {
    let tabs = TABS.into_iter();
    tabs.map(|(word, to)| (word, to, to == here)).collect()
}
