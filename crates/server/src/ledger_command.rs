//! `doorward ledger verify`: the offline check.

use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;
use ledger::PublicKey;
use ledger::verify::{Trust, verify, verify_folder};

use crate::system::{complain, say};

/// What to do with a ledger.
#[derive(Debug, Subcommand)]
pub enum LedgerCommand {
    /// Check that no record was altered, removed, added or moved. Exit code 1 and the place when one was
    #[command(
        after_help = "Examples:\n  doorward ledger verify /var/lib/doorward/ledger\n  doorward ledger verify export.ndjson --key \"$(cat ledger.pub)\""
    )]
    Verify {
        /// A ledger's folder, or an exported NDJSON file
        path: PathBuf,
        /// The public key that checkpoints must be signed with (the text of `ledger.pub`)
        #[arg(long)]
        key: Option<PublicKey>,
        /// The file is an export that leaves records out
        #[arg(long)]
        excerpt: bool,
        /// Print the report as JSON
        #[arg(long)]
        json: bool,
    },
}

/// Does it.
pub fn run(command: LedgerCommand) -> ExitCode {
    let LedgerCommand::Verify {
        path,
        key,
        excerpt,
        json,
    } = command;
    let mut trust = Trust::none();
    if let Some(key) = key {
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
