//! Oneself: who one is here, and what one may.

use axum::Json;
use serde::Serialize;
use utoipa::ToSchema;

use super::call::Call;
use crate::Problem;

/// Who calls.
#[derive(Debug, Serialize, ToSchema)]
pub struct Me {
    /// The person's id.
    #[schema(example = "per_01kbcdefghjkmnpqrstvwxyz01")]
    id: Option<String>,
    /// What people recognise.
    label: String,
    /// The organisation's id.
    #[schema(example = "org_01kbcdefghjkmnpqrstvwxyz01")]
    org: String,
    /// Roles held now.
    roles: Vec<&'static str>,
    /// What may be done now; with a token, no more than its scopes.
    rights: Vec<&'static str>,
}

/// Who one is here.
#[utoipa::path(
    get, path = "/me", operation_id = "me", tag = "me",
    responses((status = 200, body = Me), (status = "default", body = Problem, content_type = "application/problem+json"))
)]
pub async fn read(call: Call) -> Result<Json<Me>, Problem> {
    let operation = call.operation();
    operation.require(control::Right::OwnRead)?;
    let actor = call.actor();
    Ok(Json(Me {
        id: actor.person_id().map(|id| id.to_string()),
        label: actor.label().to_owned(),
        org: operation.org.to_string(),
        roles: actor.roles().iter().map(|role| role.as_str()).collect(),
        rights: actor.rights().iter().map(|right| right.as_str()).collect(),
    }))
}
