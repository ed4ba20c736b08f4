//! Members of a directory's groups. They change only by what is named: added, taken away, or set; never by writing back a list that was
//! read before. A member that is nobody's id yet is kept and counts from when somebody has it.
//!
//! What joins members to others says `CROSS JOIN`: SQLite then looks from the left to the right. Left to itself it starts with everybody
//! of the directory, in the order of the answer, and asks of each whether they are a member.

use std::collections::BTreeSet;

use domain::{DirectoryGroupId, DirectoryUserId, OrgId, PersonId, limits};
use sqlx::{AssertSqlSafe, Row as _, query};

use super::groups::Scope;
use super::{Source, tell, tell_all};
use crate::connection::Tx;
use crate::{Result, Store, StoreError, id};

/// A member who exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectoryMember {
    /// Whose membership.
    pub user: DirectoryUserId,
    /// The group.
    pub group: DirectoryGroupId,
    /// The group's name.
    pub group_name: String,
}

/// One step of a change of members; the ids are as the directory wrote them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MemberStep {
    /// These come in.
    Add(BTreeSet<String>),
    /// These go.
    Remove(BTreeSet<String>),
    /// These are in, and nobody else.
    Set(BTreeSet<String>),
}

impl Store {
    /// The members of a group who exist, at most `limit`, in the order of their ids.
    pub async fn directory_group_members(
        &self,
        org: OrgId,
        source: &Source,
        group: DirectoryGroupId,
        limit: i64,
    ) -> Result<Vec<DirectoryUserId>> {
        let statement = query(
            "SELECT m.member FROM directory_members m CROSS JOIN directory_users u \
             WHERE m.org = $1 AND m.source = $2 AND m.group_id = $3 AND m.until IS NULL \
               AND u.org = m.org AND u.source = m.source AND u.id = m.member AND u.deleted_at IS NULL \
             ORDER BY m.member LIMIT $4",
        );
        let statement = statement.bind(org.to_string()).bind(source.key());
        let statement = statement
            .bind(group.to_string())
            .bind(limit.clamp(0, limits::DIRECTORY_MEMBERS_MAX));
        let rows = self.pools.rows(statement).await?;
        rows.iter()
            .map(|row| id(row, 0, "directory_users.id"))
            .collect()
    }

    /// The groups of the users from one id to another, for the pages of a list.
    pub async fn directory_groups_of(
        &self,
        org: OrgId,
        source: &Source,
        (first, last): (DirectoryUserId, DirectoryUserId),
    ) -> Result<Vec<DirectoryMember>> {
        let statement = query(
            "SELECT m.member, g.id, g.display_name FROM directory_members m CROSS JOIN directory_groups g \
             WHERE m.org = $1 AND m.source = $2 AND m.member >= $3 AND m.member <= $4 AND m.until IS NULL \
               AND g.org = m.org AND g.source = m.source AND g.id = m.group_id AND g.deleted_at IS NULL ORDER BY m.member, g.id LIMIT $5",
        );
        let statement = statement.bind(org.to_string()).bind(source.key());
        let statement = statement.bind(first.to_string()).bind(last.to_string());
        let rows = self
            .pools
            .rows(statement.bind(limits::DIRECTORY_MEMBERS_MAX))
            .await?;
        let mut found = Vec::with_capacity(rows.len());
        for row in &rows {
            // between two users' ids may stand what was never one
            let Ok(user) = row.try_get::<String, _>(0)?.parse() else {
                continue;
            };
            found.push(DirectoryMember {
                user,
                group: id(row, 1, "directory_groups.id")?,
                group_name: row.try_get(2)?,
            });
        }
        Ok(found)
    }
}

/// Members named in one statement.
const AT_ONCE: usize = 500;

/// `$4, $5, $6`: places for so many values from this one on.
fn places(first: usize, count: usize) -> String {
    let places: Vec<String> = (first..first + count).map(|n| format!("${n}")).collect();
    places.join(", ")
}

