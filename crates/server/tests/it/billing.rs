//! What a call costs when its end is not the ordinary one: nobody gets an answer free by leaving, and nobody pays for an error.

use std::time::Duration;

use domain::{Usd, limits};
use server::demo::world::World;
use testkit::{Fault, Session, device_sign_in};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::hourglass::Hourglass;
use crate::watch::{metric, outcome};

const MODEL: &str = "claude-opus-5-5";

async fn world() -> (World, Session) {
    let world = World::start(0).await.unwrap();
    let edsger = device_sign_in(&world.base, "edsger").await.unwrap();
    (world, edsger)
}

/// Asks, and closes the socket as soon as the provider has the request.
async fn asks_and_leaves(world: &World, who: &Session) {
    let body = testkit::actor::message(MODEL, "Hello", false).to_string();
    let request = format!(
        "POST /v1/messages HTTP/1.1\r\nhost: x\r\nanthropic-version: 2023-06-01\r\ncontent-type: application/json\r\nauthorization: Bearer {}\r\ncontent-length: {}\r\n\r\n{body}",
        who.access_token,
        body.len()
    );
    let address = world.base.strip_prefix("http://").unwrap();
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(request.as_bytes()).await.unwrap();
    world.first.wait_for(1).await.unwrap();
}

async fn spent(who: &Session) -> Usd {
    let usage = who.actor().usage().await.unwrap();
    let cents: Usd = usage["extra_usage"]["daily"]["used_credits"]
        .to_string()
        .parse()
        .unwrap();
    Usd::from_nanos(cents.nanos() / 100)
}

#[tokio::test]
async fn whoever_leaves_a_provider_that_never_answers_pays_what_was_held() {
    let (world, edsger) = world().await;
    world.first.fault(Fault::Hang);
    world.second.fault(Fault::Hang);
    asks_and_leaves(&world, &edsger).await;
    let time = Hourglass::stop();
    while metric(&world, "doorward_calls_running").await > 0 {
        time.pass_ms(limits::UPSTREAM_HEADERS_MS).await;
    }
    drop(time);
    let spent = spent(&edsger).await;
    assert!(spent > "0.005".parse().unwrap(), "{spent}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_of_known_length_is_recorded_as_complete() {
    let (world, edsger) = world().await;
    let actor = edsger.actor();
    let mut wrong = testkit::actor::message(MODEL, "Hello", false);
    wrong["temperature"] = 0.5.into();
    let other = actor.clone().header("anthropic-version", "2026-10-21");
    let wrong = other.post("/v1/messages", &wrong);
    for (answer, ended) in [
        (actor.messages(MODEL, "Hello").await.unwrap(), "complete"),
        (
            actor.count_tokens(MODEL, "Hello").await.unwrap(),
            "complete",
        ),
        (wrong.await.unwrap(), "error"),
    ] {
        assert!(answer.header("content-length").is_some(), "{ended}");
        let request = answer.header("x-request-id").unwrap();
        let outcome = outcome(&world, request).await;
        assert_eq!(outcome["ended"], ended, "{outcome}");
        assert_ne!(outcome["estimated"], true, "{outcome}");
    }
    world.stop(Duration::from_secs(2)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_without_readable_usage_costs_what_was_held() {
    let (world, edsger) = world().await;
    world.first.fault_next(Fault::NoUsage);
    let answer = edsger.actor().messages(MODEL, "Hello").await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    let outcome = outcome(&world, answer.header("x-request-id").unwrap()).await;
    assert_eq!(
        (&outcome["ended"], &outcome["estimated"]),
        (&"complete".into(), &true.into()),
        "{outcome}"
    );
    assert!(spent(&edsger).await > "0.005".parse().unwrap(), "{outcome}");
    world.stop(Duration::from_secs(2)).await.unwrap();
}
