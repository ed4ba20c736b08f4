//! How many requests an organisation's directories may make: so many a second for ever, and a good many at once after a pause. Both lie
//! far above what identity providers ask for, and keep a broken one from taking the machine.

use std::sync::{Arc, Mutex, PoisonError};

use domain::{Clock, Timestamp, limits};

/// What is left.
#[derive(Debug)]
pub struct Rate {
    clock: Arc<dyn Clock>,
    /// Thousandths of requests, and when they were counted.
    left: Mutex<(i64, Timestamp)>,
}

const FULL: i64 = limits::SCIM_BURST * 1_000;

impl Rate {
    /// With everything left.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let now = clock.now();
        Self {
            clock,
            left: Mutex::new((FULL, now)),
        }
    }

    /// Takes one request; else the seconds to wait.
    pub fn take(&self) -> Result<(), i64> {
        let now = self.clock.now();
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        // A clock that is set back gives nothing, and takes nothing.
        let passed_ms = now.ms_since(left.1).clamp(0, FULL);
        let grown = (left.0 + passed_ms * limits::SCIM_REQUESTS_PER_S).min(FULL);
        if grown < 1_000 {
            *left = (grown, now);
            return Err((1_000 - grown) / (1_000 * limits::SCIM_REQUESTS_PER_S) + 1);
        }
        *left = (grown - 1_000, now);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;

    #[derive(Debug, Default)]
    struct Hand(AtomicI64);

    impl Clock for Hand {
        fn now(&self) -> Timestamp {
            Timestamp::from_unix_ms(self.0.load(Ordering::Relaxed))
        }
    }

    #[test]
    fn a_burst_passes_then_as_many_as_a_second_allows_and_then_none() {
        let clock = Arc::new(Hand::default());
        let rate = Rate::new(Arc::clone(&clock) as Arc<dyn Clock>);
        let taken = |rate: &Rate| {
            let many = 0..10_000_i64;
            many.take_while(|_| rate.take().is_ok())
                .fold(0, |taken, _| taken + 1)
        };
        assert_eq!(taken(&rate), limits::SCIM_BURST);
        assert_eq!(rate.take(), Err(1));
        clock.0.store(1_000, Ordering::Relaxed);
        assert_eq!(taken(&rate), limits::SCIM_REQUESTS_PER_S);
        clock.0.store(500, Ordering::Relaxed);
        assert_eq!(taken(&rate), 0, "a clock set back gives nothing");
        clock.0.store(3_600_000, Ordering::Relaxed);
        assert_eq!(taken(&rate), limits::SCIM_BURST);
    }

    #[test]
    fn what_microsoft_asks_for_passes_for_ever() {
        let clock = Arc::new(Hand::default());
        let rate = Rate::new(Arc::clone(&clock) as Arc<dyn Clock>);
        for request in 0..100_000 {
            clock.0.store(request * 40, Ordering::Relaxed);
            assert_eq!(rate.take(), Ok(()));
        }
    }
}
