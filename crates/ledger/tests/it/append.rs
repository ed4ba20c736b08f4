//! Appending: order, durability, restarts, segments.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use ledger::record::SystemEvent;
use ledger::{ChainId, Ledger, OpenError};

use crate::spool::{Noon, Spool, outcome};

fn up_to(count: u64) -> Vec<u64> {
    (0..count).collect()
}

#[tokio::test]
async fn an_appended_record_is_on_the_disk_when_its_receipt_comes() {
    let spool = Spool::new();
    let ledger = spool.open();
    for number in 0..3 {
        // the first record of a segment is its checkpoint
        assert_eq!(
            ledger.append(outcome(number)).await.unwrap().seq,
            number + 2
        );
        assert_eq!(spool.outcomes(), up_to(number + 1));
        assert_eq!(ledger.status().durable.seq, number + 2);
    }
}

#[tokio::test]
async fn the_chain_goes_on_over_restarts() {
    let spool = Spool::new();
    for start in 0..4 {
        spool.write(start * 5, 5).await;
    }
    assert_eq!(spool.outcomes(), up_to(20));
    assert_eq!(spool.segments().len(), 1);
}

#[tokio::test]
async fn a_restart_without_new_records_adds_nothing() {
    let spool = Spool::new();
    spool.write(0, 2).await;
    let before = spool.bytes();
    drop(spool.open());
    assert_eq!(spool.bytes(), before);
}

