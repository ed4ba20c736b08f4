//! Everybody's grants: who may see them and end one, whose are unknown, that an end is once, and what the ledger says of who ended whose.

use std::collections::BTreeSet;

use control::grants::everyones::{self, Standing};
use control::grants::{self, New};
use control::{Actor, Control, ControlError, Right, Role, policies};
use domain::{OrgId, PersonId, Timestamp};
use ledger::Record;
use ledger::record::{Change, ChangeKind};
use secrecy::ExposeSecret as _;

use crate::policies::Anything;
use crate::scim::Place;

/// Two connectors where people connect accounts of their own, and one where they do not.
const POLICY: &str = r#"
[[connector]]
name = "crm"
title = "Customers"
url = "https://crm.example/mcp"
credential = "grant"
[[connector]]
name = "wiki"
url = "https://wiki.example/mcp"
credential = "grant"
[[connector]]
name = "open"
url = "https://open.example/mcp"
"#;

const SECRET: &str = "access-4711";

async fn place(seed: u64) -> Place {
    let place = Place::new(seed).await;
    let machine = Actor::command_line("a test");
    let operation = place.control.operation(&machine);
    let applied = policies::apply(&operation, POLICY, "connectors", None, &Anything).await;
    applied.unwrap();
    place
}

async fn connects(place: &Place, person: PersonId, connector: &str, scope: &str) {
    let actor = Actor::person(person, "somebody", BTreeSet::new());
    let new = New {
        connector,
        address: &format!("https://{connector}.example/mcp"),
        issuer: "https://login.example",
        scope,
        secret: &SECRET.to_owned().into(),
        expires: None,
    };
    let operation = place.control.operation(&actor);
    assert!(grants::keep(&operation, new).await.unwrap().is_none());
}

fn of(role: Role) -> Actor {
    Actor::person(PersonId::from_parts(7, 7), role.as_str(), [role].into())
}

fn is_forbidden<T>(answered: &Result<T, ControlError>, right: Right) -> bool {
    matches!(answered, Err(ControlError::Forbidden(of)) if *of == right)
}

fn is_unknown<T>(answered: &Result<T, ControlError>, noun: &str) -> bool {
    matches!(answered, Err(ControlError::NoSuch(of)) if *of == noun)
}

fn changes(place: &Place) -> Vec<Change> {
    let mut reader = place.reader();
    let mut found = Vec::new();
    while let Some(entry) = reader.read().unwrap() {
        if let Ok(Record::Change(change)) = entry.decode().unwrap().record()
            && change.noun.as_str() == "grant"
        {
            found.push(change.clone());
        }
    }
    found
}

#[tokio::test]
async fn whoever_may_end_sessions_may_end_a_connection_and_an_auditor_only_sees_it() {
    let place = place(61).await;
    for role in Role::ALL.iter().copied() {
        let ada = place.signed_in(role.as_str(), "ada", &[]).await.id;
        connects(&place, ada, "crm", "read").await;
        let actor = of(role);
        let operation = place.control.operation(&actor);
        let may_see = actor.may(Right::SessionsRead);
        let may_end = actor.may(Right::SessionsWrite);
        assert_eq!(may_see, role != Role::Member && role != Role::Approver);
        let seen = everyones::of_person(&operation, ada).await;
        assert_eq!(seen.is_ok(), may_see, "{role}");
        let at = everyones::at(&operation, "crm", None, 9).await;
        assert_eq!(at.is_ok(), may_see, "{role}");
        let ended = everyones::end(&operation, (ada, "crm"), "a test").await;
        if may_end {
            assert_eq!(ended.unwrap().secret.unwrap().expose_secret(), SECRET);
        } else {
            assert!(is_forbidden(&ended, Right::GrantsWrite), "{role}");
        }
        if !may_see {
            assert!(is_forbidden(&seen, Right::GrantsRead), "{role}");
            assert!(is_forbidden(&at, Right::GrantsRead), "{role}");
        }
        let left = place.control.store.grants_of(place.control.org, ada).await;
        assert_eq!(left.unwrap().is_empty(), may_end, "{role}");
    }
}

