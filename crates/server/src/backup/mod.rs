//! `doorward backup` and `doorward restore`: all that Doorward knows as one folder of plain files, taken beside a running server
//! and put back into an empty place, on the same engine or the other.
//!
//! ```text
//! manifest.json         what is in it, with the SHA-256 of every file
//! manifest.seal         the manifest's SHA-256, sealed: whoever lacks the key cannot make a backup that we would restore
//! store/<table>.ndjson  the rows
//! ledger/<chain>/       the records, as they stand in the ledger's folder
//! ledger.pub            the public keys that checkpoints are checked with
//! sealing.key           only where it was asked for
//! ```

mod files;
mod manifest;
mod progress;
mod restore;
mod rows;
mod since;
mod take;

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use crate::commands::configured;
use crate::config::Config;
use crate::system::{SystemClock, SystemIds, complain, say};
use take::Taken;

/// What the manifest's hash is sealed as.
const SEALED_AS: &str = "backup";
/// Where chains stand that were put back and are not gone on with, below the ledger's folder.
pub const BEFORE: &str = "before";

/// Where to, and with what.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  doorward backup --out /backup/doorward-$(date +%F)\n  doorward restore --check /backup/doorward-2026-11-21\n\nIt is taken beside a running server, which goes on. It holds every row and this machine's ledger, names people, and is made for its owner alone: encrypt it before it leaves the machine. It does not hold doorward.toml, what that refers to, and, without --with-key, the key that opens the store's sealed secrets (docs/operations.md, What to keep).\n\nWith several replicas take one on each: every one keeps a ledger of its own."
)]
pub struct Backup {
    /// The configuration
    #[arg(long, default_value = "doorward.toml")]
    config: PathBuf,
    /// A new folder to write to
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    /// Also write the key that opens the store's sealed secrets: whoever has the backup then has all of them
    #[arg(long)]
    with_key: bool,
}

/// Where from, and what to leave out.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  doorward restore --check /backup/doorward-2026-11-21\n  doorward restore --config new.toml /backup/doorward-2026-11-21\n\nThe place must be empty: a database without rows, and no ledger in ledger.dir. Everything is checked before anything is written. A backup of SQLite goes into PostgreSQL and the other way round.\n\nNobody is signed in afterwards. What was taken away or changed since the backup is as it was before: people disabled, keys revoked, policies applied. Look at the ledger or the directory for what that was before you start the server."
)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct Restore {
    /// The configuration
    #[arg(long, default_value = "doorward.toml")]
    config: PathBuf,
    /// The backup's folder
    from: PathBuf,
    /// Only check that it is whole and can be opened; write nothing
    #[arg(long)]
    check: bool,
    /// The sealing key is lost: take the backup unsealed, and make new keys in place of those sealed in it
    #[arg(long)]
    new_keys: bool,
    /// Also end every service key and every directory's token, which may have been revoked since
    #[arg(long)]
    end_keys: bool,
    /// The database is lost and the ledger is not: put back the rows alone and go on with the ledger that is here, which knows what
    /// was recorded since
    #[arg(long)]
    keep_ledger: bool,
    /// Put it back although its ledger was damaged already when it was taken
    #[arg(long)]
    accept_damage: bool,
}

/// Takes a backup.
pub async fn backup(what: Backup) -> ExitCode {
    configured(&what.config, async |config| {
        let taken = take::take(config, &what.out, what.with_key, &SystemClock, &SystemIds).await?;
        told(&what, config, &taken);
        Ok(())
    })
    .await
}

/// Puts one back.
pub async fn restore(what: Restore) -> ExitCode {
    configured(&what.config, async |config| {
        restore::restore(&what, config).await
    })
    .await
}

/// Says what is in it, and what else must be kept.
fn told(what: &Backup, config: &Config, taken: &Taken) {
    let manifest = &taken.manifest;
    let rows: u64 = manifest.tables.iter().map(|table| table.rows).sum();
    say(&format!(
        "{}: {rows} rows of {} tables as of {}, schema {}",
        what.out.display(),
        manifest.tables.len(),
        manifest.made,
        manifest.schema
    ));
    for entry in &manifest.chains {
        say(&format!(
            "  chain {}: records {} to {}",
            entry.chain, entry.first, entry.last
        ));
    }
    for chain in &taken.elsewhere {
        complain(&format!(
            "the store knows the chain {chain}, whose own files are not on this machine: take a backup on the replica that keeps it too"
        ));
    }
    let key = if what.with_key {
        "The key that opens the store's secrets is in it: keep it as you would keep the key."
            .to_owned()
    } else {
        let key = match config.store.master_key {
            Some(_) => "store.master_key".to_owned(),
            None => "the key file beside the database".to_owned(),
        };
        format!(
            "Keep {key} elsewhere: it is not in the backup, which cannot be restored without it."
        )
    };
    complain(&key);
    complain("Keep doorward.toml and what it refers to as well: it is not in the backup.");
}

/// The folders of a ledger's chains, and whether a process goes on with them: the server's, the command line's, those put back.
pub(crate) fn spools(dir: &Path) -> io::Result<Vec<(PathBuf, bool)>> {
    let mut spools = vec![(dir.to_owned(), true), (dir.join("cli"), true)];
    let before = match std::fs::read_dir(dir.join(BEFORE)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(spools),
        before => before?,
    };
    let mut closed = Vec::new();
    for entry in before {
        closed.push((entry?.path(), false));
    }
    closed.sort();
    spools.extend(closed);
    Ok(spools)
}
