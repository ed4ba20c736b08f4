//! So many tries from one address in a fixed window; beyond them the address waits for the next.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Mutex;

use domain::Timestamp;
pub use pipeline::strangers::network;

/// Addresses counted at once; beyond that, new ones are refused.
const ADDRESSES_MAX: usize = 50_000;

/// Counts tries by address. IPv6 addresses count by their /64, which one household or host has to itself.
#[derive(Debug)]
pub struct Throttle {
    most: u32,
    window_ms: i64,
    counts: Mutex<HashMap<Option<IpAddr>, (i64, u32)>>,
}

impl Throttle {
    /// At most `most` tries in each window of so many seconds.
    pub fn new(most: u32, window_s: u32) -> Self {
        Self {
            most,
            window_ms: i64::from(window_s) * 1_000,
            counts: Mutex::default(),
        }
    }

    /// Counts a try; false when it is one too many. When more addresses try than can be counted, new ones are refused until the
    /// window is over.
    pub fn admit(&self, address: Option<IpAddr>, now: Timestamp) -> bool {
        let window = now.unix_ms().div_euclid(self.window_ms);
        let mut counts = self.counts();
        let key = address.map(network);
        if counts.len() >= ADDRESSES_MAX && !counts.contains_key(&key) {
            counts.retain(|_, (seen, _)| *seen == window);
            if counts.len() >= ADDRESSES_MAX {
                return false;
            }
        }
        let entry = counts.entry(key).or_insert((window, 0));
        if entry.0 != window {
            *entry = (window, 0);
        }
        let is_left = entry.1 < self.most;
        entry.1 += u32::from(is_left);
        is_left
    }

    /// Takes back a try that was admitted at that moment and turned out to be none.
    pub fn give_back(&self, address: Option<IpAddr>, admitted: Timestamp) {
        let window = admitted.unix_ms().div_euclid(self.window_ms);
        if let Some((seen, count)) = self.counts().get_mut(&address.map(network))
            && *seen == window
        {
            *count = count.saturating_sub(1);
        }
    }

    fn counts(&self) -> std::sync::MutexGuard<'_, HashMap<Option<IpAddr>, (i64, u32)>> {
        self.counts
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_waits_for_the_next_window_and_others_do_not() {
        let throttle = Throttle::new(2, 600);
        let (here, there) = (
            Some("10.0.0.1".parse().unwrap()),
            Some("10.0.0.2".parse().unwrap()),
        );
        let at = Timestamp::from_unix_s;
        assert!(throttle.admit(here, at(0)) && throttle.admit(here, at(1)));
        assert!(!throttle.admit(here, at(2)));
        assert!(throttle.admit(there, at(2)));
        assert!(throttle.admit(here, at(600)));
    }

    #[test]
    fn addresses_of_one_household_count_together() {
        let throttle = Throttle::new(1, 600);
        let at = Timestamp::from_unix_s(0);
        assert!(throttle.admit(Some("2001:db8::1".parse().unwrap()), at));
        assert!(!throttle.admit(Some("2001:db8::2".parse().unwrap()), at));
        assert!(throttle.admit(Some("2001:db8:0:1::1".parse().unwrap()), at));
    }

    #[test]
    fn tries_at_once_are_counted_before_their_outcome_is_known() {
        let throttle = Throttle::new(2, 600);
        let at = Timestamp::from_unix_s(0);
        let admitted = (0..50).filter(|_| throttle.admit(None, at)).count();
        assert_eq!(admitted, 2);
        throttle.give_back(None, at);
        assert!(throttle.admit(None, at) && !throttle.admit(None, at));
        // A try of the window before buys none in this one.
        let next = Timestamp::from_unix_s(600);
        assert!(throttle.admit(None, next) && throttle.admit(None, next));
        throttle.give_back(None, at);
        assert!(!throttle.admit(None, next));
    }
}
