//! The acceptable-use policy: what is in force and whether it is still true, its versions, the draft that several write and what it would be,
//! publishing it, and who has accepted.
//!
//! - [`terms`]: a text as people see it, and what changed in one
//! - [`list`]: the version in force, the versions, one of them
//! - [`draft`]: writing the draft
//! - [`publish`]: publishing it
//! - [`people`]: who has accepted and who has not

pub mod draft;
pub mod list;
pub mod people;
pub mod publish;
pub mod terms;

use std::sync::Arc;

use axum::Router;
use axum::routing::get;

use super::parts;
use crate::Console;

/// Everything under `/console/acceptable-use`.
pub fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/console/acceptable-use", get(list::list))
        .route(
            "/console/acceptable-use/versions/{version}",
            get(list::version),
        )
        .route(
            "/console/acceptable-use/draft",
            get(draft::read).post(draft::post),
        )
        .route(
            "/console/acceptable-use/publish",
            get(publish::ask).post(publish::publish),
        )
        .route("/console/acceptable-use/people", get(people::list))
        .route("/console/acceptable-use/people.csv", get(people::file))
}
