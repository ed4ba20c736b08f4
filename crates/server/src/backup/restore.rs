//! Puts a backup back into an empty place. Everything is checked before anything is written; the rows come in one transaction;
//! a mark in the ledger's folder keeps every other command away until the last step. What the ledger held goes below `before/`
//! and is never written to again: whoever went on with a chain that has gone on elsewhere would fork it.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, bail, ensure};
use aws_lc_rs::digest;
use domain::{Clock as _, limits};
use ledger::private;
use ledger::verify::{Trust, verify_folder};
use secrecy::{ExposeSecret as _, SecretString};
use store::secrets::SealingKey;
use store::whole::{Ended, Loading};

use super::files::{Checked, NewFile, read_bounded, sync_above, sync_folders};
use super::manifest::{KEY, Manifest, PUBLIC_KEYS, SEAL, chain_path, table_path};
use super::progress::Progress;
use super::{BEFORE, Restore, SEALED_AS, rows, since};
use crate::config::Config;
use crate::system::{SystemClock, SystemIds, complain, say};
use crate::wiring::{self, Closed, UNFINISHED};

/// Rows that are read before they are put into the database.
const ROWS_AT_ONCE: usize = 64;
/// More than any seal or key's text.
const SMALL_BYTES_MAX: u64 = 4 * 1024;

/// Checks a backup and, unless only that was asked for, puts it back.
pub(super) async fn restore(what: &Restore, config: &Config) -> anyhow::Result<()> {
    let mut progress = Progress::new();
    let (manifest, bytes) = Manifest::read(&what.from)?;
    let key = if what.new_keys {
        None
    } else {
        Some(key(what, config)?)
    };
    if let Some((key, _)) = &key {
        check_seal(&what.from, &bytes, key)?;
    }
    manifest.check_folder(&what.from)?;
    for file in &manifest.files {
        Checked::open(&what.from, file)?.finish()?;
        progress.at("checked", file.bytes, "bytes");
    }
    let records = check_ledger(what, &manifest)?;
    say(&format!(
        "the backup of {} is whole: {} files, {} tables, {records} records of {} chains",
        manifest.made,
        manifest.files.len(),
        manifest.tables.len(),
        manifest.chains.len(),
    ));
    if what.check {
        return Ok(());
    }
    let kept = key.and_then(|(_, kept)| kept);
    if kept.is_some() {
        complain(
            "The sealing key was taken from the backup itself: its seal shows that nothing is damaged, and not who made it. Put back only what came from a place that others cannot write to.",
        );
    }
    put_back(what, config, &manifest, kept, &mut progress).await
}

/// The key that seals, and its text when it is in the backup alone.
fn key(what: &Restore, config: &Config) -> anyhow::Result<(SealingKey, Option<SecretString>)> {
    let kept = what.from.join(KEY);
    let is_absent = match wiring::key_file(config)? {
        Some(path) => !path.exists(),
        None => false,
    };
    if is_absent && kept.exists() {
        let text = String::from_utf8(read_bounded(&kept, SMALL_BYTES_MAX)?)?;
        let text = SecretString::from(text);
        let key =
            wiring::parse_key(&text).with_context(|| format!("{KEY} in the backup is no key"))?;
        return Ok((key, Some(text)));
    }
    let key = wiring::sealing_key_there(config).context(
        "the key that the store's secrets were sealed with is needed: put it in its place, or say --new-keys when it is lost",
    )?;
    Ok((key, None))
}

/// Whether somebody who has the key made this manifest.
fn check_seal(from: &Path, manifest: &[u8], key: &SealingKey) -> anyhow::Result<()> {
    let seal = read_bounded(&from.join(SEAL), SMALL_BYTES_MAX)
        .with_context(|| format!("{SEAL} cannot be read"))?;
    let sealed = key.open(SEALED_AS, &seal).context(
        "the backup was not sealed with the key that is here: it is another installation's, or damaged, or the key is not the one of then",
    )?;
    let hash = digest::digest(&digest::SHA256, manifest);
    ensure!(
        sealed == hash.as_ref(),
        "the manifest is not what the backup wrote: it has been damaged or altered"
    );
    Ok(())
}

/// Verifies every chain as it is in the backup; returns how many records there are.
fn check_ledger(what: &Restore, manifest: &Manifest) -> anyhow::Result<u64> {
    let keys = fs::read_to_string(what.from.join(PUBLIC_KEYS)).unwrap_or_default();
    let mut records = 0;
    for entry in &manifest.chains {
        let mut trust = Trust::none();
        for key in keys.split_whitespace() {
            trust.add_key(
                key.parse()
                    .with_context(|| format!("{PUBLIC_KEYS} holds what is no key"))?,
            );
        }
        let folder = what.from.join(chain_path(&entry.chain));
        let report = verify_folder(&folder, trust)
            .with_context(|| format!("the chain {} cannot be read", entry.chain))?;
        if !report.is_clean() {
            complain(report.to_string().trim_end());
            ensure!(
                what.accept_damage,
                "the ledger was damaged when the backup was taken; --accept-damage puts it back as it was"
            );
        }
        let is_it = |chain: &&ledger::verify::ChainReport| {
            chain.chain == entry.chain.as_str()
                && (chain.last, chain.hash) == (entry.last, entry.hash)
        };
        ensure!(
            report.chains.iter().any(|chain| is_it(&chain)) || what.accept_damage,
            "the chain {} does not end where the backup says",
            entry.chain
        );
        records += report.lines;
    }
    Ok(records)
}

