//! Whose turn it is to note what connectors list: those of one connector one by one, so many at once, and what goes on changing now and
//! then only. So a connector that says something else each time it is asked costs the others nothing, and the ledger little. Each replica
//! has its own; called by [`super::pins`] alone.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use domain::connectors::DefinitionKind;
use domain::{Timestamp, limits};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Every connector's lists.
#[derive(Debug)]
pub(super) struct Queues {
    places: Arc<Semaphore>,
    /// By the connectors' names.
    all: Mutex<HashMap<String, Arc<Queue>>>,
}

/// One connector's lists.
#[derive(Debug)]
pub(super) struct Queue {
    places: Arc<Semaphore>,
    /// One list at a time: two of the same must not both find something new.
    pub(super) alone: tokio::sync::Mutex<Paces>,
}

/// A list's place among its connector's and among all: free again when this is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    _own: OwnedSemaphorePermit,
    _of_all: OwnedSemaphorePermit,
}

impl Default for Queues {
    fn default() -> Self {
        Self {
            places: Arc::new(Semaphore::new(limits::PINS_NOTES_MAX)),
            all: Mutex::default(),
        }
    }
}

impl Queues {
    /// A connector's.
    pub(super) fn of(&self, connector: &str) -> Arc<Queue> {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= limits::PINS_HELD_MAX {
            // Never one that somebody has in hand: there must not be two of a connector.
            all.retain(|_, queue| Arc::strong_count(queue) > 1);
        }
        let queue = all.entry(connector.to_owned()).or_insert_with(|| {
            Arc::new(Queue {
                places: Arc::new(Semaphore::new(limits::PINS_NOTES_OF_ONE_MAX)),
                alone: tokio::sync::Mutex::default(),
            })
        });
        Arc::clone(queue)
    }

    /// A place for one more list, if there is one.
    pub(super) fn turn(&self, queue: &Queue) -> Option<Turn> {
        Some(Turn {
            _own: Arc::clone(&queue.places).try_acquire_owned().ok()?,
            _of_all: Arc::clone(&self.places).try_acquire_owned().ok()?,
        })
    }
}

/// How often something of a connector was noted, by kind: what it says, and apart from it how much that is.
#[derive(Debug, Default)]
pub(super) struct Paces(HashMap<(DefinitionKind, bool), Pace>);

impl Paces {
    /// Of a kind; whether something of it is new, or only the count another.
    pub(super) fn of(&mut self, kind: DefinitionKind, is_news: bool) -> &mut Pace {
        self.0.entry((kind, is_news)).or_default()
    }
}

#[derive(Debug, Default)]
pub(super) struct Pace {
    /// From when on nothing counts any more; each that was noted moves it on.
    free: Timestamp,
    told: Option<Timestamp>,
}

impl Pace {
    /// Whether a list with so many changes may be noted now, which then counts.
    pub(super) fn admits(&mut self, changes: usize, now: Timestamp) -> bool {
        let most = now.plus_ms(limits::PINS_CHANGES_MS);
        // Within what can be: a clock that was set back keeps nobody waiting.
        self.free = self.free.clamp(now, most);
        let changes = i64::try_from(changes).unwrap_or(i64::MAX);
        let cost = changes.saturating_mul(limits::PINS_CHANGE_MS);
        let cost = cost.saturating_add(limits::PINS_LIST_MS);
        // However long a list is, it is noted at some time.
        let next = self.free.plus_ms(cost.min(limits::PINS_CHANGES_MS));
        let is_admitted = next <= most;
        if is_admitted {
            self.free = next;
        }
        is_admitted
    }

    /// Whether the log is to be told that one was not noted: once in the time that a list costs.
    pub(super) fn tells(&mut self, now: Timestamp) -> bool {
        let is_recent = |told: Timestamp| {
            let passed = now.ms_since(told);
            (0..limits::PINS_LIST_MS).contains(&passed)
        };
        let tells = !self.told.is_some_and(is_recent);
        if tells {
            self.told = Some(now);
        }
        tells
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_unix_ms(1_795_232_700_000 + ms)
    }

