//! Machine identities and their keys. A key is kept as its hash.

use std::collections::{BTreeMap, BTreeSet};

use domain::{OWN_ISSUER, OrgId, ServiceId, Timestamp, limits};
use sqlx::any::AnyRow;
use sqlx::{Row as _, query};

use crate::connection::Tx;
use crate::people::anywhere;
use crate::usage::hour_of;
use crate::{Result, Store, StoreError, id, maybe_time, time, unsigned};

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
    /// What its caller is a member of.
    pub groups: BTreeSet<String>,
    /// Who made it, for people to read.
    pub made_by: String,
    /// When it was made.
    pub created: Timestamp,
    /// Until when it is good.
    pub expires: Option<Timestamp>,
    /// Since when it is not.
    pub revoked_at: Option<Timestamp>,
    /// When it was last used, to [`limits::TOKEN_USE_NOTED_MS`]; none also for uses from before that was noted.
    pub used_at: Option<Timestamp>,
}

/// The keys of a service that open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OpenKeys {
    /// How many.
    pub count: u64,
    /// When the first of them ends, if any does.
    pub first_end: Option<Timestamp>,
}

/// A machine or CI identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Its id.
    pub id: ServiceId,
    /// Who vouches for it; `doorward` for those with keys of ours.
    pub issuer: String,
    /// What policy selects it by.
    pub name: String,
    /// When it was first seen.
    pub created: Timestamp,
}

impl Store {
    /// The service that an issuer, by its configured name, vouches for under this name; made with `new` as id when there is none.
    pub async fn ensure_service(
        &self,
        org: OrgId,
        issuer: &str,
        name: &str,
        new: ServiceId,
        at: Timestamp,
    ) -> Result<ServiceId> {
        let mut tx = self.pools.begin().await?;
        let service = ensure(&mut tx, org, (issuer, name), new, at).await?;
        tx.commit().await?;
        Ok(service)
    }

