//! The ledger's copy for queries, and what is counted from it: usage by the hour, spending by the period. A batch is shipped in
//! one transaction that also moves the chain's cursor, so a repeat changes nothing and a sum can never miss or double a record.

use std::collections::BTreeMap;

use domain::window::Period;
use domain::{OrgId, Timestamp, Usage, Usd};
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row as _, query};

use crate::connection::Tx;
use crate::connector_minutes::{self, ConnectorUse};
use crate::usage::hour_of;
use crate::{Result, Store, StoreError, unsigned};

/// One record, as queries need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerRow {
    /// The organisation.
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

/// How far a call's cost is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Certainty {
    /// Counted and priced.
    #[default]
    Known,
    /// What was used was not all seen: the cost is a bound.
    Estimated,
    /// The model's price was not known: the cost is not the real one, whether or not it was all seen.
    Unpriced,
}

/// What one call adds to the usage of its hour, or several that are alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageHour {
    /// The organisation.
    pub org: OrgId,
    /// When the call ended.
    pub at: Timestamp,
    /// How many calls. Tokens and money are of all of them together.
    pub requests: u64,
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
    /// How far it is known.
    pub certainty: Certainty,
}

/// One reason that refused something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusalHour {
    /// The organisation.
    pub org: OrgId,
    /// When.
    pub at: Timestamp,
    /// The reason's code.
    pub code: &'static str,
}

/// What one call adds to a purse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spending {
    /// The organisation.
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
    /// The hash that the first of them follows in the chain, where it is known.
    pub follows: Option<String>,
    /// The hash of the last of them, where it is known.
    pub hash: Option<String>,
    /// Why they refused something.
    pub refusals: Vec<RefusalHour>,
    /// Which of them went to a connector.
    pub connector_uses: Vec<ConnectorUse>,
}

/// Rows of one statement. Finding a numbered value in a statement takes SQLite longer the more there are, so not too many.
const ROWS_AT_ONCE: usize = 16;
/// More tokens than any call can use. A provider's nonsense must not make sums overflow, which would hold up the ledger's copy.
const TOKENS_OF_A_CALL_MAX: i64 = 1 << 40;
/// More money than any call can cost, for the same reason: a million dollars. Nor does a call give money back.
const NANOS_OF_A_CALL_MAX: i64 = 1_000_000 * 1_000_000_000;

impl Store {
    /// The number of the next record of a chain that has not been shipped; 1 for a new chain.
    pub async fn ledger_cursor(&self, chain: &str) -> Result<u64> {
        Ok(self.ledger_end(chain).await?.0)
    }

    /// The same, and the hash of the last record that was shipped, where it is known.
    pub async fn ledger_end(&self, chain: &str) -> Result<(u64, Option<String>)> {
        let cursor = query("SELECT next_seq, hash FROM ledger_cursors WHERE chain = $1");
        let row = self.pools.row(cursor.bind(chain)).await?;
        row.as_ref().map_or(Ok((1, None)), cursor_of)
    }

