//! Groups as a directory makes, reads, changes and takes them away. Both of a group's names, `displayName` and `externalId`, are
//! names that a policy may use; a change is in force within a second on every replica.

use domain::{DirectoryGroupId, DirectoryUserId, limits};
use ledger::record::ChangeKind;
use serde_json::{Value, json};
use store::{DirectoryGroup, GroupChange, GroupWrite, MemberStep};

use super::directory::{Ask, Directory, Kept, Listed, parse};
use super::error::{Result, ScimError};
use super::filter::Filter;
use super::group_patch;
use super::patch;
use super::schema::{GROUP, Resource};

const NOUN: &str = "directory_group";
/// Groups read at once when a filter has to look at all.
const SCAN: u32 = 500;

/// Makes a group.
pub async fn create(directory: &Directory<'_>, body: Value) -> Result<Kept> {
    let operation = directory.operation;
    let new = group_patch::from_body(body)?;
    let external_id = new.external_id.flatten();
    let names = (new.display_name.as_str(), external_id.as_deref());
    check_free(directory, names, None).await?;
    let (unix_ms, random) = operation.id_parts();
    let id = DirectoryGroupId::from_parts(unix_ms, random);
    let said = format!("{names:?} {:?}", new.members);
    let reason = format!("provisioned with {} members", new.members.len());
    directory
        .record(
            NOUN,
            &id.to_string(),
            ChangeKind::Created,
            (None, Some(&said)),
            &reason,
        )
        .await?;
    let (store, now) = (operation.store, operation.clock.now());
    let made = store
        .add_directory_group(operation.org, directory.source, id, names, new.members, now)
        .await?;
    end(directory, &id.to_string(), made, true).await
}

/// A group, with its members where they are wanted.
pub async fn read(directory: &Directory<'_>, id: &str, with_members: bool) -> Result<Kept> {
    let group = find(directory, id).await?;
    kept(directory, &group, with_members).await
}

/// Makes a group what the body says. An external id that it does not speak of stays.
pub async fn replace(
    directory: &Directory<'_>,
    id: &str,
    expected: Option<i64>,
    body: Value,
) -> Result<Kept> {
    let new = group_patch::from_body(body)?;
    let change = GroupChange {
        display_name: Some(new.display_name),
        external_id: new.external_id,
        members: vec![MemberStep::Set(new.members)],
    };
    write(directory, id, (expected, true), change).await
}

/// Changes what the operations name. What it returns is without members: there may be very many.
pub async fn patch(
    directory: &Directory<'_>,
    id: &str,
    expected: Option<i64>,
    body: Value,
) -> Result<Kept> {
    let change = group_patch::change(patch::steps(body)?)?;
    write(directory, id, (expected, false), change).await
}

/// Takes a group away.
pub async fn delete(directory: &Directory<'_>, id: &str, expected: Option<i64>) -> Result<()> {
    let operation = directory.operation;
    let before = find(directory, id).await?;
    if expected.is_some_and(|expected| expected != before.version) {
        return Err(ScimError::Changed);
    }
    let said = format!("{:?}", (&before.display_name, &before.external_id));
    directory
        .record(
            NOUN,
            id,
            ChangeKind::Deleted,
            (Some(&said), None),
            "deleted",
        )
        .await?;
    let (store, now) = (operation.store, operation.clock.now());
    store
        .remove_directory_group(operation.org, directory.source, before.id, now)
        .await?
        .map(drop)
        .ok_or(ScimError::NotFound)
}

/// Groups, in an order that stays: oldest first.
pub async fn list(directory: &Directory<'_>, ask: &Ask) -> Result<Listed> {
    let (operation, source) = (directory.operation, directory.source);
    let (store, org) = (operation.store, operation.org);
    let Some(filter) = parse(ask, Resource::Group)? else {
        let total = store.count_directory_groups(org, source).await?;
        let page = match ask.limit() {
            0 => Vec::new(),
            limit => {
                let page = store.directory_groups_page(org, source, ask.skip(), limit);
                page.await?
            }
        };
        let resources = page_of(directory, ask, page).await?;
        return Ok(Listed { total, resources });
    };
    let mut found = Vec::new();
    for group in candidates(directory, &filter).await? {
        let one = kept(directory, &group, filter.mentions("members")).await?;
        if filter.meets(&one.resource) {
            found.push(group);
        }
    }
    let total = found.len() as u64;
    let resources = page_of(directory, ask, ask.page_of(found)).await?;
    Ok(Listed { total, resources })
}

