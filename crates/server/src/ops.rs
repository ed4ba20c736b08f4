//! The operators' listener: metrics, health, readiness. On loopback, without sign-in.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use prometheus_client::registry::Registry;

use crate::wiring::Wired;

/// What it shows.
#[derive(Debug)]
pub struct Ops {
    /// The process.
    pub wired: Arc<Wired>,
    /// What is counted.
    pub registry: Registry,
    /// Whether the order to stop was given.
    pub draining: AtomicBool,
}

/// Its endpoints.
pub fn routes(ops: Arc<Ops>) -> Router {
    let wired = Arc::clone(&ops.wired);
    let router = Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .with_state(ops);
    wired.numbered(router)
}

async fn metrics(State(ops): State<Arc<Ops>>) -> Response {
    let mut text = String::new();
    if prometheus_client::encoding::text::encode(&mut text, &ops.registry).is_err() {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    // What is read at the moment of asking stands before the registry's closing line.
    let text = text.trim_end_matches("# EOF\n").to_owned() + &ops.wired.gauges() + "# EOF\n";
    (
        [(
            CONTENT_TYPE,
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
        )],
        text,
    )
        .into_response()
}

async fn ready(State(ops): State<Arc<Ops>>) -> Response {
    let mut missing = ops.wired.not_ready().await;
    if ops.draining.load(Ordering::Relaxed) {
        missing.push("draining".to_owned());
    }
    if missing.is_empty() {
        // Another replica would do no better, so this one stays in rotation; whoever reads it learns what is amiss.
        match ops.wired.impaired().join("; ") {
            amiss if amiss.is_empty() => "ready\n".into_response(),
            amiss => format!("ready, but: {amiss}\n").into_response(),
        }
    } else {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            format!("not ready: {}\n", missing.join("; ")),
        )
            .into_response()
    }
}
