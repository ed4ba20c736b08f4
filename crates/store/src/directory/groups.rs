//! Groups of a directory. Their members are in [`super::members`].

use std::collections::BTreeSet;

use domain::{DirectoryGroupId, OrgId, Timestamp, limits};
use sqlx::any::AnyRow;
use sqlx::{Row as _, query};

use super::members::MemberStep;
use super::{Source, tell_all, turn};
use crate::connection::Tx;
use crate::{Result, Store, StoreError, id, time};

/// A group, without its members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectoryGroup {
    /// The id the directory knows it by; never another's.
    pub id: DirectoryGroupId,
    /// Its name, which policy may use.
    pub display_name: String,
    /// The directory's own id, which policy may use as well.
    pub external_id: Option<String>,
    /// When it was made.
    pub created: Timestamp,
    /// When it last changed.
    pub modified: Timestamp,
    /// Grows with each change.
    pub version: i64,
}

/// What of a group changes; what is not named stays.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GroupChange {
    /// Its name.
    pub display_name: Option<String>,
    /// The directory's own id, or none any more.
    pub external_id: Option<Option<String>>,
    /// Its members, step by step.
    pub members: Vec<MemberStep>,
}

/// What became of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupWrite {
    /// It is so now.
    Done(DirectoryGroup),
    /// Another group has the name or external id; nothing was written.
    Taken(&'static str),
    /// It has another version than was asked for; nothing was written.
    Stale,
    /// There is none of this id.
    Gone,
}

macro_rules! sql {
    ($rest:literal) => {
        concat!(
            "SELECT id, display_name, external_id, created, modified, version FROM directory_groups ",
            $rest
        )
    };
}

impl Store {
    /// Makes a group with these members. `folded` is its name in one case.
    pub async fn add_directory_group(
        &self,
        org: OrgId,
        source: &Source,
        group: DirectoryGroupId,
        (display_name, external_id): (&str, Option<&str>),
        members: BTreeSet<String>,
        at: Timestamp,
    ) -> Result<GroupWrite> {
        let mut tx = self.pools.begin().await?;
        turn(&mut tx, org).await?;
        let scope = Scope { org, source, at };
        let names = (display_name, external_id);
        if let Some(field) = scope.taken(&mut tx, group, names).await? {
            return Ok(GroupWrite::Taken(field));
        }
        if scope.count(&mut tx).await? >= limits::DIRECTORY_GROUPS_MAX {
            return Err(StoreError::Full("groups of this directory"));
        }
        tx.run(
            query(
                "INSERT INTO directory_groups (id, org, source, display_name, folded_name, external_id, created, modified, version) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $7, 1)",
            )
            .bind(group.to_string())
            .bind(org.to_string())
            .bind(source.key())
            .bind(display_name)
            .bind(display_name.to_lowercase())
            .bind(external_id)
            .bind(at.unix_ms()),
        )
        .await?;
        let add = MemberStep::Add(members);
        let changed = scope.step(&mut tx, group, add).await?;
        scope.check_size(&mut tx, group).await?;
        scope.tell(&mut tx, changed).await?;
        let made = scope.live(&mut tx, group).await?;
        tx.commit().await?;
        Ok(made.map_or(GroupWrite::Gone, GroupWrite::Done))
    }

    /// Changes what is named, in one transaction. With `expected` only if the group still has that version; members need none,
    /// because a step says what it does whatever was there.
    pub async fn change_directory_group(
        &self,
        org: OrgId,
        source: &Source,
        (group, expected): (DirectoryGroupId, Option<i64>),
        change: GroupChange,
        at: Timestamp,
    ) -> Result<GroupWrite> {
        let mut tx = self.pools.begin().await?;
        turn(&mut tx, org).await?;
        let scope = Scope { org, source, at };
        let Some(before) = scope.live(&mut tx, group).await? else {
            return Ok(GroupWrite::Gone);
        };
        if expected.is_some_and(|expected| expected != before.version) {
            return Ok(GroupWrite::Stale);
        }
        let mut changed = BTreeSet::new();
        for step in change.members {
            changed.extend(scope.step(&mut tx, group, step).await?);
        }
        scope.check_size(&mut tx, group).await?;
        let display_name = change
            .display_name
            .unwrap_or_else(|| before.display_name.clone());
        let external_id = change
            .external_id
            .unwrap_or_else(|| before.external_id.clone());
        let names = (display_name.as_str(), external_id.as_deref());
        let is_renamed = names != (before.display_name.as_str(), before.external_id.as_deref());
        if !is_renamed && changed.is_empty() {
            return Ok(GroupWrite::Done(before));
        }
        if let Some(field) = scope.taken(&mut tx, group, names).await? {
            return Ok(GroupWrite::Taken(field));
        }
        scope.rename(&mut tx, group, names).await?;
        if is_renamed {
            scope.keep_names(&mut tx, &before, names).await?;
            tell_all(&mut tx, org, at).await?;
        } else {
            scope.tell(&mut tx, changed).await?;
        }
        let after = scope.live(&mut tx, group).await?;
        tx.commit().await?;
        Ok(after.map_or(GroupWrite::Gone, GroupWrite::Done))
    }