async fn put_back(
    what: &Restore,
    config: &Config,
    manifest: &Manifest,
    kept: Option<SecretString>,
    progress: &mut Progress,
) -> anyhow::Result<()> {
    let dir = &config.ledger.dir;
    wiring::refuse_unfinished(config)?;
    if what.keep_ledger {
        since::check(dir, manifest)?;
    } else {
        ensure_empty(dir)?;
    }
    let loading = Loading::begin(config.store.url.expose_secret(), manifest.schema)
        .await
        .context("the store cannot be filled")?;
    let filled = fill(what, dir, manifest, loading, progress).await;
    let ended = match filled {
        Ok(ended) => ended,
        Err(Unfilled::Untouched(error)) => {
            // nothing was committed: the place is as it was
            undo_files(dir, what.keep_ledger);
            return Err(error);
        }
        Err(Unfilled::Uncertain(error)) => return Err(error),
    };
    let finish = async {
        if let Some(text) = kept {
            wiring::write_sealing_key(config, &text)?;
        }
        let closed = if what.keep_ledger {
            Vec::new()
        } else {
            closed(dir, manifest)
        };
        let gone_on = wiring::go_on_after(
            &closed,
            config,
            &manifest.made,
            Arc::new(SystemClock),
            &SystemIds,
        )
        .await?;
        fs::remove_file(dir.join(UNFINISHED))?;
        sync_folders(dir)?;
        anyhow::Ok(gone_on)
    };
    let gone_on = finish.await.context(
        "the rows and files are back, but the last steps failed; empty what was empty before and restore again",
    )?;
    told(what, dir, manifest, &ended, &gone_on);
    if what.keep_ledger {
        told_since(dir, manifest)?;
    }
    Ok(())
}

fn ensure_empty(dir: &Path) -> anyhow::Result<()> {
    let is_empty = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => true,
        entries => entries
            .with_context(|| format!("{} cannot be read", dir.display()))?
            .next()
            .is_none(),
    };
    ensure!(
        is_empty,
        "the ledger's folder {} is not empty; a backup is put back into an empty place only (--keep-ledger when the database alone is lost)",
        dir.display()
    );
    Ok(())
}

/// Takes away what a failed attempt left. The mark goes last; what cannot be removed keeps it company.
fn undo_files(dir: &Path, keep_ledger: bool) {
    let ours: &[&str] = if keep_ledger {
        &[UNFINISHED]
    } else {
        &[BEFORE, PUBLIC_KEYS, UNFINISHED]
    };
    for name in ours {
        let path = dir.join(name);
        let gone = if path.is_dir() {
            fs::remove_dir_all(&path)
        } else {
            fs::remove_file(&path)
        };
        if gone.is_err_and(|error| error.kind() != io::ErrorKind::NotFound) {
            return;
        }
    }
}

/// Why the rows are not, or may not be, back.
enum Unfilled {
    /// Nothing was committed.
    Untouched(anyhow::Error),
    /// The commit's answer was lost: the mark stays, and whoever looks decides.
    Uncertain(anyhow::Error),
}

struct Back {
    rows: u64,
    ended: Ended,
    keys: (u64, u64),
    secrets: u64,
}

async fn fill(
    what: &Restore,
    dir: &Path,
    manifest: &Manifest,
    mut loading: Loading,
    progress: &mut Progress,
) -> Result<Back, Unfilled> {
    let filled = async {
        private::create_folder(dir).with_context(|| format!("{} cannot be made", dir.display()))?;
        let mark = NewFile::make(dir, UNFINISHED)?;
        mark.finish()?;
        sync_folders(dir)?;
        sync_above(dir)?;
        let mut back = Back {
            rows: 0,
            ended: Ended::default(),
            keys: (0, 0),
            secrets: 0,
        };
        for table in &manifest.tables {
            back.rows += load(
                what,
                manifest,
                &table.name,
                table.rows,
                &mut loading,
                progress,
            )
            .await?;
        }
        let files = manifest.files.iter().filter(|_| !what.keep_ledger);
        for file in files {
            if let Some(path) = place(&file.path) {
                let mut from = Checked::open(&what.from, file)?;
                let mut to = NewFile::make(dir, &path)?;
                to.fill(&mut from)?;
                to.finish()?;
                from.finish()?;
            }
        }
        sync_folders(dir)?;
        let now = SystemClock.now();
        let why = format!("restored from the backup of {}", manifest.made);
        back.ended = loading.end_sign_ins(now, &why).await?;
        loading.forget_claims().await?;
        if what.end_keys {
            back.keys = loading.end_keys(now).await?;
        }
        if what.new_keys {
            back.secrets = loading.forget_secrets().await?;
        }
        anyhow::Ok(back)
    };
    match filled.await {
        Ok(back) => match loading.commit().await {
            Ok(()) => Ok(back),
            Err(error) => {
                let is_certain = error.nothing_written();
                let error = anyhow::Error::from(error).context("the rows cannot be committed");
                Err(if is_certain {
                    Unfilled::Untouched(error)
                } else {
                    Unfilled::Uncertain(error)
                })
            }
        },
        Err(error) => {
            loading.undo().await;
            Err(Unfilled::Untouched(error))
        }
    }
}

