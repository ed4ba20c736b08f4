//! Sinks: what arrives, what happens when they fail, and that they never hold up the ledger.

use std::fs;
use std::sync::{Arc, Mutex};

use domain::{ClientKind, RequestId, Usd};
use ledger::read::{Batch, Cursor, Reader};
use ledger::record::{Decision, Door, Finding, Origin, Verdict};
use ledger::sinks::{
    FileSink, OtlpSink, Post, PostError, Posted, Sink, SinkError, StatusHandle, otlp, run,
};
use ledger::verify::{Trust, verify_folder};
use ledger::{Position, Record};
use serde_json::Value;

use crate::spool::{Spool, chain, outcome};

/// Answers from a list, then always well; keeps what it took.
#[derive(Debug, Default)]
struct Scripted {
    answers: Mutex<Vec<SinkError>>,
    /// A record that is refused whenever it comes.
    poison: Option<u64>,
    taken: Mutex<Vec<u64>>,
}

impl Sink for Scripted {
    fn name(&self) -> &'static str {
        "scripted"
    }

    async fn send(&self, batch: &Batch) -> Result<(), SinkError> {
        if let Some(error) = self.answers.lock().unwrap().pop() {
            return Err(error);
        }
        let seqs: Vec<_> = batch
            .entries
            .iter()
            .map(|entry| entry.position.seq)
            .collect();
        if self.poison.is_some_and(|seq| seqs.contains(&seq)) {
            return Err(SinkError::Refused("bad record".to_owned()));
        }
        self.taken.lock().unwrap().extend(seqs);
        Ok(())
    }
}

/// Runs a sink over a ledger that writes so many outcomes and is then closed.
async fn feed(
    spool: &Spool,
    sink: &impl Sink,
    cursor: &Cursor,
    first: u64,
    count: u64,
) -> StatusHandle {
    let status = StatusHandle::default();
    let ledger = spool.open();
    let durable = ledger.durable();
    for number in first..first + count {
        ledger.append(outcome(number)).await.unwrap();
    }
    let (ran, ()) = tokio::join!(run(sink, spool.path(), durable, cursor, &status), async {
        while status.status().behind(status.status().durable_seq) > 0
            || status.status().durable_seq == 0
        {
            tokio::task::yield_now().await;
        }
        drop(ledger);
    });
    ran.unwrap();
    status
}

#[tokio::test]
async fn every_record_arrives_once_and_in_order_over_restarts() {
    let spool = Spool::new();
    let folder = tempfile::tempdir().unwrap();
    let cursor = Cursor::at(folder.path().join("scripted.json"));
    let sink = Scripted::default();
    for start in 0..3 {
        let status = feed(&spool, &sink, &cursor, start * 700, 700)
            .await
            .status();
        assert_eq!(
            (
                status.behind(status.durable_seq),
                status.failures,
                status.refused_records
            ),
            (0, 0, 0)
        );
    }
    let taken = sink.taken.lock().unwrap().clone();
    assert_eq!(taken, (1..=2_104).collect::<Vec<_>>());
    assert_eq!(cursor.load().unwrap().seq, 2_104);
}

#[tokio::test]
async fn a_sink_that_fails_for_a_while_gets_everything_later() {
    let spool = Spool::new();
    spool.write(0, 5).await;
    tokio::time::pause();
    let folder = tempfile::tempdir().unwrap();
    let later = || SinkError::Later("down".to_owned(), None);
    let sink = Scripted {
        answers: Mutex::new(vec![later(), later(), later()]),
        ..Scripted::default()
    };
    let ledger = spool.open();
    let status = StatusHandle::default();
    let cursor = Cursor::at(folder.path().join("c"));
    let begin = tokio::time::Instant::now();
    let (ran, ()) = tokio::join!(
        run(&sink, spool.path(), ledger.durable(), &cursor, &status),
        async {
            let all_sent = async {
                while status.status().sent_seq < 7 {
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                }
            };
            // by a clock that stands still between the waits
            let minute = std::time::Duration::from_mins(1);
            tokio::time::timeout(minute, all_sent).await.unwrap();
            assert!(
                begin.elapsed().as_millis() >= 3_500,
                "half a second, then one, then two"
            );
            drop(ledger);
        }
    );
    ran.unwrap();
    assert_eq!(*sink.taken.lock().unwrap(), (1..=7).collect::<Vec<_>>());
    assert_eq!(status.status().last_error, None);
}

