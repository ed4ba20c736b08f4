//! The bounded queue between callers and the writer's thread. One lock, held for a push or a swap; a sleeping writer is woken,
//! a busy one is not, so that a record costs no system call of its own. Notes alone are left waiting for a moment, so that the
//! next append does not find the disk busy with them.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use domain::Timestamp;
use domain::limits::{
    CALLS_MAX, LEDGER_BATCH_BYTES_MAX, LEDGER_NOTE_WAIT_MS, LEDGER_QUEUE_BYTES_MAX,
    LEDGER_QUEUE_MAX,
};
use tokio::sync::{Notify, oneshot};

use crate::{LedgerError, Receipt};

/// A record on its way to the disk.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) time: Timestamp,
    pub(crate) json: Vec<u8>,
    /// Whom to tell; none for a note.
    pub(crate) done: Option<oneshot::Sender<Result<Receipt, LedgerError>>>,
}

/// Why an entry was not taken.
#[derive(Debug)]
pub(crate) enum NotTaken {
    /// No room now; the entry comes back.
    Full(Entry),
    /// The ledger takes none.
    Closed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gate {
    /// Everything is taken.
    Open,
    /// The disk fails: notes are kept for later, appends are refused.
    Shut,
    /// The writer has ended.
    Ended,
}

/// What a waiting writer wants to be woken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sleep {
    /// It is busy, or looks by itself.
    Awake,
    /// Any entry.
    ForAny,
    /// An append; it knows of the notes.
    ForAppend,
}

#[derive(Debug)]
struct State {
    entries: VecDeque<Entry>,
    /// How many of the entries are appends.
    appends: usize,
    bytes: usize,
    gate: Gate,
    stop: bool,
    /// The chain must not go on here: appends are refused for good, notes are still kept.
    is_braked: bool,
    sleep: Sleep,
    /// When the oldest entry came.
    since: Instant,
    refused: u64,
}

#[derive(Debug)]
pub(crate) struct Queue {
    state: Mutex<State>,
    wake: Condvar,
    space: Notify,
}

/// What the writer took.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) entries: Vec<Entry>,
    /// The ledger is being closed, and nothing is left behind these entries.
    pub(crate) stop: bool,
}

impl State {
    /// Whether the entries are worth a write of their own now: somebody waits for one, or they fill it.
    fn is_due(&self) -> bool {
        self.appends > 0 || self.bytes >= LEDGER_BATCH_BYTES_MAX
    }
}

