//! The policy: the version in force as people read it, its versions, and changing it. A draft is nothing but the text in the form that goes
//! from page to page: nothing of it is kept until it is saved, so two people never share one, and a tab that is closed forgets it.
//!
//! - [`book`]: the version in force
//! - [`versions`]: every version, and one of them
//! - [`draft`]: the text, what it would change, and saving it
//! - [`blast`]: who gains or loses what
//! - [`entry`], [`form`]: one entry as a form
//! - [`beside`]: what stands beside the entries, as a form
//! - [`input`]: a field of these forms
//! - [`wanted`]: what a request asks for, as the fields of an entry
//! - [`words`]: entries in words
//! - [`trial`]: try a decision

pub mod beside;
pub mod blast;
pub mod book;
pub mod draft;
pub mod entry;
pub mod form;
pub mod input;
pub mod trial;
pub mod versions;
mod wanted;
pub mod words;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use crate::Console;

/// Everything under `/console/policy`.
pub fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/console/policy", get(book::read))
        .route("/console/policy/versions", get(versions::list))
        .route("/console/policy/versions/{version}", get(versions::read))
        .route(
            "/console/policy/versions/{version}/text",
            get(versions::text),
        )
        .route("/console/policy/edit", get(draft::begin).post(draft::again))
        .route(
            "/console/policy/preview",
            post(draft::preview).get(draft::nothing_sent),
        )
        .route(
            "/console/policy/apply",
            post(draft::apply).get(draft::nothing_sent),
        )
        .route(
            "/console/policy/entry",
            get(entry::begin).post(entry::change),
        )
        .route("/console/policy/entry/open", post(entry::open))
        .route(
            "/console/policy/beside",
            get(beside::begin).post(beside::change),
        )
        .route(
            "/console/policy/try",
            get(trial::ask).post(trial::with_draft),
        )
}
