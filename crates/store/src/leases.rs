//! Money of hard budgets in the hands of replicas: what each was granted of a purse, beside what its chain has spent. Who gets how
//! much is decided by [`domain::lease`]; here it is decided under the purse's row, so that two who ask at once get one after the
//! other. A grant is an absolute amount: writing it twice changes nothing.

use std::collections::HashMap;

use domain::lease::{self, Elsewhere, Grant, Share};
use domain::window::Period;
use domain::{OrgId, Timestamp, Usd, limits};
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row as _, query};

use crate::claims::{self, Writer};
use crate::connection::{Query, Tx};
use crate::{LEASES, Result, Store, StoreError, next, period_of, time};

/// One purse in one window, in the order in which rows are taken.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Purse {
    /// The purse's key.
    pub purse: String,
    /// The period's word, which is what rows are ordered by.
    period: &'static str,
    /// The beginning of its window.
    pub window: Timestamp,
}

impl Purse {
    /// The purse of this key in the window of a period that begins then.
    pub fn new(purse: String, period: Period, window: Timestamp) -> Self {
        Self {
            purse,
            period: period.as_str(),
            window,
        }
    }

    /// Its period.
    pub fn period(&self) -> Period {
        period_of(self.period).expect("it was made from a period")
    }
}

/// What a replica wants of a purse; see [`lease::Ask`].
#[derive(Debug, Clone)]
pub struct LeaseAsk {
    /// Which.
    pub purse: Purse,
    /// The budget's amount.
    pub cap: Usd,
    /// What the replica believes to have been granted.
    pub granted: Usd,
    /// What it has spent and what its open calls hold.
    pub used: Usd,
    /// What waiting calls need beyond that.
    pub calls: Vec<Usd>,
}

/// What it got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leased {
    /// Of which purse.
    pub purse: Purse,
    /// What it may spend from now on.
    pub grant: Grant,
    /// What the others have.
    pub elsewhere: Elsewhere,
}

impl Store {
    /// Grants a chain's replica money of purses, at most [`limits::LEASES_AT_ONCE`] of them, each named once. Where one is short
    /// and others may have what they do not need, they are called on: [`Store::called_purses`]. [`StoreError::NotWriter`] for whoever
    /// has lost the claim on the chain: two who spend under one name would spend everything twice.
    pub async fn lease(
        &self,
        org: OrgId,
        writer: &Writer,
        asks: &[LeaseAsk],
    ) -> Result<Vec<Leased>> {
        let mut asks: Vec<&LeaseAsk> = asks.iter().collect();
        asks.sort_unstable_by(|one, other| one.purse.cmp(&other.purse));
        let purses: Vec<&Purse> = asks.iter().map(|ask| &ask.purse).collect();
        if purses.is_empty() {
            return Ok(Vec::new());
        }
        let chain = &*writer.chain;
        let mut tx = self.pools.begin().await?;
        claims::hold(&mut tx, writer).await?;
        take(&mut tx, org, &purses).await?;
        let elsewhere = elsewhere(&mut tx, org, chain, &purses).await?;
        let mut leased = Vec::with_capacity(asks.len());
        for ask in asks {
            let elsewhere = elsewhere.get(&ask.purse).copied().unwrap_or_default();
            let (cap, granted, used) = (ask.cap, ask.granted, ask.used);
            let calls = &ask.calls;
            let wanted = lease::Ask {
                cap,
                granted,
                used,
                calls,
            };
            leased.push(Leased {
                purse: ask.purse.clone(),
                grant: lease::grant(&wanted, elsewhere),
                elsewhere,
            });
        }
        let granted: Vec<_> = leased
            .iter()
            .map(|one| (&one.purse, one.grant.granted))
            .collect();
        write_granted(&mut tx, org, chain, &granted).await?;
        let short: Vec<&Purse> = leased
            .iter()
            .filter(|one| one.grant.is_short && one.elsewhere.unproved() > Usd::ZERO)
            .map(|one| &one.purse)
            .collect();
        if !short.is_empty() {
            // Last, so that nobody who holds the counter waits for a purse.
            let number = next(&mut tx, org, LEASES).await?;
            let called = format!(
                "UPDATE purses SET called = $2 WHERE org = $1 AND (purse, period, window_start) IN {}",
                tuples(short.len(), 3, 2)
            );
            let called = query(AssertSqlSafe(called))
                .bind(org.to_string())
                .bind(number);
            tx.run(bind_purses(called, &short)).await?;
        }
        tx.commit().await?;
        Ok(leased)
    }

