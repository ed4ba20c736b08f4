//! Our own sessions: tokens that stock clients can read, rotation of refresh tokens, and the end of a session.

use std::sync::Arc;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use domain::{Clock, Credential, ReasonCode, Timestamp, limits};
use pipeline::identity::session_token::{SessionClaims, SessionTokens, SigningError, SigningKey};
use pipeline::identity::{Opaque, Tokens};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use testkit::token::{Algorithm, Key, claims_unchecked};
use testkit::{FakeClock, SeededIds};

use super::{PUBLIC_URL, Rig, changed, person_of, signing_key};

async fn session(rig: &Rig, who: &str) -> Tokens {
    let caller = rig.signed_in(who).await;
    rig.sessions
        .start(&caller, "claude-code/2.1.329")
        .await
        .unwrap()
}

async fn refused(rig: &Rig, refresh: &str) -> ReasonCode {
    rig.sessions.refresh(refresh).await.unwrap_err().code()
}

#[tokio::test]
async fn a_session_token_says_what_stock_clients_read_and_proves_its_person() {
    let rig = Rig::new().await;
    let tokens = session(&rig, "ada").await;
    let access = tokens.access.expose_secret();
    let claims = claims_unchecked(access).unwrap();
    assert_eq!(claims["iss"], PUBLIC_URL);
    assert_eq!(claims["aud"], json!(["claude-gateway"]));
    assert_eq!(claims["sub"], json!(tokens.person));
    assert_eq!(claims["email"], "ada@northwind.example");
    assert_eq!(claims["groups"], json!(["engineering"]));
    let lifetime_s = claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap();
    assert_eq!((lifetime_s, tokens.expires_in_s), (900, 900));
    assert!(tokens.refresh.expose_secret().starts_with("dwr_"));
    let caller = rig.caller(access).await;
    assert_eq!(
        (caller.credential, caller.session),
        (Credential::Session, Some(tokens.session))
    );
    assert_eq!(
        (&*caller.issuer, person_of(&caller)),
        ("northwind", tokens.person)
    );
    assert!(caller.groups.contains("engineering"));
    // The same human as through the company's own token.
    assert_eq!(
        rig.caller(&rig.token("ada", &json!({}))).await.subject,
        caller.subject
    );
}

#[tokio::test]
async fn a_session_token_needs_no_store_and_no_provider() {
    let rig = Rig::new().await;
    let tokens = session(&rig, "ada").await;
    rig.idp.refuse_connections().await;
    rig.store.close().await;
    rig.caller(tokens.access.expose_secret()).await;
    assert_eq!(
        refused(&rig, tokens.refresh.expose_secret()).await,
        ReasonCode::StoreUnavailable
    );
}

#[tokio::test]
async fn a_person_in_many_groups_gets_a_short_token_and_keeps_all_groups() {
    let rig = Rig::new().await;
    let groups: Vec<String> = (0..limits::GROUPS_MAX)
        .map(|number| format!("g{number}"))
        .collect();
    let token = rig.token(
        "ada",
        &json!({"nonce": "n-1", "aud": "console", "groups": groups[..500]}),
    );
    let caller = rig
        .identity
        .sign_in(&rig.identity.issuers()[0], &token, "n-1")
        .await
        .unwrap();
    let tokens = rig.sessions.start(&caller, "x").await.unwrap();
    assert!(tokens.access.expose_secret().len() < 2_000);
    assert_eq!(
        rig.caller(tokens.access.expose_secret()).await.groups.len(),
        500
    );
}

