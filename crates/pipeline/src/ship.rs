//! The ledger's copy in the store, and what is counted from it. Follows the ledger batch by batch; a batch and the cursor after it
//! are one transaction, so that sums equal the records whatever dies when.
//!
//! At the start of the process [`recover`] gives an outcome to calls that a crash left without one, counting what had been
//! reserved as spent, and [`restore`] tells the quota what was spent before.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use actions::injection::Sign;
use domain::window::Period;
use domain::{OrgId, ReasonCode, Timestamp, Usage, Usd, limits};
use ledger::read::{Batch, Cursor, Entry, ReadError, Reader, Tail};
use ledger::record::{Decision, Ended, Outcome, System};
use ledger::{ChainId, Hash, Ledger, Line, Position, Record};
use store::ledger::Batch as Shipment;
use store::{Certainty, ConnectorUse, LedgerRow, RefusalHour, Spending, Store, UsageHour};

use crate::Metrics;
use crate::claim::{Claim, Lost};
use crate::quota::Quota;
use crate::quota::budget::{Key, paid_from_names};

/// How long to wait after the store failed.
const RETRY_MS: u64 = 1_000;

/// Ships for as long as the ledger is open. Call with the position that [`catch_up`] returned. A fork ends the claim on the chain.
pub async fn follow(
    store: &Store,
    org: OrgId,
    folder: &Path,
    ledger: Arc<Ledger>,
    (from, metrics, claim): (Position, &Metrics, &Claim),
) {
    let mut tail = Tail::new(folder, from, ledger.durable());
    let chain = ledger.chain().as_str().to_owned();
    drop(ledger);
    loop {
        let at = tail.position();
        let batch = match tail.next().await {
            Ok(Some(batch)) => batch,
            Ok(None) => return,
            Err(error) => {
                tracing::error!(error = %error, "the ledger cannot be read back; its copy waits");
                tokio::time::sleep(Duration::from_millis(RETRY_MS)).await;
                continue;
            }
        };
        match ship(store, org, &chain, at, &batch, Copying::Live).await {
            Ok(unread) => metrics.left_out(unread),
            Err(store::StoreError::Fork(seq)) => {
                claim.lose(store, Lost::Forked(seq)).await;
                tail.rewind(at);
                tokio::time::sleep(Duration::from_millis(RETRY_MS)).await;
            }
            Err(error) => {
                tracing::warn!(error = %error, "the store does not take records; they wait in the spool");
                tail.rewind(at);
                tokio::time::sleep(Duration::from_millis(RETRY_MS)).await;
            }
        }
    }
}

/// Which chain is shipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Copying {
    /// One that this process goes on with: it must follow what was shipped before.
    Live,
    /// One that nobody goes on with, which was put back as it was, damage and all.
    Closed,
}

/// Ships a batch and returns how many of its lines could not be read. Those have no row in the copy and no part in its sums; the chain
/// goes on after them, because one damaged line must not hold up every record that comes later.
async fn ship(
    store: &Store,
    org: OrgId,
    chain: &str,
    at: Position,
    batch: &Batch,
    copying: Copying,
) -> Result<u64, store::StoreError> {
    let Some(end) = batch.end() else {
        return Ok(0);
    };
    let (whole, unread) = shipment(org, batch, copying);
    let shipped = match store.ship(chain, at.seq + 1, end.seq + 1, &whole).await {
        // A commit whose answer was lost had shipped the beginning of what is a longer batch by now.
        Err(store::StoreError::Cursor { next }) if next > at.seq + 1 => {
            let mut rest = batch.clone();
            rest.entries.retain(|entry| entry.position.seq >= next);
            store
                .ship(chain, next, end.seq + 1, &shipment(org, &rest, copying).0)
                .await?
        }
        other => other?,
    };
    if !shipped {
        tracing::debug!(from = at.seq + 1, "records had been shipped before");
    }
    for seq in &unread {
        tracing::error!(
            chain,
            seq,
            "a record of the ledger cannot be read: its row and its money are missing in the store; `doorward ledger verify` says more"
        );
    }
    Ok(unread.len() as u64)
}

