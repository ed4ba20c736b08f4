//! Approving calls: who may, that a yes is for one call and used once, that nothing waits for ever, and what the ledger knows of it.

use std::collections::BTreeSet;

use control::approvals::{self, Approval, Call, Sought};
use control::connectors::{self, Wish};
use control::{Actor, Control, ControlError, Right, Role, policies};
use domain::approval::{About, Approver};
use domain::{ApprovalId, ApprovalState, Clock as _, PersonId, ReasonCode, TokenId, limits};

use crate::policies::Anything;
use crate::scim::Place;

/// What calls what.
#[derive(Debug, Clone)]
struct Wanted {
    action: &'static str,
    arguments: &'static str,
    definition: &'static str,
    policy: u64,
    approver: Approver,
}

fn wanted(approver: Approver) -> Wanted {
    Wanted {
        action: "update_contact",
        arguments: r#"{"city":"Rotterdam","member":"M-4411"}"#,
        definition: "sha256:77c0",
        policy: 0,
        approver,
    }
}

async fn seek(control: &Control, actor: &Actor, wanted: &Wanted) -> Result<Sought, ControlError> {
    let about = About {
        class: "write".to_owned(),
        rule: "CRM: writing".to_owned(),
        ..About::default()
    };
    let call = Call {
        connector: "crm",
        action: wanted.action,
        arguments: wanted.arguments.as_bytes(),
        definition: wanted.definition,
        policy_version: wanted.policy,
        approver: &wanted.approver,
        about: &about,
    };
    approvals::seek(&control.operation(actor), call).await
}

fn waits(sought: Result<Sought, ControlError>) -> Approval {
    match sought.unwrap() {
        Sought::Waits(approval) => approval,
        other => panic!("{other:?}"),
    }
}

fn is_granted(sought: Result<Sought, ControlError>) -> bool {
    matches!(sought.unwrap(), Sought::Granted(_))
}

impl Place {
    async fn who(&self, stable_id: &str, groups: &[&str], roles: &[Role]) -> Actor {
        let person = self.signed_in(stable_id, stable_id, groups).await;
        Actor::person(person.id, stable_id, roles.iter().copied().collect())
    }

    async fn yes(&self, actor: &Actor, approval: &Approval) -> Result<Approval, ControlError> {
        let operation = self.control.operation(actor);
        approvals::approve(&operation, approval.id, "").await
    }

    async fn no(&self, actor: &Actor, approval: &Approval) -> Result<Approval, ControlError> {
        let operation = self.control.operation(actor);
        approvals::deny(&operation, approval.id, "not today").await
    }
}

#[tokio::test]
async fn a_yes_is_for_exactly_one_call_and_is_used_once() {
    let place = Place::new(81).await;
    let ada = place.who("ada", &[], &[]).await;
    let bob = place.who("bob", &[], &[]).await;
    let call = wanted(Approver::Oneself);
    let first = waits(seek(&place.control, &ada, &call).await);
    let again = waits(seek(&place.control, &ada, &call).await);
    assert_eq!(again.id, first.id, "asking again asks for nothing new");
    place.clock.advance_ms(1_234);
    place.yes(&ada, &first).await.unwrap();
    for other in [
        Wanted {
            arguments: r#"{"city":"Rotterdam","member":"M-4412"}"#,
            ..call.clone()
        },
        Wanted {
            action: "delete_contact",
            ..call.clone()
        },
        Wanted {
            definition: "sha256:77c1",
            ..call.clone()
        },
        Wanted {
            policy: 1,
            ..call.clone()
        },
    ] {
        let sought = waits(seek(&place.control, &ada, &other).await);
        assert_ne!(sought.id, first.id, "{other:?}");
    }
    assert_ne!(waits(seek(&place.control, &bob, &call).await).id, first.id);
    place.clock.advance_ms(56);
    // another replica, or this one after a restart: nothing but the store is known
    let elsewhere = place.control.clone();
    assert!(is_granted(seek(&elsewhere, &ada, &call).await));
    let next = waits(seek(&place.control, &ada, &call).await);
    assert_ne!(next.id, first.id, "the same call asks anew");
    let late = place.yes(&ada, &first).await.unwrap_err();
    assert_eq!(
        late.detail(),
        "this was approved by ada and used; an approval is good for one call"
    );
    let ledger = place.ledger();
    for said in [
        "asks for crm.update_contact for per_",
        "whoever calls decides",
        "approved after 1234 ms: crm.update_contact",
        "used 56 ms after the yes of ada",
        &first.binding.arguments_sha256,
    ] {
        assert!(ledger.contains(said), "{said}");
    }
    assert!(!ledger.contains("Rotterdam") && !ledger.contains("M-4411"));
}