/// Where a file of the backup goes below the ledger's folder; none for rows.
fn place(path: &str) -> Option<String> {
    if path == PUBLIC_KEYS {
        return Some(path.to_owned());
    }
    path.strip_prefix("ledger/")
        .map(|rest| format!("{BEFORE}/{rest}"))
}

async fn load(
    what: &Restore,
    manifest: &Manifest,
    table: &str,
    expected: u64,
    loading: &mut Loading,
    progress: &mut Progress,
) -> anyhow::Result<u64> {
    let path = table_path(table);
    let entry = manifest.file(&path).context("the manifest was checked")?;
    let mut file = Checked::open(&what.from, entry)?;
    let mut buffer = Vec::new();
    let max = limits::BACKUP_ROW_BYTES_MAX;
    let columns = rows::read_head(table, file.line(max, &mut buffer)?)
        .with_context(|| format!("{path} cannot be used"))?;
    let (mut batch, mut count) = (Vec::new(), 0);
    loop {
        let line = file.line(max, &mut buffer)?;
        let is_end = line.is_empty();
        if !is_end {
            let row = rows::read_row(line, &columns);
            batch.push(row.with_context(|| format!("{path}, row {}", count + 1))?);
            count += 1;
        }
        if batch.len() == ROWS_AT_ONCE || is_end {
            loading.put(table, &columns, &batch).await?;
            batch.clear();
            progress.at(table, count, "rows");
        }
        if is_end {
            break;
        }
    }
    file.finish()?;
    if count != expected {
        bail!("{path} holds {count} rows and the manifest says {expected}");
    }
    Ok(count)
}

fn closed(dir: &Path, manifest: &Manifest) -> Vec<Closed> {
    let closed = |entry: &super::manifest::ChainEntry| Closed {
        folder: dir.join(BEFORE).join(entry.chain.as_str()),
        chain: entry.chain.clone(),
        last: entry.last,
        hash: entry.hash,
        open: entry.open,
    };
    manifest.chains.iter().map(closed).collect()
}

fn told(what: &Restore, dir: &Path, manifest: &Manifest, back: &Back, gone_on: &wiring::GoneOn) {
    say(&format!(
        "{} rows are back, as they were at {}",
        back.rows, manifest.made
    ));
    let closed = manifest.chains.iter().filter(|_| !what.keep_ledger);
    for entry in closed {
        say(&format!(
            "  chain {}: records {} to {} verified, in {}",
            entry.chain,
            entry.first,
            entry.last,
            dir.join(BEFORE).join(entry.chain.as_str()).display()
        ));
    }
    let goes_on = if what.keep_ledger {
        "the ledger goes on with its chain"
    } else {
        "the ledger goes on with a new chain, whose first records say what it follows,"
    };
    say(&format!(
        "{goes_on} {}; {} calls had no end and count as spent",
        gone_on.chain, gone_on.lost
    ));
    say(&format!(
        "nobody is signed in any more: {} sessions, {} refresh tokens, {} personal tokens and {} sign-ins under way have ended",
        back.ended.sessions,
        back.ended.refresh_tokens,
        back.ended.personal_tokens,
        back.ended.sign_ins
    ));
    if what.new_keys {
        complain(&format!(
            "{} sealed secrets are gone and new keys are made: checkpoints have a new key, and fingerprints of findings cannot be compared with those before. The backup's seal was not checked.",
            back.secrets
        ));
    }
    if what.end_keys {
        let (services, directories) = back.keys;
        say(&format!(
            "{services} service keys and {directories} tokens of directories have ended; each machine and each directory needs a new one"
        ));
    } else {
        complain(
            "Service keys and tokens of directories open as they did then: revoke those again that were revoked since (doorward service-key list, doorward scim-token list).",
        );
    }
    if !what.keep_ledger {
        complain(&format!(
            "What happened after {} is not known here: people disabled, roles and limits changed, policies applied, money spent. Have the directory synchronise, look at `doorward policy export`, and only then start the server.",
            manifest.made
        ));
    }
}

/// What the ledger knows and the rows do not.
fn told_since(dir: &Path, manifest: &Manifest) -> anyhow::Result<()> {
    let (since, list) = since::changes(dir, manifest)?;
    if since.is_empty() {
        say(
            "the ledger knows of no change since the backup; what was spent since is counted again",
        );
        return Ok(());
    }
    complain(
        "The ledger knows of these changes since the backup, which are not in the rows; make them again before you start the server. What was spent since is counted again.",
    );
    for line in since.lines() {
        say(&format!("  {line}"));
    }
    say(&format!(
        "All of them, in the order in which they were made: {}",
        list.display()
    ));
    Ok(())
}
