//! Budgets, in money, through the front door.

use domain::Usd;
use server::demo::world::World;
use testkit::device_sign_in;

use crate::watch;

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_calls_at_once_never_pass_a_hard_budget() {
    let world = World::start(0).await.unwrap();
    let edsger = device_sign_in(&world.base, "edsger").await.unwrap().actor();
    let mut calls = tokio::task::JoinSet::new();
    for index in 0..200 {
        let edsger = edsger.clone();
        calls.spawn(async move {
            let prompt = "Spend what you can. [testkit events=400]";
            if index % 2 == 0 {
                edsger
                    .messages("claude-opus-5-5", prompt)
                    .await
                    .unwrap()
                    .status
            } else {
                let events = edsger.stream("claude-opus-5-5", prompt).await.unwrap();
                let status = events.status();
                events.until_end().await;
                status
            }
        });
    }
    let statuses = calls.join_all().await;
    let answered = statuses.iter().filter(|status| **status == 200).count();
    assert!(
        statuses.iter().all(|status| matches!(status, 200 | 429)),
        "{statuses:?}"
    );
    assert!(answered > 0 && answered < 200, "{answered} answered");

    // What the provider really did, priced as the ledger prices it.
    let (cap, spent): (Usd, Usd) = ("0.25".parse().unwrap(), spent_today(&edsger).await);
    assert!(spent <= cap, "{spent} was spent of {cap}");
    assert!(spent > Usd::ZERO);

    // Nothing is held any more: a small call fits again, unless the budget is really used up.
    let again = edsger.messages("claude-haiku-5-5", "Hello").await.unwrap();
    assert_eq!(again.status, 200, "{}", again.text());
    world.stop(std::time::Duration::from_secs(2)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_when_its_budget_runs_dry() {
    let world = World::start(0).await.unwrap();
    let edsger = device_sign_in(&world.base, "edsger").await.unwrap().actor();
    let mut body = testkit::actor::message(
        "claude-opus-5-5",
        "Write a book. [testkit events=60000]",
        true,
    );
    body["max_tokens"] = 128_000.into();
    let (events, _) = edsger.stream_body(&body).await.unwrap().until_end().await;
    let last = events.last().unwrap();
    assert_eq!(
        (last.name.as_str(), &last.json()["error"]["type"]),
        ("error", &"billing_error".into())
    );
    let (cap, spent): (Usd, Usd) = ("0.25".parse().unwrap(), spent_today(&edsger).await);
    assert!(spent <= cap, "{spent} was spent of {cap}");
    world.stop(std::time::Duration::from_secs(2)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_spent_is_known_after_a_restart() {
    let world = World::start(0).await.unwrap();
    let session = device_sign_in(&world.base, "edsger").await.unwrap();
    session
        .actor()
        .messages("claude-opus-5-5", "Hello [testkit events=300]")
        .await
        .unwrap();
    let before = spent_today(&session.actor()).await;
    let World { stage, running } = world;
    running
        .stop(std::time::Duration::from_secs(2))
        .await
        .unwrap();
    let running = server::commands::start(&stage.config).await.unwrap();
    assert_eq!(spent_today(&session.actor()).await, before);
    running
        .stop(std::time::Duration::from_secs(2))
        .await
        .unwrap();
}

fn dollars(record: &serde_json::Value, field: &str) -> Usd {
    record[field].as_str().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fast_call_holds_and_costs_its_multiplied_price() {
    let world = World::start(0).await.unwrap();
    let edsger = device_sign_in(&world.base, "edsger").await.unwrap().actor();
    let mut sums = Vec::new();
    for (speed, geo) in [("standard", "global"), ("fast", "global"), ("fast", "us")] {
        for stream in [false, true] {
            let mut body = testkit::actor::message("claude-opus-5-5", "Hello", stream);
            (body["speed"], body["inference_geo"]) = (speed.into(), geo.into());
            // All bodies are of one length, so that they hold the same input.
            body["pad"] = "x".repeat(20 - speed.len() - geo.len()).into();
            let answer = edsger.post("/v1/messages", &body).await.unwrap();
            assert_eq!(answer.status, 200, "{}", answer.text());
            let request = answer.header("x-request-id").unwrap();
            let decision = watch::record(&world, request, "decision").await;
            let outcome = watch::outcome(&world, request).await;
            assert_ne!(outcome["estimated"], true, "{outcome}");
            assert_eq!(outcome["usage"]["terms"]["speed"], speed, "{outcome}");
            let nanos = |record, field| dollars(record, field).nanos();
            sums.push((
                stream,
                nanos(&decision, "reserved"),
                nanos(&outcome, "cost"),
            ));
        }
    }
    for stream in [false, true] {
        let of: Vec<_> = sums.iter().filter(|sum| sum.0 == stream).collect();
        let [standard, fast, both] = of[..] else {
            panic!("{of:?}")
        };
        assert!(standard.1 > 0 && standard.2 > 0, "{of:?}");
        assert_eq!((fast.1, fast.2), (2 * standard.1, 2 * standard.2), "{of:?}");
        assert_eq!(
            (10 * both.1, 10 * both.2),
            (22 * standard.1, 22 * standard.2),
            "{of:?}"
        );
    }
    let total: i64 = sums.iter().map(|sum| sum.2).sum();
    assert_eq!(spent_today(&edsger).await, Usd::from_nanos(total));
    world.stop(std::time::Duration::from_secs(2)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hard_budget_is_not_passed_by_asking_for_what_costs_more() {
    let world = World::start(0).await.unwrap();
    let edsger = device_sign_in(&world.base, "edsger").await.unwrap().actor();
    let ada = device_sign_in(&world.base, "ada").await.unwrap().actor();
    let mut plain = testkit::actor::message("claude-opus-5-5", "Hello", false);
    plain["max_tokens"] = 8_000.into(); // 16 of the 25 cents
    let with = |field: &str, value: serde_json::Value| {
        let mut body = plain.clone();
        body[field] = value;
        body
    };
    let fetched = |kind: &str| {
        let source = serde_json::json!({"type": "url", "url": "https://example.com/a"});
        with(
            "messages",
            serde_json::json!([{"role": "user", "content": [{"type": kind, "source": source}]}]),
        )
    };
    for (body, status) in [
        (with("speed", "standard".into()), 200),
        (with("speed", "fast".into()), 429),
        (with("speed", "warp".into()), 429),
        (fetched("image"), 200),
        (fetched("document"), 429),
        (
            with(
                "tools",
                serde_json::json!([{"type": "web_search_20250305", "name": "web_search"}]),
            ),
            429,
        ),
        (
            with(
                "tools",
                serde_json::json!([{"type": "bash_20250124", "name": "bash"}]),
            ),
            200,
        ),
    ] {
        let answer = edsger.post("/v1/messages", &body).await.unwrap();
        assert_eq!(answer.status, status, "{body} {}", answer.text());
        if status == 429 {
            assert_eq!(answer.json()["error"]["type"], "billing_error", "{body}");
        }
        // Without a hard budget nothing is refused for it.
        let answer = ada.post("/v1/messages", &body).await.unwrap();
        assert_eq!(answer.status, 200, "{body} {}", answer.text());
    }
    world.stop(std::time::Duration::from_secs(2)).await.unwrap();
}

async fn spent_today(actor: &testkit::Actor) -> Usd {
    let usage = actor.usage().await.unwrap();
    let cents: Usd = usage["extra_usage"]["daily"]["used_credits"]
        .to_string()
        .parse()
        .unwrap();
    Usd::from_nanos(cents.nanos() / 100)
}