#[tokio::test]
async fn only_who_may_says_yes_and_nobody_is_their_own_second_person() {
    let place = Place::new(82).await;
    let ada = place.who("ada", &["leads"], &[Role::Owner]).await;
    let lead = place.who("lead", &["leads"], &[]).await;
    let officer = place.who("officer", &[], &[Role::Approver]).await;
    let member = place.who("member", &[], &[]).await;
    let groups = Approver::Groups(BTreeSet::from(["leads".to_owned()]));
    for (approver, definition, may) in [
        (Approver::Oneself, "sha256:1", [true, false, false, false]),
        (Approver::Second, "sha256:2", [false, false, true, false]),
        (groups, "sha256:3", [false, true, false, false]),
    ] {
        let call = Wanted {
            definition,
            ..wanted(approver.clone())
        };
        for (who, may) in [&ada, &lead, &officer, &member].into_iter().zip(may) {
            let approval = waits(seek(&place.control, &ada, &call).await);
            let shown = approvals::read(&place.control.operation(who), approval.id).await;
            let sees_arguments = shown.as_ref().is_ok_and(|shown| shown.arguments.is_some());
            let is_asker = who.person_id() == ada.person_id();
            assert_eq!(
                sees_arguments,
                may || is_asker,
                "{approver:?} {}",
                who.label()
            );
            let listed = approvals::list_to_decide(&place.control.operation(who))
                .await
                .unwrap();
            assert_eq!(
                listed.len(),
                usize::from(may),
                "{approver:?} {}",
                who.label()
            );
            let said = place.yes(who, &approval).await;
            assert_eq!(said.is_ok(), may, "{approver:?} {}: {said:?}", who.label());
            if !may {
                let code = said.unwrap_err().code();
                let known = shown.is_ok();
                let expected = if known {
                    ReasonCode::RoleMissing
                } else {
                    ReasonCode::ThingUnknown
                };
                assert_eq!(code, expected, "{approver:?} {}", who.label());
                continue;
            }
            assert!(is_granted(seek(&place.control, &ada, &call).await));
        }
        place.clock.advance_ms(limits::APPROVAL_OPEN_MS);
    }
}

#[tokio::test]
async fn what_holds_a_token_says_no_and_never_yes() {
    let place = Place::new(83).await;
    let ada = place.who("ada", &[], &[]).await;
    let officer = place.who("officer", &[], &[Role::Owner]).await;
    let approval = waits(seek(&place.control, &ada, &wanted(Approver::Second)).await);
    let scopes: BTreeSet<Right> = Right::ALL.iter().copied().collect();
    let person = officer.person_id().unwrap();
    let token = Actor::token(
        person,
        TokenId::from_parts(1, 1),
        "token",
        [Role::Owner].into(),
        &scopes,
    );
    let said = place.yes(&token, &approval).await.unwrap_err();
    assert_eq!(said.code(), ReasonCode::ScopeMissing);
    assert_eq!(
        place.no(&token, &approval).await.unwrap().state,
        ApprovalState::Denied
    );
    for nobody in [Actor::command_line("machine"), Actor::doorward()] {
        assert!(place.yes(&nobody, &approval).await.is_err());
        assert!(place.no(&nobody, &approval).await.is_err());
    }
    let stranger = Actor::person(PersonId::from_parts(9, 9), "stranger", BTreeSet::new());
    assert!(place.no(&stranger, &approval).await.is_err());
}

