//! The groups that a company's directory provisions (SCIM), joined to those a credential states, and how a replica learns that they
//! changed: whoever's groups were read is watched, and a change makes what is remembered of them stale, so that their next request
//! reads once more. A request that is remembered asks nobody.
//!
//! It must never let a change go unseen that came while groups were being read: watching begins before reading.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use domain::{Clock, OrgId, PersonId, Timestamp, limits};
use store::{Store, StoreError};

/// Whether what was read of one person's groups is still so.
#[derive(Debug, Default)]
pub(super) struct Watch(AtomicBool);

impl Watch {
    /// Whether it has changed since.
    pub(super) fn is_stale(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// Everybody whose groups are remembered here.
#[derive(Debug)]
pub(super) struct Memberships {
    org: OrgId,
    clock: Arc<dyn Clock>,
    watched: Mutex<HashMap<PersonId, Vec<Weak<Watch>>>>,
    /// The number of the last change that is known; `i64::MIN` before the first look.
    known: AtomicI64,
    /// When the store was last asked, in Unix milliseconds.
    asked_at: AtomicI64,
    /// Held while asking.
    asking: tokio::sync::Mutex<()>,
    /// Watches begun since the last sweep.
    begun: AtomicI64,
}

/// After so many watches those that nobody needs any more are swept out.
const SWEEP_EVERY: i64 = 1_024;
/// Changes read from the store at once.
const PAGE: u32 = 1_000;

impl Memberships {
    pub(super) fn new(org: OrgId, clock: Arc<dyn Clock>) -> Self {
        Self {
            org,
            clock,
            watched: Mutex::default(),
            known: AtomicI64::new(i64::MIN),
            asked_at: AtomicI64::new(i64::MIN),
            asking: tokio::sync::Mutex::new(()),
            begun: AtomicI64::new(0),
        }
    }

    /// What a credential made at `issued` states, with what the directory says; and the watch that tells when that is no longer so.
    pub(super) async fn join(
        &self,
        store: &Store,
        person: PersonId,
        stated: BTreeSet<String>,
        issued: Timestamp,
    ) -> Result<(BTreeSet<String>, Arc<Watch>), StoreError> {
        let watch = self.watch(person);
        // Without a directory there is nothing to read; its first change will be told.
        if self.known.load(Ordering::Acquire) == 0 {
            return Ok((stated, watch));
        }
        let said = store.person_directory_groups(self.org, person).await?;
        Ok((said.join(stated, issued), watch))
    }

    fn watch(&self, person: PersonId) -> Arc<Watch> {
        let watch = Arc::new(Watch::default());
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        let of_person = watched.entry(person).or_default();
        if of_person.len() == of_person.capacity() {
            of_person.retain(|watch| watch.strong_count() > 0);
        }
        of_person.push(Arc::downgrade(&watch));
        if self.begun.fetch_add(1, Ordering::Relaxed) % SWEEP_EVERY == SWEEP_EVERY - 1 {
            watched.retain(|_, watches| {
                watches.retain(|watch| watch.strong_count() > 0);
                !watches.is_empty()
            });
        }
        watch
    }

    /// Asks the store once and makes stale what changed there.
    pub(super) async fn refresh(&self, store: &Store) -> Result<(), StoreError> {
        let _asking = self.asking.lock().await;
        let now = self.clock.now();
        let asked_at = Timestamp::from_unix_ms(self.asked_at.load(Ordering::Acquire));
        // After so long some changes may have been forgotten; and before the first look nothing is known.
        if now.ms_since(asked_at) > limits::REVOCATIONS_AGE_MAX_MS
            || self.known.load(Ordering::Acquire) == i64::MIN
        {
            let marks = store.watermarks(self.org).await?;
            self.known.store(marks.directory, Ordering::Release);
            self.spoil(None);
        }
        loop {
            let known = self.known.load(Ordering::Acquire);
            let page = store.directory_changes_since(self.org, known, PAGE).await?;
            for change in &page {
                self.known.store(change.seq, Ordering::Release);
                self.spoil(change.person);
            }
            if page.len() < PAGE as usize {
                break;
            }
        }
        self.asked_at.store(now.unix_ms(), Ordering::Release);
        Ok(())
    }

    /// Makes stale what is remembered of one person, or of everybody.
    fn spoil(&self, person: Option<PersonId>) {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        let spoilt = match person {
            Some(person) => watched.remove(&person).unwrap_or_default(),
            None => watched.drain().flat_map(|(_, watches)| watches).collect(),
        };
        for watch in spoilt.iter().filter_map(Weak::upgrade) {
            watch.0.store(true, Ordering::Release);
        }
    }

    /// Asks the store for ever, whenever it tells of a change and every [`limits::STORE_POLL_MS`]. Ends only by being dropped.
    pub(super) async fn follow(&self, store: &Store) {
        let mut tick = tokio::time::interval(Duration::from_millis(limits::STORE_POLL_MS));
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut changes = store.changes();
        let mut failing = false;
        loop {
            tokio::select! {
                _ = tick.tick() => {}
                () = changes.next() => {}
            }
            match self.refresh(store).await {
                Ok(()) => failing = false,
                // Said once per outage, not twice a second.
                Err(error) if !failing => {
                    failing = true;
                    tracing::warn!(%error, "the directory's groups cannot be read; known ones stay in force");
                }
                Err(_) => {}
            }
        }
    }
}
