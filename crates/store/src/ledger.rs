//! The ledger's copy for queries, and what is counted from it: usage by the hour, spending by the period. A batch is shipped in
//! one transaction that also moves the chain's cursor, so a repeat changes nothing and a sum can never miss or double a record.

use domain::window::Period;
use domain::{OrgId, Timestamp, Usage, Usd};
use sqlx::Row as _;

use crate::{Result, Store, Tx, unsigned};

/// One record, as queries need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerRow {
    /// The tenant.
    pub org: OrgId,
    /// When.
    pub at: Timestamp,
    /// Its number in the chain.
    pub seq: u64,
    /// Its kind.
    pub kind: String,
    /// The request, if it is about one.
    pub request_id: Option<String>,
    /// Whom it is about.
    pub subject: Option<String>,
    /// The record as JSON.
    pub body: String,
}

/// What one call adds to the usage of its hour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageHour {
    /// The tenant.
    pub org: OrgId,
    /// When the call ended.
    pub at: Timestamp,
    /// Who.
    pub subject: String,
    /// With which model.
    pub model: String,
    /// From which program.
    pub client: String,
    /// Answered by which provider.
    pub upstream: String,
    /// How it ended, or `refused`.
    pub outcome: String,
    /// Tokens.
    pub usage: Usage,
    /// Money.
    pub cost: Usd,
}

/// What one call adds to a purse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spending {
    /// The tenant.
    pub org: OrgId,
    /// The purse's key.
    pub purse: String,
    /// The period.
    pub period: Period,
    /// When the call began: its window is charged.
    pub at: Timestamp,
    /// Money.
    pub cost: Usd,
}

/// A batch of one chain.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// Records.
    pub rows: Vec<LedgerRow>,
    /// What they add to usage.
    pub usage: Vec<UsageHour>,
    /// What they add to purses.
    pub spending: Vec<Spending>,
}

const HOUR_MS: i64 = 3_600_000;

impl Store {
    /// The number of the next record of a chain that has not been shipped; 1 for a new chain.
    pub async fn ledger_cursor(&self, chain: &str) -> Result<u64> {
        let row = sqlx::query("SELECT next_seq FROM ledger_cursors WHERE chain = $1")
            .bind(chain)
            .fetch_optional(&self.pool)
            .await?;
        row.map_or(Ok(1), |row| unsigned(&row, 0, "ledger_cursors.next_seq"))
    }

    /// Ships records `from..to` of a chain; false, and nothing written, when the cursor does not stand at `from`.
    pub async fn ship(&self, chain: &str, from: u64, to: u64, batch: &Batch) -> Result<bool> {
        let as_i64 = |seq: u64| i64::try_from(seq).unwrap_or(i64::MAX);
        let mut tx = self.begin().await?;
        sqlx::query("INSERT INTO ledger_cursors (chain, next_seq) VALUES ($1, 1) ON CONFLICT (chain) DO NOTHING")
            .bind(chain)
            .execute(&mut *tx)
            .await?;
        let moved = sqlx::query(
            "UPDATE ledger_cursors SET next_seq = $3 WHERE chain = $1 AND next_seq = $2",
        )
        .bind(chain)
        .bind(as_i64(from))
        .bind(as_i64(to))
        .execute(&mut *tx)
        .await?;
        if moved.rows_affected() != 1 {
            return Ok(false);
        }
        for row in &batch.rows {
            insert_row(&mut tx, chain, row).await?;
        }
        for usage in &batch.usage {
            add_usage(&mut tx, usage).await?;
        }
        for spending in &batch.spending {
            add_spending(&mut tx, spending).await?;
        }
        tx.commit().await?;
        Ok(true)
    }

