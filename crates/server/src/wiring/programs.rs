//! Ending programs of connectors that nobody needs, or nobody may have, any more. Most of that is known without the store, and never waits
//! for it. Whether the key that one runs with still is its person's only the store knows; where it does not say so for too long, the
//! program ends as if it were not.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use control::ControlError;
use domain::{Subject, limits};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, timeout};

use super::Wired;

/// A key that a program runs with: at which connector, whose, and which.
pub(super) type Keyed = (String, Subject, i64);

impl Wired {
    /// Ends what nobody needs any more, what the policy no longer has, and what is of people who were shut out: nothing of it is asked for.
    pub(super) async fn look_after_programs(self: Arc<Self>) {
        let mut tick = ticks();
        loop {
            tick.tick().await;
            self.end_programs(&[]);
        }
    }

    /// Ends programs whose key is not their person's any more.
    pub(super) async fn look_after_keys(self: Arc<Self>) {
        let (mut tick, mut keys) = (ticks(), Keys::default());
        loop {
            tick.tick().await;
            let running = self.connectors.upstream.programs().with_keys();
            let standing = self.grants.keys_that_stand(&running);
            let gone = keys.gone(&running, standing).await;
            if !gone.is_empty() {
                self.end_programs(&gone);
            }
        }
    }

    fn end_programs(&self, gone: &[Keyed]) {
        let policy = self.pipeline.rules.current();
        let programs = self.connectors.upstream.programs();
        programs.look_after(|name| policy.connector_there(name).cloned(), gone);
    }
}

fn ticks() -> Interval {
    let mut tick = interval(Duration::from_millis(limits::PROGRAMS_FOLLOW_MS));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    tick
}

/// When each key was last known to be its person's.
#[derive(Debug, Default)]
struct Keys(HashMap<Keyed, Instant>);

impl Keys {
    /// Those with which a program runs that are not their persons' any more, or of which nobody could say so for too long.
    async fn gone(
        &mut self,
        running: &[Keyed],
        standing: impl Future<Output = Result<HashSet<Keyed>, ControlError>>,
    ) -> Vec<Keyed> {
        let longest = Duration::from_millis(limits::PROGRAM_KEYS_AGE_MAX_MS);
        let now = Instant::now();
        self.0
            .retain(|keyed, known| running.contains(keyed) || known.elapsed() < longest);
        for keyed in running {
            self.0.entry(keyed.clone()).or_insert(now);
        }
        let standing = looked_up(standing).await;
        let gone = running.iter().filter(|keyed| match &standing {
            Some(standing) => !standing.contains(keyed),
            None => self
                .0
                .get(keyed)
                .is_none_or(|known| known.elapsed() >= longest),
        });
        let gone = gone.cloned().collect();
        for keyed in standing.into_iter().flatten() {
            self.0.insert(keyed, now);
        }
        gone
    }
}

/// What was found, if anything was in time.
async fn looked_up(
    standing: impl Future<Output = Result<HashSet<Keyed>, ControlError>>,
) -> Option<HashSet<Keyed>> {
    let time = Duration::from_millis(limits::PROGRAM_KEYS_LOOK_MS);
    let why = match timeout(time, standing).await {
        Ok(Ok(standing)) => return Some(standing),
        Ok(Err(error)) => error.to_string(),
        Err(late) => late.to_string(),
    };
    tracing::warn!(
        error = why,
        "the keys of running programs cannot be looked up"
    );
    None
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use domain::PersonId;

    use super::*;

    fn keyed(n: u64) -> Keyed {
        let person = PersonId::from_parts(n, n.into());
        ("crm".to_owned(), Subject::Person(person), 1)
    }

    async fn knows(keys: &mut Keys, running: &[Keyed], standing: &[Keyed]) -> Vec<Keyed> {
        let standing = standing.iter().cloned().collect();
        keys.gone(running, ready(Ok(standing))).await
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_is_gone_when_the_store_says_so() {
        let (mut keys, both) = (Keys::default(), [keyed(1), keyed(2)]);
        assert_eq!(knows(&mut keys, &both, &both).await, []);
        assert_eq!(knows(&mut keys, &both, &both[..1]).await, [keyed(2)]);
        assert_eq!(knows(&mut keys, &[], &[]).await, []);
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_of_which_the_store_says_nothing_for_too_long_is_gone() {
        let (mut keys, one) = (Keys::default(), [keyed(1)]);
        let longest = Duration::from_millis(limits::PROGRAM_KEYS_AGE_MAX_MS);
        for round in 0..2 {
            assert_eq!(knows(&mut keys, &one, &one).await, [], "{round}: it stands");
            let since = Instant::now();
            loop {
                let gone = keys.gone(&one, pending()).await;
                if gone == one {
                    break;
                }
                assert!(gone.is_empty() && since.elapsed() < longest, "{round}");
            }
            assert!(since.elapsed() >= longest, "{round}: not before");
        }
        let failed = ready(Err(ControlError::NoSuch("grant")));
        assert_eq!(keys.gone(&one, failed).await, one);
    }

    #[tokio::test(start_paused = true)]
    async fn a_program_that_starts_while_the_store_is_silent_has_the_same_time() {
        let (mut keys, two) = (Keys::default(), [keyed(1), keyed(2)]);
        for _ in 0..limits::PROGRAM_KEYS_AGE_MAX_MS / limits::PROGRAM_KEYS_LOOK_MS {
            keys.gone(&two[..1], pending()).await;
        }
        assert_eq!(keys.gone(&two, pending()).await, two[..1]);
    }
}