    /// Writes down that a replica keeps no more of these purses than so much: what it gives back is free from then on. At most
    /// [`limits::LEASES_AT_ONCE`]. [`StoreError::NotWriter`] as with [`Store::lease`].
    pub async fn keep_leased(
        &self,
        org: OrgId,
        writer: &Writer,
        kept: &[(Purse, Usd)],
    ) -> Result<()> {
        let mut kept: Vec<_> = kept.iter().map(|(purse, kept)| (purse, *kept)).collect();
        kept.sort_unstable();
        if kept.is_empty() {
            return Ok(());
        }
        let mut tx = self.pools.begin().await?;
        claims::hold(&mut tx, writer).await?;
        write_granted(&mut tx, org, &writer.chain, &kept).await?;
        tx.commit().await
    }

    /// Gives back all that a chain's replica was granted, in every window. Only for a chain whose records were all shipped and
    /// that has no open call: what it has spent stands in the store then, and the rest is nobody's.
    pub async fn release_leases(&self, chain: &str) -> Result<u64> {
        let statement =
            query("UPDATE spending SET granted_nanos = 0 WHERE chain = $1 AND granted_nanos > 0");
        self.pools.write(statement.bind(chain)).await
    }

    /// The purses somebody went short of after call number `since`, oldest first, and the calls' numbers.
    pub async fn called_purses(&self, org: OrgId, since: i64) -> Result<Vec<(Purse, i64)>> {
        let statement = query(
            "SELECT purse, period, window_start, called FROM purses \
             WHERE org = $1 AND called > $2 ORDER BY called LIMIT $3",
        );
        let statement = statement
            .bind(org.to_string())
            .bind(since)
            .bind(i64::from(limits::STORE_PAGE_MAX));
        let rows = self.pools.rows(statement).await?;
        rows.iter()
            .map(|row| Ok((purse(row)?, row.try_get(3)?)))
            .collect()
    }

    /// Forgets which purses were leased in windows that began before this moment.
    pub async fn purge_purses(&self, org: OrgId, before: Timestamp) -> Result<u64> {
        let statement = query("DELETE FROM purses WHERE org = $1 AND window_start < $2");
        self.pools
            .write(statement.bind(org.to_string()).bind(before.unix_ms()))
            .await
    }
}

/// Holds the purses' rows until the transaction's end, in their order.
async fn take(tx: &mut Tx, org: OrgId, purses: &[&Purse]) -> Result<()> {
    let rows = (0..purses.len())
        .map(|row| {
            let at = row * 3 + 2;
            format!("($1, ${at}, ${}, ${}, 0)", at + 1, at + 2)
        })
        .collect::<Vec<_>>()
        .join(", ");
    let sql = format!(
        "INSERT INTO purses (org, purse, period, window_start, called) VALUES {rows} \
         ON CONFLICT (org, purse, period, window_start) DO UPDATE SET called = purses.called"
    );
    let statement = query(AssertSqlSafe(sql)).bind(org.to_string());
    tx.run(bind_purses(statement, purses)).await?;
    Ok(())
}

