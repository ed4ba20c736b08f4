//! OAuth's own forms of requests and errors (RFC 6749, sections 3.2 and 5.2).

use axum::Json;
use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use domain::limits;
use http::header::{CACHE_CONTROL, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use serde_json::json;

/// The one field that may stand several times (RFC 8707, section 2).
const REPEATED: &str = "resource";

/// The fields of a form.
#[derive(Debug, Default)]
pub struct Form(Vec<(String, String)>);

impl Form {
    /// Reads a small form; a field other than `resource` that stands twice, too many of them, or a body that is too large or slow, is refused.
    pub async fn read(body: Body) -> Result<Self, Response> {
        let refuse = || {
            error(
                StatusCode::BAD_REQUEST,
                "invalid_request",
                "The form cannot be read.",
            )
        };
        let time = std::time::Duration::from_millis(limits::BODY_IDLE_MS);
        let whole = tokio::time::timeout(
            time,
            Limited::new(body, limits::SMALL_BODY_BYTES_MAX).collect(),
        );
        let bytes = whole
            .await
            .map_err(|_| refuse())?
            .map_err(|_| refuse())?
            .to_bytes();
        Self::parse(&bytes).map_err(|what| error(StatusCode::BAD_REQUEST, "invalid_request", what))
    }

    fn parse(bytes: &[u8]) -> Result<Self, &'static str> {
        let mut fields: Vec<(String, String)> = Vec::new();
        for (name, value) in url::form_urlencoded::parse(bytes) {
            if fields.len() == limits::FORM_FIELDS_MAX {
                return Err("The form has too many fields.");
            }
            if name != REPEATED && fields.iter().any(|(known, _)| *known == name) {
                return Err("A field stands twice.");
            }
            fields.push((name.into_owned(), value.into_owned()));
        }
        Ok(Self(fields))
    }

    /// A field; the empty text when it is not there.
    pub fn field(&self, name: &str) -> &str {
        self.0
            .iter()
            .find(|(known, _)| known == name)
            .map_or("", |(_, value)| value)
    }

    /// Every value of a field.
    pub fn all<'f>(&'f self, name: &'f str) -> impl Iterator<Item = &'f str> {
        let of_name = move |(known, _): &&(String, String)| known == name;
        self.0.iter().filter(of_name).map(|(_, value)| &**value)
    }
}

/// An error in OAuth's form.
pub fn error(status: StatusCode, code: &str, description: &str) -> Response {
    let mut response = (
        status,
        Json(json!({"error": code, "error_description": description})),
    )
        .into_response();
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(RETRY_AFTER, HeaderValue::from_static("2"));
    }
    response
}

/// The error for an outage of ours: never one that a client takes for a sign-in that has ended.
pub fn unavailable() -> Response {
    error(
        StatusCode::SERVICE_UNAVAILABLE,
        "temporarily_unavailable",
        "The gateway's store cannot be reached; try again.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_has_each_field_once_and_few_of_them() {
        let form = |fields: usize| {
            let text: Vec<String> = (0..fields).map(|field| format!("f{field}=1")).collect();
            Form::parse(text.join("&").as_bytes())
        };
        assert_eq!(form(limits::FORM_FIELDS_MAX).unwrap().field("f31"), "1");
        assert!(form(limits::FORM_FIELDS_MAX + 1).is_err());
        assert!(Form::parse(b"code=a&code=b").is_err());
        let named = Form::parse(b"resource=a&resource=b").unwrap();
        assert_eq!(named.all("resource").collect::<Vec<_>>(), ["a", "b"]);
    }
}
