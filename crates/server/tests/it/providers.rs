//! Providers that fail, in every way the simulated one knows.

use std::time::Duration;

use server::demo::world::World;
use testkit::{Fault, Session, device_sign_in};

use crate::watch::{metric, metrics, outcome};

const MODEL: &str = "claude-sonnet-5-5";

async fn world() -> (World, Session) {
    let world = World::start(0).await.unwrap();
    let ada = device_sign_in(&world.base, "ada").await.unwrap();
    (world, ada)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_fails_before_its_first_byte_is_passed_over() {
    let (world, ada) = world().await;
    for fault in [
        Fault::status(500),
        Fault::status(529),
        Fault::status(429),
        Fault::status(401),
        Fault::status(403),
        Fault::Reset,
        Fault::Html(502),
    ] {
        let before = world.second.seen().len();
        world.first.fault_next(fault.clone());
        let answer = ada.actor().messages(MODEL, "Hello").await.unwrap();
        assert_eq!(answer.status, 200, "{fault:?}: {}", answer.text());
        assert_eq!(world.second.seen().len(), before + 1, "{fault:?}");
    }
    world.stop(Duration::from_secs(2)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn when_every_provider_fails_the_client_learns_what_helps() {
    let (world, ada) = world().await;
    for (fault, status, kind) in [
        // The provider's own words pass, with its retry-after.
        (Fault::status_retry_after(529, 3), 529, "overloaded_error"),
        (Fault::status_retry_after(429, 7), 429, "rate_limit_error"),
        // An operator's bad key is never shown as the person's own.
        (Fault::status(401), 502, "api_error"),
        (Fault::Reset, 502, "api_error"),
        (Fault::Html(500), 502, "api_error"),
    ] {
        world.first.fault_next(fault.clone());
        world.second.fault_next(fault.clone());
        let answer = ada.actor().messages(MODEL, "Hello").await.unwrap();
        assert_eq!(
            (answer.status, &answer.json()["error"]["type"]),
            (status, &kind.into()),
            "{fault:?}"
        );
        if let Fault::Status {
            retry_after_s: Some(seconds),
            ..
        } = fault
        {
            assert_eq!(answer.header("retry-after"), Some(&*seconds.to_string()));
        }
    }
    world.stop(Duration::from_secs(2)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_the_provider_finds_wrong_comes_back_with_its_words_and_is_not_tried_elsewhere() {
    let (world, ada) = world().await;
    let mut body = testkit::actor::message(MODEL, "Hello", false);
    body["temperature"] = 0.5.into();
    let before = world.second.seen().len();
    let answer = ada
        .actor()
        .header("anthropic-version", "2026-10-21")
        .post("/v1/messages", &body)
        .await
        .unwrap();
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("temperature"), "{}", answer.text());
    assert_eq!(world.second.seen().len(), before);
    world.stop(Duration::from_secs(2)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_breaks_is_told_and_billed_by_what_was_seen() {
    let (world, ada) = world().await;
    for (fault, ended) in [
        (Fault::CutAfter(8), "upstream_cut"),
        (Fault::ResetAfter(8), "upstream_cut"),
        (Fault::EndAfter(8), "upstream_cut"),
        (
            Fault::ErrorAfter {
                events: 8,
                kind: None,
            },
            "error",
        ),
    ] {
        world.first.fault_next(fault.clone());
        let events = ada
            .actor()
            .stream(MODEL, "Tell me. [testkit events=50]")
            .await
            .unwrap();
        let request = events.header("x-request-id").unwrap().to_owned();
        let (events, _) = events.until_end().await;
        assert!(events.len() >= 5, "{fault:?}: {}", events.len());
        let outcome = outcome(&world, &request).await;
        assert_eq!(outcome["ended"], ended, "{fault:?}: {outcome}");
        assert_eq!(outcome["estimated"], true, "{fault:?}: {outcome}");
        assert!(
            outcome["usage"]["input_tokens"].as_u64().unwrap() > 0,
            "{fault:?}: {outcome}"
        );
    }
    world.stop(Duration::from_secs(2)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_huge_lines_single_bytes_and_missing_usage_pass_without_harm() {
    let (world, ada) = world().await;
    for fault in [
        Fault::GarbageAfter(4),
        Fault::HugeLine(2_000_000),
        Fault::ByteByByte,
        Fault::NoUsage,
    ] {
        world.first.fault_next(fault.clone());
        let events = ada.actor().stream(MODEL, "Tell me.").await.unwrap();
        assert_eq!(events.status(), 200);
        let (events, _) = events.until_end().await;
        assert!(
            events.iter().any(|event| event.name == "message_stop"),
            "{fault:?}"
        );
    }
    assert_eq!(
        ada.actor()
            .messages(MODEL, "Still there?")
            .await
            .unwrap()
            .status,
        200
    );
    world.stop(Duration::from_secs(2)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_is_billed_by_what_the_provider_went_on_to_say() {
    let (world, ada) = world().await;
    let mut events = ada
        .actor()
        .stream(MODEL, "Tell me. [testkit events=60 pace-ms=5]")
        .await
        .unwrap();
    let request = events.header("x-request-id").unwrap().to_owned();
    events.next().await.unwrap();
    drop(events);
    let outcome = outcome(&world, &request).await;
    assert_eq!(outcome["ended"], "client_gone", "{outcome}");
    assert!(
        outcome["usage"]["output_tokens"].as_u64().unwrap() >= 60,
        "{outcome}"
    );
    world.stop(Duration::from_secs(2)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_200_that_is_none_is_never_taken_for_a_complete_answer() {
    let (world, ada) = world().await;
    for fault in [
        Fault::CutAfter(0),
        Fault::EndAfter(0),
        Fault::EndAfter(1),
        Fault::ErrorAfter {
            events: 0,
            kind: None,
        },
    ] {
        world.first.fault_next(fault.clone());
        let events = ada.actor().stream(MODEL, "Tell me.").await.unwrap();
        assert_eq!(events.status(), 200, "{fault:?}");
        let request = events.header("x-request-id").unwrap().to_owned();
        let (events, _) = events.until_end().await;
        assert!(
            events.iter().all(|event| event.name != "message_stop"),
            "{fault:?}"
        );
        let outcome = outcome(&world, &request).await;
        assert_ne!(outcome["ended"], "complete", "{fault:?}: {outcome}");
        assert_eq!(outcome["estimated"], true, "{fault:?}: {outcome}");
    }
    world.stop(Duration::from_secs(2)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_hangs_up_before_the_answer_pays_for_it() {
    let (world, ada) = world().await;
    for stream in [false, true] {
        world.first.forget();
        world.first.fault_next(Fault::SlowHeadersMs(200));
        let actor = ada.actor();
        let body = testkit::actor::message(MODEL, "Hello", stream);
        let asking = tokio::spawn(async move { actor.post("/v1/messages", &body).await });
        world.first.wait_for(1).await.unwrap();
        asking.abort();
        let _left = asking.await;
        while metric(&world, "doorward_calls_running").await > 0 {
            tokio::task::yield_now().await;
        }
        let text = metrics(&world).await;
        let gone = "ended=\"client_gone\",upstream=\"first\"} ";
        let count = if stream { 2 } else { 1 };
        assert!(text.contains(&format!("{gone}{count}")), "{text}");
        let output = metric(&world, "doorward_tokens_total{class=\"output\"}").await;
        assert!(output > 0, "{text}");
        assert!(metric(&world, "doorward_cost_nanodollars_total").await > 0);
    }
    world.stop(Duration::from_secs(2)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_was_heard_out_is_complete_streamed_or_not() {
    let (world, ada) = world().await;
    let answer = ada.actor().messages(MODEL, "Hello").await.unwrap();
    let whole = answer.header("x-request-id").unwrap().to_owned();
    let events = ada.actor().stream(MODEL, "Hello").await.unwrap();
    let streamed = events.header("x-request-id").unwrap().to_owned();
    events.until_end().await;
    for request in [whole, streamed] {
        let outcome = outcome(&world, &request).await;
        assert_eq!(outcome["ended"], "complete", "{outcome}");
        assert!(outcome["usage"]["output_tokens"].as_u64().unwrap() > 0);
    }
    world.stop(Duration::from_secs(2)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn both_api_versions_and_unknown_headers_and_fields_reach_the_provider_as_they_were() {
    let (world, ada) = world().await;
    for version in ["2023-06-01", "2026-10-21"] {
        let mut body = testkit::actor::message(MODEL, "Hello", false);
        body["field_of_tomorrow"] = serde_json::json!({"deep": [1, "two"]});
        let actor = ada
            .actor()
            .header("anthropic-version", version)
            .header("x-of-tomorrow", "kept")
            .header("anthropic-beta", "a-2026,b-2027");
        let query = "beta=true&subscription-key=abc";
        let answer = actor
            .post(&format!("/v1/messages?{query}"), &body)
            .await
            .unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        let seen = world.first.last_seen().unwrap();
        assert_eq!(seen.query, "beta=true", "a credential of another's");
        assert_eq!(seen.header("anthropic-version"), Some(version));
        assert_eq!(seen.header("x-of-tomorrow"), Some("kept"));
        assert_eq!(seen.header("anthropic-beta"), Some("a-2026,b-2027"));
        assert!(
            answer.header("request-id").is_some()
                && answer.header("anthropic-organization-id").is_none()
        );
        assert!(
            answer
                .header("anthropic-ratelimit-requests-limit")
                .is_none()
        );
    }
    world.stop(Duration::from_secs(2)).await.unwrap();
}
