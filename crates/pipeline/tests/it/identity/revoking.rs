//! Taking access away: at once here, soon on other replicas, still after a restart, and never from what came later.

use std::sync::Arc;

use domain::{Clock, ReasonCode, limits};
use futures_like::pending_now;
use pipeline::identity::{Ended, Tokens};
use secrecy::ExposeSecret;
use serde_json::json;
use store::Target;

use testkit::FakeClock;

use super::{Rig, ask, person_of};

mod futures_like {
    use std::future::Future;
    use std::task::{Context, Poll, Waker};

    /// Whether a future is not ready at its first poll.
    pub(crate) fn pending_now(future: impl Future) -> bool {
        let mut future = Box::pin(future);
        matches!(
            future
                .as_mut()
                .poll(&mut Context::from_waker(Waker::noop())),
            Poll::Pending
        )
    }
}

async fn session(rig: &Rig, who: &str) -> Tokens {
    let caller = rig.signed_in(who).await;
    rig.sessions.start(&caller, "test").await.unwrap()
}

#[tokio::test]
async fn a_revoked_persons_streams_are_cut_and_their_next_request_is_refused() {
    let rig = Rig::new().await;
    let tokens = session(&rig, "ada").await;
    let company = rig.token("ada", &json!({}));
    let by_session = ask(&rig.identity, tokens.access.expose_secret())
        .await
        .unwrap();
    let by_company = ask(&rig.identity, &company).await.unwrap();
    let grace = ask(&rig.identity, &rig.token("grace", &json!({})))
        .await
        .unwrap();
    let stream = tokio::spawn({
        let live = Arc::clone(&by_session.live);
        async move { live.revoked().await }
    });
    assert!(pending_now(by_company.live.revoked()) && !by_company.live.is_revoked());
    rig.clock.advance_ms(1);
    rig.shut_out(tokens.person).await;
    assert_eq!(stream.await.unwrap(), Ended::Access);
    assert_eq!(by_company.live.revoked().await, Ended::Access);
    for token in [tokens.access.expose_secret(), &company] {
        assert!(
            rig.identity
                .identify_cached(&super::bearer(token))
                .is_none()
        );
        assert_eq!(rig.ask(token).await.unwrap_err(), ReasonCode::PersonRevoked);
    }
    let fresh = rig.token("ada", &json!({"jti": 2}));
    assert_eq!(
        rig.ask(&fresh).await.unwrap_err(),
        ReasonCode::PersonRevoked
    );
    let refused = rig
        .sessions
        .refresh(tokens.refresh.expose_secret())
        .await
        .unwrap_err();
    assert_eq!(refused.code(), ReasonCode::SessionEnded);
    assert!(!grace.live.is_revoked());
}

#[tokio::test]
async fn signing_out_everywhere_ends_old_credentials_and_lets_new_ones_in() {
    let rig = Rig::new().await;
    let tokens = session(&rig, "ada").await;
    let (used, unused) = (
        rig.token("ada", &json!({"jti": 1})),
        rig.token("ada", &json!({"jti": 2})),
    );
    rig.caller(&used).await;
    rig.caller(tokens.access.expose_secret()).await;
    rig.clock.advance_ms(1_500);
    rig.sign_out(tokens.person).await;
    for old in [tokens.access.expose_secret(), &used, &unused] {
        assert_eq!(rig.ask(old).await.unwrap_err(), ReasonCode::SessionEnded);
    }
    rig.clock.advance_ms(limits::CLOCK_SKEW_MS + 1_000);
    rig.caller(&rig.token("ada", &json!({"jti": 3}))).await;
    let anew = session(&rig, "ada").await;
    rig.caller(anew.access.expose_secret()).await;
    let next = rig
        .sessions
        .refresh(anew.refresh.expose_secret())
        .await
        .unwrap();
    rig.caller(next.access.expose_secret()).await;
}

