//! An export is verifiable, whatever it leaves out, and says what that is.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use domain::{Clock, Timestamp};
use ledger::disk::Folder;
use ledger::export::{Exported, Range, export};
use ledger::read::Reader;
use ledger::record::{Kind, System, SystemEvent};
use ledger::verify::{Damage, Report, Trust, verify};
use ledger::{Ledger, Position, Record};

use crate::spool::{Spool, chain, outcome};

/// A clock that goes a second further each time it is asked.
#[derive(Debug, Default)]
struct Ticking(AtomicI64);

impl Clock for Ticking {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_s(self.0.fetch_add(1, Ordering::Relaxed))
    }
}

/// Forty records of two kinds in turn, over several segments.
async fn sample() -> Spool {
    let mut spool = Spool::new();
    spool.options.segment_bytes = 3_000;
    let disk = Box::new(Folder::open(spool.path()).unwrap());
    let clock = Arc::new(Ticking::default());
    let ledger = Ledger::open_on(disk, chain(), spool.key(), clock, spool.options).unwrap();
    for number in 0..20 {
        ledger.append(outcome(number)).await.unwrap();
        ledger
            .append(Record::System(System::new(SystemEvent::Drain)))
            .await
            .unwrap();
    }
    drop(ledger);
    spool
}

fn run(spool: &Spool, range: &Range) -> (Vec<u8>, Exported) {
    let mut out = Vec::new();
    let reader = Reader::from(spool.path(), Position::default());
    let exported = export(reader, range, &mut out).unwrap();
    (out, exported)
}

fn check(spool: &Spool, bytes: &[u8]) -> Report {
    let mut trust = Trust::none();
    trust.add_key(spool.public());
    trust.expect_excerpt();
    let list = std::fs::read(spool.path().join("checkpoints.ndjson")).unwrap();
    trust.add_checkpoints("kept", &*list).unwrap();
    verify("export", bytes, trust).unwrap()
}

#[tokio::test]
async fn everything_exported_is_the_spool_itself() {
    let spool = sample().await;
    let (bytes, exported) = run(&spool, &Range::default());
    assert_eq!(bytes, spool.bytes());
    assert_eq!(exported.omitted, 0);
}

#[tokio::test]
async fn one_kind_exported_verifies_and_says_what_is_left_out() {
    let spool = sample().await;
    let range = Range {
        kinds: Some([Kind::Outcome].into()),
        ..Range::default()
    };
    let (bytes, exported) = run(&spool, &range);
    let report = check(&spool, &bytes);
    assert!(report.is_clean(), "{report}");
    assert_eq!(
        (report.chains[0].records, report.chains[0].omitted),
        (exported.records, exported.omitted)
    );
    assert_eq!(exported.omitted, 20);
    assert!(!String::from_utf8(bytes).unwrap().contains("drain"));
    assert!(
        report.to_string().contains("20 records left out"),
        "{report}"
    );
}

#[tokio::test]
async fn a_time_range_exported_verifies_and_its_end_is_signed() {
    let spool = sample().await;
    for (from, to) in [(0, 100), (5, 20), (10, 11), (30, 31), (200, 300)] {
        let (from, to) = (Timestamp::from_unix_s(from), Timestamp::from_unix_s(to));
        let (bytes, _) = run(
            &spool,
            &Range {
                from: Some(from),
                to: Some(to),
                kinds: None,
            },
        );
        let report = check(&spool, &bytes);
        assert!(report.is_clean(), "{from} to {to}: {report}");
        assert!(
            report.chains[0].signed_to.unwrap() + 1 >= report.chains[0].last,
            "{report}"
        );
        let inside = bytes
            .split(|&b| b == b'\n')
            .filter_map(|line| ledger::Line::decode(line).ok());
        let times: Vec<_> = inside
            .filter(|line| !line.is_checkpoint())
            .map(|line| line.time)
            .collect();
        assert!(
            times.iter().all(|time| (from..to).contains(time)),
            "{times:?}"
        );
    }
}

#[tokio::test]
async fn a_record_taken_out_of_an_export_is_missed() {
    let spool = sample().await;
    let range = Range {
        kinds: Some([Kind::Outcome].into()),
        ..Range::default()
    };
    let (bytes, _) = run(&spool, &range);
    let mut lines: Vec<_> = bytes.split_inclusive(|&b| b == b'\n').collect();
    lines.remove(5);
    assert_eq!(
        check(&spool, &lines.concat()).findings[0].damage,
        Damage::Missing
    );
}

#[tokio::test]
async fn damage_in_the_spool_is_exported_and_found() {
    let spool = sample().await;
    let path = spool.segments().remove(1);
    let text = std::fs::read_to_string(&path)
        .unwrap()
        .replacen("drain", "start", 1);
    std::fs::write(&path, text).unwrap();
    let range = Range {
        kinds: Some([Kind::Outcome].into()),
        ..Range::default()
    };
    let (bytes, _) = run(&spool, &range);
    assert_eq!(check(&spool, &bytes).findings[0].damage, Damage::Altered);
}

#[tokio::test]
async fn a_bridge_that_lies_about_the_chain_is_found() {
    let spool = sample().await;
    let range = Range {
        kinds: Some([Kind::Outcome].into()),
        ..Range::default()
    };
    let (bytes, _) = run(&spool, &range);
    let text = String::from_utf8(bytes).unwrap();
    let at = text.find("{\"omitted\"").unwrap();
    let hash = text[at..].find("\"hash\":\"").unwrap() + at + 8;
    let zeros = "0".repeat(64);
    let lie = format!("{}{zeros}{}", &text[..hash], &text[hash + 64..]);
    assert_eq!(
        check(&spool, lie.as_bytes()).findings[0].damage,
        Damage::Replaced
    );
    for broken in [
        text.replacen("\"first\":3", "\"first\":9", 1),
        text.replacen("\"omitted\"", "\"omited\"", 1),
    ] {
        assert!(!check(&spool, broken.as_bytes()).is_clean());
    }
}
