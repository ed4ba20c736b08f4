//! Rows that are written and not kept yet. Whoever holds them writes the ledger's record and then keeps them; dropped, or with a
//! process that dies, they were never there. So of several who do the same thing at once, on whichever replica, one writes its record:
//! the others wait for that one, and are told that it is done. Held rows keep others from the same rows (on SQLite from every write),
//! so nothing but the record is waited for in between. Called by what makes a change happen once.

use std::fmt;

use crate::connection::{Query, Tx};
use crate::{Result, Store};

/// Rows to be kept.
#[must_use = "what is not kept was never there"]
pub struct Held {
    pub(crate) tx: Tx,
    rows: u64,
}

impl fmt::Debug for Held {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Held")
            .field("rows", &self.rows)
            .finish_non_exhaustive()
    }
}

impl Held {
    /// What a transaction wrote; none when it wrote nothing.
    pub(crate) fn of(tx: Tx, rows: u64) -> Option<Self> {
        (rows > 0).then_some(Self { tx, rows })
    }

    /// How many rows.
    pub const fn rows(&self) -> u64 {
        self.rows
    }

    /// Keeps them.
    pub async fn keep(self) -> Result<()> {
        self.tx.commit().await
    }
}

impl Store {
    /// One statement, to be kept; none when it changes nothing.
    pub(crate) async fn hold(&self, statement: Query<'_>) -> Result<Option<Held>> {
        let mut tx = self.pools.begin().await?;
        let rows = tx.run(statement).await?;
        Ok(Held::of(tx, rows))
    }
}
