//! What has been taken away, in the order it was: replicas read on from the last number they know.

use domain::{OrgId, PersonId, ServiceId, SessionId, Timestamp};
use sqlx::Row as _;

use crate::{Result, Store, StoreError, id, time};

/// From whom or what.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Target {
    /// Everything a person holds.
    Person(PersonId),
    /// One session.
    Session(SessionId),
    /// Everything a service holds.
    Service(ServiceId),
    /// One service key, by its hash.
    ServiceKey(String),
    /// Everyone's.
    Everyone,
}

impl Target {
    fn parts(&self) -> (&'static str, String) {
        match self {
            Self::Person(id) => ("person", id.to_string()),
            Self::Session(id) => ("session", id.to_string()),
            Self::Service(id) => ("service", id.to_string()),
            Self::ServiceKey(hash) => ("service_key", hash.clone()),
            Self::Everyone => ("everyone", String::new()),
        }
    }
}

/// One revocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    /// Its number.
    pub seq: i64,
    /// From whom or what.
    pub target: Target,
    /// Credentials issued up to this moment no longer count.
    pub at: Timestamp,
}

impl Store {
    /// Takes away what the target holds and returns the revocation's number. A person's cutoff moves in the same transaction, so
    /// that it holds after a restart; sessions end with it.
    pub async fn revoke(
        &self,
        org: OrgId,
        target: &Target,
        at: Timestamp,
        why: &str,
    ) -> Result<i64> {
        let (kind, target_id) = target.parts();
        let mut tx = self.begin().await?;
        // The counter's row stays locked until the commit: numbers become visible in their order, none is skipped by a reader.
        let seq = Self::next(&mut tx, org, "revocations").await?;
        sqlx::query("INSERT INTO revocations (org, seq, target, target_id, at, why) VALUES ($1, $2, $3, $4, $5, $6)")
            .bind(org.to_string())
            .bind(seq)
            .bind(kind)
            .bind(&target_id)
            .bind(at.unix_ms())
            .bind(why)
            .execute(&mut *tx)
            .await?;
        let follow_up: &[&'static str] = match target {
            Target::Person(_) => &[
                "UPDATE people SET not_before = $2 WHERE id = $1 AND not_before < $2",
                "UPDATE sessions SET ended_at = $2, ended_why = 'revoked' WHERE person = $1 AND ended_at IS NULL",
            ],
            Target::Session(_) => &[
                "UPDATE sessions SET ended_at = $2, ended_why = 'revoked' WHERE id = $1 AND ended_at IS NULL",
            ],
            Target::Service(_) => &[
                "UPDATE service_keys SET revoked_at = $2 WHERE service = $1 AND revoked_at IS NULL",
            ],
            Target::ServiceKey(_) => &[
                "UPDATE service_keys SET revoked_at = $2 WHERE key_hash = $1 AND revoked_at IS NULL",
            ],
            Target::Everyone => &[
                "UPDATE people SET not_before = $2 WHERE $1 = '' AND not_before < $2",
                "UPDATE sessions SET ended_at = $2, ended_why = 'revoked' WHERE $1 = '' AND ended_at IS NULL",
            ],
        };
        for sql in follow_up {
            sqlx::query(*sql)
                .bind(&target_id)
                .bind(at.unix_ms())
                .execute(&mut *tx)
                .await?;
        }
        tx.commit().await?;
        Ok(seq)
    }

    /// The revocations after `seq`, oldest first, at most `limit`.
    pub async fn revocations_since(
        &self,
        org: OrgId,
        seq: i64,
        limit: u32,
    ) -> Result<Vec<Revocation>> {
        let rows = sqlx::query(
            "SELECT seq, target, target_id, at FROM revocations WHERE org = $1 AND seq > $2 ORDER BY seq LIMIT $3",
        )
        .bind(org.to_string())
        .bind(seq)
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|row| {
                let target = match row.try_get::<String, _>(1)?.as_str() {
                    "person" => Target::Person(id(row, 2, "revocations.target")?),
                    "session" => Target::Session(id(row, 2, "revocations.target")?),
                    "service" => Target::Service(id(row, 2, "revocations.target")?),
                    "service_key" => Target::ServiceKey(row.try_get(2)?),
                    "everyone" => Target::Everyone,
                    _ => return Err(StoreError::Damaged("revocations.target")),
                };
                Ok(Revocation {
                    seq: row.try_get(0)?,
                    target,
                    at: time(row, 3)?,
                })
            })
            .collect()
    }
}
