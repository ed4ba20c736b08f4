//! Attacks on the ledger's proof, and faults that must not look like one. Each test states what must hold.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, BufRead, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use domain::{Clock, Timestamp};
use ledger::disk::{Disk, Folder, SegmentFile};
use ledger::export::{Range, export};
use ledger::read::Batch;
use ledger::read::Reader;
use ledger::record::SystemEvent;
use ledger::sinks::{FileSink, Sink as _};
use ledger::verify::{Damage, Report, Trust, verify, verify_folder};
use ledger::{Ledger, Line, Position};

use crate::spool::{Spool, chain, outcome};

fn trust(spool: &Spool) -> Trust {
    let mut trust = Trust::none();
    trust.add_key(spool.public());
    trust
}

fn check_folder(spool: &Spool) -> Report {
    verify_folder(spool.path(), trust(spool)).unwrap()
}

fn bridge(chain: &str, first: u64, last: u64, prev: &str, hash: &str) -> String {
    format!(
        r#"{{"omitted":{{"chain":"{chain}","first":{first},"last":{last},"prev":"{prev}","hash":"{hash}"}}}}"#
    ) + "\n"
}

fn lines(spool: &Spool) -> Vec<String> {
    String::from_utf8(spool.bytes())
        .unwrap()
        .split_inclusive('\n')
        .map(str::to_owned)
        .collect()
}

fn line(text: &str) -> Line<'_> {
    Line::decode(text.trim_end().as_bytes()).unwrap()
}

#[tokio::test]
async fn an_untouched_spool_is_clean() {
    let spool = Spool::new();
    spool.write(0, 8).await;
    let report = check_folder(&spool);
    assert!(report.is_clean(), "{report}");
}

#[tokio::test]
async fn a_spool_in_which_a_bridge_stands_for_deleted_records_is_not_clean() {
    let spool = Spool::new();
    spool.write(0, 8).await;
    let all = lines(&spool);
    let (gone_first, gone_last) = (line(&all[3]), line(&all[5]));
    let bridge = bridge(
        gone_first.chain,
        gone_first.seq,
        gone_last.seq,
        &gone_first.prev.to_string(),
        &gone_last.hash.to_string(),
    );
    let forged: String = all[..3]
        .iter()
        .chain([&bridge])
        .chain(&all[6..])
        .map(String::as_str)
        .collect();
    fs::write(&spool.segments()[0], forged).unwrap();
    let report = check_folder(&spool);
    let damage = &report.findings[0];
    assert_eq!(
        (damage.damage, damage.first, damage.last),
        (Damage::LeftOut, 4, 6),
        "{report}"
    );
}

#[tokio::test]
async fn a_bridge_at_the_end_does_not_hide_truncation_from_a_checkpoint_kept_elsewhere() {
    let spool = Spool::new();
    spool.write(0, 8).await;
    let kept = fs::read(spool.path().join("checkpoints.ndjson")).unwrap();
    let all = lines(&spool);
    let before = line(&all[3]);
    let bridge = bridge(
        before.chain,
        5,
        1_000_000,
        &before.hash.to_string(),
        &"ab".repeat(32),
    );
    let forged: String = all[..4]
        .iter()
        .chain([&bridge])
        .map(String::as_str)
        .collect();
    let mut trust = trust(&spool);
    trust.add_checkpoints("kept", &kept[..]).unwrap();
    let report = verify("cut.ndjson", forged.as_bytes(), trust).unwrap();
    assert!(!report.is_clean(), "{report}");
}