#[tokio::test]
async fn each_refresh_token_is_good_once_and_its_successor_carries_on() {
    let rig = Rig::new().await;
    let first = session(&rig, "ada").await;
    rig.clock.advance_ms(11 * 60_000);
    let second = rig
        .sessions
        .refresh(first.refresh.expose_secret())
        .await
        .unwrap();
    assert_eq!(
        (second.session, second.person),
        (first.session, first.person)
    );
    assert_eq!(second.email.as_deref(), Some("ada@northwind.example"));
    rig.clock.advance_ms(11 * 60_000);
    rig.revocations.refresh(&rig.store).await.unwrap();
    assert_eq!(
        rig.ask(first.access.expose_secret()).await.unwrap_err(),
        ReasonCode::TokenExpired
    );
    rig.caller(second.access.expose_secret()).await;
    let third = rig
        .sessions
        .refresh(second.refresh.expose_secret())
        .await
        .unwrap();
    rig.caller(third.access.expose_secret()).await;
}

#[tokio::test]
async fn a_client_that_refreshes_twice_at_once_is_forgiven() {
    let rig = Rig::new().await;
    let first = session(&rig, "ada").await;
    let one = rig
        .sessions
        .refresh(first.refresh.expose_secret())
        .await
        .unwrap();
    rig.clock.advance_ms(limits::REFRESH_GRACE_MS);
    let two = rig
        .sessions
        .refresh(first.refresh.expose_secret())
        .await
        .unwrap();
    // A third is told to go on with what it has; nothing ends.
    assert_eq!(
        refused(&rig, first.refresh.expose_secret()).await,
        ReasonCode::Overloaded
    );
    for tokens in [one, two] {
        rig.caller(tokens.access.expose_secret()).await;
    }
}

#[tokio::test]
async fn a_refresh_token_that_comes_back_later_ends_the_session_for_both_who_hold_it() {
    let rig = Rig::new().await;
    let first = session(&rig, "ada").await;
    let second = rig
        .sessions
        .refresh(first.refresh.expose_secret())
        .await
        .unwrap();
    let open = super::ask(&rig.identity, second.access.expose_secret())
        .await
        .unwrap();
    rig.clock.advance_ms(limits::REFRESH_GRACE_MS + 1);
    assert_eq!(
        refused(&rig, first.refresh.expose_secret()).await,
        ReasonCode::SessionEnded
    );
    assert!(open.live.is_revoked(), "its streams are cut");
    assert_eq!(
        rig.ask(second.access.expose_secret()).await.unwrap_err(),
        ReasonCode::SessionEnded
    );
    assert_eq!(
        refused(&rig, second.refresh.expose_secret()).await,
        ReasonCode::SessionEnded
    );
    let anew = session(&rig, "ada").await;
    rig.caller(anew.access.expose_secret()).await;
}

#[tokio::test]
async fn refresh_tokens_that_are_strange_or_old_are_refused() {
    let rig = Rig::new().await;
    for text in [
        "",
        "dwr_",
        "not-a-token",
        Opaque::RefreshToken
            .mint(&SeededIds::new(9))
            .expose_secret(),
    ] {
        assert_eq!(
            refused(&rig, text).await,
            ReasonCode::SessionEnded,
            "{text}"
        );
    }
    let tokens = session(&rig, "ada").await;
    assert_eq!(
        refused(&rig, tokens.access.expose_secret()).await,
        ReasonCode::SessionEnded
    );
    rig.clock.advance_ms(limits::REFRESH_TOKEN_MS);
    assert_eq!(
        refused(&rig, tokens.refresh.expose_secret()).await,
        ReasonCode::SessionEnded
    );
}

#[tokio::test]
async fn signing_out_with_either_token_ends_the_session_and_leaves_others_alone() {
    let rig = Rig::new().await;
    let (laptop, desktop) = (session(&rig, "ada").await, session(&rig, "ada").await);
    rig.clock.advance_ms(1);
    rig.sessions
        .end_by_token(laptop.access.expose_secret())
        .await
        .unwrap();
    assert_eq!(
        rig.ask(laptop.access.expose_secret()).await.unwrap_err(),
        ReasonCode::SessionEnded
    );
    assert_eq!(
        refused(&rig, laptop.refresh.expose_secret()).await,
        ReasonCode::SessionEnded
    );
    rig.caller(desktop.access.expose_secret()).await;
    rig.sessions
        .end_by_token(desktop.refresh.expose_secret())
        .await
        .unwrap();
    assert_eq!(
        rig.ask(desktop.access.expose_secret()).await.unwrap_err(),
        ReasonCode::SessionEnded
    );
    for nothing in ["", "a.b.c", "dwr_x", laptop.access.expose_secret()] {
        rig.sessions.end_by_token(nothing).await.unwrap();
    }
}

