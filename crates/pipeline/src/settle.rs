//! The end of a call: what it used is priced, its reservation settled, its outcome recorded. Every way a call can end comes
//! through [`Running`], also being dropped.

use std::sync::Arc;

use domain::price::PriceBook;
use domain::{Clock, ModelId, ReasonCode, Timestamp, Usage, Usd};
use ledger::record::{Ended, Name, Outcome};

use crate::Metrics;
use crate::call::Facts;
use crate::quota::Reservation;

/// A call whose decision is durable and whose end is not recorded yet.
#[derive(Debug)]
pub struct Running {
    pub(crate) facts: Facts,
    pub(crate) outcome: Option<Outcome>,
    pub(crate) reservation: Option<Reservation>,
    pub(crate) reach: Reach,
    pub(crate) model: Option<ModelId>,
    pub(crate) ledger: Arc<ledger::Ledger>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) prices: Arc<PriceBook>,
    pub(crate) clock: Arc<dyn Clock>,
}

/// How far a call got, which decides what it costs when nobody saw what it used.
#[derive(Debug, Default)]
pub(crate) struct Reach {
    /// It went to a provider that has not answered with an error: whatever is held may have been used.
    at_large: bool,
    /// It went out and came back.
    came_back: bool,
    /// What earlier tries may have used at providers that never answered.
    written_off: Usd,
}

/// What an answer came to.
#[derive(Debug, Clone, Copy)]
pub struct End {
    /// How it ended.
    pub how: Ended,
    /// What it used.
    pub used: Used,
    /// What failed, if something did.
    pub code: Option<ReasonCode>,
}

/// What is known of a call's use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Used {
    /// Nothing. It costs what is held if a provider may have worked on it, and nothing if it never left or came back as an error.
    Unseen,
    /// The provider's final counts.
    Counted(Usage),
    /// Counts of an answer that was not seen to its end.
    Estimated(Usage),
}

impl Used {
    /// The same, but for counts that cannot be all: no answer was ever made out of no input.
    fn believed(self) -> Self {
        match self {
            Self::Counted(usage) | Self::Estimated(usage) if usage.input_total() == 0 => {
                Self::Unseen
            }
            other => other,
        }
    }
}

impl End {
    /// An end at which nothing was seen of what was used.
    pub const fn unseen(how: Ended, code: Option<ReasonCode>) -> Self {
        let used = Used::Unseen;
        Self { how, used, code }
    }
}

impl Running {
    /// The request's id.
    pub fn request(&self) -> domain::RequestId {
        self.facts.request
    }

    /// Notes who answers and with which status, when the answer's head is there.
    pub fn answered(&mut self, upstream: &str, upstream_request: Option<&str>, status: u16) {
        let first_byte_ms = self.elapsed_ms();
        if let Some(outcome) = &mut self.outcome {
            outcome.upstream = Some(Name::from(upstream));
            outcome
                .upstream_requests
                .extend(upstream_request.map(Name::from));
            outcome.status = Some(status);
            outcome.first_byte_ms = Some(first_byte_ms);
        }
        self.metrics
            .first_byte(self.facts.action, self.facts.arrived.elapsed());
    }

    /// Holds money for so many more output tokens; no means that a budget has no room and the answer must end.
    pub fn extend(&mut self, output_tokens: u64) -> bool {
        let usage = Usage {
            output_tokens,
            ..Usage::default()
        };
        let cost = self.cost(&usage, self.clock.now());
        self.reservation
            .as_mut()
            .is_none_or(|reservation| reservation.extend(cost.usd))
    }

    /// Holds what one more try may cost beside those that were never answered; no means that a budget has no room for it.
    pub fn affords_a_try(&mut self) -> bool {
        let Some(reservation) = &mut self.reservation else {
            return true;
        };
        let needs = self.reach.written_off.plus(reservation.first_held());
        let more = needs.minus(reservation.held());
        more <= Usd::ZERO || reservation.extend(more)
    }

    /// Notes that the call is about to leave for a provider: from here on it may be used there, and costs what is held unless
    /// more is learned.
    pub fn leaves(&mut self) {
        self.reach.at_large = true;
    }