/// The groups of a page, as they are wanted. It ends before the group with which it would hold more members than an answer may: a page may be
/// shorter than was asked for (RFC 7644, section 3.4.2.4), and who asks for those after it gets them. The first is always there.
async fn page_of(
    directory: &Directory<'_>,
    ask: &Ask,
    page: impl IntoIterator<Item = DirectoryGroup>,
) -> Result<Vec<Value>> {
    let with_members = ask.wanted.holds("members");
    let mut left = limits::SCIM_MEMBERS_ANSWERED_MAX;
    let mut resources = Vec::new();
    for group in page {
        let mut members = None;
        if with_members {
            let most = match resources.len() {
                0 => limits::DIRECTORY_MEMBERS_MAX,
                _ => left + 1,
            };
            let found = members_of(directory, group.id, most).await?;
            left -= i64::try_from(found.len()).unwrap_or(i64::MAX);
            if left < 0 && !resources.is_empty() {
                break;
            }
            left = left.max(0);
            members = Some(found);
        }
        let one = as_resource(directory, &group, members);
        resources.push(ask.wanted.of(one.resource));
    }
    Ok(resources)
}

/// The groups that can meet a filter.
async fn candidates(directory: &Directory<'_>, filter: &Filter) -> Result<Vec<DirectoryGroup>> {
    let (operation, source) = (directory.operation, directory.source);
    let (store, org) = (operation.store, operation.org);
    let name = filter
        .required("displayName")
        .or_else(|| filter.required("externalId"));
    if let Some(name) = name {
        return Ok(store.directory_groups_called(org, source, name).await?);
    }
    let ids: Option<Vec<DirectoryGroupId>> = if let Some(id) = filter.required("id") {
        Some(id.parse().into_iter().collect())
    } else if let Some(member) = filter.required_among("members") {
        let groups = match member.parse() {
            Ok(user) => store.directory_groups_of(org, source, (user, user)).await?,
            Err(_) => Vec::new(),
        };
        Some(groups.into_iter().map(|group| group.group).collect())
    } else {
        None
    };
    if let Some(ids) = ids {
        let mut found = Vec::new();
        for id in ids {
            found.extend(store.directory_group(org, source, id).await?);
        }
        return Ok(found);
    }
    if filter.mentions("members") {
        return Err(ScimError::filter(
            "groups are found by a member with members.value eq",
        ));
    }
    let (mut found, mut skip) = (Vec::new(), 0);
    loop {
        let page = store.directory_groups_page(org, source, skip, SCAN).await?;
        let is_last = page.len() < SCAN as usize;
        skip += page.len() as u64;
        found.extend(page);
        if is_last {
            return Ok(found);
        }
    }
}

async fn write(
    directory: &Directory<'_>,
    id: &str,
    (expected, with_members): (Option<i64>, bool),
    change: GroupChange,
) -> Result<Kept> {
    let operation = directory.operation;
    let before = find(directory, id).await?;
    if expected.is_some_and(|expected| expected != before.version) {
        return Err(ScimError::Changed);
    }
    let display_name = change.display_name.as_deref();
    let external_id = match &change.external_id {
        None => before.external_id.as_deref(),
        Some(external_id) => external_id.as_deref(),
    };
    let names = (display_name.unwrap_or(&before.display_name), external_id);
    check_free(directory, names, Some(before.id)).await?;
    let texts = (
        format!("{:?}", (&before.display_name, &before.external_id)),
        format!("{change:?}"),
    );
    let reason = said(&change);
    directory
        .record(
            NOUN,
            id,
            ChangeKind::Updated,
            (Some(&texts.0), Some(&texts.1)),
            &reason,
        )
        .await?;
    let (store, now) = (operation.store, operation.clock.now());
    let place = (before.id, expected);
    let written = store
        .change_directory_group(operation.org, directory.source, place, change, now)
        .await?;
    end(directory, id, written, with_members).await
}

