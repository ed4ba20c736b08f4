//! Groups as administrators look at them: those of every source of the organisation together, a page at a time, with how many people
//! are in each and who. Reads only; what the directory's own requests need is in [`super::groups`]. Called by `control::groups`.

use std::collections::BTreeSet;

use domain::{DirectoryGroupId, DirectoryUserId, OrgId, PersonId, Timestamp, limits};
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row as _, query};

use super::Source;
use crate::people::anywhere;
use crate::usage::{UsageSum, hour_of};
use crate::{Result, Store, StoreError, id, maybe_time, time, unsigned};

/// Names of one statement.
const NAMES_AT_ONCE: usize = 50;

/// A group that a directory provisions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupSeen {
    /// Its id.
    pub id: DirectoryGroupId,
    /// Whose directory says so.
    pub source: Source,
    /// Its name, which policy may use.
    pub display_name: String,
    /// The directory's own id, which policy may use as well.
    pub external_id: Option<String>,
    /// When it was made.
    pub created: Timestamp,
    /// When it last changed.
    pub modified: Timestamp,
    /// How many people are in it.
    pub members: u64,
}

/// A group by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupName {
    /// Its id.
    pub id: DirectoryGroupId,
    /// Its name.
    pub display_name: String,
}

/// What a directory has provisioned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Provisioned {
    /// Users that are there.
    pub users: u64,
    /// Those of them whom it lets in.
    pub active: u64,
    /// Groups that are there.
    pub groups: u64,
    /// When anything of it last changed here.
    pub changed: Option<Timestamp>,
}

/// Somebody in a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberSeen {
    /// The user by whom the directory means them; the key of the next page.
    pub user: DirectoryUserId,
    /// The person.
    pub person: PersonId,
    /// What the directory calls them.
    pub user_name: String,
    /// Whether the directory lets them in.
    pub active: bool,
    /// For reading.
    pub email: Option<String>,
    /// For reading.
    pub name: Option<String>,
}

/// The groups that a look at `directory_groups` finds, each with how many are in it. The look comes first and as a whole, so that members
/// are counted of the groups of the page and of no other.
macro_rules! groups {
    ($look:literal) => {
        concat!(
            "WITH g AS MATERIALIZED (SELECT org, id, source, display_name, external_id, created, modified \
               FROM directory_groups WHERE org = $1 AND deleted_at IS NULL ",
            $look,
            ") SELECT g.id, g.source, g.display_name, g.external_id, g.created, g.modified, \
               (SELECT COUNT(*) FROM directory_members m CROSS JOIN directory_users u \
                WHERE m.org = g.org AND m.source = g.source AND m.group_id = g.id AND m.until IS NULL \
                  AND u.org = m.org AND u.source = m.source AND u.id = m.member AND u.deleted_at IS NULL) \
             FROM g ORDER BY g.id"
        )
    };
}

impl Store {
    /// At most `limit` groups after one of them, ordered by id, and whether there are more. With a text only those in whose name it
    /// stands, in any case.
    pub async fn groups_page(
        &self,
        org: OrgId,
        text: &str,
        after: Option<DirectoryGroupId>,
        limit: u32,
    ) -> Result<(Vec<GroupSeen>, bool)> {
        let limit = limit.min(limits::STORE_PAGE_MAX);
        let statement = query(groups!(
            "AND id > $2 AND ($3 = '' OR folded_name LIKE $4 ESCAPE '!') ORDER BY id LIMIT $5"
        ))
        .bind(org.to_string())
        .bind(after.map_or_else(String::new, |after| after.to_string()))
        .bind(text)
        .bind(anywhere(&text.to_lowercase()))
        .bind(i64::from(limit) + 1);
        page(&self.pools.rows(statement).await?, limit, group)
    }

    /// The group of this id, of whatever source.
    pub async fn group_seen(
        &self,
        org: OrgId,
        group_id: DirectoryGroupId,
    ) -> Result<Option<GroupSeen>> {
        let statement = query(groups!("AND id = $2"));
        let statement = statement.bind(org.to_string()).bind(group_id.to_string());
        let row = self.pools.row(statement).await?;
        row.as_ref().map(group).transpose()
    }