#[tokio::test]
async fn what_nobody_decides_or_uses_in_time_is_a_recorded_denial() {
    let place = Place::new(84).await;
    let ada = place.who("ada", &[], &[]).await;
    let doorward = Actor::doorward();
    let server = place.control.operation(&doorward);
    let follow = || approvals::follow(&server);
    let call = wanted(Approver::Oneself);
    let first = waits(seek(&place.control, &ada, &call).await);
    place.clock.advance_ms(limits::APPROVAL_OPEN_MS - 1);
    assert_eq!(follow().await.unwrap(), 0);
    place.clock.advance_ms(1);
    let late = place.yes(&ada, &first).await.unwrap_err();
    assert!(late.detail().contains("this expired"), "{late}");
    assert_eq!(follow().await.unwrap(), 1);
    assert_eq!(follow().await.unwrap(), 0, "once");
    let said = format!(
        "denied by nobody: no answer in {} ms",
        limits::APPROVAL_OPEN_MS
    );
    assert_eq!(place.ledger().matches(&said).count(), 1);
    let second = waits(seek(&place.control, &ada, &call).await);
    assert_ne!(second.id, first.id);
    place.yes(&ada, &second).await.unwrap();
    place.clock.advance_ms(limits::APPROVAL_GOOD_MS);
    let third = waits(seek(&place.control, &ada, &call).await);
    assert_ne!(third.id, second.id, "a yes does not wait for ever");
    assert!(place.ledger().contains("approved, and not used in time"));
    let kept = approvals::read(&place.control.operation(&ada), second.id)
        .await
        .unwrap();
    assert_eq!(kept.state, ApprovalState::Expired);
    let refused = approvals::follow(&place.control.operation(&ada)).await;
    assert!(refused.is_err(), "only the server itself notes it");
}

#[tokio::test]
async fn a_no_holds_for_this_call_for_a_while_and_tells_why() {
    let place = Place::new(85).await;
    let ada = place.who("ada", &[], &[]).await;
    let officer = place.who("officer", &[], &[Role::Approver]).await;
    let call = wanted(Approver::Second);
    let first = waits(seek(&place.control, &ada, &call).await);
    let empty = approvals::deny(&place.control.operation(&officer), first.id, " ").await;
    assert_eq!(empty.unwrap_err().code(), ReasonCode::ParameterInvalid);
    place.yes(&officer, &first).await.unwrap();
    place.no(&officer, &first).await.unwrap();
    match seek(&place.control, &ada, &call).await.unwrap() {
        Sought::Denied(denied) => assert_eq!(denied.decision.unwrap().reason, "not today"),
        other => panic!("{other:?}"),
    }
    let other = Wanted {
        arguments: "{}",
        ..call.clone()
    };
    waits(seek(&place.control, &ada, &other).await);
    place.clock.advance_ms(limits::APPROVAL_GOOD_MS);
    assert_ne!(waits(seek(&place.control, &ada, &call).await).id, first.id);
}

const OTHER: &str = r#"{ "member": "M-4412", "city": "Rotterdam" }"#;

async fn change(
    place: &Place,
    who: &Actor,
    id: ApprovalId,
    arguments: &str,
) -> Result<Approval, ControlError> {
    let operation = place.control.operation(who);
    approvals::change(&operation, id, arguments, "the other member").await
}

