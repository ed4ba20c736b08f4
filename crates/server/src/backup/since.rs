//! The ledger that is still there when the database is gone: whether it is the one a backup was taken beside, and what it knows to
//! have been changed since. Reads alone.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use domain::Timestamp;
use ledger::read::Reader;
use ledger::record::{Change, ChangeKind};
use ledger::{Position, Record};

use super::manifest::{ChainEntry, Manifest};

/// Changes that are named; of more, how many.
const NAMED_MAX: usize = 200;

/// What was changed after a backup.
#[derive(Debug, Default)]
pub(super) struct Since {
    pub(super) named: Vec<String>,
    pub(super) more: u64,
}

/// An error unless every chain that the backup was taken beside is here, with the record that was its last, and whatever came
/// after it.
pub(super) fn check(dir: &Path, manifest: &Manifest) -> anyhow::Result<()> {
    for entry in manifest.chains.iter().filter(|entry| entry.open) {
        let folder = folder_of(dir, entry)?;
        let mut reader = Reader::from(&folder, Position::after(entry.last.saturating_sub(1)));
        let found = reader
            .read()
            .with_context(|| format!("the chain {} cannot be read", entry.chain))?;
        let is_it = found.is_some_and(|found| {
            found.position.seq == entry.last
                && found.decode().is_ok_and(|line| line.hash == entry.hash)
        });
        ensure!(
            is_it,
            "the chain {} in {} is not the one of the backup, or ends before it",
            entry.chain,
            folder.display()
        );
    }
    Ok(())
}

/// What the chains say was changed since, oldest first within each.
pub(super) fn changes(dir: &Path, manifest: &Manifest) -> anyhow::Result<Since> {
    let mut since = Since::default();
    for entry in manifest.chains.iter().filter(|entry| entry.open) {
        let mut reader = Reader::from(&folder_of(dir, entry)?, Position::after(entry.last));
        while let Some(found) = reader.read()? {
            let Ok(line) = found.decode() else { continue };
            if let Ok(Record::Change(change)) = line.record() {
                if since.named.len() < NAMED_MAX {
                    since.named.push(told(line.time, &change));
                } else {
                    since.more += 1;
                }
            }
        }
    }
    Ok(since)
}

fn told(at: Timestamp, change: &Change) -> String {
    let done = match change.done {
        ChangeKind::Created => "created",
        ChangeKind::Updated => "updated",
        ChangeKind::Deleted => "deleted",
    };
    let reason = change.reason.as_ref();
    let reason = reason.map_or_else(String::new, |reason| format!(" ({})", reason.as_str()));
    let line = format!(
        "{at}  {} {} {done} by {}{reason}",
        change.noun.as_str(),
        change.name.as_str(),
        change.by_label.as_str()
    );
    // a name from long ago must not command a terminal
    line.replace(char::is_control, "?")
}

fn folder_of(dir: &Path, entry: &ChainEntry) -> anyhow::Result<PathBuf> {
    for (folder, _) in super::spools(dir)? {
        let here = ledger::copy::standing(&folder)
            .with_context(|| format!("the ledger in {} cannot be read", folder.display()))?;
        if here.is_some_and(|here| here.chain == entry.chain) {
            return Ok(folder);
        }
    }
    anyhow::bail!(
        "the chain {} is not in {}; without --keep-ledger a backup brings its own",
        entry.chain,
        dir.display()
    )
}