#[tokio::test]
async fn a_sign_in_right_after_the_cutoff_works_at_once() {
    let rig = Rig::new().await;
    let tokens = session(&rig, "ada").await;
    rig.sign_out(tokens.person).await;
    rig.clock.advance_ms(1);
    let anew = session(&rig, "ada").await;
    rig.caller(anew.access.expose_secret()).await;
}

#[tokio::test]
async fn a_token_in_use_ends_even_if_its_issuers_clock_is_fast() {
    let rig = Rig::new().await;
    let now_s = rig.clock.now().unix_s();
    let token = rig.token("ada", &json!({"iat": now_s + 50, "nbf": now_s + 50}));
    let verified = ask(&rig.identity, &token).await.unwrap();
    rig.clock.advance_ms(1_000);
    rig.sign_out(person_of(&verified.caller)).await;
    assert!(verified.live.is_revoked());
    rig.clock.advance_ms(5_000);
    assert_eq!(rig.ask(&token).await.unwrap_err(), ReasonCode::SessionEnded);
}

#[tokio::test]
async fn other_replicas_follow_and_cut_their_streams_too() {
    let rig = Rig::new().await;
    let other = rig.replica(9).await;
    let (ada, grace) = (session(&rig, "ada").await, session(&rig, "grace").await);
    let company = rig.token("ada", &json!({}));
    let mut there = Vec::new();
    for token in [
        ada.access.expose_secret(),
        grace.access.expose_secret(),
        &company,
    ] {
        there.push(ask(&other.identity, token).await.unwrap());
    }
    rig.clock.advance_ms(1);
    rig.shut_out(ada.person).await;
    rig.sessions.end(grace.session, "signed out").await.unwrap();
    assert!(
        there.iter().all(|verified| !verified.live.is_revoked()),
        "not heard of yet"
    );
    let following = tokio::spawn({
        let (revocations, store) = (Arc::clone(&other.revocations), rig.store.clone());
        async move { revocations.follow(&store).await }
    });
    assert_eq!(there[0].live.revoked().await, Ended::Access);
    assert_eq!(there[1].live.revoked().await, Ended::Session);
    assert_eq!(there[2].live.revoked().await, Ended::Access);
    following.abort();
}

#[tokio::test]
async fn a_replica_that_hears_late_does_not_end_what_came_after() {
    let rig = Rig::new().await;
    let other = rig.replica(9).await;
    let before = session(&rig, "ada").await;
    rig.clock.advance_ms(5_000);
    rig.sign_out(before.person).await;
    rig.clock.advance_ms(5_000);
    let after = session(&rig, "ada").await;
    let old = ask(&other.identity, before.access.expose_secret())
        .await
        .unwrap();
    let new = ask(&other.identity, after.access.expose_secret())
        .await
        .unwrap();
    other.revocations.refresh(&rig.store).await.unwrap();
    assert!(old.live.is_revoked() && !new.live.is_revoked());
}

#[tokio::test]
async fn a_replica_whose_clock_is_fast_still_cuts_what_it_let_in_before() {
    let rig = Rig::new().await;
    let fast = FakeClock::at(rig.clock.now().plus_ms(30_000));
    let other = rig.replica_at(&fast, 9).await;
    let now_s = rig.clock.now().unix_s();
    let token = rig.token("ada", &json!({"iat": now_s + 20}));
    let there = ask(&other.identity, &token).await.unwrap();
    other.revocations.refresh(&rig.store).await.unwrap();
    rig.clock.advance_ms(1);
    let person = person_of(&there.caller);
    rig.shut_out(person).await;
    fast.advance_ms(400);
    other.revocations.refresh(&rig.store).await.unwrap();
    assert!(there.live.is_revoked());
    let refusal = ask(&other.identity, &token).await.unwrap_err();
    assert_eq!(refusal.code(), ReasonCode::PersonRevoked);
}

