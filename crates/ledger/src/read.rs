//! Reading a spool in order, from any place, while it is being written. Records come as the lines they are stored as; nothing
//! that is not durable is ever shown when the caller says up to where it may read.
//!
//! [`Reader`] walks files and blocks; [`Tail`] follows a live ledger; [`Cursor`] keeps a place over restarts; [`unfinished`] finds
//! what a crash left open.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, BufReader, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use domain::RequestId;
use domain::limits::{
    LEDGER_GATHER_MS, LEDGER_LINE_BYTES_MAX, SINK_BATCH_BYTES_MAX, SINK_BATCH_RECORDS_MAX,
};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::chain::LineError;
use crate::disk::{read_line, segment_path, segments_in};
use crate::record::Decision;
use crate::{Line, Position, Record, private};

/// Why a spool cannot be read on.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A file cannot be read.
    #[error("the spool cannot be read")]
    Io(#[from] io::Error),
    /// The place lies beyond the end of its segment: the spool was put back from an older copy.
    #[error("the spool is shorter than the place to read on from (record {seq})")]
    Shorter {
        /// The record after which to read on.
        seq: u64,
    },
    /// A line is longer than any record.
    #[error("what stands after record {seq} is too long for a record")]
    TooLong {
        /// The record before it.
        seq: u64,
    },
}

/// A stored record: its line as it stands in the spool, without the line feed, and the place right after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The place to read on from.
    pub position: Position,
    /// The line's bytes.
    pub line: Box<[u8]>,
}

impl Entry {
    /// The line's parts. Its hash is not checked: that is the verifier's work.
    pub fn decode(&self) -> Result<Line<'_>, LineError> {
        Line::decode_unchecked(&self.line)
    }
}

/// Walks a spool's lines in order. Does not need the ledger to be open, and does not mind when it is.
#[derive(Debug)]
pub struct Reader {
    folder: PathBuf,
    at: Position,
    until: u64,
    /// Records up to this one are passed over: the place named a record, but not where it stands.
    skip_to: u64,
    file: Option<BufReader<File>>,
    buffer: Vec<u8>,
}

impl Reader {
    /// Reads what comes after `from`, up to the last whole line.
    pub fn from(folder: &Path, from: Position) -> Self {
        Self {
            folder: folder.to_owned(),
            at: from,
            until: u64::MAX,
            skip_to: 0,
            file: None,
            buffer: Vec::new(),
        }
    }

    /// Reads no further than this record: what is durable, for a ledger that is being written.
    #[must_use]
    pub const fn until(mut self, seq: u64) -> Self {
        self.until = seq;
        self
    }

    /// The place after the last record that was read.
    pub const fn position(&self) -> Position {
        self.at
    }

    /// The next record; none at the end, after which more may come.
    pub fn read(&mut self) -> Result<Option<Entry>, ReadError> {
        let mut at_end = false;
        while self.at.seq < self.until {
            if self.file.is_none() && !self.open()? {
                return Ok(None);
            }
            if let Some(entry) = self.read_here()? {
                if entry.position.seq <= self.skip_to {
                    continue;
                }
                return Ok(Some(entry));
            }
            // reopening forgets bytes that were read ahead and may have been replaced since
            self.file = None;
            match self.next_segment()? {
                // the segment may have grown between its end and the look for the next
                Some(next) if next != self.at.seq + 1 && !at_end => at_end = true,
                Some(next) => {
                    self.at = Position {
                        seq: next - 1,
                        segment: next,
                        offset: 0,
                    };
                    at_end = false;
                }
                None if self.at.seq < self.skip_to => {
                    return Err(ReadError::Shorter { seq: self.skip_to });
                }
                None => return Ok(None),
            }
        }
        self.file = None;
        Ok(None)
    }

    fn read_here(&mut self) -> Result<Option<Entry>, ReadError> {
        let Some(file) = &mut self.file else {
            return Ok(None);
        };
        let line = read_line(file, LEDGER_LINE_BYTES_MAX + 1, &mut self.buffer)?;
        let Some(whole) = line.strip_suffix(b"\n") else {
            return if line.len() > LEDGER_LINE_BYTES_MAX {
                Err(ReadError::TooLong { seq: self.at.seq })
            } else {
                Ok(None)
            };
        };
        self.at.seq += 1;
        self.at.offset += u64::try_from(line.len()).unwrap_or(u64::MAX);
        Ok(Some(Entry {
            position: self.at,
            line: whole.into(),
        }))
    }

    /// Opens the segment that the place lies in, or the first one after it when older ones were dropped.
    fn open(&mut self) -> Result<bool, ReadError> {
        let segments = segments_in(&self.folder)?;
        let holding = segments
            .iter()
            .rev()
            .find(|&&segment| segment <= self.at.seq.saturating_add(1));
        let Some(&segment) = holding.or(segments.first()) else {
            return Ok(false);
        };
        let mut file = File::open(segment_path(&self.folder, segment))?;
        if segment == self.at.segment {
            if file.seek(SeekFrom::End(0))? < self.at.offset {
                return Err(ReadError::Shorter { seq: self.at.seq });
            }
            file.seek(SeekFrom::Start(self.at.offset))?;
        } else {
            self.skip_to = self.at.seq;
            self.at = Position {
                seq: segment.saturating_sub(1),
                segment,
                offset: 0,
            };
        }
        self.file = Some(BufReader::new(file));
        Ok(true)
    }

