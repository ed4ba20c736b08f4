//! What a company's directory provisions: users, groups, their members, and the feed by which replicas learn whose groups changed.
//!
//! Every change takes the organisation's counter of directory changes before any other row, so changes happen one after the other
//! and their numbers become visible in order. A user of the directory hangs on a person; it never is one: that keeps both ids
//! when the directory corrects what it calls somebody. Called by `control::scim` and, for the feed and a person's groups, by
//! `pipeline::identity`.

pub mod browse;
pub mod groups;
pub mod members;
pub mod users;

use std::collections::HashMap;

use domain::{OrgId, PersonGroups, PersonId, Timestamp, limits};
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row as _, query};

use crate::connection::Tx;
use crate::people::Person;
use crate::revocations::hold_revocations;
use crate::{DIRECTORY, Result, Store, id, maybe_id, maybe_time, next, next_of};

/// Where users and groups come from: an issuer, with a tenant where its stable ids hold one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Source {
    /// The issuer's configured name.
    pub issuer: String,
    /// Entra: the tenant whose people these are, in lower case.
    pub tenant: Option<String>,
}

impl Source {
    /// How rows name it.
    pub(crate) fn key(&self) -> String {
        match &self.tenant {
            // no tenant id holds a slash, so no two sources share a key
            Some(tenant) => format!("{}/{tenant}", self.issuer),
            None => format!("{}/", self.issuer),
        }
    }

    /// The other way round.
    pub(crate) fn of_key(key: &str) -> Option<Self> {
        let (issuer, tenant) = key.rsplit_once('/')?;
        Some(Self {
            issuer: issuer.to_owned(),
            tenant: (!tenant.is_empty()).then(|| tenant.to_owned()),
        })
    }

    /// The stable id that a token of the issuer states for the directory's `externalId`: Entra `tid/oid`, elsewhere the same.
    pub fn stable_id(&self, external_id: &str) -> String {
        match &self.tenant {
            Some(tenant) => format!("{tenant}/{}", external_id.to_ascii_lowercase()),
            None => external_id.to_owned(),
        }
    }
}

/// Whose groups changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DirectoryChange {
    /// Its number.
    pub seq: i64,
    /// Whose; none when it may be anybody's.
    pub person: Option<PersonId>,
}

impl Store {
    /// The changes after `seq`, oldest first, at most `limit`.
    pub async fn directory_changes_since(
        &self,
        org: OrgId,
        seq: i64,
        limit: u32,
    ) -> Result<Vec<DirectoryChange>> {
        let rows = self.pools.rows(query(
            "SELECT seq, person FROM directory_changes WHERE org = $1 AND seq > $2 ORDER BY seq LIMIT $3",
        )
        .bind(org.to_string())
        .bind(seq)
        .bind(i64::from(limit.min(limits::STORE_PAGE_MAX))))
        .await?;
        rows.iter()
            .map(|row| {
                Ok(DirectoryChange {
                    seq: row.try_get(0)?,
                    person: maybe_id(row, 1, "directory_changes.person")?,
                })
            })
            .collect()
    }

    /// Forgets changes from before this moment, and memberships and groups' names that ended before `left`, unless what is known of the person was stated
    /// before they ended: then it still states what no longer holds.
    pub async fn purge_directory(
        &self,
        org: OrgId,
        before: Timestamp,
        left: Timestamp,
    ) -> Result<u64> {
        let changes = query("DELETE FROM directory_changes WHERE org = $1 AND at < $2");
        let members = query(
            "DELETE FROM directory_members WHERE org = $1 AND until < $2 AND NOT EXISTS \
               (SELECT 1 FROM directory_users u JOIN people p ON p.org = u.org AND p.id = u.person \
                WHERE u.org = $1 AND u.source = directory_members.source AND u.id = directory_members.member \
                  AND p.groups_json <> '[]' AND p.last_seen <= directory_members.until)",
        );
        // Before the members go, by whom the names are kept.
        let names = query(
            "DELETE FROM directory_former_names WHERE org = $1 AND until < $2 AND NOT EXISTS \
               (SELECT 1 FROM directory_members m CROSS JOIN directory_users u CROSS JOIN people p \
                WHERE m.org = $1 AND m.source = directory_former_names.source AND m.group_id = directory_former_names.group_id \
                  AND u.org = m.org AND u.source = m.source AND u.id = m.member AND p.org = u.org AND p.id = u.person \
                  AND p.groups_json <> '[]' AND p.last_seen <= directory_former_names.until)",
        );
        let mut tx = self.pools.begin().await?;
        let mut gone = tx
            .run(changes.bind(org.to_string()).bind(before.unix_ms()))
            .await?;
        for ended in [names, members] {
            let ended = ended.bind(org.to_string()).bind(left.unix_ms());
            gone += tx.run(ended).await?;
        }
        tx.commit().await?;
        Ok(gone)
    }

    /// What the directory says about a person's groups; empty for one it does not provision.
    pub async fn person_directory_groups(
        &self,
        org: OrgId,
        person: PersonId,
    ) -> Result<PersonGroups> {
        let mut said = self.said_of(org, &[person]).await?;
        Ok(said.remove(&person).unwrap_or_default())
    }

