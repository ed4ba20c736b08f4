//! How many requests of one caller are under way: a body that never ends, or many large ones at once, take memory, and everyone who
//! can sign in may send them. Called by the entrances of the admin API and of the pages.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use domain::{PersonId, limits};

/// The callers who have requests under way, and how many. As many entries as there are requests at the most.
#[derive(Debug, Default)]
pub struct Turns(Mutex<HashMap<Option<PersonId>, usize>>);

/// One request's place, given back when this is dropped.
#[derive(Debug)]
pub struct Turn {
    turns: Arc<Turns>,
    who: Option<PersonId>,
}

impl Turns {
    /// A place for one more request of this caller; none when too many are under way.
    pub fn take(self: &Arc<Self>, who: Option<PersonId>) -> Option<Turn> {
        let mut under_way = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = under_way.entry(who).or_default();
        if *count == limits::ADMIN_REQUESTS_AT_ONCE_MAX {
            return None;
        }
        *count += 1;
        Some(Turn {
            turns: Arc::clone(self),
            who,
        })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut under_way = self.turns.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = under_way.get_mut(&self.who) {
            *count -= 1;
            if *count == 0 {
                under_way.remove(&self.who);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_has_so_many_places_and_takes_none_of_another() {
        let turns = Arc::new(Turns::default());
        let [ada, bob] = [1, 2].map(|number| Some(PersonId::from_parts(number, 0)));
        let all = || -> Vec<Turn> {
            let one = || turns.take(ada);
            std::iter::from_fn(one).collect()
        };
        let held = all();
        assert_eq!(held.len(), limits::ADMIN_REQUESTS_AT_ONCE_MAX);
        assert!(turns.take(bob).is_some());
        drop(held);
        assert!(turns.0.lock().unwrap().is_empty());
        assert_eq!(all().len(), limits::ADMIN_REQUESTS_AT_ONCE_MAX);
    }
}
