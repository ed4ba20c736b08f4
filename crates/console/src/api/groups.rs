//! Groups that the company's directory provisions: find them, and see who is in them.

use axum::Json;
use control::groups::{self, GroupName, GroupSeen, MemberSeen};
use domain::DirectoryGroupId;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::call::{Asked, Call, Id};
use super::page::{self, Page, Pages};
use crate::Problem;

/// A group that a directory provisions. Groups that tokens alone name are told with the people whose tokens name them.
#[derive(Debug, Serialize, ToSchema)]
pub struct GroupView {
    /// Its id.
    id: String,
    /// The issuer whose directory says so, by its configured name.
    issuer: String,
    /// The issuer's tenant, where it has several.
    tenant: Option<String>,
    /// Its name, by which rules may select.
    name: String,
    /// The directory's own id, by which rules may select as well.
    external_id: Option<String>,
    /// How many people are in it.
    members: u64,
    /// When the directory made it known.
    created: String,
    /// When it last changed.
    modified: String,
}

impl From<GroupSeen> for GroupView {
    fn from(group: GroupSeen) -> Self {
        Self {
            id: group.id.to_string(),
            issuer: group.source.issuer,
            tenant: group.source.tenant,
            name: group.display_name,
            external_id: group.external_id,
            members: group.members,
            created: group.created.to_string(),
            modified: group.modified.to_string(),
        }
    }
}

/// A group by its name.
#[derive(Debug, Serialize, ToSchema)]
pub struct GroupNameView {
    /// Its id.
    id: String,
    /// Its name.
    name: String,
}

impl From<GroupName> for GroupNameView {
    fn from(group: GroupName) -> Self {
        Self {
            id: group.id.to_string(),
            name: group.display_name,
        }
    }
}

/// Somebody in a group.
#[derive(Debug, Serialize, ToSchema)]
pub struct MemberView {
    /// The person's id.
    person: String,
    /// The id by which the directory means them.
    directory_user: String,
    /// What the directory calls them.
    user_name: String,
    /// Whether the directory lets them in.
    active: bool,
    /// For reading.
    email: Option<String>,
    /// For reading.
    name: Option<String>,
}

impl From<MemberSeen> for MemberView {
    fn from(member: MemberSeen) -> Self {
        Self {
            person: member.person.to_string(),
            directory_user: member.user.to_string(),
            user_name: member.user_name,
            active: member.active,
            email: member.email,
            name: member.name,
        }
    }
}

/// Which to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Which {
    /// A part of the name, in any case.
    #[param(max_length = 128)]
    q: Option<String>,
    /// Rows at most, 1 to 1000; 50 when not given.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// `next` of the page before.
    #[param(max_length = 128)]
    after: Option<String>,
}

/// Groups of every directory, in the order they were made known.
#[utoipa::path(get, path = "/groups", operation_id = "groups_list", tag = "groups", params(Which),
    responses((status = 200, body = Page<GroupView>)))]
pub async fn list(
    call: Call,
    Asked(which): Asked<Which>,
) -> Result<Json<Page<GroupView>>, Problem> {
    let (rows, after) = (
        page::rows(which.limit)?,
        page::after(which.after.as_deref())?,
    );
    let part = page::short("q", which.q.as_deref().unwrap_or_default())?;
    let (found, more) = groups::list(&call.operation(), part, after, rows).await?;
    let items = found.into_iter().map(GroupView::from).collect();
    Ok(Json(Page::new(items, more, |last: &GroupView| {
        last.id.clone()
    })))
}

/// One group.
#[utoipa::path(get, path = "/groups/{id}", operation_id = "groups_read", tag = "groups",
    params(("id" = String, Path, example = "grp_01kbcdefghjkmnpqrstvwxyz01")),
    responses((status = 200, body = GroupView)))]
pub async fn read(call: Call, Id(id): Id<DirectoryGroupId>) -> Result<Json<GroupView>, Problem> {
    Ok(Json(groups::read(&call.operation(), id).await?.into()))
}

/// Who is in a group. Whom the directory names there and has not provisioned yet is nobody, and not listed.
#[utoipa::path(get, path = "/groups/{id}/members", operation_id = "groups_members", tag = "groups",
    params(("id" = String, Path), Pages), responses((status = 200, body = Page<MemberView>)))]
pub async fn members(
    call: Call,
    Id(id): Id<DirectoryGroupId>,
    Asked(pages): Asked<Pages>,
) -> Result<Json<Page<MemberView>>, Problem> {
    let (rows, after) = pages.read()?;
    let (found, more) = groups::members(&call.operation(), id, after, rows).await?;
    let items = found.into_iter().map(MemberView::from).collect();
    Ok(Json(Page::new(items, more, |last: &MemberView| {
        last.directory_user.clone()
    })))
}