/// What the store keeps of a batch, and the numbers of the records that cannot be read.
fn shipment(org: OrgId, batch: &Batch, copying: Copying) -> (Shipment, Vec<u64>) {
    let (mut shipment, mut unread) = (Shipment::default(), Vec::new());
    if copying == Copying::Live {
        let line = |entry: Option<&Entry>, of: fn(&Line<'_>) -> Hash| {
            Some(of(&entry?.decode().ok()?).to_string())
        };
        shipment.follows = line(batch.entries.first(), |line| line.prev);
        shipment.hash = line(batch.entries.last(), |line| line.hash);
    }
    for entry in &batch.entries {
        let read = entry.decode();
        let read = read.and_then(|line| line.record().map(|record| (line, record)));
        let Ok((line, record)) = read else {
            unread.push(entry.position.seq);
            continue;
        };
        let (request, subject) = about(&record);
        shipment.rows.push(LedgerRow {
            org,
            at: line.time,
            seq: line.seq,
            kind: record.kind().as_str().to_owned(),
            request_id: request,
            subject,
            body: line.record.to_owned(),
        });
        match &record {
            Record::Outcome(outcome) => {
                count_outcome(org, line.time, outcome, &mut shipment);
                let shaped = shaped_answer(org, line.time, outcome);
                shipment.connector_uses.extend(shaped);
            }
            Record::Decision(decision) if !decision.verdict.is_allowed() => {
                count_refusal(org, line.time, decision, &mut shipment);
            }
            Record::Decision(decision) => {
                let used = use_of_connector(org, line.time, decision);
                shipment.connector_uses.extend(used);
            }
            Record::System(system) => shipment
                .usage
                .extend(usage_of_strangers(org, line.time, system)),
            _ => {}
        }
    }
    (shipment, unread)
}

fn about(record: &Record) -> (Option<String>, Option<String>) {
    match record {
        Record::Decision(decision) => (
            Some(decision.request.to_string()),
            decision
                .actor
                .as_ref()
                .map(|actor| actor.subject.to_string()),
        ),
        Record::Outcome(outcome) => (
            Some(outcome.request.to_string()),
            outcome.subject.map(|subject| subject.to_string()),
        ),
        _ => (None, None),
    }
}

fn count_outcome(org: OrgId, at: Timestamp, outcome: &Outcome, shipment: &mut Shipment) {
    let text = |name: &Option<ledger::record::Name>| {
        name.as_ref()
            .map_or(String::new(), |name| name.as_str().to_owned())
    };
    shipment.usage.push(UsageHour {
        org,
        at,
        requests: 1,
        // A call that names nobody is counted as nobody's, so that no money of the ledger is missing from the sums.
        subject: outcome
            .subject
            .map_or_else(String::new, |subject| subject.to_string()),
        model: text(&outcome.model),
        client: outcome
            .client
            .map_or("other", domain::ClientKind::as_str)
            .to_owned(),
        upstream: text(&outcome.upstream),
        outcome: outcome.ended.as_str().to_owned(),
        usage: outcome.usage,
        cost: outcome.cost,
        certainty: match outcome {
            Outcome { unpriced: true, .. } => Certainty::Unpriced,
            Outcome {
                estimated: true, ..
            } => Certainty::Estimated,
            _ => Certainty::Known,
        },
    });
    let Some(subject) = outcome.subject else {
        return;
    };
    if outcome.cost > Usd::ZERO {
        let began = outcome.began.unwrap_or(at);
        let shared: Vec<&str> = outcome
            .paid_from
            .iter()
            .map(ledger::record::Name::as_str)
            .collect();
        shipment
            .spending
            .extend(
                paid_from_names(subject, &shared)
                    .into_iter()
                    .map(|(key, period)| Spending {
                        org,
                        purse: key.to_string(),
                        period,
                        at: began,
                        cost: outcome.cost,
                    }),
            );
    }
}

fn count_refusal(org: OrgId, at: Timestamp, decision: &Decision, shipment: &mut Shipment) {
    shipment.usage.push(usage_of_refusal(org, at, decision));
    let codes = decision.verdict.reasons().iter();
    let codes = codes.filter_map(|reason| known(reason.code.as_str()));
    let refusal = |code| RefusalHour { org, at, code };
    shipment.refusals.extend(codes.map(refusal));
}

