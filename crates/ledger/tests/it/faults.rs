//! A disk that fails: every way a write can go wrong, and what callers and the files show of it.

use std::io::{self, BufRead};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use ledger::disk::{Disk, Folder, SegmentFile};
use ledger::record::SystemEvent;
use ledger::verify::{Trust, verify_folder};
use ledger::{Ledger, LedgerError};

use crate::spool::{Spool, outcome};

/// What goes wrong, until it is set back to `Nothing`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Fault {
    #[default]
    Nothing,
    /// Writes fail after so many bytes.
    WriteAfter(usize),
    /// Writes succeed, syncs fail.
    Sync,
    /// Half of the bytes are written, and then neither cutting nor writing works.
    Everything,
    /// No new segment can be made.
    NewSegment,
    /// The list of checkpoints cannot be written.
    Checkpoints,
}

#[derive(Debug, Default)]
struct Switch {
    fault: Mutex<Fault>,
    syncs: AtomicU64,
}

impl Switch {
    fn set(&self, fault: Fault) {
        *self.fault.lock().unwrap() = fault;
    }

    fn is(&self, fault: Fault) -> bool {
        *self.fault.lock().unwrap() == fault
    }
}

fn full() -> io::Error {
    io::ErrorKind::StorageFull.into()
}

#[derive(Debug)]
struct FaultyDisk(Folder, Arc<Switch>);

#[derive(Debug)]
struct FaultyFile(Box<dyn SegmentFile>, Arc<Switch>);

impl Disk for FaultyDisk {
    fn segments(&self) -> io::Result<Vec<u64>> {
        self.0.segments()
    }

    fn read(&self, segment: u64) -> io::Result<Box<dyn BufRead>> {
        self.0.read(segment)
    }

    fn open_segment(&mut self, segment: u64) -> io::Result<Box<dyn SegmentFile>> {
        if self.1.is(Fault::NewSegment) {
            return Err(full());
        }
        Ok(Box::new(FaultyFile(
            self.0.open_segment(segment)?,
            self.1.clone(),
        )))
    }

    fn set_aside(&mut self, segment: u64, from: u64) -> io::Result<String> {
        self.0.set_aside(segment, from)
    }

    fn publish_checkpoint(&mut self, line: &[u8]) -> io::Result<()> {
        if self.1.is(Fault::Checkpoints) {
            Err(full())
        } else {
            self.0.publish_checkpoint(line)
        }
    }

    fn last_checkpoint(&self) -> io::Result<Option<Vec<u8>>> {
        self.0.last_checkpoint()
    }
}

impl SegmentFile for FaultyFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let fault = *self.1.fault.lock().unwrap();
        let written = match fault {
            Fault::WriteAfter(written) => written.min(bytes.len()),
            Fault::Everything => bytes.len() / 2,
            _ => return self.0.append(bytes),
        };
        self.0.append(&bytes[..written])?;
        Err(full())
    }

    fn sync(&mut self) -> io::Result<()> {
        if self.1.is(Fault::Sync) {
            return Err(full());
        }
        self.1.syncs.fetch_add(1, Ordering::Relaxed);
        self.0.sync()
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        if self.1.is(Fault::Everything) {
            Err(full())
        } else {
            self.0.truncate(len)
        }
    }
}

fn open(spool: &Spool) -> (Ledger, Arc<Switch>) {
    let switch = Arc::new(Switch::default());
    let disk = FaultyDisk(Folder::open(spool.path()).unwrap(), switch.clone());
    (spool.open_on(Box::new(disk)).unwrap(), switch)
}

/// Appends until it succeeds: the ledger opens again at its own pace.
async fn append_until_taken(ledger: &Ledger, number: u64) {
    while ledger.append(outcome(number)).await.is_err() {
        tokio::task::yield_now().await;
    }
}

fn assert_sound(spool: &Spool, outcomes: &[u64]) {
    assert_eq!(spool.outcomes(), outcomes);
    let mut trust = Trust::none();
    trust.add_key(spool.public());
    let report = verify_folder(spool.path(), trust).unwrap();
    assert!(report.is_clean(), "{report}");
}

async fn check(fault: Fault) {
    let spool = Spool::new();
    let (ledger, switch) = open(&spool);
    ledger.append(outcome(0)).await.unwrap();
    switch.set(fault);
    for number in 100..103 {
        assert_eq!(
            ledger.append(outcome(number)).await,
            Err(LedgerError::Unavailable),
            "{fault:?}"
        );
    }
    assert!(!ledger.status().available);
    ledger.note(outcome(1)).unwrap();
    switch.set(Fault::Nothing);
    append_until_taken(&ledger, 2).await;
    drop(ledger);
    // what was refused is not there, what was noted meanwhile is, in its place
    assert_sound(&spool, &[0, 1, 2]);
    assert_eq!(spool.count_events(SystemEvent::Reopened), 1);
    let reopened = spool
        .events()
        .into_iter()
        .find(|system| system.event == SystemEvent::Reopened)
        .unwrap();
    assert!(reopened.refused >= Some(3), "{reopened:?}");
    spool.write(3, 1).await;
    assert_sound(&spool, &[0, 1, 2, 3]);
}