#[tokio::test]
async fn a_session_begun_by_a_faster_clock_does_not_outlive_its_persons_revocation() {
    let rig = Rig::new().await;
    let fast = FakeClock::at(rig.clock.now().plus_ms(30_000));
    let other = rig.replica_at(&fast, 9).await;
    let caller = rig.signed_in("ada").await;
    let tokens = other.sessions.start(&caller, "test").await.unwrap();
    let access = tokens.access.expose_secret();
    ask(&other.identity, access).await.unwrap();
    rig.shut_out(tokens.person).await;
    fast.advance_ms(60_000);
    rig.clock.advance_ms(60_000);
    other.revocations.refresh(&rig.store).await.unwrap();
    for identity in [&other.identity, &rig.identity] {
        let refusal = ask(identity, access).await.unwrap_err();
        assert_eq!(refusal.code(), ReasonCode::PersonRevoked);
    }
}

#[tokio::test]
async fn a_replica_that_lost_the_store_for_long_makes_up_for_it() {
    let rig = Rig::new().await;
    let other = rig.replica(9).await;
    let token = rig.token("ada", &json!({}));
    let there = ask(&other.identity, &token).await.unwrap();
    rig.clock.advance_ms(1_000);
    let person = person_of(&there.caller);
    rig.shut_out(person).await;
    rig.clock.advance_ms(limits::REVOCATION_KEPT_MS + 1);
    other.revocations.refresh(&rig.store).await.unwrap();
    assert!(there.live.is_revoked());
}

#[tokio::test]
async fn revocations_hold_after_a_restart() {
    let rig = Rig::new().await;
    let (ada, grace, alan) = (
        session(&rig, "ada").await,
        session(&rig, "grace").await,
        session(&rig, "alan").await,
    );
    let (old, gone) = (rig.token("ada", &json!({})), rig.token("grace", &json!({})));
    rig.clock.advance_ms(1_500);
    rig.sign_out(ada.person).await;
    rig.shut_out(grace.person).await;
    let rig = rig.restarted().await;
    assert_eq!(
        rig.ask(ada.access.expose_secret()).await.unwrap_err(),
        ReasonCode::SessionEnded
    );
    assert_eq!(rig.ask(&old).await.unwrap_err(), ReasonCode::SessionEnded);
    assert_eq!(
        rig.ask(grace.access.expose_secret()).await.unwrap_err(),
        ReasonCode::PersonRevoked
    );
    assert_eq!(rig.ask(&gone).await.unwrap_err(), ReasonCode::PersonRevoked);
    rig.caller(alan.access.expose_secret()).await;
    // Long after, the registry has forgotten; the store's own word still holds.
    rig.clock.advance_ms(limits::REVOCATION_KEPT_MS + 1);
    let rig = rig.restarted().await;
    assert_eq!(rig.ask(&old).await.unwrap_err(), ReasonCode::SessionEnded);
    assert!(rig.store.let_in(rig.org, grace.person, None).await.unwrap());
    assert_eq!(
        rig.ask(&gone).await.unwrap_err(),
        ReasonCode::SessionEnded,
        "what was revoked stays revoked"
    );
    rig.clock.advance_ms(1_000);
    rig.caller(&rig.token("grace", &json!({}))).await;
}

#[tokio::test]
async fn everyone_can_be_signed_out_in_one_step() {
    let rig = Rig::new().await;
    let other = rig.replica(9).await;
    let ada = session(&rig, "ada").await;
    let unseen = rig.token("alan", &json!({}));
    let verified = ask(&other.identity, ada.access.expose_secret())
        .await
        .unwrap();
    rig.clock.advance_ms(1_500);
    rig.store
        .revoke(rig.org, &Target::Everyone, rig.clock.now(), "incident")
        .await
        .unwrap();
    for revocations in [&rig.revocations, &other.revocations] {
        revocations.refresh(&rig.store).await.unwrap();
    }
    assert!(verified.live.is_revoked());
    assert_eq!(
        rig.ask(ada.access.expose_secret()).await.unwrap_err(),
        ReasonCode::SessionEnded
    );
    assert_eq!(
        rig.ask(&unseen).await.unwrap_err(),
        ReasonCode::SessionEnded,
        "people never seen before too"
    );
    rig.clock.advance_ms(limits::CLOCK_SKEW_MS + 1_000);
    rig.caller(&rig.token("alan", &json!({"jti": 2}))).await;
}