impl Queue {
    pub(crate) fn new() -> Self {
        let state = State {
            entries: VecDeque::new(),
            appends: 0,
            bytes: 0,
            gate: Gate::Open,
            stop: false,
            is_braked: false,
            sleep: Sleep::Awake,
            since: Instant::now(),
            refused: 0,
        };
        Self {
            state: Mutex::new(state),
            wake: Condvar::new(),
            space: Notify::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // every change below is complete before the lock is let go, so a panic elsewhere leaves it sound
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes an entry at once or says why not. The last [`CALLS_MAX`] places and half of the bytes are kept for notes, so that
    /// the outcome of each running call finds room.
    pub(crate) fn push(&self, entry: Entry) -> Result<(), NotTaken> {
        let mut state = self.state();
        let is_append = entry.done.is_some();
        match state.gate {
            Gate::Ended => return Err(NotTaken::Closed),
            Gate::Shut if is_append => {
                state.refused += 1;
                return Err(NotTaken::Closed);
            }
            Gate::Open if is_append && state.is_braked => return Err(NotTaken::Closed),
            Gate::Open | Gate::Shut => {}
        }
        let (records_max, bytes_max) = if is_append {
            (LEDGER_QUEUE_MAX - CALLS_MAX, LEDGER_QUEUE_BYTES_MAX / 2)
        } else {
            (LEDGER_QUEUE_MAX, LEDGER_QUEUE_BYTES_MAX)
        };
        if state.entries.len() >= records_max || state.bytes + entry.json.len() > bytes_max {
            return Err(NotTaken::Full(entry));
        }
        if state.entries.is_empty() {
            state.since = Instant::now();
        }
        state.bytes += entry.json.len();
        state.appends += usize::from(is_append);
        state.entries.push_back(entry);
        let wake = match state.sleep {
            Sleep::Awake => false,
            Sleep::ForAny => true,
            Sleep::ForAppend => state.is_due(),
        };
        if wake {
            state.sleep = Sleep::Awake;
            drop(state);
            self.wake.notify_one();
        }
        Ok(())
    }

    /// Takes an entry, waiting for room.
    pub(crate) async fn push_wait(&self, mut entry: Entry) -> Result<(), NotTaken> {
        loop {
            let mut space = std::pin::pin!(self.space.notified());
            // listen before looking, so that room made in between is noticed
            space.as_mut().enable();
            match self.push(entry) {
                Err(NotTaken::Full(back)) => entry = back,
                other => return other,
            }
            space.await;
        }
    }

    /// Waits for entries until `deadline` and takes them, up to a batch's size.
    pub(crate) fn take(&self, deadline: Option<Instant>) -> Taken {
        let mut state = self.state();
        while !state.stop && !state.is_due() {
            let notes_due = state.since + Duration::from_millis(LEDGER_NOTE_WAIT_MS);
            let (sleep, until) = if state.entries.is_empty() {
                (Sleep::ForAny, deadline)
            } else {
                (
                    Sleep::ForAppend,
                    Some(deadline.map_or(notes_due, |deadline| deadline.min(notes_due))),
                )
            };
            state.sleep = sleep;
            let Some(until) = until else {
                state = self
                    .wake
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state = self
                .wake
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        state.sleep = Sleep::Awake;
        let mut bytes = 0;
        let fits = |entry: &Entry| {
            bytes += entry.json.len();
            bytes <= LEDGER_BATCH_BYTES_MAX
        };
        // the bound of a record is far below that of a batch, so at least one fits
        let count = state
            .entries
            .iter()
            .map(fits)
            .take_while(|&fits| fits)
            .count();
        let entries: Vec<Entry> = state.entries.drain(..count).collect();
        state.bytes -= entries.iter().map(|entry| entry.json.len()).sum::<usize>();
        state.appends -= entries.iter().filter(|entry| entry.done.is_some()).count();
        let stop = state.stop && state.entries.is_empty();
        drop(state);
        self.space.notify_waiters();
        Taken { entries, stop }
    }

    /// The disk failed under `batch`: its notes go back to the front, its appends and all waiting ones are refused.
    pub(crate) fn shut(&self, batch: Vec<Entry>) {
        let mut state = self.state();
        state.gate = Gate::Shut;
        let waiting = std::mem::take(&mut state.entries);
        let (refused, kept): (Vec<_>, VecDeque<_>) =
            batch.into_iter().chain(waiting).partition_entries();
        state.bytes = kept.iter().map(|entry| entry.json.len()).sum();
        state.entries = kept;
        state.appends = 0;
        state.refused += u64::try_from(refused.len()).unwrap_or(u64::MAX);
        drop(state);
        for entry in refused {
            if let Some(done) = entry.done {
                // a caller who has left does not mind
                let _ = done.send(Err(LedgerError::Unavailable));
            }
        }
        self.space.notify_waiters();
    }

    /// Waits before the next try at a failing disk. True when the ledger is being closed.
    pub(crate) fn pause(&self, time: Duration) -> bool {
        let end = Instant::now() + time;
        let mut state = self.state();
        while !state.stop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            // pushes do not wake: `sleep` says awake
            state = self
                .wake
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        state.stop
    }

    /// How many appends were refused since the gate was shut.
    pub(crate) fn refused(&self) -> u64 {
        self.state().refused
    }

    /// Refuses every further append.
    pub(crate) fn brake(&self) {
        self.state().is_braked = true;
        self.space.notify_waiters();
    }

    /// The disk can be written again.
    pub(crate) fn reopen(&self) {
        let mut state = self.state();
        state.gate = Gate::Open;
        state.refused = 0;
    }

    /// Asks the writer to finish what waits and end.
    pub(crate) fn stop(&self) {
        self.state().stop = true;
        self.wake.notify_one();
    }

    /// The writer has ended; returns how many notes were left. Whoever waits for an append is told by its dropped sender.
    pub(crate) fn end(&self) -> usize {
        let mut state = self.state();
        state.gate = Gate::Ended;
        let left = std::mem::take(&mut state.entries);
        state.appends = 0;
        state.bytes = 0;
        drop(state);
        self.space.notify_waiters();
        left.iter().filter(|entry| entry.done.is_none()).count()
    }

    /// Whether new appends are taken, and how many records wait.
    pub(crate) fn status(&self) -> (bool, usize) {
        let state = self.state();
        (
            state.gate == Gate::Open && !state.is_braked,
            state.entries.len(),
        )
    }
}

trait PartitionEntries {
    /// Appends and notes, each in order.
    fn partition_entries(self) -> (Vec<Entry>, VecDeque<Entry>);
}

impl<I: Iterator<Item = Entry>> PartitionEntries for I {
    fn partition_entries(self) -> (Vec<Entry>, VecDeque<Entry>) {
        let (mut appends, mut notes) = (Vec::new(), VecDeque::new());
        for entry in self {
            if entry.done.is_some() {
                appends.push(entry);
            } else {
                notes.push_back(entry);
            }
        }
        (appends, notes)
    }
}
