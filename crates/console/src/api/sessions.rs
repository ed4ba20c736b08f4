//! Sessions: who is signed in with which program, and ending that.

use axum::Json;
use control::sessions::{self, Session};
use domain::{PersonId, SessionId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::call::{Asked, Body, Call, Id, Why};
use super::page::{self, Page};
use crate::Problem;

/// One sign-in of one client.
#[derive(Debug, Serialize, ToSchema)]
pub struct SessionView {
    /// Its id.
    pub id: String,
    /// Whose.
    person: String,
    /// The program that signed in.
    client: String,
    /// When.
    created: String,
    /// When it ended, if it did.
    ended_at: Option<String>,
}

impl From<Session> for SessionView {
    fn from(session: Session) -> Self {
        Self {
            id: session.id.to_string(),
            person: session.person.to_string(),
            client: session.client,
            created: session.created.to_string(),
            ended_at: session.ended_at.map(|at| at.to_string()),
        }
    }
}

/// Which to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Which {
    /// One person's alone.
    #[param(max_length = 30)]
    person: Option<String>,
    /// Open ones alone.
    open: Option<bool>,
    /// Rows at most, 1 to 1000; 50 when not given.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// `next` of the page before.
    #[param(max_length = 128)]
    after: Option<String>,
}

/// Sessions, oldest first.
#[utoipa::path(get, path = "/sessions", operation_id = "sessions_list", tag = "sessions", params(Which),
    responses((status = 200, body = Page<SessionView>)))]
pub async fn list(
    call: Call,
    Asked(which): Asked<Which>,
) -> Result<Json<Page<SessionView>>, Problem> {
    let (rows, after) = (
        page::rows(which.limit)?,
        page::after(which.after.as_deref())?,
    );
    let person: Option<PersonId> = page::named("person", which.person.as_deref())?;
    let wanted = (person, which.open.unwrap_or(false));
    let (found, more) = sessions::list(&call.operation(), wanted, after, rows).await?;
    let items = found.into_iter().map(SessionView::from).collect();
    Ok(Json(Page::new(items, more, |last| last.id.clone())))
}

/// End a session: it opens nothing from then on, and its open streams are cut within a second.
#[utoipa::path(post, path = "/sessions/{id}/end", operation_id = "sessions_end", tag = "sessions",
    params(("id" = String, Path)), request_body = Why, responses((status = 200, body = SessionView)))]
pub async fn end(
    call: Call,
    Id(id): Id<SessionId>,
    Body(why): Body<Why>,
) -> Result<Json<SessionView>, Problem> {
    let ended = sessions::end(&call.operation(), id, &why.reason).await?;
    Ok(Json(ended.into()))
}
