//! The policy in force, and how a replica learns of a new one: some numbers are read from the store
//! whenever it tells of a change, and every [`limits::STORE_POLL_MS`]; what cannot be read leaves the last good policy in force. That one is kept on disk as well, for a
//! start that finds an unreadable version.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use actions::catalogue::Catalogue;
use arc_swap::ArcSwap;
use domain::{OrgId, Policy, Timestamp, limits};
use store::{SpendLimit, Store, Watermarks};

use crate::Inspector;
use crate::last_policy::{Kept, LastPolicy};

/// The policy in force.
#[derive(Debug)]
pub struct Rules {
    current: ArcSwap<Policy>,
    /// How many identity providers vouch for people.
    issuers_for_people: usize,
    /// Knows what detectors there are.
    inspector: Arc<Inspector>,
    /// Held while the store is read and what was read put in force, so that no slow load overtakes a newer one.
    loading: tokio::sync::Mutex<()>,
    /// Where the last good policy is kept, and which version is there.
    last: Option<LastPolicy>,
    kept: AtomicU64,
    /// When the policy in force was applied, if it came from the disk; `i64::MIN` otherwise.
    from_disk: AtomicI64,
}

impl Rules {
    /// Begins with a policy, where so many identity providers vouch for people.
    pub fn new(policy: Policy, issuers_for_people: usize, inspector: Arc<Inspector>) -> Self {
        Self {
            current: ArcSwap::from_pointee(policy.among_issuers(issuers_for_people)),
            issuers_for_people,
            inspector,
            loading: tokio::sync::Mutex::default(),
            last: None,
            kept: AtomicU64::new(0),
            from_disk: AtomicI64::new(i64::MIN),
        }
    }

    /// Keeps the last good policy there from now on.
    #[must_use]
    pub fn keeping(mut self, last: LastPolicy) -> Self {
        self.last = Some(last);
        self
    }

    /// When the policy in force was applied, if it had to be taken from the disk.
    pub fn from_disk(&self) -> Option<Timestamp> {
        let applied = self.from_disk.load(Ordering::Acquire);
        (applied != i64::MIN).then(|| Timestamp::from_unix_ms(applied))
    }

    /// The policy in force now.
    pub fn current(&self) -> Arc<Policy> {
        self.current.load_full()
    }

    /// Puts another policy in force.
    pub fn replace(&self, policy: Policy) {
        self.current.store(Arc::new(policy));
    }

    /// Reads the store's policy and spend limits once and puts them in force.
    pub async fn load(&self, store: &Store, org: OrgId) -> Result<Watermarks, LoadError> {
        let _one_at_a_time = self.loading.lock().await;
        let marks = store.watermarks(org).await?;
        let latest = store.latest_policy(org).await?;
        let policy = match &latest {
            Some(latest) => Policy::parse(latest.version, &latest.text)?,
            None => Policy::empty(),
        };
        self.put_in_force(policy, store, org).await?;
        self.from_disk.store(i64::MIN, Ordering::Release);
        if let Some(latest) = latest {
            self.keep(Kept {
                version: latest.version,
                applied: latest.created,
                text: latest.text,
            })
            .await;
        }
        Ok(marks)
    }

    /// As [`Rules::load`], for a process that has no policy yet: when the store's version cannot be read, the last good one is
    /// taken from the disk, unless it is of a later version than any in the store, and so of another history. Without one the
    /// error stands.
    pub async fn load_at_start(&self, store: &Store, org: OrgId) -> Result<Watermarks, LoadError> {
        let unreadable = match self.load(store, org).await {
            Err(LoadError::Policy(unreadable)) => unreadable,
            other => return other,
        };
        let marks = store.watermarks(org).await?;
        let latest = store.latest_policy(org).await?;
        let newest = latest.map_or(0, |latest| latest.version);
        let found = self.last.as_ref().map(LastPolicy::read);
        let kept = match found {
            Some(Ok(Some(kept))) if kept.version <= newest => kept,
            Some(Err(error)) => {
                tracing::error!(error = %error, "the store's policy cannot be read, and neither can the last good one");
                return Err(unreadable.into());
            }
            _ => return Err(unreadable.into()),
        };
        let policy = Policy::parse(kept.version, &kept.text)?;
        self.put_in_force(policy, store, org).await?;
        self.from_disk
            .store(kept.applied.unix_ms(), Ordering::Release);
        tracing::error!(
            error = %unreadable,
            stored = newest,
            in_force = kept.version,
            applied = %kept.applied,
            "the store's policy cannot be read; the last good one, kept on this machine's disk, is in force"
        );
        Ok(marks)
    }

