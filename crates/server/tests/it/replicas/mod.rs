//! Two replicas that act as one: whatever is begun on one goes on at the other, and nobody is kept to either.

mod approvals;
mod chaos;
mod console;
mod copies;
mod directory;
mod grants;
mod keys;
mod tasks;
mod world;

use std::collections::BTreeSet;
use std::time::Instant;

use http::Method;
use ledger::Record;
use ledger::read::Reader;
use serde_json::json;
use testkit::sign_in::Device;
use testkit::{Actor, Browser, device_sign_in};

use world::{LOOK, Pair, Replica};

use crate::database::Database;
use crate::promise::within_a_second;
use crate::run::{output, program, words};

const HAIKU: &str = "claude-haiku-5-5";
const SONNET: &str = "claude-sonnet-5-5";

/// What was measured belongs beside the promise.
#[expect(clippy::print_stdout, reason = "for whoever runs the tests by hand")]
fn measured(what: &str) {
    println!("{what}");
}

/// Looks until it is so, and says after how long that was. The bound is the promise that is tested.
async fn soon(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    let until_it_is = async {
        while !is_so().await {
            tokio::time::sleep(LOOK).await;
        }
    };
    let is = within_a_second(until_it_is).await;
    assert!(is.is_some(), "{what}: not within a second");
    measured(&format!("{what}: after {} ms", began.elapsed().as_millis()));
}

/// The status of an answer; 0 for none, as when a refusal closed the connection before the body was taken from it.
async fn status(actor: &Actor, model: &str) -> u16 {
    let answer = actor.messages(model, "Hello").await;
    answer.map_or(0, |answer| answer.status)
}

