//! What a directory provisions, as requests feel it: groups join those of the token and change soon, on every replica, and a request
//! that is remembered asks nobody.

use std::collections::BTreeSet;
use std::sync::Arc;

use domain::{Clock, DirectoryGroupId, DirectoryUserId, PersonId, ReasonCode, Subject};
use pipeline::identity::Verified;
use secrecy::ExposeSecret;
use serde_json::json;
use store::{
    DirectoryUser, GroupChange, GroupWrite, MemberStep, NewUser, Source, UserState, UserWrite,
};

use super::{Rig, ask};

fn source(rig: &Rig) -> Source {
    Source {
        issuer: rig.identity.issuers()[0].name().to_string(),
        tenant: None,
    }
}

fn state(external_id: &str, active: bool) -> UserState<'_> {
    UserState {
        user_name: "somebody",
        external_id: Some(external_id),
        active,
        body: "{}",
        email: None,
        name: None,
    }
}

async fn provision(rig: &Rig, who: &str) -> DirectoryUser {
    let sub = rig.claims(who, &json!({}))["sub"]
        .as_str()
        .unwrap()
        .to_owned();
    let new = NewUser {
        user: DirectoryUserId::from_parts(1, 1),
        person: PersonId::from_parts(1, 1),
    };
    let (source, now) = (source(rig), rig.clock.now());
    let made = rig
        .store
        .add_directory_user(rig.org, &source, new, state(&sub, true), now);
    done(made.await.unwrap())
}

fn done(write: UserWrite) -> DirectoryUser {
    let UserWrite::Done(user) = write else {
        unreachable!("{write:?}")
    };
    user
}

async fn group(rig: &Rig, name: &str, external_id: &str) -> DirectoryGroupId {
    let id = DirectoryGroupId::from_parts(1, name.len() as u128);
    let (source, now) = (source(rig), rig.clock.now());
    let names = (name, Some(external_id));
    let made = rig
        .store
        .add_directory_group(rig.org, &source, id, names, BTreeSet::new(), now);
    assert!(matches!(made.await.unwrap(), GroupWrite::Done(_)));
    id
}

async fn step(rig: &Rig, group: DirectoryGroupId, step: MemberStep) {
    let change = GroupChange {
        members: vec![step],
        ..GroupChange::default()
    };
    let (source, now) = (source(rig), rig.clock.now());
    let place = (group, None);
    let changed = rig
        .store
        .change_directory_group(rig.org, &source, place, change, now);
    assert!(matches!(changed.await.unwrap(), GroupWrite::Done(_)));
}

fn only(user: &DirectoryUser) -> BTreeSet<String> {
    [user.id.to_string()].into()
}

fn is_in(verified: &Arc<Verified>, group: &str) -> bool {
    verified.caller.groups.contains(group)
}

#[tokio::test]
async fn a_change_of_groups_is_in_force_at_the_next_look_on_every_replica() {
    let rig = Rig::new().await;
    let other = rig.replica(9).await;
    let user = provision(&rig, "ada").await;
    let staff = group(&rig, "Staff", "g-1").await;
    let look = async || {
        rig.identity.refresh_memberships().await.unwrap();
        other.identity.refresh_memberships().await.unwrap();
    };
    look().await;
    let token = rig.token("ada", &json!({}));
    let session = rig
        .sessions
        .start(&rig.signed_in("ada").await, "test")
        .await
        .unwrap();
    let tokens = [token.as_str(), session.access.expose_secret()];
    for token in tokens {
        for identity in [&rig.identity, &other.identity] {
            let verified = ask(identity, token).await.unwrap();
            assert_eq!(verified.caller.subject, Subject::Person(user.person));
            assert!(!is_in(&verified, "Staff"));
        }
    }
    rig.clock.advance_ms(1_000);
    step(&rig, staff, MemberStep::Add(only(&user))).await;
    look().await;
    for token in tokens {
        for identity in [&rig.identity, &other.identity] {
            let verified = ask(identity, token).await.unwrap();
            assert!(is_in(&verified, "Staff") && is_in(&verified, "g-1"));
        }
    }
    step(&rig, staff, MemberStep::Remove(only(&user))).await;
    look().await;
    for token in tokens {
        for identity in [&rig.identity, &other.identity] {
            let verified = ask(identity, token).await.unwrap();
            assert!(!is_in(&verified, "Staff") && !is_in(&verified, "g-1"));
        }
    }
}

#[tokio::test]
async fn a_remembered_request_asks_nobody() {
    let rig = Rig::new().await;
    let user = provision(&rig, "ada").await;
    let staff = group(&rig, "Staff", "g-1").await;
    step(&rig, staff, MemberStep::Add(only(&user))).await;
    rig.identity.refresh_memberships().await.unwrap();
    let token = rig.token("ada", &json!({}));
    ask(&rig.identity, &token).await.unwrap();
    rig.store.close().await;
    let known = rig.identity.identify_cached(&super::bearer(&token));
    assert!(is_in(&known.unwrap(), "Staff"));
}

