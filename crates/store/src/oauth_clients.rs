//! Programs that registered themselves (RFC 7591). Anybody may, so there is a limit, and those that nobody was ever let in through make
//! room for new ones; one that is used is never pushed out.

use domain::{OrgId, Timestamp, limits};
use sqlx::{Row as _, query};

use crate::{Result, Store, StoreError, maybe_time, time};

/// A program that registered itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OauthClient {
    /// Its id.
    pub client_id: String,
    /// What it calls itself.
    pub name: String,
    /// Where codes may be sent.
    pub redirect_uris: Vec<String>,
    /// When it registered.
    pub created: Timestamp,
    /// When somebody was last let in through it.
    pub used_at: Option<Timestamp>,
}

impl Store {
    /// Keeps a new program. Where there are as many as there may be, the oldest of those that nobody was let in through leaves; when all
    /// are used it is [`StoreError::Full`].
    pub async fn insert_oauth_client(&self, org: OrgId, client: &OauthClient) -> Result<()> {
        let uris = serde_json::to_string(&client.redirect_uris)
            .map_err(|_| StoreError::Damaged("oauth_clients.redirect_uris"))?;
        let mut tx = self.pools.begin().await?;
        let crowded = query(
            "DELETE FROM oauth_clients WHERE client_id IN \
               (SELECT client_id FROM oauth_clients WHERE org = $1 AND used_at IS NULL \
                  AND (SELECT COUNT(*) FROM oauth_clients WHERE org = $1) >= $2 ORDER BY created LIMIT 1)",
        );
        tx.run(
            crowded
                .bind(org.to_string())
                .bind(limits::OAUTH_CLIENTS_MAX),
        )
        .await?;
        let statement = query(
            "INSERT INTO oauth_clients (client_id, org, name, redirect_uris, created) \
             SELECT $1, $2, $3, $4, $5 WHERE (SELECT COUNT(*) FROM oauth_clients WHERE org = $2) < $6",
        )
        .bind(&client.client_id)
        .bind(org.to_string())
        .bind(&client.name)
        .bind(uris)
        .bind(client.created.unix_ms())
        .bind(limits::OAUTH_CLIENTS_MAX);
        if tx.run(statement).await? == 0 {
            return Err(StoreError::Full("programs that registered themselves"));
        }
        tx.commit().await
    }

    /// A program by its id.
    pub async fn oauth_client(&self, org: OrgId, client_id: &str) -> Result<Option<OauthClient>> {
        let statement = query(
            "SELECT client_id, name, redirect_uris, created, used_at FROM oauth_clients WHERE org = $1 AND client_id = $2",
        );
        let statement = statement.bind(org.to_string()).bind(client_id);
        let Some(row) = self.pools.row(statement).await? else {
            return Ok(None);
        };
        let uris: &str = row.try_get(2)?;
        Ok(Some(OauthClient {
            client_id: row.try_get(0)?,
            name: row.try_get(1)?,
            redirect_uris: serde_json::from_str(uris)
                .map_err(|_| StoreError::Damaged("oauth_clients.redirect_uris"))?,
            created: time(&row, 3)?,
            used_at: maybe_time(&row, 4)?,
        }))
    }

    /// Somebody was let in through it, or goes on with it.
    pub async fn note_oauth_client_use(
        &self,
        org: OrgId,
        client_id: &str,
        at: Timestamp,
    ) -> Result<()> {
        let statement = query(
            "UPDATE oauth_clients SET used_at = $3 WHERE org = $1 AND client_id = $2 \
             AND (used_at IS NULL OR used_at < $3)",
        );
        let statement = statement.bind(org.to_string()).bind(client_id);
        self.pools.write(statement.bind(at.unix_ms())).await?;
        Ok(())
    }

    /// Forgets programs that nobody was let in through since they registered before `unused`, or that were last used before `used`.
    pub async fn purge_oauth_clients(
        &self,
        org: OrgId,
        (unused, used): (Timestamp, Timestamp),
    ) -> Result<u64> {
        let statement = query(
            "DELETE FROM oauth_clients WHERE org = $1 \
             AND ((used_at IS NULL AND created < $2) OR used_at < $3)",
        );
        let statement = statement.bind(org.to_string()).bind(unused.unix_ms());
        self.pools.write(statement.bind(used.unix_ms())).await
    }
}