impl Scope<'_> {
    /// Those who came in or went.
    pub(super) async fn step(
        &self,
        tx: &mut Tx,
        group: DirectoryGroupId,
        step: MemberStep,
    ) -> Result<BTreeSet<String>> {
        match step {
            MemberStep::Add(members) => self.add(tx, group, members).await,
            MemberStep::Remove(members) => self.remove(tx, group, members).await,
            MemberStep::Set(members) => self.set(tx, group, members).await,
        }
    }

    /// Those who came in.
    async fn add(
        &self,
        tx: &mut Tx,
        group: DirectoryGroupId,
        members: BTreeSet<String>,
    ) -> Result<BTreeSet<String>> {
        let sql = |count| {
            let rows: Vec<String> = (4..4 + count)
                .map(|n| format!("($1, $2, $3, ${n})"))
                .collect();
            format!(
                "INSERT INTO directory_members (org, source, group_id, member) VALUES {} \
                 ON CONFLICT (org, source, group_id, member) DO UPDATE SET until = NULL \
                 WHERE directory_members.until IS NOT NULL RETURNING member",
                rows.join(", ")
            )
        };
        self.each_some(tx, (group, None), members, sql).await
    }

    /// Those who went.
    async fn remove(
        &self,
        tx: &mut Tx,
        group: DirectoryGroupId,
        members: BTreeSet<String>,
    ) -> Result<BTreeSet<String>> {
        let sql = |count| {
            format!(
                "UPDATE directory_members SET until = $4 WHERE org = $1 AND source = $2 AND group_id = $3 \
                 AND member IN ({}) AND until IS NULL RETURNING member",
                places(5, count)
            )
        };
        let until = Some(self.at.unix_ms());
        self.each_some(tx, (group, until), members, sql).await
    }

    /// One statement for some members after the other, and those it changed. A number comes before the members where there is one.
    async fn each_some(
        &self,
        tx: &mut Tx,
        (group, number): (DirectoryGroupId, Option<i64>),
        members: BTreeSet<String>,
        sql: impl Fn(usize) -> String,
    ) -> Result<BTreeSet<String>> {
        let members: Vec<String> = members.into_iter().collect();
        let mut found = BTreeSet::new();
        for some in members.chunks(AT_ONCE) {
            let mut statement = query(AssertSqlSafe(sql(some.len())))
                .bind(self.org.to_string())
                .bind(self.source.key())
                .bind(group.to_string());
            if let Some(number) = number {
                statement = statement.bind(number);
            }
            for member in some {
                statement = statement.bind(member);
            }
            for row in tx.rows(statement).await? {
                found.insert(row.try_get(0)?);
            }
        }
        Ok(found)
    }

    /// Those who came in or went, for these alone to be in. What is there is read within the transaction, in which nobody else
    /// changes it.
    async fn set(
        &self,
        tx: &mut Tx,
        group: DirectoryGroupId,
        members: BTreeSet<String>,
    ) -> Result<BTreeSet<String>> {
        let statement = query(
            "SELECT member FROM directory_members WHERE org = $1 AND source = $2 AND group_id = $3 AND until IS NULL",
        );
        let statement = statement.bind(self.org.to_string()).bind(self.source.key());
        let rows = tx.rows(statement.bind(group.to_string())).await?;
        let mut there = BTreeSet::new();
        for row in &rows {
            there.insert(row.try_get::<String, _>(0)?);
        }
        let gone = there.difference(&members).cloned().collect();
        let come = members.difference(&there).cloned().collect();
        let mut changed = self.remove(tx, group, gone).await?;
        changed.extend(self.add(tx, group, come).await?);
        Ok(changed)
    }

    pub(super) async fn check_size(&self, tx: &mut Tx, group: DirectoryGroupId) -> Result<()> {
        let statement = query(
            "SELECT COUNT(*) FROM directory_members WHERE org = $1 AND source = $2 AND group_id = $3 AND until IS NULL",
        );
        let statement = statement.bind(self.org.to_string()).bind(self.source.key());
        let row = tx.row(statement.bind(group.to_string())).await?;
        let row = row.ok_or(StoreError::Damaged("directory_members.count"))?;
        if row.try_get::<i64, _>(0)? > limits::DIRECTORY_MEMBERS_MAX {
            return Err(StoreError::Full("members of this group"));
        }
        Ok(())
    }

    /// Tells replicas of the people behind these members.
    pub(super) async fn tell(&self, tx: &mut Tx, members: BTreeSet<String>) -> Result<()> {
        if members.len() > limits::DIRECTORY_CHANGES_NAMED_MAX {
            return tell_all(tx, self.org, self.at).await;
        }
        if members.is_empty() {
            return Ok(());
        }
        let sql = format!(
            "SELECT person FROM directory_users WHERE org = $1 AND source = $2 AND id IN ({})",
            places(3, members.len())
        );
        let mut statement = query(AssertSqlSafe(sql))
            .bind(self.org.to_string())
            .bind(self.source.key());
        for member in members {
            statement = statement.bind(member);
        }
        let mut people: Vec<PersonId> = Vec::new();
        for row in tx.rows(statement).await? {
            people.push(id(&row, 0, "directory_users.person")?);
        }
        tell(tx, self.org, &people, self.at).await
    }
}
