//! People: find them, see how their budgets stand, take their access away and give it back.

use axum::Json;
use control::people::{self, Person};
use domain::PersonId;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::budgets::Standing;
use super::call::{Asked, Body, Call, Id, Why};
use super::groups::GroupNameView;
use super::page::{self, Page};
use crate::Problem;

/// A person whom an issuer vouches for, or a directory provisions.
#[derive(Debug, Serialize, ToSchema)]
pub struct PersonView {
    /// Our id; never changes.
    id: String,
    /// The issuer's configured name.
    issuer: String,
    /// The issuer's stable id.
    stable_id: String,
    /// For reading.
    email: Option<String>,
    /// For reading.
    name: Option<String>,
    /// Groups and roles that hold: as the issuer last stated them, joined with what the directory says now.
    groups: Vec<String>,
    /// Since when administrators shut the person out, if they do.
    disabled_at: Option<String>,
    /// Since when the directory does. Each takes back only its own word, and neither lets in whom the other shuts out.
    left_at: Option<String>,
}

impl From<Person> for PersonView {
    fn from(person: Person) -> Self {
        Self {
            id: person.id.to_string(),
            issuer: person.issuer,
            stable_id: person.stable_id,
            email: person.email,
            name: person.name,
            groups: person.groups.into_iter().collect(),
            disabled_at: person.shut_out_at.map(|at| at.to_string()),
            left_at: person.left_at.map(|at| at.to_string()),
        }
    }
}

/// A person with what the directory says of them.
#[derive(Debug, Serialize, ToSchema)]
pub struct PersonPage {
    /// As in the list.
    #[serde(flatten)]
    person: PersonView,
    /// The groups that the directory has them in now, to look up. Null for a token that may not see groups.
    directory_groups: Option<Vec<GroupNameView>>,
}

/// Whom to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Whom {
    /// A part of the e-mail address or name, in any case.
    #[param(max_length = 128)]
    q: Option<String>,
    /// Rows at most, 1 to 1000; 50 when not given.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// `next` of the page before.
    #[param(max_length = 128)]
    after: Option<String>,
}

/// People, in the order they were first seen.
#[utoipa::path(get, path = "/people", operation_id = "people_list", tag = "people", params(Whom),
    responses((status = 200, body = Page<PersonView>)))]
pub async fn list(call: Call, Asked(whom): Asked<Whom>) -> Result<Json<Page<PersonView>>, Problem> {
    let (rows, after) = (page::rows(whom.limit)?, page::after(whom.after.as_deref())?);
    let part = page::short("q", whom.q.as_deref().unwrap_or_default())?;
    let (found, more) = people::list(&call.operation(), part, after, rows).await?;
    let items = found.into_iter().map(PersonView::from).collect();
    Ok(Json(Page::new(items, more, |last| last.id.clone())))
}

/// One person.
#[utoipa::path(get, path = "/people/{id}", operation_id = "people_read", tag = "people",
    params(("id" = String, Path, example = "per_01kbcdefghjkmnpqrstvwxyz01")),
    responses((status = 200, body = PersonPage)))]
pub async fn read(call: Call, Id(id): Id<PersonId>) -> Result<Json<PersonPage>, Problem> {
    let operation = call.operation();
    let person = people::read(&operation, id).await?;
    let groups = if call.actor().may(control::Right::GroupsRead) {
        let found = control::groups::of_person(&operation, id).await?;
        Some(found.into_iter().map(GroupNameView::from).collect())
    } else {
        None
    };
    Ok(Json(PersonPage {
        person: person.into(),
        directory_groups: groups,
    }))
}

/// How a person's budgets stand on this replica, one for each period.
#[utoipa::path(get, path = "/people/{id}/budgets", operation_id = "people_budgets", tag = "people",
    params(("id" = String, Path)), responses((status = 200, body = Page<Standing>)))]
pub async fn budgets(call: Call, Id(id): Id<PersonId>) -> Result<Json<Page<Standing>>, Problem> {
    let operation = call.operation();
    let person = people::spending(&operation, id).await?;
    Ok(Json(Page::whole(call.standing(&person))))
}

/// Take a person's access away: sessions and tokens end, open streams are cut, within a second on every replica.
#[utoipa::path(post, path = "/people/{id}/revoke", operation_id = "people_revoke", tag = "people",
    params(("id" = String, Path)), request_body = Why, responses((status = 200, body = PersonView)))]
pub async fn revoke(
    call: Call,
    Id(id): Id<PersonId>,
    Body(why): Body<Why>,
) -> Result<Json<PersonView>, Problem> {
    let person = people::revoke(&call.operation(), id, &why.reason).await?;
    Ok(Json(person.into()))
}

/// Let a person sign in again. What was taken away stays so, and whom the directory shuts out, as `left_at` says, stays out.
#[utoipa::path(post, path = "/people/{id}/restore", operation_id = "people_restore", tag = "people",
    params(("id" = String, Path)), request_body = Why, responses((status = 200, body = PersonView)))]
pub async fn restore(
    call: Call,
    Id(id): Id<PersonId>,
    Body(why): Body<Why>,
) -> Result<Json<PersonView>, Problem> {
    let person = people::restore(&call.operation(), id, &why.reason).await?;
    Ok(Json(person.into()))
}
