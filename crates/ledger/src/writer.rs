//! The one thread that writes a spool. It takes what waits, seals it into the chain, writes once, syncs once, then tells everyone
//! whose record is durable. When the disk fails it refuses, repairs what was half written, and tries again; nothing is sealed
//! after a line that may be torn.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use domain::Clock;
use tokio::sync::watch;

use crate::chain::Head;
use crate::disk::{Disk, SegmentFile};
use crate::key_change::NextKey;
use crate::queue::{Entry, Queue};
use crate::record::{System, SystemEvent};
use crate::recover::Recovered;
use crate::{ChainId, Checkpoint, Options, Position, PublicKey, Receipt, Record, SigningKey};

/// Keys that shall take over, in order, and the last of them.
#[derive(Debug)]
pub(crate) struct NextKeys {
    state: Mutex<(VecDeque<NextKey>, PublicKey)>,
}

impl NextKeys {
    /// None yet; this one signs.
    pub(crate) const fn new(current: PublicKey) -> Self {
        Self {
            state: Mutex::new((VecDeque::new(), current)),
        }
    }

    /// The key that will sign when all have taken over.
    pub(crate) fn newest(&self) -> PublicKey {
        self.state().1
    }

    /// Further keys, which follow the newest.
    pub(crate) fn add(&self, keys: Vec<NextKey>) {
        let mut state = self.state();
        for next in keys {
            state.1 = next.key.public();
            state.0.push_back(next);
        }
    }

    fn take(&self) -> Option<NextKey> {
        self.state().0.pop_front()
    }

    fn state(&self) -> MutexGuard<'_, (VecDeque<NextKey>, PublicKey)> {
        // every change above is complete before the lock is let go
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The key that signs, and those to come.
#[derive(Debug)]
pub(crate) struct Keyed {
    pub(crate) key: SigningKey,
    pub(crate) next: Arc<NextKeys>,
}

/// A key that is taking over: what of it is done, so that a disk that fails half way makes nothing twice.
#[derive(Debug)]
struct Change {
    to: NextKey,
    is_recorded: bool,
}

#[derive(Debug)]
pub(crate) struct Writer {
    pub(crate) queue: Arc<Queue>,
    pub(crate) durable: watch::Sender<Position>,
    spool: Spool,
    next: Arc<NextKeys>,
    change: Option<Change>,
    options: Options,
    checkpoint_at: Instant,
}

/// The chain and the file it goes to.
#[derive(Debug)]
struct Spool {
    disk: Box<dyn Disk>,
    chain: ChainId,
    key: SigningKey,
    clock: Arc<dyn Clock>,
    head: Head,
    file: Option<Box<dyn SegmentFile>>,
    segment: u64,
    segment_bytes_max: u64,
    /// Durable bytes of the segment; what lies beyond is cut before the next write.
    len: u64,
    /// The number of the last checkpoint's own record.
    signed: u64,
    buffer: Vec<u8>,
    checkpoints: Vec<Checkpoint>,
}

impl Writer {
    /// Takes over a recovered spool, cuts what a crash left, and says so in the chain.
    pub(crate) fn open(
        mut disk: Box<dyn Disk>,
        chain: ChainId,
        keyed: Keyed,
        clock: Arc<dyn Clock>,
        options: Options,
        end: &Recovered,
    ) -> io::Result<Self> {
        let Keyed { key, next } = keyed;
        // before anything is cut or begun anew
        let aside = match end.segment.filter(|_| end.torn_holds_lines) {
            Some(segment) => Some(disk.set_aside(segment, end.len)?),
            None => None,
        };
        // a segment without a line is begun anew, so that it has its checkpoint first
        let segment = end.segment.filter(|_| end.len > 0);
        let mut file = segment
            .map(|segment| disk.open_segment(segment))
            .transpose()?;
        if let Some(file) = &mut file {
            // what the last process wrote may be readable and yet not durable
            file.sync()?;
        }
        let spool = Spool {
            disk,
            chain,
            key,
            clock,
            head: end.head,
            file,
            segment: end.segment.unwrap_or_default(),
            segment_bytes_max: options.segment_bytes,
            len: end.len,
            signed: if end.is_signed { end.head.seq } else { 0 },
            buffer: Vec::new(),
            checkpoints: Vec::new(),
        };
        let position = Position {
            seq: end.head.seq,
            segment: spool.segment,
            offset: end.len,
        };
        let mut writer = Self {
            queue: Arc::new(Queue::new()),
            durable: watch::Sender::new(position),
            spool,
            next,
            change: None,
            checkpoint_at: Instant::now() + options.checkpoint_every,
            options,
        };
        if end.torn_bytes > 0 {
            let mut cut = System::new(SystemEvent::TailCut);
            cut.cut_bytes = Some(end.torn_bytes);
            if let Some(name) = aside {
                tracing::error!(chain = %writer.spool.chain, %name, "the spool's end did not hold and was more than half a line; it is kept aside");
                cut.detail = Some(format!("kept as {name}").into());
            }
            writer.spool.repair()?;
            writer.commit(&[writer.spool.own_entry(cut)], false)?;
        }
        Ok(writer)
    }

