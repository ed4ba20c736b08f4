//! How many of a listener's places each address holds, so that one alone cannot hold them all. Called by `listen`.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gateway::signin::throttle::network;
use tokio::time::Instant;

/// Between two lines in the log about addresses that hold all they may.
const SAID_EVERY: Duration = Duration::from_mins(1);

/// The addresses connected to one listener; as many as it has connections at most. IPv6 addresses count by their /64.
#[derive(Debug)]
pub struct Places {
    most: usize,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    by: HashMap<IpAddr, usize>,
    said: Option<Instant>,
}

impl Places {
    /// At most `most` for each address.
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            most,
            held: Mutex::default(),
        })
    }

    /// A place for this address, held until it is dropped; none when it holds all it may.
    pub fn take(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let address = network(address);
        let mut held = self.held();
        let count = held.by.entry(address).or_default();
        if *count >= self.most {
            if held.said.is_none_or(|said| said.elapsed() >= SAID_EVERY) {
                held.said = Some(Instant::now());
                tracing::warn!(%address, most = self.most, "an address holds as many connections as it may; further ones are closed. A proxy belongs into trusted_proxies");
            }
            return None;
        }
        *count += 1;
        Some(Place {
            places: Arc::clone(self),
            address,
        })
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One connection's place.
#[derive(Debug)]
pub struct Place {
    places: Arc<Places>,
    address: IpAddr,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = self.places.held();
        if let Some(count) = held.by.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                held.by.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_holds_so_many_and_what_is_left_is_free_again() {
        let places = Places::new(2);
        let (here, there) = ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
        let one = places.take(here).unwrap();
        let _two = places.take(here).unwrap();
        assert!(places.take(here).is_none() && places.take(there).is_some());
        drop(one);
        assert!(places.take(here).is_some());
        assert_eq!(places.held().by.len(), 1, "of who is gone nothing is kept");
    }

    #[test]
    fn addresses_of_one_ipv6_network_count_together() {
        let places = Places::new(1);
        let _one = places.take("2001:db8::1".parse().unwrap()).unwrap();
        assert!(places.take("2001:db8::2".parse().unwrap()).is_none());
        assert!(places.take("2001:db8:0:1::1".parse().unwrap()).is_some());
    }
}