    /// What every purse has spent in the window of a period around `at`.
    pub async fn spent(
        &self,
        org: OrgId,
        period: Period,
        at: Timestamp,
    ) -> Result<Vec<(String, Usd)>> {
        let rows = sqlx::query(
            "SELECT purse, spent_nanos FROM spending WHERE org = $1 AND period = $2 AND window_start = $3",
        )
        .bind(org.to_string())
        .bind(period.as_str())
        .bind(period.window(at).0.unix_ms())
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|row| Ok((row.try_get(0)?, Usd::from_nanos(row.try_get(1)?))))
            .collect()
    }

    /// Money and requests of an organisation from one moment up to another, by hour.
    pub async fn usage_total(
        &self,
        org: OrgId,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<(u64, Usd)> {
        let row = sqlx::query(
            "SELECT CAST(COALESCE(SUM(requests), 0) AS BIGINT), CAST(COALESCE(SUM(cost_nanos), 0) AS BIGINT) \
             FROM usage_hours WHERE org = $1 AND hour >= $2 AND hour < $3",
        )
        .bind(org.to_string())
        .bind(from.unix_ms().div_euclid(HOUR_MS) * HOUR_MS)
        .bind(to.unix_ms())
        .fetch_one(&self.pool)
        .await?;
        Ok((
            unsigned(&row, 0, "usage_hours.requests")?,
            Usd::from_nanos(row.try_get(1)?),
        ))
    }
}

async fn insert_row(tx: &mut Tx, chain: &str, row: &LedgerRow) -> Result<()> {
    sqlx::query(
        "INSERT INTO ledger_records (org, at, chain, seq, kind, request_id, subject, body) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (chain, seq) DO NOTHING",
    )
    .bind(row.org.to_string())
    .bind(row.at.unix_ms())
    .bind(chain)
    .bind(i64::try_from(row.seq).unwrap_or(i64::MAX))
    .bind(&row.kind)
    .bind(&row.request_id)
    .bind(&row.subject)
    .bind(&row.body)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

async fn add_usage(tx: &mut Tx, add: &UsageHour) -> Result<()> {
    let tokens = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    sqlx::query(
        "INSERT INTO usage_hours (org, hour, subject, model, client, upstream, outcome, requests, \
           input_tokens, output_tokens, cache_write_tokens, cache_read_tokens, cost_nanos) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, 1, $8, $9, $10, $11, $12) \
         ON CONFLICT (org, hour, subject, model, client, upstream, outcome) DO UPDATE SET \
           requests = usage_hours.requests + 1, \
           input_tokens = usage_hours.input_tokens + excluded.input_tokens, \
           output_tokens = usage_hours.output_tokens + excluded.output_tokens, \
           cache_write_tokens = usage_hours.cache_write_tokens + excluded.cache_write_tokens, \
           cache_read_tokens = usage_hours.cache_read_tokens + excluded.cache_read_tokens, \
           cost_nanos = usage_hours.cost_nanos + excluded.cost_nanos",
    )
    .bind(add.org.to_string())
    .bind(add.at.unix_ms().div_euclid(HOUR_MS) * HOUR_MS)
    .bind(&add.subject)
    .bind(&add.model)
    .bind(&add.client)
    .bind(&add.upstream)
    .bind(&add.outcome)
    .bind(tokens(add.usage.input_tokens))
    .bind(tokens(add.usage.output_tokens))
    .bind(tokens(
        add.usage
            .cache_write_5m_tokens
            .saturating_add(add.usage.cache_write_1h_tokens),
    ))
    .bind(tokens(add.usage.cache_read_tokens))
    .bind(add.cost.nanos())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

async fn add_spending(tx: &mut Tx, add: &Spending) -> Result<()> {
    sqlx::query(
        "INSERT INTO spending (org, purse, period, window_start, spent_nanos) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (org, purse, period, window_start) DO UPDATE SET \
           spent_nanos = spending.spent_nanos + excluded.spent_nanos",
    )
    .bind(add.org.to_string())
    .bind(&add.purse)
    .bind(add.period.as_str())
    .bind(add.period.window(add.at).0.unix_ms())
    .bind(add.cost.nanos())
    .execute(&mut **tx)
    .await?;
    Ok(())
}