#[tokio::test]
async fn a_full_disk_refuses_and_recovers() {
    for written in [0, 1, 50, 200, usize::MAX] {
        check(Fault::WriteAfter(written)).await;
    }
}

#[tokio::test]
async fn a_failed_sync_refuses_and_recovers() {
    check(Fault::Sync).await;
}

#[tokio::test]
async fn a_disk_that_cannot_even_be_repaired_refuses_until_it_can() {
    check(Fault::Everything).await;
}

#[tokio::test]
async fn a_segment_that_cannot_be_begun_refuses_and_recovers() {
    let mut spool = Spool::new();
    spool.options.segment_bytes = 1;
    let (ledger, switch) = open(&spool);
    ledger.append(outcome(0)).await.unwrap();
    switch.set(Fault::NewSegment);
    assert_eq!(
        ledger.append(outcome(100)).await,
        Err(LedgerError::Unavailable)
    );
    // the new segment exists, its first write fails
    switch.set(Fault::WriteAfter(20));
    assert_eq!(
        ledger.append(outcome(101)).await,
        Err(LedgerError::Unavailable)
    );
    switch.set(Fault::Nothing);
    append_until_taken(&ledger, 1).await;
    drop(ledger);
    assert_sound(&spool, &[0, 1]);
}

#[tokio::test]
async fn a_crash_while_the_disk_is_full_leaves_a_spool_that_opens() {
    let spool = Spool::new();
    let (ledger, switch) = open(&spool);
    ledger.append(outcome(0)).await.unwrap();
    switch.set(Fault::Everything);
    assert_eq!(
        ledger.append(outcome(100)).await,
        Err(LedgerError::Unavailable)
    );
    drop(ledger);
    spool.write(1, 1).await;
    assert_sound(&spool, &[0, 1]);
    assert_eq!(spool.count_events(SystemEvent::TailCut), 1);
}

#[tokio::test]
async fn a_list_of_checkpoints_that_cannot_be_written_stops_nobody() {
    let spool = Spool::new();
    let (ledger, switch) = open(&spool);
    switch.set(Fault::Checkpoints);
    ledger.append(outcome(0)).await.unwrap();
    drop(ledger);
    assert_sound(&spool, &[0]);
}

#[tokio::test]
async fn notes_of_all_running_calls_find_room_while_the_disk_is_full() {
    let spool = Spool::new();
    let (ledger, switch) = open(&spool);
    switch.set(Fault::WriteAfter(0));
    assert_eq!(
        ledger.append(outcome(100_000)).await,
        Err(LedgerError::Unavailable)
    );
    let calls = u64::try_from(domain::limits::CALLS_MAX).unwrap();
    for number in 0..calls {
        ledger.note(outcome(number)).unwrap();
    }
    switch.set(Fault::Nothing);
    drop(ledger);
    assert_sound(&spool, &(0..calls).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_queue_that_is_full_of_notes_says_so() {
    let spool = Spool::new();
    let (ledger, switch) = open(&spool);
    switch.set(Fault::WriteAfter(0));
    assert_eq!(
        ledger.append(outcome(0)).await,
        Err(LedgerError::Unavailable)
    );
    let room = domain::limits::LEDGER_QUEUE_MAX;
    let taken = (0..=room)
        .map(|_| ledger.note(outcome(1)))
        .take_while(Result::is_ok)
        .count();
    assert_eq!(taken, room);
    assert_eq!(ledger.note(outcome(1)), Err(LedgerError::Full));
}

#[tokio::test]
async fn records_that_wait_for_a_busy_disk_share_one_sync() {
    let spool = Spool::new();
    let (ledger, switch) = open(&spool);
    {
        // the disk is busy until this is let go
        let _busy = switch.fault.lock().unwrap();
        for number in 0..500 {
            ledger.note(outcome(number)).unwrap();
        }
    }
    ledger.append(outcome(500)).await.unwrap();
    let syncs = switch.syncs.load(Ordering::Relaxed);
    assert!(
        syncs <= 3,
        "what was taken before, what waited, the last; not {syncs}"
    );
    drop(ledger);
    assert_sound(&spool, &(0..=500).collect::<Vec<_>>());
}