#[tokio::test]
async fn a_disabled_person_neither_starts_nor_carries_on_a_session() {
    let rig = Rig::new().await;
    let caller = rig.signed_in("ada").await;
    let tokens = rig.sessions.start(&caller, "x").await.unwrap();
    rig.shut_out(tokens.person).await;
    assert_eq!(
        refused(&rig, tokens.refresh.expose_secret()).await,
        ReasonCode::SessionEnded
    );
    assert_eq!(
        rig.sessions.start(&caller, "x").await.unwrap_err().code(),
        ReasonCode::PersonRevoked
    );
}

fn tokens_of(keys: Vec<SigningKey>, clock: &FakeClock, rig: &Rig) -> SessionTokens {
    SessionTokens::new(rig.org, PUBLIC_URL, keys, Arc::new(clock.clone())).unwrap()
}

fn claims_of(tokens: &Tokens, started: Timestamp) -> SessionClaims {
    SessionClaims {
        person: tokens.person,
        session: tokens.session,
        started,
        issuer_name: "northwind".to_owned(),
        stable_id: "ada".to_owned(),
        email: None,
        name: None,
        groups: ["engineering".to_owned()].into(),
        groups_stated: Timestamp::default(),
        groups_left_out: false,
        resource: None,
    }
}

#[tokio::test]
async fn signing_keys_change_without_signing_anybody_out() {
    let rig = Rig::new().await;
    let tokens = session(&rig, "ada").await;
    let claims = claims_of(&tokens, rig.clock.now());
    let random =
        EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
            .unwrap();
    let elliptic = || SigningKey::from_pkcs8(random.as_ref()).unwrap();
    let minted = |keys| {
        tokens_of(keys, &rig.clock, &rig)
            .mint(&claims, &SeededIds::new(8))
            .unwrap()
    };
    let (new, old) = (minted(vec![elliptic()]), minted(vec![signing_key(7)]));
    rig.caller(old.expose_secret()).await;
    assert_eq!(
        rig.ask(new.expose_secret()).await.unwrap_err(),
        ReasonCode::TokenKeyUnknown
    );
    rig.tokens
        .replace_keys(vec![elliptic(), signing_key(7)])
        .unwrap();
    rig.caller(new.expose_secret()).await;
    let another = minted(vec![signing_key(7)]);
    rig.caller(another.expose_secret()).await;
    let published = rig.tokens.jwks();
    assert_eq!(
        (&published["keys"][0]["kty"], &published["keys"][1]["kty"]),
        (&json!("EC"), &json!("OKP"))
    );
    assert!(
        published.to_string().find("\"d\"").is_none(),
        "no private half"
    );
    assert_eq!(
        rig.tokens.replace_keys(vec![]).unwrap_err(),
        SigningError::NoKey
    );
    assert_eq!(
        SigningKey::from_pkcs8(b"rubbish").unwrap_err(),
        SigningError::Key
    );
}

