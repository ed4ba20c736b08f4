//! The ledger's handle: what the rest of Doorward appends with.

use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use domain::Clock;
use domain::limits::{LEDGER_RECORD_BYTES_MAX, LEDGER_WAIT_MS};
use serde::{Deserialize, Serialize};
use tokio::sync::{oneshot, watch};

use crate::disk::{Disk, Folder};
use crate::queue::{Entry, NotTaken, Queue};
use crate::recover::recover;
use crate::signing::{PublicKey, SigningKey};
use crate::writer::{Keyed, NextKeys, Writer};
use crate::{ChainId, Keyring, Record};

/// Why a record is not known to be durable. All mean the same to a client (`ledger_unavailable`); operators see which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// The disk cannot be written, or the ledger is closed.
    #[error("the ledger cannot be written")]
    Unavailable,
    /// The disk did not confirm within [`LEDGER_WAIT_MS`]. The record may still become durable.
    #[error("the ledger's disk did not confirm in time")]
    Slow,
    /// A note found the queue full, and is lost.
    #[error("the ledger's queue is full")]
    Full,
    /// The record is larger than [`LEDGER_RECORD_BYTES_MAX`] although its texts and lists were cut.
    #[error("the record is too large")]
    TooLarge,
}

/// Why a spool cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder or a file in it cannot be read or written.
    #[error("the spool cannot be read or written")]
    Io(#[from] std::io::Error),
    /// Another process writes to this folder.
    #[error(
        "another process writes to {}; end that one, or give this one a ledger folder of its own",
        .0.display()
    )]
    Locked(std::path::PathBuf),
    /// The folder holds another chain.
    #[error("the spool holds the chain {found}; give each chain its own folder")]
    OtherChain {
        /// Whose records were found.
        found: String,
    },
    /// A record in the last segment does not hold: go on in a new folder with a new epoch, and keep this one for `ledger verify`.
    #[error("segment {segment} is damaged at record {seq}: {what}")]
    Damaged {
        /// The segment, by the number of its first record.
        segment: u64,
        /// The record that should stand there.
        seq: u64,
        /// What stands there instead.
        what: &'static str,
    },
    /// The spool is older than its own checkpoints, such as one put back from a copy: go on with a new epoch.
    #[error("a checkpoint covers record {signed}, but the spool ends at record {found}")]
    RolledBack {
        /// The last record that a checkpoint covers.
        signed: u64,
        /// The last record that is there.
        found: u64,
    },
}

/// A place right after a record. Ordered; the default is the place before the first record.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct Position {
    /// The record's number; 0 before the first.
    pub seq: u64,
    /// The segment it stands in, by the number of that segment's first record.
    pub segment: u64,
    /// Bytes of that segment up to the record's end.
    pub offset: u64,
}

impl Position {
    /// The place after a record of which only the number is known; a reader finds it by walking its segment.
    pub const fn after(seq: u64) -> Self {
        Self {
            seq,
            segment: 0,
            offset: 0,
        }
    }
}

/// Proof that a record is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// The record's number in its chain.
    pub seq: u64,
}

/// What tests change; production takes the default, from `domain::limits`.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// A segment is closed at this size.
    pub segment_bytes: u64,
    /// How often a grown ledger is signed.
    pub checkpoint_every: Duration,
    /// How often a failing disk is tried again.
    pub probe_every: Duration,
}

/// How the ledger is, for readiness and metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// Whether records are taken.
    pub available: bool,
    /// Records that wait for the disk.
    pub waiting: usize,
    /// The last durable record.
    pub durable: Position,
}

/// Makes a ledger refuse appends for good, for whoever finds that its chain must not go on here. Keeps no ledger open.
#[derive(Debug, Clone)]
pub struct Brake {
    queue: Arc<Queue>,
}

impl Brake {
    /// Refuses every further append as a failing disk does ([`LedgerError::Unavailable`]). Notes are still taken: what was let
    /// through before has its end.
    pub fn pull(&self) {
        self.queue.brake();
    }
}

/// An open ledger: one chain, one folder, one writer's thread. Dropping it writes what waits, signs,
/// and joins the thread, which blocks for the disk.
#[derive(Debug)]
pub struct Ledger {
    queue: Arc<Queue>,
    clock: Arc<dyn Clock>,
    durable: watch::Receiver<Position>,
    chain: ChainId,
    keys: Arc<NextKeys>,
    writer: Option<JoinHandle<()>>,
}

