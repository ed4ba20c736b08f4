//! Keys come and go, and providers are slow, broken or away: what callers then get, and how often the provider is asked.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use domain::{ReasonCode, limits};
use serde_json::{Value, json};
use testkit::idp::{Endpoint, IdpFault};
use testkit::token::{Algorithm, Key};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::{Rig, ask, generic};

/// One document on loopback, and how many asked for it.
pub(crate) struct Published {
    pub(crate) url: String,
    pub(crate) asked: Arc<AtomicUsize>,
    seen: Arc<Mutex<Vec<u8>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Published {
    pub(crate) async fn start(document: Value) -> Self {
        Self::answering(format!(
            "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{document}"
        ))
        .await
    }

    pub(crate) async fn answering(answer: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/keys", listener.local_addr().unwrap());
        let asked = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&asked);
        let seen = Arc::new(Mutex::new(Vec::new()));
        let notes = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                counter.fetch_add(1, Ordering::SeqCst);
                let (answer, notes) = (answer.clone(), Arc::clone(&notes));
                tokio::spawn(async move {
                    let mut buffer = [0; 4_096];
                    let read = stream.read(&mut buffer).await.unwrap_or(0);
                    notes.lock().unwrap().extend(&buffer[..read]);
                    let _ = stream.write_all(answer.as_bytes()).await;
                });
            }
        });
        Self {
            url,
            asked,
            seen,
            task,
        }
    }

    /// What was sent to it.
    pub(crate) fn seen(&self) -> String {
        String::from_utf8(self.seen.lock().unwrap().clone()).unwrap()
    }

    /// The first line of the first request.
    pub(crate) fn first_line(&self) -> String {
        self.seen().lines().next().unwrap_or_default().to_owned()
    }
}