    /// The groups that a person is in, by name; as many as count for policy.
    pub async fn groups_of_person(&self, org: OrgId, person: PersonId) -> Result<Vec<GroupName>> {
        let statement = query(
            "SELECT g.id, g.display_name \
             FROM directory_users u CROSS JOIN directory_members m CROSS JOIN directory_groups g \
             WHERE u.org = $1 AND u.person = $2 AND u.deleted_at IS NULL \
               AND m.org = u.org AND m.source = u.source AND m.member = u.id AND m.until IS NULL \
               AND g.org = u.org AND g.source = u.source AND g.id = m.group_id AND g.deleted_at IS NULL ORDER BY g.folded_name, g.id LIMIT $3",
        )
        .bind(org.to_string())
        .bind(person.to_string())
        .bind(i64::try_from(limits::DIRECTORY_GROUPS_OF_PERSON_MAX).unwrap_or(i64::MAX));
        let rows = self.pools.rows(statement).await?;
        let read = |row: &AnyRow| {
            Ok(GroupName {
                id: id(row, 0, "directory_groups.id")?,
                display_name: row.try_get(1)?,
            })
        };
        rows.iter().map(read).collect()
    }

    /// Those of these names that a group of some directory has, as its name or as the directory's own id of it.
    pub async fn provisioned_names(
        &self,
        org: OrgId,
        names: &BTreeSet<String>,
    ) -> Result<BTreeSet<String>> {
        let all: Vec<&String> = names.iter().collect();
        let mut found = BTreeSet::new();
        for some in all.chunks(NAMES_AT_ONCE) {
            let mut statement =
                query(AssertSqlSafe(names_statement(some.len()))).bind(org.to_string());
            for name in some {
                statement = statement.bind(name.as_str());
            }
            for row in &self.pools.rows(statement).await? {
                let name: Option<String> = row.try_get(0)?;
                found.extend(name.filter(|name| names.contains(name)));
            }
        }
        Ok(found)
    }

    /// What those who are in a group now used from one moment up to another, by model, most money first.
    pub async fn usage_of_group(
        &self,
        org: OrgId,
        seen: &GroupSeen,
        (from, to): (Timestamp, Timestamp),
    ) -> Result<Vec<UsageSum>> {
        let statement = query(
            "SELECT model, CAST(SUM(requests) AS BIGINT), \
             CAST(SUM(CASE WHEN outcome = 'refused' THEN requests ELSE 0 END) AS BIGINT), \
             CAST(SUM(input_tokens) AS BIGINT), CAST(SUM(output_tokens) AS BIGINT), \
             CAST(SUM(cache_write_tokens) AS BIGINT), CAST(SUM(cache_read_tokens) AS BIGINT), \
             CAST(SUM(cost_nanos) AS BIGINT), \
             CAST(SUM(estimated_requests) AS BIGINT), CAST(SUM(estimated_nanos) AS BIGINT), \
             CAST(SUM(unpriced_requests) AS BIGINT), CAST(SUM(unpriced_nanos) AS BIGINT) \
             FROM usage_hours WHERE org = $1 AND hour >= $2 AND hour < $3 AND subject IN \
               (SELECT u.person FROM directory_members m CROSS JOIN directory_users u \
                WHERE m.org = $1 AND m.source = $4 AND m.group_id = $5 AND m.until IS NULL \
                  AND u.org = m.org AND u.source = m.source AND u.id = m.member AND u.deleted_at IS NULL) \
             GROUP BY model ORDER BY SUM(cost_nanos) DESC, model LIMIT $6",
        );
        let statement = statement
            .bind(org.to_string())
            .bind(hour_of(from))
            .bind(to.unix_ms())
            .bind(seen.source.key())
            .bind(seen.id.to_string())
            .bind(i64::from(limits::STORE_PAGE_MAX));
        let rows = self.pools.rows(statement).await?;
        rows.iter().map(crate::usage::read).collect()
    }