fn use_of_connector(org: OrgId, at: Timestamp, decision: &Decision) -> Option<ConnectorUse> {
    Some(ConnectorUse {
        org,
        at,
        connector: decision.connector.as_ref()?.connector.as_str().to_owned(),
        subject: decision.actor.as_ref()?.subject.to_string(),
        is_shaped: false,
    })
}

/// An answer of a connector that is shaped like an order. Nothing else is looked at for such signs.
fn shaped_answer(org: OrgId, at: Timestamp, outcome: &Outcome) -> Option<ConnectorUse> {
    let mut signs = outcome.findings.iter();
    signs.find(|finding| Sign::named(finding.detector.as_str()).is_some())?;
    Some(ConnectorUse {
        org,
        at,
        connector: outcome.upstream.as_ref()?.as_str().to_owned(),
        subject: outcome.subject?.to_string(),
        is_shaped: true,
    })
}

/// The code of ours that this is; a record of a later program may name others, and the last of many says how many are missing.
fn known(code: &str) -> Option<&'static str> {
    let all = ReasonCode::ALL.iter().map(|known| known.as_str());
    all.into_iter().find(|known| *known == code)
}

fn usage_of_refusal(org: OrgId, at: Timestamp, decision: &Decision) -> UsageHour {
    let subject = decision
        .actor
        .as_ref()
        .map_or_else(String::new, |actor| actor.subject.to_string());
    // A refused model's name is what a caller made up; only what was allowed is counted by model.
    UsageHour {
        org,
        at,
        requests: 1,
        subject,
        model: String::new(),
        client: decision.origin.client.as_str().to_owned(),
        upstream: String::new(),
        outcome: "refused".to_owned(),
        usage: Usage::default(),
        cost: Usd::ZERO,
        certainty: Certainty::Known,
    }
}

/// Refused calls that have no record each. They are told by address, not by program.
fn usage_of_strangers(org: OrgId, at: Timestamp, system: &System) -> Option<UsageHour> {
    let requests = system.refused_calls.filter(|calls| *calls > 0)?;
    Some(UsageHour {
        org,
        at: system.since.unwrap_or(at),
        requests,
        subject: String::new(),
        model: String::new(),
        client: domain::ClientKind::Other.as_str().to_owned(),
        upstream: String::new(),
        outcome: "refused".to_owned(),
        usage: Usage::default(),
        cost: Usd::ZERO,
        certainty: Certainty::Known,
    })
}

/// Why the process cannot take up where it was.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    /// The spool cannot be read.
    #[error("the ledger cannot be read")]
    Read(#[from] ReadError),
    /// The ledger cannot be written.
    #[error("the ledger cannot be written")]
    Write(#[from] ledger::LedgerError),
    /// The store cannot be written.
    #[error("the store cannot be written")]
    Store(#[from] store::StoreError),
    /// The store has other records of the chain, or later ones: the folder is a copy, or was put back from one.
    #[error(
        "the store has record {shipped} of the ledger's chain {chain}, and this ledger does not lead up to it: its folder is an older copy, or belongs to a process that goes on elsewhere. Keep it for `doorward ledger verify`, and give this process an empty one (ledger.dir)"
    )]
    NotOurs {
        /// Which chain.
        chain: String,
        /// The last record of it that the store has.
        shipped: u64,
    },
}

/// Gives an outcome to every call that a crash left without one: lost, at the price of its reservation. Before new requests. Reads
/// on from where the last start stopped, so that a long ledger does not make for a long start.
pub async fn recover(folder: &Path, ledger: &Ledger) -> Result<usize, RecoverError> {
    let cursor = Cursor::at(folder.join("recovered.cursor"));
    let from = cursor.load().map_err(ReadError::from)?;
    let (lost, up_to) = ledger::read::unfinished(folder, from)?;
    for decision in &lost {
        let mut outcome = Outcome::of(decision, Ended::Lost);
        outcome.cost = decision.reserved;
        outcome.estimated = true;
        ledger.append(Record::Outcome(outcome)).await?;
    }
    cursor.store(up_to).map_err(ReadError::from)?;
    Ok(lost.len())
}

