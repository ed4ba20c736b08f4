//! Figures of one cell, medians over rounds, and how they are written.

use std::time::Duration;

use crate::load::Outcome;

/// What is shown of one peer, workload and concurrency.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Sample {
    /// Answers a second.
    pub per_second: f64,
    /// Median latency, ms.
    pub p50_ms: f64,
    /// 99th percentile, ms.
    pub p99_ms: f64,
    /// Median time to the first byte of body, ms.
    pub first_p50_ms: f64,
    /// Its 99th percentile, ms.
    pub first_p99_ms: f64,
    /// CPU of the peer's process tree for each request, µs.
    pub cpu_us: f64,
    /// Requests that failed.
    pub failed: u64,
}

impl Sample {
    /// The figures of a run during which the peer used so much CPU.
    pub(crate) fn of(mut outcome: Outcome, cpu: Duration) -> Self {
        outcome.whole_ns.sort_unstable();
        outcome.first_ns.sort_unstable();
        let count = outcome.whole_ns.len();
        #[expect(clippy::cast_precision_loss, reason = "counts of seconds of load")]
        let count = count as f64;
        Self {
            per_second: count / outcome.took.as_secs_f64(),
            p50_ms: percentile_ms(&outcome.whole_ns, 50),
            p99_ms: percentile_ms(&outcome.whole_ns, 99),
            first_p50_ms: percentile_ms(&outcome.first_ns, 50),
            first_p99_ms: percentile_ms(&outcome.first_ns, 99),
            cpu_us: cpu.as_secs_f64() * 1e6 / count,
            failed: outcome.failed,
        }
    }

    /// The median of each figure by itself; failures are added up.
    pub(crate) fn median(samples: &[Self]) -> Self {
        let of = |figure: fn(&Self) -> f64| median(samples.iter().map(figure).collect());
        Self {
            per_second: of(|one| one.per_second),
            p50_ms: of(|one| one.p50_ms),
            p99_ms: of(|one| one.p99_ms),
            first_p50_ms: of(|one| one.first_p50_ms),
            first_p99_ms: of(|one| one.first_p99_ms),
            cpu_us: of(|one| one.cpu_us),
            failed: samples.iter().map(|one| one.failed).sum(),
        }
    }

    /// `requests/s / p50 / p99 / CPU`, and failures where there were any.
    pub(crate) fn cell(&self) -> String {
        let failed = if self.failed == 0 {
            String::new()
        } else {
            format!(" ({} failed)", self.failed)
        };
        format!(
            "{} / {} / {} / **{:.0}**{failed}",
            thousands(self.per_second),
            short(self.p50_ms),
            short(self.p99_ms),
            self.cpu_us
        )
    }
}

/// The middle value; the upper one of two.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn percentile_ms(sorted_ns: &[u64], percent: usize) -> f64 {
    let at = (sorted_ns.len() * percent / 100).min(sorted_ns.len().saturating_sub(1));
    let ns = sorted_ns.get(at).copied().unwrap_or_default();
    Duration::from_nanos(ns).as_secs_f64() * 1e3
}

/// Milliseconds with about two digits that matter.
pub(crate) fn short(ms: f64) -> String {
    match ms {
        ms if ms < 1.0 => format!("{ms:.2}"),
        ms if ms < 10.0 => format!("{ms:.1}"),
        ms => format!("{ms:.0}"),
    }
}

/// A rounded number with commas.
pub(crate) fn thousands(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_taken_from_the_sorted_times() {
        let check = |times: &[u64], percent, expected: f64| {
            let got = percentile_ms(times, percent);
            assert!((got - expected).abs() < 1e-9, "{times:?} {percent}: {got}");
        };
        let hundred: Vec<u64> = (1..=100).map(|ms| ms * 1_000_000).collect();
        check(&hundred, 50, 51.0);
        check(&hundred, 99, 100.0);
        check(&[2_000_000], 99, 2.0);
        check(&[], 50, 0.0);
    }

    #[test]
    fn a_sample_divides_time_and_cpu_by_the_answers() {
        let outcome = Outcome {
            whole_ns: vec![3_000_000, 1_000_000, 2_000_000, 2_000_000],
            first_ns: vec![1_000_000; 4],
            failed: 1,
            took: Duration::from_secs(2),
        };
        let sample = Sample::of(outcome, Duration::from_micros(400));
        assert!((sample.per_second - 2.0).abs() < 1e-9);
        assert!((sample.cpu_us - 100.0).abs() < 1e-6);
        assert_eq!(sample.cell(), "2 / 2.0 / 3.0 / **100** (1 failed)");
    }

    #[test]
    fn a_median_of_rounds_ignores_the_outlier() {
        let check = |values: &[f64], expected: f64| {
            assert!(
                (median(values.to_vec()) - expected).abs() < 1e-9,
                "{values:?}"
            );
        };
        check(&[1.0, 100.0, 2.0], 2.0);
        check(&[5.0], 5.0);
    }

    #[test]
    fn numbers_are_written_for_people() {
        for (value, expected) in [(7.0, "7"), (999.6, "1,000"), (1_234_567.0, "1,234,567")] {
            assert_eq!(thousands(value), expected);
        }
        for (ms, expected) in [(0.043, "0.04"), (1.26, "1.3"), (87.2, "87")] {
            assert_eq!(short(ms), expected);
        }
    }
}
