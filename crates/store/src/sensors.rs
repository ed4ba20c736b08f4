//! When sensors last told something, those alone of which nothing else in the store says it. One row each, written at most once a minute;
//! an older word never replaces a newer one. Written by the doors, read by `control::sensors`.

use std::collections::BTreeMap;

use domain::{OrgId, Timestamp};
use sqlx::{Row as _, query};

use crate::{Result, Store, time};

/// What clients report about themselves.
pub const TELEMETRY: &str = "telemetry";

impl Store {
    /// Notes that a sensor told something.
    pub async fn note_sensor(&self, org: OrgId, sensor: &str, at: Timestamp) -> Result<()> {
        let statement = query(
            "INSERT INTO sensor_words (org, sensor, at) VALUES ($1, $2, $3) \
             ON CONFLICT (org, sensor) DO UPDATE SET at = excluded.at WHERE sensor_words.at < excluded.at",
        );
        let statement = statement.bind(org.to_string()).bind(sensor);
        self.pools.write(statement.bind(at.unix_ms())).await?;
        Ok(())
    }

    /// When each sensor last told something.
    pub async fn sensor_words(&self, org: OrgId) -> Result<BTreeMap<String, Timestamp>> {
        let statement = query("SELECT sensor, at FROM sensor_words WHERE org = $1 LIMIT 100");
        let rows = self.pools.rows(statement.bind(org.to_string())).await?;
        rows.iter()
            .map(|row| Ok((row.try_get(0)?, time(row, 1)?)))
            .collect()
    }
}
