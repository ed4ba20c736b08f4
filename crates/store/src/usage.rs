//! What was used and spent, read from the sums that shipping keeps, never from the records themselves.

use domain::window::Period;
use domain::{OrgId, Timestamp, Usd, limits};
use sqlx::any::AnyRow;
use sqlx::{Row as _, query};

use crate::connection::Query;
use crate::{Result, Store, unsigned};

const HOUR_MS: i64 = 3_600_000;

/// The first moment of the hour around a moment, in Unix milliseconds.
pub(crate) fn hour_of(at: Timestamp) -> i64 {
    at.unix_ms().div_euclid(HOUR_MS).saturating_mul(HOUR_MS)
}

/// What one person, service or model used.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UsageSum {
    /// The person's or service's id, or the model; empty for calls that name none.
    pub of: String,
    /// Calls, refused ones included.
    pub requests: u64,
    /// Refused calls.
    pub refused: u64,
    /// Tokens, by class.
    pub input_tokens: u64,
    /// Answer tokens.
    pub output_tokens: u64,
    /// Tokens written to a cache.
    pub cache_write_tokens: u64,
    /// Tokens read from a cache.
    pub cache_read_tokens: u64,
    /// Money.
    pub cost: Usd,
    /// Calls of which not all was seen.
    pub estimated_requests: u64,
    /// Their part of the money: a bound.
    pub estimated: Usd,
    /// Calls of a model without a known price.
    pub unpriced_requests: u64,
    /// Their part of the money: not the real one.
    pub unpriced: Usd,
}

impl UsageSum {
    /// Adds another's counts and money.
    pub fn add(&mut self, other: &Self) {
        for (sum, more) in [
            (&mut self.requests, other.requests),
            (&mut self.refused, other.refused),
            (&mut self.input_tokens, other.input_tokens),
            (&mut self.output_tokens, other.output_tokens),
            (&mut self.cache_write_tokens, other.cache_write_tokens),
            (&mut self.cache_read_tokens, other.cache_read_tokens),
            (&mut self.estimated_requests, other.estimated_requests),
            (&mut self.unpriced_requests, other.unpriced_requests),
        ] {
            *sum = sum.saturating_add(more);
        }
        for (sum, more) in [
            (&mut self.cost, other.cost),
            (&mut self.estimated, other.estimated),
            (&mut self.unpriced, other.unpriced),
        ] {
            *sum = sum.plus(more);
        }
    }
}

/// By what usage is summed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UsageBy {
    /// Each person and service.
    Subject,
    /// Each model.
    Model,
    /// Each program.
    Client,
    /// Each provider.
    Upstream,
}

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

/// The columns of a sum, after the one it is grouped by.
macro_rules! sums_by {
    ($column:literal) => {
        concat!(
            "SELECT ",
            $column,
            ", CAST(SUM(requests) AS BIGINT), \
             CAST(SUM(CASE WHEN outcome = 'refused' THEN requests ELSE 0 END) AS BIGINT), \
             CAST(SUM(input_tokens) AS BIGINT), CAST(SUM(output_tokens) AS BIGINT), \
             CAST(SUM(cache_write_tokens) AS BIGINT), CAST(SUM(cache_read_tokens) AS BIGINT), \
             CAST(SUM(cost_nanos) AS BIGINT), \
             CAST(SUM(estimated_requests) AS BIGINT), CAST(SUM(estimated_nanos) AS BIGINT), \
             CAST(SUM(unpriced_requests) AS BIGINT), CAST(SUM(unpriced_nanos) AS BIGINT) \
             FROM usage_hours WHERE org = $1 AND hour >= $2 AND hour < $3 \
             GROUP BY ",
            $column,
            " ORDER BY SUM(cost_nanos) DESC, SUM(requests) DESC, ",
            $column,
            " LIMIT $4"
        )
    };
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

    /// Requests and money of an organisation, from the hour of one moment up to another moment, which is not included.
    pub async fn usage_total(
        &self,
        org: OrgId,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<(u64, Usd)> {
        let statement = query(
            "SELECT CAST(COALESCE(SUM(requests), 0) AS BIGINT), CAST(COALESCE(SUM(cost_nanos), 0) AS BIGINT) \
             FROM usage_hours WHERE org = $1 AND hour >= $2 AND hour < $3",
        );
        match self.pools.row(within(statement, org, from, to)).await? {
            Some(row) => Ok((
                unsigned(&row, 0, "usage_hours.requests")?,
                Usd::from_nanos(row.try_get(1)?),
            )),
            None => Ok((0, Usd::ZERO)),
        }
    }

    /// Usage by person and service in the same range, most money first, at most `limit`.
    pub async fn usage_by_person(
        &self,
        org: OrgId,
        from: Timestamp,
        to: Timestamp,
        limit: u32,
    ) -> Result<Vec<UsageSum>> {
        let most = limit.min(limits::STORE_PAGE_MAX) as usize;
        self.usage_sums(org, UsageBy::Subject, (from, to), most)
            .await
    }

    /// Usage by model in the same range, most money first, at most `limit`.
    pub async fn usage_by_model(
        &self,
        org: OrgId,
        from: Timestamp,
        to: Timestamp,
        limit: u32,
    ) -> Result<Vec<UsageSum>> {
        let most = limit.min(limits::STORE_PAGE_MAX) as usize;
        self.usage_sums(org, UsageBy::Model, (from, to), most).await
    }

    /// Usage in the same range, most money first, at most `most` sums: one statement, so that they are of one moment.
    pub async fn usage_sums(
        &self,
        org: OrgId,
        by: UsageBy,
        (from, to): (Timestamp, Timestamp),
        most: usize,
    ) -> Result<Vec<UsageSum>> {
        let statement = query(match by {
            UsageBy::Subject => sums_by!("subject"),
            UsageBy::Model => sums_by!("model"),
            UsageBy::Client => sums_by!("client"),
            UsageBy::Upstream => sums_by!("upstream"),
        });
        let statement = within(statement, org, from, to);
        let statement = statement.bind(i64::try_from(most).unwrap_or(i64::MAX));
        let rows = self.pools.rows(statement).await?;
        rows.iter().map(read).collect()
    }
}

fn within(statement: Query<'_>, org: OrgId, from: Timestamp, to: Timestamp) -> Query<'_> {
    statement
        .bind(org.to_string())
        .bind(hour_of(from))
        .bind(to.unix_ms())
}

pub(crate) fn read(row: &AnyRow) -> Result<UsageSum> {
    Ok(UsageSum {
        of: row.try_get(0)?,
        requests: unsigned(row, 1, "usage_hours.requests")?,
        refused: unsigned(row, 2, "usage_hours.requests")?,
        input_tokens: unsigned(row, 3, "usage_hours.input_tokens")?,
        output_tokens: unsigned(row, 4, "usage_hours.output_tokens")?,
        cache_write_tokens: unsigned(row, 5, "usage_hours.cache_write_tokens")?,
        cache_read_tokens: unsigned(row, 6, "usage_hours.cache_read_tokens")?,
        cost: Usd::from_nanos(row.try_get(7)?),
        estimated_requests: unsigned(row, 8, "usage_hours.estimated_requests")?,
        estimated: Usd::from_nanos(row.try_get(9)?),
        unpriced_requests: unsigned(row, 10, "usage_hours.unpriced_requests")?,
        unpriced: Usd::from_nanos(row.try_get(11)?),
    })
}
