//! Two replicas while one of them dies, loses its database, or is replaced: money, records, streams and revocations hold.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use domain::Usd;
use ledger::Record;
use ledger::read::Reader;
use ledger::record::Outcome;
use testkit::{Actor, Http, Session, device_sign_in};
use tokio::task::JoinSet;

use super::world::{Pair, Replica};
use super::{SONNET, open_stream};
use crate::database::Line;
use crate::promise::within_a_second;
use crate::watch::until;

const OPUS: &str = "claude-opus-5-5";
/// What edsger may spend a day here.
const CAP: &str = "1.00";
/// About a quarter of a cent, for which about two and a half cents are held.
const CALL: &str = "Spend a little. [testkit events=100]";
/// More than is held for one such call.
const ONE_CALL: &str = "0.03";

fn usd(text: &str) -> Usd {
    text.parse().unwrap()
}

/// Everybody of the trial group may spend more here than in the demo.
async fn pair() -> (Pair, Session) {
    let pair =
        Pair::start_with(|policy| policy.replace("amount_usd = \"0.25\"", "amount_usd = \"1.00\""))
            .await;
    let edsger = device_sign_in(&pair.stage.base, "edsger").await.unwrap();
    (pair, edsger)
}

/// Every outcome in a replica's ledger.
fn outcomes(folder: &Path) -> Vec<Outcome> {
    let mut reader = Reader::from(folder, ledger::Position::default());
    let mut found = Vec::new();
    while let Ok(Some(entry)) = reader.read() {
        let Ok(line) = entry.decode() else { continue };
        if let Ok(Record::Outcome(outcome)) = line.record() {
            found.push(outcome);
        }
    }
    found
}

/// What both ledgers say was spent.
fn spent(pair: &Pair) -> Usd {
    let folders = pair.both().map(|it| outcomes(&it.ledger_dir));
    let costs = folders.iter().flatten().map(|outcome| outcome.cost);
    costs.fold(Usd::ZERO, Usd::plus)
}

/// Calls without end, several at once, until it is told to stop.
struct Load {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    workers: JoinSet<()>,
}

