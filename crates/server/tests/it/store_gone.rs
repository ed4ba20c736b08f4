//! PostgreSQL that is cut off, falls silent and comes back while Doorward serves: whoever is known goes on by the last good policy,
//! whoever must be looked up waits, and nobody is told that their sign-in is bad.

use std::sync::Arc;
use std::time::Duration;

use domain::limits;
use pipeline::identity::Opaque;
use secrecy::ExposeSecret as _;
use server::commands::start;
use server::demo::world::{Stage, World, apply_policy};
use server::system::{SystemClock, SystemIds};
use testkit::sign_in::{DEVICE_GRANT, Device};
use testkit::{Actor, Answer, Browser, Http, Session, device_sign_in};

use crate::acceptable_use::{asks, demand_on, reason, refused_for_another_reason};
use crate::database::{Database, Line};
use crate::hourglass::Hourglass;
use crate::watch::{metric, outcome, readiness};

const MODEL: &str = "claude-haiku-5-5";

/// Doorward on PostgreSQL.
async fn world() -> (World, Database) {
    let database = Database::make().await;
    let mut stage = Stage::set(0).await.unwrap();
    stage.config.store.url = database.url().into();
    stage.config.store.master_key = Some("5a".repeat(32).into());
    stage.config.ledger.dir = stage.dir.path().join("ledger-of-postgres");
    apply_policy(&stage.config, Arc::new(SystemClock), Arc::new(SystemIds))
        .await
        .unwrap();
    let running = start(&stage.config).await.unwrap();
    (World { stage, running }, database)
}

