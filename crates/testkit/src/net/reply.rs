//! The answers the fakes give, in one line each.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use serde_json::Value;

use super::body::Body;

/// An answer with a content type.
pub fn typed(status: u16, content_type: &'static str, body: impl Into<Bytes>) -> Response<Body> {
    let mut answer = Response::new(Body::whole(body));
    *answer.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer
}

/// A JSON answer.
pub fn json(status: u16, body: &Value) -> Response<Body> {
    typed(status, "application/json", body.to_string())
}

/// A plain-text answer.
pub fn text(status: u16, body: impl Into<Bytes>) -> Response<Body> {
    typed(status, "text/plain; charset=utf-8", body)
}

/// An HTML page.
pub fn page(status: u16, body: String) -> Response<Body> {
    typed(status, "text/html; charset=utf-8", body)
}

/// A redirect; an address that cannot stand in a header becomes 500.
pub fn redirect(to: &str) -> Response<Body> {
    match HeaderValue::from_str(to) {
        Ok(location) => {
            let mut answer = text(302, "");
            answer.headers_mut().insert(header::LOCATION, location);
            answer
        }
        Err(_) => text(500, "the redirect address is not valid in a header"),
    }
}

/// Adds a header; a value that cannot stand in one is left out.
pub fn with(mut answer: Response<Body>, name: &'static str, value: &str) -> Response<Body> {
    if let Ok(value) = HeaderValue::from_str(value) {
        answer
            .headers_mut()
            .insert(HeaderName::from_static(name), value);
    }
    answer
}