    /// People with the groups that hold for them, in place of those their issuer stated last: what their next sign-in would find, unless it
    /// states others.
    pub async fn with_groups(&self, org: OrgId, mut people: Vec<Person>) -> Result<Vec<Person>> {
        for some in people.chunks_mut(PEOPLE_AT_ONCE) {
            let ids: Vec<PersonId> = some.iter().map(|person| person.id).collect();
            let mut said = self.said_of(org, &ids).await?;
            for person in some {
                if let Some(said) = said.remove(&person.id) {
                    let stated = std::mem::take(&mut person.groups);
                    person.groups = said.join(stated, person.stated);
                }
            }
        }
        Ok(people)
    }

    /// For some people, at most [`PEOPLE_AT_ONCE`]; whom the directory does not provision is not among the answers.
    async fn said_of(
        &self,
        org: OrgId,
        people: &[PersonId],
    ) -> Result<HashMap<PersonId, PersonGroups>> {
        let places: Vec<String> = (3..people.len() + 3).map(|n| format!("${n}")).collect();
        let sql = format!(
            "SELECT u.person, g.display_name, g.external_id, m.until \
             FROM directory_users u CROSS JOIN directory_members m CROSS JOIN directory_groups g \
             WHERE u.org = $1 AND u.person IN ({people}) AND u.deleted_at IS NULL AND u.active = 1 \
               AND m.org = u.org AND m.source = u.source AND m.member = u.id \
               AND g.org = u.org AND g.source = u.source AND g.id = m.group_id \
             UNION ALL \
             SELECT u.person, n.name, NULL, n.until \
             FROM directory_users u CROSS JOIN directory_members m CROSS JOIN directory_former_names n \
             WHERE u.org = $1 AND u.person IN ({people}) AND u.deleted_at IS NULL AND u.active = 1 \
               AND m.org = u.org AND m.source = u.source AND m.member = u.id \
               AND n.org = u.org AND n.source = u.source AND n.group_id = m.group_id LIMIT $2",
            people = places.join(", ")
        );
        let most = people.len() * limits::DIRECTORY_GROUPS_OF_PERSON_MAX;
        let mut statement = query(AssertSqlSafe(sql))
            .bind(org.to_string())
            .bind(i64::try_from(most).unwrap_or(i64::MAX));
        for person in people {
            statement = statement.bind(person.to_string());
        }
        let mut all: HashMap<PersonId, PersonGroups> = HashMap::new();
        for row in &self.pools.rows(statement).await? {
            let person = id(row, 0, "directory_users.person")?;
            note(all.entry(person).or_default(), row)?;
        }
        Ok(all)
    }
}

/// People asked about in one statement.
const PEOPLE_AT_ONCE: usize = 64;

/// One membership, present or past, or a name that a group had.
fn note(groups: &mut PersonGroups, row: &AnyRow) -> Result<()> {
    let (name, external_id): (String, Option<String>) = (row.try_get(1)?, row.try_get(2)?);
    match maybe_time(row, 3)? {
        None => groups.is_in(name, external_id),
        Some(until) => {
            let names = [Some(name), external_id].into_iter().flatten();
            groups.left.extend(names.map(|name| (name, until)));
        }
    }
    Ok(())
}

/// Takes the organisation's turn: until the transaction ends nobody else changes its directory.
async fn turn(tx: &mut Tx, org: OrgId) -> Result<i64> {
    next(tx, org, DIRECTORY).await
}

/// As [`turn`], for a change that may shut somebody out: the counter of revocations, too, comes before any row.
async fn turn_to_shut_out(tx: &mut Tx, org: OrgId) -> Result<()> {
    turn(tx, org).await?;
    hold_revocations(tx, org).await
}

/// Tells replicas whose groups changed; more than [`limits::DIRECTORY_CHANGES_NAMED_MAX`] are told as anybody's.
async fn tell(tx: &mut Tx, org: OrgId, people: &[PersonId], at: Timestamp) -> Result<()> {
    if people.len() > limits::DIRECTORY_CHANGES_NAMED_MAX {
        return tell_all(tx, org, at).await;
    }
    let Ok(count @ 1..) = i64::try_from(people.len()) else {
        return Ok(());
    };
    let first = next_of(tx, org, DIRECTORY, count).await? - count + 1;
    let rows: Vec<String> = (0..people.len())
        .map(|n| format!("($1, ${}, ${}, $2)", 2 * n + 3, 2 * n + 4))
        .collect();
    let sql = format!(
        "INSERT INTO directory_changes (org, seq, person, at) VALUES {}",
        rows.join(", ")
    );
    let mut statement = query(AssertSqlSafe(sql))
        .bind(org.to_string())
        .bind(at.unix_ms());
    for (seq, person) in (first..).zip(people) {
        statement = statement.bind(seq).bind(person.to_string());
    }
    tx.run(statement).await?;
    Ok(())
}

/// As [`tell`], for a change that may concern anybody.
async fn tell_all(tx: &mut Tx, org: OrgId, at: Timestamp) -> Result<()> {
    let seq = turn(tx, org).await?;
    tx.run(
        query("INSERT INTO directory_changes (org, seq, person, at) VALUES ($1, $2, NULL, $3)")
            .bind(org.to_string())
            .bind(seq)
            .bind(at.unix_ms()),
    )
    .await?;
    Ok(())
}
