//! Checkpoints: the signed heads of the ledger's chains, every replica's. Whoever kept one can ask for it again later and compare; that
//! one is signed by whom it says is for them to find out, with the key they were given (`doorward ledger verify --key`). What is answered
//! comes from the store's copy, which follows the ledger by less than a second.

use ledger::Checkpoint;
use ledger::record::{Record, System};
use store::StoreError;
use store::search::Place;

use crate::access::Right;
use crate::{ControlError, Operation};

/// A checkpoint, and where its own record stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The place of the record that holds it; the key of the next page.
    pub place: Place,
    /// The signed head.
    pub checkpoint: Checkpoint,
}

impl Found {
    /// What to ask for it by: its chain and the number of the last record that it covers.
    pub fn id(&self) -> String {
        format!("{}.{}", self.checkpoint.chain, self.checkpoint.seq)
    }
}

/// Checkpoints, newest first, and whether there are more; with a chain, its own alone.
pub async fn list(
    operation: &Operation<'_>,
    chain: Option<&str>,
    after: Option<&Place>,
    limit: u32,
) -> Result<(Vec<Found>, bool), ControlError> {
    operation.require(Right::LedgerRead)?;
    let (store, org) = (operation.store, operation.org);
    let (records, more) = store.checkpoint_records(org, chain, after, limit).await?;
    let found = records.into_iter().map(read).collect::<Result<_, _>>()?;
    Ok((found, more))
}

/// The checkpoint of this id, [`Found::id`].
pub async fn one(operation: &Operation<'_>, id: &str) -> Result<Found, ControlError> {
    operation.require(Right::LedgerRead)?;
    let unknown = || ControlError::NoSuch("checkpoint");
    let (chain, covered) = parts(id).ok_or_else(unknown)?;
    let (store, org) = (operation.store, operation.org);
    // A checkpoint covers the record before its own.
    let seq = covered.saturating_add(1);
    let record = store.checkpoint_record(org, chain, seq).await?;
    read(record.ok_or_else(unknown)?)
}

/// A chain, and a number as numbers are written.
fn parts(id: &str) -> Option<(&str, u64)> {
    let (chain, number) = id.rsplit_once('.')?;
    let seq: u64 = number.parse().ok()?;
    (seq.to_string() == number).then_some((chain, seq))
}

fn read((place, body): (Place, String)) -> Result<Found, ControlError> {
    let damaged = || StoreError::Damaged("ledger_records.body");
    match serde_json::from_str(&body) {
        Ok(Record::System(System {
            checkpoint: Some(checkpoint),
            ..
        })) => Ok(Found { place, checkpoint }),
        _ => Err(damaged().into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_chain_and_a_plain_number() {
        assert_eq!(parts("gw-1.3.17"), Some(("gw-1.3", 17)));
        assert_eq!(parts("gw-1.3.0"), Some(("gw-1.3", 0)));
        for other in [
            "",
            "17",
            "gw-1.+7",
            "gw-1.07",
            "gw-1.",
            "gw-1.-1",
            "gw.18446744073709551616",
        ] {
            assert_eq!(parts(other), None, "{other}");
        }
    }
}
