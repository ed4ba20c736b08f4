//! CORS for the Microsoft 365 add-ins, which run in a browser frame of `https://pivot.claude.ai` and read every response, errors
//! and preflights included. No other origin is answered.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN,
    VARY,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};

const OFFICE: &str = "https://pivot.claude.ai";
/// Named one by one: a `*` would not cover `authorization`.
const HEADERS: &str = "authorization, x-api-key, content-type, anthropic-version, anthropic-beta, \
                       anthropic-dangerous-direct-browser-access, x-stainless-arch, x-stainless-lang, x-stainless-os, \
                       x-stainless-package-version, x-stainless-retry-count, x-stainless-runtime, \
                       x-stainless-runtime-version, x-stainless-timeout, x-stainless-helper-method, x-app";
const EXPOSED: &str = "request-id, x-request-id, retry-after, x-should-retry, x-doorward-reason";

/// Whether the add-ins' frame sends this.
pub fn is_from_office(headers: &HeaderMap) -> bool {
    headers.get(ORIGIN).is_some_and(|origin| origin == OFFICE)
}

/// Answers preflights of the add-ins and marks every response to them.
pub async fn for_office(request: Request, next: Next) -> Response {
    if !is_from_office(request.headers()) {
        return next.run(request).await;
    }
    let preflight = request.method() == Method::OPTIONS
        && request
            .headers()
            .contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = if preflight {
        StatusCode::NO_CONTENT.into_response()
    } else {
        next.run(request).await
    };
    mark(response.headers_mut(), preflight);
    response
}

fn mark(headers: &mut HeaderMap, preflight: bool) {
    headers.insert(
        ACCESS_CONTROL_ALLOW_ORIGIN,
        HeaderValue::from_static(OFFICE),
    );
    headers.append(VARY, HeaderValue::from_static("origin"));
    if preflight {
        headers.insert(
            ACCESS_CONTROL_ALLOW_METHODS,
            HeaderValue::from_static("GET, POST, OPTIONS"),
        );
        headers.insert(
            ACCESS_CONTROL_ALLOW_HEADERS,
            HeaderValue::from_static(HEADERS),
        );
        headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    } else {
        headers.insert(
            ACCESS_CONTROL_EXPOSE_HEADERS,
            HeaderValue::from_static(EXPOSED),
        );
    }
}
