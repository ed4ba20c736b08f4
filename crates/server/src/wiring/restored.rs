//! A place that was put back from a backup: the mark of one that is not finished, and the first steps of one whose rows and files
//! are there. The chains that were put back are closed; the ledger goes on with a new one, which begins by saying what it follows.
//! Called by `backup` alone, and by every start for the mark.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use domain::{Clock, Ids, OrgId};
use ledger::record::{System, SystemEvent};
use ledger::{ChainId, Record};
use pipeline::ship;
use secrecy::ExposeSecret as _;
use store::Store;

use super::keys;
use crate::config::Config;

/// In the ledger's folder from the first step of a restore to its last.
pub(crate) const UNFINISHED: &str = "restore.unfinished";

/// An error while a restore has not ended here.
pub(crate) fn refuse_unfinished(config: &Config) -> anyhow::Result<()> {
    let mark = config.ledger.dir.join(UNFINISHED);
    ensure!(
        !mark.exists(),
        "a restore into this place has not ended ({}); if none is under way, remove {}, use an empty database, and restore again",
        mark.display(),
        config.ledger.dir.display()
    );
    Ok(())
}

/// A chain that was put back.
#[derive(Debug, Clone)]
pub(crate) struct Closed {
    /// Where it is now.
    pub(crate) folder: PathBuf,
    /// Which.
    pub(crate) chain: ChainId,
    /// Its last record.
    pub(crate) last: u64,
    /// That record's hash.
    pub(crate) hash: ledger::Hash,
    /// Whether calls may have been under way in it.
    pub(crate) open: bool,
}

/// What was done.
#[derive(Debug)]
pub(crate) struct GoneOn {
    /// The new chain.
    pub(crate) chain: ChainId,
    /// Calls that had no end when the backup was taken.
    pub(crate) lost: usize,
}

/// Brings the schema up to date, begins the new chain, counts calls without an end as spent, and ships to the store what it lacks of
/// the closed chains.
pub(crate) async fn go_on_after(
    closed: &[Closed],
    config: &Config,
    made: &str,
    clock: Arc<dyn Clock>,
    ids: &dyn Ids,
) -> anyhow::Result<GoneOn> {
    let store = Store::open(config.store.url.expose_secret())
        .await
        .context("the store cannot be opened")?;
    let new_org = OrgId::from_parts(clock.now().unix_ms().unsigned_abs(), ids.random_bits());
    let org = store.ensure_org(&config.server.org, new_org).await?;
    let seal = keys::sealing_key(config, ids)?;
    let dir = &config.ledger.dir;
    let ledger = keys::open_ledger(dir, "gw", &store, &seal, clock, ids).await?;
    let mut lost = 0;
    if closed.is_empty() {
        let mut record = System::new(SystemEvent::Restored);
        record.version = Some(env!("CARGO_PKG_VERSION").into());
        record.detail =
            Some(format!("backup of {made}: the rows alone, beside this ledger").into());
        ledger.append(Record::System(record)).await?;
        lost = ship::recover(dir, &ledger).await?;
    }
    for before in closed {
        let mut record = System::new(SystemEvent::Restored);
        record.version = Some(env!("CARGO_PKG_VERSION").into());
        record.detail = Some(
            format!(
                "backup of {made}: chain {} ends here with record {}, {}",
                before.chain, before.last, before.hash
            )
            .into(),
        );
        ledger.append(Record::System(record)).await?;
        if before.open {
            lost += ship::recover(&before.folder, &ledger).await?;
        }
        let is_shipped = before.chain.as_str().starts_with("gw-");
        if is_shipped {
            ship::ship_closed(&store, org, &before.folder, &before.chain, before.last)
                .await
                .with_context(|| format!("the chain {} cannot be shipped", before.chain))?;
        }
    }
    ship::catch_up(&store, org, dir, &ledger).await?;
    let chain = ledger.chain().clone();
    // its writer signs and joins, which blocks for the disk
    tokio::task::spawn_blocking(move || drop(ledger)).await?;
    store.close().await;
    Ok(GoneOn { chain, lost })
}
