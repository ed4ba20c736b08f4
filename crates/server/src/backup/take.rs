//! Takes a backup beside a running server: first every row as it is at one moment, then the ledger up to the end it has right
//! after that moment. So what the rows say was changed is in the ledger, and nothing is stopped or locked for it.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use aws_lc_rs::digest;
use domain::{Clock, Ids, limits};
use ledger::copy::{self, Standing};
use secrecy::ExposeSecret as _;
use store::Engine;
use store::whole::{Snapshot, Value};

use super::files::Partial;
use super::manifest::{
    ChainEntry, FileEntry, KEY, MANIFEST, Manifest, PUBLIC_KEYS, SEAL, TableEntry, chain_path,
    table_path,
};
use super::progress::Progress;
use super::{SEALED_AS, rows};
use crate::config::Config;
use crate::wiring;

/// A chain's folder, and where it stands.
struct Spool {
    folder: PathBuf,
    standing: Standing,
    open: bool,
}

/// What a backup holds.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) manifest: Manifest,
    /// Chains whose records are in the store and whose own files are not here.
    pub(super) elsewhere: Vec<String>,
}

/// Takes one. Nothing is left of one that fails.
pub(super) async fn take(
    config: &Config,
    out: &Path,
    with_key: bool,
    clock: &dyn Clock,
    ids: &dyn Ids,
) -> anyhow::Result<Taken> {
    let seal = wiring::sealing_key_there(config)
        .context("the key that seals the store's secrets is not here, and without it the backup could not be told from a forged one")?;
    let partial = Partial::begin(out)?;
    let taken = async {
        let taken = fill(config, &partial, clock).await?;
        let manifest = serde_json::to_vec_pretty(&taken.manifest)?;
        let hash = digest::digest(&digest::SHA256, &manifest);
        write(&partial, MANIFEST, &manifest)?;
        write(&partial, SEAL, &seal.seal(SEALED_AS, hash.as_ref(), ids))?;
        if with_key {
            let key = wiring::sealing_key_text(config)?;
            write(&partial, KEY, key.expose_secret().as_bytes())?;
        }
        anyhow::Ok(taken)
    };
    match taken.await {
        Ok(taken) => {
            partial.finish()?;
            Ok(taken)
        }
        Err(error) => {
            partial.discard();
            Err(error)
        }
    }
}

fn write(out: &Partial, path: &str, bytes: &[u8]) -> anyhow::Result<FileEntry> {
    let mut file = out.file(path)?;
    file.fill(bytes)?;
    file.finish()
}

async fn fill(config: &Config, out: &Partial, clock: &dyn Clock) -> anyhow::Result<Taken> {
    let mut progress = Progress::new();
    let url = config.store.url.expose_secret();
    let mut snapshot = Snapshot::take(url)
        .await
        .context("the store cannot be read")?;
    ensure!(
        snapshot.schema().found > 0,
        "no Doorward has started on this store yet; there is nothing to keep"
    );
    let engine = match snapshot.engine() {
        Engine::Sqlite => "sqlite",
        Engine::Postgres => "postgres",
    };
    let mut manifest = Manifest::new(clock.now().to_string(), engine, snapshot.schema().found);
    let spools = standing(&config.ledger.dir).await?;
    let chains = tables(&mut snapshot, out, &mut manifest, &mut progress).await?;
    snapshot.close().await;
    for spool in &spools {
        copy_spool(spool, out, &mut manifest, &mut progress)?;
    }
    let public = config.ledger.dir.join(PUBLIC_KEYS);
    if public.exists() {
        let keys = std::fs::read(&public)
            .with_context(|| format!("{} cannot be read", public.display()))?;
        manifest.files.push(write(out, PUBLIC_KEYS, &keys)?);
    }
    let here = |chain: &String| {
        spools
            .iter()
            .any(|spool| spool.standing.chain.as_str() == chain)
    };
    let elsewhere = chains.into_iter().filter(|chain| !here(chain)).collect();
    Ok(Taken {
        manifest,
        elsewhere,
    })
}