#[tokio::test]
async fn a_forged_session_token_is_refused_for_its_reason() {
    let rig = Rig::new().await;
    let tokens = session(&rig, "ada").await;
    let good = claims_unchecked(tokens.access.expose_secret()).unwrap();
    let forger = Key::generate(Algorithm::Es256, signing_key(7).kid());
    let header = json!({"alg": "ES256", "kid": forger.kid(), "typ": "dws+jwt"});
    let signed = |claims: &Value| forger.sign_with(&header, claims);
    // An ES256 signature under the id of our Ed25519 key.
    assert_eq!(
        rig.ask(&signed(&good)).await.unwrap_err(),
        ReasonCode::TokenAlgorithm
    );
    let longer = changed(
        good.clone(),
        &json!({"exp": good["exp"].as_i64().unwrap() + 1}),
    );
    assert_eq!(
        rig.ask(&signed(&longer)).await.unwrap_err(),
        ReasonCode::TokenLifetime
    );
    let other_audience = changed(good.clone(), &json!({"aud": "claude"}));
    assert_eq!(
        rig.ask(&signed(&other_audience)).await.unwrap_err(),
        ReasonCode::TokenAudience
    );
    let plain = forger.sign_with(
        &json!({"alg": "ES256", "kid": forger.kid(), "typ": "JWT"}),
        &good,
    );
    assert_eq!(
        rig.ask(&plain).await.unwrap_err(),
        ReasonCode::CredentialMalformed
    );
    let nameless = forger.sign_with(&json!({"alg": "ES256", "typ": "dws+jwt"}), &good);
    assert_eq!(
        rig.ask(&nameless).await.unwrap_err(),
        ReasonCode::CredentialMalformed
    );
    // The company's provider cannot speak for us, nor we for it.
    let ours_by_idp = rig.idp.mint(&good);
    assert_eq!(
        rig.ask(&ours_by_idp).await.unwrap_err(),
        ReasonCode::CredentialMalformed
    );
}

#[tokio::test]
async fn a_session_token_of_another_organisation_or_gateway_is_refused() {
    let rig = Rig::new().await;
    let tokens = session(&rig, "ada").await;
    let claims = claims_of(&tokens, rig.clock.now());
    let clock: Arc<dyn Clock> = Arc::new(rig.clock.clone());
    let ids = SeededIds::new(8);
    let other_org = domain::OrgId::from_parts(9, 9);
    let elsewhere = SessionTokens::new(
        other_org,
        PUBLIC_URL,
        vec![signing_key(7)],
        Arc::clone(&clock),
    )
    .unwrap();
    let token = elsewhere.mint(&claims, &ids).unwrap();
    assert_eq!(
        rig.ask(token.expose_secret()).await.unwrap_err(),
        ReasonCode::TokenTenant
    );
    let gateway = SessionTokens::new(
        rig.org,
        "https://other.example",
        vec![signing_key(7)],
        clock,
    )
    .unwrap();
    let token = gateway.mint(&claims, &ids).unwrap();
    assert_eq!(
        rig.ask(token.expose_secret()).await.unwrap_err(),
        ReasonCode::TokenIssuer
    );
}

#[tokio::test]
async fn secrets_do_not_show_when_printed() {
    let rig = Rig::new().await;
    let tokens = session(&rig, "ada").await;
    let printed = format!("{tokens:?} {:?} {:?}", rig.sessions, signing_key(7));
    let signature = tokens.access.expose_secret().rsplit('.').next().unwrap();
    assert!(
        !printed.contains(signature) && !printed.contains(tokens.refresh.expose_secret()),
        "{printed}"
    );
}

#[tokio::test]
async fn a_session_does_not_outlive_the_configuration_of_its_issuer() {
    let rig = Rig::new().await;
    let first = session(&rig, "ada").await;
    let second = session(&rig, "ada").await;
    let mut renamed = super::generic(&rig.idp);
    renamed.name = "another".to_owned();
    for issuers in [Vec::new(), vec![renamed]] {
        let without = super::replica(&rig.clock, &rig.store, rig.org, issuers, 9);
        without.revocations.refresh(&rig.store).await.unwrap();
        let refused = super::ask(&without.identity, first.access.expose_secret()).await;
        assert_eq!(refused.unwrap_err().code(), ReasonCode::SessionEnded);
    }
    let without = super::replica(&rig.clock, &rig.store, rig.org, Vec::new(), 10);
    let refused = without
        .sessions
        .refresh(second.refresh.expose_secret())
        .await;
    assert_eq!(refused.unwrap_err().code(), ReasonCode::SessionEnded);
    rig.caller(first.access.expose_secret()).await;
}
