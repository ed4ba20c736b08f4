//! A clock that is moved while Doorward serves: an hour forward, an hour back.

use std::sync::Arc;
use std::time::Duration;

use domain::Clock;
use ledger::verify::{Trust, verify_folder};
use server::commands::start_at;
use server::demo::world::{Stage, World};
use server::system::SystemClock;
use testkit::{FakeClock, Session, device_sign_in};

use crate::watch::{outcome, readiness};

const HOUR_MS: i64 = 60 * 60 * 1_000;
const MODEL: &str = "claude-haiku-5-5";

async fn world() -> (World, FakeClock) {
    let clock = FakeClock::at(SystemClock.now());
    let stage = Stage::set(0).await.unwrap();
    let running = start_at(&stage.config, Arc::new(clock.clone()))
        .await
        .unwrap();
    (World { stage, running }, clock)
}

/// Status and reason of a call, once the outage that a jump seems to be at first is over: 503, never a bad login.
async fn ask(world: &World, person: &Session) -> (u16, String) {
    while readiness(world).await.0 != 200 {
        let answer = person.actor().messages(MODEL, "Hello").await.unwrap();
        let reason = answer.header("x-doorward-reason").unwrap_or_default();
        assert!(
            answer.status == 200 || reason == "store_unavailable" || reason == "token_expired",
            "{}",
            answer.text()
        );
    }
    let answer = person.actor().messages(MODEL, "Hello").await.unwrap();
    let reason = answer.header("x-doorward-reason").unwrap_or_default();
    (answer.status, reason.to_owned())
}

/// Stops, and checks the ledger.
async fn ends_clean(world: World) {
    let World { stage, running } = world;
    running.stop(Duration::ZERO).await.unwrap();
    let report = verify_folder(&stage.config.ledger.dir, Trust::none()).unwrap();
    assert!(report.is_clean(), "{report}");
}

async fn spent(person: &Session) -> String {
    person.actor().usage().await.unwrap().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_hour_forward_ends_tokens_and_a_refresh_goes_on() {
    let (world, clock) = world().await;
    let mut ada = device_sign_in(&world.base, "ada").await.unwrap();
    assert_eq!(ask(&world, &ada).await.0, 200);
    clock.advance_ms(HOUR_MS);
    let (status, reason) = ask(&world, &ada).await;
    assert_eq!((status, &*reason), (401, "token_expired"));
    ada.refresh().await.unwrap();
    assert_eq!(ask(&world, &ada).await.0, 200);
    ends_clean(world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_hour_back_lets_nobody_in_longer_and_forgets_no_spending() {
    let (world, clock) = world().await;
    let ada = device_sign_in(&world.base, "ada").await.unwrap();
    assert_eq!(ask(&world, &ada).await.0, 200);
    let edsger = device_sign_in(&world.base, "edsger").await.unwrap();
    let answer = edsger
        .actor()
        .messages("claude-opus-5-5", "Spend. [testkit events=400]")
        .await
        .unwrap();
    assert_eq!(answer.status, 200);
    outcome(&world, answer.header("x-request-id").unwrap()).await;
    let before = spent(&edsger).await;
    clock.advance_ms(-HOUR_MS);
    // A token that was believed goes on; one never seen is from the future by more than is forgiven.
    assert_eq!(ask(&world, &ada).await.0, 200);
    let token = world.idp.id_token("ada", "doorward-desktop");
    let answer = testkit::Actor::with_bearer(&world.base, &token)
        .get("/v1/models")
        .await
        .unwrap();
    assert_eq!(
        (answer.status, answer.header("x-doorward-reason")),
        (401, Some("token_not_yet_valid"))
    );
    assert_eq!(spent(&edsger).await, before);
    // Who signs out now is out, though the sign-in lies in the future.
    assert_eq!(ada.revoke().await.unwrap(), [200, 200]);
    assert_eq!(ask(&world, &ada).await.1, "session_ended");
    // And back to the right time: nobody who is out is in again.
    clock.advance_ms(HOUR_MS);
    assert_eq!(ask(&world, &ada).await.1, "session_ended");
    assert_eq!(ask(&world, &edsger).await.0, 200);
    ends_clean(world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_with_a_clock_behind_its_own_records_serves_and_counts_on() {
    let (world, clock) = world().await;
    let edsger = device_sign_in(&world.base, "edsger").await.unwrap();
    let answer = edsger.actor().messages(MODEL, "Hello").await.unwrap();
    outcome(&world, answer.header("x-request-id").unwrap()).await;
    let before = spent(&edsger).await;
    let World { stage, running } = world;
    running.stop(Duration::ZERO).await.unwrap();
    clock.advance_ms(-HOUR_MS / 60);
    let running = start_at(&stage.config, Arc::new(clock.clone()))
        .await
        .unwrap();
    let world = World { stage, running };
    assert_eq!(ask(&world, &edsger).await.0, 200);
    clock.advance_ms(HOUR_MS / 60);
    assert_ne!(spent(&edsger).await, before, "spending was forgotten");
    ends_clean(world).await;
}
