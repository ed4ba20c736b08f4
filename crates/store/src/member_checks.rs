//! The last member list that was held against the directory, and what did not agree: one result of an organisation, replaced by the next,
//! so that the addresses of a list are kept no longer than they are of use. Findings are kept in pieces, as JSON that only
//! `control` reads.

use domain::{OrgId, Timestamp};
use sqlx::{Row as _, query};

use crate::{Result, Store, time, unsigned};

/// What was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberCheck {
    /// Where its record stands in the ledger; no other check has the same.
    pub record: String,
    /// When.
    pub at: Timestamp,
    /// By whom.
    pub by: String,
    /// What people call the list.
    pub source: String,
    /// Its SHA-256, in hexadecimal.
    pub hash: String,
    /// What was counted and done, as JSON.
    pub result: String,
    /// How many findings there are.
    pub findings: u64,
}

impl Store {
    /// Keeps a result in the place of the one before, with its findings in pieces.
    pub async fn put_member_check(
        &self,
        org: OrgId,
        check: &MemberCheck,
        pieces: &[String],
    ) -> Result<()> {
        let mut tx = self.pools.begin().await?;
        // The row is also the lock that orders two checks.
        let statement = query(
            "INSERT INTO member_checks (org, record, at, made_by, source, hash, result, findings) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (org) DO UPDATE SET record = excluded.record, \
               at = excluded.at, made_by = excluded.made_by, source = excluded.source, hash = excluded.hash, \
               result = excluded.result, findings = excluded.findings",
        )
        .bind(org.to_string())
        .bind(&check.record)
        .bind(check.at.unix_ms())
        .bind(&check.by)
        .bind(&check.source)
        .bind(&check.hash)
        .bind(&check.result)
        .bind(i64::try_from(check.findings).unwrap_or(i64::MAX));
        tx.run(statement).await?;
        let old = query("DELETE FROM member_findings WHERE org = $1");
        tx.run(old.bind(org.to_string())).await?;
        for (piece, body) in (0i64..).zip(pieces) {
            let statement =
                query("INSERT INTO member_findings (org, piece, body) VALUES ($1, $2, $3)");
            tx.run(statement.bind(org.to_string()).bind(piece).bind(body))
                .await?;
        }
        tx.commit().await
    }

    /// The last result; none before the first.
    pub async fn member_check(&self, org: OrgId) -> Result<Option<MemberCheck>> {
        let statement = query(
            "SELECT record, at, made_by, source, hash, result, findings FROM member_checks WHERE org = $1",
        );
        let row = self.pools.row(statement.bind(org.to_string())).await?;
        row.map(|row| {
            Ok(MemberCheck {
                record: row.try_get(0)?,
                at: time(&row, 1)?,
                by: row.try_get(2)?,
                source: row.try_get(3)?,
                hash: row.try_get(4)?,
                result: row.try_get(5)?,
                findings: unsigned(&row, 6, "member_checks.findings")?,
            })
        })
        .transpose()
    }

    /// A piece of the findings of the check with this record; none when there is no such piece, or another check was made since.
    pub async fn member_findings(
        &self,
        org: OrgId,
        record: &str,
        piece: u64,
    ) -> Result<Option<String>> {
        let statement = query(
            "SELECT f.body FROM member_findings f JOIN member_checks c ON c.org = f.org \
             WHERE f.org = $1 AND c.record = $2 AND f.piece = $3",
        )
        .bind(org.to_string())
        .bind(record)
        .bind(i64::try_from(piece).unwrap_or(i64::MAX));
        let row = self.pools.row(statement).await?;
        row.map(|row| Ok(row.try_get(0)?)).transpose()
    }
}
