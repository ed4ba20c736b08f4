//! People by all that is known of them: which groups hold, who shuts them out, and who is meant.

use std::collections::BTreeSet;
use std::sync::Arc;

use control::scim::{Directory, groups, users};
use control::scim_tokens::{self, NewScimToken};
use control::tokens::{self, NewToken};
use control::{Actor, Control, ControlError, Entry, Right, Role, keys, people, roles, tasks};
use domain::{
    Caller, Clock, Credential, PersonId, ReasonCode, SessionId, Subject, Vouching, limits,
};
use secrecy::ExposeSecret as _;
use serde_json::json;
use store::{Holder, Person, Seen, Session, Target};

use crate::scim::{BASE, Place, directory, operations, user_body};

impl Place {
    /// Somebody signs in, and their issuer states these groups.
    pub(crate) async fn signed_in(&self, stable_id: &str, name: &str, stated: &[&str]) -> Person {
        let now = self.clock.now();
        let groups: BTreeSet<String> = stated.iter().map(|group| (*group).to_owned()).collect();
        let seen = Seen {
            org: self.control.org,
            issuer: "entra",
            stable_id,
            email: None,
            name: Some(name),
            groups: &groups,
            stated: now,
            made: now,
            at: now,
        };
        let number = u64::from_str_radix(stable_id, 36).unwrap();
        let new = PersonId::from_parts(1, number.into());
        self.control.store.upsert_person(seen, new).await.unwrap()
    }

    /// The directory's user of this external id; the id of the user.
    pub(crate) async fn provisioned(&self, external_id: &str) -> String {
        let actor = directory();
        let operation = self.control.operation(&actor);
        let directory = Directory::new(&operation, &self.source, BASE).unwrap();
        let made = users::create(&directory, user_body(external_id)).await;
        made.unwrap().resource["id"].as_str().unwrap().to_owned()
    }

    /// A group of the directory with one member; its id.
    async fn group(&self, name: &str, member: &str) -> String {
        let actor = directory();
        let operation = self.control.operation(&actor);
        let directory = Directory::new(&operation, &self.source, BASE).unwrap();
        let body = json!({"displayName": name, "members": [{"value": member}]});
        let made = groups::create(&directory, body).await.unwrap();
        made.resource["id"].as_str().unwrap().to_owned()
    }

    async fn take_out(&self, group: &str, member: &str) {
        let actor = directory();
        let operation = self.control.operation(&actor);
        let directory = Directory::new(&operation, &self.source, BASE).unwrap();
        let path = format!("members[value eq \"{member}\"]");
        let body = operations(&json!([{"op": "remove", "path": path}]));
        groups::patch(&directory, group, None, body).await.unwrap();
    }

    pub(crate) async fn set_active(&self, user: &str, active: bool) {
        let actor = directory();
        let operation = self.control.operation(&actor);
        let directory = Directory::new(&operation, &self.source, BASE).unwrap();
        let body = operations(&json!([{"op": "replace", "value": {"active": active}}]));
        users::patch(&directory, user, None, body).await.unwrap();
    }

    async fn give(&self, role: Role, group: &str) {
        let machine = Actor::command_line("machine");
        let holder = Holder::Group {
            issuer: "entra".to_owned(),
            group: group.to_owned(),
        };
        let given = roles::grant(&self.control.operation(&machine), role, holder, "test").await;
        assert!(given.unwrap().is_new);
    }
}

/// The person as a replica remembers them.
fn remembered(person: &Person, session: Option<SessionId>) -> Caller {
    Caller {
        org: person.org,
        subject: Subject::Person(person.id),
        stable_id: person.stable_id.as_str().into(),
        issuer: person.issuer.as_str().into(),
        email: None,
        name: None,
        groups: person.groups.clone(),
        session,
        credential: Credential::Session,
    }
}

fn admin() -> Actor {
    Actor::person(PersonId::from_parts(9, 9), "an admin", [Role::Admin].into())
}

