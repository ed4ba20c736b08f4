//! What was used and spent, read from the sums that shipping keeps, never from the records themselves.

use domain::{OrgId, Timestamp, Usd, limits};
use sqlx::any::AnyRow;
use sqlx::{Row as _, query};

use crate::connection::Query;
use crate::{Result, Store, time, unsigned};

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

/// What one hour saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HourSum {
    /// Its first moment.
    pub hour: Timestamp,
    /// Calls, refused ones included.
    pub requests: u64,
    /// Refused calls.
    pub refused: u64,
    /// Money.
    pub cost: Usd,
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
    /// Usage by person and service from the hour of one moment up to another, which is not included, most money first, at most `limit`.
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

    /// What each hour saw, oldest first, from the hour of one moment up to another; hours without a call are left out. At most
    /// [`limits::STORE_PAGE_MAX`] of them.
    pub async fn usage_by_hour(
        &self,
        org: OrgId,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<HourSum>> {
        let statement = query(
            "SELECT hour, CAST(SUM(requests) AS BIGINT), \
             CAST(SUM(CASE WHEN outcome = 'refused' THEN requests ELSE 0 END) AS BIGINT), \
             CAST(SUM(cost_nanos) AS BIGINT) \
             FROM usage_hours WHERE org = $1 AND hour >= $2 AND hour < $3 GROUP BY hour ORDER BY hour LIMIT $4",
        );
        let statement = within(statement, org, from, to);
        let rows = self
            .pools
            .rows(statement.bind(i64::from(limits::STORE_PAGE_MAX)))
            .await?;
        let read = rows.iter().map(|row| {
            Ok(HourSum {
                hour: time(row, 0)?,
                requests: unsigned(row, 1, "usage_hours.requests")?,
                refused: unsigned(row, 2, "usage_hours.requests")?,
                cost: Usd::from_nanos(row.try_get(3)?),
            })
        });
        read.collect()
    }

    /// The first moment of the newest hour in which a call ended; none before the first call.
    pub async fn last_used(&self, org: OrgId) -> Result<Option<Timestamp>> {
        let statement = query("SELECT MAX(hour) FROM usage_hours WHERE org = $1");
        let row = self.pools.row(statement.bind(org.to_string())).await?;
        let newest: Option<i64> = row.map(|row| row.try_get(0)).transpose()?.flatten();
        Ok(newest.map(Timestamp::from_unix_ms))
    }

    /// How many people, and how many services, made a call in the same range.
    pub async fn callers(&self, org: OrgId, from: Timestamp, to: Timestamp) -> Result<(u64, u64)> {
        let statement = query(
            "SELECT CAST(COUNT(DISTINCT CASE WHEN subject LIKE 'per!_%' ESCAPE '!' THEN subject END) AS BIGINT), \
             CAST(COUNT(DISTINCT CASE WHEN subject LIKE 'svc!_%' ESCAPE '!' THEN subject END) AS BIGINT) \
             FROM usage_hours WHERE org = $1 AND hour >= $2 AND hour < $3",
        );
        let row = self.pools.row(within(statement, org, from, to)).await?;
        row.map_or(Ok((0, 0)), |row| {
            Ok((
                unsigned(&row, 0, "usage_hours.subject")?,
                unsigned(&row, 1, "usage_hours.subject")?,
            ))
        })
    }

    /// What one person or service used in the same range, by model, most money first; refused calls stand under no model.
    pub async fn usage_of(
        &self,
        org: OrgId,
        subject: &str,
        (from, to): (Timestamp, Timestamp),
    ) -> Result<Vec<UsageSum>> {
        let statement = query(
            "SELECT model, CAST(SUM(requests) AS BIGINT), \
             CAST(SUM(CASE WHEN outcome = 'refused' THEN requests ELSE 0 END) AS BIGINT), \
             CAST(SUM(input_tokens) AS BIGINT), CAST(SUM(output_tokens) AS BIGINT), \
             CAST(SUM(cache_write_tokens) AS BIGINT), CAST(SUM(cache_read_tokens) AS BIGINT), \
             CAST(SUM(cost_nanos) AS BIGINT), \
             CAST(SUM(estimated_requests) AS BIGINT), CAST(SUM(estimated_nanos) AS BIGINT), \
             CAST(SUM(unpriced_requests) AS BIGINT), CAST(SUM(unpriced_nanos) AS BIGINT) \
             FROM usage_hours WHERE org = $1 AND subject = $2 AND hour >= $3 AND hour < $4 \
             GROUP BY model ORDER BY SUM(cost_nanos) DESC, model LIMIT $5",
        );
        let statement = statement.bind(org.to_string()).bind(subject);
        let statement = statement.bind(hour_of(from)).bind(to.unix_ms());
        let rows = self
            .pools
            .rows(statement.bind(i64::from(limits::STORE_PAGE_MAX)))
            .await?;
        rows.iter().map(read).collect()
    }
}

pub(crate) fn within(
    statement: Query<'_>,
    org: OrgId,
    from: Timestamp,
    to: Timestamp,
) -> Query<'_> {
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