    /// On the disk, if it is not there yet. A disk that does not take it does not keep the policy from being in force.
    async fn keep(&self, kept: Kept) {
        let version = kept.version;
        let Some(last) = self.last.clone() else {
            return;
        };
        if self.kept.load(Ordering::Acquire) == version {
            return;
        }
        match tokio::task::spawn_blocking(move || last.keep(&kept)).await {
            Ok(Ok(())) => self.kept.store(version, Ordering::Release),
            Ok(Err(error)) => {
                tracing::error!(error = %error, version, "the policy in force is not kept on the disk");
            }
            Err(_) => tracing::error!(version, "the policy in force is not kept on the disk"),
        }
    }

    async fn put_in_force(
        &self,
        policy: Policy,
        store: &Store,
        org: OrgId,
    ) -> Result<(), LoadError> {
        let policy = policy.among_issuers(self.issuers_for_people);
        for grant in policy.grants_to_namesakes() {
            tracing::warn!(
                grant = grant.name,
                "more than one issuer vouches for people, and this grant names people or groups without `issuers`: it lets nobody in"
            );
        }
        for name in policy.reach_of_namesakes() {
            tracing::warn!(
                entry = name,
                "more than one issuer vouches for people, and this entry about connectors names people or groups without `issuers`: it permits nothing"
            );
        }
        for idle in self.inspector.idle(&policy) {
            tracing::warn!(rule = idle.rule, pattern = idle.pattern, "{idle}");
        }
        let reviewed = store.reviewed(org).await?;
        let held_back = Catalogue::shipped().held_back(&policy.document().connector, &reviewed);
        for name in &held_back {
            tracing::warn!(
                connector = name,
                "this connector is there for nobody: nobody has reviewed it, or the newest review says no"
            );
        }
        let policy = policy.holding_back(held_back);
        let policy = policy.beside_acceptable_use(store.published_use(org).await?);
        let limits = store.spend_limits(org).await?;
        self.replace(
            policy.with_spend_limits(limits.iter().flat_map(SpendLimit::budgets).collect()),
        );
        Ok(())
    }

    /// Beside the last good policy stands what holds now: limits, the acceptable-use policy and reviews need no text that can be understood.
    async fn join_anew(&self, error: &LoadError, store: &Store, org: OrgId) {
        let LoadError::Policy(_) = error else {
            return;
        };
        let _one_at_a_time = self.loading.lock().await;
        let last_good = Policy::clone(&self.current());
        if let Err(error) = self.put_in_force(last_good, store, org).await {
            tracing::error!(error = %error, "what stands beside the last good policy cannot be read");
        }
    }

    /// Follows the store for as long as the process lives.
    pub async fn follow(&self, store: &Store, org: OrgId, mut known: Watermarks) {
        let mut tick = tokio::time::interval(Duration::from_millis(limits::STORE_POLL_MS));
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut changes = store.changes();
        loop {
            tokio::select! {
                _ = tick.tick() => {}
                () = changes.next() => {}
            }
            let Ok(marks) = store.watermarks(org).await else {
                continue;
            };
            let decisive = |marks: Watermarks| {
                (
                    marks.policy_version,
                    marks.spend_limits,
                    marks.acceptable_use,
                    marks.reviews,
                )
            };
            if decisive(marks) == decisive(known) {
                continue;
            }
            let tried = self.load(store, org).await;
            match &tried {
                Ok(marks) => tracing::info!(version = marks.policy_version, "policy in force"),
                Err(error) => {
                    tracing::error!(error = %error, version = marks.policy_version, "a new policy is not in force; the last good one stays");
                    self.join_anew(error, store, org).await;
                }
            }
            known = known_after(&tried, known, marks);
        }
    }
}

/// What a replica knows after it tried to load what it has `seen`: what the store did not give is tried again, what cannot be
/// understood is not.
fn known_after(
    tried: &Result<Watermarks, LoadError>,
    known: Watermarks,
    seen: Watermarks,
) -> Watermarks {
    match tried {
        Ok(loaded) => *loaded,
        Err(LoadError::Store(_)) => known,
        Err(LoadError::Policy(_)) => seen,
    }
}

/// The store's policy cannot be put in force.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It cannot be read.
    #[error("the policy cannot be read from the store")]
    Store(#[from] store::StoreError),
    /// It cannot be understood.
    #[error("the store's policy is not one")]
    Policy(#[from] domain::policy::UnreadablePolicy),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_that_the_store_did_not_give_is_asked_for_again() {
        let marks = |policy_version| Watermarks {
            policy_version,
            ..Watermarks::default()
        };
        let check = |tried, expected| {
            assert_eq!(known_after(&tried, marks(4), marks(5)), marks(expected));
        };
        check(Ok(marks(6)), 6);
        check(Err(LoadError::Store(store::StoreError::Damaged("x"))), 4);
        let unreadable = Policy::parse(5, "[[grant]").unwrap_err();
        check(Err(LoadError::Policy(unreadable)), 5);
    }
}
