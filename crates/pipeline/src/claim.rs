//! That this process alone writes its chain. The ledger's folder is locked on its machine; a *copy* of the folder is not, has the same
//! chain, and would spend what the chain was granted of hard budgets a second time. So where several replicas share a store, a
//! start claims the chain there, and lets the claim beat for as long as it lives. Whoever finds the claim with another that lives
//! does not start; whoever loses it, or finds that the chain has forked, takes no further call. Called by `server` and [`crate::ship`].

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use domain::{Ids, limits};
use ledger::{Brake, Ledger};
use store::{Engine, OtherClaim, Store, StoreError, Writer};
use tokio::time::{Instant, MissedTickBehavior};

use crate::identity::hex;

/// The claim of a process on its chain.
#[derive(Debug)]
pub struct Claim {
    writer: Writer,
    brake: Brake,
    lost: OnceLock<Lost>,
    /// Whether it was given up because the process ends.
    is_over: AtomicBool,
}

/// Why a process may not go on with its chain. Says so to operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    /// Another process has claimed it.
    #[error(
        "another process has taken over this ledger's chain; if one of them runs on a copy of the other's ledger folder, give that one an empty folder (ledger.dir), then restart this one"
    )]
    Taken,
    /// Other records stand in the store under the same numbers.
    #[error(
        "the ledger's chain has forked at record {0}: another process has shipped other records of it; keep both folders for `doorward ledger verify`, and give whichever of them is a copy an empty one (ledger.dir)"
    )]
    Forked(u64),
}

/// Why a chain cannot be claimed.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    /// Another process holds it, and lives.
    #[error(
        "another process writes the ledger's chain {0}: if ledger.dir is a copy of that one's folder, give this process an empty folder; if this one shall take its place, end that one first"
    )]
    Held(String),
    /// The store does not answer.
    #[error("the ledger's chain cannot be claimed in the store")]
    Store(#[from] StoreError),
}

impl Claim {
    /// Claims the chain of an open ledger. `place` names the folder's lock on this machine until it starts anew: a claim from the
    /// same place is of a process that has ended, or the lock could not have been had. Any other is watched for
    /// [`limits::CHAIN_SILENT_MS`] before it counts as one of a process that died. On SQLite there is nothing to claim: one
    /// process has the file.
    pub async fn take(
        store: &Store,
        ledger: &Ledger,
        place: Option<&str>,
        ids: &dyn Ids,
    ) -> Result<Self, ClaimError> {
        let mut name = [0u8; 16];
        ids.fill(&mut name);
        let writer = Writer {
            chain: ledger.chain().as_str().to_owned(),
            holder: (store.engine() == Engine::Postgres).then(|| hex(&name)),
        };
        let (mut watch, mut over) = (Watch::default(), None);
        while let Some(held) = store.claim_chain(&writer, place, over.as_ref()).await? {
            match watch.judge(&held, Instant::now()) {
                Verdict::Lives => return Err(ClaimError::Held(writer.chain)),
                Verdict::Over => over = Some(held),
                Verdict::Unknown => {
                    tokio::time::sleep(Duration::from_millis(limits::CHAIN_LOOK_MS)).await;
                }
            }
        }
        Ok(Self {
            writer,
            brake: ledger.brake(),
            lost: OnceLock::new(),
            is_over: AtomicBool::new(false),
        })
    }

    /// What the store knows it by.
    pub const fn writer(&self) -> &Writer {
        &self.writer
    }

    /// Why the chain may not go on here, when that is so.
    pub fn lost(&self) -> Option<Lost> {
        self.lost.get().copied()
    }

    /// Lets the claim beat until it is given up.
    pub async fn hold(&self, store: &Store) {
        if self.writer.holder.is_none() {
            return std::future::pending().await;
        }
        let mut tick = tokio::time::interval(Duration::from_millis(limits::CHAIN_BEAT_MS));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            match self.lost() {
                // What could not be given up at once is given up now.
                Some(_) => self.release(store).await,
                None => match store.beat(&self.writer).await {
                    Err(StoreError::NotWriter) if self.is_over.load(Ordering::SeqCst) => return,
                    Err(StoreError::NotWriter) => self.lose(store, Lost::Taken).await,
                    Err(error) => {
                        tracing::debug!(error = %error, "the claim on the chain does not beat");
                    }
                    Ok(()) => {}
                },
            }
        }
    }

    /// Takes no further call: nothing passes without a record, and no money of hard budgets is granted without the claim.
    pub async fn lose(&self, store: &Store, why: Lost) {
        if self.lost.set(why).is_err() {
            return;
        }
        self.brake.pull();
        tracing::error!(chain = self.writer.chain, "{why}");
        self.release(store).await;
    }

    /// Gives the claim up. For the end of the process, so that the next one need not wait.
    pub async fn end(&self, store: &Store) {
        self.is_over.store(true, Ordering::SeqCst);
        self.release(store).await;
    }

    async fn release(&self, store: &Store) {
        if let Err(error) = store.release_chain(&self.writer).await {
            tracing::debug!(error = %error, "the claim on the chain is not given up");
        }
    }
}

/// Another's claim, as it was first seen.
#[derive(Debug, Default)]
struct Watch(Option<(OtherClaim, Instant)>);

/// What is known of its holder.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// It beats, or somebody else has it by now.
    Lives,
    /// It has not been watched for long enough.
    Unknown,
    /// It has been silent for so long that its process is taken for dead.
    Over,
}

impl Watch {
    /// By the watcher's own clock alone.
    fn judge(&mut self, held: &OtherClaim, now: Instant) -> Verdict {
        let (first, since) = self.0.get_or_insert_with(|| (held.clone(), now));
        let silent = Duration::from_millis(limits::CHAIN_SILENT_MS);
        match () {
            () if first != held => Verdict::Lives,
            () if now.duration_since(*since) < silent => Verdict::Unknown,
            () => Verdict::Over,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(holder: &str, beat: i64) -> OtherClaim {
        OtherClaim {
            holder: holder.to_owned(),
            beat,
        }
    }

    /// What a watcher of these claims, seen after so many milliseconds, says at the last.
    fn check(seen: &[(u64, OtherClaim)], expected: &Verdict) {
        let (mut watch, start) = (Watch::default(), Instant::now());
        let mut said = Verdict::Unknown;
        for (after_ms, held) in seen {
            said = watch.judge(held, start + Duration::from_millis(*after_ms));
        }
        assert_eq!(&said, expected, "{seen:?}");
    }

    #[test]
    fn a_claim_is_over_when_it_was_silent_for_long_enough_and_never_when_it_beats_or_wanders() {
        let (all, soon) = (limits::CHAIN_SILENT_MS, limits::CHAIN_SILENT_MS - 1);
        check(&[(0, claim("a", 7))], &Verdict::Unknown);
        check(
            &[(0, claim("a", 7)), (soon, claim("a", 7))],
            &Verdict::Unknown,
        );
        check(&[(0, claim("a", 7)), (all, claim("a", 7))], &Verdict::Over);
        check(&[(0, claim("a", 7)), (all, claim("a", 8))], &Verdict::Lives);
        check(&[(0, claim("a", 7)), (all, claim("b", 7))], &Verdict::Lives);
    }

    /// Even when the store took as long as it may for one beat.
    const _: () = {
        let slow_ms = limits::STORE_WAIT_MS + limits::STORE_ANSWER_MS;
        assert!(slow_ms + limits::CHAIN_BEAT_MS < limits::CHAIN_SILENT_MS);
    };
}
