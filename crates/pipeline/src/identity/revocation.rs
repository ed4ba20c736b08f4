//! Taking access away, at once: every credential in use hangs on a [`Live`], and [`Revocations`] reaches all of a person's,
//! session's or service's in one call. Open streams wait on [`Live::revoked`]; requests read one atomic.
//!
//! It must never be slower than a second, never wake a credential that was proved after the revocation, and never let one
//! through that was being proved while it happened: `admit` and `apply` meet under one lock, off the hot path.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicI64, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use domain::{Clock, OrgId, ReasonCode, Refusal, Timestamp, limits};
use store::{Store, StoreError, Target};
use tokio::sync::Notify;

/// Why a credential is no longer believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Signed out, or the session ended: signing in again helps.
    Session,
    /// Access was taken away.
    Access,
}

impl Ended {
    /// The refusal that says so.
    pub fn refusal(self) -> Refusal {
        match self {
            Self::Session => Refusal::plain(ReasonCode::SessionEnded),
            Self::Access => Refusal::plain(ReasonCode::PersonRevoked),
        }
    }
}

/// Whether one credential is still believed. Shared by everything that was let in on it.
pub struct Live {
    /// 0 while it lives, then the cause.
    state: AtomicU8,
    ended: Notify,
    /// When the credential says it was made.
    issued: Timestamp,
    /// When we first looked at it.
    seen: Timestamp,
}

impl fmt::Debug for Live {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Live")
            .field("ended", &self.ended())
            .field("issued", &self.issued)
            .finish_non_exhaustive()
    }
}

impl Live {
    fn new(issued: Timestamp, seen: Timestamp) -> Self {
        Self {
            state: AtomicU8::new(0),
            ended: Notify::new(),
            issued,
            seen,
        }
    }

    /// When the credential was made, as far as revocations are concerned: a session's beginning, what a token states less the forgiven
    /// difference of clocks.
    pub fn issued(&self) -> Timestamp {
        self.issued
    }

    /// Whether it has ended. One atomic read.
    pub fn is_revoked(&self) -> bool {
        self.state.load(Ordering::Acquire) != 0
    }

    /// Why it ended, if it has.
    pub fn ended(&self) -> Option<Ended> {
        match self.state.load(Ordering::Acquire) {
            0 => None,
            1 => Some(Ended::Session),
            _ => Some(Ended::Access),
        }
    }

    /// Waits until it ends, which may be never. For cutting open streams.
    pub async fn revoked(&self) -> Ended {
        loop {
            let ended = self.ended.notified();
            tokio::pin!(ended);
            // Registered before the look, so that an end between the look and the wait is not missed.
            ended.as_mut().enable();
            if let Some(cause) = self.ended() {
                return cause;
            }
            ended.await;
        }
    }

    fn end(&self, cause: Ended) {
        let word = match cause {
            Ended::Session => 1,
            Ended::Access => 2,
        };
        self.state.fetch_max(word, Ordering::AcqRel);
        self.ended.notify_waiters();
    }

    /// Made no later than the revocation by its own statement, or seen no later by our clock: an issuer's fast clock does not
    /// help.
    fn precedes(&self, at: Timestamp) -> bool {
        self.issued <= at || self.seen <= at
    }
}

/// Something taken away: from when backwards, and what the refusal is.
#[derive(Debug, Clone, Copy)]
struct Taken {
    at: Timestamp,
    why: Ended,
}

#[derive(Debug, Default)]
struct Entry {
    /// The latest revocation of this target.
    latest: Option<Taken>,
    lives: Vec<Weak<Live>>,
}

/// Every credential in use, by whom it belongs to, and every revocation that may still concern one.
#[derive(Debug)]
pub struct Revocations {
    org: OrgId,
    clock: Arc<dyn Clock>,
    entries: Mutex<HashMap<Target, Entry>>,
    /// When the store was last asked, in Unix milliseconds; `i64::MIN` before the first time.
    asked_at: AtomicI64,
    /// The number of the last revocation that was applied; the store numbers them in the order they become visible.
    applied: AtomicI64,
    /// Held while asking, so that two askers do not page through the same rows.
    asking: tokio::sync::Mutex<()>,
    /// Admissions since the last sweep.
    admitted: AtomicI64,
}

/// After so many admissions entries that concern nobody are swept out.
const SWEEP_EVERY: i64 = 1_024;
/// Revocations read from the store at once.
const PAGE: u32 = 1_000;

impl Revocations {
    /// An empty registry. Until [`Revocations::refresh`] has succeeded once, nobody is admitted.
    pub fn new(org: OrgId, clock: Arc<dyn Clock>) -> Self {
        Self {
            org,
            clock,
            entries: Mutex::default(),
            asked_at: AtomicI64::new(i64::MIN),
            applied: AtomicI64::new(0),
            asking: tokio::sync::Mutex::new(()),
            admitted: AtomicI64::new(0),
        }
    }

    /// Whether what is known about revocations is recent enough to believe anybody.
    pub fn is_current(&self, now: Timestamp) -> bool {
        let asked_at = self.asked_at.load(Ordering::Acquire);
        asked_at != i64::MIN
            && now.ms_since(Timestamp::from_unix_ms(asked_at)) <= limits::REVOCATIONS_AGE_MAX_MS
    }

