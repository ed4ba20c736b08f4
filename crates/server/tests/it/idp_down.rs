//! An identity provider that is away, at the start or later: its own people wait, nobody is told that their sign-in is bad.

use std::sync::Arc;
use std::time::Duration;

use domain::{Clock, limits};
use server::commands::{start, start_at};
use server::demo::world::{Stage, World};
use server::system::SystemClock;
use testkit::sign_in::Device;
use testkit::{Actor, Browser, FakeClock, device_sign_in};

use crate::watch::readiness;

async fn models(world: &World, token: &str) -> (u16, String) {
    let answer = Actor::with_bearer(&world.base, token)
        .get("/v1/models")
        .await
        .unwrap();
    let reason = answer.header("x-doorward-reason").unwrap_or_default();
    (answer.status, reason.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_without_the_identity_provider_refuses_only_what_needs_it() {
    let stage = Stage::set(0).await.unwrap();
    let clock = FakeClock::at(SystemClock.now());
    stage.idp.refuse_connections().await;
    let running = start_at(&stage.config, Arc::new(clock.clone()))
        .await
        .unwrap();
    let world = World { stage, running };
    let token = world.idp.id_token("ada", "doorward-desktop");
    let (status, reason) = models(&world, &token).await;
    assert_eq!((status, &*reason), (503, "issuer_unreachable"));
    // It can serve everybody else, and says what it cannot.
    let (status, words) = readiness(&world).await;
    assert_eq!(status, 200, "{words}");
    assert!(words.contains("northwind"), "{words}");
    // A person at the page is told whose trouble it is; the program keeps its code.
    let device = Device::begin(&world.base).await.unwrap();
    let page = device.approve(&mut Browser::new(), "ada").await.unwrap();
    assert_eq!(page.status, 503, "{}", page.html.text);
    let polled = device.poll().await.unwrap();
    assert_eq!(polled.json()["error"], "authorization_pending");

    world.idp.accept_connections().await;
    clock.advance_ms(limits::KEYS_RETRY_MS);
    while models(&world, &token).await.0 != 200 {
        tokio::task::yield_now().await;
    }
    let end = device.approve(&mut Browser::new(), "ada").await.unwrap();
    assert_eq!(end.status, 200, "{}", end.html.text);
    let (_, words) = readiness(&world).await;
    assert!(!words.contains("northwind"), "{words}");
    world.stop(Duration::ZERO).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn known_keys_serve_on_up_to_their_age_and_then_it_is_an_outage() {
    let stage = Stage::set(0).await.unwrap();
    let clock = FakeClock::at(SystemClock.now());
    let running = start_at(&stage.config, Arc::new(clock.clone()))
        .await
        .unwrap();
    let world = World { stage, running };
    let mut ada = device_sign_in(&world.base, "ada").await.unwrap();
    world.idp.refuse_connections().await;
    // Tokens never seen before, each made at the clock's present.
    let fresh = |number: i64| {
        let person = world.idp.person("ada").unwrap();
        let mut claims = world.idp.id_claims(&person, "doorward-desktop");
        let now_s = clock.now().unix_ms() / 1_000;
        claims["iat"] = (now_s - number).into();
        claims["nbf"] = (now_s - number).into();
        claims["exp"] = (now_s + 600).into();
        world.idp.mint(&claims)
    };
    let later = async |ms| {
        clock.advance_ms(ms);
        let wired = &world.running.wired;
        wired.revocations.refresh(&wired.store).await.unwrap();
    };
    later(limits::KEYS_AGE_MAX_MS - 60_000).await;
    assert_eq!(models(&world, &fresh(0)).await.0, 200);
    later(2 * 60_000).await;
    let (status, reason) = models(&world, &fresh(1)).await;
    assert_eq!((status, &*reason), (503, "issuer_unreachable"));
    // Sessions of ours do not need it.
    ada.refresh().await.unwrap();
    assert_eq!(models(&world, &ada.access_token).await.0, 200);
    assert!(readiness(&world).await.1.contains("northwind"));
    world.idp.accept_connections().await;
    later(limits::KEYS_RETRY_MS).await;
    while models(&world, &fresh(2)).await.0 != 200 {
        tokio::task::yield_now().await;
    }
    world.stop(Duration::ZERO).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identity_provider_that_talks_nonsense_is_an_outage_too() {
    use testkit::idp::{Endpoint, IdpFault};
    for fault in [
        IdpFault::Garbage,
        IdpFault::WrongShape,
        IdpFault::Huge,
        IdpFault::RedirectLoop,
        IdpFault::Status(500),
    ] {
        let stage = Stage::set(0).await.unwrap();
        stage.idp.break_endpoint(Endpoint::Jwks, fault);
        let running = start(&stage.config).await.unwrap();
        let world = World { stage, running };
        let token = world.idp.id_token("ada", "doorward-desktop");
        let (status, reason) = models(&world, &token).await;
        assert_eq!((status, &*reason), (503, "issuer_unreachable"), "{fault:?}");
        world.stop(Duration::ZERO).await.unwrap();
    }
}