/// Ships all that is durable and returns where it stopped.
pub async fn catch_up(
    store: &Store,
    org: OrgId,
    folder: &Path,
    ledger: &Ledger,
) -> Result<Position, RecoverError> {
    let (chain, durable) = (ledger.chain(), ledger.durable());
    let (next, hash) = store.ledger_end(chain.as_str()).await?;
    let shipped = next.saturating_sub(1);
    if shipped > durable.borrow().seq || !leads_up_to(folder, shipped, hash).await? {
        let chain = chain.as_str().to_owned();
        return Err(RecoverError::NotOurs { chain, shipped });
    }
    ship_up_to(store, org, folder, chain, (durable, Copying::Live)).await
}

/// Whether the record of this number that stands in the folder is the one that was shipped, as far as both are known.
async fn leads_up_to(folder: &Path, seq: u64, hash: Option<String>) -> Result<bool, ReadError> {
    let Some(hash) = hash.filter(|_| seq > 0) else {
        return Ok(true);
    };
    let folder = folder.to_owned();
    let read = move || Reader::from(&folder, Position::after(seq - 1)).read();
    let entry = tokio::task::spawn_blocking(read).await;
    let entry = entry.map_err(std::io::Error::other)??;
    // A line that is damaged says nothing; what follows it is compared when it is shipped.
    let here = entry.filter(|entry| entry.position.seq == seq);
    let here = here.and_then(|entry| Some(entry.decode().ok()?.hash.to_string()));
    Ok(here.is_none_or(|here| here == hash))
}

/// Ships what the store lacks of a chain that nobody goes on with, up to its last record.
pub async fn ship_closed(
    store: &Store,
    org: OrgId,
    folder: &Path,
    chain: &ChainId,
    last: u64,
) -> Result<Position, RecoverError> {
    let (_end, durable) = tokio::sync::watch::channel(Position::after(last));
    ship_up_to(store, org, folder, chain, (durable, Copying::Closed)).await
}

async fn ship_up_to(
    store: &Store,
    org: OrgId,
    folder: &Path,
    chain: &ChainId,
    (durable, copying): (tokio::sync::watch::Receiver<Position>, Copying),
) -> Result<Position, RecoverError> {
    let chain = chain.as_str();
    let shipped = store.ledger_cursor(chain).await?.saturating_sub(1);
    let mut tail = Tail::new(folder, Position::after(shipped), durable);
    while tail.position().seq < tail.durable().seq {
        let at = tail.position();
        let Some(batch) = tail.next().await? else {
            break;
        };
        ship(store, org, chain, at, &batch, copying).await?;
    }
    Ok(tail.position())
}

/// Tells the quota what every purse has spent in the periods that are under way. When something was spent in later windows than
/// the clock's, the clock was set back, and those later windows are the ones under way.
pub async fn restore(
    store: &Store,
    org: OrgId,
    chain: &str,
    quota: &Quota,
    now: Timestamp,
) -> Result<(), store::StoreError> {
    // Every call is counted for its day as well.
    let stored = store.latest_window(org, Period::Daily).await?;
    let at = under_way(stored, now);
    for period in Period::ALL {
        for spent in store.spent(org, chain, period, at).await? {
            if let Some(key) = Key::parse(&spent.purse) {
                quota.restore(&key, period, (spent.here, spent.elsewhere), at);
            }
        }
    }
    Ok(())
}

fn under_way(stored: Option<Timestamp>, now: Timestamp) -> Timestamp {
    let Some(later) = stored.filter(|stored| *stored > now) else {
        return now;
    };
    if later.ms_since(now) > limits::CLOCK_BACK_MAX_MS {
        tracing::error!(
            stored = %later,
            "something was spent in a far future; that moment is taken for wrong, and budgets go by the clock"
        );
        return now;
    }
    tracing::warn!(
        until = %later,
        "the clock was set back; budgets stay in the later windows until it has caught up"
    );
    later
}
