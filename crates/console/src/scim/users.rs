//! `/Users`.

use axum::body::Body;
use axum::extract::Path;
use axum::response::{IntoResponse as _, Response};
use control::scim::{Resource, users};
use http::{HeaderMap, StatusCode, Uri};

use super::Call;
use super::answer::{self, Refused};
use super::ask::{self, Parameters};

/// `GET /Users`
pub async fn list(call: Call, uri: Uri) -> Result<Response, Refused> {
    let ask = Parameters::of(&uri)?.ask(Resource::User);
    let operation = call.operation();
    let directory = call.directory(&operation)?;
    let listed = users::list(&directory, &ask).await?;
    Ok(answer::list(&ask, &listed))
}

/// `POST /Users`
pub async fn create(call: Call, uri: Uri, body: Body) -> Result<Response, Refused> {
    let wanted = Parameters::of(&uri)?.wanted(Resource::User);
    let body = ask::body(body).await?;
    let operation = call.operation();
    let directory = call.directory(&operation)?;
    let made = users::create(&directory, body).await?;
    Ok(answer::kept(StatusCode::CREATED, made, &wanted))
}

/// `GET /Users/{id}`
pub async fn read(
    call: Call,
    Path(id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let wanted = Parameters::of(&uri)?.wanted(Resource::User);
    let operation = call.operation();
    let directory = call.directory(&operation)?;
    let kept = users::read(&directory, &id).await?;
    if ask::has(&headers, kept.version) {
        return Ok(StatusCode::NOT_MODIFIED.into_response());
    }
    Ok(answer::kept(StatusCode::OK, kept, &wanted))
}

/// `PUT /Users/{id}`
pub async fn replace(
    call: Call,
    Path(id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refused> {
    let wanted = Parameters::of(&uri)?.wanted(Resource::User);
    let expected = ask::expected(&headers)?;
    let body = ask::body(body).await?;
    let operation = call.operation();
    let directory = call.directory(&operation)?;
    let kept = users::replace(&directory, &id, expected, body).await?;
    Ok(answer::kept(StatusCode::OK, kept, &wanted))
}

/// `PATCH /Users/{id}`
pub async fn patch(
    call: Call,
    Path(id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refused> {
    let wanted = Parameters::of(&uri)?.wanted(Resource::User);
    let expected = ask::expected(&headers)?;
    let body = ask::body(body).await?;
    let operation = call.operation();
    let directory = call.directory(&operation)?;
    let kept = users::patch(&directory, &id, expected, body).await?;
    Ok(answer::kept(StatusCode::OK, kept, &wanted))
}

/// `DELETE /Users/{id}`
pub async fn delete(
    call: Call,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let expected = ask::expected(&headers)?;
    let operation = call.operation();
    let directory = call.directory(&operation)?;
    users::delete(&directory, &id, expected).await?;
    Ok(answer::done())
}