    /// Keeps a new key, and its service when there is none of that name: then with the id that `new` says. Returns the key as it
    /// stands. A service never has more than [`limits::SERVICE_KEYS_MAX`] that were not revoked.
    pub async fn add_service_key(&self, org: OrgId, new: &ServiceKey) -> Result<ServiceKey> {
        let groups = serde_json::to_string(&new.groups)
            .map_err(|_| StoreError::Damaged("service_keys.groups"))?;
        let mut tx = self.pools.begin().await?;
        let service = ensure(
            &mut tx,
            org,
            (OWN_ISSUER, &new.service_name),
            new.service,
            new.created,
        )
        .await?;
        if unrevoked(&mut tx, org, service).await? >= limits::SERVICE_KEYS_MAX {
            return Err(StoreError::Full("keys of this service"));
        }
        let kept = ServiceKey {
            service,
            revoked_at: None,
            used_at: None,
            ..new.clone()
        };
        tx.run(
            query(
                "INSERT INTO service_keys (key_hash, org, service, prefix, created, expires, groups_json, made_by) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            )
            .bind(&kept.key_hash)
            .bind(org.to_string())
            .bind(service.to_string())
            .bind(&kept.prefix)
            .bind(kept.created.unix_ms())
            .bind(kept.expires.map(Timestamp::unix_ms))
            .bind(groups)
            .bind(&kept.made_by),
        )
        .await?;
        tx.commit().await?;
        Ok(kept)
    }

    /// The key of a hash.
    pub async fn service_key(&self, org: OrgId, key_hash: &str) -> Result<Option<ServiceKey>> {
        let row = self.pools.row(query(
            "SELECT k.key_hash, k.service, s.name, k.prefix, k.created, k.expires, k.revoked_at, k.groups_json, k.made_by, k.used_at \
             FROM service_keys k JOIN services s ON s.id = k.service WHERE k.org = $1 AND k.key_hash = $2",
        )
        .bind(org.to_string())
        .bind(key_hash))
        .await?;
        row.as_ref().map(read).transpose()
    }

    /// Forgets keys that have opened nothing since this moment; their services stay. The ledger keeps who made and took them away.
    pub async fn purge_service_keys(&self, org: OrgId, before: Timestamp) -> Result<u64> {
        let statement =
            query("DELETE FROM service_keys WHERE org = $1 AND (revoked_at < $2 OR expires < $2)");
        let statement = statement.bind(org.to_string()).bind(before.unix_ms());
        self.pools.write(statement).await
    }

    /// At most `limit` keys after one of them, ordered by hash, and whether there are more.
    pub async fn service_keys_page(
        &self,
        org: OrgId,
        after: &str,
        limit: u32,
    ) -> Result<(Vec<ServiceKey>, bool)> {
        let limit = limit.min(limits::STORE_PAGE_MAX);
        let statement = query(
            "SELECT k.key_hash, k.service, s.name, k.prefix, k.created, k.expires, k.revoked_at, k.groups_json, k.made_by, k.used_at \
             FROM service_keys k JOIN services s ON s.id = k.service \
             WHERE k.org = $1 AND k.key_hash > $2 ORDER BY k.key_hash LIMIT $3",
        )
        .bind(org.to_string())
        .bind(after)
        .bind(i64::from(limit) + 1);
        let rows = self.pools.rows(statement).await?;
        let wanted = rows.iter().take(limit as usize);
        let found = wanted.map(read).collect::<Result<Vec<_>>>()?;
        let more = rows.len() > found.len();
        Ok((found, more))
    }

    /// Notes that a key was used.
    pub async fn note_service_key_use(
        &self,
        org: OrgId,
        key_hash: &str,
        at: Timestamp,
    ) -> Result<()> {
        let statement = query(
            "UPDATE service_keys SET used_at = $3 WHERE org = $1 AND key_hash = $2 AND (used_at IS NULL OR used_at < $3)",
        );
        let statement = statement.bind(org.to_string()).bind(key_hash);
        self.pools.write(statement.bind(at.unix_ms())).await?;
        Ok(())
    }

    /// At most `limit` services after one of them, ordered by id, and whether there are more. With a text only those in whose name it
    /// stands; letters of ASCII in any case.
    pub async fn services_page(
        &self,
        org: OrgId,
        text: &str,
        after: Option<ServiceId>,
        limit: u32,
    ) -> Result<(Vec<Service>, bool)> {
        let limit = limit.min(limits::STORE_PAGE_MAX);
        let statement = query(
            "SELECT id, issuer, name, created FROM services WHERE org = $1 AND id > $2 \
             AND ($3 = '' OR LOWER(name) LIKE $4 ESCAPE '!') ORDER BY id LIMIT $5",
        )
        .bind(org.to_string())
        .bind(after.map_or_else(String::new, |after| after.to_string()))
        .bind(text)
        .bind(anywhere(&text.to_ascii_lowercase()))
        .bind(i64::from(limit) + 1);
        let rows = self.pools.rows(statement).await?;
        let wanted = rows.iter().take(limit as usize);
        let found = wanted.map(read_service).collect::<Result<Vec<_>>>()?;
        let more = rows.len() > found.len();
        Ok((found, more))
    }

    /// The service of this id.
    pub async fn service(&self, org: OrgId, service: ServiceId) -> Result<Option<Service>> {
        let statement =
            query("SELECT id, issuer, name, created FROM services WHERE org = $1 AND id = $2");
        let statement = statement.bind(org.to_string()).bind(service.to_string());
        let row = self.pools.row(statement).await?;
        row.as_ref().map(read_service).transpose()
    }

    /// The keys of a service, newest first: every one that was not revoked, and of the others as many as a page holds.
    pub async fn keys_of_service(&self, org: OrgId, service: ServiceId) -> Result<Vec<ServiceKey>> {
        let rows = self.pools.rows(query(
            "SELECT k.key_hash, k.service, s.name, k.prefix, k.created, k.expires, k.revoked_at, k.groups_json, k.made_by, k.used_at \
             FROM service_keys k JOIN services s ON s.id = k.service WHERE k.org = $1 AND k.service = $2 \
             ORDER BY CASE WHEN k.revoked_at IS NULL THEN 0 ELSE 1 END, k.created DESC, k.key_hash LIMIT $3",
        )
        .bind(org.to_string())
        .bind(service.to_string())
        .bind(i64::from(limits::STORE_PAGE_MAX)))
        .await?;
        rows.iter().map(read).collect()
    }

    /// The keys that open at this moment, of each service from one id to another; services without one are left out.
    pub async fn open_service_keys(
        &self,
        org: OrgId,
        (first, last): (ServiceId, ServiceId),
        now: Timestamp,
    ) -> Result<BTreeMap<ServiceId, OpenKeys>> {
        let rows = self
            .pools
            .rows(
                query(
                    "SELECT service, COUNT(*), MIN(expires) FROM service_keys \
                     WHERE org = $1 AND service >= $2 AND service <= $3 AND revoked_at IS NULL \
                       AND (expires IS NULL OR expires > $4) GROUP BY service",
                )
                .bind(org.to_string())
                .bind(first.to_string())
                .bind(last.to_string())
                .bind(now.unix_ms()),
            )
            .await?;
        let read = |row: &AnyRow| {
            let keys = OpenKeys {
                count: unsigned(row, 1, "service_keys.count")?,
                first_end: maybe_time(row, 2)?,
            };
            Ok((id(row, 0, "service_keys.service")?, keys))
        };
        rows.iter().map(read).collect()
    }

    /// The latest hour since a moment in which each service from one id to another made a call; the others are left out.
    pub async fn last_hours_of_services(
        &self,
        org: OrgId,
        (first, last): (ServiceId, ServiceId),
        from: Timestamp,
    ) -> Result<BTreeMap<ServiceId, Timestamp>> {
        let rows = self
            .pools
            .rows(
                query(
                    "SELECT subject, MAX(hour) FROM usage_hours \
                     WHERE org = $1 AND hour >= $2 AND subject >= $3 AND subject <= $4 GROUP BY subject",
                )
                .bind(org.to_string())
                .bind(hour_of(from))
                .bind(first.to_string())
                .bind(last.to_string()),
            )
            .await?;
        let read = |row: &AnyRow| Ok((id(row, 0, "usage_hours.subject")?, time(row, 1)?));
        rows.iter().map(read).collect()
    }

    /// The keys whose first characters, whose hash or whose service's name this is, and that were not revoked. A name may have as
    /// many as [`limits::SERVICE_KEYS_MAX`]; all of them are returned.
    pub async fn find_service_keys(&self, org: OrgId, text: &str) -> Result<Vec<ServiceKey>> {
        let rows = self.pools.rows(query(
            "SELECT k.key_hash, k.service, s.name, k.prefix, k.created, k.expires, k.revoked_at, k.groups_json, k.made_by, k.used_at \
             FROM service_keys k JOIN services s ON s.id = k.service \
             WHERE k.org = $1 AND k.revoked_at IS NULL AND (k.prefix = $2 OR k.key_hash = $2 OR s.name = $2) \
             ORDER BY k.created DESC, k.key_hash",
        )
        .bind(org.to_string())
        .bind(text))
        .await?;
        rows.iter().map(read).collect()
    }
}

async fn ensure(
    tx: &mut Tx,
    org: OrgId,
    (issuer, name): (&str, &str),
    new: ServiceId,
    at: Timestamp,
) -> Result<ServiceId> {
    if let Some(known) = of_name(tx, org, issuer, name).await? {
        return Ok(known);
    }
    // One from before services were kept by issuer; of two issuers that name it, one gets it.
    let taken_over = query(
        "UPDATE services SET issuer = $2 WHERE org = $1 AND issuer = '' AND name = $3 \
         AND NOT EXISTS (SELECT 1 FROM services o WHERE o.org = $1 AND o.issuer = $2 AND o.name = $3)",
    );
    tx.run(taken_over.bind(org.to_string()).bind(issuer).bind(name))
        .await?;
    tx.run(
        query(
            "INSERT INTO services (id, org, issuer, name, created) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (org, issuer, name) DO NOTHING",
        )
        .bind(new.to_string())
        .bind(org.to_string())
        .bind(issuer)
        .bind(name)
        .bind(at.unix_ms()),
    )
    .await?;
    of_name(tx, org, issuer, name)
        .await?
        .ok_or(StoreError::Damaged("services.id"))
}

async fn of_name(tx: &mut Tx, org: OrgId, issuer: &str, name: &str) -> Result<Option<ServiceId>> {
    let statement = query("SELECT id FROM services WHERE org = $1 AND issuer = $2 AND name = $3");
    let row = tx
        .row(statement.bind(org.to_string()).bind(issuer).bind(name))
        .await?;
    row.map(|row| id(&row, 0, "services.id")).transpose()
}

/// How many keys of a service were not revoked. Keeps others from adding to them until the transaction ends: SQLite by its only
/// write lock, PostgreSQL by the service's row.
async fn unrevoked(tx: &mut Tx, org: OrgId, service: ServiceId) -> Result<i64> {
    tx.run(
        query("UPDATE services SET name = name WHERE org = $1 AND id = $2")
            .bind(org.to_string())
            .bind(service.to_string()),
    )
    .await?;
    let row = tx
        .row(
            query(
                "SELECT COUNT(*) FROM service_keys WHERE org = $1 AND service = $2 AND revoked_at IS NULL",
            )
            .bind(org.to_string())
            .bind(service.to_string()),
        )
        .await?
        .ok_or(StoreError::Damaged("service_keys.count"))?;
    Ok(row.try_get(0)?)
}

fn read_service(row: &AnyRow) -> Result<Service> {
    Ok(Service {
        id: id(row, 0, "services.id")?,
        issuer: row.try_get(1)?,
        name: row.try_get(2)?,
        created: time(row, 3)?,
    })
}

fn read(row: &AnyRow) -> Result<ServiceKey> {
    let groups: String = row.try_get(7)?;
    Ok(ServiceKey {
        key_hash: row.try_get(0)?,
        service: id(row, 1, "service_keys.service")?,
        service_name: row.try_get(2)?,
        prefix: row.try_get(3)?,
        groups: serde_json::from_str(&groups)
            .map_err(|_| StoreError::Damaged("service_keys.groups"))?,
        made_by: row.try_get(8)?,
        created: time(row, 4)?,
        expires: maybe_time(row, 5)?,
        revoked_at: maybe_time(row, 6)?,
        used_at: maybe_time(row, 9)?,
    })
}
