//! Policy versions: each an immutable text with author, reason and time.

use domain::{OrgId, Timestamp};
use sqlx::Row as _;
use sqlx::any::AnyRow;

use crate::{Result, Store, time, unsigned};

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
        let mut tx = self.begin().await?;
        // The counter's row is the lock that orders two authors.
        let number = Self::next(&mut tx, org, "policies").await?;
        if number
            != i64::try_from(expected)
                .unwrap_or(i64::MAX)
                .saturating_add(1)
        {
            return Ok(PutPolicy::Conflict(u64::try_from(number - 1).unwrap_or(0)));
        }
        sqlx::query(
            "INSERT INTO policies (org, version, body, author, reason, created) VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(org.to_string())
        .bind(number)
        .bind(&new.text)
        .bind(&new.author)
        .bind(&new.reason)
        .bind(new.created.unix_ms())
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(PutPolicy::Added(expected + 1))
    }

    /// The latest version; none before the first.
    pub async fn latest_policy(&self, org: OrgId) -> Result<Option<PolicyVersion>> {
        let row = sqlx::query(
            "SELECT version, body, author, reason, created FROM policies WHERE org = $1 ORDER BY version DESC LIMIT 1",
        )
        .bind(org.to_string())
        .fetch_optional(&self.pool)
        .await?;
        row.as_ref().map(read).transpose()
    }

    /// One version.
    pub async fn policy(&self, org: OrgId, version: u64) -> Result<Option<PolicyVersion>> {
        let row = sqlx::query(
            "SELECT version, body, author, reason, created FROM policies WHERE org = $1 AND version = $2",
        )
        .bind(org.to_string())
        .bind(i64::try_from(version).unwrap_or(i64::MAX))
        .fetch_optional(&self.pool)
        .await?;
        row.as_ref().map(read).transpose()
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
