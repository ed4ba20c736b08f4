//! What calls cost by how they end, how far they got, and on which terms they were answered.

use super::*;
use crate::quota::{Estimate, Quota};
use domain::policy::document::{Document, Limit, Who};
use domain::policy::{Budget, BudgetFor, CallerPolicy};
use domain::window::Period;
use domain::{Caller, Credential, OrgId, PersonId, Policy, RequestId, Subject};
use testkit::FakeClock;

/// A caller with one dollar a day and one request a minute, and the call that takes it, holding 40 cents.
struct Place {
    quota: Arc<Quota>,
    caller: Caller,
    policy: Arc<CallerPolicy>,
    clock: Arc<FakeClock>,
    ledger: Arc<ledger::Ledger>,
    _folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(FakeClock::new());
        let (key, _) = ledger::SigningKey::generate().unwrap();
        let chain = ledger::ChainId::new("gw", 1).unwrap();
        let ledger = ledger::Ledger::open(folder.path(), chain, key, clock.clone()).unwrap();
        let org = OrgId::from_parts(1, 1);
        let caller = Caller {
            org,
            subject: Subject::Person(PersonId::from_parts(1, 1)),
            stable_id: "ada".into(),
            issuer: "northwind".into(),
            email: None,
            name: None,
            groups: std::collections::BTreeSet::new(),
            session: None,
            credential: Credential::Session,
        };
        let mut document = Document::default();
        document.limit.push(Limit {
            name: "staff".into(),
            who: Who::default(),
            requests_per_minute: Some(1),
            input_tokens_per_minute: None,
            output_tokens_per_minute: None,
            concurrent_requests: None,
        });
        let budget = Budget {
            name: "staff".into(),
            who: Who::default(),
            scope: BudgetFor::Member,
            amount_usd: usd("1.00"),
            period: Period::Daily,
            hard: true,
        };
        let policy = Policy::new(1, document).unwrap();
        let policy = policy.with_spend_limits(vec![budget]).for_caller(&caller);
        Self {
            quota: Arc::new(Quota::default()),
            caller,
            policy: Arc::new(policy),
            clock,
            ledger: Arc::new(ledger),
            _folder: folder,
        }
    }

    fn reserve(&self) -> Result<Reservation, ReasonCode> {
        let estimate = Estimate {
            usd: usd("0.40"),
            input_tokens: 10,
        };
        self.quota
            .reserve_now(&self.caller, &self.policy, estimate, self.clock.now())
            .map_err(|no_room| no_room.code())
    }

    fn call(&self) -> Running {
        let request = RequestId::from_parts(1, 1);
        Running {
            facts: Facts {
                request,
                began: self.clock.now(),
                arrived: std::time::Instant::now(),
                client: domain::Client::from_headers(None, None),
                address: None,
                action: "messages",
            },
            outcome: Some(Box::new(Outcome::new(request, Ended::ClientGone))),
            reservation: Some(self.reserve().unwrap()),
            reach: Reach::default(),
            asked: Usage::default(),
            model: Some(ModelId::new("claude-opus-5-5").unwrap()),
            ledger: Arc::clone(&self.ledger),
            metrics: Arc::default(),
            prices: Arc::new(PriceBook::shipped()),
            clock: self.clock.clone(),
        }
    }

    fn spent(&self) -> Usd {
        let subject = self.caller.subject;
        self.quota.standing(subject, &self.policy, self.clock.now())[0].spent
    }
}

fn usd(text: &str) -> Usd {
    text.parse().unwrap()
}

/// What is spent after a call, and whether its request counts.
fn check(call: impl FnOnce(Running), spent: &str, counts: bool) {
    let place = Place::new();
    call(place.call());
    assert_eq!(place.spent(), usd(spent));
    let next = place.reserve();
    assert_eq!(
        next.is_err_and(|code| code == ReasonCode::RequestRate),
        counts
    );
}

#[test]
fn a_call_that_is_dropped_before_it_leaves_costs_nothing() {
    check(drop, "0", false);
    let never_left = |mut call: Running| {
        call.leaves();
        call.never_left();
    };
    check(never_left, "0", false);
}

#[test]
fn a_call_that_is_dropped_after_it_left_costs_what_was_held() {
    let left = |mut call: Running| call.leaves();
    check(left, "0.40", true);
}