    /// Notes that no provider got it after all.
    pub fn never_left(&mut self) {
        self.reach.at_large = false;
    }

    /// Notes that the provider answered with an error: the request counts, and costs nothing.
    pub fn came_back(&mut self) {
        self.reach.at_large = false;
        self.reach.came_back = true;
    }

    /// Notes that the provider may have worked on it and that its answer is waited for no longer.
    pub fn is_written_off(&mut self) {
        self.reach.at_large = false;
        if let Some(reservation) = &self.reservation {
            self.reach.written_off = self.reach.written_off.plus(reservation.first_held());
        }
    }

    /// Ends the call.
    pub fn end(mut self, end: End) {
        self.close(end);
    }

    fn close(&mut self, end: End) {
        let Some(mut outcome) = self.outcome.take() else {
            return;
        };
        let now = self.clock.now();
        // What is not charged, such as counting tokens, costs nothing.
        let charged = self.reservation.take();
        let charged = charged.map(|reservation| self.settle(reservation, end.used.believed()));
        let bill = charged.unwrap_or_default();
        outcome.ended = end.how;
        outcome.usage = bill.usage;
        outcome.cost = bill.cost;
        outcome.unpriced =
            bill.cost > Usd::ZERO && self.cost(&bill.usage, self.facts.began).unpriced;
        outcome.estimated = bill.estimated || matches!(end.used, Used::Estimated(_));
        outcome.code = end.code.map(|code| code.as_str().into());
        outcome.duration_ms = self.elapsed_ms();
        self.metrics.ended(self.facts.action, &outcome, now);
        if let Err(error) = self.ledger.note(ledger::Record::Outcome(outcome)) {
            // The decision is durable; a start after this finds it without an outcome and counts what was reserved.
            tracing::error!(request = %self.facts.request, error = %error, "an outcome is not in the ledger");
        }
    }

    fn settle(&self, reservation: Reservation, used: Used) -> Bill {
        let lost = self.reach.written_off;
        match used {
            Used::Counted(usage) | Used::Estimated(usage) => {
                let cost = lost.plus(self.cost(&usage, self.facts.began).usd);
                reservation.settle(&usage, cost);
                Bill {
                    usage,
                    cost,
                    estimated: lost > Usd::ZERO || matches!(used, Used::Estimated(_)),
                }
            }
            Used::Unseen if self.reach.at_large => Bill::unseen(reservation.settle_as_held()),
            Used::Unseen if lost > Usd::ZERO || self.reach.came_back => {
                reservation.settle(&Usage::default(), lost);
                Bill::unseen(lost)
            }
            Used::Unseen => Bill::default(),
        }
    }

    fn cost(&self, usage: &Usage, at: Timestamp) -> domain::price::Cost {
        self.prices
            .cost(self.model.as_ref().map_or("", ModelId::as_str), usage, at)
    }

    fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.facts.arrived.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// What a call is recorded with.
#[derive(Default)]
struct Bill {
    usage: Usage,
    cost: Usd,
    estimated: bool,
}

impl Bill {
    fn unseen(cost: Usd) -> Self {
        Self {
            usage: Usage::default(),
            cost,
            estimated: cost > Usd::ZERO,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.close(End::unseen(Ended::ClientGone, None));
    }
}

#[cfg(test)]
mod tests {
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
                .reserve(&self.caller, &self.policy, estimate, self.clock.now())
                .map_err(|refusal| refusal.code())
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
                outcome: Some(Outcome::new(request, Ended::ClientGone)),
                reservation: Some(self.reserve().unwrap()),
                reach: Reach::default(),
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

    #[test]
    fn a_provider_that_never_answered_is_paid_beside_the_one_that_did() {
        let answered = |mut call: Running| {
            call.leaves();
            call.is_written_off();
            assert!(call.affords_a_try());
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
            assert!(call.affords_a_try());
            call.leaves();
            call.is_written_off();
            assert!(!call.affords_a_try());
        };
        check(never_answered, "0.80", true);
    }
}
