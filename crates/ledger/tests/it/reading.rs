//! Reading a spool: from any place, while it grows, over rotation, after a crash.

use std::fs;
use std::io::Write as _;

use domain::{ClientKind, RequestId, Usd};
use ledger::read::{Cursor, ReadError, Reader, Tail, unfinished};
use ledger::record::{Decision, Door, Ended, Origin, Outcome};
use ledger::{Position, Record};

use crate::spool::{Spool, outcome};

fn read_all(mut reader: Reader) -> (Vec<u64>, Position) {
    let mut outcomes = Vec::new();
    while let Some(entry) = reader.read().unwrap() {
        assert_eq!(entry.decode().unwrap().seq, entry.position.seq);
        if let Record::Outcome(outcome) = entry.decode().unwrap().record().unwrap() {
            outcomes.push(outcome.duration_ms);
        }
    }
    (outcomes, reader.position())
}

#[tokio::test]
async fn a_reader_goes_on_from_every_place() {
    let mut spool = Spool::new();
    spool.options.segment_bytes = 1_500;
    spool.write(0, 20).await;
    let mut reader = Reader::from(spool.path(), Position::default());
    let mut places = vec![reader.position()];
    while let Some(entry) = reader.read().unwrap() {
        places.push(entry.position);
    }
    let (all, end) = read_all(Reader::from(spool.path(), Position::default()));
    assert_eq!(all, (0..20).collect::<Vec<_>>());
    for place in places {
        let (rest, rest_end) = read_all(Reader::from(spool.path(), place));
        assert_eq!(rest, all[all.len() - rest.len()..]);
        assert_eq!(rest_end, end);
        let by_number = read_all(Reader::from(spool.path(), Position::after(place.seq)));
        assert_eq!(by_number, (rest, end), "after record {}", place.seq);
    }
}

#[tokio::test]
async fn a_reader_at_the_end_sees_what_comes_later() {
    let mut spool = Spool::new();
    spool.options.segment_bytes = 1_500;
    let mut reader = Reader::from(spool.path(), Position::default());
    assert!(reader.read().unwrap().is_none(), "an empty spool");
    let ledger = spool.open();
    let mut seen = 0;
    for number in 0..20 {
        ledger.append(outcome(number)).await.unwrap();
        while let Some(entry) = reader.read().unwrap() {
            seen += 1;
            assert_eq!(entry.position.seq, seen);
        }
        assert_eq!(seen, ledger.status().durable.seq);
        assert_eq!(reader.position(), ledger.status().durable);
    }
}

#[tokio::test]
async fn a_reader_never_shows_half_a_line() {
    let spool = Spool::new();
    spool.write(0, 2).await;
    let path = spool.segments().remove(0);
    let line = fs::read(&path).unwrap();
    let mut reader = Reader::from(spool.path(), Position::default());
    let count = std::iter::from_fn(|| reader.read().unwrap()).count();
    let mut file = fs::OpenOptions::new().append(true).open(&path).unwrap();
    let (first, rest) = line.split_at(line.iter().position(|&b| b == b'\n').unwrap());
    file.write_all(first).unwrap();
    assert!(reader.read().unwrap().is_none());
    file.write_all(&rest[..1]).unwrap();
    assert_eq!(reader.read().unwrap().unwrap().line.as_ref(), first);
    assert_eq!(count, 4);
}

#[tokio::test]
async fn a_reader_stops_at_what_is_durable() {
    let spool = Spool::new();
    spool.write(0, 5).await;
    let mut reader = Reader::from(spool.path(), Position::default()).until(3);
    assert_eq!(std::iter::from_fn(|| reader.read().unwrap()).count(), 3);
}

#[tokio::test]
async fn a_reader_begins_at_the_oldest_segment_that_is_left() {
    let mut spool = Spool::new();
    spool.options.segment_bytes = 1_500;
    spool.write(0, 20).await;
    let segments = spool.segments();
    fs::remove_file(&segments[0]).unwrap();
    fs::remove_file(&segments[1]).unwrap();
    let (left, _) = read_all(Reader::from(spool.path(), Position::default()));
    assert!(left.len() < 20 && left.last() == Some(&19), "{left:?}");
}

#[tokio::test]
async fn a_place_beyond_the_end_is_an_error_and_not_the_end() {
    let spool = Spool::new();
    spool.write(0, 2).await;
    for place in [
        Position {
            seq: 50,
            segment: 1,
            offset: 1_000_000,
        },
        Position {
            seq: 50,
            segment: 40,
            offset: 10,
        },
        Position::after(50),
    ] {
        let error = Reader::from(spool.path(), place).read().unwrap_err();
        assert!(matches!(error, ReadError::Shorter { seq: 50 }), "{error}");
    }
}

#[tokio::test]
async fn a_tail_follows_until_the_ledger_is_closed() {
    let mut spool = Spool::new();
    spool.options.segment_bytes = 5_000;
    let ledger = spool.open();
    let mut tail = Tail::new(spool.path(), Position::default(), ledger.durable());
    let reading = tokio::spawn(async move {
        let mut seqs = Vec::new();
        while let Some(batch) = tail.next().await.unwrap() {
            seqs.extend(batch.entries.iter().map(|entry| entry.position.seq));
        }
        seqs
    });
    for number in 0..50 {
        ledger.append(outcome(number)).await.unwrap();
        tokio::task::yield_now().await;
    }
    let last = tokio::task::spawn_blocking(move || drop(ledger));
    last.await.unwrap();
    let seqs = reading.await.unwrap();
    let lines = u64::try_from(spool.bytes().split(|&b| b == b'\n').count() - 1).unwrap();
    assert_eq!(seqs, (1..=lines).collect::<Vec<_>>());
}

#[test]
fn a_cursor_keeps_its_place_and_begins_anew_when_it_cannot_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("otlp.json");
    let cursor = Cursor::at(&path);
    assert_eq!(cursor.load().unwrap(), Position::default());
    let place = Position {
        seq: 7,
        segment: 1,
        offset: 900,
    };
    cursor.store(place).unwrap();
    assert_eq!(Cursor::at(&path).load().unwrap(), place);
    fs::write(&path, b"{\"seq\":").unwrap();
    assert_eq!(cursor.load().unwrap(), Position::default());
}

fn decision(number: u128) -> Decision {
    let origin = Origin {
        client: ClientKind::Sdk,
        version: None,
        address: None,
    };
    let mut decision = Decision::new(
        RequestId::from_parts(2, number),
        origin,
        Door::Inference,
        "messages",
    );
    decision.reserved = Usd::from_cents(5);
    decision
}

#[tokio::test]
async fn what_a_crash_left_open_is_found_in_order_and_only_once() {
    let spool = Spool::new();
    let ledger = spool.open();
    for number in 0..6 {
        ledger
            .append(Record::Decision(decision(number)))
            .await
            .unwrap();
    }
    for number in [4, 0, 2] {
        ledger
            .note(Record::Outcome(Outcome::of(
                &decision(number),
                Ended::Complete,
            )))
            .unwrap();
    }
    drop(ledger);
    let (open, place) = unfinished(spool.path(), Position::default()).unwrap();
    assert_eq!(open, [1, 3, 5].map(decision));
    let (open, _) = unfinished(spool.path(), place).unwrap();
    assert_eq!(open, []);
}
