//! Budgets, in money, through the front door.

use domain::Usd;
use server::demo::world::World;
use testkit::device_sign_in;

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

async fn spent_today(actor: &testkit::Actor) -> Usd {
    let usage = actor.usage().await.unwrap();
    let cents: Usd = usage["extra_usage"]["daily"]["used_credits"]
        .to_string()
        .parse()
        .unwrap();
    Usd::from_nanos(cents.nanos() / 100)
}
