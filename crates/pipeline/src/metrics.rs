//! What is counted, in Prometheus' terms. Labels are bounded words of ours: no person, no model name a caller made up.

use std::sync::atomic::AtomicI64;
use std::time::Duration;

use domain::{ReasonCode, Timestamp};
use ledger::record::Outcome;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

/// Everything the pipeline counts.
#[derive(Debug)]
pub struct Metrics {
    refused: Family<Refused, Counter>,
    ended: Family<EndedAs, Counter>,
    tokens: Family<Tokens, Counter>,
    cost_nanos: Counter,
    left_out: Counter,
    running: Gauge<i64, AtomicI64>,
    first_byte: Family<Action, Histogram>,
    duration: Family<Action, Histogram>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Action {
    action: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Refused {
    action: &'static str,
    code: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EndedAs {
    action: &'static str,
    ended: String,
    upstream: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Tokens {
    class: &'static str,
}

impl Default for Metrics {
    fn default() -> Self {
        // From half a millisecond to about two and a half minutes.
        let times: fn() -> Histogram = || Histogram::new(exponential_buckets(0.000_5, 2.0, 19));
        Self {
            refused: Family::default(),
            ended: Family::default(),
            tokens: Family::default(),
            cost_nanos: Counter::default(),
            left_out: Counter::default(),
            running: Gauge::default(),
            first_byte: Family::new_with_constructor(times),
            duration: Family::new_with_constructor(times),
        }
    }
}

impl Metrics {
    /// Adds everything to a registry.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "doorward_refusals",
            "Requests refused, by the deciding reason",
            self.refused.clone(),
        );
        registry.register(
            "doorward_calls",
            "Calls ended, by how and by which upstream",
            self.ended.clone(),
        );
        registry.register(
            "doorward_tokens",
            "Tokens used, by class",
            self.tokens.clone(),
        );
        registry.register(
            "doorward_cost_nanodollars",
            "Cost of ended calls",
            self.cost_nanos.clone(),
        );
        registry.register(
            "doorward_ledger_records_left_out",
            "Records of the ledger that cannot be read, and are missing in the store's copy and sums",
            self.left_out.clone(),
        );
        registry.register(
            "doorward_calls_running",
            "Calls under way",
            self.running.clone(),
        );
        registry.register_with_unit(
            "doorward_first_byte",
            "From a request's arrival to its answer's head",
            Unit::Seconds,
            self.first_byte.clone(),
        );
        registry.register_with_unit(
            "doorward_call_duration",
            "From a request's arrival to its answer's end",
            Unit::Seconds,
            self.duration.clone(),
        );
    }

    pub(crate) fn refused(&self, action: &'static str, code: ReasonCode) {
        self.refused
            .get_or_create(&Refused {
                action,
                code: code.as_str(),
            })
            .inc();
    }

    pub(crate) fn left_out(&self, records: u64) {
        self.left_out.inc_by(records);
    }

    pub(crate) fn began(&self) {
        self.running.inc();
    }

    pub(crate) fn first_byte(&self, action: &'static str, after: Duration) {
        self.first_byte
            .get_or_create(&Action { action })
            .observe(after.as_secs_f64());
    }

    pub(crate) fn ended(&self, action: &'static str, outcome: &Outcome, _now: Timestamp) {
        self.running.dec();
        let upstream = outcome
            .upstream
            .as_ref()
            .map_or_else(String::new, |name| name.as_str().to_owned());
        self.ended
            .get_or_create(&EndedAs {
                action,
                ended: outcome.ended.as_str().to_owned(),
                upstream,
            })
            .inc();
        let usage = &outcome.usage;
        for (class, count) in [
            ("input", usage.input_tokens),
            ("output", usage.output_tokens),
            (
                "cache_write",
                usage.cache_write_5m_tokens + usage.cache_write_1h_tokens,
            ),
            ("cache_read", usage.cache_read_tokens),
        ] {
            if count > 0 {
                self.tokens.get_or_create(&Tokens { class }).inc_by(count);
            }
        }
        self.cost_nanos
            .inc_by(u64::try_from(outcome.cost.nanos()).unwrap_or(0));
        let seconds = Duration::from_millis(outcome.duration_ms).as_secs_f64();
        self.duration
            .get_or_create(&Action { action })
            .observe(seconds);
    }
}
