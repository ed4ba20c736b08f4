//! Asking for access: who may ask and answer, that one answer holds, what it does, and that nothing waits for ever.

use std::collections::BTreeSet;

use control::access_requests::{self, AccessRequest, Answer, Wish};
use control::may_use::{Question, Tried};
use control::{Actor, ControlError, Right, Role, people, policies, spend_limits};
use domain::window::DAY_MS;
use domain::{AccessState, AskedKind, ClientKind, PersonId, ReasonCode, SpendScope, limits};

use crate::policies::Anything;
use crate::scim::Place;

const HAIKU: &str = "claude-haiku-5-5";
const OPUS: &str = "claude-opus-5-5";
const MODELS: [&str; 2] = [HAIKU, OPUS];

pub(crate) fn wish(kind: AskedKind, thing: &str) -> Wish {
    Wish {
        kind,
        thing: thing.to_owned(),
        amount_cents: (kind == AskedKind::Budget).then(|| "12000".to_owned()),
        reason: "the annual report".to_owned(),
    }
}

pub(crate) fn grant() -> Answer {
    Answer {
        grants: true,
        words: "until May".to_owned(),
        amount_cents: None,
    }
}

impl Place {
    pub(crate) async fn somebody(&self, stable_id: &str) -> Actor {
        let person = self.signed_in(stable_id, stable_id, &["staff"]).await;
        Actor::person(person.id, stable_id, BTreeSet::new())
    }

    pub(crate) async fn with_role(&self, stable_id: &str, role: Role) -> Actor {
        let person = self.signed_in(stable_id, stable_id, &[]).await;
        Actor::person(person.id, stable_id, [role].into())
    }

    pub(crate) async fn ask(
        &self,
        actor: &Actor,
        wish: Wish,
    ) -> Result<AccessRequest, ControlError> {
        let models = MODELS.map(str::to_owned);
        let question = Question {
            models: &models,
            issuers_for_people: 1,
            tried: Tried::newest(ClientKind::ClaudeCode),
        };
        access_requests::ask(&self.control.operation(actor), wish, question).await
    }

    pub(crate) async fn answer(
        &self,
        actor: &Actor,
        request: &AccessRequest,
        answer: &Answer,
    ) -> Result<AccessRequest, ControlError> {
        let operation = self.control.operation(actor);
        access_requests::answer(&operation, request.id, answer, 1).await
    }
}

#[tokio::test]
async fn what_is_asked_waits_and_the_ledger_knows_of_it_without_a_word_of_why() {
    let place = Place::new(61).await;
    let ada = place.somebody("ada").await;
    let model = place.ask(&ada, wish(AskedKind::Model, OPUS)).await;
    let group = place
        .ask(&ada, wish(AskedKind::Group, "wombats"))
        .await
        .unwrap();
    let operation = place.control.operation(&ada);
    let (own, more) = access_requests::list_own(&operation, None, 9)
        .await
        .unwrap();
    assert_eq!(own, [group, model.unwrap()], "the newest first");
    assert!(!more);
    let ledger = place.ledger();
    assert!(
        ledger.contains("asks for the model claude-opus-5-5")
            && ledger.contains("asks for a group")
    );
    assert!(!ledger.contains("annual") && !ledger.contains("wombats"));
}

#[tokio::test]
async fn what_is_not_there_or_is_ones_own_already_is_not_asked_for() {
    let place = Place::new(62).await;
    let machine = Actor::command_line("machine");
    let text = "[[grant]]\nname = \"staff\"\nwho = { groups = [\"staff\"] }\nmodels = [\"claude-haiku-*\"]\n";
    let operation = place.control.operation(&machine);
    let put = policies::apply(&operation, text, "a test", None, &Anything).await;
    put.unwrap();
    let ada = place.somebody("ada").await;
    let budget = |amount: Option<&str>| Wish {
        amount_cents: amount.map(str::to_owned),
        ..wish(AskedKind::Budget, "monthly")
    };
    let because = |reason: &str| Wish {
        reason: reason.to_owned(),
        ..wish(AskedKind::Model, OPUS)
    };
    for wrong in [
        wish(AskedKind::Model, HAIKU),
        wish(AskedKind::Model, "sonnet"),
        wish(AskedKind::Group, "staff"),
        wish(AskedKind::Group, "a\u{202e}b"),
        wish(AskedKind::Group, ""),
        wish(AskedKind::Budget, "yearly"),
        budget(None),
        budget(Some("0")),
        budget(Some("-5")),
        Wish {
            amount_cents: Some("5".to_owned()),
            ..wish(AskedKind::Model, OPUS)
        },
        because(""),
        because("a\nb"),
        because("\u{1b}[2J"),
        because(&"x".repeat(limits::REASON_CHARS_MAX + 1)),
    ] {
        let refused = place.ask(&ada, wrong.clone()).await.unwrap_err();
        assert_eq!(refused.code(), ReasonCode::ParameterInvalid, "{wrong:?}");
    }
    place.ask(&ada, wish(AskedKind::Model, OPUS)).await.unwrap();
    let twice = place.ask(&ada, wish(AskedKind::Model, OPUS)).await;
    assert!(matches!(twice, Err(ControlError::AskedAlready(_))));
}