#[tokio::test]
async fn an_excerpt_is_not_called_signed_beyond_what_a_checkpoint_names() {
    let spool = Spool::new();
    spool.write(0, 8).await;
    let kept = fs::read(spool.path().join("checkpoints.ndjson")).unwrap();
    let all = lines(&spool);
    let before = line(&all[3]);
    let check = |last: u64, hash: &str| {
        let bridge = bridge(before.chain, 5, last, &before.hash.to_string(), hash);
        let forged: String = all[..4]
            .iter()
            .chain([&bridge])
            .map(String::as_str)
            .collect();
        let mut trust = trust(&spool);
        trust.expect_excerpt();
        trust.add_checkpoints("kept", &kept[..]).unwrap();
        verify("cut.ndjson", forged.as_bytes(), trust).unwrap()
    };
    // past every checkpoint anything can be claimed, so nothing of it counts as signed
    let report = check(1_000_000, &"ab".repeat(32));
    assert_eq!(report.chains[0].signed_to, Some(0), "{report}");
    assert!(
        report.to_string().contains("could be cut off or rewritten"),
        "{report}"
    );
    // up to a record that a checkpoint names, a bridge must say what it says
    let signed = line(&all[8]);
    assert!(check(signed.seq, &signed.hash.to_string()).is_clean());
    assert_eq!(
        check(signed.seq, &signed.hash.to_string()).chains[0].signed_to,
        Some(signed.seq)
    );
    assert_eq!(
        check(signed.seq, &"ab".repeat(32)).findings[0].damage,
        Damage::Disagrees
    );
}

#[tokio::test]
async fn an_honest_export_of_a_kind_is_clean() {
    let spool = Spool::new();
    spool.write(0, 8).await;
    let mut out = Vec::new();
    export(
        Reader::from(spool.path(), Position::default()),
        &Range::default(),
        &mut out,
    )
    .unwrap();
    assert!(verify("x", &out[..], trust(&spool)).unwrap().is_clean());
}

#[tokio::test]
async fn half_a_line_that_a_crash_left_in_the_checkpoint_list_does_not_condemn_a_healthy_ledger() {
    let spool = Spool::new();
    spool.write(0, 5).await;
    let list = spool.path().join("checkpoints.ndjson");
    fs::OpenOptions::new()
        .append(true)
        .open(&list)
        .unwrap()
        .write_all(b"{\"chain\":\"gw-1.1\",\"se")
        .unwrap();
    spool.write(5, 5).await;
    let report = check_folder(&spool);
    assert!(report.is_clean(), "{report}");
}

#[tokio::test]
async fn a_spool_whose_first_segments_were_deleted_says_so() {
    let mut spool = Spool::new();
    spool.options.segment_bytes = 2_000;
    spool.write(0, 40).await;
    fs::remove_file(&spool.segments()[0]).unwrap();
    fs::remove_file(&spool.segments()[0]).unwrap();
    let report = check_folder(&spool);
    assert!(report.is_clean(), "retention drops the oldest: {report}");
    assert!(
        report.to_string().contains("are not here")
            && !report.to_string().contains("The ledger holds"),
        "{report}"
    );
}

#[tokio::test]
async fn a_folder_without_a_ledger_is_not_called_a_ledger_that_holds() {
    let empty = tempfile::tempdir().unwrap();
    let report = verify_folder(empty.path(), Trust::none()).unwrap();
    assert!(
        report.to_string().contains("There is no ledger here"),
        "{report}"
    );
}

