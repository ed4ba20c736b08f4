//! `/Users`.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use control::scim::{Kept, Resource, Wanted, users};
use http::{HeaderMap, StatusCode, Uri};

use super::answer::{self, Refused};
use super::ask::{self, Parameters};
use super::{Caller, Scim};

/// `GET /Users`
pub async fn list(
    State(scim): State<Arc<Scim>>,
    Extension(caller): Extension<Caller>,
    uri: Uri,
) -> Result<Response, Refused> {
    let ask = Parameters::of(&uri)?.ask(Resource::User);
    let operation = scim.operation(&caller);
    let directory = scim.directory(&operation, &caller)?;
    let listed = users::list(&directory, &ask).await?;
    Ok(answer::list(&ask, &listed))
}

/// `POST /Users`
pub async fn create(
    State(scim): State<Arc<Scim>>,
    Extension(caller): Extension<Caller>,
    uri: Uri,
    body: Body,
) -> Result<Response, Refused> {
    let wanted = Parameters::of(&uri)?.wanted(Resource::User);
    let body = ask::body(body).await?;
    let operation = scim.operation(&caller);
    let directory = scim.directory(&operation, &caller)?;
    let made = users::create(&directory, body).await?;
    Ok(say(StatusCode::CREATED, made, &wanted))
}

/// `GET /Users/{id}`
pub async fn read(
    State(scim): State<Arc<Scim>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let wanted = Parameters::of(&uri)?.wanted(Resource::User);
    let operation = scim.operation(&caller);
    let directory = scim.directory(&operation, &caller)?;
    let kept = users::read(&directory, &id).await?;
    if ask::has(&headers, kept.version) {
        return Ok(StatusCode::NOT_MODIFIED.into_response());
    }
    Ok(say(StatusCode::OK, kept, &wanted))
}

/// `PUT /Users/{id}`
pub async fn replace(
    State(scim): State<Arc<Scim>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refused> {
    let wanted = Parameters::of(&uri)?.wanted(Resource::User);
    let expected = ask::expected(&headers)?;
    let body = ask::body(body).await?;
    let operation = scim.operation(&caller);
    let directory = scim.directory(&operation, &caller)?;
    let kept = users::replace(&directory, &id, expected, body).await?;
    Ok(say(StatusCode::OK, kept, &wanted))
}

/// `PATCH /Users/{id}`
pub async fn patch(
    State(scim): State<Arc<Scim>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refused> {
    let wanted = Parameters::of(&uri)?.wanted(Resource::User);
    let expected = ask::expected(&headers)?;
    let body = ask::body(body).await?;
    let operation = scim.operation(&caller);
    let directory = scim.directory(&operation, &caller)?;
    let kept = users::patch(&directory, &id, expected, body).await?;
    Ok(say(StatusCode::OK, kept, &wanted))
}

/// `DELETE /Users/{id}`
pub async fn delete(
    State(scim): State<Arc<Scim>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let expected = ask::expected(&headers)?;
    let operation = scim.operation(&caller);
    let directory = scim.directory(&operation, &caller)?;
    users::delete(&directory, &id, expected).await?;
    Ok(answer::done())
}

fn say(status: StatusCode, kept: Kept, wanted: &Wanted) -> Response {
    let location = kept.resource["meta"]["location"].clone();
    let body = wanted.of(kept.resource);
    answer::resource(status, &body, kept.version, Some(&location))
}
