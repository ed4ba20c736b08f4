//! What we remember of a provider's failures: after several in a row it is left out for a while, then one call tries it again.

use std::sync::Mutex;

use domain::Timestamp;

/// Failures in a row that close a provider.
const FAILURES_MAX: u32 = 5;
/// How long it is left out, and how long a call that tries it again is waited for.
const OPEN_MS: i64 = 30_000;

/// One provider's recent past.
#[derive(Debug, Default)]
pub struct Health(Mutex<State>);

#[derive(Debug, Default, Clone, Copy)]
struct State {
    failures: u32,
    closed_until: Option<Timestamp>,
    /// Whether `closed_until` is the end of a try, not of a time of leaving it out.
    tried_again: bool,
}

/// What a call may do with a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// Try it; what becomes of the call decides for the others.
    Yes,
    /// Another call is finding out whether it works again; it is the next best to those that do.
    Undecided,
    /// Leave it out.
    No,
}

impl Health {
    /// Whether a call tries it now: ask just before the call would be sent, for when the time of leaving it out is over, the one
    /// that gets a yes is the one the others wait for.
    pub fn admit(&self, now: Timestamp) -> Admission {
        let mut state = self.lock();
        match state.closed_until {
            None => Admission::Yes,
            Some(until) if now < until && state.tried_again => Admission::Undecided,
            Some(until) if now < until => Admission::No,
            Some(_) => {
                state.closed_until = Some(now.plus_ms(OPEN_MS));
                state.tried_again = true;
                Admission::Yes
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

    /// A call failed at `now` in a way that another provider might not. `retry_after_s` is how long it asked to be left alone.
    pub fn failed(&self, now: Timestamp, retry_after_s: Option<u32>) {
        let mut state = self.lock();
        state.failures = state.failures.saturating_add(1);
        if state.failures >= FAILURES_MAX || state.closed_until.is_some() {
            let asked_ms = retry_after_s.map_or(0, |seconds| i64::from(seconds.min(300)) * 1_000);
            state.closed_until = Some(now.plus_ms(OPEN_MS.max(asked_ms)));
            state.tried_again = false;
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
        assert_eq!(health.admit(at(0)), Admission::Yes);
        health.failed(at(0), None);
        assert_eq!(health.admit(at(29)), Admission::No);
        assert_eq!(health.admit(at(30)), Admission::Yes, "one call may try");
        assert_eq!(health.admit(at(30)), Admission::Undecided);
        health.failed(at(31), None);
        assert_eq!(health.admit(at(60)), Admission::No);
        assert_eq!(health.admit(at(61)), Admission::Yes);
        health.succeeded();
        assert_eq!(health.admit(at(61)), Admission::Yes);
    }

    #[test]
    fn a_try_that_is_never_heard_of_again_gives_way_to_another() {
        let health = Health::default();
        for _ in 0..5 {
            health.failed(at(0), None);
        }
        assert_eq!(health.admit(at(30)), Admission::Yes);
        assert_eq!(health.admit(at(59)), Admission::Undecided);
        assert_eq!(health.admit(at(60)), Admission::Yes);
    }

    #[test]
    fn a_success_between_failures_forgets_them() {
        let health = Health::default();
        for _ in 0..20 {
            health.failed(at(0), None);
            health.succeeded();
        }
        assert_eq!(health.admit(at(0)), Admission::Yes);
    }
}