/// Everything that must look something up; none of it may seem anybody's fault.
async fn what_must_wait(
    world: &World,
    ada: &Session,
    device: &Device,
) -> Vec<(&'static str, Answer)> {
    let http = Http::new();
    let url = |path: &str| format!("{}{path}", world.base);
    let desktop = world.idp.id_token("grace", "doorward-desktop");
    let (unknown_key, unknown_token) = (
        Opaque::ServiceKey.mint(&SystemIds),
        Opaque::RefreshToken.mint(&SystemIds),
    );
    let device_code = device.answer["device_code"].as_str().unwrap().to_owned();
    let form = [("grant_type", DEVICE_GRANT), ("device_code", &*device_code)];
    let admin = Actor::with_api_key(&world.base, &world.admin_key);
    let limit = serde_json::json!({"scope": {"type": "organization"}, "amount": "100"});
    vec![
        ("a refresh", ada.try_refresh().await.unwrap()),
        (
            "a poll",
            http.post(&url("/oauth/token"))
                .form(&form)
                .send()
                .await
                .unwrap(),
        ),
        (
            "a new device code",
            http.post(&url("/oauth/device_authorization"))
                .form(&[])
                .send()
                .await
                .unwrap(),
        ),
        (
            "a token never seen",
            Actor::with_bearer(&world.base, &desktop)
                .messages(MODEL, "Hello")
                .await
                .unwrap(),
        ),
        (
            "a service key",
            Actor::with_bearer(&world.base, unknown_key.expose_secret())
                .messages(MODEL, "Hello")
                .await
                .unwrap(),
        ),
        (
            "the page of a code",
            http.get(device.verification_url()).send().await.unwrap(),
        ),
        (
            "spend limits",
            admin.get("/v1/organizations/spend_limits").await.unwrap(),
        ),
        (
            "a new spend limit",
            admin
                .post("/v1/organizations/spend_limits", &limit)
                .await
                .unwrap(),
        ),
        (
            "a sign-out",
            http.post(&url("/oauth/revoke"))
                .form(&[("token", unknown_token.expose_secret())])
                .send()
                .await
                .unwrap(),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_store_known_people_go_on_and_the_others_wait() {
    let (world, database) = world().await;
    let ada = device_sign_in(&world.base, "ada").await.unwrap();
    assert_eq!(
        ada.actor().messages(MODEL, "Hello").await.unwrap().status,
        200
    );
    let device = Device::begin(&world.base).await.unwrap();

    database.is(Line::Cut);
    while readiness(&world).await.0 == 200 {
        tokio::task::yield_now().await;
    }
    let mut requests = Vec::new();
    for _ in 0..5 {
        let answer = ada.actor().messages(MODEL, "Hello").await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        requests.push(answer.header("x-request-id").unwrap().to_owned());
    }
    let refused = ada
        .actor()
        .messages("claude-fable-5-2", "Hello")
        .await
        .unwrap();
    assert_eq!(
        refused.header("x-doorward-reason"),
        Some("model_not_allowed")
    );
    let settings = ada.actor().managed_settings(None).await.unwrap();
    assert!(settings.is_some());
    for (what, answer) in what_must_wait(&world, &ada, &device).await {
        assert_eq!(answer.status, 503, "{what}: {}", answer.text());
        for word in ["postgres", "sqlx", "os error", "invalid_grant"] {
            assert!(
                !answer.text().contains(word),
                "{what}, {word}: {}",
                answer.text()
            );
        }
    }

    database.is(Line::Open);
    while readiness(&world).await.0 != 200 {
        tokio::task::yield_now().await;
    }
    // Nothing is lost: the same refresh token, the same device code, and the records of what went on.
    assert_eq!(ada.try_refresh().await.unwrap().status, 200);
    device.approve(&mut Browser::new(), "ada").await.unwrap();
    device.finish().await.unwrap();
    for request in &requests {
        assert_eq!(outcome(&world, request).await["ended"], "complete");
    }
    world.stop(Duration::ZERO).await.unwrap();
    database.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_not_accepted_the_policy_is_refused_as_an_outage_until_the_store_is_back() {
    let (world, database) = world().await;
    let ada = device_sign_in(&world.base, "ada").await.unwrap();
    demand_on(&world).await;
    let grace = device_sign_in(&world.base, "grace").await.unwrap();
    assert_eq!(asks(&grace.actor()).await.status, 200);
    database.is(Line::Cut);
    let outage = refused_for_another_reason(&ada.actor()).await;
    assert_eq!(reason(&outage), (503, "store_unavailable".into()));
    let known = asks(&grace.actor()).await;
    assert_eq!(known.status, 200, "{}", known.text());
    database.is(Line::Open);
    while readiness(&world).await.0 != 200 {
        tokio::task::yield_now().await;
    }
    let refused = loop {
        let answer = asks(&ada.actor()).await;
        if answer.status != 503 {
            break answer;
        }
    };
    assert_eq!(reason(&refused), (403, "acceptable_use_required".into()));
    world.stop(Duration::ZERO).await.unwrap();
    database.remove().await;
}

/// The worst moment: the code is consumed, or the refresh token exchanged, and then the store fails before the session is there.
#[tokio::test(flavor = "multi_thread")]
async fn an_outage_in_the_middle_of_a_sign_in_or_refresh_costs_nobody_their_sign_in() {
    let (world, database) = world().await;
    let ada = device_sign_in(&world.base, "ada").await.unwrap();
    let device = Device::begin(&world.base).await.unwrap();
    device.approve(&mut Browser::new(), "grace").await.unwrap();
    for table in ["people", "sessions"] {
        let (from, to) = (table, format!("{table}_away"));
        database
            .beside(&format!("ALTER TABLE {from} RENAME TO {to}"))
            .await;
        for answer in [
            device.poll().await.unwrap(),
            ada.try_refresh().await.unwrap(),
        ] {
            assert_eq!(answer.status, 503, "{table}: {}", answer.text());
            assert_eq!(answer.json()["error"], "temporarily_unavailable");
        }
        database
            .beside(&format!("ALTER TABLE {to} RENAME TO {from}"))
            .await;
    }
    let grace = device.finish().await.unwrap();
    assert_eq!(ada.try_refresh().await.unwrap().status, 200);
    for signed_in in [&grace, &ada] {
        let answer = signed_in.actor().messages(MODEL, "Hello").await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    // The code is good once all the same.
    let again = device.poll().await.unwrap();
    assert_eq!(again.json()["error"], "invalid_grant");
    world.stop(Duration::ZERO).await.unwrap();
    database.remove().await;
}

#[tokio::test]
async fn a_store_that_never_answers_ends_every_call_within_its_limit() {
    let (world, database) = world().await;
    let ada = device_sign_in(&world.base, "ada").await.unwrap();
    assert_eq!(
        ada.actor().messages(MODEL, "Hello").await.unwrap().status,
        200
    );
    let device = Device::begin(&world.base).await.unwrap();
    database.is(Line::Silent);
    let base = world.base.clone();
    let time = Hourglass::stop();
    // Known people do not wait for it at all: no time passes here.
    let answer = ada.actor().messages(MODEL, "Hello").await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    let (world, answers) = {
        let world = Arc::new(world);
        let asking = {
            let world = Arc::clone(&world);
            tokio::spawn(async move { what_must_wait(&world, &ada, &device).await })
        };
        // Each call waits for a connection, or for an answer and its transaction's end, and no more than that.
        let longest_ms = limits::STORE_WAIT_MS + 2 * limits::STORE_ANSWER_MS;
        let mut passed_ms = 0;
        while !asking.is_finished() {
            time.pass_ms(500).await;
            passed_ms += 500;
            let reads = metric(&world, "doorward_calls_running").await;
            assert_eq!(reads, 0);
            assert!(passed_ms < 9 * longest_ms, "something waits for ever");
        }
        let answers = asking.await.unwrap();
        (Arc::into_inner(world).unwrap(), answers)
    };
    for (what, answer) in answers {
        assert_eq!(answer.status, 503, "{what}: {}", answer.text());
    }
    drop(time);
    database.is(Line::Open);
    while readiness(&world).await.0 != 200 {
        tokio::task::yield_now().await;
    }
    device_sign_in(&base, "alan").await.unwrap();
    world.stop(Duration::ZERO).await.unwrap();
    database.remove().await;
}
