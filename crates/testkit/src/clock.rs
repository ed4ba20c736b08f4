//! A clock that stands still until a test moves it. The real one is wired in `server`, never here.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use domain::{Clock, Timestamp};

/// A settable clock. Clones show the same time.
#[derive(Debug, Clone)]
pub struct FakeClock(Arc<AtomicI64>);

impl FakeClock {
    /// A clock that shows `now`.
    pub fn at(now: Timestamp) -> Self {
        Self(Arc::new(AtomicI64::new(now.unix_ms())))
    }

    /// A clock that shows 2026-11-21T03:45:00Z, after the first prices of the catalogue took effect.
    pub fn new() -> Self {
        Self::at(Timestamp::from_unix_s(1_795_232_700))
    }

    /// Sets the time; it may lie before the present one.
    pub fn set(&self, now: Timestamp) {
        self.0.store(now.unix_ms(), Ordering::SeqCst);
    }

    /// Moves the time by so many milliseconds, forwards or back.
    pub fn advance_ms(&self, ms: i64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Default for FakeClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for FakeClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_ms(self.0.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_of_a_fake_clock_move_together() {
        let clock = FakeClock::new();
        let other = clock.clone();
        assert_eq!(clock.now().to_string(), "2026-11-21T03:45:00.000Z");
        clock.advance_ms(1_500);
        assert_eq!(other.now().to_string(), "2026-11-21T03:45:01.500Z");
        other.set(Timestamp::from_unix_s(0));
        assert_eq!(clock.now().unix_ms(), 0);
    }
}