#[tokio::test]
async fn an_end_is_once_and_the_ledger_says_who_ended_whose_and_why() {
    let place = place(62).await;
    let ada = place.signed_in("ada", "ada", &[]).await.id;
    let bob = place.signed_in("bob", "bob", &[]).await.id;
    for person in [ada, bob] {
        connects(&place, person, "crm", "read").await;
    }
    connects(&place, ada, "wiki", "").await;
    let admin = place.signed_in("root", "root", &[]).await.id;
    let admin = Actor::person(admin, "root@acme.example", [Role::Admin].into());
    let operation = place.control.operation(&admin);
    for reason in ["", " ", "two\nlines"] {
        let refused = everyones::end(&operation, (ada, "crm"), reason).await;
        assert!(
            matches!(refused, Err(ControlError::Invalid(_))),
            "{reason:?}"
        );
    }
    let ended = everyones::end(&operation, (ada, "crm"), "the laptop was lost").await;
    assert_eq!(ended.unwrap().grant.person, ada);
    let again = everyones::end(&operation, (ada, "crm"), "once more").await;
    assert!(is_unknown(&again, "connection"));
    let own = Actor::person(ada, "ada", BTreeSet::new());
    let own = place.control.operation(&own);
    assert!(
        grants::find(&own, "crm", "https://crm.example/mcp")
            .await
            .unwrap()
            .is_none()
    );
    let left = everyones::of_person(&operation, ada).await.unwrap();
    let left: Vec<&str> = left.iter().map(|one| &*one.connector).collect();
    assert_eq!(left, ["wiki"], "what they connected elsewhere stays");
    let (at, _) = everyones::at(&operation, "crm", None, 9).await.unwrap();
    assert_eq!(at.len(), 1);
    assert_eq!(at[0].person, bob);

    let ends: Vec<Change> = changes(&place)
        .into_iter()
        .filter(|change| change.done == ChangeKind::Deleted)
        .collect();
    assert_eq!(ends.len(), 1, "neither what was refused nor the second end");
    assert_eq!(ends[0].name.as_str(), format!("crm for {ada}"));
    assert_eq!(
        ends[0].reason.as_ref().unwrap().as_str(),
        "the laptop was lost"
    );
    let written = format!("{:?}", ends[0]);
    assert!(written.contains("root@acme.example"), "{written}");
    assert!(!place.ledger().contains(SECRET));
}

#[tokio::test]
async fn people_of_another_organisation_and_ids_that_never_were_are_unknown_alike() {
    let place = place(63).await;
    let ada = place.signed_in("ada", "ada", &[]).await.id;
    connects(&place, ada, "crm", "read").await;
    let other = OrgId::from_parts(2, 2);
    let org = place
        .control
        .store
        .ensure_org("elsewhere", other)
        .await
        .unwrap();
    let elsewhere = Control {
        org,
        parsed: control::ParsedPolicy::default(),
        ..place.control.clone()
    };
    let owner = of(Role::Owner);
    for (control, person) in [
        (&elsewhere, ada),
        (&place.control, PersonId::from_parts(9, 9)),
    ] {
        let operation = control.operation(&owner);
        assert!(is_unknown(
            &everyones::of_person(&operation, person).await,
            "person"
        ));
        let read = everyones::read(&operation, (person, "crm")).await;
        assert!(is_unknown(&read, "person"));
        let ended = everyones::end(&operation, (person, "crm"), "a test").await;
        assert!(is_unknown(&ended, "person"));
    }
    let operation = elsewhere.operation(&owner);
    assert!(is_unknown(
        &everyones::at(&operation, "crm", None, 9).await,
        "connector"
    ));
    let operation = place.control.operation(&owner);
    for connector in ["wiki", "nowhere", ""] {
        let ended = everyones::end(&operation, (ada, connector), "a test").await;
        assert!(is_unknown(&ended, "connection"), "{connector}");
    }
    assert!(is_unknown(
        &everyones::at(&operation, "nowhere", None, 9).await,
        "connector"
    ));
    let (open, more) = everyones::at(&operation, "open", None, 9).await.unwrap();
    assert!(
        open.is_empty() && !more,
        "nobody connects an account of their own there"
    );
    assert_eq!(
        everyones::of_person(&operation, ada).await.unwrap().len(),
        1,
        "it is still there"
    );
}

#[tokio::test]
async fn a_connection_stands_as_the_calls_since_have_shown() {
    let place = place(64).await;
    let ada = place.signed_in("ada", "ada", &[]).await.id;
    connects(&place, ada, "crm", "read").await;
    let admin = of(Role::Admin);
    let operation = place.control.operation(&admin);
    let standing = async || {
        let one = everyones::read(&operation, (ada, "crm")).await.unwrap();
        (one.standing(), one.title, one.wants, one.refused_since)
    };
    let title = || Some("Customers".to_owned());
    assert_eq!(
        standing().await,
        (Standing::Works, title(), String::new(), None)
    );
    let own = Actor::person(ada, "ada", BTreeSet::new());
    let own = place.control.operation(&own);
    let found = async || {
        let found = grants::find(&own, "crm", "https://crm.example/mcp").await;
        found.unwrap().unwrap().grant
    };
    assert!(grants::wants(&own, &found().await, "write").await.unwrap());
    let (stands, _, wants, _) = standing().await;
    assert_eq!((stands, &*wants), (Standing::WantsMore, "write"));
    grants::died(&own, &found().await, "refused there")
        .await
        .unwrap();
    let (stands, _, _, since) = standing().await;
    assert_eq!(stands, Standing::Refused);
    assert!(since > Some(Timestamp::from_unix_ms(0)));

    // The connector stands at another address: what is about to be wiped is still said to be there, and can be ended.
    let machine = Actor::command_line("a test");
    let operation = place.control.operation(&machine);
    let moved = POLICY.replace("https://crm.example", "https://moved.example");
    policies::apply(&operation, &moved, "moved", None, &Anything)
        .await
        .unwrap();
    let one = everyones::read(&operation, (ada, "crm")).await.unwrap();
    assert_eq!(one.title, None);
    assert!(
        everyones::at(&operation, "crm", None, 9)
            .await
            .unwrap()
            .0
            .is_empty()
    );
    assert!(
        everyones::end(&operation, (ada, "crm"), "a test")
            .await
            .is_ok()
    );
}