    /// Writes until the ledger is closed.
    pub(crate) fn run(mut self) {
        loop {
            let taken = self
                .queue
                .take(self.spool.has_unsigned().then_some(self.checkpoint_at));
            let due = self.checkpoint_at <= Instant::now();
            let sign =
                (taken.stop || due) && (self.spool.has_unsigned() || !taken.entries.is_empty());
            if !taken.entries.is_empty() || sign {
                match self.commit(&taken.entries, sign) {
                    Ok(first) => acknowledge(taken.entries, first),
                    Err(error) => {
                        let stopped = self.wait_for_disk(&error, taken.entries);
                        if stopped {
                            break;
                        }
                        continue;
                    }
                }
            }
            if taken.stop {
                break;
            }
        }
    }

    /// Refuses until a write succeeds again. True when the ledger was closed before that.
    fn wait_for_disk(&mut self, error: &io::Error, batch: Vec<Entry>) -> bool {
        tracing::error!(%error, chain = %self.spool.chain, "the ledger cannot be written; requests are refused");
        self.queue.shut(batch);
        loop {
            let stop = self.queue.pause(self.options.probe_every);
            match self.reopen() {
                Ok(()) => {
                    tracing::warn!(chain = %self.spool.chain, "the ledger can be written again");
                    self.queue.reopen();
                    return false;
                }
                Err(error) if stop => {
                    tracing::error!(%error, chain = %self.spool.chain, "the ledger closes without its last records");
                    return true;
                }
                Err(_) => {}
            }
        }
    }

    fn reopen(&mut self) -> io::Result<()> {
        self.spool.repair()?;
        let mut reopened = System::new(SystemEvent::Reopened);
        reopened.refused = Some(self.queue.refused());
        let entry = self.spool.own_entry(reopened);
        self.commit(&[entry], false).map(drop)
    }

    /// Makes these records durable, in this order, or none of them. Returns the number of the first.
    fn commit(&mut self, entries: &[Entry], sign: bool) -> io::Result<u64> {
        self.change_key()?;
        let first = self.spool.write(entries, sign)?;
        if sign {
            self.checkpoint_at = Instant::now() + self.options.checkpoint_every;
        }
        self.spool.publish_checkpoints();
        let Spool {
            head, segment, len, ..
        } = self.spool;
        self.durable.send_replace(Position {
            seq: head.seq,
            segment,
            offset: len,
        });
        Ok(first)
    }
}

impl Writer {
    /// Lets the next keys take over. Each change is a record under the old key and a line of the list before the new key signs
    /// anything, so that whoever trusts the old one can follow. While the list cannot be written the old one goes on.
    fn change_key(&mut self) -> io::Result<()> {
        while let Some(mut change) = self.change.take().or_else(|| {
            let to = self.next.take()?;
            let is_recorded = false;
            Some(Change { to, is_recorded })
        }) {
            if let Some(said) = &change.to.change {
                if !change.is_recorded {
                    let mut system = System::new(SystemEvent::KeyChanged);
                    system.key_change = Some(said.clone());
                    let entry = self.spool.own_entry(system);
                    if let Err(error) = self.spool.write(&[entry], false) {
                        self.change = Some(change);
                        return Err(error);
                    }
                    change.is_recorded = true;
                    self.spool.publish_checkpoints();
                }
                if let Err(error) = self.spool.disk.publish_checkpoint(&said.line()) {
                    tracing::warn!(%error, "a change of the ledger's key is not in the list yet; the old key goes on");
                    self.change = Some(change);
                    return Ok(());
                }
            }
            tracing::info!(chain = %self.spool.chain, key = %change.to.key.public().id(), "another key signs the ledger");
            self.spool.key = change.to.key;
        }
        Ok(())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let left = self.queue.end();
        if left > 0 {
            tracing::error!(records = left, chain = %self.spool.chain, "the ledger ended with records unwritten");
        }
    }
}

fn acknowledge(entries: Vec<Entry>, first: u64) {
    for (seq, entry) in (first..).zip(entries) {
        if let Some(done) = entry.done {
            // a caller who has left does not mind
            let _ = done.send(Ok(Receipt { seq }));
        }
    }
}

impl Spool {
    fn has_unsigned(&self) -> bool {
        self.head.seq > self.signed
    }