#[tokio::test]
async fn nobody_answers_their_own_and_only_whoever_may_answers_others() {
    let place = Place::new(63).await;
    let owner = place.with_role("owner", Role::Owner).await;
    let own = place
        .ask(&owner, wish(AskedKind::Budget, "daily"))
        .await
        .unwrap();
    let refused = place.answer(&owner, &own, &grant()).await;
    assert!(matches!(refused, Err(ControlError::Oneself)), "{refused:?}");

    let ada = place.somebody("ada").await;
    let money = place
        .ask(&ada, wish(AskedKind::Budget, "daily"))
        .await
        .unwrap();
    let approver = place.with_role("approver", Role::Approver).await;
    let auditor = place.with_role("auditor", Role::Auditor).await;
    let member = place.somebody("bob").await;
    for (actor, right) in [
        (&auditor, Right::AccessRequestsWrite),
        (&member, Right::AccessRequestsWrite),
        (&approver, Right::BudgetsWrite),
    ] {
        let refused = place.answer(actor, &money, &grant()).await;
        assert!(
            matches!(refused, Err(ControlError::Forbidden(missing)) if missing == right),
            "{refused:?}"
        );
    }
    let model = place.ask(&ada, wish(AskedKind::Model, OPUS)).await.unwrap();
    let granted = place.answer(&approver, &model, &grant()).await.unwrap();
    assert_eq!(granted.state, AccessState::Granted);
}

#[tokio::test]
async fn somebody_elses_request_is_not_there_for_whoever_takes_back() {
    let place = Place::new(64).await;
    let (ada, bob) = (place.somebody("ada").await, place.somebody("bob").await);
    let asked = place.ask(&ada, wish(AskedKind::Model, OPUS)).await.unwrap();
    let bobs = place.control.operation(&bob);
    let refused = access_requests::withdraw(&bobs, asked.id).await;
    assert!(matches!(refused, Err(ControlError::NoSuch("request"))));
    let (theirs, _) = access_requests::list_own(&bobs, None, 9).await.unwrap();
    assert_eq!(theirs, []);
    let adas = place.control.operation(&ada);
    let back = access_requests::withdraw(&adas, asked.id).await.unwrap();
    assert_eq!(back.state, AccessState::Withdrawn);
    let twice = access_requests::withdraw(&adas, asked.id).await;
    assert!(matches!(twice, Err(ControlError::RequestClosed { .. })));
    place.ask(&ada, wish(AskedKind::Model, OPUS)).await.unwrap();
}