/// Writes every table; returns the chains that the store has records of.
async fn tables(
    snapshot: &mut Snapshot,
    out: &Partial,
    manifest: &mut Manifest,
    progress: &mut Progress,
) -> anyhow::Result<Vec<String>> {
    let mut chains = Vec::new();
    for (index, table) in snapshot.tables().to_vec().into_iter().enumerate() {
        let path = table_path(&table.name);
        let mut file = out.file(&path)?;
        let failed = || format!("{path} cannot be written");
        rows::write_head(&table, &mut file).with_context(failed)?;
        let chain_at = (table.name == "ledger_cursors")
            .then(|| {
                table
                    .columns
                    .iter()
                    .position(|column| column.name == "chain")
            })
            .flatten();
        let mut reading = snapshot.read(index).await?;
        let mut written = 0;
        loop {
            let more = reading
                .next()
                .await
                .with_context(|| format!("`{}` cannot be read", table.name))?;
            if more.is_empty() {
                break;
            }
            for row in &more {
                rows::write_row(row, &mut file).with_context(failed)?;
                if let Some(Value::Text(chain)) = chain_at.and_then(|at| row.get(at)) {
                    chains.push(chain.clone());
                }
                written += 1;
            }
            progress.at(&table.name, written, "rows");
        }
        manifest.files.push(file.finish()?);
        manifest.tables.push(TableEntry {
            name: table.name,
            rows: written,
        });
    }
    Ok(chains)
}

/// Where every chain of a ledger's folder stands, once what is seen of it is known to be on the disk.
async fn standing(dir: &Path) -> anyhow::Result<Vec<Spool>> {
    let mut spools = Vec::new();
    for (folder, open) in super::spools(dir)? {
        let standing = copy::standing(&folder)
            .with_context(|| format!("the ledger in {} cannot be read", folder.display()))?;
        spools.extend(standing.map(|standing| Spool {
            folder,
            standing,
            open,
        }));
    }
    // A line can be read before it is durable. A running ledger signs what is durable within moments; one that does not run has
    // nothing on its way.
    let patience = Duration::from_millis(3 * limits::LEDGER_CHECKPOINT_MS);
    let signed = async {
        for spool in spools.iter().filter(|spool| spool.open) {
            // the last record may be the checkpoint itself
            while copy::signed_to(&spool.folder)? + 1 < spool.standing.position.seq {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        std::io::Result::Ok(())
    };
    if let Ok(done) = tokio::time::timeout(patience, signed).await {
        done.context("the ledger's checkpoints cannot be read")?;
    }
    Ok(spools)
}

fn copy_spool(
    spool: &Spool,
    out: &Partial,
    manifest: &mut Manifest,
    progress: &mut Progress,
) -> anyhow::Result<()> {
    let (folder, standing) = (&spool.folder, &spool.standing);
    let above = chain_path(&standing.chain);
    let read = || format!("the ledger in {} cannot be read", folder.display());
    let mut bytes = 0;
    for part in copy::parts(folder, standing).with_context(read)? {
        let mut file = out.file(&format!("{above}/{}", part.name))?;
        let from = File::open(folder.join(&part.name)).with_context(read)?;
        let wanted = part.bytes.unwrap_or(u64::MAX);
        let copied = file.fill(from.take(wanted))?;
        ensure!(
            part.bytes.is_none_or(|wanted| copied == wanted),
            "{} became shorter while it was copied",
            part.name
        );
        bytes += copied;
        manifest.files.push(file.finish()?);
        progress.at(standing.chain.as_str(), bytes, "bytes");
    }
    let mut list = out.file(&format!("{above}/{}", copy::LIST))?;
    copy::checkpoints(folder, standing, &mut list).with_context(read)?;
    list.flush()
        .with_context(|| format!("{} cannot be written", copy::LIST))?;
    manifest.files.push(list.finish()?);
    manifest.chains.push(ChainEntry {
        chain: standing.chain.clone(),
        first: standing.first,
        last: standing.position.seq,
        hash: standing.hash,
        open: spool.open,
    });
    Ok(())
}
