//! What a browser must bring back from the identity provider, kept until it does. Taken once, and only in time. Whoever opens the
//! sign-in page makes one without having proved anything, so there is a limit.

use domain::{OrgId, Timestamp, limits};
use sqlx::{Row as _, query};

use crate::{Result, Store, StoreError};

impl Store {
    /// Keeps a login state, which lives at most [`limits::DEVICE_CODE_MS`]; [`StoreError::Full`] when too many are under way. Clears
    /// away those that are too old.
    pub async fn insert_login_state(
        &self,
        org: OrgId,
        hash: &str,
        body: &str,
        expires: Timestamp,
    ) -> Result<()> {
        let mut tx = self.pools.begin().await?;
        // Now, or a moment before it when this state lives shorter than it may.
        let now = expires.plus_ms(-limits::DEVICE_CODE_MS);
        tx.run(query("DELETE FROM login_states WHERE expires <= $1").bind(now.unix_ms()))
            .await?;
        let kept = tx
            .run(
                query(
                    "INSERT INTO login_states (state_hash, org, body, expires) \
                     SELECT $1, $2, $3, $4 WHERE (SELECT COUNT(*) FROM login_states WHERE org = $2) < $5",
                )
                .bind(hash)
                .bind(org.to_string())
                .bind(body)
                .bind(expires.unix_ms())
                .bind(limits::LOGIN_STATES_MAX),
            )
            .await?;
        if kept == 0 {
            return Err(StoreError::Full("sign-ins under way"));
        }
        tx.commit().await
    }

    /// Takes it back: once, and only in time.
    pub async fn take_login_state(
        &self,
        org: OrgId,
        hash: &str,
        at: Timestamp,
    ) -> Result<Option<String>> {
        let row = self
            .pools
            .write_row(
                query(
                    "DELETE FROM login_states WHERE org = $1 AND state_hash = $2 \
                     RETURNING body, expires",
                )
                .bind(org.to_string())
                .bind(hash),
            )
            .await?;
        let Some(row) = row else { return Ok(None) };
        let in_time = row.try_get::<i64, _>(1)? > at.unix_ms();
        Ok(in_time.then(|| row.try_get(0)).transpose()?)
    }
}
