//! What needs no sign-in: a landing page, the contract as a document, and the probe that clients send at start.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use serde_json::json;

use super::Contract;
use crate::signin::pages::{self, Frame, Landing};

/// `GET /`: says what this is, and how to point a client at it.
pub async fn landing(State(state): State<Arc<Contract>>) -> Response {
    let frame = Frame::new(&state.org_name, &state.public_url);
    let page = Landing::new(
        &frame,
        "Your company's door to Claude",
        state.public_url.clone(),
    );
    pages::respond(StatusCode::OK, &page, &[])
}

/// `GET /protocol`: the contract that clients and other gateways can read.
pub async fn protocol(State(state): State<Arc<Contract>>) -> Response {
    Json(json!({
        "gateway_protocol_version": 1,
        "server": "doorward",
        "version": env!("CARGO_PKG_VERSION"),
        "issuer": state.public_url,
        "sign_in": {
            "discovery": "GET /.well-known/oauth-authorization-server",
            "device_authorization": "POST /oauth/device_authorization",
            "token": "POST /oauth/token (device code, refresh token)",
            "revocation": "POST /oauth/revoke",
            "keys": "GET /oauth/jwks",
        },
        "bearer": {
            "headers": ["authorization: Bearer", "x-api-key"],
            "kinds": ["session token", "company ID token", "company access token", "workload token", "service key"],
        },
        "inference": ["POST /v1/messages", "POST /v1/messages/count_tokens", "GET /v1/models", "GET /v1/models/{id}"],
        "policy": ["GET /managed/settings", "GET /user/bootstrap", "GET /api/oauth/usage"],
        "telemetry": ["POST /v1/metrics", "POST /v1/logs", "POST /v1/traces"],
        "admin": ["GET|POST /v1/organizations/spend_limits", "GET|DELETE /v1/organizations/spend_limits/{id}",
                  "GET /v1/organizations/spend_limits/effective", "GET /v1/organizations/spend_limits/audit"],
        "errors": {"policy": "400 policy_blocked", "budget": "429 billing_error", "rate": "429 rate_limit_error",
                   "sign_in": "401 authentication_error", "access": "403 permission_error"},
    }))
    .into_response()
}

/// `GET` or `HEAD /api/hello`: Claude Code asks this before its first request; any answer will do.
pub async fn hello() -> StatusCode {
    StatusCode::OK
}
