//! The signed heads of the ledger's chains, out of the copy: every chain's, newest first, page by page. What a record says is for the
//! caller to read; here it is a text. Called by `control::checkpoints`.

use domain::{OrgId, Timestamp, limits};
use sqlx::query;

use crate::search::{Place, place};
use crate::{Result, Store};

/// The words every record of a checkpoint begins with; a member's order is that of its declaration.
macro_rules! checkpoints {
    ($rest:literal) => {
        concat!(
            "SELECT at, chain, seq, body FROM ledger_records WHERE org = $1 AND kind = 'system' \
             AND body LIKE '{\"kind\":\"system\",\"event\":\"checkpoint\",%' ",
            $rest
        )
    };
}

impl Store {
    /// At most `limit` records of checkpoints, newest first, and whether there are more; with a chain, its own alone.
    pub async fn checkpoint_records(
        &self,
        org: OrgId,
        chain: Option<&str>,
        after: Option<&Place>,
        limit: u32,
    ) -> Result<(Vec<(Place, String)>, bool)> {
        let limit = limit.min(limits::STORE_PAGE_MAX);
        let statement = query(checkpoints!(
            "AND ($2 = '' OR chain = $2) AND (at, chain, seq) < ($3, $4, $5) \
             ORDER BY at DESC, chain DESC, seq DESC LIMIT $6"
        ))
        .bind(org.to_string())
        .bind(chain.unwrap_or_default())
        .bind(after.map_or(i64::MAX, |place| Timestamp::unix_ms(place.at)))
        .bind(after.map_or("", |place| place.chain.as_str()))
        .bind(after.map_or(i64::MAX, |place| bounded(place.seq)))
        .bind(i64::from(limit) + 1);
        let rows = self.pools.rows(statement).await?;
        let wanted = rows.iter().take(limit as usize);
        let found = wanted.map(read).collect::<Result<Vec<_>>>()?;
        let more = rows.len() > found.len();
        Ok((found, more))
    }

    /// The record that stands at this number of a chain, if it is a checkpoint's.
    pub async fn checkpoint_record(
        &self,
        org: OrgId,
        chain: &str,
        seq: u64,
    ) -> Result<Option<(Place, String)>> {
        let statement = query(checkpoints!("AND chain = $2 AND seq = $3 LIMIT 1"));
        let statement = statement.bind(org.to_string()).bind(chain);
        let row = self.pools.row(statement.bind(bounded(seq))).await?;
        row.as_ref().map(read).transpose()
    }
}

fn bounded(seq: u64) -> i64 {
    i64::try_from(seq).unwrap_or(i64::MAX)
}

fn read(row: &sqlx::any::AnyRow) -> Result<(Place, String)> {
    Ok((place(row)?, sqlx::Row::try_get(row, 3)?))
}