#[tokio::test]
async fn an_admin_cannot_shut_out_whoever_is_owner_through_a_group_of_the_directory() {
    let place = Place::new(11).await;
    let ada = place.signed_in("ada", "Ada", &[]).await;
    let user = place.provisioned("ada").await;
    let group = place.group("owners", &user).await;
    place.give(Role::Owner, "owners").await;
    let admin = admin();
    let operation = place.control.operation(&admin);
    let coup = people::revoke(&operation, ada.id, "a coup").await;
    assert!(
        matches!(coup, Err(ControlError::Forbidden(Right::RolesWrite))),
        "{coup:?}"
    );
    let stands = people::read(&operation, ada.id).await.unwrap();
    assert_eq!(stands.out_since(), None);
    assert_eq!(stands.groups, BTreeSet::from(["owners".to_owned()]));
    // Nor lets in whom an owner has shut out, who would be an owner again.
    let owner = Actor::person(PersonId::from_parts(8, 8), "an owner", [Role::Owner].into());
    let owners = place.control.operation(&owner);
    people::revoke(&owners, ada.id, "dismissed").await.unwrap();
    let back = people::restore(&operation, ada.id, "a coup").await;
    assert!(
        matches!(back, Err(ControlError::Forbidden(Right::RolesWrite))),
        "{back:?}"
    );
    people::restore(&owners, ada.id, "heard").await.unwrap();
    place.clock.advance_ms(1);
    place.take_out(&group, &user).await;
    people::revoke(&operation, ada.id, "an owner no longer")
        .await
        .unwrap();
}

#[tokio::test]
async fn a_role_goes_with_its_group_and_comes_with_a_newer_sign_in_for_a_token_too() {
    let place = Place::new(12).await;
    let ada = place.signed_in("ada", "Ada", &["audit"]).await;
    let user = place.provisioned("ada").await;
    let group = place.group("audit", &user).await;
    place.give(Role::Auditor, "audit").await;
    let oneself = Actor::person(ada.id, "ada", [Role::Auditor].into());
    let wanted = NewToken {
        name: "report".to_owned(),
        scopes: [Right::LedgerRead].into(),
        days: 90,
    };
    let made = tokens::create(&place.control.operation(&oneself), wanted).await;
    let secret = made.unwrap().1;
    let may = async || {
        let actor = place.control.enter_by_token(secret.expose_secret()).await;
        actor.unwrap().may(Right::LedgerRead)
    };
    assert!(may().await);
    place.clock.advance_ms(1_000);
    place.take_out(&group, &user).await;
    assert!(!may().await, "the last sign-in is older than that");
    let now = place.clock.now();
    let (store, org) = (&place.control.store, place.control.org);
    let purged = store.purge_directory(org, now.plus_ms(1), now.plus_ms(1));
    purged.await.unwrap();
    assert!(!may().await, "nor is it forgotten while that is so");
    place.clock.advance_ms(1_000);
    place.signed_in("ada", "Ada", &["audit"]).await;
    assert!(may().await, "a group within a group, which SCIM knows not");
}

#[tokio::test]
async fn whom_the_directory_shuts_out_stays_out_when_administrators_let_them_in() {
    let place = Place::new(13).await;
    let ada = place.signed_in("ada", "Ada", &[]).await;
    let user = place.provisioned("ada").await;
    let admin = admin();
    let operation = place.control.operation(&admin);
    let ours = people::revoke(&operation, ada.id, "left").await.unwrap();
    assert!(ours.shut_out_at.is_some() && ours.left_at.is_none());
    place.clock.advance_ms(5);
    place.set_active(&user, false).await;
    let both = people::read(&operation, ada.id).await.unwrap();
    assert_eq!(both.out_since(), ours.shut_out_at);
    let theirs = people::restore(&operation, ada.id, "back").await.unwrap();
    assert!(theirs.shut_out_at.is_none() && theirs.left_at == Some(place.clock.now()));
    place.set_active(&user, true).await;
    let back = people::read(&operation, ada.id).await.unwrap();
    assert_eq!(back.out_since(), None);
}

#[tokio::test]
async fn whoever_calls_themselves_like_anothers_id_protects_nobody() {
    let place = Place::new(14).await;
    let ada = place.signed_in("ada", "Ada", &[]).await;
    let mallory = place.signed_in("mallory", &ada.id.to_string(), &[]).await;
    let admin = admin();
    let operation = place.control.operation(&admin);
    let found = people::find(&operation, &ada.id.to_string()).await.unwrap();
    assert_eq!(found.id, ada.id);
    let out = people::revoke(&operation, ada.id, "left").await.unwrap();
    assert_eq!(out.id, ada.id);
    let stands = people::read(&operation, mallory.id).await.unwrap();
    assert_eq!(stands.out_since(), None);
    let nobody = PersonId::from_parts(5, 5).to_string();
    let found = people::find(&operation, &nobody).await;
    assert!(matches!(found, Err(ControlError::NoSuchPerson)));
}

