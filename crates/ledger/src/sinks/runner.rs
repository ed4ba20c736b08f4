//! Drives one sink: reads a batch, sends it until it is taken, keeps the place, reads the next.

use std::time::Duration;

use domain::limits::{SINK_BACKOFF_MAX_MS, SINK_BACKOFF_MS};
use tokio::sync::watch;

use super::{Sink, SinkError, StatusHandle};
use crate::Position;
use crate::read::{Batch, Cursor, ReadError, Tail};

/// Feeds a sink from its cursor on until the ledger is closed and all has arrived, or one try after the closing fails. Dropping
/// the future at any point loses nothing. An error means the spool itself cannot be read.
pub async fn run<S: Sink>(
    sink: &S,
    folder: &std::path::Path,
    durable: watch::Receiver<Position>,
    cursor: &Cursor,
    status: &StatusHandle,
) -> Result<(), ReadError> {
    let from = cursor.load()?;
    let mut tail = Tail::new(folder, from, durable.clone());
    status.update(|status| {
        status.sent_seq = from.seq;
        status.durable_seq = tail.durable().seq;
    });
    while let Some(batch) = tail.next().await? {
        status.update(|status| status.durable_seq = tail.durable().seq);
        if !deliver(sink, &batch, &durable, status).await {
            return Ok(());
        }
        if let Err(error) = cursor.store(tail.position()) {
            // the records have arrived; after a restart they come again
            tracing::warn!(%error, sink = sink.name(), "a sink's place cannot be kept");
        }
        status.update(|status| status.durable_seq = tail.durable().seq);
    }
    Ok(())
}

/// Sends a batch until it is taken. False when the ledger was closed and the sink did not take it.
async fn deliver<S: Sink>(
    sink: &S,
    batch: &Batch,
    durable: &watch::Receiver<Position>,
    status: &StatusHandle,
) -> bool {
    // a batch that is refused is sent record by record, so that one bad record does not hold back the others
    let singles = match try_until_taken(sink, batch, durable, status).await {
        Outcome::Taken => return true,
        Outcome::GivenUp => return false,
        Outcome::Refused if batch.entries.len() > 1 => batch
            .entries
            .iter()
            .map(|entry| Batch {
                entries: vec![entry.clone()],
            })
            .collect(),
        Outcome::Refused => vec![batch.clone()],
    };
    for single in &singles {
        let outcome = if singles.len() == 1 {
            Outcome::Refused
        } else {
            try_until_taken(sink, single, durable, status).await
        };
        match outcome {
            Outcome::Taken => {}
            Outcome::GivenUp => return false,
            Outcome::Refused => {
                let seq = single.end().unwrap_or_default().seq;
                tracing::error!(
                    sink = sink.name(),
                    seq,
                    "a sink refuses a record; it is passed over"
                );
                status.update(|status| {
                    status.refused_records += 1;
                    status.sent_seq = seq;
                });
            }
        }
    }
    true
}

enum Outcome {
    Taken,
    Refused,
    GivenUp,
}

async fn try_until_taken<S: Sink>(
    sink: &S,
    batch: &Batch,
    durable: &watch::Receiver<Position>,
    status: &StatusHandle,
) -> Outcome {
    let mut failures = 0;
    loop {
        let is_closed = durable.has_changed().is_err();
        match sink.send(batch).await {
            Ok(()) => {
                took(batch, status);
                return Outcome::Taken;
            }
            Err(SinkError::Refused(why)) => {
                status.update(|status| status.last_error = Some(why));
                return Outcome::Refused;
            }
            Err(SinkError::Later(why, after)) => {
                failures += 1;
                if failures == 1 {
                    tracing::warn!(sink = sink.name(), error = %why, "a sink takes no records; it is tried again");
                }
                status.update(|status| {
                    status.failures = failures;
                    status.last_error = Some(why);
                    status.durable_seq = durable.borrow().seq;
                });
                if is_closed {
                    return Outcome::GivenUp;
                }
                wait(failures, after, durable).await;
            }
        }
    }
}

fn took(batch: &Batch, status: &StatusHandle) {
    let end = batch.end().unwrap_or_default();
    let time = batch
        .entries
        .last()
        .and_then(|entry| Some(entry.decode().ok()?.time));
    status.update(|status| {
        status.sent_seq = end.seq;
        status.sent_time = time.or(status.sent_time);
        status.sent_records += u64::try_from(batch.entries.len()).unwrap_or(u64::MAX);
        status.failures = 0;
        status.last_error = None;
    });
}

/// Waits as long as the sink asked, else twice as long each time; no longer than the ledger is open.
async fn wait(failures: u32, asked: Option<Duration>, durable: &watch::Receiver<Position>) {
    let doubled = SINK_BACKOFF_MS.saturating_mul(1 << failures.saturating_sub(1).min(16));
    let longest = Duration::from_millis(SINK_BACKOFF_MAX_MS);
    let time = asked.unwrap_or(Duration::from_millis(doubled)).min(longest);
    let mut closed = durable.clone();
    // never true, so this ends with the ledger or with the time
    let _ = tokio::time::timeout(time, closed.wait_for(|_| false)).await;
}
