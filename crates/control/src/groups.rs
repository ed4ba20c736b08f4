//! Groups that a company's directory provisions: find them, and see who is in them. A group that tokens alone name has no page of its
//! own, because nothing but its people's tokens says that it exists: it stands with those people. Nothing is changed here; who is in
//! a group is the directory's to say.

use domain::{DirectoryGroupId, DirectoryUserId, PersonId};
pub use store::{GroupName, GroupSeen, MemberSeen};

use crate::access::Right;
use crate::{ControlError, Operation};

/// Groups after one of them, those alone in whose name a text stands, and whether there are more.
pub async fn list(
    operation: &Operation<'_>,
    part: &str,
    after: Option<DirectoryGroupId>,
    limit: u32,
) -> Result<(Vec<GroupSeen>, bool), ControlError> {
    operation.require(Right::GroupsRead)?;
    let store = operation.store;
    Ok(store.groups_page(operation.org, part, after, limit).await?)
}

/// The group of this id.
pub async fn read(
    operation: &Operation<'_>,
    group: DirectoryGroupId,
) -> Result<GroupSeen, ControlError> {
    operation.require(Right::GroupsRead)?;
    let found = operation.store.group_seen(operation.org, group).await?;
    found.ok_or(ControlError::NoSuch("group"))
}

/// Members of a group after one of them, and whether there are more. One whom the directory names and has not provisioned yet is
/// nobody, and not listed.
pub async fn members(
    operation: &Operation<'_>,
    group: DirectoryGroupId,
    after: Option<DirectoryUserId>,
    limit: u32,
) -> Result<(Vec<MemberSeen>, bool), ControlError> {
    let group = read(operation, group).await?;
    let (store, org) = (operation.store, operation.org);
    Ok(store.group_people(org, &group, after, limit).await?)
}

/// The groups that a person is in, as the directory says now; an empty list for one whom it does not provision.
pub async fn of_person(
    operation: &Operation<'_>,
    person: PersonId,
) -> Result<Vec<GroupName>, ControlError> {
    operation.require(Right::GroupsRead)?;
    let (store, org) = (operation.store, operation.org);
    Ok(store.groups_of_person(org, person).await?)
}