    /// Ships records `from..to` of a chain. False, and nothing written, when all of them were shipped before;
    /// [`StoreError::Cursor`], and nothing written, when the copy ends elsewhere than at `from`; [`StoreError::Fork`] when what was
    /// shipped under these numbers, or before them, was something else.
    pub async fn ship(&self, chain: &str, from: u64, to: u64, batch: &Batch) -> Result<bool> {
        if let Some(row) = batch.rows.iter().find(|row| !(from..to).contains(&row.seq)) {
            return Err(StoreError::OutsideBatch(row.seq));
        }
        let mut tx = self.pools.begin().await?;
        let (next, hash) = take_cursor(&mut tx, chain).await?;
        if next == to && differ(hash.as_ref(), batch.hash.as_ref()) {
            return Err(StoreError::Fork(to - 1));
        }
        if next >= to {
            return same_as_shipped(&mut tx, chain, batch).await.map(|()| false);
        }
        if next != from {
            return Err(StoreError::Cursor { next });
        }
        if differ(hash.as_ref(), batch.follows.as_ref()) {
            return Err(StoreError::Fork(from - 1));
        }
        let moved = query("UPDATE ledger_cursors SET next_seq = $2, hash = $3 WHERE chain = $1");
        tx.run(moved.bind(chain).bind(number(to)).bind(&batch.hash))
            .await?;
        for rows in batch.rows.chunks(ROWS_AT_ONCE) {
            insert_rows(&mut tx, chain, rows).await?;
        }
        for (key, sum) in usage_sums(&batch.usage) {
            add_usage(&mut tx, &key, &sum).await?;
        }
        for (key, nanos) in spending_sums(&batch.spending) {
            add_spending(&mut tx, chain, &key, nanos).await?;
        }
        for (key, refusals) in refusal_sums(&batch.refusals) {
            add_refusals(&mut tx, key, refusals).await?;
        }
        connector_minutes::add(&mut tx, &batch.connector_uses).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// The record of one kind about one request, as JSON.
    pub async fn record_of_request(
        &self,
        org: OrgId,
        request: &str,
        kind: &str,
    ) -> Result<Option<String>> {
        let statement = query(
            "SELECT body FROM ledger_records WHERE org = $1 AND request_id = $2 AND kind = $3 LIMIT 1",
        )
        .bind(org.to_string())
        .bind(request)
        .bind(kind);
        let row = self.pools.row(statement).await?;
        Ok(row.map(|row| row.try_get(0)).transpose()?)
    }
}

fn nanos_of(cost: Usd) -> i64 {
    cost.nanos().clamp(0, NANOS_OF_A_CALL_MAX)
}

fn number(seq: u64) -> i64 {
    i64::try_from(seq).unwrap_or(i64::MAX)
}

/// Whether both are known and are not the same.
fn differ(one: Option<&String>, other: Option<&String>) -> bool {
    one.zip(other).is_some_and(|(one, other)| one != other)
}

fn cursor_of(row: &AnyRow) -> Result<(u64, Option<String>)> {
    let next = unsigned(row, 0, "ledger_cursors.next_seq")?;
    Ok((next, row.try_get(1)?))
}

/// The chain's cursor, its row held by the transaction.
async fn take_cursor(tx: &mut Tx, chain: &str) -> Result<(u64, Option<String>)> {
    let row = tx
        .row(
            query(
                "INSERT INTO ledger_cursors (chain, next_seq) VALUES ($1, 1) \
                 ON CONFLICT (chain) DO UPDATE SET next_seq = ledger_cursors.next_seq RETURNING next_seq, hash",
            )
            .bind(chain),
        )
        .await?
        .ok_or(StoreError::Damaged("ledger_cursors.next_seq"))?;
    cursor_of(&row)
}

/// A chain that was begun anew under the old name would pass for shipped, and its spending would count nowhere.
async fn same_as_shipped(tx: &mut Tx, chain: &str, batch: &Batch) -> Result<()> {
    let Some(last) = batch.rows.last() else {
        return Ok(());
    };
    let shipped = query("SELECT body FROM ledger_records WHERE chain = $1 AND seq = $2");
    let shipped = tx.row(shipped.bind(chain).bind(number(last.seq))).await?;
    // What is no longer kept cannot be compared.
    match shipped {
        Some(row) if row.try_get::<&str, _>(0)? != last.body => Err(StoreError::Fork(last.seq)),
        _ => Ok(()),
    }
}

async fn insert_rows(tx: &mut Tx, chain: &str, rows: &[LedgerRow]) -> Result<()> {
    let sql = insert_statement(rows.len());
    let mut statement = query(AssertSqlSafe(sql));
    for row in rows {
        statement = statement
            .bind(row.org.to_string())
            .bind(row.at.unix_ms())
            .bind(chain)
            .bind(number(row.seq))
            .bind(&row.kind)
            .bind(&row.request_id)
            .bind(&row.subject)
            .bind(&row.body);
    }
    tx.run(statement).await?;
    Ok(())
}

/// The statement that takes this many rows; its text depends on nothing else.
fn insert_statement(rows: usize) -> String {
    let mut sql = String::from(
        "INSERT INTO ledger_records (org, at, chain, seq, kind, request_id, subject, body) VALUES ",
    );
    for row in 0..rows {
        let comma = if row == 0 { "" } else { ", " };
        let at = row * 8;
        sql.push_str(comma);
        for value in 1..=8 {
            let before = if value == 1 { "(" } else { ", " };
            sql.push_str(before);
            sql.push('$');
            sql.push_str(&(at + value).to_string());
        }
        sql.push(')');
    }
    sql
}

/// What identifies one row of `usage_hours`, in the order of its key.
type UsageKey<'a> = (OrgId, i64, &'a str, &'a str, &'a str, &'a str, &'a str);
/// Requests, input, output, cache write, cache read, nano-dollars; of these, requests and nano-dollars that are estimated, and those
/// that are unpriced.
type UsageCounts = [i64; 10];

/// One entry per row that will change, in the order of the key: replicas that ship at once take rows in the same order, so that
/// none waits for another in a circle, and a batch of many calls of one person is one change.
fn usage_sums(usage: &[UsageHour]) -> BTreeMap<UsageKey<'_>, UsageCounts> {
    let tokens = |count: u64| number(count).min(TOKENS_OF_A_CALL_MAX);
    let mut sums = BTreeMap::<_, UsageCounts>::new();
    for call in usage {
        let key = (
            call.org,
            hour_of(call.at),
            call.subject.as_str(),
            call.model.as_str(),
            call.client.as_str(),
            call.upstream.as_str(),
            call.outcome.as_str(),
        );
        let cache_write = call
            .usage
            .cache_write_5m_tokens
            .saturating_add(call.usage.cache_write_1h_tokens);
        let (requests, nanos) = (number(call.requests), nanos_of(call.cost));
        let if_it_is = |certainty| {
            let is_so = i64::from(call.certainty == certainty);
            [is_so * requests, is_so * nanos]
        };
        let [estimated, estimated_nanos] = if_it_is(Certainty::Estimated);
        let [unpriced, unpriced_nanos] = if_it_is(Certainty::Unpriced);
        let more = [
            requests,
            tokens(call.usage.input_tokens),
            tokens(call.usage.output_tokens),
            tokens(cache_write),
            tokens(call.usage.cache_read_tokens),
            nanos,
            estimated,
            estimated_nanos,
            unpriced,
            unpriced_nanos,
        ];
        let sum = sums.entry(key).or_default();
        for (sum, more) in sum.iter_mut().zip(more) {
            *sum = sum.saturating_add(more);
        }
    }
    sums
}

