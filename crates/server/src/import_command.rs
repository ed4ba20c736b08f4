//! `doorward import`: reads another gateway's configuration and writes ours. Called by [`crate::commands`].

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Subcommand;

use crate::commands::bad_config;
use crate::import::{self, Imported};
use crate::system::{chain, complain, say};

/// `doorward import …`
#[derive(Debug, Subcommand)]
pub enum ImportCommand {
    /// Turn the gateway.yaml of a Claude apps gateway into a doorward.toml and a policy.toml
    #[command(
        after_help = "What cannot be carried is named on standard error: line, key, why, and what to do instead. A rule that cannot be carried makes the result stricter, never looser; such parts are written as comments, \"Held back\", for you to decide. Secrets become references; one that stands in the file is never repeated.\n\nExit codes: 0 everything carried, 1 something was not (both texts are written all the same), 64 no readable YAML.\n\nThen:\n  doorward check-config --config doorward.toml\n  doorward policy plan policy.toml\n  doorward policy apply policy.toml --reason \"from the Claude apps gateway\""
    )]
    ClaudeGateway {
        /// The gateway.yaml
        file: PathBuf,
        /// Write doorward.toml and policy.toml into this folder instead of printing them; files that exist are not overwritten
        #[arg(long)]
        out: Option<PathBuf>,
    },
}

/// Does it.
pub fn run(command: ImportCommand) -> ExitCode {
    let ImportCommand::ClaudeGateway { file, out } = command;
    let text = match read(&file) {
        Ok(text) => text,
        Err(error) => return bad_config(&[chain(error.as_ref())]),
    };
    let imported = match import::claude_gateway(&text) {
        Ok(imported) => imported,
        Err(error) => return bad_config(&[format!("{}: {error}", file.display())]),
    };
    for note in &imported.notes {
        complain(&format!("{}: {note}", file.display()));
    }
    if let Err(error) = deliver(&imported, out.as_deref()) {
        complain(&format!("doorward: {}", chain(error.as_ref())));
        return ExitCode::from(1);
    }
    let lost = imported
        .notes
        .iter()
        .filter(|note| note.kind.is_a_loss())
        .count();
    if imported.is_complete() {
        complain("everything was carried over");
        ExitCode::SUCCESS
    } else {
        complain(&format!(
            "{lost} times something was not carried over; each is named above"
        ));
        ExitCode::from(1)
    }
}

fn read(file: &Path) -> anyhow::Result<String> {
    let mut text = String::new();
    let most = domain::limits::IMPORT_BYTES_MAX as u64 + 1;
    std::fs::File::open(file)
        .and_then(|open| open.take(most).read_to_string(&mut text))
        .with_context(|| format!("{} cannot be read", file.display()))?;
    Ok(text)
}

fn deliver(imported: &Imported, out: Option<&Path>) -> anyhow::Result<()> {
    let Some(folder) = out else {
        say(&format!("# ===== doorward.toml =====\n{}", imported.config));
        say(&format!("# ===== policy.toml =====\n{}", imported.policy));
        return Ok(());
    };
    let files = [
        (folder.join("doorward.toml"), &imported.config),
        (folder.join("policy.toml"), &imported.policy),
    ];
    std::fs::create_dir_all(folder)
        .with_context(|| format!("{} cannot be made", folder.display()))?;
    for (path, _) in &files {
        anyhow::ensure!(
            std::fs::symlink_metadata(path).is_err(),
            "{} exists already, and nothing was written; name another folder with --out",
            path.display()
        );
    }
    for (path, text) in files {
        std::fs::File::create_new(&path)
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .with_context(|| format!("{} cannot be written", path.display()))?;
        complain(&format!("written: {}", path.display()));
    }
    Ok(())
}