impl Drop for Published {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[tokio::test]
async fn addresses_in_a_token_see_no_connection() {
    let listener = Published::start(json!({"keys": []})).await;
    let rig = Rig::new().await;
    let attacker = Key::generate(Algorithm::Es256, "mine");
    let claims = rig.claims("ada", &json!({}));
    for name in ["jku", "x5u"] {
        let mut header = attacker.header();
        header[name] = json!(listener.url);
        let token = attacker.sign_with(&header, &claims);
        assert_eq!(
            rig.ask(&token).await.unwrap_err(),
            ReasonCode::TokenKeyUnknown
        );
        let issued = super::changed(claims.clone(), &json!({"iss": listener.url}));
        let token = attacker.sign_with(&header, &issued);
        assert_eq!(rig.ask(&token).await.unwrap_err(), ReasonCode::TokenIssuer);
    }
    assert_eq!(listener.asked.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_flood_of_unknown_key_ids_asks_the_provider_once_per_cool_down() {
    let rig = Rig::new().await;
    rig.caller(&rig.token("ada", &json!({}))).await;
    assert_eq!(rig.idp.hits(Endpoint::Jwks), 1);
    let claims = rig.claims("ada", &json!({}));
    let flood = async |from: u32| {
        for number in from..from + 200 {
            let token = Key::generate(Algorithm::Es256, &format!("k{number}")).sign(&claims);
            assert_eq!(
                rig.ask(&token).await.unwrap_err(),
                ReasonCode::TokenKeyUnknown
            );
        }
    };
    flood(0).await;
    assert_eq!(
        rig.idp.hits(Endpoint::Jwks),
        1,
        "the keys have only just been fetched"
    );
    rig.clock.advance_ms(limits::KEYS_COOL_DOWN_MS);
    flood(200).await;
    assert_eq!(rig.idp.hits(Endpoint::Jwks), 2);
}

#[tokio::test]
async fn only_a_token_that_could_be_good_makes_us_look_for_its_key() {
    let rig = Rig::new().await;
    let stranger = Key::generate(Algorithm::Es256, "unheard-of");
    for change in [
        json!({"aud": "other"}),
        json!({"exp": 1}),
        json!({"iss": "https://x.example"}),
        json!({"iat": null}),
    ] {
        rig.ask(&stranger.sign(&rig.claims("ada", &change)))
            .await
            .unwrap_err();
    }
    assert_eq!(rig.idp.hits(Endpoint::Discovery), 0);
}

#[tokio::test]
async fn a_key_change_is_followed_at_once_outside_the_cool_down() {
    let rig = Rig::new().await;
    let before = rig.token("ada", &json!({}));
    rig.caller(&before).await;
    rig.idp.rotate_keys_to(Algorithm::Rs256);
    rig.clock.advance_ms(limits::KEYS_COOL_DOWN_MS);
    rig.caller(&rig.token("ada", &json!({}))).await;
    let again = rig.token("grace", &json!({}));
    rig.idp.withdraw_old_keys();
    rig.caller(&again).await;
    assert_eq!(rig.idp.hits(Endpoint::Jwks), 2);
}

#[tokio::test]
async fn a_withdrawn_key_is_no_longer_believed_once_keys_are_fetched_anew() {
    let rig = Rig::new().await;
    let old = rig.idp.signing_key();
    rig.caller(&rig.token("ada", &json!({}))).await;
    rig.idp.rotate_keys();
    rig.idp.withdraw_old_keys();
    rig.clock.advance_ms(limits::KEYS_FRESH_MS + 1);
    rig.identity.warm_up().await;
    rig.revocations.refresh(&rig.store).await.unwrap();
    let stolen = old.sign(&rig.claims("grace", &json!({})));
    assert_eq!(
        rig.ask(&stolen).await.unwrap_err(),
        ReasonCode::TokenKeyUnknown
    );
}

#[tokio::test]
async fn fresh_keys_are_not_fetched_again_and_stale_ones_are() {
    let rig = Rig::new().await;
    rig.identity.warm_up().await;
    rig.clock.advance_ms(limits::KEYS_FRESH_MS);
    rig.identity.warm_up().await;
    assert_eq!(rig.idp.hits(Endpoint::Jwks), 1);
    rig.clock.advance_ms(1);
    rig.identity.warm_up().await;
    assert_eq!(rig.idp.hits(Endpoint::Jwks), 2);
}

#[tokio::test]
async fn a_provider_that_is_down_at_start_is_our_outage_and_heals_by_itself() {
    let rig = Rig::new().await;
    rig.idp.refuse_connections().await;
    rig.identity.warm_up().await;
    let state = rig.identity.issuers()[0].state();
    assert!(
        !state.usable && state.fetched_at.is_none() && state.problem.is_some(),
        "{state:?}"
    );
    let token = rig.token("ada", &json!({}));
    assert_eq!(
        rig.ask(&token).await.unwrap_err(),
        ReasonCode::IssuerUnreachable
    );
    rig.idp.accept_connections().await;
    assert_eq!(
        rig.ask(&token).await.unwrap_err(),
        ReasonCode::IssuerUnreachable,
        "not asked again so soon"
    );
    rig.clock.advance_ms(limits::KEYS_RETRY_MS);
    rig.caller(&token).await;
    let state = rig.identity.issuers()[0].state();
    assert!(state.usable && state.problem.is_none(), "{state:?}");
}

#[tokio::test]
async fn one_provider_that_is_down_leaves_the_others_working() {
    let rig = Rig::with(testkit::idp::IdpBuilder::es256, |idp| {
        vec![
            super::IssuerConfig::new("gone", "http://127.0.0.1:9", &["x"]),
            generic(idp),
        ]
    })
    .await;
    rig.identity.warm_up().await;
    rig.caller(&rig.token("ada", &json!({}))).await;
    let usable: Vec<bool> = rig
        .identity
        .issuers()
        .iter()
        .map(|issuer| issuer.state().usable)
        .collect();
    assert_eq!(usable, [false, true]);
}

#[tokio::test]
async fn known_keys_outlive_the_provider_up_to_their_age_and_no_longer() {
    let rig = Rig::new().await;
    rig.caller(&rig.token("ada", &json!({}))).await;
    rig.idp.refuse_connections().await;
    rig.clock.advance_ms(limits::KEYS_AGE_MAX_MS);
    rig.revocations.refresh(&rig.store).await.unwrap();
    rig.caller(&rig.token("ada", &json!({}))).await;
    rig.clock.advance_ms(1_000);
    let token = rig.token("grace", &json!({}));
    assert_eq!(
        rig.ask(&token).await.unwrap_err(),
        ReasonCode::IssuerUnreachable
    );
    assert!(!rig.identity.issuers()[0].state().usable);
}

#[tokio::test]
async fn a_new_key_that_cannot_be_fetched_is_our_outage_and_not_a_bad_token() {
    let rig = Rig::new().await;
    rig.caller(&rig.token("ada", &json!({}))).await;
    rig.idp.rotate_keys();
    rig.idp
        .break_endpoint(Endpoint::Jwks, IdpFault::Status(500));
    rig.clock.advance_ms(limits::KEYS_COOL_DOWN_MS);
    let token = rig.token("ada", &json!({}));
    assert_eq!(
        rig.ask(&token).await.unwrap_err(),
        ReasonCode::IssuerUnreachable
    );
    rig.idp.heal();
    rig.clock.advance_ms(limits::KEYS_RETRY_MS);
    rig.caller(&token).await;
}

#[tokio::test]
async fn many_callers_of_a_slow_provider_share_one_fetch() {
    let rig = Rig::new().await;
    rig.idp.break_endpoint(Endpoint::Jwks, IdpFault::SlowMs(50));
    let mut asking = tokio::task::JoinSet::new();
    for number in 0..100 {
        let identity = Arc::clone(&rig.identity);
        let token = rig.token("ada", &json!({"jti": number}));
        asking.spawn(async move { ask(&identity, &token).await.map(|_| ()) });
    }
    for outcome in asking.join_all().await {
        outcome.unwrap();
    }
    assert_eq!(
        (
            rig.idp.hits(Endpoint::Discovery),
            rig.idp.hits(Endpoint::Jwks)
        ),
        (1, 1)
    );
}

#[tokio::test]
async fn a_caller_who_leaves_does_not_spoil_the_fetch_for_the_rest() {
    let rig = Rig::new().await;
    rig.idp.break_endpoint(Endpoint::Jwks, IdpFault::SlowMs(50));
    let token = rig.token("ada", &json!({}));
    let leaver = tokio::spawn({
        let (identity, token) = (Arc::clone(&rig.identity), token.clone());
        async move { ask(&identity, &token).await.map(|_| ()) }
    });
    while rig.idp.hits(Endpoint::Discovery) == 0 {
        tokio::task::yield_now().await;
    }
    leaver.abort();
    rig.caller(&token).await;
    assert_eq!(rig.idp.hits(Endpoint::Jwks), 1);
}

#[tokio::test]
async fn whatever_a_broken_provider_answers_is_our_outage() {
    let faults = [
        (Endpoint::Discovery, IdpFault::Status(404)),
        (Endpoint::Discovery, IdpFault::Garbage),
        (Endpoint::Discovery, IdpFault::WrongShape),
        (Endpoint::Discovery, IdpFault::Huge),
        (Endpoint::Discovery, IdpFault::RedirectLoop),
        (Endpoint::Jwks, IdpFault::Status(503)),
        (Endpoint::Jwks, IdpFault::Garbage),
        (Endpoint::Jwks, IdpFault::WrongShape),
        (Endpoint::Jwks, IdpFault::Huge),
        (Endpoint::Jwks, IdpFault::RedirectLoop),
    ];
    let rig = Rig::new().await;
    let token = rig.token("ada", &json!({}));
    for (endpoint, fault) in faults {
        rig.idp.break_endpoint(endpoint, fault);
        assert_eq!(
            rig.ask(&token).await.unwrap_err(),
            ReasonCode::IssuerUnreachable,
            "{endpoint:?} {fault:?}"
        );
        assert!(rig.identity.issuers()[0].state().problem.is_some());
        rig.idp.heal();
        rig.clock.advance_ms(limits::KEYS_RETRY_MS);
    }
    rig.caller(&token).await;
}

#[tokio::test]
async fn the_discovery_document_of_another_issuer_is_not_believed() {
    let stranger = Rig::new().await;
    let rig = Rig::with(testkit::idp::IdpBuilder::es256, |idp| {
        let mut config = generic(idp);
        config.discovery_url = Some(stranger.idp.discovery_url().parse().unwrap());
        vec![config]
    })
    .await;
    let token = rig.token("ada", &json!({}));
    assert_eq!(
        rig.ask(&token).await.unwrap_err(),
        ReasonCode::IssuerUnreachable
    );
}

#[tokio::test]
async fn a_clock_set_back_does_not_keep_new_keys_away() {
    let rig = Rig::new().await;
    rig.caller(&rig.token("ada", &json!({}))).await;
    rig.clock.advance_ms(-10 * limits::KEYS_AGE_MAX_MS);
    rig.idp.rotate_keys();
    rig.caller(&rig.token("ada", &json!({}))).await;
}