#[tokio::test]
async fn a_change_that_somebody_was_quicker_than_is_followed_by_a_record_that_says_so() {
    let place = Place::new(15).await;
    let machine = Actor::command_line("machine");
    let operation = place.control.operation(&machine);
    let rotation = keys::Rotation {
        name: "session",
        before: "aa",
        after: "bb",
        reason: Some("a test"),
    };
    let made = keys::rotate(&operation, rotation, "session_key", b"not it", b"new").await;
    assert!(!made.unwrap());
    let ledger = place.ledger();
    assert!(ledger.contains("not made: another was put there in between"));
}

#[tokio::test]
async fn a_change_that_there_is_no_room_for_is_followed_by_a_record_that_says_so() {
    let place = Place::new(18).await;
    let ada = place.signed_in("ada", "Ada", &[]).await;
    let oneself = Actor::person(ada.id, "ada", BTreeSet::new());
    let operation = place.control.operation(&oneself);
    let wanted = NewToken {
        name: "report".to_owned(),
        scopes: [Right::OwnRead].into(),
        days: 1,
    };
    for _ in 0..limits::PERSONAL_TOKENS_MAX {
        tokens::create(&operation, wanted.clone()).await.unwrap();
    }
    assert!(!place.ledger().contains("not made"));
    let more = tokens::create(&operation, wanted).await.map(drop);
    assert_eq!(more.unwrap_err().code(), ReasonCode::LimitReached);
    let ledger = place.ledger();
    assert!(ledger.contains("not made: there are as many as there may be"));
}

#[tokio::test]
async fn whoever_is_shut_out_does_not_come_in_to_undo_it_whatever_a_replica_remembers() {
    let place = Place::new(15).await;
    let eve = place.signed_in("eve", "Eve", &["techs"]).await;
    place.give(Role::Technician, "techs").await;
    let (control, made) = (&place.control, place.clock.now());
    let caller = remembered(&eve, None);
    let inside = control.enter(&caller, made).await.unwrap();
    assert!(inside.may(Right::PeopleWrite));
    place.clock.advance_ms(1_000);
    let admin = admin();
    let operation = control.operation(&admin);
    people::revoke(&operation, eve.id, "fired").await.unwrap();
    let again = control.enter(&caller, place.clock.now()).await;
    assert!(matches!(again, Err(Entry::ShutOut)), "{again:?}");
    // A request of theirs that had entered before is no way back either, for themselves or for a friend.
    let theirs = control.operation(&inside);
    let back = people::restore(&theirs, eve.id, "oops").await;
    assert!(matches!(back, Err(ControlError::Oneself)), "{back:?}");
    // Nor do they make a token that would open once somebody lets them in.
    let wanted = NewToken {
        name: "later".to_owned(),
        scopes: [Right::OwnRead].into(),
        days: 366,
    };
    let made_while_out = tokens::create(&theirs, wanted).await;
    assert!(
        matches!(made_while_out, Err(ControlError::Forbidden(_))),
        "{made_while_out:?}"
    );
    let bob = place.signed_in("bob", "Bob", &[]).await;
    people::revoke(&operation, bob.id, "fired").await.unwrap();
    let back = people::restore(&theirs, bob.id, "oops").await;
    assert!(matches!(back, Err(ControlError::Forbidden(_))), "{back:?}");
    let ledger = place.ledger();
    for said in [
        "not made: its owner was shut out or signed out in between",
        "not made: who asked for it was shut out in between",
    ] {
        assert!(ledger.contains(said), "{said}");
    }
    for person in [eve.id, bob.id] {
        let stands = people::read(&operation, person).await.unwrap();
        assert!(stands.shut_out_at.is_some());
    }
    // Somebody else may let them in, and what was made before counts no more.
    people::restore(&operation, eve.id, "cleared")
        .await
        .unwrap();
    let old = control.enter(&caller, made).await;
    assert!(matches!(old, Err(Entry::SignedOut)), "{old:?}");
    place.clock.advance_ms(1);
    assert!(control.enter(&caller, place.clock.now()).await.is_ok());
}