#[tokio::test]
async fn a_token_does_not_bring_back_a_group_that_was_taken_away_after_it_was_made() {
    let rig = Rig::new().await;
    let user = provision(&rig, "ada").await;
    let staff = group(&rig, "Staff", "g-1").await;
    step(&rig, staff, MemberStep::Add(only(&user))).await;
    rig.identity.refresh_memberships().await.unwrap();
    let token = rig.token("ada", &json!({"groups": ["Staff", "other"]}));
    assert!(is_in(&ask(&rig.identity, &token).await.unwrap(), "Staff"));
    rig.clock.advance_ms(1_000);
    step(&rig, staff, MemberStep::Remove(only(&user))).await;
    rig.identity.refresh_memberships().await.unwrap();
    let verified = ask(&rig.identity, &token).await.unwrap();
    assert!(!is_in(&verified, "Staff") && is_in(&verified, "other"));
    // The issuer says so anew, as it does of groups within groups.
    rig.clock.advance_ms(120_000);
    let later = rig.token("ada", &json!({"groups": ["Staff"], "jti": 2}));
    assert!(is_in(&ask(&rig.identity, &later).await.unwrap(), "Staff"));
}

#[tokio::test]
async fn an_old_token_that_is_shown_late_brings_no_group_back_to_a_session() {
    let rig = Rig::new().await;
    let user = provision(&rig, "ada").await;
    let staff = group(&rig, "Staff", "g-1").await;
    step(&rig, staff, MemberStep::Add(only(&user))).await;
    let old = rig.token("ada", &json!({"groups": ["Staff"], "jti": "kept back"}));
    rig.clock.advance_ms(1_000);
    step(&rig, staff, MemberStep::Remove(only(&user))).await;
    rig.clock.advance_ms(120_000);
    rig.identity.refresh_memberships().await.unwrap();
    rig.revocations.refresh(&rig.store).await.unwrap();
    let caller = rig.signed_in("ada").await;
    let first = rig.sessions.start(&caller, "test").await.unwrap();
    let verified = ask(&rig.identity, first.access.expose_secret()).await;
    assert!(!is_in(&verified.unwrap(), "Staff"));
    // It still proves who it is about, and nothing of groups.
    let verified = ask(&rig.identity, &old).await.unwrap();
    assert!(!is_in(&verified, "Staff"));
    let known = rig.store.person(rig.org, user.person).await.unwrap();
    assert_eq!(known.unwrap().groups, ["engineering".to_owned()].into());
    let second = rig.sessions.refresh(first.refresh.expose_secret()).await;
    let verified = ask(&rig.identity, second.unwrap().access.expose_secret()).await;
    let verified = verified.unwrap();
    assert!(!is_in(&verified, "Staff") && is_in(&verified, "engineering"));
}

#[tokio::test]
async fn what_was_stated_before_a_departure_stays_away_however_late_the_session_begins() {
    let rig = Rig::new().await;
    let user = provision(&rig, "ada").await;
    let staff = group(&rig, "Staff", "g-1").await;
    step(&rig, staff, MemberStep::Add(only(&user))).await;
    rig.identity.refresh_memberships().await.unwrap();
    let stated = rig.token("ada", &json!({"groups": ["Staff"]}));
    let caller = rig.caller(&stated).await;
    rig.clock.advance_ms(1_000);
    step(&rig, staff, MemberStep::Remove(only(&user))).await;
    rig.clock.advance_ms(1_000);
    rig.identity.refresh_memberships().await.unwrap();
    // Begun after the departure, with what was stated before it.
    let session = rig.sessions.start(&caller, "test").await.unwrap();
    let verified = ask(&rig.identity, session.access.expose_secret()).await;
    assert!(!is_in(&verified.unwrap(), "Staff"));
}

#[tokio::test]
async fn whom_the_directory_shuts_out_is_out_and_whom_it_brings_back_signs_in_anew() {
    let rig = Rig::new().await;
    let user = provision(&rig, "ada").await;
    let token = rig.token("ada", &json!({}));
    let verified = ask(&rig.identity, &token).await.unwrap();
    let sub = verified.caller.stable_id.to_string();
    rig.clock.advance_ms(1_000);
    let put = async |user: &DirectoryUser, active| {
        let (source, now) = (source(&rig), rig.clock.now());
        let place = (user.id, user.version);
        let to = (state(&sub, active), PersonId::from_parts(1, 2));
        let put = rig
            .store
            .put_directory_user(rig.org, &source, place, to, now);
        done(put.await.unwrap())
    };
    let user = put(&user, false).await;
    rig.identity.refresh_memberships().await.unwrap();
    rig.revocations.refresh(&rig.store).await.unwrap();
    assert!(verified.live.is_revoked());
    assert_eq!(
        rig.ask(&token).await.unwrap_err(),
        ReasonCode::PersonRevoked
    );
    put(&user, true).await;
    rig.identity.refresh_memberships().await.unwrap();
    assert_eq!(
        rig.ask(&token).await.unwrap_err(),
        ReasonCode::PersonRevoked,
        "what was taken stays taken"
    );
    rig.clock.advance_ms(120_000);
    rig.caller(&rig.token("ada", &json!({"jti": 2}))).await;
}
