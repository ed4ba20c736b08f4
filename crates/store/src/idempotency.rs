//! What was answered to a request that named a key of its own (`Idempotency-Key`), so that a repeat does nothing a second time.
//! It must never hold a secret; whoever keeps an answer here has taken those out.

use domain::{OrgId, Timestamp, limits};
use sqlx::{Row as _, query};

use crate::{Result, Store, StoreError};

/// Whose key, for what, and what the request was.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Who acts: an id.
    pub actor: &'a str,
    /// The method and path.
    pub operation: &'a str,
    /// The key the caller chose.
    pub key: &'a str,
    /// SHA-256 of the request's body, in hexadecimal.
    pub request_hash: &'a str,
}

/// What is known of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known {
    /// Nothing; it is now taken by this request.
    New,
    /// It was used for another request.
    Another,
    /// The request was begun and its outcome is not known.
    Unsettled,
    /// It was answered so.
    Answered {
        /// The status.
        status: u16,
        /// The body.
        answer: String,
    },
}

impl Store {
    /// Takes a key, unless it is taken. Keys from before `forget` are forgotten first.
    pub async fn begin_idempotent(
        &self,
        org: OrgId,
        asked: Asked<'_>,
        at: Timestamp,
        forget: Timestamp,
    ) -> Result<Known> {
        let mut tx = self.pools.begin().await?;
        let old = query("DELETE FROM idempotency_keys WHERE org = $1 AND created < $2");
        tx.run(old.bind(org.to_string()).bind(forget.unix_ms()))
            .await?;
        let count = query("SELECT COUNT(*) FROM idempotency_keys WHERE org = $1 AND actor = $2");
        let held: i64 = tx
            .row(count.bind(org.to_string()).bind(asked.actor))
            .await?
            .ok_or(StoreError::Damaged("idempotency_keys"))?
            .try_get(0)?;
        let taken = tx
            .run(
                query(
                    "INSERT INTO idempotency_keys (org, actor, operation, idempotency_key, request_hash, created) \
                     VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
                )
                .bind(org.to_string())
                .bind(asked.actor)
                .bind(asked.operation)
                .bind(asked.key)
                .bind(asked.request_hash)
                .bind(at.unix_ms()),
            )
            .await?;
        if taken == 1 {
            if held >= limits::IDEMPOTENCY_KEYS_MAX {
                return Err(StoreError::Full("idempotency keys of this caller"));
            }
            tx.commit().await?;
            return Ok(Known::New);
        }
        let row = tx
            .row(
                query(
                    "SELECT request_hash, status, answer FROM idempotency_keys \
                     WHERE org = $1 AND actor = $2 AND operation = $3 AND idempotency_key = $4",
                )
                .bind(org.to_string())
                .bind(asked.actor)
                .bind(asked.operation)
                .bind(asked.key),
            )
            .await?
            .ok_or(StoreError::Damaged("idempotency_keys"))?;
        tx.commit().await?;
        if row.try_get::<&str, _>(0)? != asked.request_hash {
            return Ok(Known::Another);
        }
        let status: Option<i64> = row.try_get(1)?;
        Ok(match status {
            None => Known::Unsettled,
            Some(status) => Known::Answered {
                status: u16::try_from(status)
                    .map_err(|_| StoreError::Damaged("idempotency_keys.status"))?,
                answer: row.try_get(2)?,
            },
        })
    }

    /// Keeps what was answered.
    pub async fn settle_idempotent(
        &self,
        org: OrgId,
        asked: Asked<'_>,
        status: u16,
        answer: &str,
    ) -> Result<()> {
        let statement = query(
            "UPDATE idempotency_keys SET status = $5, answer = $6 \
             WHERE org = $1 AND actor = $2 AND operation = $3 AND idempotency_key = $4",
        )
        .bind(org.to_string())
        .bind(asked.actor)
        .bind(asked.operation)
        .bind(asked.key)
        .bind(i64::from(status))
        .bind(answer);
        self.pools.write(statement).await?;
        Ok(())
    }

    /// Lets a key go: nothing was done, and the same request may be sent again.
    pub async fn release_idempotent(&self, org: OrgId, asked: Asked<'_>) -> Result<()> {
        let statement = query(
            "DELETE FROM idempotency_keys \
             WHERE org = $1 AND actor = $2 AND operation = $3 AND idempotency_key = $4",
        )
        .bind(org.to_string())
        .bind(asked.actor)
        .bind(asked.operation)
        .bind(asked.key);
        self.pools.write(statement).await?;
        Ok(())
    }
}