    fn next_segment(&self) -> io::Result<Option<u64>> {
        Ok(segments_in(&self.folder)?
            .into_iter()
            .find(|&segment| segment > self.at.segment))
    }
}

/// Records read together, for a store or a sink.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Batch {
    /// The records, in order; at most [`SINK_BATCH_RECORDS_MAX`].
    pub entries: Vec<Entry>,
}

impl Batch {
    /// The place after the last record.
    pub fn end(&self) -> Option<Position> {
        self.entries.last().map(|entry| entry.position)
    }

    fn read(reader: &mut Reader) -> Result<Self, ReadError> {
        let (mut entries, mut bytes) = (Vec::new(), 0);
        while entries.len() < SINK_BATCH_RECORDS_MAX
            && bytes < SINK_BATCH_BYTES_MAX - LEDGER_LINE_BYTES_MAX
        {
            let Some(entry) = reader.read()? else { break };
            bytes += entry.line.len();
            entries.push(entry);
        }
        Ok(Self { entries })
    }
}

/// Follows a live ledger from a place on, batch by batch.
#[derive(Debug)]
pub struct Tail {
    folder: PathBuf,
    at: Position,
    durable: watch::Receiver<Position>,
    /// A batch costs its reader a transaction or a request, so what comes right after one is gathered until then.
    not_before: Option<Instant>,
}

impl Tail {
    /// Follows the ledger in `folder` from a place on; `durable` is [`crate::Ledger::durable`].
    pub fn new(folder: &Path, from: Position, durable: watch::Receiver<Position>) -> Self {
        Self {
            folder: folder.to_owned(),
            at: from,
            durable,
            not_before: None,
        }
    }

    /// Waits until there is a durable record that was not read, then reads on. None when the ledger is closed and all is read.
    /// Dropping the future loses nothing.
    pub async fn next(&mut self) -> Result<Option<Batch>, ReadError> {
        let at = self.at;
        // an error says closed; what became durable last is still to be read
        let _ = self.durable.wait_for(|durable| durable.seq > at.seq).await;
        if let Some(time) = self.not_before {
            tokio::time::sleep_until(time).await;
        }
        let until = self.durable.borrow().seq;
        if until <= at.seq {
            return Ok(None);
        }
        let folder = self.folder.clone();
        let read = move || Batch::read(&mut Reader::from(&folder, at).until(until));
        let batch = tokio::task::spawn_blocking(read)
            .await
            .map_err(io::Error::other)??;
        let Some(end) = batch.end() else {
            // the ledger says there is more, the folder has none: somebody took the segments away
            return Err(ReadError::Shorter { seq: until });
        };
        self.at = end;
        let is_full = end.seq < until;
        self.not_before =
            (!is_full).then(|| Instant::now() + Duration::from_millis(LEDGER_GATHER_MS));
        Ok(Some(batch))
    }

    /// The place after the last batch.
    pub const fn position(&self) -> Position {
        self.at
    }

    /// Goes back to a place, to read a batch again.
    pub const fn rewind(&mut self, to: Position) {
        self.at = to;
    }

    /// The last durable record.
    pub fn durable(&self) -> Position {
        *self.durable.borrow()
    }
}

/// A place kept in a file. Losing the last step of it makes records come again, which every reader must bear.
#[derive(Debug, Clone)]
pub struct Cursor {
    path: PathBuf,
}

impl Cursor {
    /// The cursor in this file; its folder must exist.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// The place kept; the beginning when there is none, or when a crash left the file unreadable.
    pub fn load(&self) -> io::Result<Position> {
        match fs::read(&self.path) {
            Ok(bytes) => Ok(serde_json::from_slice(&bytes).unwrap_or_else(|_| {
                tracing::warn!(cursor = %self.path.display(), "the cursor is unreadable; records are sent again");
                Position::default()
            })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Position::default()),
            Err(error) => Err(error),
        }
    }

    /// Keeps a place: the file holds the old one or the new one, never a part.
    pub fn store(&self, position: Position) -> io::Result<()> {
        let json = serde_json::to_vec(&position).expect("a position has string keys");
        let new = self.path.with_extension("new");
        private::write(&new, &json)?;
        fs::rename(&new, &self.path)
    }
}

/// Allowed decisions after `from` that have no outcome, in order, and the place up to which was read. Called at start, before new
/// requests: each is then given an outcome that says `lost`. Holds at most as many as calls were running at the crash.
pub fn unfinished(folder: &Path, from: Position) -> Result<(Vec<Decision>, Position), ReadError> {
    let mut reader = Reader::from(folder, from);
    let mut open: HashMap<RequestId, (u64, Decision)> = HashMap::new();
    while let Some(entry) = reader.read()? {
        match entry.decode().and_then(|line| line.record()) {
            Ok(Record::Decision(decision)) if decision.verdict.is_allowed() => {
                open.insert(decision.request, (entry.position.seq, decision));
            }
            Ok(Record::Outcome(outcome)) => {
                open.remove(&outcome.request);
            }
            _ => {}
        }
    }
    let mut open: Vec<_> = open.into_values().collect();
    open.sort_unstable_by_key(|(seq, _)| *seq);
    Ok((
        open.into_iter().map(|(_, decision)| decision).collect(),
        reader.position(),
    ))
}
