//! Evidence: what a check found, when, by whom, and until when it counts. Rows are added and never changed.

use domain::{EvidenceId, OrgId, Timestamp, limits};
use sqlx::any::AnyRow;
use sqlx::{Row as _, query};

use crate::{Result, Store, id, time, unsigned};

/// One piece of evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// Its id.
    pub id: EvidenceId,
    /// Of which check: `rollout_identity`.
    pub kind: String,
    /// Whether it was as it must be.
    pub passed: bool,
    /// When it was found.
    pub at: Timestamp,
    /// Until when it counts.
    pub expires: Timestamp,
    /// Who made the check.
    pub by: String,
    /// What was found, as JSON.
    pub facts: String,
    /// SHA-256 of all the rest.
    pub hash: String,
}

impl Store {
    /// Keeps a piece of evidence.
    pub async fn add_evidence(&self, org: OrgId, evidence: &Evidence) -> Result<()> {
        let statement = query(
            "INSERT INTO evidence (id, org, kind, passed, at, expires, made_by, facts, hash) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .bind(evidence.id.to_string())
        .bind(org.to_string())
        .bind(&evidence.kind)
        .bind(i64::from(evidence.passed))
        .bind(evidence.at.unix_ms())
        .bind(evidence.expires.unix_ms())
        .bind(&evidence.by)
        .bind(&evidence.facts)
        .bind(&evidence.hash);
        self.pools.write(statement).await?;
        Ok(())
    }

    /// At most `limit` pieces of evidence of a kind before one of them, newest first.
    pub async fn evidence_page(
        &self,
        org: OrgId,
        kind: &str,
        before: Option<EvidenceId>,
        limit: u32,
    ) -> Result<Vec<Evidence>> {
        let statement = query(
            "SELECT id, kind, passed, at, expires, made_by, facts, hash FROM evidence \
             WHERE org = $1 AND kind = $2 AND ($3 = '' OR id < $3) ORDER BY id DESC LIMIT $4",
        )
        .bind(org.to_string())
        .bind(kind)
        .bind(before.map_or_else(String::new, |before| before.to_string()))
        .bind(i64::from(limit.min(limits::STORE_PAGE_MAX)));
        let rows = self.pools.rows(statement).await?;
        rows.iter().map(read).collect()
    }
}

fn read(row: &AnyRow) -> Result<Evidence> {
    Ok(Evidence {
        id: id(row, 0, "evidence.id")?,
        kind: row.try_get(1)?,
        passed: unsigned(row, 2, "evidence.passed")? == 1,
        at: time(row, 3)?,
        expires: time(row, 4)?,
        by: row.try_get(5)?,
        facts: row.try_get(6)?,
        hash: row.try_get(7)?,
    })
}
