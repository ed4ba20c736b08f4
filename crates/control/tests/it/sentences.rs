//! What people are told when something is not done: who could, what stands, and what to do next. A sentence must hold where it is said.

use std::collections::BTreeSet;

use control::acceptable_use::{self, NewVersion};
use control::spend_limits::{self, Scope};
use control::{Actor, ControlError, Right, Role, people};
use domain::acceptable_use::{Installation, Variables};
use domain::window::Period;
use domain::{PersonId, ReasonCode, TokenId};

use crate::scim::Place;

fn check(error: &ControlError, code: ReasonCode, sentence: &str) {
    assert_eq!((error.code(), &*error.detail()), (code, sentence));
}

#[tokio::test]
async fn whoever_may_not_is_told_who_may_or_that_it_is_the_token() {
    let place = Place::new(31).await;
    let (person, token) = (PersonId::from_parts(1, 1), TokenId::from_parts(1, 1));
    let auditor = Actor::person(person, "ada", [Role::Auditor].into());
    let scopes = BTreeSet::from([Right::PeopleRead]);
    let token = |role| Actor::token(person, token, "ada", [role].into(), &scopes);
    let (owners, auditors) = (token(Role::Owner), token(Role::Auditor));
    let (role, scope) = (ReasonCode::RoleMissing, ReasonCode::ScopeMissing);
    for (actor, right, code, sentence) in [
        (
            &auditor,
            Right::PeopleWrite,
            role,
            "this needs the right people.write, which the roles owner, admin and technician have",
        ),
        (
            &auditor,
            Right::RolesWrite,
            role,
            "this needs the right roles.write, which only the role owner has",
        ),
        (
            &auditor,
            Right::DirectorySync,
            role,
            "this needs the right directory.sync, which no role has",
        ),
        (
            &auditors,
            Right::PeopleWrite,
            role,
            "this needs the right people.write, which the roles owner, admin and technician have",
        ),
        (
            &owners,
            Right::PeopleWrite,
            scope,
            "this token was not given the scope people.write, which its owner could give one",
        ),
        (
            &owners,
            Right::RolesWrite,
            scope,
            "this needs the right roles.write, which no token is given: its owner must sign in",
        ),
    ] {
        let refused = place.control.operation(actor).require(right).unwrap_err();
        check(&refused, code, sentence);
    }
}

#[tokio::test]
async fn whoever_names_nobody_is_not_told_of_signing_in_which_provisioned_people_never_did() {
    let place = Place::new(32).await;
    let machine = Actor::command_line("machine");
    let found = people::find(&place.control.operation(&machine), "zoe").await;
    check(
        &found.unwrap_err(),
        ReasonCode::ThingUnknown,
        "nobody here has this id, stable id or e-mail address",
    );
}

#[tokio::test]
async fn whoever_makes_a_limit_that_stands_is_told_which_and_not_that_somebody_changed_it() {
    let place = Place::new(33).await;
    let machine = Actor::command_line("machine");
    let operation = place.control.operation(&machine);
    let scope = Scope::Organization;
    let make = || spend_limits::create(&operation, &scope, Period::Daily, Some("100"));
    let stands = make().await.unwrap().id;
    check(
        &make().await.unwrap_err(),
        ReasonCode::ThingExists,
        &format!("{stands} bounds this already; nothing was written"),
    );
}

#[tokio::test]
async fn whoever_publishes_second_is_told_of_the_version_and_not_to_apply_it() {
    let place = Place::new(34).await;
    let machine = Actor::command_line("machine");
    let operation = place.control.operation(&machine);
    let publish = async |text| {
        let new = NewVersion {
            text,
            values: Variables::new(),
            language: "en",
            reason: "a test",
            expected: Some(0),
            keeps_acceptances: false,
        };
        acceptable_use::publish(&operation, new, &Installation::default()).await
    };
    publish("# Use\n{{monitoring}}\n").await.unwrap();
    let second = publish("# Use of Claude\n{{monitoring}}\n").await;
    check(
        &second.unwrap_err(),
        ReasonCode::VersionConflict,
        "version 1 came in between and is in force; read it, lay your change over it, and send that",
    );
}

/// Nobody may take a version that is in force for one that is not.
#[test]
fn what_fails_after_a_policy_is_in_force_says_that_it_is() {
    let error = ControlError::Partly {
        version: 7,
        cause: Box::new(ControlError::Ledger(ledger::LedgerError::Unavailable)),
    };
    let detail = error.detail();
    assert!(detail.starts_with("version 7 is in force"), "{detail}");
    assert!(!error.nothing_written());
    assert_eq!(error.code(), ReasonCode::LedgerUnavailable);
}