/// What the other chains have of each.
async fn elsewhere(
    tx: &mut Tx,
    org: OrgId,
    chain: &str,
    purses: &[&Purse],
) -> Result<HashMap<Purse, Elsewhere>> {
    let sql = format!(
        "SELECT purse, period, window_start, spent_nanos, granted_nanos FROM spending \
         WHERE org = $1 AND chain <> $2 AND (purse, period, window_start) IN {}",
        tuples(purses.len(), 3, 2)
    );
    let statement = query(AssertSqlSafe(sql)).bind(org.to_string()).bind(chain);
    let mut shares: HashMap<Purse, Vec<Share>> = HashMap::new();
    for row in tx.rows(bind_purses(statement, purses)).await? {
        let share = Share {
            spent: Usd::from_nanos(row.try_get(3)?),
            granted: Usd::from_nanos(row.try_get(4)?),
        };
        shares.entry(purse(&row)?).or_default().push(share);
    }
    Ok(shares
        .into_iter()
        .map(|(purse, shares)| (purse, Elsewhere::of(shares)))
        .collect())
}

/// In the purses' order, which is also the order in which shipping takes the rows.
async fn write_granted(
    tx: &mut Tx,
    org: OrgId,
    chain: &str,
    granted: &[(&Purse, Usd)],
) -> Result<()> {
    let rows = (0..granted.len())
        .map(|row| {
            let at = row * 4 + 3;
            format!("($1, ${at}, ${}, ${}, $2, 0, ${})", at + 1, at + 2, at + 3)
        })
        .collect::<Vec<_>>()
        .join(", ");
    let sql = format!(
        "INSERT INTO spending (org, purse, period, window_start, chain, spent_nanos, granted_nanos) VALUES {rows} \
         ON CONFLICT (org, purse, period, window_start, chain) DO UPDATE SET granted_nanos = excluded.granted_nanos"
    );
    let mut statement = query(AssertSqlSafe(sql)).bind(org.to_string()).bind(chain);
    for (purse, granted) in granted {
        statement = statement
            .bind(&purse.purse)
            .bind(purse.period)
            .bind(purse.window.unix_ms())
            .bind(granted.nanos());
    }
    tx.run(statement).await?;
    Ok(())
}

/// `((VALUES…))` of so many rows of so many values, numbered after the first `before`.
pub(crate) fn tuples(rows: usize, width: usize, before: usize) -> String {
    let row = |row: usize| {
        let first = before + row * width + 1;
        let values: Vec<String> = (first..first + width).map(|n| format!("${n}")).collect();
        format!("({})", values.join(", "))
    };
    let rows: Vec<String> = (0..rows).map(row).collect();
    format!("(VALUES {})", rows.join(", "))
}

fn bind_purses<'q>(statement: Query<'q>, purses: &[&'q Purse]) -> Query<'q> {
    purses.iter().fold(statement, |statement, purse| {
        statement
            .bind(&purse.purse)
            .bind(purse.period)
            .bind(purse.window.unix_ms())
    })
}

fn purse(row: &AnyRow) -> Result<Purse> {
    let period = period_of(row.try_get(1)?).ok_or(StoreError::Damaged("purses.period"))?;
    Ok(Purse::new(row.try_get(0)?, period, time(row, 2)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn purses_are_taken_in_the_order_in_which_shipping_takes_their_rows() {
        let at = Timestamp::from_unix_ms;
        let purse = |key: &str, period, ms| Purse::new(key.to_owned(), period, at(ms));
        let mut purses = [
            purse("b", Period::Daily, 1),
            purse("a", Period::Weekly, 1),
            purse("a", Period::Daily, 2),
            purse("a", Period::Monthly, 1),
            purse("a", Period::Daily, 1),
        ];
        purses.sort_unstable();
        let order: Vec<_> = purses
            .iter()
            .map(|it| (&*it.purse, it.period, it.window.unix_ms()))
            .collect();
        assert_eq!(
            order,
            [
                ("a", "daily", 1),
                ("a", "daily", 2),
                ("a", "monthly", 1),
                ("a", "weekly", 1),
                ("b", "daily", 1)
            ]
        );
    }

    #[test]
    fn a_list_of_purses_numbers_its_values_through() {
        assert_eq!(tuples(2, 3, 2), "(VALUES ($3, $4, $5), ($6, $7, $8))");
    }
}