impl Load {
    fn on(actor: &Actor) -> Self {
        let mut load = Self {
            stop: Arc::default(),
            answered: Arc::default(),
            workers: JoinSet::new(),
        };
        for _ in 0..4 {
            let (actor, stop, answered) = (
                actor.clone(),
                Arc::clone(&load.stop),
                Arc::clone(&load.answered),
            );
            load.workers.spawn(async move {
                while !stop.load(Ordering::SeqCst) {
                    // A replica that was killed answers nothing.
                    let Ok(answer) = actor.messages(OPUS, CALL).await else {
                        return;
                    };
                    let code = answer.header("x-doorward-reason");
                    assert!(
                        answer.status == 200 || code == Some("budget_spent"),
                        "{}: {}",
                        answer.status,
                        answer.text()
                    );
                    answered.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        load
    }

    /// So many more answers, refusals among them.
    async fn goes_on(&self, answers: usize) {
        let wanted = self.answered.load(Ordering::SeqCst) + answers;
        until(async || self.answered.load(Ordering::SeqCst) >= wanted).await;
    }

    async fn stop(self) {
        self.stop.store(true, Ordering::SeqCst);
        self.workers.join_all().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hard_cap_holds_over_both_while_one_is_killed_again_and_again() {
    let (mut pair, edsger) = pair().await;
    for round in 0..6 {
        let here = Load::on(&pair.a.actor(&edsger));
        let there = Load::on(&pair.b.actor(&edsger));
        here.goes_on(5 + round % 3).await;
        pair.a.kill();
        here.workers.join_all().await;
        // The other goes on, and what the dead one was granted is not in its reach.
        there.goes_on(5).await;
        assert!(
            spent(&pair) <= usd(CAP),
            "{} in round {round}",
            spent(&pair)
        );
        pair.a.spawn();
        pair.a.is_ready().await;
        there.stop().await;
    }
    // All that was granted and not spent can be spent still, by whoever asks.
    let actors = [pair.a.actor(&edsger), pair.b.actor(&edsger)];
    let mut refused = 0;
    for turn in 0..400 {
        let status = actors[turn % 2].messages(OPUS, CALL).await.unwrap().status;
        refused = if status == 429 { refused + 1 } else { 0 };
        if refused == 4 {
            break;
        }
    }
    assert_eq!(refused, 4, "there is money without end");
    let (seen, records) = (
        pair.stage.first.seen().len(),
        pair.both().map(|it| outcomes(&it.ledger_dir)),
    );
    let whole = records[1]
        .iter()
        .find(|it| !it.estimated && it.cost > Usd::ZERO);
    let whole = whole.unwrap().cost;
    let total = spent(&pair);
    assert!(total <= usd(CAP), "{total} was spent of {CAP}");
    assert!(
        total.plus(usd(ONE_CALL)) > usd(CAP),
        "{total} was spent of {CAP}, and the rest is nobody's"
    );
    // What the provider really did, whatever our ledgers say.
    let seen = i64::try_from(seen).unwrap();
    assert!(
        whole.nanos() * seen <= usd(CAP).nanos(),
        "the provider saw {seen} calls of {whole}"
    );
    pair.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_database_what_was_granted_is_spent_and_then_it_is_an_outage() {
    let (pair, edsger) = pair().await;
    let actors = [pair.a.actor(&edsger), pair.b.actor(&edsger)];
    for actor in &actors {
        assert_eq!(actor.messages(OPUS, CALL).await.unwrap().status, 200);
    }
    for replica in pair.both() {
        replica.line(Line::Cut);
    }
    for actor in &actors {
        let mut answered = 0;
        loop {
            let answer = actor.messages(OPUS, CALL).await.unwrap();
            if answer.status != 200 {
                assert_eq!(
                    answer.header("x-doorward-reason"),
                    Some("store_unavailable")
                );
                assert_eq!(answer.status, 503, "{}", answer.text());
                break;
            }
            answered += 1;
        }
        assert!(answered > 0, "what was granted was not spent");
    }
    assert!(spent(&pair) <= usd(CAP));
    for replica in pair.both() {
        replica.line(Line::Open);
    }
    for actor in &actors {
        until(async || actor.messages(OPUS, CALL).await.unwrap().status == 200).await;
    }
    pair.stop().await;
}

/// What is asked of a replica right after it was told: the promise is a second, and how long it took is printed.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_revoked_on_one_is_refused_and_cut_on_the_other_within_a_second_each_of_100_times()
 {
    let pair = Pair::start().await;
    let http = Http::new();
    let mut took = Vec::new();
    for _ in 0..100 {
        let ada = device_sign_in(&pair.stage.base, "ada").await.unwrap();
        let there = pair.b.actor(&ada);
        let stream = open_stream(&there).await;
        let token = ada.refresh_token.as_deref().unwrap();
        let revoke = http.post(&format!("{}/oauth/revoke", pair.a.base));
        let told = revoke.form(&[("token", token)]).send().await.unwrap();
        assert_eq!(told.status, 200, "{}", told.text());
        let at = Instant::now();
        let ended = within_a_second(stream.until_end()).await;
        let (events, _) = ended.expect("the stream is cut within a second");
        assert_eq!(events.last().unwrap().name, "error");
        took.push(at.elapsed());
        let next = there.messages(SONNET, "One more?").await.unwrap();
        assert_eq!(next.status, 401, "{}", next.text());
    }
    took.sort_unstable();
    super::measured(&format!(
        "revoked on one, cut on the other: median {} ms, longest {} ms of {}",
        took[50].as_millis(),
        took[99].as_millis(),
        took.len()
    ));
    pair.stop().await;
}

/// Its connections break, the one it listens on with them; what it missed meanwhile it finds by looking.
#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_was_cut_off_finds_what_it_missed_when_it_is_back() {
    let pair = Pair::start().await;
    let ada = device_sign_in(&pair.stage.base, "ada").await.unwrap();
    let stream = open_stream(&pair.b.actor(&ada)).await;
    pair.b.line(Line::Cut);
    let token = ada.refresh_token.as_deref().unwrap();
    let revoke = Http::new().post(&format!("{}/oauth/revoke", pair.a.base));
    let told = revoke.form(&[("token", token)]).send().await.unwrap();
    assert_eq!(told.status, 200, "{}", told.text());
    until(async || pair.b.metric("doorward_store_listening").await == Some(0)).await;
    pair.b.line(Line::Open);
    let at = Instant::now();
    let (events, _) = stream.until_end().await;
    assert_eq!(events.last().unwrap().name, "error");
    super::measured(&format!(
        "revoked while cut off, cut after the line was back: {} ms",
        at.elapsed().as_millis()
    ));
    until(async || pair.b.metric("doorward_store_listening").await == Some(1)).await;
    pair.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_restart_under_load_loses_no_stream_and_no_record() {
    let mut pair = Pair::start().await;
    let ada = device_sign_in(&pair.stage.base, "ada").await.unwrap();
    pair.balancer.in_turn();
    let (stop, whole) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicUsize::new(0)),
    );
    let mut workers = JoinSet::new();
    for _ in 0..6 {
        let (actor, stop, whole) = (ada.actor(), Arc::clone(&stop), Arc::clone(&whole));
        workers.spawn(async move {
            while !stop.load(Ordering::SeqCst) {
                // A connection that a replica took and closed unread, as it was about to end, is made anew.
                let Ok(stream) = actor
                    .stream(SONNET, "A short story. [testkit events=30 pace-ms=10]")
                    .await
                else {
                    continue;
                };
                let status = stream.status();
                let (events, broken) = stream.until_end().await;
                let last = events.last().map(|event| event.name.as_str());
                assert_eq!(
                    (status, last, broken.is_some()),
                    (200, Some("message_stop"), false)
                );
                whole.fetch_add(1, Ordering::SeqCst);
            }
        });
    }
    let goes_on = async |more: usize| {
        let wanted = whole.load(Ordering::SeqCst) + more;
        until(async || whole.load(Ordering::SeqCst) >= wanted).await;
    };
    for _ in 0..2 {
        goes_on(12).await;
        restart(&mut pair.a).await;
        goes_on(12).await;
        restart(&mut pair.b).await;
    }
    goes_on(12).await;
    stop.store(true, Ordering::SeqCst);
    workers.join_all().await;
    pair.end_both().await;
    let records = pair.both().map(|it| outcomes(&it.ledger_dir));
    let answered: BTreeSet<String> = records
        .iter()
        .flatten()
        .flat_map(|outcome| &outcome.upstream_requests)
        .map(|id| id.as_str().to_owned())
        .collect();
    for seen in pair.stage.first.seen() {
        assert!(
            answered.contains(&seen.request_id),
            "{} has no outcome",
            seen.request_id
        );
    }
    assert!(
        records
            .iter()
            .flatten()
            .all(|it| it.ended.as_str() == "complete")
    );
    pair.clean_up().await;
}

async fn restart(replica: &mut Replica) {
    replica.terminate().await;
    replica.spawn();
    replica.is_ready().await;
}
