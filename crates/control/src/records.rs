//! The ledger as it can be searched: the store's copy, which follows the ledger by less than a second. A record is returned as it was
//! written. What proves that none is missing is the ledger's own files: `doorward ledger export` and `ledger verify`.

use std::collections::BTreeMap;

use domain::{Timestamp, limits};
pub use ledger::record::{
    Change, ChangeKind, Decision, Door, Ended, Finding, Kind, Origin, Outcome, Record,
    RecordedReason, SessionChange, SessionEvent, SignIn, System, SystemEvent, Text, Verdict,
};
pub use store::OtherChain;
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

/// The record at a place, as it was written.
pub async fn read(operation: &Operation<'_>, place: &Place) -> Result<FoundRecord, ControlError> {
    operation.require(Right::LedgerRead)?;
    let found = operation.store.record_at(operation.org, place).await?;
    found.ok_or(ControlError::NoSuch("record"))
}

/// Every record of one request, newest first.
pub async fn of_request(
    operation: &Operation<'_>,
    request: &str,
) -> Result<Vec<FoundRecord>, ControlError> {
    let sought = Sought {
        request: Some(request.to_owned()),
        ..Sought::default()
    };
    Ok(search(operation, &sought, RECORDS_OF_A_REQUEST).await?.0)
}

/// A request leaves a decision and an outcome; more would be a fault, and is shown.
const RECORDS_OF_A_REQUEST: u32 = 20;

/// What the copy holds, typed; none for a record of a later version.
pub fn decoded(found: &FoundRecord) -> Option<Record> {
    serde_json::from_str(&found.body).ok()
}

/// How these requests ended, by request; those that have not are left out.
pub async fn outcomes(
    operation: &Operation<'_>,
    requests: &[String],
) -> Result<BTreeMap<String, Outcome>, ControlError> {
    operation.require(Right::LedgerRead)?;
    let found = operation.store.outcomes_of(operation.org, requests).await?;
    let read = |body: String| match serde_json::from_str(&body) {
        Ok(Record::Outcome(outcome)) => Some((outcome.request.to_string(), outcome)),
        _ => None,
    };
    Ok(found.into_iter().filter_map(read).collect())
}

/// Records of which each was looked at.
#[derive(Debug, Clone)]
pub struct Sifted {
    /// Those that were wanted, newest first.
    pub found: Vec<FoundRecord>,
    /// How many were looked at.
    pub looked_at: usize,
    /// From where to look on; none when nothing is left.
    pub next: Option<Place>,
}

/// At most `limit` records that `is_wanted`, newest first, of no more than [`limits::LEDGER_SIFT_RECORDS`] that are looked at: what the
/// store has no index for is found by reading, a stretch at a time.
pub async fn sift(
    operation: &Operation<'_>,
    sought: &Sought,
    limit: u32,
    is_wanted: impl Fn(&Record) -> bool,
) -> Result<Sifted, ControlError> {
    operation.require(Right::LedgerRead)?;
    let most = limits::LEDGER_SIFT_RECORDS;
    sifted(operation, sought, (limit, most), is_wanted).await
}

/// One's own requests that were refused, newest first, among the latest that one made.
pub async fn own_refusals(
    operation: &Operation<'_>,
    since: Timestamp,
    limit: u32,
) -> Result<Sifted, ControlError> {
    operation.require(Right::OwnRead)?;
    let person = operation.actor.person_id();
    let person = person.ok_or(ControlError::Forbidden(Right::OwnRead))?;
    let sought = Sought {
        subject: Some(person.to_string()),
        kind: Some(Kind::Decision.as_str().to_owned()),
        since: Some(since),
        ..Sought::default()
    };
    sifted(operation, &sought, (limit, OWN_LOOKED_AT), is_refused).await
}

/// Whether a record says no to a request.
pub fn is_refused(record: &Record) -> bool {
    matches!(record, Record::Decision(decision) if !decision.verdict.is_allowed())
}

async fn sifted(
    operation: &Operation<'_>,
    sought: &Sought,
    (limit, most): (u32, usize),
    is_wanted: impl Fn(&Record) -> bool,
) -> Result<Sifted, ControlError> {
    let at_once = u32::try_from(most).map_or(SIFTED_AT_ONCE, |most| most.min(SIFTED_AT_ONCE));
    let mut sifted = Sifted {
        found: Vec::new(),
        looked_at: 0,
        next: None,
    };
    let mut sought = sought.clone();
    loop {
        let (store, org) = (operation.store, operation.org);
        let (found, more) = store.search_records(org, &sought, at_once).await?;
        let in_all = found.len();
        for (place, record) in (1..).zip(found) {
            sifted.looked_at += 1;
            sought.after = Some(record.place.clone());
            if decoded(&record).is_some_and(|record| is_wanted(&record)) {
                sifted.found.push(record);
            }
            if sifted.found.len() == limit as usize {
                sifted.next = sought.after.filter(|_| more || place < in_all);
                return Ok(sifted);
            }
        }
        if !more || sifted.looked_at >= most {
            sifted.next = sought.after.filter(|_| more);
            return Ok(sifted);
        }
    }
}

/// One's own latest requests that are looked through for refused ones, each time one's page is shown.
const OWN_LOOKED_AT: usize = 200;

/// Records that are read at once while sifting.
const SIFTED_AT_ONCE: u32 = 500;

/// How far the copy is that every page and sum is read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// The time of its newest record; none while it has none.
    pub newest: Option<Timestamp>,
    /// Records of this replica that are durable and not in it yet.
    pub missing: u64,
    /// Other replicas, each with its newest record that is in it. What they wrote and have not shipped nobody knows here.
    pub others: Vec<OtherChain>,
}

/// How far the copy is. Whoever sees a sum may see how old it is.
pub async fn copied(operation: &Operation<'_>) -> Result<Copied, ControlError> {
    operation.require(Right::OrgRead)?;
    let (store, org) = (operation.store, operation.org);
    let newest = store.search_records(org, &Sought::default(), 1).await?.0;
    let chain = operation.ledger.chain().to_string();
    let next = store.ledger_cursor(&chain).await?;
    let durable = operation.ledger.status().durable.seq;
    Ok(Copied {
        newest: newest.first().map(|record| record.place.at),
        missing: (durable + 1).saturating_sub(next),
        others: store.other_chains(org, &chain).await?,
    })
}
