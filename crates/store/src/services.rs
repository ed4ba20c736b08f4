//! Machine identities and their keys. A key is kept as its hash.

use domain::{OrgId, ServiceId, Timestamp};
use sqlx::any::AnyRow;
use sqlx::{Row as _, query};

use crate::{Result, Store, StoreError, id, maybe_time, time};

/// A service key, without the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceKey {
    /// Hash of the key.
    pub key_hash: String,
    /// Whose.
    pub service: ServiceId,
    /// The service's name.
    pub service_name: String,
    /// The key's first characters, to recognise it by.
    pub prefix: String,
    /// When it was made.
    pub created: Timestamp,
    /// Until when it is good.
    pub expires: Option<Timestamp>,
    /// Since when it is not.
    pub revoked_at: Option<Timestamp>,
}

impl Store {
    /// The service of this name, made with `new` as id when there is none.
    pub async fn ensure_service(
        &self,
        org: OrgId,
        name: &str,
        new: ServiceId,
        at: Timestamp,
    ) -> Result<ServiceId> {
        let mut tx = self.pools.begin().await?;
        tx.run(
            query(
                "INSERT INTO services (id, org, name, created) VALUES ($1, $2, $3, $4) \
                 ON CONFLICT (org, name) DO NOTHING",
            )
            .bind(new.to_string())
            .bind(org.to_string())
            .bind(name)
            .bind(at.unix_ms()),
        )
        .await?;
        let row = tx
            .row(
                query("SELECT id FROM services WHERE org = $1 AND name = $2")
                    .bind(org.to_string())
                    .bind(name),
            )
            .await?
            .ok_or(StoreError::Damaged("services.id"))?;
        tx.commit().await?;
        id(&row, 0, "services.id")
    }

    /// Keeps a new key.
    pub async fn insert_service_key(&self, org: OrgId, key: &ServiceKey) -> Result<()> {
        self.pools.write(query(
            "INSERT INTO service_keys (key_hash, org, service, prefix, created, expires) VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(&key.key_hash)
        .bind(org.to_string())
        .bind(key.service.to_string())
        .bind(&key.prefix)
        .bind(key.created.unix_ms())
        .bind(key.expires.map(Timestamp::unix_ms)))
        .await?;
        Ok(())
    }

    /// The key of a hash.
    pub async fn service_key(&self, org: OrgId, key_hash: &str) -> Result<Option<ServiceKey>> {
        let row = self.pools.row(query(
            "SELECT k.key_hash, k.service, s.name, k.prefix, k.created, k.expires, k.revoked_at \
             FROM service_keys k JOIN services s ON s.id = k.service WHERE k.org = $1 AND k.key_hash = $2",
        )
        .bind(org.to_string())
        .bind(key_hash))
        .await?;
        row.as_ref().map(read).transpose()
    }

    /// Every key, newest first, at most a thousand.
    pub async fn service_keys(&self, org: OrgId) -> Result<Vec<ServiceKey>> {
        let rows = self.pools.rows(query(
            "SELECT k.key_hash, k.service, s.name, k.prefix, k.created, k.expires, k.revoked_at \
             FROM service_keys k JOIN services s ON s.id = k.service WHERE k.org = $1 ORDER BY k.created DESC, k.key_hash LIMIT 1000",
        )
        .bind(org.to_string()))
        .await?;
        rows.iter().map(read).collect()
    }
}

fn read(row: &AnyRow) -> Result<ServiceKey> {
    Ok(ServiceKey {
        key_hash: row.try_get(0)?,
        service: id(row, 1, "service_keys.service")?,
        service_name: row.try_get(2)?,
        prefix: row.try_get(3)?,
        created: time(row, 4)?,
        expires: maybe_time(row, 5)?,
        revoked_at: maybe_time(row, 6)?,
    })
}
