//! How many calls went to connectors, minute by minute, from the sums that shipping keeps. Sums alone; never the records themselves.

use std::collections::BTreeMap;

use domain::{OrgId, Timestamp, limits};
use sqlx::{Row as _, query};

use crate::connection::Tx;
use crate::{Result, Store, time, unsigned};

const MINUTE_MS: i64 = 60_000;
/// How long the sums are kept.
const KEPT_MS: i64 = 8 * 24 * 60 * MINUTE_MS;
/// Sums that are read at once: of several hundred people who do nothing else for a day.
const SUMS_MAX: i64 = 100_000;

/// A call that was let through to a connector, or an answer of it that held text shaped like an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectorUse {
    /// The organisation.
    pub org: OrgId,
    /// When.
    pub at: Timestamp,
    /// Where.
    pub connector: String,
    /// Whose.
    pub subject: String,
    /// Whether it is such an answer, and not the call.
    pub is_shaped: bool,
}

/// Somebody's answers of a connector that held text shaped like an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShapedOf {
    /// Of which connector.
    pub connector: String,
    /// Whose.
    pub subject: String,
    /// How many.
    pub answers: u64,
    /// The last minute in which one came.
    pub last: Timestamp,
}

/// Somebody's calls to a connector in one minute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectorMinute {
    /// Where.
    pub connector: String,
    /// Whose.
    pub subject: String,
    /// Its first moment.
    pub minute: Timestamp,
    /// How many.
    pub calls: u64,
}

impl Store {
    /// The calls since a moment of everybody who made at least `calls_min` to a connector since, by connector, caller and minute.
    pub async fn connector_minutes(
        &self,
        org: OrgId,
        since: Timestamp,
        calls_min: u32,
    ) -> Result<Vec<ConnectorMinute>> {
        let statement = query(
            "SELECT m.connector, m.subject, m.minute, m.calls FROM connector_minutes m JOIN \
             (SELECT connector, subject FROM connector_minutes WHERE org = $1 AND minute >= $2 \
              GROUP BY connector, subject HAVING SUM(calls) >= $3) many \
             ON many.connector = m.connector AND many.subject = m.subject \
             WHERE m.org = $1 AND m.minute >= $2 AND m.calls > 0 ORDER BY m.connector, m.subject, m.minute LIMIT $4",
        )
        .bind(org.to_string())
        .bind(minute_of(since))
        .bind(i64::from(calls_min))
        .bind(SUMS_MAX);
        let rows = self.pools.rows(statement).await?;
        let read = rows.iter().map(|row| {
            Ok(ConnectorMinute {
                connector: row.try_get(0)?,
                subject: row.try_get(1)?,
                minute: time(row, 2)?,
                calls: unsigned(row, 3, "connector_minutes.calls")?,
            })
        });
        read.collect()
    }

    /// Whose answers held text shaped like an order since a moment, by connector and caller, the newest first.
    pub async fn shaped_answers(&self, org: OrgId, since: Timestamp) -> Result<Vec<ShapedOf>> {
        let statement = query(
            "SELECT connector, subject, CAST(SUM(shaped) AS BIGINT), MAX(minute) FROM connector_minutes \
             WHERE org = $1 AND minute >= $2 AND shaped > 0 \
             GROUP BY connector, subject ORDER BY 4 DESC, connector, subject LIMIT $3",
        )
        .bind(org.to_string())
        .bind(minute_of(since))
        .bind(i64::from(limits::STORE_PAGE_MAX));
        let rows = self.pools.rows(statement).await?;
        let read = rows.iter().map(|row| {
            Ok(ShapedOf {
                connector: row.try_get(0)?,
                subject: row.try_get(1)?,
                answers: unsigned(row, 2, "connector_minutes.shaped")?,
                last: time(row, 3)?,
            })
        });
        read.collect()
    }
}

fn minute_of(at: Timestamp) -> i64 {
    at.unix_ms().div_euclid(MINUTE_MS).saturating_mul(MINUTE_MS)
}

/// Adds calls and such answers to their minutes, in the order of the key, and forgets those of long ago.
pub(crate) async fn add(tx: &mut Tx, uses: &[ConnectorUse]) -> Result<()> {
    let mut sums = BTreeMap::<_, (i64, i64)>::new();
    for one in uses {
        let key = (one.org, minute_of(one.at), &one.connector, &one.subject);
        let (calls, shaped) = sums.entry(key).or_default();
        *(if one.is_shaped { shaped } else { calls }) += 1;
    }
    for ((org, minute, connector, subject), (calls, shaped)) in &sums {
        let statement = query(
            "INSERT INTO connector_minutes (org, minute, connector, subject, calls, shaped) VALUES ($1, $2, $3, $4, $5, $6) \
             ON CONFLICT (org, minute, connector, subject) DO UPDATE SET calls = connector_minutes.calls + excluded.calls, \
             shaped = connector_minutes.shaped + excluded.shaped",
        );
        let statement = statement.bind(org.to_string()).bind(*minute);
        let statement = statement
            .bind(*connector)
            .bind(*subject)
            .bind(*calls)
            .bind(*shaped);
        tx.run(statement).await?;
    }
    if let Some(((org, minute, ..), _)) = sums.first_key_value() {
        let old = query("DELETE FROM connector_minutes WHERE org = $1 AND minute < $2");
        tx.run(old.bind(org.to_string()).bind(minute - KEPT_MS))
            .await?;
    }
    Ok(())
}