    /// Takes a group away. Its row and former members stay a while, so that an old token does not bring its name back.
    pub async fn remove_directory_group(
        &self,
        org: OrgId,
        source: &Source,
        group: DirectoryGroupId,
        at: Timestamp,
    ) -> Result<Option<DirectoryGroup>> {
        let mut tx = self.pools.begin().await?;
        turn(&mut tx, org).await?;
        let scope = Scope { org, source, at };
        let Some(before) = scope.live(&mut tx, group).await? else {
            return Ok(None);
        };
        for sql in [
            "UPDATE directory_members SET until = $4 WHERE org = $1 AND source = $2 AND group_id = $3 AND until IS NULL",
            "UPDATE directory_groups SET deleted_at = $4, version = version + 1 WHERE org = $1 AND source = $2 AND id = $3",
        ] {
            let statement = query(sql).bind(org.to_string()).bind(source.key());
            tx.run(statement.bind(group.to_string()).bind(at.unix_ms()))
                .await?;
        }
        tell_all(&mut tx, org, at).await?;
        tx.commit().await?;
        Ok(Some(before))
    }

    /// A group by the directory's id for it.
    pub async fn directory_group(
        &self,
        org: OrgId,
        source: &Source,
        group: DirectoryGroupId,
    ) -> Result<Option<DirectoryGroup>> {
        let statement = query(sql!(
            "WHERE org = $1 AND source = $2 AND id = $3 AND deleted_at IS NULL"
        ));
        let statement = statement.bind(org.to_string()).bind(source.key());
        let row = self.pools.row(statement.bind(group.to_string())).await?;
        row.as_ref().map(read).transpose()
    }

    /// The groups that have this name in any case, or this external id: at most one of each.
    pub async fn directory_groups_called(
        &self,
        org: OrgId,
        source: &Source,
        text: &str,
    ) -> Result<Vec<DirectoryGroup>> {
        let statement = query(sql!(
            "WHERE org = $1 AND source = $2 AND (folded_name = $3 OR external_id = $4) AND deleted_at IS NULL ORDER BY id"
        ));
        let statement = statement.bind(org.to_string()).bind(source.key());
        let statement = statement.bind(text.to_lowercase()).bind(text);
        let rows = self.pools.rows(statement).await?;
        rows.iter().map(read).collect()
    }

    /// How many groups a source has.
    pub async fn count_directory_groups(&self, org: OrgId, source: &Source) -> Result<u64> {
        let statement = query(
            "SELECT COUNT(*) FROM directory_groups WHERE org = $1 AND source = $2 AND deleted_at IS NULL",
        );
        let statement = statement.bind(org.to_string()).bind(source.key());
        let row = self.pools.row(statement).await?;
        let row = row.ok_or(StoreError::Damaged("directory_groups.count"))?;
        crate::unsigned(&row, 0, "directory_groups.count")
    }

    /// At most `limit` groups in the order of their ids, those at the beginning that `skip` counts left out.
    pub async fn directory_groups_page(
        &self,
        org: OrgId,
        source: &Source,
        skip: u64,
        limit: u32,
    ) -> Result<Vec<DirectoryGroup>> {
        let statement = query(sql!(
            "WHERE org = $1 AND source = $2 AND deleted_at IS NULL ORDER BY id LIMIT $3 OFFSET $4"
        ));
        let statement = statement.bind(org.to_string()).bind(source.key());
        let rows = self
            .pools
            .rows(
                statement
                    .bind(i64::from(limit.min(limits::STORE_PAGE_MAX)))
                    .bind(i64::try_from(skip).unwrap_or(i64::MAX)),
            )
            .await?;
        rows.iter().map(read).collect()
    }
}

/// Whose directory is written, and when.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scope<'a> {
    pub(super) org: OrgId,
    pub(super) source: &'a Source,
    pub(super) at: Timestamp,
}

