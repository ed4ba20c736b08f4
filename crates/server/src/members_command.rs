//! `doorward members …`: a workspace's member list against the directory. A face of `control::members`. Called by `commands`.

use std::fmt::Write as _;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use control::Operation;
use control::members::{self, Columns, Compared, Expected, Given, write};
use domain::limits;
use serde_json::json;

use crate::commands::administer;
use crate::system::say;

/// What to do with member lists.
#[derive(Debug, Args)]
pub struct MembersCommand {
    /// The configuration
    #[arg(long, default_value = "doorward.toml", global = true)]
    config: PathBuf,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Compare a workspace's member list with the directory; ends with 1 when they do not agree
    #[command(
        after_help = "Example:\n  doorward members check members.csv --map email='E-mail' --map role=Role \\\n    --domain northwind.example --role owner=it-leads\n\nA list with one bad row is not taken at all. Leavers who are gone from it are noted as removed, and those still in it the day after are escalated; --look-only does neither. The result is recorded, and kept as the last one."
    )]
    Check {
        /// The list, CSV with a header
        file: PathBuf,
        /// Which column is which: email=…, and name=…, role=…, status=… where there are any
        #[arg(long, value_parser = pair, required = true)]
        map: Vec<(String, String)>,
        /// The organisation's own domains; addresses of others are guests
        #[arg(long, value_delimiter = ',')]
        domain: Vec<String>,
        /// Which group has which role in the workspace, the higher role first: owner=it-leads
        #[arg(long, value_parser = pair)]
        role: Vec<(String, String)>,
        /// Write the findings there as CSV
        #[arg(long)]
        out: Option<PathBuf>,
        /// Print them as JSON
        #[arg(long)]
        json: bool,
        /// Compare, and change no task
        #[arg(long)]
        look_only: bool,
    },
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (word, rest) = text.split_once('=').ok_or("is word=value")?;
    Ok((word.trim().to_owned(), rest.trim().to_owned()))
}

/// Does it.
pub async fn run(command: MembersCommand) -> ExitCode {
    administer(&command.config, async move |operation, _| {
        act(command.what, operation).await
    })
    .await
}

async fn act(what: What, operation: &Operation<'_>) -> anyhow::Result<ExitCode> {
    let What::Check {
        file,
        map,
        domain,
        role,
        out,
        json,
        look_only,
    } = what;
    let columns = Columns::from_pairs(&map)?;
    let bytes = bounded(&file, limits::MEMBER_LIST_BYTES_MAX)?;
    let list = members::read::read(&bytes, &columns)
        .with_context(|| format!("{} was not taken", file.display()))?;
    let expected = Expected {
        domains: domain.iter().map(|domain| domain.to_lowercase()).collect(),
        roles: role,
    };
    let people = members::everyone(operation).await?;
    let compared = members::compare(&list, &people, &expected);
    let name = file
        .file_name()
        .map(|name| name.to_string_lossy().into_owned());
    let given = Given {
        source: &name.unwrap_or_default(),
        hash: &fingerprint(&bytes),
        look_only,
    };
    let checked = members::check(operation, &list, &compared, given).await?;
    let done = checked.result.done;
    if let Some(out) = out {
        ledger::private::write(&out, write::as_csv(&compared.findings).as_bytes())
            .with_context(|| format!("{} cannot be written", out.display()))?;
    }
    if json {
        let all = json!({ "compared": &compared, "done": &done });
        say(&serde_json::to_string_pretty(&all)?);
    } else {
        say(&told(&compared, &done));
    }
    let agrees = compared.findings.is_empty();
    Ok(ExitCode::from(u8::from(!agrees)))
}

fn told(compared: &Compared, done: &members::Done) -> String {
    let mut text = format!(
        "{} people in the list, {} in the directory, {} findings",
        compared.listed,
        compared.present,
        compared.findings.len()
    );
    if !compared.domains_known {
        text.push_str("; guests were not looked for (--domain)");
    }
    if !compared.roles_compared {
        text.push_str("; roles were not compared (--map role=…, --role …)");
    }
    for row in write::rows(&compared.findings).lines() {
        let _ = write!(text, "\n  {row}");
    }
    for email in &done.removed {
        let _ = write!(text, "\nremoved from the workspace, and so noted: {email}");
    }
    for email in &done.escalated {
        let _ = write!(text, "\nESCALATED, still in the list: {email}");
    }
    text
}

/// A file that is no larger than it may be.
pub(crate) fn bounded(path: &Path, most: usize) -> anyhow::Result<Vec<u8>> {
    let file = std::fs::File::open(path);
    let file = file.with_context(|| format!("{} cannot be read", path.display()))?;
    let more = u64::try_from(most + 1).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    file.take(more)
        .read_to_end(&mut bytes)
        .with_context(|| format!("{} cannot be read", path.display()))?;
    anyhow::ensure!(
        bytes.len() <= most,
        "{} is larger than {} MiB",
        path.display(),
        most >> 20
    );
    Ok(bytes)
}

/// What tells a file's bytes from others.
pub(crate) fn fingerprint(bytes: &[u8]) -> String {
    domain::opaque::hex(&domain::opaque::sha256(bytes))
}
