//! `GET /.well-known/oauth-authorization-server` (RFC 8414): where clients find the other endpoints. All are on our own origin;
//! stock clients use no others. Claude's own clients sign in by device code and read no more than that; programs that call connectors
//! read the rest.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::HeaderValue;
use http::header::CACHE_CONTROL;
use pipeline::identity::resource::SCOPE;
use serde_json::json;

use super::SignIn;
use super::programs::assertion;

/// The metadata.
pub async fn metadata(State(state): State<Arc<SignIn>>) -> Response {
    let url = &state.public_url;
    let mut issuers = state.identity.issuers().iter();
    let asserts = issuers.any(|issuer| issuer.config().identity_assertions);
    let mut grants = vec![
        "authorization_code",
        "refresh_token",
        "urn:ietf:params:oauth:grant-type:device_code",
    ];
    grants.extend(asserts.then_some(assertion::GRANT));
    let profiles: Vec<&str> = asserts.then_some(assertion::PROFILE).into_iter().collect();
    Json(json!({
        "issuer": url,
        "device_authorization_endpoint": format!("{url}/oauth/device_authorization"),
        "token_endpoint": format!("{url}/oauth/token"),
        "revocation_endpoint": format!("{url}/oauth/revoke"),
        "jwks_uri": format!("{url}/oauth/jwks"),
        "authorization_endpoint": format!("{url}/oauth/authorize"),
        "registration_endpoint": format!("{url}/oauth/register"),
        "client_id_metadata_document_supported": true,
        "grant_types_supported": grants,
        "authorization_grant_profiles_supported": profiles,
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": true,
        "token_endpoint_auth_methods_supported": ["none", "client_secret_post", "client_secret_basic"],
        "scopes_supported": ["openid", "profile", "email", "offline_access", SCOPE],
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