#[tokio::test(flavor = "multi_thread")]
async fn two_that_start_at_once_on_an_empty_database_are_one_installation() {
    let mut pair = Pair::set().await;
    pair.start_both().await;
    // One organisation, one set of keys: who signs in at one is known to the other, though no rule lets them in yet.
    let session = device_sign_in(&pair.stage.base, "ada").await.unwrap();
    for replica in pair.both() {
        let answer = replica.actor(&session).messages(HAIKU, "Hello").await;
        let answer = answer.unwrap();
        assert_eq!(answer.header("x-doorward-reason"), Some("not_granted"));
    }
    let keys: BTreeSet<String> = pair
        .both()
        .iter()
        .map(|it| std::fs::read_to_string(it.ledger_dir.join("ledger.pub")).unwrap())
        .collect();
    assert_eq!(keys.len(), 1, "both sign their ledgers with one key");
    pair.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_wanders_between_replicas() {
    let pair = Pair::start().await;
    let device = Device::begin(&pair.a.base).await.unwrap();
    // The browser's pages come from both in turn: the code is entered at one, the identity provider sends it to the other.
    pair.balancer.in_turn();
    device.approve(&mut Browser::new(), "ada").await.unwrap();
    let at_one = device.finish().await.unwrap();
    for replica in pair.both() {
        assert_eq!(status(&replica.actor(&at_one), HAIKU).await, 200);
    }
    let mut session = device_sign_in(&pair.stage.base, "ada").await.unwrap();
    for chosen in [1, 0, 1] {
        pair.balancer.only(chosen);
        session.refresh().await.unwrap();
        for replica in pair.both() {
            assert_eq!(status(&replica.actor(&session), HAIKU).await, 200);
        }
    }
    pair.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_changed_through_one_is_in_force_on_the_other_within_a_second() {
    let pair = Pair::start().await;
    let alan = device_sign_in(&pair.stage.base, "alan").await.unwrap();
    let [here, there] = pair.both().map(|it| it.actor(&alan));
    assert_eq!(
        (status(&here, SONNET).await, status(&there, SONNET).await),
        (400, 400)
    );

    for replica in pair.both() {
        assert_eq!(replica.metric("doorward_store_listening").await, Some(1));
    }
    let file = pair.stage.dir.path().join("policy.toml");
    let text = include_str!("../../../src/demo/policy.toml").replace(
        "models = [\"claude-haiku-*\"]",
        "models = [\"claude-haiku-*\", \"claude-sonnet-*\"]",
    );
    std::fs::write(&file, text).unwrap();
    let file = file.display().to_string();
    let apply = [
        "policy",
        "apply",
        &file,
        "--reason",
        "more",
        "--expected",
        "1",
    ];
    pair.a.command(&apply).await;
    soon("a policy", async || status(&there, SONNET).await == 200).await;

    let admin = Actor::with_api_key(&pair.a.base, &pair.stage.admin_key);
    let nothing = json!({"scope": {"type": "organization"}, "amount": "0", "period": "daily"});
    let path = "/v1/organizations/spend_limits";
    let made = admin.post(path, &nothing).await.unwrap();
    let id = made.expect_status(200).unwrap().json()["id"].clone();
    soon("a spend limit", async || status(&there, HAIKU).await == 429).await;
    let path = format!("{path}/{}", id.as_str().unwrap());
    let gone = admin.request(Method::DELETE, &path).send().await.unwrap();
    assert_eq!(gone.status, 200, "{}", gone.text());
    soon("its end", async || status(&there, HAIKU).await == 200).await;

    let settings = [&here, &there].map(|actor| actor.managed_settings(None));
    let [one, other] = settings;
    assert_eq!(one.await.unwrap(), other.await.unwrap());
    pair.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_key_made_on_one_opens_the_other_until_it_is_revoked() {
    let pair = Pair::start().await;
    let made = ["service-key", "create", "nightly", "--group", "engineering"];
    let key = String::from_utf8(pair.a.command(&made).await.stdout).unwrap();
    let nightly = Actor::with_bearer(&pair.b.base, key.trim());
    assert_eq!(status(&nightly, SONNET).await, 200);
    let mut stream = open_stream(&nightly).await;
    let revoke = ["service-key", "revoke", "nightly", "--reason", "leaked"];
    pair.a.command(&revoke).await;
    soon("a revoked key", async || {
        status(&nightly, SONNET).await == 401
    })
    .await;
    while stream
        .next()
        .await
        .unwrap()
        .is_some_and(|it| it.name != "error")
    {}
    pair.stop().await;
}

/// A long answer whose first event has come.
async fn open_stream(actor: &Actor) -> testkit::client::Events {
    let prompt = "Tell me a long story. [testkit events=100000 pace-ms=20]";
    let mut stream = actor.stream(SONNET, prompt).await.unwrap();
    assert_eq!(stream.status(), 200);
    stream.next().await.unwrap().unwrap();
    stream
}

#[tokio::test(flavor = "multi_thread")]
async fn each_replica_writes_a_chain_of_its_own() {
    let pair = Pair::start().await;
    let session = device_sign_in(&pair.stage.base, "ada").await.unwrap();
    for replica in pair.both() {
        assert_eq!(status(&replica.actor(&session), HAIKU).await, 200);
    }
    let chains: BTreeSet<String> = pair.both().iter().map(|it| chain(it)).collect();
    assert_eq!(chains.len(), 2, "{chains:?}");
    pair.stop().await;
}

fn chain(replica: &Replica) -> String {
    let mut reader = Reader::from(&replica.ledger_dir, ledger::Position::default());
    let entry = reader.read().unwrap().unwrap();
    let line = entry.decode().unwrap();
    assert!(matches!(line.record(), Ok(Record::System(_))));
    line.chain.to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_shows_two_replicas_where_postgresql_is_at_hand() {
    let database = Database::make().await;
    let url = database.url();
    let output = output(program(&["demo", "--once", "--postgres", &url])).await;
    let text = words(&output);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("two replicas on one PostgreSQL"), "{text}");
    assert!(text.contains("at the other replica is cut"), "{text}");
    database.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_spent_at_one_shows_at_the_other() {
    let pair = Pair::start().await;
    let edsger = device_sign_in(&pair.stage.base, "edsger").await.unwrap();
    let [here, there] = pair.both().map(|it| it.actor(&edsger));
    assert_eq!(status(&here, HAIKU).await, 200);
    let spent = async |actor: &Actor| {
        let usage = actor.usage().await.unwrap();
        usage["extra_usage"]["daily"]["used_credits"].to_string()
    };
    let expected = spent(&here).await;
    assert_ne!(expected, "0");
    soon("usage", async || spent(&there).await == expected).await;
    pair.stop().await;
}
