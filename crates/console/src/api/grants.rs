//! Grants at connectors: who has connected an account of their own where, and ending that. What is secret of one has no field here.

use axum::Json;
use axum::extract::State;
use control::grants::everyones::{self, Connection};
use domain::PersonId;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

use super::call::{Asked, Body, Call, Id};
use super::page::{Page, Pages};
use crate::{Console, Problem};

/// A person's own authorisation at a connector.
#[derive(Debug, Serialize, ToSchema)]
pub struct GrantView {
    /// Whose.
    pub person: String,
    /// The connector's name.
    connector: String,
    /// `works`; `wants_more` where a call was refused since because it needs more than this covers; `refused` where its person has to
    /// connect anew. As calls have shown: it is not asked at the connector.
    state: &'static str,
    /// The authorization server that gave it.
    issuer: String,
    /// What it covers, in that server's words; empty where it did not say.
    scope: String,
    /// What the connector wanted since beyond that.
    wants: String,
    /// Since when.
    connected_at: String,
    /// When it was last renewed.
    renewed_at: String,
    /// Since when it is refused.
    refused_at: Option<String>,
}

impl From<Connection> for GrantView {
    fn from(connection: Connection) -> Self {
        Self {
            state: connection.standing().as_str(),
            person: connection.person.to_string(),
            connector: connection.connector,
            issuer: connection.issuer,
            scope: connection.scope,
            wants: connection.wants,
            connected_at: connection.since.to_string(),
            renewed_at: connection.renewed.to_string(),
            refused_at: connection.refused_since.map(|at| at.to_string()),
        }
    }
}

/// Who has connected an account of their own at a connector, in the order in which people were first seen.
#[utoipa::path(get, path = "/connectors/{name}/grants", operation_id = "connectors_grants", tag = "grants",
    params(("name" = String, Path), Pages), responses((status = 200, body = Page<GrantView>)))]
pub async fn at_connector(
    call: Call,
    Id(name): Id<String>,
    Asked(pages): Asked<Pages>,
) -> Result<Json<Page<GrantView>>, Problem> {
    let (rows, after) = pages.read()?;
    let (found, more) = everyones::at(&call.operation(), &name, after, rows).await?;
    let items = found.into_iter().map(GrantView::from).collect();
    Ok(Json(Page::new(items, more, |last: &GrantView| {
        last.person.clone()
    })))
}

/// The connectors at which a person has connected an account of their own.
#[utoipa::path(get, path = "/people/{id}/grants", operation_id = "people_grants", tag = "grants",
    params(("id" = String, Path)), responses((status = 200, body = Page<GrantView>)))]
pub async fn of_person(call: Call, Id(id): Id<PersonId>) -> Result<Json<Page<GrantView>>, Problem> {
    let found = everyones::of_person(&call.operation(), id).await?;
    Ok(Json(Page::whole(
        found.into_iter().map(GrantView::from).collect(),
    )))
}

/// Which to end.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GrantToEnd {
    /// The connector's name.
    #[schema(max_length = 64, example = "crm")]
    connector: String,
    /// Why, for whoever reads the ledger: 1 to 500 characters on one line.
    #[schema(min_length = 1, max_length = 500, example = "the laptop was lost")]
    reason: String,
}

/// End a person's connection at a connector: it is wiped here, calls are told at every replica to connect anew, and its tokens are revoked
/// where they were given, as well as that can be done there. 404 where they have none, or it was ended before.
#[utoipa::path(post, path = "/people/{id}/grants/end", operation_id = "people_grants_end", tag = "grants",
    params(("id" = String, Path)), request_body = GrantToEnd, responses((status = 204)))]
pub async fn end(
    call: Call,
    State(console): State<Arc<Console>>,
    Id(id): Id<PersonId>,
    Body(given): Body<GrantToEnd>,
) -> Result<StatusCode, Problem> {
    let whose = (id, &*given.connector);
    let ended = console.linking.end_of(call.actor(), whose, &given.reason);
    ended.await?;
    Ok(StatusCode::NO_CONTENT)
}
