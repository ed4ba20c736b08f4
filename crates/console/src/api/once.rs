//! `Idempotency-Key`: a POST that names a key is done once, however often it is sent. The key belongs to its caller and path for a
//! day; with another body it is refused. Whatever is answered is kept for repeats, but for what may be shown only once, and but
//! for answers that say that nothing was done, after which the same request may be sent again.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use control::idempotency::{Asked, Known};
use control::{Actor, ControlError};
use domain::opaque::{hex, sha256};
use domain::{ReasonCode, limits};
use http::header::{CONTENT_TYPE, ETAG};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use serde::{Deserialize, Serialize};

use super::call::read_for;
use crate::{Console, Problem};

const KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// What is only asked changes nothing, however often: a key has no meaning there, and nothing is kept.
const ONLY_ASKED: [&str; 4] = [
    "/policy/plan",
    "/policy/try",
    "/acceptable-use/preview",
    "/artefacts/lint",
];
/// Says that an answer is that of an earlier request.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// The member of an answer that is shown once, and in repeats is null.
const SHOWN_ONCE: &str = "secret";

/// Around every handler, inside the entrance.
pub async fn once(State(console): State<Arc<Console>>, request: Request, next: Next) -> Response {
    match through(&console, request, next).await {
        Ok(response) => response,
        Err(problem) => problem.into_response(),
    }
}

async fn through(console: &Console, request: Request, next: Next) -> Result<Response, Problem> {
    let path = request.uri().path().to_owned();
    if ONLY_ASKED.iter().any(|asked| path.ends_with(asked)) {
        return Ok(next.run(request).await);
    }
    let mut keys = request.headers().get_all(&KEY).iter();
    let key = match (keys.next(), keys.next()) {
        (Some(key), None) if request.method() == Method::POST => checked(key)?,
        (Some(_), Some(_)) => return Err(bad_key()),
        _ => return Ok(next.run(request).await),
    };
    let actor = request.extensions().get::<Arc<Actor>>();
    let actor = actor.ok_or_else(|| Problem::plain(ReasonCode::CredentialMissing))?;
    let actor = actor.key();
    let query = request.uri().query().unwrap_or_default().to_owned();
    let (parts, body) = request.into_parts();
    let body = read_for(&path, body).await?;
    let request_hash = hex(&sha256(&whole(&query, &body)));
    let asked = Asked {
        actor: &actor,
        operation: &path,
        key: &key,
        request_hash: &request_hash,
    };
    match console.control.begin(asked).await? {
        Known::New => {
            let request = Request::from_parts(parts, Body::from(body));
            settle(console, asked, next.run(request).await).await
        }
        Known::Another => Err(Problem::plain(ReasonCode::IdempotencyConflict)),
        Known::Unsettled => Err(Problem::plain(ReasonCode::IdempotencyUnsettled)),
        Known::Answered { status, answer } => Ok(replayed(status, answer)),
    }
}

/// What a request asks: its body, and its query where it has one.
fn whole(query: &str, body: &[u8]) -> Vec<u8> {
    if query.is_empty() {
        return body.to_vec();
    }
    [query.as_bytes(), b"\n", body].concat()
}

/// Printable characters, few enough.
fn checked(key: &HeaderValue) -> Result<String, Problem> {
    let key = key.to_str().map_err(|_| bad_key())?;
    let fine = (1..=limits::IDEMPOTENCY_KEY_CHARS_MAX).contains(&key.len())
        && key.bytes().all(|byte| byte.is_ascii_graphic());
    fine.then(|| key.to_owned()).ok_or_else(bad_key)
}

fn bad_key() -> Problem {
    let detail = format!(
        "`Idempotency-Key` must be one text of 1 to {} printable characters without blanks.",
        limits::IDEMPOTENCY_KEY_CHARS_MAX
    );
    Problem::new(ReasonCode::ParameterInvalid, detail)
}