impl Scope<'_> {
    async fn live(&self, tx: &mut Tx, group: DirectoryGroupId) -> Result<Option<DirectoryGroup>> {
        let statement = query(sql!(
            "WHERE org = $1 AND source = $2 AND id = $3 AND deleted_at IS NULL"
        ));
        let statement = statement.bind(self.org.to_string()).bind(self.source.key());
        let row = tx.row(statement.bind(group.to_string())).await?;
        row.as_ref().map(read).transpose()
    }

    /// What another group has already: a name stands for one group, because policy goes by it. One group's name is not another's external
    /// id either, since both count: whoever may rename a group of their own would be in any other.
    async fn taken(
        &self,
        tx: &mut Tx,
        own: DirectoryGroupId,
        (display_name, external_id): (&str, Option<&str>),
    ) -> Result<Option<&'static str>> {
        let statement = query(
            "SELECT folded_name, external_id FROM directory_groups WHERE org = $1 AND source = $2 AND id <> $3 AND deleted_at IS NULL \
             AND (folded_name = $4 OR external_id = $5 OR external_id = $6 OR folded_name = $7)",
        );
        let folded = display_name.to_lowercase();
        let statement = statement.bind(self.org.to_string()).bind(self.source.key());
        let statement = statement
            .bind(own.to_string())
            .bind(&folded)
            .bind(external_id)
            .bind(display_name)
            .bind(external_id.map(str::to_lowercase));
        let Some(row) = tx.row(statement).await? else {
            return Ok(None);
        };
        let other: Option<String> = row.try_get(1)?;
        let is_name =
            row.try_get::<String, _>(0)? == folded || other.as_deref() == Some(display_name);
        Ok(Some(if is_name { "displayName" } else { "externalId" }))
    }

    async fn count(&self, tx: &mut Tx) -> Result<i64> {
        let statement =
            query("SELECT COUNT(*) FROM directory_groups WHERE org = $1 AND source = $2");
        let statement = statement.bind(self.org.to_string()).bind(self.source.key());
        let row = tx.row(statement).await?;
        let row = row.ok_or(StoreError::Damaged("directory_groups.count"))?;
        Ok(row.try_get(0)?)
    }

    async fn rename(
        &self,
        tx: &mut Tx,
        group: DirectoryGroupId,
        (display_name, external_id): (&str, Option<&str>),
    ) -> Result<()> {
        let statement = query(
            "UPDATE directory_groups SET display_name = $3, folded_name = $4, external_id = $5, modified = $6, \
             version = version + 1 WHERE org = $1 AND id = $2",
        );
        let statement = statement.bind(self.org.to_string()).bind(group.to_string());
        let statement = statement
            .bind(display_name)
            .bind(display_name.to_lowercase());
        tx.run(statement.bind(external_id).bind(self.at.unix_ms()))
            .await?;
        Ok(())
    }

    /// Keeps the names that a group has no more: whoever was in it has them in old credentials.
    async fn keep_names(
        &self,
        tx: &mut Tx,
        before: &DirectoryGroup,
        (display_name, external_id): (&str, Option<&str>),
    ) -> Result<()> {
        let (org, source) = (self.org.to_string(), self.source.key());
        let group = before.id.to_string();
        let now = names_of(display_name, external_id);
        let mut former = names_of(&before.display_name, before.external_id.as_deref());
        former.retain(|name| !now.contains(name));
        for name in now {
            let again = query(
                "DELETE FROM directory_former_names WHERE org = $1 AND source = $2 AND group_id = $3 AND name = $4",
            );
            tx.run(again.bind(&org).bind(&source).bind(&group).bind(name))
                .await?;
        }
        for name in former {
            let kept = query(
                "INSERT INTO directory_former_names (org, source, group_id, name, until) VALUES ($1, $2, $3, $4, $5) \
                 ON CONFLICT (org, source, group_id, name) DO UPDATE SET until = excluded.until",
            );
            let kept = kept.bind(&org).bind(&source).bind(&group).bind(name);
            tx.run(kept.bind(self.at.unix_ms())).await?;
        }
        let count = query(
            "SELECT COUNT(*) FROM directory_former_names WHERE org = $1 AND source = $2 AND group_id = $3",
        );
        let row = tx.row(count.bind(&org).bind(&source).bind(&group)).await?;
        let row = row.ok_or(StoreError::Damaged("directory_former_names.count"))?;
        if row.try_get::<i64, _>(0)? > limits::DIRECTORY_FORMER_NAMES_MAX {
            return Err(StoreError::Full("former names of this group"));
        }
        Ok(())
    }
}

/// Both names of a group, as policy may use them.
fn names_of<'n>(display_name: &'n str, external_id: Option<&'n str>) -> Vec<&'n str> {
    std::iter::once(display_name).chain(external_id).collect()
}

fn read(row: &AnyRow) -> Result<DirectoryGroup> {
    Ok(DirectoryGroup {
        id: id(row, 0, "directory_groups.id")?,
        display_name: row.try_get(1)?,
        external_id: row.try_get(2)?,
        created: time(row, 3)?,
        modified: time(row, 4)?,
        version: row.try_get(5)?,
    })
}