impl Ledger {
    /// Opens the spool in `folder`, or begins one. Blocks for disk reads: the last segment is verified, and half a line that a
    /// crash left is cut off, which the chain then says.
    pub fn open(
        folder: &Path,
        chain: ChainId,
        key: SigningKey,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, OpenError> {
        let disk = Folder::open(folder).map_err(|error| match error.kind() {
            std::io::ErrorKind::WouldBlock => OpenError::Locked(folder.to_owned()),
            _ => OpenError::Io(error),
        })?;
        Self::open_on(Box::new(disk), chain, key, clock, Options::default())
    }

    /// As [`Ledger::open`], with the keys before the one that signs: a chain that an older one signed says in a record of its own
    /// that the key has changed.
    pub fn open_with(
        folder: &Path,
        chain: ChainId,
        keys: Keyring,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, OpenError> {
        let disk = Folder::open(folder).map_err(|error| match error.kind() {
            std::io::ErrorKind::WouldBlock => OpenError::Locked(folder.to_owned()),
            _ => OpenError::Io(error),
        })?;
        Self::open_on_with(Box::new(disk), chain, keys, clock, Options::default())
    }

    /// The same on any disk.
    pub fn open_on(
        disk: Box<dyn Disk>,
        chain: ChainId,
        key: SigningKey,
        clock: Arc<dyn Clock>,
        options: Options,
    ) -> Result<Self, OpenError> {
        Self::open_on_with(disk, chain, Keyring::one(key), clock, options)
    }

    /// The same with older keys.
    pub fn open_on_with(
        disk: Box<dyn Disk>,
        chain: ChainId,
        keys: Keyring,
        clock: Arc<dyn Clock>,
        options: Options,
    ) -> Result<Self, OpenError> {
        let end = recover(&*disk, &chain)?;
        let (key, next) = keys.after(end.signed_by);
        let keys = Arc::new(NextKeys::new(key.public()));
        let keyed = Keyed {
            key,
            next: keys.clone(),
        };
        keys.add(next);
        let writer = Writer::open(disk, chain.clone(), keyed, clock.clone(), options, &end)?;
        let (queue, durable) = (writer.queue.clone(), writer.durable.subscribe());
        let span = tracing::Span::current();
        let thread = std::thread::Builder::new()
            .name("ledger".to_owned())
            .spawn(move || span.in_scope(|| writer.run()))?;
        Ok(Self {
            queue,
            clock,
            durable,
            chain,
            keys,
            writer: Some(thread),
        })
    }

    /// Appends a record and waits until it is durable. On an error its effect must not happen. Dropping the future does not take
    /// the record back.
    pub async fn append(&self, record: Record) -> Result<Receipt, LedgerError> {
        let (done, told) = oneshot::channel();
        let entry = self.entry(record, Some(done))?;
        let durable = async {
            match self.queue.push_wait(entry).await {
                Ok(()) => told.await.unwrap_or(Err(LedgerError::Unavailable)),
                Err(NotTaken::Closed | NotTaken::Full(_)) => Err(LedgerError::Unavailable),
            }
        };
        let time = Duration::from_millis(LEDGER_WAIT_MS);
        tokio::time::timeout(time, durable)
            .await
            .unwrap_or(Err(LedgerError::Slow))
    }

    /// Hands over a record without waiting. It becomes durable after all that were handed over before it; while the disk fails
    /// it is kept, in order, for when it works again.
    pub fn note(&self, record: Record) -> Result<(), LedgerError> {
        self.queue
            .push(self.entry(record, None)?)
            .map_err(|not_taken| match not_taken {
                NotTaken::Full(_) => LedgerError::Full,
                NotTaken::Closed => LedgerError::Unavailable,
            })
    }

    fn entry(
        &self,
        mut record: Record,
        done: Option<oneshot::Sender<Result<Receipt, LedgerError>>>,
    ) -> Result<Entry, LedgerError> {
        record.bound();
        let json = record.to_json();
        if json.len() > LEDGER_RECORD_BYTES_MAX {
            return Err(LedgerError::TooLarge);
        }
        Ok(Entry {
            time: self.clock.now(),
            json,
            done,
        })
    }

    /// What stops it.
    pub fn brake(&self) -> Brake {
        Brake {
            queue: Arc::clone(&self.queue),
        }
    }

    /// The last durable record, and word of each further one.
    pub fn durable(&self) -> watch::Receiver<Position> {
        self.durable.clone()
    }

    /// How the ledger is now.
    pub fn status(&self) -> Status {
        let (available, waiting) = self.queue.status();
        Status {
            available,
            waiting,
            durable: *self.durable.borrow(),
        }
    }

    /// The chain.
    pub const fn chain(&self) -> &ChainId {
        &self.chain
    }

    /// The key that verifies this ledger's checkpoints, once what was told to change has changed.
    pub fn public_key(&self) -> PublicKey {
        self.keys.newest()
    }

    /// Goes on with the newest of these keys, from the next record on. Nothing happens when it signs already.
    pub fn change_keys(&self, keys: Keyring) {
        let (_, next) = keys.after(Some(self.keys.newest().id()));
        self.keys.add(next);
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        self.queue.stop();
        if let Some(writer) = self.writer.take() {
            // a writer that panicked has been reported by the panic itself
            let _ = writer.join();
        }
    }
}
