//! The end of a call: what it used is priced, its reservation settled, its outcome recorded. Every way a call can end comes
//! through [`Running`], also being dropped.

use std::sync::Arc;

use domain::price::PriceBook;
use domain::usage::{Geo, Speed};
use domain::{Clock, ModelId, ReasonCode, Terms, Timestamp, Usage, Usd};
use ledger::record::{Ended, Name, Outcome};

use crate::Metrics;
use crate::call::Facts;
use crate::quota::{Extension, Reservation};

/// How often one call waits for a grant that others were faster to use, before it does without.
pub const GRANTS_AWAITED_MAX: usize = 8;

/// A call whose decision is durable and whose end is not recorded yet.
#[derive(Debug)]
pub struct Running {
    pub(crate) facts: Facts,
    pub(crate) outcome: Option<Box<Outcome>>,
    pub(crate) reservation: Option<Reservation>,
    pub(crate) reach: Reach,
    /// What money was held for at first.
    pub(crate) asked: Usage,
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

    /// The same, on the terms that were asked for where the answer does not say its own. Then it is an estimate, unless those are
    /// the ordinary ones.
    fn on_terms(self, asked: Terms) -> Self {
        let (Self::Counted(mut usage) | Self::Estimated(mut usage)) = self else {
            return self;
        };
        let said = usage.terms;
        usage.terms = said.or(asked);
        let guessed_speed = said.speed == Speed::Unstated
            && !matches!(asked.speed, Speed::Unstated | Speed::Standard);
        let guessed_geo =
            said.geo == Geo::Unstated && !matches!(asked.geo, Geo::Unstated | Geo::Global);
        match self {
            Self::Counted(_) if !guessed_speed && !guessed_geo => Self::Counted(usage),
            _ => Self::Estimated(usage),
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

    /// Records what was found in the answer.
    pub fn found(&mut self, inspection: crate::Inspection) {
        let findings = inspection.finish();
        if let Some(outcome) = &mut self.outcome {
            outcome.findings = crate::recorded(&findings);
        }
    }

    /// Holds money for so many more output tokens. Refused means that the answer must end.
    pub fn extend(&mut self, output_tokens: u64) -> Extension {
        let mut with_more = self.asked;
        with_more.output_tokens = with_more.output_tokens.saturating_add(output_tokens);
        // On the terms that were asked for, at the price of an input this long.
        let now = self.clock.now();
        let all = self.cost(&with_more, now).usd;
        let more = all.minus(self.cost(&self.asked, now).usd);
        match &mut self.reservation {
            None => Extension::Held,
            Some(reservation) => reservation.extend(more),
        }
    }

    /// Holds what one more try may cost beside those that were never answered; no means that a budget has no room for it.
    pub async fn affords_a_try(&mut self) -> bool {
        let Some(reservation) = &mut self.reservation else {
            return true;
        };
        let needs = self.reach.written_off.plus(reservation.first_held());
        let more = needs.minus(reservation.held());
        if more <= Usd::ZERO {
            return true;
        }
        for _ in 0..GRANTS_AWAITED_MAX {
            match reservation.extend(more) {
                Extension::Held => return true,
                Extension::Refused(_) => return false,
                Extension::Waits(granted) => {
                    if granted.await.is_err() {
                        return false;
                    }
                }
            }
        }
        false
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
        let used = end.used.believed().on_terms(self.asked.terms);
        let charged = charged.map(|reservation| self.settle(reservation, used));
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
        if let Err(error) = self.ledger.note(ledger::Record::Outcome(*outcome)) {
            // The decision is durable; a start after this finds it without an outcome and counts what was reserved.
            tracing::error!(request = %self.facts.request, error = %error, "an outcome is not in the ledger");
        }
    }

    fn settle(&self, reservation: Reservation, used: Used) -> Bill {
        let lost = self.reach.written_off;
        match used {
            Used::Counted(usage) | Used::Estimated(usage) => {
                let own = self.cost(&usage, self.facts.began);
                let cost = lost.plus(own.usd);
                reservation.settle(&usage, cost);
                Bill {
                    usage,
                    cost,
                    estimated: lost > Usd::ZERO
                        || own.estimated
                        || matches!(used, Used::Estimated(_)),
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
mod tests;