/// What a change does, in words without names.
fn said(change: &GroupChange) -> String {
    let steps = change.members.iter().map(|step| match step {
        MemberStep::Add(members) => format!("{} members added", members.len()),
        MemberStep::Remove(members) => format!("{} members removed", members.len()),
        MemberStep::Set(members) => format!("members set to {}", members.len()),
    });
    let names = change.display_name.is_some() || change.external_id.is_some();
    let names = names.then(|| "named".to_owned());
    let all: Vec<String> = names.into_iter().chain(steps).take(8).collect();
    all.join(", ")
}

async fn end(
    directory: &Directory<'_>,
    id: &str,
    written: GroupWrite,
    with_members: bool,
) -> Result<Kept> {
    match written {
        GroupWrite::Done(group) => kept(directory, &group, with_members).await,
        GroupWrite::Taken(field) => {
            directory.record_not_made(NOUN, id, field).await?;
            Err(ScimError::taken(field))
        }
        GroupWrite::Stale => {
            let why = "it was changed in between";
            directory.record_not_made(NOUN, id, why).await?;
            Err(ScimError::Changed)
        }
        GroupWrite::Gone => Err(ScimError::NotFound),
    }
}

async fn find(directory: &Directory<'_>, id: &str) -> Result<DirectoryGroup> {
    let id = id.parse().map_err(|_| ScimError::NotFound)?;
    let (operation, source) = (directory.operation, directory.source);
    let group = operation.store.directory_group(operation.org, source, id);
    group.await?.ok_or(ScimError::NotFound)
}

/// Whether no other group has the name or external id, or the one as the other, before anything is written down. The store decides again.
async fn check_free(
    directory: &Directory<'_>,
    (display_name, external_id): (&str, Option<&str>),
    own: Option<DirectoryGroupId>,
) -> Result<()> {
    let (operation, source) = (directory.operation, directory.source);
    for text in [Some(display_name), external_id].into_iter().flatten() {
        let store = operation.store;
        let called = store.directory_groups_called(operation.org, source, text);
        for other in called
            .await?
            .into_iter()
            .filter(|other| Some(other.id) != own)
        {
            let theirs = (
                other.display_name.to_lowercase(),
                other.external_id.as_deref(),
            );
            if theirs.0 == display_name.to_lowercase() || theirs.1 == Some(display_name) {
                return Err(ScimError::taken("displayName"));
            }
            let folded = external_id.map(str::to_lowercase);
            if folded.as_ref() == Some(&theirs.0)
                || external_id.is_some() && theirs.1 == external_id
            {
                return Err(ScimError::taken("externalId"));
            }
        }
    }
    Ok(())
}

async fn kept(
    directory: &Directory<'_>,
    group: &DirectoryGroup,
    with_members: bool,
) -> Result<Kept> {
    let mut members = None;
    if with_members {
        let most = limits::DIRECTORY_MEMBERS_MAX;
        members = Some(members_of(directory, group.id, most).await?);
    }
    Ok(as_resource(directory, group, members))
}

async fn members_of(
    directory: &Directory<'_>,
    group: DirectoryGroupId,
    most: i64,
) -> Result<Vec<DirectoryUserId>> {
    let (operation, source) = (directory.operation, directory.source);
    let store = operation.store;
    let members = store.directory_group_members(operation.org, source, group, most);
    Ok(members.await?)
}

fn as_resource(
    directory: &Directory<'_>,
    group: &DirectoryGroup,
    members: Option<Vec<DirectoryUserId>>,
) -> Kept {
    let id = group.id.to_string();
    let mut resource = json!({
        "schemas": [GROUP],
        "id": id,
        "displayName": group.display_name,
    });
    if let Some(external_id) = &group.external_id {
        resource["externalId"] = external_id.as_str().into();
    }
    if let Some(members) = members {
        let members = members.into_iter().map(|user| {
            let user = user.to_string();
            json!({
                "value": user,
                "$ref": directory.location("/Users", &user),
            })
        });
        resource["members"] = members.collect();
    }
    let times = (group.created, group.modified, group.version);
    resource["meta"] = directory.meta(Resource::Group, &id, times);
    Kept {
        resource,
        version: group.version,
    }
}
