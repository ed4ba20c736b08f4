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
    /// Since when it answers, fails, or is left out.
    since: Option<Timestamp>,
    /// Its last answer.
    last: Option<(Timestamp, u16)>,
}

/// How a provider stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Failures in a row.
    pub failures: u32,
    /// Until when it is left out, or a call finds out whether it works again; none while it is tried as ever.
    pub closed_until: Option<Timestamp>,
    /// Whether a call finds out.
    pub tried_again: bool,
    /// Since when it answers, fails, or is left out; none before the first call.
    pub since: Option<Timestamp>,
    /// When it was last heard, and the status it answered.
    pub last: Option<(Timestamp, u16)>,
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

    /// How it stands, for the console.
    pub fn seen(&self, now: Timestamp) -> Seen {
        let state = *self.lock();
        Seen {
            failures: state.failures,
            closed_until: state.closed_until.filter(|until| now < *until),
            tried_again: state.tried_again,
            since: state.since,
            last: state.last,
        }
    }

    /// An answer came, whatever it says.
    pub fn heard(&self, now: Timestamp, status: u16) {
        self.lock().last = Some((now, status));
    }

    /// A call got an answer at `now` that another provider would have given as well.
    pub fn succeeded(&self, now: Timestamp) {
        let mut state = self.lock();
        let was_fine = state.failures == 0 && state.closed_until.is_none();
        let since = state.since.filter(|_| was_fine).unwrap_or(now);
        *state = State {
            since: Some(since),
            last: state.last,
            ..State::default()
        };
    }

    /// A call failed at `now` in a way that another provider might not. `retry_after_s` is how long it asked to be left alone.
    pub fn failed(&self, now: Timestamp, retry_after_s: Option<u32>) {
        let mut state = self.lock();
        if state.failures == 0 {
            state.since = Some(now);
        }
        state.failures = state.failures.saturating_add(1);
        if state.failures == FAILURES_MAX {
            state.since = Some(now);
        }
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
        health.succeeded(at(61));
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
            health.succeeded(at(0));
        }
        assert_eq!(health.admit(at(0)), Admission::Yes);
    }

    #[test]
    fn it_is_known_since_when_it_stands_as_it_does_and_what_was_heard_last() {
        let health = Health::default();
        let seen = |second| {
            let seen = health.seen(at(second));
            (seen.failures, seen.closed_until, seen.since, seen.last)
        };
        assert_eq!(seen(0), (0, None, None, None));
        health.heard(at(1), 200);
        health.succeeded(at(1));
        health.succeeded(at(5));
        assert_eq!(seen(6), (0, None, Some(at(1)), Some((at(1), 200))));
        health.heard(at(10), 529);
        for second in 10..14 {
            health.failed(at(second), None);
        }
        assert_eq!(seen(14), (4, None, Some(at(10)), Some((at(10), 529))));
        health.failed(at(14), None);
        assert_eq!(
            seen(15),
            (5, Some(at(44)), Some(at(14)), Some((at(10), 529)))
        );
        assert_eq!(health.admit(at(44)), Admission::Yes);
        health.failed(at(45), None);
        assert_eq!(seen(46).2, Some(at(14)), "left out all the while");
        health.succeeded(at(80));
        assert_eq!(seen(81), (0, None, Some(at(80)), Some((at(10), 529))));
    }
}