#[tokio::test]
async fn one_refused_record_does_not_hold_back_the_others() {
    let spool = Spool::new();
    let folder = tempfile::tempdir().unwrap();
    let sink = Scripted {
        poison: Some(4),
        ..Scripted::default()
    };
    let status = feed(&spool, &sink, &Cursor::at(folder.path().join("c")), 0, 6)
        .await
        .status();
    let mut taken = sink.taken.lock().unwrap().clone();
    taken.sort_unstable();
    assert_eq!(taken, [1, 2, 3, 5, 6, 7, 8]);
    assert_eq!(status.refused_records, 1);
}

#[tokio::test]
async fn a_sink_that_is_down_neither_blocks_the_ledger_nor_its_closing() {
    let spool = Spool::new();
    let folder = tempfile::tempdir().unwrap();
    let down = (0..1_000)
        .map(|_| SinkError::Later("down".to_owned(), None))
        .collect();
    let sink = Scripted {
        answers: Mutex::new(down),
        ..Scripted::default()
    };
    let cursor = Cursor::at(folder.path().join("c"));
    let status = StatusHandle::default();
    let ledger = spool.open();
    let (ran, ()) = tokio::join!(
        run(&sink, spool.path(), ledger.durable(), &cursor, &status),
        async {
            for number in 0..50 {
                ledger.append(outcome(number)).await.unwrap();
            }
            while status.status().failures == 0 {
                tokio::task::yield_now().await;
            }
            drop(ledger);
        }
    );
    ran.unwrap();
    assert_eq!(
        cursor.load().unwrap(),
        Position::default(),
        "nothing arrived, so all comes again"
    );
    assert_eq!(status.status().last_error.as_deref(), Some("down"));
}

#[tokio::test]
async fn a_copied_ledger_verifies_and_repeats_do_no_harm() {
    let spool = Spool::new();
    let folder = tempfile::tempdir().unwrap();
    let cursor = Cursor::at(folder.path().join("file.json"));
    let copy = folder.path().join(chain().as_str());
    feed(
        &spool,
        &FileSink::new(folder.path(), &chain()),
        &cursor,
        0,
        10,
    )
    .await;
    // the place is lost, so everything is sent again, and half a line is left by a crash
    cursor.store(Position::default()).unwrap();
    let segment = fs::read_dir(&copy).unwrap().next().unwrap().unwrap().path();
    let mut bytes = fs::read(&segment).unwrap();
    bytes.truncate(bytes.len() - 20);
    fs::write(&segment, bytes).unwrap();
    feed(
        &spool,
        &FileSink::new(folder.path(), &chain()),
        &cursor,
        10,
        10,
    )
    .await;
    let copied = fs::read(&segment).unwrap();
    assert!(spool.bytes() == copied, "the copy is the spool");
    let mut trust = Trust::none();
    trust.add_key(spool.public());
    assert!(verify_folder(&copy, trust).unwrap().is_clean());
    #[cfg(unix)]
    for (path, expected) in [(&copy, 0o700), (&segment, 0o600)] {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, expected, "the copy, too, is its owner's alone");
    }
}

#[derive(Debug)]
struct Receiver(u16, Mutex<Vec<Vec<u8>>>);

