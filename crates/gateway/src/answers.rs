//! What every answer has in common, whichever handler gives it: a request id, and errors in the words of its door also where the
//! router itself answers (a wrong method, a query that cannot be read).
//!
//! It never touches an answer that a handler has worded, nor a body that streams. `server` puts [`numbered`] around all it serves;
//! each door puts its own wording around its routes.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use domain::{ReasonCode, Refusal, RequestId};
use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};

use crate::envelope::{REQUEST_ID, refusal_response};
use crate::inference::Inference;
use crate::signin::oauth;

/// Gives a request its id, and its answer the header that names it. The outermost layer.
pub async fn numbered(
    State(door): State<Arc<Inference>>,
    mut request: Request,
    next: Next,
) -> Response {
    let id = door.new_request_id();
    request.extensions_mut().insert(id);
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    if !headers.contains_key(REQUEST_ID)
        && let Ok(value) = HeaderValue::try_from(id.to_string())
    {
        headers.insert(REQUEST_ID, value);
    }
    response
}

/// The router's own errors in Anthropic's envelope.
pub async fn in_envelope(request: Request, next: Next) -> Response {
    let id = request.extensions().get().copied();
    let response = next.run(request).await;
    match unworded(&response) {
        None => response,
        Some(code) => worded(
            &response,
            refusal_response(&Refusal::plain(code), id.unwrap_or(NO_ID)),
        ),
    }
}

/// The router's own errors in OAuth's form (RFC 6749, section 5.2). People's pages are worded by their handlers.
pub async fn in_oauth(request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    match unworded(&response) {
        None => response,
        Some(code) => {
            let status = response.status();
            worded(
                &response,
                oauth::error(status, "invalid_request", code.what()),
            )
        }
    }
}

/// For a router that nothing has numbered, as in tests of one door.
const NO_ID: RequestId = RequestId::from_parts(0, 0);

/// The code of an error that no handler of ours has worded: the router writes plain text, or nothing.
fn unworded(response: &Response) -> Option<ReasonCode> {
    let status = response.status();
    let plain = response
        .headers()
        .get(CONTENT_TYPE)
        .is_none_or(|kind| kind.as_bytes().starts_with(b"text/plain"));
    if !plain || !(status.is_client_error() || status.is_server_error()) {
        return None;
    }
    Some(match status {
        StatusCode::METHOD_NOT_ALLOWED => ReasonCode::MethodNotAllowed,
        StatusCode::NOT_FOUND => ReasonCode::PathUnknown,
        StatusCode::PAYLOAD_TOO_LARGE => ReasonCode::BodyTooLarge,
        _ if status.is_client_error() => ReasonCode::ParameterInvalid,
        _ => ReasonCode::Internal,
    })
}

/// Keeps which methods would do.
fn worded(router: &Response, mut ours: Response) -> Response {
    if let Some(allow) = router.headers().get(ALLOW) {
        ours.headers_mut().insert(ALLOW, allow.clone());
    }
    ours
}
