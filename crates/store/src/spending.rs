//! What purses have spent in the windows of their periods, from the sums that shipping keeps. A purse is a caller's own, a shared budget's
//! or the organisation's; each replica's chain adds to its own row of it. Reads only.

use domain::window::Period;
use domain::{OrgId, Timestamp, Usd, limits};
use sqlx::{Row as _, query};

use crate::{Result, Store};

/// What one purse has spent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spent {
    /// The purse's key.
    pub purse: String,
    /// By the chain that asks.
    pub here: Usd,
    /// By all others.
    pub elsewhere: Usd,
}

impl Store {
    /// What every purse has spent in the window of a period around `at`: as this chain has told, and as all others have.
    pub async fn spent(
        &self,
        org: OrgId,
        chain: &str,
        period: Period,
        at: Timestamp,
    ) -> Result<Vec<Spent>> {
        let statement = query(
            "SELECT purse, CAST(SUM(CASE WHEN chain = $4 THEN spent_nanos ELSE 0 END) AS BIGINT), \
               CAST(SUM(spent_nanos) AS BIGINT) \
             FROM spending WHERE org = $1 AND period = $2 AND window_start = $3 GROUP BY purse",
        )
        .bind(org.to_string())
        .bind(period.as_str())
        .bind(period.window(at).0.unix_ms())
        .bind(chain);
        let rows = self.pools.rows(statement).await?;
        rows.iter()
            .map(|row| {
                let (here, all): (i64, i64) = (row.try_get(1)?, row.try_get(2)?);
                Ok(Spent {
                    purse: row.try_get(0)?,
                    here: Usd::from_nanos(here),
                    elsewhere: Usd::from_nanos(all.saturating_sub(here)),
                })
            })
            .collect()
    }

    /// What all other chains than this one have spent of one purse in the window of a period around `at`.
    pub async fn spent_elsewhere(
        &self,
        org: OrgId,
        chain: &str,
        (purse, period): (&str, Period),
        at: Timestamp,
    ) -> Result<Usd> {
        let statement = query(
            "SELECT CAST(COALESCE(SUM(spent_nanos), 0) AS BIGINT) FROM spending \
             WHERE org = $1 AND purse = $2 AND period = $3 AND window_start = $4 AND chain <> $5",
        )
        .bind(org.to_string())
        .bind(purse)
        .bind(period.as_str())
        .bind(period.window(at).0.unix_ms())
        .bind(chain);
        let row = self.pools.row(statement).await?;
        row.map_or(Ok(Usd::ZERO), |row| Ok(Usd::from_nanos(row.try_get(0)?)))
    }

    /// The beginning of the latest window of a period in which anything was spent.
    pub async fn latest_window(&self, org: OrgId, period: Period) -> Result<Option<Timestamp>> {
        let statement = query(
            "SELECT MAX(window_start) FROM spending WHERE org = $1 AND period = $2 AND spent_nanos > 0",
        );
        let row = self
            .pools
            .row(statement.bind(org.to_string()).bind(period.as_str()))
            .await?;
        let latest: Option<i64> = row.map(|row| row.try_get(0)).transpose()?.flatten();
        Ok(latest.map(Timestamp::from_unix_ms))
    }

    /// What one purse has spent in the window of a period around `at`.
    pub async fn spent_by(
        &self,
        org: OrgId,
        purse: &str,
        period: Period,
        at: Timestamp,
    ) -> Result<Usd> {
        let statement = query(
            "SELECT CAST(COALESCE(SUM(spent_nanos), 0) AS BIGINT) FROM spending \
             WHERE org = $1 AND purse = $2 AND period = $3 AND window_start = $4",
        )
        .bind(org.to_string())
        .bind(purse)
        .bind(period.as_str())
        .bind(period.window(at).0.unix_ms());
        let row = self.pools.row(statement).await?;
        row.map_or(Ok(Usd::ZERO), |row| Ok(Usd::from_nanos(row.try_get(0)?)))
    }

    /// The people's own purses that have spent most in the window of a period around `at`, by all chains, most money first, at most `limit`.
    pub async fn most_spent(
        &self,
        org: OrgId,
        period: Period,
        at: Timestamp,
        limit: u32,
    ) -> Result<Vec<(String, Usd)>> {
        let statement = query(
            "SELECT purse, CAST(SUM(spent_nanos) AS BIGINT) FROM spending \
             WHERE org = $1 AND period = $2 AND window_start = $3 AND purse LIKE 'per!_%' ESCAPE '!' \
             GROUP BY purse ORDER BY SUM(spent_nanos) DESC, purse LIMIT $4",
        )
        .bind(org.to_string())
        .bind(period.as_str())
        .bind(period.window(at).0.unix_ms())
        .bind(i64::from(limit.min(limits::STORE_PAGE_MAX)));
        let rows = self.pools.rows(statement).await?;
        rows.iter()
            .map(|row| Ok((row.try_get(0)?, Usd::from_nanos(row.try_get(1)?))))
            .collect()
    }
}
