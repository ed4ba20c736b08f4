//! Policy versions: each an immutable text with author, reason and time.

use domain::{OrgId, Timestamp, limits};
use sqlx::any::AnyRow;
use sqlx::{Row as _, query};

use crate::{POLICIES, Result, Store, next, time, unsigned};

/// One version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyVersion {
    /// Its number, from 1.
    pub version: u64,
    /// The text as it was written, comments included.
    pub text: String,
    /// Who applied it.
    pub author: String,
    /// Why.
    pub reason: String,
    /// When.
    pub created: Timestamp,
}

/// What became of an attempt to add a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PutPolicy {
    /// Added, with this number.
    Added(u64),
    /// Somebody else was first; nothing was written. This is the latest version now.
    Conflict(u64),
}

impl Store {
    /// Adds the version after `expected`, unless that is no longer the latest.
    pub async fn put_policy(
        &self,
        org: OrgId,
        expected: u64,
        new: &PolicyVersion,
    ) -> Result<PutPolicy> {
        let mut tx = self.pools.begin().await?;
        // The counter's row is the lock that orders two authors.
        let number = next(&mut tx, org, POLICIES).await?;
        if number
            != i64::try_from(expected)
                .unwrap_or(i64::MAX)
                .saturating_add(1)
        {
            return Ok(PutPolicy::Conflict(u64::try_from(number - 1).unwrap_or(0)));
        }
        tx.run(query(
            "INSERT INTO policies (org, version, body, author, reason, created) VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(org.to_string())
        .bind(number)
        .bind(&new.text)
        .bind(&new.author)
        .bind(&new.reason)
        .bind(new.created.unix_ms()))
        .await?;
        tx.commit().await?;
        Ok(PutPolicy::Added(expected + 1))
    }

    /// The latest version; none before the first.
    pub async fn latest_policy(&self, org: OrgId) -> Result<Option<PolicyVersion>> {
        let row = self.pools.row(query(
            "SELECT version, body, author, reason, created FROM policies WHERE org = $1 ORDER BY version DESC LIMIT 1",
        )
        .bind(org.to_string()))
        .await?;
        row.as_ref().map(read).transpose()
    }

    /// One version.
    pub async fn policy(&self, org: OrgId, version: u64) -> Result<Option<PolicyVersion>> {
        let row = self.pools.row(query(
            "SELECT version, body, author, reason, created FROM policies WHERE org = $1 AND version = $2",
        )
        .bind(org.to_string())
        .bind(i64::try_from(version).unwrap_or(i64::MAX)))
        .await?;
        row.as_ref().map(read).transpose()
    }

    /// The latest versions before `before` (of all, when there is none), newest first.
    pub async fn policy_versions(
        &self,
        org: OrgId,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<PolicyVersion>> {
        let before = before.and_then(|version| i64::try_from(version).ok());
        let rows = self
            .pools
            .rows(
                query(
                    "SELECT version, body, author, reason, created FROM policies \
                     WHERE org = $1 AND version < $2 ORDER BY version DESC LIMIT $3",
                )
                .bind(org.to_string())
                .bind(before.unwrap_or(i64::MAX))
                .bind(i64::from(limit.min(limits::STORE_PAGE_MAX))),
            )
            .await?;
        rows.iter().map(read).collect()
    }
}

fn read(row: &AnyRow) -> Result<PolicyVersion> {
    Ok(PolicyVersion {
        version: unsigned(row, 0, "policies.version")?,
        text: row.try_get(1)?,
        author: row.try_get(2)?,
        reason: row.try_get(3)?,
        created: time(row, 4)?,
    })
}