#[tokio::test]
async fn a_token_of_a_fast_issuer_survives_a_sign_out_on_no_replica_that_never_saw_it() {
    let rig = Rig::new().await;
    let other = rig.replica(9).await;
    let now_s = rig.clock.now().unix_s();
    let person = person_of(&*rig.caller(&rig.token("ada", &json!({"jti": 0}))).await);
    // Both are made before; the issuer's clock is as fast as is forgiven.
    let of = |who| rig.token(who, &json!({"iat": now_s + 60, "jti": 1}));
    let (signed_out, with_everyone) = (of("ada"), of("alan"));
    rig.clock.advance_ms(1_500);
    rig.sign_out(person).await;
    let everyone = (Target::Everyone, rig.clock.now());
    rig.clock.advance_ms(1);
    for (token, then) in [(signed_out, None), (with_everyone, Some(everyone))] {
        if let Some((target, at)) = then {
            rig.store
                .revoke(rig.org, &target, at, "incident")
                .await
                .unwrap();
        }
        other.revocations.refresh(&rig.store).await.unwrap();
        let refusal = ask(&other.identity, &token).await.unwrap_err();
        assert_eq!(refusal.code(), ReasonCode::SessionEnded);
    }
    // Whoever signs in again meanwhile is told what to wait for.
    rig.clock.advance_ms(5_000);
    let anew = rig.token("ada", &json!({"jti": 2}));
    let refusal = ask(&other.identity, &anew).await.unwrap_err();
    assert!(
        refusal.sentence().contains("until that minute is over"),
        "{}",
        refusal.sentence()
    );
    rig.clock.advance_ms(limits::CLOCK_SKEW_MS + 1_000);
    rig.caller(&rig.token("ada", &json!({"jti": 3}))).await;
}

#[tokio::test]
async fn a_cut_that_cannot_be_stored_still_cuts_here_and_says_that_it_did_not_hold() {
    let rig = Rig::new().await;
    let tokens = session(&rig, "ada").await;
    let verified = ask(&rig.identity, tokens.access.expose_secret())
        .await
        .unwrap();
    rig.clock.advance_ms(1);
    rig.store.close().await;
    let refusal = rig
        .sessions
        .end(tokens.session, "signed out")
        .await
        .unwrap_err();
    assert_eq!(refusal.code(), ReasonCode::StoreUnavailable);
    assert!(verified.live.is_revoked());
}

#[tokio::test]
async fn without_word_of_revocations_nobody_is_believed() {
    let rig = Rig::new().await;
    let tokens = session(&rig, "ada").await;
    let headers = super::bearer(tokens.access.expose_secret());
    rig.identity.identify(&headers).await.unwrap();
    rig.clock.advance_ms(limits::REVOCATIONS_AGE_MAX_MS);
    assert!(rig.identity.identify_cached(&headers).is_some());
    rig.clock.advance_ms(1);
    assert!(rig.identity.identify_cached(&headers).is_none());
    assert_eq!(
        rig.identity.identify(&headers).await.unwrap_err().code(),
        ReasonCode::StoreUnavailable
    );
    rig.revocations.refresh(&rig.store).await.unwrap();
    rig.identity.identify(&headers).await.unwrap();
}

#[tokio::test]
async fn the_last_holder_gone_nothing_is_kept_of_a_credential() {
    let rig = Rig::new().await;
    let verified = ask(&rig.identity, &rig.token("ada", &json!({})))
        .await
        .unwrap();
    let weak = Arc::downgrade(&verified.live);
    drop(verified);
    drop(rig.identity);
    assert_eq!(weak.strong_count(), 0);
}
