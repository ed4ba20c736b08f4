//! `GET /.well-known/oauth-authorization-server` (RFC 8414): where clients find the other endpoints. All are on our own origin;
//! stock clients use no others.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::HeaderValue;
use http::header::CACHE_CONTROL;
use serde_json::json;

use super::SignIn;

/// The metadata.
pub async fn metadata(State(state): State<Arc<SignIn>>) -> Response {
    let url = &state.public_url;
    Json(json!({
        "issuer": url,
        "device_authorization_endpoint": format!("{url}/oauth/device_authorization"),
        "token_endpoint": format!("{url}/oauth/token"),
        "revocation_endpoint": format!("{url}/oauth/revoke"),
        "jwks_uri": format!("{url}/oauth/jwks"),
        "grant_types_supported": ["urn:ietf:params:oauth:grant-type:device_code", "refresh_token"],
        "response_types_supported": [],
        "token_endpoint_auth_methods_supported": ["none"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "gateway_protocol_version": 1,
    }))
    .into_response()
}

/// `GET /oauth/jwks`: the keys that check our session tokens.
pub async fn keys(State(state): State<Arc<SignIn>>) -> Response {
    let mut response = Json(state.tokens.jwks()).into_response();
    response.headers_mut().insert(
        CACHE_CONTROL,
        HeaderValue::from_static("public, max-age=300"),
    );
    response
}
