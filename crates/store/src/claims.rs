//! Who writes a chain of the ledger. A chain has one writer: its folder is locked against a second one on the same machine, and a claim
//! here keeps a copy of the folder, on this machine or another, from passing for the same replica. Whoever holds it lets it beat;
//! whether a claim that does not beat is over is for the caller to judge, who has seen it for long enough by a clock of its own.

use domain::{OrgId, Timestamp};
use sqlx::{Row as _, query};

use crate::connection::Tx;
use crate::{Result, Store, StoreError, time};

/// Who writes a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Writer {
    /// The chain.
    pub chain: String,
    /// The process's name for itself, made at its start; none where no claim is needed, because nobody else can write.
    pub holder: Option<String>,
}

impl From<&str> for Writer {
    /// The writer of a chain that nobody claims.
    fn from(chain: &str) -> Self {
        Self {
            chain: chain.to_owned(),
            holder: None,
        }
    }
}

/// A claim of somebody else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherClaim {
    /// Whose.
    pub holder: String,
    /// Grows while the holder lives.
    pub beat: i64,
}

/// Another chain that somebody writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherChain {
    /// Its name.
    pub chain: String,
    /// When the newest of its records that are in the store was written.
    pub newest: Timestamp,
}

impl Store {
    /// Claims a chain; gives the claim that stands against it, and then nothing is written. A claim that was made at the same place
    /// is over, since a place lets nobody in before the one before has ended; so is the one that the caller has judged to be.
    /// A writer without a name claims nothing.
    pub async fn claim_chain(
        &self,
        writer: &Writer,
        place: Option<&str>,
        over: Option<&OtherClaim>,
    ) -> Result<Option<OtherClaim>> {
        let Some(holder) = &writer.holder else {
            return Ok(None);
        };
        let mut tx = self.pools.begin().await?;
        // One statement makes the row or holds it, so that of two who come at once the second sees the first.
        let made = query(
            "INSERT INTO chain_claims (chain, holder, place, beat) VALUES ($1, $2, $3, 0) \
             ON CONFLICT (chain) DO UPDATE SET beat = chain_claims.beat RETURNING holder, place, beat",
        );
        let row = tx
            .row(made.bind(&writer.chain).bind(holder).bind(place))
            .await?
            .ok_or(StoreError::Damaged("chain_claims.holder"))?;
        let held = OtherClaim {
            holder: row.try_get(0)?,
            beat: row.try_get(2)?,
        };
        let at: Option<String> = row.try_get(1)?;
        let is_same_place = at.is_some() && at.as_deref() == place;
        if held.holder != *holder && !is_same_place && over != Some(&held) {
            return Ok(Some(held));
        }
        let take = query("UPDATE chain_claims SET holder = $2, place = $3 WHERE chain = $1");
        tx.run(take.bind(&writer.chain).bind(holder).bind(place))
            .await?;
        tx.commit().await?;
        Ok(None)
    }

    /// The other chains that somebody writes now, each with the time of the newest record of this organisation that was shipped of it.
    pub async fn other_chains(&self, org: OrgId, chain: &str) -> Result<Vec<OtherChain>> {
        let statement = query(
            // SQLite keeps to the order of a cross join: from the few chains to a record of each, never through the records
            "SELECT c.chain, r.at FROM chain_claims c CROSS JOIN ledger_cursors k CROSS JOIN ledger_records r \
             WHERE k.chain = c.chain AND r.chain = k.chain AND r.seq = k.next_seq - 1 \
             AND r.org = $1 AND c.chain <> $2 ORDER BY c.chain LIMIT 100",
        );
        let rows = self
            .pools
            .rows(statement.bind(org.to_string()).bind(chain))
            .await?;
        rows.iter()
            .map(|row| {
                Ok(OtherChain {
                    chain: row.try_get(0)?,
                    newest: time(row, 1)?,
                })
            })
            .collect()
    }

    /// Says that the holder lives; [`StoreError::NotWriter`] when the claim is no longer its own.
    pub async fn beat(&self, writer: &Writer) -> Result<()> {
        let mut tx = self.pools.begin().await?;
        hold(&mut tx, writer).await?;
        tx.commit().await
    }

    /// Gives a claim up, so that whoever comes next need not wait.
    pub async fn release_chain(&self, writer: &Writer) -> Result<()> {
        let Some(holder) = &writer.holder else {
            return Ok(());
        };
        let statement = query("DELETE FROM chain_claims WHERE chain = $1 AND holder = $2");
        self.pools
            .write(statement.bind(&writer.chain).bind(holder))
            .await?;
        Ok(())
    }
}

/// In a transaction: holds the claim until its end, so that nobody takes it meanwhile. Taken before any other row.
pub(crate) async fn hold(tx: &mut Tx, writer: &Writer) -> Result<()> {
    let Some(holder) = &writer.holder else {
        return Ok(());
    };
    let statement =
        query("UPDATE chain_claims SET beat = beat + 1 WHERE chain = $1 AND holder = $2");
    match tx.run(statement.bind(&writer.chain).bind(holder)).await? {
        0 => Err(StoreError::NotWriter),
        _ => Ok(()),
    }
}
