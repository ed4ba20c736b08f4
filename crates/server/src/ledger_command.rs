//! `doorward ledger …`: the offline check, and the copy that somebody else can check. Both read files alone: they take no lock,
//! ask no store and may run beside a server that writes.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, ensure};
use clap::{Args, Subcommand};
use domain::Timestamp;
use ledger::export::{Exported, Range, export};
use ledger::read::Reader;
use ledger::verify::{Trust, verify, verify_folder};
use ledger::{Position, PublicKey};

use crate::commands::bad_config;
use crate::config;
use crate::system::{chain, complain, say};

/// What to do with a ledger.
#[derive(Debug, Subcommand)]
pub enum LedgerCommand {
    /// Check that no record was altered, removed, added or moved. Exit code 1 and the place when one was
    #[command(
        after_help = "Examples:\n  doorward ledger verify /var/lib/doorward/ledger\n  doorward ledger verify export.ndjson --key \"$(cat ledger.pub)\""
    )]
    Verify(Verify),
    /// Copy the records, or those of a time, as NDJSON that `ledger verify` can check
    #[command(
        after_help = "Examples:\n  doorward ledger export --out all.ndjson\n  doorward ledger export --since 2026-11-01T00:00:00Z \\\n    --until 2026-12-01T00:00:00Z --out november.ndjson\n  doorward ledger verify november.ndjson --excerpt \\\n    --key \"$(cat /var/lib/doorward/ledger/ledger.pub)\"\n\nThe server's chain comes first, then the command line's, then those that were put back from a backup. What a time leaves out is bridged by lines that say how many records are missing and carry the chain across; `verify` believes them only with --excerpt."
    )]
    Export(Export),
}

/// What to check, and what to believe.
#[derive(Debug, Args)]
pub struct Verify {
    /// A ledger's folder, or an exported NDJSON file
    path: PathBuf,
    /// The public keys that checkpoints must be signed with (the text of `ledger.pub`); the first is enough to follow every change
    #[arg(long, value_parser = public_keys)]
    key: Option<PublicKeys>,
    /// The file is an export that leaves records out
    #[arg(long)]
    excerpt: bool,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

/// The keys of `ledger.pub`.
#[derive(Debug, Clone)]
struct PublicKeys(Vec<PublicKey>);

fn public_keys(text: &str) -> Result<PublicKeys, String> {
    let keys: Result<Vec<PublicKey>, _> = text.split_whitespace().map(str::parse).collect();
    match keys {
        Ok(keys) if !keys.is_empty() => Ok(PublicKeys(keys)),
        Ok(_) => Err("there is no key in it".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// What to copy, and where to.
#[derive(Debug, Args)]
pub struct Export {
    /// The configuration
    #[arg(long, default_value = "doorward.toml")]
    config: PathBuf,
    /// Only records from this moment on, RFC 3339
    #[arg(long, value_name = "MOMENT")]
    since: Option<Timestamp>,
    /// Only records before this moment, RFC 3339
    #[arg(long, value_name = "MOMENT")]
    until: Option<Timestamp>,
    /// A new file to write to; standard output when left out
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Does it.
pub fn run(command: LedgerCommand) -> ExitCode {
    match command {
        LedgerCommand::Verify(what) => check(what),
        LedgerCommand::Export(what) => {
            let config = match config::load(&what.config) {
                Ok(config) => config,
                Err(mistakes) => return bad_config(&mistakes),
            };
            match copy(&what, &config.ledger.dir) {
                Ok(exported) => {
                    complain(&told(&what, exported));
                    ExitCode::SUCCESS
                }
                Err(error) => {
                    complain(&format!("doorward: {}", chain(error.as_ref())));
                    ExitCode::from(1)
                }
            }
        }
    }
}

fn check(what: Verify) -> ExitCode {
    let Verify {
        path,
        key,
        excerpt,
        json,
    } = what;
    let mut trust = Trust::none();
    for key in key.into_iter().flat_map(|keys| keys.0) {
        trust.add_key(key);
    }
    if excerpt {
        trust.expect_excerpt();
    }
    let name = path.display().to_string();
    let report = if path.is_dir() {
        verify_folder(&path, trust)
    } else {
        File::open(&path).and_then(|file| verify(&name, BufReader::new(file), trust))
    };
    match report {
        Ok(report) => {
            let text = if json {
                serde_json::to_string_pretty(&report).unwrap_or_default()
            } else {
                report.to_string()
            };
            say(text.trim_end());
            // a wrong path must not pass for a ledger that holds
            ExitCode::from(u8::from(!report.is_clean() || report.lines == 0))
        }
        Err(error) => {
            complain(&format!("{name} cannot be read: {error}"));
            ExitCode::from(1)
        }
    }
}

/// Writes the chains of a ledger's folder, the server's own first.
fn copy(what: &Export, dir: &Path) -> anyhow::Result<Exported> {
    let ordered = match (what.since, what.until) {
        (Some(since), Some(until)) => since < until,
        _ => true,
    };
    ensure!(ordered, "--since must lie before --until");
    let Some(file) = &what.out else {
        return chains(what, dir, &mut BufWriter::new(io::stdout().lock()));
    };
    ensure!(
        !file.exists(),
        "{} is there already; name a new file",
        file.display()
    );
    // Under its own name only when it is whole: half an export must not pass for one.
    let partial = file.with_extension("partial");
    let written = private(&partial)
        .with_context(|| format!("{} cannot be made", partial.display()))
        .and_then(|new| {
            let mut out = BufWriter::new(new);
            let exported = chains(what, dir, &mut out)?;
            out.into_inner()
                .map_err(io::IntoInnerError::into_error)?
                .sync_all()?;
            std::fs::rename(&partial, file)?;
            Ok(exported)
        });
    if written.is_err() {
        // Nothing of it is of use.
        let _ = std::fs::remove_file(&partial);
    }
    written
}

/// A new file that only we can read: records name people.
fn private(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
}

fn chains(what: &Export, dir: &Path, out: &mut impl Write) -> anyhow::Result<Exported> {
    let range = Range {
        from: what.since,
        to: what.until,
        kinds: None,
    };
    let mut all = Exported::default();
    let folders =
        crate::backup::spools(dir).with_context(|| format!("{} cannot be read", dir.display()))?;
    for (folder, _) in folders {
        let reader = Reader::from(&folder, Position::default());
        if folder.is_dir() {
            let exported = export(reader, &range, out).with_context(|| {
                format!("the ledger in {} cannot be exported", folder.display())
            })?;
            all.records += exported.records;
            all.omitted += exported.omitted;
        }
    }
    ensure!(all.records > 0, "{} holds no ledger", dir.display());
    Ok(all)
}

/// What was written, and how whoever gets it checks it.
fn told(what: &Export, exported: Exported) -> String {
    let file = what
        .out
        .as_ref()
        .map_or("FILE".to_owned(), |file| file.display().to_string());
    let excerpt = if what.since.is_some() || what.until.is_some() {
        " --excerpt"
    } else {
        ""
    };
    format!(
        "{} records written, {} left out between them; check: doorward ledger verify {file}{excerpt} --key \"$(cat ledger.pub)\"",
        exported.records, exported.omitted
    )
}
