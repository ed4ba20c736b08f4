//! The ledger: search it, read a record as a whole with the way of its request, and why something was refused. Reads alone. What the
//! store has no index for is found by reading a stretch of it, and the page says how far it looked.
//!
//! - [`line`]: a record as a row
//! - [`reasons`]: the reasons of refusals as the filter offers them
//! - [`search`]: the list, its filters and its file
//! - [`record`]: one record
//! - [`why`]: why a request was refused, and what would allow it
//! - [`way`]: the stages of a request

pub mod line;
mod reasons;
pub mod record;
pub mod search;
pub mod way;
pub mod why;

use std::sync::Arc;

use axum::Router;
use axum::routing::get;

use crate::Console;

/// Everything under `/console/ledger`.
pub fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/console/ledger", get(search::list))
        .route("/console/ledger.csv", get(search::file))
        .route("/console/ledger/{place}", get(record::read))
        .route("/console/ledger/{place}/why", get(why::read))
}