#[tokio::test]
async fn a_zeroed_byte_in_a_durable_record_does_not_make_opening_delete_the_records_after_it() {
    let mut spool = Spool::new();
    spool.options.checkpoint_every = Duration::from_hours(1);
    // a process that was killed: records are durable and acknowledged, the closing checkpoint was never written
    let ledger = spool.open();
    for number in 0..20 {
        ledger.append(outcome(number)).await.unwrap();
    }
    let path = spool.segments().remove(0);
    let killed = fs::read(&path).unwrap();
    let listed = fs::read(spool.path().join("checkpoints.ndjson")).unwrap();
    drop(ledger);
    let mut damaged = killed.clone();
    let third = damaged
        .iter()
        .enumerate()
        .filter(|(_, b)| **b == b'\n')
        .nth(2)
        .unwrap()
        .0;
    damaged[third + 30] = 0;
    fs::write(&path, &damaged).unwrap();
    fs::write(spool.path().join("checkpoints.ndjson"), &listed).unwrap();
    drop(spool.try_open().unwrap());
    let cut = spool
        .events()
        .into_iter()
        .find(|system| system.event == SystemEvent::TailCut)
        .unwrap();
    let name = cut.detail.unwrap().to_string();
    let aside = fs::read(spool.path().join(name.strip_prefix("kept as ").unwrap())).unwrap();
    let start = damaged[..third + 30]
        .iter()
        .rposition(|&b| b == b'\n')
        .unwrap()
        + 1;
    assert_eq!(aside, &damaged[start..], "every byte that was cut is kept");
    assert!(check_folder(&spool).is_clean());
    // the same again does not overwrite what was kept
    fs::write(&path, &damaged).unwrap();
    fs::write(spool.path().join("checkpoints.ndjson"), &listed).unwrap();
    drop(spool.try_open().unwrap());
    let kept = fs::read_dir(spool.path()).unwrap().filter(|it| {
        it.as_ref()
            .unwrap()
            .file_name()
            .to_string_lossy()
            .contains(".cut-")
    });
    assert_eq!(kept.count(), 2);
}

#[tokio::test]
async fn half_a_line_is_not_worth_keeping_aside() {
    let spool = Spool::new();
    spool.write(0, 3).await;
    fs::OpenOptions::new()
        .append(true)
        .open(&spool.segments()[0])
        .unwrap()
        .write_all(b"{\"seq\":6")
        .unwrap();
    drop(spool.open());
    assert!(
        !fs::read_dir(spool.path()).unwrap().any(|it| it
            .unwrap()
            .file_name()
            .to_string_lossy()
            .contains(".cut-"))
    );
}

#[tokio::test]
async fn a_damaged_copy_is_left_as_it_is_for_the_verifier() {
    let spool = Spool::new();
    spool.write(0, 6).await;
    let copies = tempfile::tempdir().unwrap();
    let batch = |from: u64| {
        let mut reader = Reader::from(spool.path(), Position::default());
        let mut entries = Vec::new();
        while let Some(entry) = reader.read().unwrap() {
            entries.push(entry);
        }
        entries.retain(|entry| entry.position.seq > from);
        Batch { entries }
    };
    FileSink::new(copies.path(), &chain())
        .send(&batch(0))
        .await
        .unwrap();
    let path = copies.path().join("gw-1.1/00000000000000000001.ndjson");
    let whole = fs::read(&path).unwrap();
    for damaged_line in [0, 3] {
        let at = whole
            .split_inclusive(|&b| b == b'\n')
            .take(damaged_line)
            .map(<[u8]>::len)
            .sum::<usize>()
            + 20;
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        fs::write(&path, &damaged).unwrap();
        FileSink::new(copies.path(), &chain())
            .send(&batch(6))
            .await
            .unwrap();
        assert_eq!(fs::read(&path).unwrap(), damaged, "line {damaged_line}");
        let report = verify_folder(&copies.path().join("gw-1.1"), trust(&spool)).unwrap();
        assert_eq!(report.findings[0].damage, Damage::Altered, "{report}");
    }
}

/// Fails the first append to each of the named segments, then works.
#[derive(Debug)]
struct FailsAtRotation(Folder, Arc<AtomicU64>, BTreeSet<u64>);
#[derive(Debug)]
struct FailingFile(Box<dyn SegmentFile>, bool, Arc<AtomicU64>);