    /// What a directory has provisioned, counted now.
    pub async fn provisioned(&self, org: OrgId, source: &Source) -> Result<Provisioned> {
        let statement = query(
            "SELECT (SELECT COUNT(*) FROM directory_users WHERE org = $1 AND source = $2 AND deleted_at IS NULL), \
             (SELECT COUNT(*) FROM directory_users WHERE org = $1 AND source = $2 AND deleted_at IS NULL AND active = 1), \
             (SELECT COUNT(*) FROM directory_groups WHERE org = $1 AND source = $2 AND deleted_at IS NULL), \
             (SELECT MAX(modified) FROM directory_users WHERE org = $1 AND source = $2), \
             (SELECT MAX(modified) FROM directory_groups WHERE org = $1 AND source = $2)",
        );
        let statement = statement.bind(org.to_string()).bind(source.key());
        let row = self.pools.row(statement).await?;
        let row = row.ok_or(StoreError::Damaged("directory_users.count"))?;
        Ok(Provisioned {
            users: unsigned(&row, 0, "directory_users.count")?,
            active: unsigned(&row, 1, "directory_users.count")?,
            groups: unsigned(&row, 2, "directory_groups.count")?,
            changed: maybe_time(&row, 3)?.max(maybe_time(&row, 4)?),
        })
    }

    /// At most `limit` members of a group after one of them, ordered by the directory's user, and whether there are more.
    pub async fn group_people(
        &self,
        org: OrgId,
        seen: &GroupSeen,
        after: Option<DirectoryUserId>,
        limit: u32,
    ) -> Result<(Vec<MemberSeen>, bool)> {
        let limit = limit.min(limits::STORE_PAGE_MAX);
        let statement = query(
            "SELECT u.id, u.person, u.user_name, u.active, p.email, p.name \
             FROM directory_members m CROSS JOIN directory_users u CROSS JOIN people p \
             WHERE m.org = $1 AND m.source = $2 AND m.group_id = $3 AND m.until IS NULL AND m.member > $4 \
               AND u.org = m.org AND u.source = m.source AND u.id = m.member AND u.deleted_at IS NULL \
               AND p.id = u.person ORDER BY m.member LIMIT $5",
        )
        .bind(org.to_string())
        .bind(seen.source.key())
        .bind(seen.id.to_string())
        .bind(after.map_or_else(String::new, |after| after.to_string()))
        .bind(i64::from(limit) + 1);
        page(&self.pools.rows(statement).await?, limit, member)
    }
}

/// The statement for this many names; its text depends on nothing else.
fn names_statement(names: usize) -> String {
    let places: Vec<String> = (2..names + 2).map(|place| format!("${place}")).collect();
    let places = places.join(", ");
    format!(
        "SELECT display_name FROM directory_groups WHERE org = $1 AND deleted_at IS NULL AND display_name IN ({places}) \
         UNION SELECT external_id FROM directory_groups WHERE org = $1 AND deleted_at IS NULL AND external_id IN ({places})"
    )
}

/// The rows of a page, and whether there was one more.
fn page<T>(
    rows: &[AnyRow],
    limit: u32,
    read: impl Fn(&AnyRow) -> Result<T>,
) -> Result<(Vec<T>, bool)> {
    let wanted = rows.iter().take(limit as usize);
    let found = wanted.map(read).collect::<Result<Vec<_>>>()?;
    let more = rows.len() > found.len();
    Ok((found, more))
}

fn group(row: &AnyRow) -> Result<GroupSeen> {
    let source: String = row.try_get(1)?;
    Ok(GroupSeen {
        id: id(row, 0, "directory_groups.id")?,
        source: Source::of_key(&source).ok_or(StoreError::Damaged("directory_groups.source"))?,
        display_name: row.try_get(2)?,
        external_id: row.try_get(3)?,
        created: time(row, 4)?,
        modified: time(row, 5)?,
        members: unsigned(row, 6, "directory_members.count")?,
    })
}

fn member(row: &AnyRow) -> Result<MemberSeen> {
    Ok(MemberSeen {
        user: id(row, 0, "directory_users.id")?,
        person: id(row, 1, "directory_users.person")?,
        user_name: row.try_get(2)?,
        active: row.try_get::<i64, _>(3)? != 0,
        email: row.try_get(4)?,
        name: row.try_get(5)?,
    })
}