/// Keeps the answer. A failure to do so leaves the key unsettled, which repeats are told.
async fn settle(
    console: &Console,
    asked: Asked<'_>,
    response: Response,
) -> Result<Response, Problem> {
    let control = &console.control;
    let status = response.status();
    if !status.is_success() {
        // A refusal did nothing. What may have been written as a whole or not at all stays unsettled.
        let is_certain = response.extensions().get::<Uncertain>().is_none();
        if is_certain {
            note(control.release(asked).await);
        }
        return Ok(response);
    }
    let (parts, body) = response.into_parts();
    let body = super::call::read(body, usize::MAX).await?;
    note(
        control
            .settle(asked, status.as_u16(), &to_keep(&parts.headers, &body))
            .await,
    );
    Ok(Response::from_parts(parts, Body::from(body)))
}

fn note(outcome: Result<(), ControlError>) {
    if let Err(error) = outcome {
        tracing::warn!(error = %error, "an idempotency key stays unsettled");
    }
}

/// Marks an answer after which nobody knows whether the change was made.
#[derive(Debug, Clone, Copy)]
pub struct Uncertain;

/// What of an answer is kept for repeats.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    /// The version of what was made, with which it can be changed.
    etag: Option<String>,
    /// The body without what is shown once.
    body: String,
}

fn to_keep(headers: &HeaderMap, body: &[u8]) -> String {
    let etag = headers.get(ETAG).and_then(|etag| etag.to_str().ok());
    let kept = Kept {
        etag: etag.map(str::to_owned),
        body: without_secret(body),
    };
    serde_json::to_string(&kept).expect("two texts")
}

/// The answer without what is shown once.
fn without_secret(body: &[u8]) -> String {
    match serde_json::from_slice::<serde_json::Value>(body) {
        Ok(serde_json::Value::Object(mut members)) => {
            if let Some(secret) = members.get_mut(SHOWN_ONCE) {
                *secret = serde_json::Value::Null;
            }
            serde_json::Value::Object(members).to_string()
        }
        Ok(other) => other.to_string(),
        Err(_) => String::new(),
    }
}

fn replayed(status: u16, answer: String) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    // What an earlier version kept is the body alone.
    let kept = serde_json::from_str(&answer).unwrap_or(Kept {
        etag: None,
        body: answer,
    });
    let mut response = (status, kept.body).into_response();
    let headers = response.headers_mut();
    if let Some(etag) = kept.etag.and_then(|etag| HeaderValue::try_from(etag).ok()) {
        headers.insert(ETAG, etag);
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(REPLAYED, HeaderValue::from_static("true"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_never_kept_for_repeats() {
        let kept = without_secret(br#"{"id":"tok_1","secret":"dwp_abc"}"#);
        assert_eq!(kept, r#"{"id":"tok_1","secret":null}"#);
    }

    #[test]
    fn a_repeat_has_the_version_of_the_first_answer() {
        let check = |etag: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            if let Some(etag) = etag {
                headers.insert(ETAG, HeaderValue::from_static(etag));
            }
            let repeat = replayed(201, to_keep(&headers, b"{}"));
            let found = repeat
                .headers()
                .get(ETAG)
                .map(|etag| etag.to_str().unwrap());
            assert_eq!((found, repeat.status().as_u16()), (etag, 201));
        };
        check(Some("\"7\""));
        check(None);
        let earlier = replayed(201, r#"{"id":"tok_1"}"#.to_owned());
        assert_eq!(earlier.headers().get(ETAG), None);
    }

    #[test]
    fn a_key_is_short_and_printable() {
        let check = |key: &[u8]| checked(&HeaderValue::from_bytes(key).unwrap()).is_ok();
        assert!(check(b"2f1c-7") && check(&[b'a'; 128]));
        for bad in [&b""[..], b"a b", b"\xc3\xa4", &[b'a'; 129]] {
            assert!(!check(bad), "{bad:?}");
        }
    }
}
