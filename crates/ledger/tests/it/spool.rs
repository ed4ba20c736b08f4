//! What the tests share: a spool in a folder, records to write, and the lines that came of them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use domain::{Clock, RequestId, Timestamp};
use ledger::disk::{Disk, Folder};
use ledger::record::{Ended, Outcome, System, SystemEvent};
use ledger::{ChainId, Ledger, Line, OpenError, Options, PublicKey, Record, SigningKey};
use secrecy::SecretString;
use tempfile::TempDir;

/// A clock that always says the same.
#[derive(Debug)]
pub(crate) struct Noon;

impl Clock for Noon {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_ms(1_795_262_400_000)
    }
}

/// A folder for one chain, with its key.
#[derive(Debug)]
pub(crate) struct Spool {
    folder: TempDir,
    key: SecretString,
    pub(crate) options: Options,
}

impl Spool {
    pub(crate) fn new() -> Self {
        let (_, key) = SigningKey::generate().unwrap();
        // checkpoints come at the beginning of segments and on closing, not in between
        let options = Options {
            segment_bytes: 1024 * 1024,
            checkpoint_every: Duration::from_hours(1),
            probe_every: Duration::from_millis(5),
        };
        Self {
            folder: tempfile::tempdir().unwrap(),
            key,
            options,
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn key(&self) -> SigningKey {
        SigningKey::from_text(&self.key).unwrap()
    }

    pub(crate) const fn key_text(&self) -> &SecretString {
        &self.key
    }

    pub(crate) fn public(&self) -> PublicKey {
        self.key().public()
    }

    /// A child that another test is just starting holds a copy of a lock until it has become its own program.
    pub(crate) fn open(&self) -> Ledger {
        for _ in 0..1_000 {
            match self.try_open() {
                Err(OpenError::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                    std::thread::park_timeout(Duration::from_millis(1));
                }
                opened => return opened.unwrap(),
            }
        }
        self.try_open().unwrap()
    }

    pub(crate) fn try_open(&self) -> Result<Ledger, OpenError> {
        self.open_on(Box::new(Folder::open(self.path())?))
    }

    pub(crate) fn open_on(&self, disk: Box<dyn Disk>) -> Result<Ledger, OpenError> {
        Ledger::open_on(disk, chain(), self.key(), Arc::new(Noon), self.options)
    }

    /// Writes so many outcomes, numbered on from `first`, and closes the ledger.
    pub(crate) async fn write(&self, first: u64, count: u64) {
        let ledger = self.open();
        for number in first..first + count {
            ledger.append(outcome(number)).await.unwrap();
        }
    }

    /// The segment files, in order.
    pub(crate) fn segments(&self) -> Vec<PathBuf> {
        let mut paths: Vec<_> = fs::read_dir(self.path())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        paths.retain(|path| {
            path.file_stem().unwrap().len() == 20 && path.extension().unwrap() == "ndjson"
        });
        paths.sort();
        paths
    }

    /// All segments' bytes, one after another.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.segments()
            .iter()
            .flat_map(|path| fs::read(path).unwrap())
            .collect()
    }

    /// The numbers of the outcomes on the disk, in order; each line must hold and follow the one before.
    pub(crate) fn outcomes(&self) -> Vec<u64> {
        let bytes = self.bytes();
        let mut outcomes = Vec::new();
        let mut before: Option<(u64, ledger::Hash)> = None;
        for line in bytes.split_inclusive(|&b| b == b'\n') {
            let line = Line::decode(line.strip_suffix(b"\n").unwrap()).unwrap();
            let (seq, hash) = before.unwrap_or((0, ledger::Hash::ZERO));
            assert_eq!((line.seq, line.prev), (seq + 1, hash));
            before = Some((line.seq, line.hash));
            if let Record::Outcome(outcome) = line.record().unwrap() {
                outcomes.push(outcome.duration_ms);
            }
        }
        outcomes
    }

    /// The system events on the disk, in order.
    pub(crate) fn events(&self) -> Vec<System> {
        let bytes = self.bytes();
        let records = bytes.split(|&b| b == b'\n').filter(|line| !line.is_empty());
        let records = records.map(|line| Line::decode(line).unwrap().record().unwrap());
        records
            .filter_map(|record| {
                if let Record::System(system) = record {
                    Some(system)
                } else {
                    None
                }
            })
            .collect()
    }

    pub(crate) fn count_events(&self, event: SystemEvent) -> usize {
        self.events()
            .iter()
            .filter(|system| system.event == event)
            .count()
    }
}

pub(crate) fn chain() -> ChainId {
    ChainId::new("gw-1", 1).unwrap()
}

/// An outcome that carries a number.
pub(crate) fn outcome(number: u64) -> Record {
    let mut outcome = Outcome::new(
        RequestId::from_parts(1, u128::from(number)),
        Ended::Complete,
    );
    outcome.duration_ms = number;
    Record::Outcome(outcome)
}