#[test]
fn an_answer_without_usage_costs_what_was_held() {
    for used in [
        Used::Unseen,
        Used::Counted(Usage::default()),
        Used::Estimated(Usage {
            output_tokens: 1,
            ..Usage::default()
        }),
    ] {
        let answered = |mut call: Running| {
            call.leaves();
            let how = Ended::Complete;
            call.end(End {
                how,
                used,
                code: None,
            });
        };
        check(answered, "0.40", true);
    }
}

#[test]
fn an_error_of_the_provider_costs_nothing_and_counts_as_a_request() {
    let refused = |mut call: Running| {
        call.leaves();
        call.came_back();
        call.end(End::unseen(Ended::Error, None));
    };
    check(refused, "0", true);
}

/// Nothing is leased here, so nothing is waited for.
fn affords_a_try(call: &mut Running) -> bool {
    let asked = std::pin::pin!(call.affords_a_try());
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match asked.poll(&mut context) {
        std::task::Poll::Ready(affords) => affords,
        std::task::Poll::Pending => unreachable!("it waits"),
    }
}

#[test]
fn a_provider_that_never_answered_is_paid_beside_the_one_that_did() {
    let answered = |mut call: Running| {
        call.leaves();
        call.is_written_off();
        assert!(affords_a_try(&mut call));
        call.leaves();
        let usage = Usage {
            input_tokens: 11,
            output_tokens: 5,
            ..Usage::default()
        };
        let (how, used) = (Ended::Complete, Used::Counted(usage));
        call.end(End {
            how,
            used,
            code: None,
        });
    };
    check(answered, "0.400144", true);
}

#[test]
fn no_further_provider_is_asked_than_a_budget_can_pay() {
    let never_answered = |mut call: Running| {
        call.leaves();
        call.is_written_off();
        assert!(affords_a_try(&mut call));
        call.leaves();
        call.is_written_off();
        assert!(!affords_a_try(&mut call));
    };
    check(never_answered, "0.80", true);
}

/// What a call costs that asked for these terms and whose answer says those, with 1,000 tokens each way of Opus 5.5; and
/// whether that is marked as an estimate.
fn check_terms(asked: [Option<&str>; 2], said: [Option<&str>; 2], spent: &str, estimated: bool) {
    let place = Place::new();
    let mut call = place.call();
    call.asked.terms = Terms::named(asked[0], asked[1]);
    call.leaves();
    let usage = Usage {
        input_tokens: 1_000,
        output_tokens: 1_000,
        terms: Terms::named(said[0], said[1]),
        ..Usage::default()
    };
    let used = Used::Counted(usage).believed().on_terms(call.asked.terms);
    let reservation = call.reservation.take().unwrap();
    let bill = call.settle(reservation, used);
    assert_eq!(
        (place.spent(), bill.estimated),
        (usd(spent), estimated),
        "{asked:?} {said:?}"
    );
}

#[test]
fn an_answer_is_priced_on_its_own_terms_or_else_on_those_that_were_asked_for() {
    let (fast, standard, us) = (Some("fast"), Some("standard"), Some("us"));
    check_terms([None, None], [None, None], "0.024", false);
    check_terms([fast, None], [fast, None], "0.048", false);
    check_terms([fast, us], [fast, us], "0.0528", false);
    // Asked for and not given, given and not asked for.
    check_terms([fast, None], [standard, None], "0.024", false);
    check_terms([None, None], [None, us], "0.0264", false);
    // The answer does not say.
    check_terms([fast, None], [None, None], "0.048", true);
    check_terms([fast, us], [fast, None], "0.0528", true);
    check_terms([standard, Some("global")], [None, None], "0.024", false);
    check_terms([None, None], [Some("warp"), None], "0.144", true);
}

#[test]
fn a_stream_goes_on_at_the_price_of_its_terms_and_of_its_length() {
    for (model, asked, more) in [
        ("claude-opus-5-5", Usage::default(), "0.02"),
        (
            "claude-opus-5-5",
            Usage {
                terms: Terms::named(Some("fast"), Some("us")),
                ..Usage::default()
            },
            "0.044",
        ),
        ("claude-haiku-5-5", Usage::default(), "0.0005"),
        (
            "claude-haiku-5-5",
            Usage {
                cache_write_1h_tokens: 100_001,
                ..Usage::default()
            },
            "0.0025",
        ),
    ] {
        let place = Place::new();
        let mut call = place.call();
        (call.model, call.asked) = (ModelId::new(model).ok(), asked);
        assert!(matches!(call.extend(1_000), Extension::Held));
        let held = call.reservation.as_ref().unwrap().held();
        assert_eq!(held, usd("0.40").plus(usd(more)), "{model} {asked:?}");
    }
}
