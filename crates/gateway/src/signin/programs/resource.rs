//! `GET /.well-known/oauth-protected-resource…` (RFC 9728): where a program that wants to call a connector gets its tokens. Every name
//! that a connector may have is answered alike, so that nobody who is not signed in learns which there are.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use domain::ReasonCode;
use http::header::CACHE_CONTROL;
use http::{HeaderValue, StatusCode};
use pipeline::identity::Resource;
use pipeline::identity::resource::SCOPE;
use serde_json::json;

use crate::signin::{SignIn, oauth};

/// Of all connectors in one list.
pub async fn of_all(State(state): State<Arc<SignIn>>) -> Response {
    document(&state, &Resource::all(&state.public_url))
}

/// Of one.
pub async fn of_one(State(state): State<Arc<SignIn>>, Path(connector): Path<String>) -> Response {
    match Resource::connector(&state.public_url, &connector) {
        Some(resource) => document(&state, &resource),
        None => oauth::error(
            StatusCode::NOT_FOUND,
            "invalid_request",
            ReasonCode::PathUnknown.what(),
        ),
    }
}

fn document(state: &SignIn, resource: &Resource) -> Response {
    let name = resource.name().unwrap_or("connectors");
    let mut response = Json(json!({
        "resource": resource.as_str(),
        "authorization_servers": [state.public_url],
        "scopes_supported": [SCOPE],
        "bearer_methods_supported": ["header"],
        "resource_name": format!("{name} of {}", state.org_name),
    }))
    .into_response();
    response.headers_mut().insert(
        CACHE_CONTROL,
        HeaderValue::from_static("public, max-age=300"),
    );
    response
}