    fn own_entry(&self, system: System) -> Entry {
        Entry {
            time: self.clock.now(),
            json: Record::System(system).to_json(),
            done: None,
        }
    }

    fn write(&mut self, entries: &[Entry], sign: bool) -> io::Result<u64> {
        let (head, signed) = (self.head, self.signed);
        let written = self.try_write(entries, sign);
        if written.is_err() {
            self.head = head;
            self.signed = signed;
            self.checkpoints.clear();
        }
        written
    }

    fn try_write(&mut self, entries: &[Entry], sign: bool) -> io::Result<u64> {
        self.buffer.clear();
        // a segment whose first write failed is begun anew: its opening checkpoint went with that write
        if self.file.is_none() || self.len == 0 || self.len >= self.segment_bytes_max {
            self.begin_segment()?;
        }
        let first = self.head.seq + 1;
        for entry in entries {
            self.head
                .seal(&self.chain, entry.time, &entry.json, &mut self.buffer);
        }
        if sign && self.has_unsigned() {
            self.seal_checkpoint();
        }
        let file = self.file.as_mut().expect("a segment was begun above");
        file.append(&self.buffer)?;
        file.sync()?;
        self.len += u64::try_from(self.buffer.len()).unwrap_or(u64::MAX);
        Ok(first)
    }

    /// Each segment begins with a checkpoint of what it follows, so that it stays verifiable when older ones are dropped.
    fn begin_segment(&mut self) -> io::Result<()> {
        let first = self.head.seq + 1;
        let mut file = self.disk.open_segment(first)?;
        // no record with this number is durable: what stands here is a failed try of our own
        file.truncate(0)?;
        self.file = Some(file);
        self.segment = first;
        self.len = 0;
        self.seal_checkpoint();
        Ok(())
    }

    fn seal_checkpoint(&mut self) {
        let time = self.clock.now();
        let checkpoint = Checkpoint::sign(&self.chain, self.head, time, &self.key);
        let mut system = System::new(SystemEvent::Checkpoint);
        system.checkpoint = Some(checkpoint.clone());
        self.head.seal(
            &self.chain,
            time,
            &Record::System(system).to_json(),
            &mut self.buffer,
        );
        self.signed = self.head.seq;
        self.checkpoints.push(checkpoint);
    }

    /// Cuts what a failed write may have left.
    fn repair(&mut self) -> io::Result<()> {
        self.file
            .as_mut()
            .map_or(Ok(()), |file| file.truncate(self.len))
    }

    /// The list beside the segments is a convenience for shipping; the chain holds each checkpoint too.
    fn publish_checkpoints(&mut self) {
        for checkpoint in self.checkpoints.drain(..) {
            let mut line = serde_json::to_vec(&checkpoint).expect("a checkpoint has string keys");
            line.push(b'\n');
            if let Err(error) = self.disk.publish_checkpoint(&line) {
                tracing::warn!(%error, seq = checkpoint.seq, "a checkpoint is in the chain but not in the list");
            }
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        use domain::limits::{LEDGER_CHECKPOINT_MS, LEDGER_PROBE_MS, LEDGER_SEGMENT_BYTES};
        Self {
            segment_bytes: LEDGER_SEGMENT_BYTES,
            checkpoint_every: Duration::from_millis(LEDGER_CHECKPOINT_MS),
            probe_every: Duration::from_millis(LEDGER_PROBE_MS),
        }
    }
}
