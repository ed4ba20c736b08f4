//! What we remember of a provider's failures: after several in a row it is left out for a while, then one call tries it again.

use std::sync::Mutex;

use domain::Timestamp;

/// Failures in a row that close a provider.
const FAILURES_MAX: u32 = 5;
/// How long it is left out.
const OPEN_MS: i64 = 30_000;

/// One provider's recent past.
#[derive(Debug, Default)]
pub struct Health(Mutex<State>);

#[derive(Debug, Default, Clone, Copy)]
struct State {
    failures: u32,
    closed_until: Option<Timestamp>,
}

impl Health {
    /// Whether a call may try it now. When the time of leaving it out is over, one caller gets a yes and the next ones wait for
    /// what became of it.
    pub fn admits(&self, now: Timestamp) -> bool {
        let mut state = self.lock();
        match state.closed_until {
            None => true,
            Some(until) if now < until => false,
            Some(_) => {
                state.closed_until = Some(now.plus_ms(OPEN_MS));
                true
            }
        }
    }

    /// Whether it is being left out, for metrics and the console.
    pub fn is_closed(&self, now: Timestamp) -> bool {
        self.lock().closed_until.is_some_and(|until| now < until)
    }

    /// A call got an answer.
    pub fn succeeded(&self) {
        *self.lock() = State::default();
    }

    /// A call failed in a way that another provider might not. `retry_after_s` is how long it asked to be left alone.
    pub fn failed(&self, now: Timestamp, retry_after_s: Option<u32>) {
        let mut state = self.lock();
        state.failures = state.failures.saturating_add(1);
        if state.failures >= FAILURES_MAX || state.closed_until.is_some() {
            let asked_ms = retry_after_s.map_or(0, |seconds| i64::from(seconds.min(300)) * 1_000);
            state.closed_until = Some(now.plus_ms(OPEN_MS.max(asked_ms)));
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_unix_s(second)
    }

    #[test]
    fn five_failures_in_a_row_leave_it_out_and_one_call_tries_again() {
        let health = Health::default();
        for _ in 0..4 {
            health.failed(at(0), None);
        }
        assert!(health.admits(at(0)));
        health.failed(at(0), None);
        assert!(!health.admits(at(29)));
        assert!(health.admits(at(30)), "one call may try");
        assert!(!health.admits(at(30)), "the next waits for its result");
        health.succeeded();
        assert!(health.admits(at(30)));
    }

    #[test]
    fn a_success_between_failures_forgets_them() {
        let health = Health::default();
        for _ in 0..20 {
            health.failed(at(0), None);
            health.succeeded();
        }
        assert!(health.admits(at(0)));
    }
}