    /// Notes a credential made at `issued` and first seen at `seen` as in use by all `targets`, unless one of them was revoked since.
    pub fn admit(
        &self,
        targets: &[Target],
        issued: Timestamp,
        seen: Timestamp,
    ) -> Result<Arc<Live>, Refusal> {
        let live = Arc::new(Live::new(issued, seen));
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let latest = |target| entries.get(target).and_then(|entry| entry.latest);
        if let Some(taken) = targets
            .iter()
            .filter_map(latest)
            .find(|taken| live.precedes(taken.at))
        {
            return Err(taken.why.refusal());
        }
        for target in targets {
            let entry = entries.entry(target.clone()).or_default();
            if entry.lives.len() == entry.lives.capacity() {
                entry.lives.retain(|live| live.strong_count() > 0);
            }
            entry.lives.push(Arc::downgrade(&live));
        }
        if self.admitted.fetch_add(1, Ordering::Relaxed) % SWEEP_EVERY == SWEEP_EVERY - 1 {
            sweep(&mut entries, self.clock.now());
        }
        Ok(live)
    }

    /// Ends everything of the target that is in use here: this replica takes it away now, so all of it came before, also what was
    /// seen by a clock that has been set back since. `at` is that clock's present.
    pub fn apply(&self, target: &Target, at: Timestamp, why: Ended) {
        let seen_until = self.seen_until(target).map_or(at, |seen| seen.max(at));
        self.take(target, seen_until, seen_until, why);
    }

    /// When the latest credential of the target in use was first seen.
    fn seen_until(&self, target: &Target) -> Option<Timestamp> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let lives = &entries.get(target)?.lives;
        lives
            .iter()
            .filter_map(|live| Some(live.upgrade()?.seen))
            .max()
    }

    /// As [`Revocations::apply`], for a moment that another replica's clock told: what was seen here up to `heard_until`, when
    /// nothing was heard of it yet, came before it however the two clocks differ.
    fn take(&self, target: &Target, at: Timestamp, heard_until: Timestamp, why: Ended) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = entries.entry(target.clone()).or_default();
        if entry.latest.is_none_or(|latest| latest.at <= at) {
            entry.latest = Some(Taken { at, why });
        }
        entry.lives.retain(|live| match live.upgrade() {
            Some(live) if live.precedes(at) || live.seen <= heard_until => {
                live.end(why);
                false
            }
            Some(_) => true,
            None => false,
        });
    }

    /// Asks the store once and applies what is new there.
    pub async fn refresh(&self, store: &Store) -> Result<(), StoreError> {
        let _asking = self.asking.lock().await;
        let now = self.clock.now();
        let asked_at = self.asked_at.load(Ordering::Acquire);
        loop {
            let applied = self.applied.load(Ordering::Acquire);
            let page = store.revocations_since(self.org, applied, PAGE).await?;
            for revocation in &page {
                // At the first look there is nobody here whom an old one could concern.
                if asked_at != i64::MIN || concerns_somebody(&revocation.target, revocation.at, now)
                {
                    let why = self.why(store, &revocation.target).await?;
                    let heard_until = Timestamp::from_unix_ms(asked_at);
                    self.take(&revocation.target, revocation.at, heard_until, why);
                }
                self.applied.store(revocation.seq, Ordering::Release);
            }
            if page.len() < PAGE as usize {
                break;
            }
        }
        self.asked_at.store(now.unix_ms(), Ordering::Release);
        Ok(())
    }

    /// Whether the person was shut out or only signed out.
    async fn why(&self, store: &Store, target: &Target) -> Result<Ended, StoreError> {
        Ok(match target {
            Target::Person(id) => match store.person(self.org, *id).await? {
                Some(person) if person.out_since().is_none() => Ended::Session,
                _ => Ended::Access,
            },
            Target::Service(_) | Target::ServiceKey(_) => Ended::Access,
            Target::Session(_) | Target::Everyone => Ended::Session,
        })
    }

    /// Asks the store for ever, whenever it tells of a change and every [`limits::STORE_POLL_MS`]. Ends only by being dropped.
    pub async fn follow(&self, store: &Store) {
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
                    tracing::warn!(%error, "revocations cannot be read; known ones stay in force");
                }
                Err(_) => {}
            }
        }
    }
}

/// Whether a revocation can still meet a credential that nothing else would refuse. A person's cutoff stands in the store too,
/// and no session token outlives [`limits::REVOCATION_KEPT_MS`]; the tokens of services and of people never seen before do.
fn concerns_somebody(target: &Target, at: Timestamp, now: Timestamp) -> bool {
    match target {
        Target::Person(_) | Target::Session(_) => now.ms_since(at) <= limits::REVOCATION_KEPT_MS,
        Target::Service(_) | Target::ServiceKey(_) | Target::Everyone => true,
    }
}

fn sweep(entries: &mut HashMap<Target, Entry>, now: Timestamp) {
    entries.retain(|target, entry| {
        entry.lives.retain(|live| live.strong_count() > 0);
        !entry.lives.is_empty()
            || entry
                .latest
                .is_some_and(|taken| concerns_somebody(target, taken.at, now))
    });
}
