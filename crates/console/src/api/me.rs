//! Oneself: who one is here, what one may, and one's own sessions.

use axum::Json;
use domain::SessionId;
use serde::Serialize;
use utoipa::ToSchema;

use super::call::{Asked, Call, Id};
use super::page::{Page, Pages};
use super::sessions::SessionView;
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
#[utoipa::path(get, path = "/me", operation_id = "me", tag = "me", responses((status = 200, body = Me)))]
pub async fn read(call: Call) -> Result<Json<Me>, Problem> {
    let operation = call.operation();
    let actor = control::people::oneself(&operation)?;
    Ok(Json(Me {
        id: actor.person_id().map(|id| id.to_string()),
        label: actor.label().to_owned(),
        org: operation.org.to_string(),
        roles: actor.roles().iter().map(|role| role.as_str()).collect(),
        rights: actor.rights().iter().map(|right| right.as_str()).collect(),
    }))
}

/// One's own sessions, oldest first.
#[utoipa::path(get, path = "/me/sessions", operation_id = "me_sessions_list", tag = "me", params(Pages),
    responses((status = 200, body = Page<SessionView>)))]
pub async fn sessions(
    call: Call,
    Asked(pages): Asked<Pages>,
) -> Result<Json<Page<SessionView>>, Problem> {
    let (rows, after) = pages.read()?;
    let (found, more) = control::sessions::list_own(&call.operation(), after, rows).await?;
    let items = found.into_iter().map(SessionView::from).collect();
    Ok(Json(Page::new(items, more, |last: &SessionView| {
        last.id.clone()
    })))
}

/// End a session of your own.
#[utoipa::path(delete, path = "/me/sessions/{id}", operation_id = "me_sessions_end", tag = "me",
    params(("id" = String, Path)), responses((status = 200, body = SessionView)))]
pub async fn end_session(call: Call, Id(id): Id<SessionId>) -> Result<Json<SessionView>, Problem> {
    let ended = control::sessions::end_own(&call.operation(), id).await?;
    Ok(Json(ended.into()))
}