async fn add_usage(tx: &mut Tx, key: &UsageKey<'_>, sum: &UsageCounts) -> Result<()> {
    let (org, hour, subject, model, client, upstream, outcome) = key;
    let mut statement = query(
        "INSERT INTO usage_hours (org, hour, subject, model, client, upstream, outcome, requests, \
           input_tokens, output_tokens, cache_write_tokens, cache_read_tokens, cost_nanos, \
           estimated_requests, estimated_nanos, unpriced_requests, unpriced_nanos) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17) \
         ON CONFLICT (org, hour, subject, model, client, upstream, outcome) DO UPDATE SET \
           requests = usage_hours.requests + excluded.requests, \
           input_tokens = usage_hours.input_tokens + excluded.input_tokens, \
           output_tokens = usage_hours.output_tokens + excluded.output_tokens, \
           cache_write_tokens = usage_hours.cache_write_tokens + excluded.cache_write_tokens, \
           cache_read_tokens = usage_hours.cache_read_tokens + excluded.cache_read_tokens, \
           cost_nanos = usage_hours.cost_nanos + excluded.cost_nanos, \
           estimated_requests = usage_hours.estimated_requests + excluded.estimated_requests, \
           estimated_nanos = usage_hours.estimated_nanos + excluded.estimated_nanos, \
           unpriced_requests = usage_hours.unpriced_requests + excluded.unpriced_requests, \
           unpriced_nanos = usage_hours.unpriced_nanos + excluded.unpriced_nanos",
    )
    .bind(org.to_string())
    .bind(*hour);
    for text in [subject, model, client, upstream, outcome] {
        statement = statement.bind(*text);
    }
    for count in sum {
        statement = statement.bind(*count);
    }
    tx.run(statement).await?;
    Ok(())
}

/// What identifies one row of `spending`, in the order of its key.
type PurseKey<'a> = (OrgId, &'a str, &'static str, i64);

/// As [`usage_sums`].
fn spending_sums(spending: &[Spending]) -> BTreeMap<PurseKey<'_>, i64> {
    let mut sums = BTreeMap::<_, i64>::new();
    for call in spending {
        let window = call.period.window(call.at).0.unix_ms();
        let key = (call.org, call.purse.as_str(), call.period.as_str(), window);
        let sum = sums.entry(key).or_default();
        *sum = sum.saturating_add(nanos_of(call.cost));
    }
    sums
}

/// Of the chain's own row, which no other chain changes.
async fn add_spending(tx: &mut Tx, chain: &str, key: &PurseKey<'_>, nanos: i64) -> Result<()> {
    let (org, purse, period, window) = key;
    tx.run(
        query(
            "INSERT INTO spending (org, purse, period, window_start, chain, spent_nanos) VALUES ($1, $2, $3, $4, $5, $6) \
             ON CONFLICT (org, purse, period, window_start, chain) DO UPDATE SET \
               spent_nanos = spending.spent_nanos + excluded.spent_nanos",
        )
        .bind(org.to_string())
        .bind(*purse)
        .bind(*period)
        .bind(*window)
        .bind(chain)
        .bind(nanos),
    )
    .await?;
    Ok(())
}

/// As [`usage_sums`].
fn refusal_sums(refusals: &[RefusalHour]) -> BTreeMap<(OrgId, i64, &'static str), i64> {
    let mut sums = BTreeMap::new();
    for refusal in refusals {
        *sums
            .entry((refusal.org, hour_of(refusal.at), refusal.code))
            .or_default() += 1;
    }
    sums
}

async fn add_refusals(
    tx: &mut Tx,
    (org, hour, code): (OrgId, i64, &str),
    refusals: i64,
) -> Result<()> {
    tx.run(
        query(
            "INSERT INTO refusal_hours (org, hour, code, refusals) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (org, hour, code) DO UPDATE SET refusals = refusal_hours.refusals + excluded.refusals",
        )
        .bind(org.to_string())
        .bind(hour)
        .bind(code)
        .bind(refusals),
    )
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_for_several_rows_numbers_its_values_through() {
        let sql = insert_statement(2);
        assert!(
            sql.ends_with(
                "VALUES ($1, $2, $3, $4, $5, $6, $7, $8), ($9, $10, $11, $12, $13, $14, $15, $16)"
            ),
            "{sql}"
        );
    }
}