#[tokio::test]
async fn an_ended_session_and_a_group_left_open_nothing_at_the_very_next_request() {
    let place = Place::new(16).await;
    let ada = place.signed_in("ada", "Ada", &["audit"]).await;
    let user = place.provisioned("ada").await;
    let group = place.group("audit", &user).await;
    place.give(Role::Auditor, "audit").await;
    let (control, made) = (&place.control, place.clock.now());
    let session = Session {
        id: SessionId::from_parts(1, 1),
        person: ada.id,
        client: "test".to_owned(),
        created: made,
        ended_at: None,
    };
    let (store, org) = (&control.store, control.org);
    let begun = store.create_session(org, &session, "hash", made.plus_ms(1_000_000));
    begun.await.unwrap();
    let caller = remembered(&ada, Some(session.id));
    let may = async || Ok::<_, Entry>(control.enter(&caller, made).await?.may(Right::LedgerRead));
    assert!(may().await.unwrap());
    place.clock.advance_ms(1_000);
    place.take_out(&group, &user).await;
    assert!(!may().await.unwrap());
    let target = Target::Session(session.id);
    let ended = store.revoke(org, &target, place.clock.now(), "signed out");
    ended.await.unwrap();
    assert!(matches!(may().await, Err(Entry::SignedOut)));
    let never = remembered(&ada, Some(SessionId::from_parts(2, 2)));
    let never = control.enter(&never, made).await;
    assert!(matches!(never, Err(Entry::SignedOut)), "{never:?}");
}

#[tokio::test]
async fn whatever_hangs_on_an_issuer_that_is_configured_no_more_opens_nothing() {
    let place = Place::new(17).await;
    let ada = place.signed_in("ada", "Ada", &["owners"]).await;
    place.give(Role::Owner, "owners").await;
    let made = place.clock.now();
    let caller = remembered(&ada, None);
    let inside = place.control.enter(&caller, made).await.unwrap();
    let operation = place.control.operation(&inside);
    let wanted = NewToken {
        name: "report".to_owned(),
        scopes: [Right::PeopleRead].into(),
        days: 90,
    };
    let (_, own) = tokens::create(&operation, wanted).await.unwrap();
    let wanted = NewScimToken {
        issuer: "entra".to_owned(),
        tenant: None,
        name: "entra".to_owned(),
        days: None,
    };
    let (_, of_directory) = scim_tokens::create(&operation, &place.control.vouching, wanted)
        .await
        .unwrap();
    let (own, of_directory) = (own.expose_secret(), of_directory.expose_secret());
    assert!(place.control.enter_by_token(own).await.is_ok());
    let entered = place.control.enter_by_directory_token(of_directory).await;
    assert!(entered.is_ok());
    let others: Vouching = [("okta".to_owned(), BTreeSet::new())].into_iter().collect();
    let without = Control {
        vouching: Arc::new(others),
        ..place.control.clone()
    };
    let caller = without.enter(&caller, made).await;
    assert!(matches!(caller, Err(Entry::SignedOut)), "{caller:?}");
    let by_token = without.enter_by_token(own).await;
    assert!(matches!(by_token, Err(Entry::UnknownToken)), "{by_token:?}");
    let directory = without.enter_by_directory_token(of_directory).await;
    assert!(matches!(directory, Err(Entry::UnknownToken)));
}

#[tokio::test]
async fn somebody_new_is_told_of_by_hand_once_and_the_ledger_says_by_whom() {
    let place = Place::new(71).await;
    let machine = Actor::command_line("machine");
    let operation = place.control.operation(&machine);
    let at = place.clock.now();
    let who = "kim@northwind.example";
    // Nothing is published to be accepted, and there is no connector to be told of.
    for opened in [3, 0] {
        let told = tasks::tell_joiner(&operation, who, at, "HR").await;
        assert_eq!(told.unwrap(), opened);
    }
    // Leaving is an occasion of its own.
    assert_eq!(
        tasks::tell_leaver(&operation, who, at, "HR").await.unwrap(),
        6
    );
    assert!(place.ledger().contains("says HR; tasks opened"));
    let auditor = Actor::person(PersonId::from_parts(1, 1), "ada", [Role::Auditor].into());
    let refused = tasks::tell_joiner(&place.control.operation(&auditor), who, at, "HR").await;
    assert!(matches!(
        refused,
        Err(ControlError::Forbidden(Right::TasksWrite))
    ));
}
