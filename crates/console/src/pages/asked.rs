//! What a request of a page carries: a query, an id in the path, a form. Bounded in size and time. Of a query, members that are not
//! known are passed over, because old links and other people's tools add some; a form of ours has its own members and no others.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{DefaultBodyLimit, FromRequest, FromRequestParts, Path, Query, Request};
use axum::response::{IntoResponse as _, Redirect, Response};
use control::Right;
use domain::{ReasonCode, limits};
use http::HeaderMap;
use http::request::Parts;
use serde::de::DeserializeOwned;

use super::visit::Visitor;
use super::wrong::Wrong;
use crate::{Console, saved};

/// The query of a page.
#[derive(Debug)]
pub struct Asked<T>(pub T);

impl<T: DeserializeOwned> FromRequestParts<Arc<Console>> for Asked<T> {
    type Rejection = Wrong;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Console>) -> Result<Self, Wrong> {
        let query = Query::<T>::try_from_uri(&parts.uri);
        query.map(|query| Self(query.0)).map_err(|_| {
            let detail = "The address has a part that cannot be read.";
            Wrong::new(ReasonCode::ParameterInvalid, detail)
        })
    }
}

/// What the path names. What is no id of the noun is as unknown as one of another organisation.
#[derive(Debug)]
pub struct Named<T>(pub T);

impl<T: std::str::FromStr + Send> FromRequestParts<Arc<Console>> for Named<T> {
    type Rejection = Wrong;

    async fn from_request_parts(parts: &mut Parts, console: &Arc<Console>) -> Result<Self, Wrong> {
        let path = Path::<String>::from_request_parts(parts, console).await;
        let named = path.ok().and_then(|Path(text)| text.parse().ok());
        named.map(Self).ok_or_else(Wrong::nothing_here)
    }
}

/// A posted form of at most [`limits::SMALL_BODY_BYTES_MAX`].
#[derive(Debug)]
pub struct Form<T>(pub T);

impl<T: DeserializeOwned> FromRequest<Arc<Console>> for Form<T> {
    type Rejection = Wrong;

    async fn from_request(request: Request, console: &Arc<Console>) -> Result<Self, Wrong> {
        form(request, console, limits::SMALL_BODY_BYTES_MAX)
            .await
            .map(Self)
    }
}

/// A posted form of at most so many bytes, where a longer text is typed, and the headers it came with. Whoever calls it has asked for the
/// right before: nobody else's is read.
pub async fn large<T: DeserializeOwned>(
    request: Request,
    most: usize,
) -> Result<(HeaderMap, T), Wrong> {
    let (parts, body) = request.into_parts();
    let headers = parts.headers.clone();
    let whole = crate::api::call::read(body, most).await;
    let whole = whole.map_err(|problem| Wrong::plain(problem.code()))?;
    let mut request = Request::from_parts(parts, Body::from(whole));
    // What bounds a form where nobody said how long it may be; this one is bounded above.
    DefaultBodyLimit::max(most).apply(&mut request);
    let form = axum::Form::<T>::from_request(request, &()).await;
    let form = form.map_err(|_| {
        let detail = "The form is not one of this page; open the page again.";
        Wrong::new(ReasonCode::ParameterInvalid, detail)
    })?;
    Ok((headers, form.0))
}

/// A posted form that carries a policy's text, of somebody who may read policies: at most [`limits::POLICY_FORM_BYTES_MAX`].
#[derive(Debug)]
pub struct LongForm<T>(pub T);

impl<T: DeserializeOwned> FromRequest<Arc<Console>> for LongForm<T> {
    type Rejection = Wrong;

    async fn from_request(request: Request, console: &Arc<Console>) -> Result<Self, Wrong> {
        // Before it is read: it is larger than what just anybody may send.
        if let Some(visitor) = request.extensions().get::<Visitor>() {
            visitor.operation().require(Right::PolicyRead)?;
        }
        form(request, console, limits::POLICY_FORM_BYTES_MAX)
            .await
            .map(Self)
    }
}

async fn form<T: DeserializeOwned>(
    request: Request,
    console: &Arc<Console>,
    bytes_max: usize,
) -> Result<T, Wrong> {
    let (parts, body) = request.into_parts();
    let whole = crate::api::call::read(body, bytes_max).await;
    let whole = whole.map_err(|problem| Wrong::plain(problem.code()))?;
    let request = Request::from_parts(parts, Body::from(whole));
    let form = axum::Form::<T>::from_request(request, console).await;
    form.map(|form| form.0).map_err(|_| {
        let detail = "The form is not one of this page; open the page again.";
        Wrong::new(ReasonCode::ParameterInvalid, detail)
    })
}

/// A form that only says that it is meant.
#[derive(Debug, serde::Deserialize)]
pub struct Meant {
    /// The form token.
    pub csrf: String,
}

/// A form that asks for a reason.
#[derive(Debug, serde::Deserialize)]
pub struct Reasoned {
    /// The form token.
    pub csrf: String,
    /// Why.
    #[serde(default)]
    pub reason: String,
}

/// Back to a page after something was done; `word` is what that page tells by a sentence of its own.
pub fn done(path: &str, word: &str) -> Response {
    let mark = if path.contains('?') { '&' } else { '?' };
    Redirect::to(&format!("{path}{mark}done={word}")).into_response()
}

/// A sheet as a file to keep: `doorward-people.csv`.
pub fn sheet(name: &'static str, text: String) -> Response {
    saved::file(&format!("doorward-{name}.csv"), saved::CSV, text)
}

/// What was given and is not empty.
pub fn given(text: Option<&String>) -> &str {
    text.map_or("", |text| text.trim())
}

/// A text to look for: short and on one line, else the page says so.
pub fn sought<'t>(what: &str, text: Option<&'t String>) -> Result<&'t str, Wrong> {
    let text = given(text);
    let hostile = text.chars().any(control::text::is_hostile);
    if text.chars().count() <= limits::NAME_CHARS_MAX && !hostile {
        return Ok(text);
    }
    let most = limits::NAME_CHARS_MAX;
    let detail = format!("{what} must be at most {most} characters on one line.");
    Err(Wrong::new(ReasonCode::ParameterInvalid, detail))
}

/// Where a page begins, as the link to it said.
pub fn after<T: std::str::FromStr>(text: Option<&String>) -> Result<Option<T>, Wrong> {
    let text = given(text);
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| {
        let detail = "The address names a place in the list that cannot be.";
        Wrong::new(ReasonCode::ParameterInvalid, detail)
    })
}
