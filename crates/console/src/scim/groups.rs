//! `/Groups`.

use axum::body::Body;
use axum::extract::Path;
use axum::response::{IntoResponse as _, Response};
use control::scim::{Resource, groups};
use http::{HeaderMap, StatusCode, Uri};

use super::Call;
use super::answer::{self, Refused};
use super::ask::{self, Parameters};

/// `GET /Groups`
pub async fn list(call: Call, uri: Uri) -> Result<Response, Refused> {
    let ask = Parameters::of(&uri)?.ask(Resource::Group);
    let operation = call.operation();
    let directory = call.directory(&operation)?;
    let listed = groups::list(&directory, &ask).await?;
    Ok(answer::list(&ask, &listed))
}

/// `POST /Groups`
pub async fn create(call: Call, uri: Uri, body: Body) -> Result<Response, Refused> {
    let wanted = Parameters::of(&uri)?.wanted(Resource::Group);
    let body = ask::body(body).await?;
    let operation = call.operation();
    let directory = call.directory(&operation)?;
    let made = groups::create(&directory, body).await?;
    Ok(answer::kept(StatusCode::CREATED, made, &wanted))
}

/// `GET /Groups/{id}`
pub async fn read(
    call: Call,
    Path(id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let wanted = Parameters::of(&uri)?.wanted(Resource::Group);
    let operation = call.operation();
    let directory = call.directory(&operation)?;
    let with_members = wanted.holds("members");
    let kept = groups::read(&directory, &id, with_members).await?;
    if ask::has(&headers, kept.version) {
        return Ok(StatusCode::NOT_MODIFIED.into_response());
    }
    Ok(answer::kept(StatusCode::OK, kept, &wanted))
}

/// `PUT /Groups/{id}`
pub async fn replace(
    call: Call,
    Path(id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refused> {
    let wanted = Parameters::of(&uri)?.wanted(Resource::Group);
    let expected = ask::expected(&headers)?;
    let body = ask::body(body).await?;
    let operation = call.operation();
    let directory = call.directory(&operation)?;
    let kept = groups::replace(&directory, &id, expected, body).await?;
    Ok(answer::kept(StatusCode::OK, kept, &wanted))
}

/// `PATCH /Groups/{id}`: answered without the members, of which there may be very many.
pub async fn patch(
    call: Call,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refused> {
    let expected = ask::expected(&headers)?;
    let body = ask::body(body).await?;
    let operation = call.operation();
    let directory = call.directory(&operation)?;
    groups::patch(&directory, &id, expected, body).await?;
    Ok(answer::done())
}

/// `DELETE /Groups/{id}`
pub async fn delete(
    call: Call,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let expected = ask::expected(&headers)?;
    let operation = call.operation();
    let directory = call.directory(&operation)?;
    groups::delete(&directory, &id, expected).await?;
    Ok(answer::done())
}