#[tokio::test]
async fn a_grant_of_money_sets_the_limit_in_the_same_step_and_keeps_what_stood_before() {
    let place = Place::new(65).await;
    let admin = place.with_role("admin", Role::Admin).await;
    let ada = place.somebody("ada").await;
    let operation = place.control.operation(&admin);
    let scope = SpendScope::User("ada".to_owned());
    let period = access_requests::period("monthly").unwrap();
    let old = spend_limits::create(&operation, &scope, period, Some("100")).await;
    let old = old.unwrap();
    let asked = place
        .ask(&ada, wish(AskedKind::Budget, "monthly"))
        .await
        .unwrap();
    let less = Answer {
        amount_cents: Some("9000.0".to_owned()),
        ..grant()
    };
    let granted = place.answer(&admin, &asked, &less).await.unwrap();
    let granted = granted.end.unwrap();
    assert_eq!(granted.granted_cents.as_deref(), Some("9000"));
    let now = spend_limits::read(&operation, old.id).await.unwrap();
    assert_eq!(now.amount_cents.as_deref(), Some("9000"));
    let audit = place.control.store.spend_limit_audit(place.control.org, 1);
    let before = audit.await.unwrap().remove(0).before_json.unwrap();
    assert!(before.contains("\"amount\":\"100\""), "{before}");
    let ledger = place.ledger();
    let said = "granted: a monthly budget of 9000 cents for";
    assert!(ledger.contains(said) && ledger.contains(&format!("grants {}", asked.id)));

    let model = place.ask(&ada, wish(AskedKind::Model, OPUS)).await.unwrap();
    let wrong = place.answer(&admin, &model, &less).await.unwrap_err();
    assert_eq!(wrong.code(), ReasonCode::ParameterInvalid);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_who_answer_at_once_one_does_and_the_others_are_told_who() {
    let place = Place::new(66).await;
    let (one, two) = (
        place.with_role("admin", Role::Admin).await,
        place.with_role("owner", Role::Owner).await,
    );
    let ada = place.somebody("ada").await;
    let asked = place
        .ask(&ada, wish(AskedKind::Budget, "weekly"))
        .await
        .unwrap();
    let no = Answer {
        grants: false,
        ..grant()
    };
    let yes = grant();
    let (first, second) = tokio::join!(
        place.answer(&one, &asked, &yes),
        place.answer(&two, &asked, &no)
    );
    let (won, lost) = match (first, second) {
        (Ok(won), Err(lost)) | (Err(lost), Ok(won)) => (won, lost),
        both => panic!("one answer holds: {both:?}"),
    };
    assert_eq!(lost.code(), ReasonCode::VersionConflict);
    let by = won.end.unwrap().by;
    assert!(
        lost.detail().contains(&format!("{} by {by}", won.state)),
        "{lost}"
    );
    let limits = place.control.store.spend_limits(place.control.org).await;
    let is_granted = won.state == AccessState::Granted;
    assert_eq!(limits.unwrap().len(), usize::from(is_granted));
    let answers = place
        .ledger()
        .matches("a weekly budget of 12000 cents for")
        .count();
    assert_eq!(answers, 1, "and one record says so");
}

#[tokio::test]
async fn what_nobody_answers_expires_and_may_be_asked_anew() {
    let place = Place::new(67).await;
    let admin = place.with_role("admin", Role::Admin).await;
    let ada = place.somebody("ada").await;
    let asked = place.ask(&ada, wish(AskedKind::Model, OPUS)).await.unwrap();
    let operation = place.control.operation(&admin);
    place.clock.advance_ms(limits::ACCESS_REQUEST_OPEN_MS - 1);
    let (since, open) = (asked.asked, access_requests::waiting(&operation).await);
    assert_eq!(open.unwrap(), (1, Some(since)));
    place.clock.advance_ms(1);
    let open = access_requests::waiting(&operation).await.unwrap();
    assert_eq!(open, (0, None));
    let (listed, _) = access_requests::list(&operation, true, None, 9)
        .await
        .unwrap();
    assert_eq!(listed, []);
    let late = place.answer(&admin, &asked, &grant()).await;
    assert!(
        matches!(late, Err(ControlError::RequestExpired)),
        "{late:?}"
    );
    let again = place.ask(&ada, wish(AskedKind::Model, OPUS)).await.unwrap();
    let (all, _) = access_requests::list(&operation, false, None, 9)
        .await
        .unwrap();
    let states: Vec<AccessState> = all.iter().map(|one| one.state).collect();
    assert_eq!(states, [AccessState::Expired, AccessState::Open]);
    assert_eq!(all[1], again);
    let late = place.answer(&admin, &asked, &grant()).await;
    assert!(
        matches!(late, Err(ControlError::RequestExpired)),
        "{late:?}"
    );
}

#[tokio::test]
async fn nobody_floods_whoever_answers() {
    let place = Place::new(68).await;
    let ada = place.somebody("ada").await;
    let operation = place.control.operation(&ada);
    for number in 0..limits::ACCESS_REQUESTS_OPEN_MAX {
        let group = format!("group {number}");
        place
            .ask(&ada, wish(AskedKind::Group, &group))
            .await
            .unwrap();
    }
    let over = place.ask(&ada, wish(AskedKind::Group, "one more")).await;
    assert_eq!(over.unwrap_err().code(), ReasonCode::LimitReached);
    // Taking back makes room, but not for ever.
    let (own, _) = access_requests::list_own(&operation, None, 1)
        .await
        .unwrap();
    access_requests::withdraw(&operation, own[0].id)
        .await
        .unwrap();
    for _ in limits::ACCESS_REQUESTS_OPEN_MAX..limits::ACCESS_REQUESTS_PER_DAY {
        let asked = place.ask(&ada, wish(AskedKind::Model, OPUS)).await.unwrap();
        access_requests::withdraw(&operation, asked.id)
            .await
            .unwrap();
    }
    let over = place.ask(&ada, wish(AskedKind::Model, OPUS)).await;
    assert_eq!(over.unwrap_err().code(), ReasonCode::LimitReached);
    place.clock.advance_ms(DAY_MS);
    place.ask(&ada, wish(AskedKind::Model, OPUS)).await.unwrap();
}

#[tokio::test]
async fn whoever_is_shut_out_asks_for_nothing() {
    let place = Place::new(69).await;
    let ada = place.somebody("ada").await;
    let admin = place.with_role("admin", Role::Admin).await;
    let person: PersonId = ada.person_id().unwrap();
    let out = people::revoke(&place.control.operation(&admin), person, "a test").await;
    out.unwrap();
    let refused = place.ask(&ada, wish(AskedKind::Model, OPUS)).await;
    assert!(matches!(
        refused,
        Err(ControlError::Forbidden(Right::OwnWrite))
    ));
}
