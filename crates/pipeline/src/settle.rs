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
    pub(crate) model: Option<ModelId>,
    pub(crate) ledger: Arc<ledger::Ledger>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) prices: Arc<PriceBook>,
    pub(crate) clock: Arc<dyn Clock>,
}

/// What an answer came to.
#[derive(Debug, Clone, Copy)]
pub struct End {
    /// How it ended.
    pub how: Ended,
    /// What it used.
    pub usage: Usage,
    /// Whether the usage was not all seen.
    pub estimated: bool,
    /// What failed, if something did.
    pub code: Option<ReasonCode>,
}

impl End {
    /// An end at which nothing was used.
    pub const fn unused(how: Ended, code: Option<ReasonCode>) -> Self {
        let usage = Usage {
            input_tokens: 0,
            output_tokens: 0,
            cache_write_5m_tokens: 0,
            cache_write_1h_tokens: 0,
            cache_read_tokens: 0,
            web_search_requests: 0,
        };
        Self {
            how,
            usage,
            estimated: false,
            code,
        }
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
        let now = self.clock.now();
        let cost = self.cost(&usage, now);
        self.reservation
            .as_mut()
            .is_none_or(|reservation| reservation.extend(cost.usd, now))
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
        let mut cost = self.cost(&end.usage, self.facts.began);
        match self.reservation.take() {
            Some(reservation) if end.usage == Usage::default() => drop(reservation),
            Some(reservation) => reservation.settle(&end.usage, cost.usd),
            // What is not charged, such as counting tokens, costs nothing.
            None => cost.usd = Usd::ZERO,
        }
        outcome.ended = end.how;
        outcome.usage = end.usage;
        outcome.cost = cost.usd;
        outcome.unpriced = cost.unpriced && end.usage != Usage::default();
        outcome.estimated = end.estimated;
        outcome.code = end.code.map(|code| code.as_str().into());
        outcome.duration_ms = self.elapsed_ms();
        self.metrics.ended(self.facts.action, &outcome, now);
        if let Err(error) = self.ledger.note(ledger::Record::Outcome(outcome)) {
            // The decision is durable; a start after this finds it without an outcome and counts what was reserved.
            tracing::error!(request = %self.facts.request, error = %error, "an outcome is not in the ledger");
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

impl Drop for Running {
    fn drop(&mut self) {
        self.close(End::unused(Ended::ClientGone, None));
    }
}
