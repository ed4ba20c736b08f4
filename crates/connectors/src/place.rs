//! How much runs at once between clients and connectors: of everybody together, and of one caller, so that nobody's open streams take
//! the place of everybody else's. Pure but for its own memory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use domain::{Subject, limits};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The places there are.
#[derive(Debug)]
pub struct Places {
    all: Arc<Semaphore>,
    of_one: Arc<Mutex<HashMap<Subject, usize>>>,
}

impl Default for Places {
    fn default() -> Self {
        Self {
            all: Arc::new(Semaphore::new(limits::MCP_CALLS_MAX)),
            of_one: Arc::default(),
        }
    }
}

/// A place that is taken, until it is dropped.
#[derive(Debug)]
pub struct Place {
    _one_of_all: OwnedSemaphorePermit,
    of_one: Arc<Mutex<HashMap<Subject, usize>>>,
    subject: Option<Subject>,
}

impl Places {
    /// A place of somebody who is not known yet; none where all are taken.
    pub fn take(&self) -> Option<Place> {
        Some(Place {
            _one_of_all: Arc::clone(&self.all).try_acquire_owned().ok()?,
            of_one: Arc::clone(&self.of_one),
            subject: None,
        })
    }
}

impl Place {
    /// Makes it this caller's; not where they have as many as one may.
    pub fn belongs_to(&mut self, subject: Subject) -> bool {
        let mut of_one = self.of_one.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = of_one.entry(subject).or_default();
        if *taken >= limits::MCP_CALLS_OF_ONE_MAX {
            return false;
        }
        *taken += 1;
        drop(of_one);
        self.subject = Some(subject);
        true
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some(subject) = self.subject else {
            return;
        };
        let mut of_one = self.of_one.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(taken) = of_one.get_mut(&subject) {
            *taken -= 1;
            if *taken == 0 {
                of_one.remove(&subject);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::PersonId;

    #[test]
    fn nobody_takes_all_the_places_and_what_ends_gives_its_own_back() {
        let places = Places::default();
        let one = Subject::Person(PersonId::from_parts(1, 1));
        let other = Subject::Person(PersonId::from_parts(1, 2));
        let mut taken: Vec<Place> = Vec::new();
        for _ in 0..limits::MCP_CALLS_OF_ONE_MAX {
            let mut place = places.take().unwrap();
            assert!(place.belongs_to(one));
            taken.push(place);
        }
        let mut more = places.take().unwrap();
        assert!(!more.belongs_to(one) && more.belongs_to(other));
        taken.pop();
        assert!(places.take().unwrap().belongs_to(one));
        drop((taken, more));
        assert!(places.of_one.lock().unwrap().is_empty());
        assert_eq!(places.all.available_permits(), limits::MCP_CALLS_MAX);
    }
}
