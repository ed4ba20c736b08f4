//! The ledger at a company's own collector: each record arrives, also when the collector was away. What was on its way when the
//! process stopped may come again, under the same number and hash, by which a collector tells.

use std::collections::BTreeMap;
use std::time::Duration;

use ledger::read::Reader;
use server::commands::start;
use server::config::OtlpConfig;
use server::demo::world::{Stage, World};
use testkit::{OtlpReceiver, device_sign_in};

use crate::watch::{metric, until};

const MODEL: &str = "claude-haiku-5-5";
const LAG: &str = "doorward_sink_lag{sink=\"otlp\"}";

async fn stage(receiver: &OtlpReceiver) -> Stage {
    let mut stage = Stage::set(0).await.unwrap();
    stage.config.ledger.otlp = Some(OtlpConfig {
        url: format!("{}/v1/logs", receiver.url()).parse().unwrap(),
        bearer: Some("collector-token".into()),
    });
    stage
}

/// How often each record of the chain has arrived, by number, with its hash.
fn arrived(receiver: &OtlpReceiver) -> BTreeMap<u64, Vec<String>> {
    let mut found: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    for record in receiver.records() {
        let text = |name| record.attribute(name).unwrap().as_str().unwrap().to_owned();
        let seq = text("doorward.seq").parse().unwrap();
        found.entry(seq).or_default().push(text("doorward.hash"));
    }
    found
}

/// Every record of the spool, by number, with its hash.
fn written(stage: &Stage) -> BTreeMap<u64, String> {
    let mut reader = Reader::from(&stage.config.ledger.dir, ledger::Position::default());
    let mut found = BTreeMap::new();
    while let Some(entry) = reader.read().unwrap() {
        let line = entry.decode().unwrap();
        found.insert(line.seq, line.hash.to_string());
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn every_record_arrives_although_the_collector_was_away() {
    let receiver = OtlpReceiver::start().unwrap();
    let stage = stage(&receiver).await;
    let running = start(&stage.config).await.unwrap();
    let world = World { stage, running };
    let ada = device_sign_in(&world.base, "ada").await.unwrap().actor();
    ada.messages(MODEL, "Hello").await.unwrap();
    receiver.wait_for(1).await.unwrap();

    receiver.refuse_connections().await;
    for _ in 0..20 {
        assert_eq!(ada.messages(MODEL, "Hello").await.unwrap().status, 200);
    }
    // What nobody has taken shows at once, not only at the next try.
    assert!(metric(&world, LAG).await >= 20);
    receiver.fail_next(1, 503);
    receiver.accept_connections().await;
    let all = written(&world.stage).len();
    receiver.wait_for(all).await.unwrap();
    while metric(&world, LAG).await > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(
        metric(&world, "doorward_sink_refused{sink=\"otlp\"}").await,
        0
    );
    assert!(arrived(&receiver).values().all(|hashes| hashes.len() == 1));
    for headers in receiver.headers() {
        assert_eq!(headers["authorization"], "Bearer collector-token");
    }

    // A restart goes on where it was.
    let World { stage, running } = world;
    running.stop(Duration::ZERO).await.unwrap();
    let running = start(&stage.config).await.unwrap();
    let world = World { stage, running };
    ada.messages(MODEL, "Hello").await.unwrap();
    let written: BTreeMap<_, _> = written(&world.stage)
        .into_iter()
        .map(|(seq, hash)| (seq, vec![hash]))
        .collect();
    until(async || {
        let arrived = arrived(&receiver);
        written.keys().all(|seq| arrived.contains_key(seq))
    })
    .await;
    let mut arrived = arrived(&receiver);
    // What was written since the look may have arrived as well.
    arrived.retain(|seq, _| written.contains_key(seq));
    arrived.values_mut().for_each(Vec::dedup);
    assert_eq!(arrived, written);
    world.stop(Duration::ZERO).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_the_collector_finds_wrong_is_counted_and_holds_nothing_back() {
    let receiver = OtlpReceiver::start().unwrap();
    receiver.fail_next(u32::MAX, 400);
    let stage = stage(&receiver).await;
    let running = start(&stage.config).await.unwrap();
    let world = World { stage, running };
    while metric(&world, "doorward_sink_refused{sink=\"otlp\"}").await == 0 {
        tokio::task::yield_now().await;
    }
    receiver.fail_next(0, 400);
    let ada = device_sign_in(&world.base, "ada").await.unwrap().actor();
    ada.messages(MODEL, "Hello").await.unwrap();
    receiver.wait_for(1).await.unwrap();
    world.stop(Duration::ZERO).await.unwrap();
}
