//! The ledger as it can be searched: the store's copy, which follows the ledger by less than a second. A record is returned as it was
//! written. What proves that none is missing is the ledger's own files: `doorward ledger export` and `ledger verify`.

use domain::Timestamp;
pub use store::search::{FoundRecord, Place, Sought};

use crate::access::Right;
use crate::{ControlError, Operation};

/// At most `limit` records, newest first, and whether there are more.
pub async fn search(
    operation: &Operation<'_>,
    sought: &Sought,
    limit: u32,
) -> Result<(Vec<FoundRecord>, bool), ControlError> {
    operation.require(Right::LedgerRead)?;
    let store = operation.store;
    Ok(store.search_records(operation.org, sought, limit).await?)
}

/// Where this replica's ledger stands.
#[derive(Debug, Clone)]
pub struct Head {
    /// Its chain.
    pub chain: String,
    /// The key that its checkpoints are signed with.
    pub public_key: String,
    /// The number of its last durable record.
    pub seq: u64,
    /// Records that wait for the disk.
    pub waiting: usize,
    /// When this was so.
    pub at: Timestamp,
}

/// Where this replica's ledger stands now, and the key that verifies it.
pub fn head(operation: &Operation<'_>) -> Result<Head, ControlError> {
    operation.require(Right::LedgerRead)?;
    let status = operation.ledger.status();
    Ok(Head {
        chain: operation.ledger.chain().to_string(),
        public_key: operation.ledger.public_key().to_string(),
        seq: status.durable.seq,
        waiting: status.waiting,
        at: operation.clock.now(),
    })
}
