//! Whom a chargeback statement names: the people and services that used something in its time, and who is in a group. The sums are
//! [`crate::usage`]'s. Called by `control::statements`.

use std::collections::{BTreeMap, BTreeSet};

use domain::{OrgId, PersonId, ServiceId, Timestamp, limits};
use sqlx::{Row as _, query};

use crate::usage::hour_of;
use crate::{Result, Store, StoreError, id};

/// Somebody who used something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonWhoUsed {
    /// Who.
    pub id: PersonId,
    /// For reading: the e-mail address or the name.
    pub label: Option<String>,
    /// Groups and roles at the last sign-in.
    pub groups: BTreeSet<String>,
}

impl Store {
    /// The people who used something from the hour of one moment up to another moment.
    pub async fn people_who_used(
        &self,
        org: OrgId,
        (from, to): (Timestamp, Timestamp),
    ) -> Result<Vec<PersonWhoUsed>> {
        let statement = query(
            "SELECT id, COALESCE(email, name), groups_json FROM people WHERE org = $1 AND id IN \
             (SELECT subject FROM usage_hours WHERE org = $1 AND hour >= $2 AND hour < $3) LIMIT $4",
        );
        let statement = statement.bind(org.to_string()).bind(hour_of(from));
        let statement = statement.bind(to.unix_ms()).bind(lines_max());
        let rows = self.pools.rows(statement).await?;
        let mut found = Vec::with_capacity(rows.len());
        for row in &rows {
            let groups: &str = row.try_get(2)?;
            found.push(PersonWhoUsed {
                id: id(row, 0, "people.id")?,
                label: row.try_get(1)?,
                groups: serde_json::from_str(groups)
                    .map_err(|_| StoreError::Damaged("people.groups"))?,
            });
        }
        Ok(found)
    }

    /// The services that used something in the same time, by name.
    pub async fn services_that_used(
        &self,
        org: OrgId,
        (from, to): (Timestamp, Timestamp),
    ) -> Result<BTreeMap<ServiceId, String>> {
        let statement = query(
            "SELECT id, name FROM services WHERE org = $1 AND id IN \
             (SELECT subject FROM usage_hours WHERE org = $1 AND hour >= $2 AND hour < $3) LIMIT $4",
        );
        let statement = statement.bind(org.to_string()).bind(hour_of(from));
        let statement = statement.bind(to.unix_ms()).bind(lines_max());
        let rows = self.pools.rows(statement).await?;
        rows.iter()
            .map(|row| Ok((id(row, 0, "services.id")?, row.try_get(1)?)))
            .collect()
    }

    /// Whom the directory knows of a group by one of its two names: true for who is in it, false for who was taken out. Who left the
    /// directory altogether is in the groups they were in then.
    pub async fn members_by_group_name(
        &self,
        org: OrgId,
        name: &str,
    ) -> Result<BTreeMap<PersonId, bool>> {
        let statement = query(
            "SELECT u.person, CAST(MAX(CASE WHEN g.deleted_at IS NULL AND (m.until IS NULL OR m.until = u.deleted_at) \
               THEN 1 ELSE 0 END) AS BIGINT) \
             FROM directory_groups g \
             JOIN directory_members m ON m.org = g.org AND m.source = g.source AND m.group_id = g.id \
             JOIN directory_users u ON u.org = m.org AND u.source = m.source AND u.id = m.member \
             WHERE g.org = $1 AND (g.display_name = $2 OR g.external_id = $2) GROUP BY u.person LIMIT $3",
        );
        let statement = statement.bind(org.to_string()).bind(name);
        let statement = statement.bind(limits::DIRECTORY_USERS_MAX);
        let rows = self.pools.rows(statement).await?;
        rows.iter()
            .map(|row| {
                let is_in: i64 = row.try_get(1)?;
                Ok((id(row, 0, "directory_users.person")?, is_in == 1))
            })
            .collect()
    }
}

fn lines_max() -> i64 {
    i64::try_from(limits::STATEMENT_LINES_MAX).unwrap_or(i64::MAX)
}
