//! What has been taken away, in the order it was: replicas read on from the last number they know.

use domain::{OrgId, PersonId, ServiceId, SessionId, Timestamp, limits};
use sqlx::{Row as _, query};

use crate::connection::Tx;
use crate::people::hold_person;
use crate::{REVOCATIONS, Result, Store, StoreError, id, maybe_time, next, time};

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
    /// that it holds after a restart; sessions, personal tokens and keys end with it. `Everyone` is every person of the organisation.
    pub async fn revoke(
        &self,
        org: OrgId,
        target: &Target,
        at: Timestamp,
        why: &str,
    ) -> Result<i64> {
        let mut tx = self.pools.begin().await?;
        let seq = revoke_in(&mut tx, org, target, at, why).await?;
        tx.commit().await?;
        Ok(seq)
    }

    /// As [`Store::revoke`], for several targets: all of them or none.
    pub async fn revoke_all(
        &self,
        org: OrgId,
        targets: &[Target],
        at: Timestamp,
        why: &str,
    ) -> Result<()> {
        let mut tx = self.pools.begin().await?;
        for target in targets {
            revoke_in(&mut tx, org, target, at, why).await?;
        }
        tx.commit().await
    }

    /// Forgets the revocations of people and sessions before this moment: a person's cutoff and a session's end stand in their
    /// own rows. Those of services, keys and everyone stay, because they may concern tokens of others that live long.
    pub async fn purge_revocations(&self, org: OrgId, before: Timestamp) -> Result<u64> {
        let statement = query(
            "DELETE FROM revocations WHERE org = $1 AND at < $2 AND target IN ('person', 'session')",
        );
        self.pools
            .write(statement.bind(org.to_string()).bind(before.unix_ms()))
            .await
    }

    /// The revocations after `seq`, oldest first, at most `limit`.
    pub async fn revocations_since(
        &self,
        org: OrgId,
        seq: i64,
        limit: u32,
    ) -> Result<Vec<Revocation>> {
        let rows = self.pools.rows(query(
            "SELECT seq, target, target_id, at FROM revocations WHERE org = $1 AND seq > $2 ORDER BY seq LIMIT $3",
        )
        .bind(org.to_string())
        .bind(seq)
        .bind(i64::from(limit.min(limits::STORE_PAGE_MAX))))
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

/// Takes the counter of revocations without counting: until the transaction ends nobody is revoked or shut out. Before any other row.
pub(crate) async fn hold_revocations(tx: &mut Tx, org: OrgId) -> Result<()> {
    tx.run(
        query(
            "INSERT INTO counters (org, name, value) VALUES ($1, $2, 0) \
             ON CONFLICT (org, name) DO UPDATE SET value = counters.value",
        )
        .bind(org.to_string())
        .bind(REVOCATIONS),
    )
    .await?;
    Ok(())
}

/// The part of a transaction that revokes. It takes the counter before any other row, and its row stays locked until the commit:
/// numbers become visible in their order, and no reader skips one.
pub(crate) async fn revoke_in(
    tx: &mut Tx,
    org: OrgId,
    target: &Target,
    at: Timestamp,
    why: &str,
) -> Result<i64> {
    let seq = next(tx, org, REVOCATIONS).await?;
    let (kind, target_id) = target.parts();
    let at = past_every_session(tx, org, target, at).await?;
    tx.run(
        query(
            "INSERT INTO revocations (org, seq, target, target_id, at, why) VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(org.to_string())
        .bind(seq)
        .bind(kind)
        .bind(&target_id)
        .bind(at.unix_ms())
        .bind(why),
    )
    .await?;
    for sql in consequences(target) {
        let statement = query(*sql).bind(org.to_string()).bind(at.unix_ms());
        tx.run(match target {
            Target::Everyone => statement,
            _ => statement.bind(&target_id),
        })
        .await?;
    }
    Ok(seq)
}

/// The moment, or that of the latest open session it ends: one that began by a faster clock would seem to have come after.
async fn past_every_session(
    tx: &mut Tx,
    org: OrgId,
    target: &Target,
    at: Timestamp,
) -> Result<Timestamp> {
    let latest = match target {
        Target::Person(person) => {
            // Held before the look, so that no session of theirs begins in between.
            hold_person(tx, org, *person).await?;
            query("SELECT MAX(created) FROM sessions WHERE org = $1 AND person = $2 AND ended_at IS NULL")
                .bind(org.to_string())
                .bind(person.to_string())
        }
        Target::Session(session) => {
            query("SELECT MAX(created) FROM sessions WHERE org = $1 AND id = $2")
                .bind(org.to_string())
                .bind(session.to_string())
        }
        Target::Everyone => {
            query("SELECT MAX(created) FROM sessions WHERE org = $1 AND ended_at IS NULL")
                .bind(org.to_string())
        }
        Target::Service(_) | Target::ServiceKey(_) => return Ok(at),
    };
    let row = tx.row(latest).await?;
    let latest = row.map(|row| maybe_time(&row, 0)).transpose()?.flatten();
    Ok(latest.map_or(at, |latest| latest.max(at)))
}

/// What else changes, with `$1` the organisation, `$2` the moment and `$3` the target's id.
const fn consequences(target: &Target) -> &'static [&'static str] {
    match target {
        Target::Person(_) => &[
            "UPDATE people SET not_before = $2 WHERE org = $1 AND id = $3 AND not_before < $2",
            "UPDATE sessions SET ended_at = $2, ended_why = 'revoked' \
             WHERE org = $1 AND person = $3 AND ended_at IS NULL",
            "UPDATE personal_tokens SET revoked_at = $2 WHERE org = $1 AND person = $3 AND revoked_at IS NULL",
        ],
        Target::Session(_) => &["UPDATE sessions SET ended_at = $2, ended_why = 'revoked' \
             WHERE org = $1 AND id = $3 AND ended_at IS NULL"],
        Target::Service(_) => &[
            "UPDATE service_keys SET revoked_at = $2 WHERE org = $1 AND service = $3 AND revoked_at IS NULL",
        ],
        Target::ServiceKey(_) => &[
            "UPDATE service_keys SET revoked_at = $2 WHERE org = $1 AND key_hash = $3 AND revoked_at IS NULL",
        ],
        Target::Everyone => &[
            "UPDATE people SET not_before = $2 WHERE org = $1 AND not_before < $2",
            "UPDATE sessions SET ended_at = $2, ended_why = 'revoked' \
             WHERE org = $1 AND ended_at IS NULL",
            "UPDATE personal_tokens SET revoked_at = $2 WHERE org = $1 AND revoked_at IS NULL",
        ],
    }
}