impl Post for Receiver {
    fn post(&self, body: Vec<u8>) -> otlp::Posting<'_> {
        self.1.lock().unwrap().push(body);
        let status = self.0;
        Box::pin(async move {
            if status == 0 {
                Err(PostError("no connection".to_owned()))
            } else {
                Ok(Posted {
                    status,
                    retry_after_s: Some(7),
                })
            }
        })
    }
}

fn first_batch(spool: &Spool) -> Batch {
    let mut reader = Reader::from(spool.path(), Position::default());
    Batch {
        entries: std::iter::from_fn(|| reader.read().unwrap()).collect(),
    }
}

#[tokio::test]
async fn an_otlp_answer_says_whether_to_try_again() {
    let spool = Spool::new();
    spool.write(0, 1).await;
    let batch = first_batch(&spool);
    for (status, retry) in [
        (200, None),
        (202, None),
        (400, Some(false)),
        (413, Some(false)),
        (0, Some(true)),
        (401, Some(true)),
        (429, Some(true)),
        (503, Some(true)),
    ] {
        let receiver = Arc::new(Receiver(status, Mutex::default()));
        let sent = OtlpSink::new("otlp", receiver.clone()).send(&batch).await;
        let again = sent
            .err()
            .map(|error| matches!(error, SinkError::Later(..)));
        assert_eq!(again, retry, "{status}");
        assert_eq!(receiver.1.lock().unwrap().len(), 1);
    }
}

#[tokio::test]
async fn an_otlp_record_has_an_attribute_for_each_field() {
    let spool = Spool::new();
    let origin = Origin {
        client: ClientKind::Sdk,
        version: None,
        address: Some([10, 0, 0, 1].into()),
    };
    let mut decision = Decision::new(
        RequestId::from_parts(1, 1),
        origin,
        Door::Inference,
        "messages",
    );
    decision.verdict =
        Verdict::refused(&domain::Refusal::plain(domain::ReasonCode::ContentBlocked));
    decision.reserved = Usd::from_cents(3);
    decision.findings = vec![Finding {
        detector: "card".into(),
        count: 2,
        confidence: 90,
        fingerprint: None,
    }];
    let ledger = spool.open();
    ledger.append(Record::Decision(decision)).await.unwrap();
    drop(ledger);
    let body: Value = serde_json::from_slice(&otlp::encode(&first_batch(&spool))).unwrap();
    let resource = &body["resourceLogs"][0];
    assert_eq!(
        resource["resource"]["attributes"][0]["value"]["stringValue"],
        "doorward"
    );
    let log = &resource["scopeLogs"][0]["logRecords"][1];
    assert_eq!(log["body"]["stringValue"], "decision");
    assert_eq!(log["timeUnixNano"], "1795262400000000000");
    assert_eq!(
        (&log["severityNumber"], &log["severityText"]),
        (&13.into(), &"WARN".into())
    );
    let attribute = |key: &str| {
        let all = log["attributes"].as_array().unwrap();
        all.iter()
            .find(|it| it["key"] == key)
            .unwrap_or_else(|| panic!("{key}: {all:#?}"))["value"]
            .clone()
    };
    assert_eq!(attribute("doorward.seq")["intValue"], "2");
    assert_eq!(attribute("doorward.chain")["stringValue"], "gw-1.1");
    assert_eq!(
        attribute("doorward.hash")["stringValue"]
            .as_str()
            .unwrap()
            .len(),
        64
    );
    assert_eq!(
        attribute("doorward.origin.address")["stringValue"],
        "10.0.0.1"
    );
    assert_eq!(attribute("doorward.verdict.allowed")["boolValue"], false);
    assert_eq!(attribute("doorward.reserved")["stringValue"], "0.03");
    assert_eq!(attribute("doorward.body_bytes")["intValue"], "0");
    let finding =
        &attribute("doorward.findings")["arrayValue"]["values"][0]["kvlistValue"]["values"];
    assert_eq!(
        finding[0],
        serde_json::json!({ "key": "detector", "value": { "stringValue": "card" } })
    );
}
