//! What several replicas of one installation have between them, as one of them sees it: money of hard budgets, and word of changes.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use domain::{Ids, limits};
use ledger::Ledger;
use pipeline::Claim;
use pipeline::quota::Quota;
use pipeline::quota::desk::Desk;
use store::{Engine, Store};
use tokio::task::JoinSet;
use tracing::Instrument as _;

use super::Wired;
use crate::system::boot;

/// What callers have left. On PostgreSQL another replica may spend the same budgets, now or from its start on; then this one spends
/// what it is granted. All that this chain has spent is in the store by now, so what it was granted before is nobody's.
pub(super) async fn quota(store: &Store, chain: &str) -> anyhow::Result<Quota> {
    match store.engine() {
        Engine::Sqlite => Ok(Quota::default()),
        Engine::Postgres => {
            let released = store.release_leases(chain).await;
            released.context("what was granted of hard budgets cannot be given back")?;
            Ok(Quota::leasing())
        }
    }
}

/// The claim on the chain of this ledger, and who lets it beat from now on: what comes next in a start may take long.
pub(super) async fn claim(
    store: &Store,
    dir: &Path,
    ledger: &Ledger,
    ids: &dyn Ids,
) -> anyhow::Result<(Arc<Claim>, JoinSet<()>)> {
    let place = place(dir);
    let claim = Arc::new(Claim::take(store, ledger, place.as_deref(), ids).await?);
    let (mut beats, store) = (JoinSet::new(), store.clone());
    let ours = Arc::clone(&claim);
    let beating = async move { ours.hold(&store).await };
    beats.spawn(beating.instrument(tracing::Span::current()));
    Ok((claim, beats))
}

/// What names the lock that this process holds, on this machine and until it starts anew: whoever had the same one has ended. A copy of
/// the folder has a lock file of its own. None where the system does not say, and then nobody is known to have ended.
#[cfg(unix)]
fn place(dir: &Path) -> Option<String> {
    use std::os::unix::fs::MetadataExt as _;
    let lock = std::fs::metadata(ledger::disk::lock_path(dir)).ok()?;
    Some(format!("{} {:x} {:x}", boot()?, lock.dev(), lock.ino()))
}

#[cfg(not(unix))]
fn place(_dir: &Path) -> Option<String> {
    None
}

impl Wired {
    /// Who asks the store for money of hard budgets, where that is needed.
    pub(super) fn desk(&self) -> Option<Desk> {
        self.pipeline.quota.leased().map(|_| Desk {
            quota: Arc::clone(&self.pipeline.quota),
            store: self.store.clone(),
            org: self.org,
            writer: self.claim.writer().clone(),
            clock: Arc::clone(&self.pipeline.clock),
        })
    }

    /// Gives back what was granted of hard budgets and nobody here needs any more. For the end of the process.
    pub async fn give_back(&self) {
        let Some(desk) = self.desk() else { return };
        let limit = Duration::from_millis(limits::STORE_WAIT_MS);
        if tokio::time::timeout(limit, desk.close()).await.is_err() {
            tracing::warn!(
                "what was granted of hard budgets is not given back; it counts as spent until this replica starts again"
            );
        }
    }

    /// Gives the chain up, so that whoever starts with it next need not wait. For the end of the process.
    pub async fn let_chain_go(&self) {
        let limit = Duration::from_millis(limits::STORE_WAIT_MS);
        // What is not given up counts as held until it has been silent for long enough.
        let _ = tokio::time::timeout(limit, self.claim.end(&self.store)).await;
    }

    /// Waits until the store has every record of this replica, so that the others know what it spent and its copy is whole even if
    /// it never starts again. For the end of the process, while records are still shipped; not for ever.
    pub async fn hand_over(&self) {
        if self.desk().is_none() {
            return;
        }
        let ledger = &self.pipeline.ledger;
        let whole = async {
            loop {
                let next = self.store.ledger_cursor(ledger.chain().as_str()).await;
                if next.is_ok_and(|next| next > ledger.status().durable.seq) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(limits::LEDGER_GATHER_MS / 4)).await;
            }
        };
        let limit = Duration::from_millis(limits::STORE_WAIT_MS);
        if tokio::time::timeout(limit, whole).await.is_err() {
            tracing::warn!(
                "the store does not have every record of this replica; the rest is shipped when it starts again"
            );
        }
    }

    /// What operators of several replicas look at, in OpenMetrics text.
    pub(super) fn write_replica_gauges(&self, text: &mut String) {
        let _ = write!(
            text,
            "# HELP doorward_store_listening Whether changes by other replicas are heard at once; otherwise they are seen at the next look.\n\
             # TYPE doorward_store_listening gauge\n\
             doorward_store_listening {}\n",
            u8::from(self.store.is_listening())
        );
        let leased = self.pipeline.quota.leased().unwrap_or_default();
        let _ = write!(
            text,
            "# HELP doorward_leased_budgets Hard budgets of which this replica was granted money.\n\
             # TYPE doorward_leased_budgets gauge\n\
             doorward_leased_budgets {}\n\
             # HELP doorward_leased_unused_nanodollars Granted to this replica and neither spent nor held: what would count as spent if it died now.\n\
             # TYPE doorward_leased_unused_nanodollars gauge\n\
             doorward_leased_unused_nanodollars {}\n",
            leased.purses,
            leased.unused.nanos()
        );
    }
}