#[tokio::test]
async fn segments_rotate_and_each_begins_with_a_checkpoint_of_what_it_follows() {
    let mut spool = Spool::new();
    spool.options.segment_bytes = 2_000;
    spool.write(0, 40).await;
    spool.write(40, 40).await;
    assert!(spool.segments().len() > 5);
    assert_eq!(spool.outcomes(), up_to(80));
    for path in spool.segments() {
        let text = fs::read_to_string(&path).unwrap();
        let first = ledger::Line::decode(text.lines().next().unwrap().as_bytes()).unwrap();
        assert!(first.record.contains(r#""event":"checkpoint""#));
        assert_eq!(
            format!("{:020}.ndjson", first.seq),
            path.file_name().unwrap().to_str().unwrap()
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_appends_are_all_durable_and_each_has_its_own_number() {
    let spool = Spool::new();
    let ledger = Arc::new(spool.open());
    let tasks: Vec<_> = (0..50)
        .map(|task| {
            let ledger = ledger.clone();
            tokio::spawn(async move {
                let mut seqs = Vec::new();
                for turn in 0..20 {
                    seqs.push(ledger.append(outcome(task * 20 + turn)).await.unwrap().seq);
                }
                seqs
            })
        })
        .collect();
    let mut seqs = Vec::new();
    for task in tasks {
        let of_task = task.await.unwrap();
        assert!(of_task.is_sorted(), "a caller's records keep their order");
        seqs.extend(of_task);
    }
    drop(ledger);
    seqs.sort_unstable();
    seqs.dedup();
    assert_eq!(seqs.len(), 1_000);
    let mut found = spool.outcomes();
    found.sort_unstable();
    assert_eq!(found, up_to(1_000));
}

#[tokio::test]
async fn a_note_keeps_its_place_between_appends() {
    let spool = Spool::new();
    let ledger = spool.open();
    for number in 0..30 {
        if number % 3 == 0 {
            ledger.append(outcome(number)).await.unwrap();
        } else {
            ledger.note(outcome(number)).unwrap();
        }
    }
    drop(ledger);
    assert_eq!(spool.outcomes(), up_to(30), "closing writes what waits");
}

#[tokio::test]
async fn a_note_that_nobody_follows_becomes_durable_by_itself() {
    let spool = Spool::new();
    let ledger = spool.open();
    let mut durable = ledger.durable();
    ledger.note(outcome(0)).unwrap();
    durable
        .wait_for(|position| position.seq == 2)
        .await
        .unwrap();
    assert_eq!(spool.outcomes(), up_to(1));
}

#[tokio::test]
async fn a_dropped_append_still_reaches_the_disk() {
    let spool = Spool::new();
    let ledger = spool.open();
    {
        let mut append = std::pin::pin!(ledger.append(outcome(0)));
        tokio::select! {
            biased;
            _ = &mut append => {}
            () = std::future::ready(()) => {}
        }
    }
    drop(ledger);
    assert_eq!(spool.outcomes(), up_to(1));
}

#[tokio::test]
async fn half_a_line_is_cut_and_the_cut_is_recorded() {
    let spool = Spool::new();
    spool.write(0, 3).await;
    let half_line = b"{\"seq\":6,\"chain\":\"gw-1.1\",\"ti";
    let path = spool.segments().remove(0);
    OpenOptions::new()
        .append(true)
        .open(&path)
        .unwrap()
        .write_all(half_line)
        .unwrap();
    spool.write(3, 2).await;
    assert_eq!(spool.outcomes(), up_to(5));
    let cut = spool
        .events()
        .into_iter()
        .find(|system| system.event == SystemEvent::TailCut)
        .unwrap();
    assert_eq!(cut.cut_bytes, Some(u64::try_from(half_line.len()).unwrap()));
}

#[tokio::test]
async fn every_torn_end_keeps_the_records_before_it() {
    let spool = Spool::new();
    spool.write(0, 4).await;
    let path = spool.segments().remove(0);
    let whole = fs::read(&path).unwrap();
    // the closing checkpoint vouches for record 5, so only it may be torn without being missed
    let last = whole[..whole.len() - 1]
        .iter()
        .rposition(|&b| b == b'\n')
        .unwrap()
        + 1;
    let checkpoints = spool.path().join("checkpoints.ndjson");
    let listed = fs::read(&checkpoints).unwrap();
    for end in (last..whole.len()).step_by(61) {
        fs::write(&path, &whole[..end]).unwrap();
        fs::write(&checkpoints, &listed).unwrap();
        drop(spool.open());
        assert_eq!(spool.outcomes(), up_to(4), "torn at {end}");
        assert_eq!(
            spool.count_events(SystemEvent::TailCut),
            usize::from(end > last)
        );
    }
}

#[tokio::test]
async fn zeros_that_a_power_cut_left_are_taken_off() {
    let spool = Spool::new();
    spool.write(0, 3).await;
    let path = spool.segments().remove(0);
    let mut zeros = vec![0; 5_000];
    zeros.extend_from_slice(b"}\n{\n");
    OpenOptions::new()
        .append(true)
        .open(&path)
        .unwrap()
        .write_all(&zeros)
        .unwrap();
    spool.write(3, 1).await;
    assert_eq!(spool.outcomes(), up_to(4));
}

#[tokio::test]
async fn a_segment_that_a_crash_left_empty_is_begun_anew() {
    let spool = Spool::new();
    spool.write(0, 3).await;
    let next = spool.bytes().split(|&b| b == b'\n').count();
    for left in [&b""[..], b"{\"seq\":"] {
        let path = spool.path().join(format!("{next:020}.ndjson"));
        fs::write(&path, left).unwrap();
        let before = spool.segments().len();
        drop(spool.open());
        assert_eq!(spool.segments().len(), before);
    }
    spool.write(3, 2).await;
    assert_eq!(spool.outcomes(), up_to(5));
}

#[tokio::test]
async fn an_altered_record_keeps_the_ledger_shut() {
    let spool = Spool::new();
    spool.write(0, 5).await;
    let path = spool.segments().remove(0);
    let text = fs::read_to_string(&path)
        .unwrap()
        .replace(r#""duration_ms":2"#, r#""duration_ms":9"#);
    fs::write(&path, text).unwrap();
    let error = spool.try_open().unwrap_err();
    assert!(
        matches!(
            error,
            OpenError::Damaged {
                segment: 1,
                seq: 4,
                ..
            }
        ),
        "{error}"
    );
}

#[tokio::test]
async fn a_spool_older_than_its_checkpoints_keeps_the_ledger_shut() {
    let spool = Spool::new();
    spool.write(0, 5).await;
    let path = spool.segments().remove(0);
    let text = fs::read_to_string(&path).unwrap();
    let shorter: String = text.split_inclusive('\n').take(3).collect();
    fs::write(&path, shorter).unwrap();
    let error = spool.try_open().unwrap_err();
    assert!(
        matches!(
            error,
            OpenError::RolledBack {
                signed: 6,
                found: 3
            }
        ),
        "{error}"
    );
}

#[tokio::test]
async fn a_missing_segment_keeps_the_ledger_shut() {
    let mut spool = Spool::new();
    spool.options.segment_bytes = 2_000;
    spool.write(0, 30).await;
    let last = spool.segments().pop().unwrap();
    fs::write(&last, b"").unwrap();
    fs::rename(&last, last.with_file_name("00000000000000000999.ndjson")).unwrap();
    assert!(matches!(
        spool.try_open().unwrap_err(),
        OpenError::Damaged { .. }
    ));
}

#[tokio::test]
async fn a_folder_belongs_to_one_chain_and_one_process() {
    let spool = Spool::new();
    spool.write(0, 1).await;
    let other = ChainId::new("gw-2", 1).unwrap();
    let open = || Ledger::open(spool.path(), other.clone(), spool.key(), Arc::new(Noon));
    assert!(matches!(open().unwrap_err(), OpenError::OtherChain { found } if found == "gw-1.1"));
    let _held = spool.open();
    assert!(matches!(open().unwrap_err(), OpenError::Locked(_)));
}

#[tokio::test]
async fn a_grown_ledger_is_signed_while_it_runs() {
    let mut spool = Spool::new();
    spool.options.checkpoint_every = Duration::ZERO;
    let ledger = spool.open();
    let mut durable = ledger.durable();
    ledger.append(outcome(0)).await.unwrap();
    // the record, and a checkpoint before and behind it
    durable
        .wait_for(|position| position.seq >= 3)
        .await
        .unwrap();
    assert_eq!(spool.count_events(SystemEvent::Checkpoint), 2);
    drop(ledger);
    assert_eq!(
        spool.count_events(SystemEvent::Checkpoint),
        2,
        "an unchanged head is not signed twice"
    );
}

#[tokio::test]
async fn every_checkpoint_is_in_the_list_beside_the_segments_and_verifies() {
    let mut spool = Spool::new();
    spool.options.segment_bytes = 2_000;
    spool.write(0, 20).await;
    let list = fs::read_to_string(spool.path().join("checkpoints.ndjson")).unwrap();
    let listed: Vec<ledger::Checkpoint> = list
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let in_chain: Vec<_> = spool
        .events()
        .into_iter()
        .filter_map(|system| system.checkpoint)
        .collect();
    assert_eq!(listed, in_chain);
    assert!(
        listed.len() > 3
            && listed
                .iter()
                .all(|checkpoint| checkpoint.is_signed_by(&spool.public()))
    );
}
