//! What we can (RFC 7644, section 4): `/ServiceProviderConfig`, `/ResourceTypes`, `/Schemas`.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use control::scim::{Ask, Listed, schema};
use domain::limits;
use http::{StatusCode, Uri};
use serde_json::{Value, json};

use super::Scim;
use super::answer::{self, Refused};

/// `GET /ServiceProviderConfig`
pub async fn config(State(scim): State<Arc<Scim>>) -> Response {
    let body = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
        "documentationUri": "https://datatracker.ietf.org/doc/html/rfc7644",
        "patch": {"supported": true},
        "bulk": {"supported": false, "maxOperations": 0, "maxPayloadSize": 0},
        "filter": {"supported": true, "maxResults": limits::SCIM_PAGE_MAX},
        "changePassword": {"supported": false},
        "sort": {"supported": false},
        "etag": {"supported": true},
        "authenticationSchemes": [{
            "type": "oauthbearertoken",
            "name": "Directory token",
            "description": "A token of Doorward for this directory, as Authorization: Bearer",
            "primary": true,
        }],
        "meta": {
            "resourceType": "ServiceProviderConfig",
            "location": format!("{}/ServiceProviderConfig", scim.base),
        },
    });
    answer::json_answer(StatusCode::OK, &body)
}

/// `GET /ResourceTypes`
pub async fn resource_types(State(scim): State<Arc<Scim>>, uri: Uri) -> Result<Response, Refused> {
    list(&uri, schema::resource_types(&scim.base))
}

/// `GET /ResourceTypes/{id}`
pub async fn resource_type(
    State(scim): State<Arc<Scim>>,
    Path(id): Path<String>,
) -> Result<Response, Refused> {
    one(&id, schema::resource_types(&scim.base))
}

/// `GET /Schemas`
pub async fn schemas(State(scim): State<Arc<Scim>>, uri: Uri) -> Result<Response, Refused> {
    list(&uri, schema::schemas(&scim.base))
}

/// `GET /Schemas/{id}`
pub async fn schema(
    State(scim): State<Arc<Scim>>,
    Path(id): Path<String>,
) -> Result<Response, Refused> {
    one(&id, schema::schemas(&scim.base))
}

/// The whole list, whatever part was asked for; a filter is refused, as the standard has it.
fn list(uri: &Uri, all: Vec<Value>) -> Result<Response, Refused> {
    let query = uri.query().unwrap_or_default();
    let mut names = url::form_urlencoded::parse(query.as_bytes());
    if names.any(|(name, _)| name.eq_ignore_ascii_case("filter")) {
        let why = "what is listed here is not filtered";
        return Err(Refused::plain(StatusCode::FORBIDDEN, why));
    }
    let ask = Ask {
        start: 1,
        ..Ask::default()
    };
    let listed = Listed {
        total: all.len() as u64,
        resources: all,
    };
    Ok(answer::list(&ask, &listed))
}

fn one(id: &str, all: Vec<Value>) -> Result<Response, Refused> {
    let found = all.into_iter().find(|one| one["id"] == id);
    let found = found
        .ok_or_else(|| Refused::plain(StatusCode::NOT_FOUND, "there is no resource of this id"))?;
    Ok(answer::json_answer(StatusCode::OK, &found))
}