impl Disk for FailsAtRotation {
    fn segments(&self) -> io::Result<Vec<u64>> {
        self.0.segments()
    }
    fn read(&self, segment: u64) -> io::Result<Box<dyn BufRead>> {
        self.0.read(segment)
    }
    fn open_segment(&mut self, segment: u64) -> io::Result<Box<dyn SegmentFile>> {
        let fails = segment > 1 && self.2.insert(segment);
        Ok(Box::new(FailingFile(
            self.0.open_segment(segment)?,
            fails,
            self.1.clone(),
        )))
    }
    fn set_aside(&mut self, segment: u64, from: u64) -> io::Result<String> {
        self.0.set_aside(segment, from)
    }
    fn publish_checkpoint(&mut self, line: &[u8]) -> io::Result<()> {
        self.0.publish_checkpoint(line)
    }
    fn last_checkpoint(&self) -> io::Result<Option<Vec<u8>>> {
        self.0.last_checkpoint()
    }
}

impl SegmentFile for FailingFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        if std::mem::take(&mut self.1) {
            self.2.fetch_add(1, Ordering::SeqCst);
            self.0.append(&bytes[..bytes.len() / 2])?;
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.0.append(bytes)
    }
    fn sync(&mut self) -> io::Result<()> {
        self.0.sync()
    }
    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.0.truncate(len)
    }
}

#[tokio::test]
async fn a_disk_that_fills_at_a_rotation_does_not_cost_the_segment_its_opening_checkpoint() {
    let mut spool = Spool::new();
    spool.options.segment_bytes = 1_500;
    let failures = Arc::new(AtomicU64::new(0));
    let disk = FailsAtRotation(
        Folder::open(spool.path()).unwrap(),
        failures.clone(),
        BTreeSet::new(),
    );
    let ledger = spool.open_on(Box::new(disk)).unwrap();
    let mut durable = ledger.durable();
    for number in 0..12 {
        while ledger.append(outcome(number)).await.is_err() {
            let seq = durable.borrow_and_update().seq;
            let _ = tokio::time::timeout(Duration::from_secs(5), durable.wait_for(|p| p.seq > seq))
                .await;
        }
    }
    drop(ledger);
    assert!(failures.load(Ordering::SeqCst) > 0);
    for path in spool.segments() {
        let text = fs::read_to_string(&path).unwrap();
        let first = text.lines().next().unwrap();
        assert!(line(first).is_checkpoint(), "{}: {first}", path.display());
    }
    fs::remove_file(&spool.segments()[0]).unwrap();
    let report = check_folder(&spool);
    assert!(
        report.is_clean(),
        "after retention dropped a segment: {report}"
    );
}

/// A clock that an operator sets.
#[derive(Debug)]
struct Set(AtomicI64);
impl Clock for Set {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_ms(self.0.load(Ordering::SeqCst))
    }
}

#[tokio::test]
async fn an_export_of_a_period_holds_every_record_of_it_though_the_clock_was_set_back() {
    let mut spool = Spool::new();
    spool.options.segment_bytes = 1_500;
    let clock = Arc::new(Set(AtomicI64::new(1_000)));
    let disk = Box::new(Folder::open(spool.path()).unwrap());
    let ledger = Ledger::open_on(disk, chain(), spool.key(), clock.clone(), spool.options).unwrap();
    for number in 0..30 {
        // the clock runs an hour ahead for a while, then is put right
        clock.0.store(
            if (10..20).contains(&number) {
                3_600_000
            } else {
                1_000
            },
            Ordering::SeqCst,
        );
        ledger.append(outcome(number)).await.unwrap();
    }
    drop(ledger);
    let range = Range {
        to: Some(Timestamp::from_unix_ms(2_000)),
        ..Range::default()
    };
    let mut out = Vec::new();
    export(
        Reader::from(spool.path(), Position::default()),
        &range,
        &mut out,
    )
    .unwrap();
    let of_period = |bytes: &[u8]| {
        bytes
            .split(|&b| b == b'\n')
            .filter_map(|l| {
                Line::decode(l)
                    .ok()
                    .map(|l| (l.time.unix_ms(), l.is_checkpoint()))
            })
            .filter(|(time, is_checkpoint)| *time < 2_000 && !is_checkpoint)
            .count()
    };
    assert_eq!(of_period(&out), of_period(&spool.bytes()));
}