#[tokio::test]
async fn a_call_is_changed_by_whoever_decides_to_what_everybody_reads_in_one_way() {
    let place = Place::new(94).await;
    let ada = place.who("ada", &[], &[]).await;
    let officer = place.who("officer", &[], &[Role::Approver]).await;
    let first = waits(seek(&place.control, &ada, &wanted(Approver::Second)).await);
    for (who, arguments, expected) in [
        (&officer, "{", ReasonCode::ParameterInvalid),
        (&officer, "[1]", ReasonCode::ParameterInvalid),
        (&officer, r#"{"a":1,"a":2}"#, ReasonCode::ParameterInvalid),
        (
            &officer,
            r#"{"a":9007199254740993.0}"#,
            ReasonCode::ParameterInvalid,
        ),
        // the same, written otherwise
        (
            &officer,
            r#"{"member":"M-4411", "city":"Rotterdam"}"#,
            ReasonCode::ParameterInvalid,
        ),
        (&ada, OTHER, ReasonCode::RoleMissing),
    ] {
        let refused = change(&place, who, first.id, arguments).await.unwrap_err();
        assert_eq!(refused.code(), expected, "{arguments}: {refused:?}");
    }
    let stranger = place.who("stranger", &[], &[]).await;
    let unknown = change(&place, &stranger, first.id, OTHER)
        .await
        .unwrap_err();
    assert!(matches!(unknown, ControlError::NoSuch(_)), "{unknown:?}");
}

#[tokio::test]
async fn a_call_with_other_arguments_takes_the_place_of_the_one_that_waits() {
    let place = Place::new(92).await;
    let ada = place.who("ada", &[], &[]).await;
    let officer = place.who("officer", &[], &[Role::Approver]).await;
    let call = wanted(Approver::Second);
    let first = waits(seek(&place.control, &ada, &call).await);
    let second = change(&place, &officer, first.id, OTHER).await.unwrap();
    assert_eq!(second.binding.person, ada.person_id().unwrap());
    assert_eq!(
        waits(seek(&place.control, &ada, &call).await).id,
        second.id,
        "who asked waits for the other one"
    );
    place.yes(&officer, &second).await.unwrap();
    let told = async || seek(&place.control, &ada, &call).await.unwrap();
    for _ in 0..2 {
        match told().await {
            Sought::Changed {
                approval,
                by,
                arguments,
            } => {
                assert_eq!((approval.id, &*by), (second.id, "officer"));
                assert_eq!(arguments, r#"{"city":"Rotterdam","member":"M-4412"}"#);
            }
            other => panic!("{other:?}"),
        }
    }
    let late = place.yes(&officer, &first).await.unwrap_err();
    assert!(
        matches!(late, ControlError::ApprovalOver { .. }),
        "{late:?}"
    );
    let changed = Wanted {
        arguments: r#"{"city":"Rotterdam","member":"M-4412"}"#,
        ..call.clone()
    };
    let by_oneself = Wanted {
        approver: Approver::Oneself,
        ..changed.clone()
    };
    let asked = waits(seek(&place.control, &ada, &by_oneself).await);
    assert_ne!(
        asked.id, second.id,
        "a yes of one is none where another is asked"
    );
    assert!(is_granted(seek(&place.control, &ada, &changed).await));
    assert_ne!(
        waits(seek(&place.control, &ada, &changed).await).id,
        second.id
    );
    assert_ne!(
        waits(seek(&place.control, &ada, &call).await).id,
        first.id,
        "once it was made, what was first asked for is asked for anew"
    );
    let ledger = place.ledger();
    let said = format!("in the place of {}", first.id);
    assert_eq!(ledger.matches(&said).count(), 1);
    assert_eq!(
        ledger
            .matches(&format!("in favour of {}", second.id))
            .count(),
        1
    );
    assert!(!ledger.contains("M-4412"), "no argument is in the ledger");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_change_at_once_one_does_and_what_stood_already_stays() {
    let place = Place::new(95).await;
    let ada = place.who("ada", &[], &[]).await;
    let one = place.who("one", &[], &[Role::Approver]).await;
    let two = place.who("two", &[], &[Role::Owner]).await;
    let call = wanted(Approver::Second);
    let first = waits(seek(&place.control, &ada, &call).await);
    let own = Wanted {
        arguments: r#"{"city":"Rotterdam","member":"M-4412"}"#,
        ..call.clone()
    };
    // who asked asks for that very call too
    let stands = waits(seek(&place.control, &ada, &own).await);
    let both = tokio::join!(
        change(&place, &one, first.id, OTHER),
        change(&place, &two, first.id, OTHER)
    );
    assert!(both.0.is_ok() != both.1.is_ok(), "{both:?}");
    assert_eq!(waits(seek(&place.control, &ada, &own).await).id, stands.id);
    assert_eq!(waits(seek(&place.control, &ada, &call).await).id, stands.id);
    let third = waits(seek(&place.control, &ada, &wanted(Approver::Groups([].into()))).await);
    assert_ne!(third.id, first.id, "another approver is another call");
}

#[tokio::test]
async fn a_no_to_the_changed_call_is_a_no_to_the_first() {
    let place = Place::new(93).await;
    let ada = place.who("ada", &[], &[]).await;
    let call = wanted(Approver::Oneself);
    let first = waits(seek(&place.control, &ada, &call).await);
    let operation = place.control.operation(&ada);
    let second = approvals::change(&operation, first.id, "{}", "less")
        .await
        .unwrap();
    place.no(&ada, &second).await.unwrap();
    match seek(&place.control, &ada, &call).await.unwrap() {
        Sought::Denied(denied) => assert_eq!(denied.id, second.id),
        other => panic!("{other:?}"),
    }
    let over = approvals::change(&operation, first.id, "{\"a\":1}", "more").await;
    assert!(
        matches!(over, Err(ControlError::ApprovalOver { .. })),
        "{over:?}"
    );
    let third = Wanted {
        arguments: "{\"b\":1}",
        ..call
    };
    let third = waits(seek(&place.control, &ada, &third).await);
    place.yes(&ada, &third).await.unwrap();
    let over = approvals::change(&operation, third.id, "{}", "less").await;
    assert!(
        matches!(over, Err(ControlError::ApprovalOver { .. })),
        "what is approved is not changed: {over:?}"
    );
}

#[tokio::test]
async fn a_yes_to_what_could_not_be_called_any_more_is_refused() {
    let place = Place::new(86).await;
    let ada = place.who("ada", &[], &[]).await;
    let officer = place.who("officer", &[], &[Role::Approver]).await;
    let call = wanted(Approver::Second);
    let old = waits(seek(&place.control, &ada, &call).await);
    let machine = Actor::command_line("machine");
    let operation = place.control.operation(&machine);
    let text = "[[grant]]\nname = \"staff\"\nwho = { groups = [\"staff\"] }\nmodels = [\"claude-haiku-*\"]\n";
    policies::apply(&operation, text, "a test", None, &Anything)
        .await
        .unwrap();
    let void = place.yes(&officer, &old).await;
    assert!(matches!(void, Err(ControlError::ApprovalVoid)), "{void:?}");
    let new = Wanted { policy: 1, ..call };
    let asked = waits(seek(&place.control, &ada, &new).await);
    control::people::revoke(&operation, ada.person_id().unwrap(), "left")
        .await
        .unwrap();
    let void = place.yes(&officer, &asked).await;
    assert!(
        matches!(void, Err(ControlError::ApprovalVoid)),
        "whoever asked has left: {void:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_who_decide_or_use_at_once_one_does() {
    let place = Place::new(87).await;
    let ada = place.who("ada", &[], &[]).await;
    let one = place.who("one", &[], &[Role::Approver]).await;
    let two = place.who("two", &[], &[Role::Owner]).await;
    let call = wanted(Approver::Second);
    let asked = tokio::join!(
        seek(&place.control, &ada, &call),
        seek(&place.control, &ada, &call)
    );
    let asked = (waits(asked.0), waits(asked.1));
    assert_eq!(
        asked.0.id, asked.1.id,
        "one request, however often it is asked"
    );
    let both = tokio::join!(place.yes(&one, &asked.0), place.yes(&two, &asked.0));
    assert!(both.0.is_ok() != both.1.is_ok(), "{both:?}");
    let used = tokio::join!(
        seek(&place.control, &ada, &call),
        seek(&place.control, &ada, &call),
        seek(&place.control, &ada, &call)
    );
    let granted = [is_granted(used.0), is_granted(used.1), is_granted(used.2)];
    assert_eq!(
        granted.into_iter().filter(|granted| *granted).count(),
        1,
        "{granted:?}"
    );
    let ledger = place.ledger();
    assert_eq!(ledger.matches("approved after").count(), 1);
    assert_eq!(ledger.matches("after the yes of").count(), 1);
}

#[tokio::test]
async fn arguments_nobody_could_read_whole_are_not_asked_for() {
    let place = Place::new(88).await;
    let ada = place.who("ada", &[], &[]).await;
    let long: &'static str = Box::leak(
        "x".repeat(limits::APPROVAL_ARGUMENTS_BYTES_MAX + 1)
            .into_boxed_str(),
    );
    let call = Wanted {
        arguments: long,
        ..wanted(Approver::Oneself)
    };
    let refused = seek(&place.control, &ada, &call).await.unwrap_err();
    assert_eq!(refused.code(), ReasonCode::ParameterInvalid);
    let now = place.clock.now();
    assert!(
        approvals::list_own(&place.control.operation(&ada), 9)
            .await
            .unwrap()
            .0
            .is_empty(),
        "{now}"
    );
}

#[tokio::test]
async fn nobody_says_yes_to_a_call_of_a_connector_that_no_review_lets_be_used() {
    let (place, admin) = Place::with_connectors(89).await;
    let operation = place.control.operation(&admin);
    let found = |enables| Wish {
        enables,
        risk: "low".to_owned(),
        vendor: "a test".to_owned(),
        reason: "try".to_owned(),
    };
    let call = Wanted {
        policy: 1,
        ..wanted(Approver::Oneself)
    };
    let asked = waits(seek(&place.control, &admin, &call).await);
    let void = async || {
        let yes = place.yes(&admin, &asked).await;
        matches!(yes, Err(ControlError::ApprovalVoid))
    };
    assert!(void().await, "nobody has reviewed it");
    for (enables, is_void) in [(false, true), (true, false)] {
        let found = found(enables);
        connectors::review(&operation, "crm", &found).await.unwrap();
        assert_eq!(void().await, is_void, "{enables}");
    }
}