    /// How many lists with one change are admitted at once.
    fn burst(pace: &mut Pace, now: Timestamp) -> i64 {
        (0..1_000i64)
            .filter(|_| pace.admits(1, now))
            .fold(0, |all, _| all + 1)
    }

    #[test]
    fn after_some_at_once_one_is_noted_now_and_then() {
        let mut pace = Pace::default();
        let each = limits::PINS_LIST_MS + limits::PINS_CHANGE_MS;
        let some = limits::PINS_CHANGES_MS / each;
        assert_eq!(burst(&mut pace, at(0)), some);
        assert_eq!(burst(&mut pace, at(each)), 1);
        assert_eq!(burst(&mut pace, at(3 * each)), 2, "the time is not lost");
        assert_eq!(burst(&mut pace, at(1_000 * each)), some, "and not saved up");
    }

    #[test]
    fn each_change_costs_and_the_longest_list_is_noted_at_some_time() {
        let mut pace = Pace::default();
        let many = limits::ACTIONS_NOTED_MAX;
        assert!(pace.admits(many, at(0)));
        assert!(!pace.admits(many, at(0)), "one such list is a great deal");
        let whole = limits::PINS_CHANGES_MS;
        assert!(pace.admits(usize::MAX, at(whole)));
        assert!(!pace.admits(usize::MAX, at(2 * whole - 1)));
        assert!(pace.admits(usize::MAX, at(2 * whole)));
    }

    #[test]
    fn a_clock_that_is_set_back_keeps_nobody_waiting_for_long() {
        let whole = limits::PINS_CHANGES_MS;
        let mut pace = Pace::default();
        burst(&mut pace, at(0));
        let back = -1_000 * whole;
        assert_eq!(burst(&mut pace, at(back)), 0);
        assert!(pace.admits(usize::MAX, at(back + whole)));
        assert!(pace.tells(at(0)) && pace.tells(at(back)));
    }

    #[test]
    fn the_log_is_told_once_in_a_while() {
        let mut pace = Pace::default();
        let told = (0..100).filter(|ms| pace.tells(at(ms * limits::PINS_LIST_MS / 10)));
        assert_eq!(told.count(), 10);
    }

    #[test]
    fn a_connector_takes_its_own_places_and_never_those_of_all() {
        let queues = Queues::default();
        let (greedy, other) = (queues.of("greedy"), queues.of("other"));
        let taken: Vec<Turn> = std::iter::from_fn(|| queues.turn(&greedy)).collect();
        assert_eq!(taken.len(), limits::PINS_NOTES_OF_ONE_MAX);
        assert!(queues.turn(&queues.of("greedy")).is_none());
        assert!(queues.turn(&other).is_some());
        drop(taken);
        assert!(queues.turn(&greedy).is_some());
        let many: Vec<Arc<Queue>> = (0..limits::PINS_NOTES_MAX)
            .map(|n| queues.of(&n.to_string()))
            .collect();
        let taken: Vec<Turn> = many.iter().filter_map(|queue| queues.turn(queue)).collect();
        assert_eq!(taken.len(), limits::PINS_NOTES_MAX);
        assert!(queues.turn(&other).is_none(), "there is an end to all");
    }

    #[test]
    fn a_slow_list_holds_up_no_other_connector_and_there_are_never_two_queues_of_one() {
        let queues = Queues::default();
        let slow = queues.of("slow");
        let _noting = slow.alone.try_lock().unwrap();
        assert!(queues.of("other").alone.try_lock().is_ok());
        for n in 0..2 * limits::PINS_HELD_MAX {
            queues.of(&n.to_string());
        }
        assert!(queues.of("slow").alone.try_lock().is_err());
        let kept = queues.all.lock().unwrap().len();
        assert!(kept <= limits::PINS_HELD_MAX, "{kept}");
    }
}
