//! `doorward tasks …` and `doorward members …`: what is to be done for people who come and go, and a workspace's member list against
//! the directory. Faces of `control::tasks` and `control::members`. Called by `commands`.

use std::fmt::Write as _;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use control::members::{self, Columns, Compared, Expected, Given, write};
use control::tasks::{self, Closed, Evidence, Standing, Task, Wanted};
use control::{Actor, Operation};
use domain::{Clock as _, TaskId, Timestamp, limits};
use serde_json::json;

use crate::commands::bad_config;
use crate::config::{self, Config};
use crate::system::{SystemClock, SystemIds, chain, complain, say};
use crate::wiring;

/// What to do with tasks.
#[derive(Debug, Args)]
pub struct TasksCommand {
    /// The configuration
    #[arg(long, default_value = "doorward.toml", global = true)]
    config: PathBuf,
    #[command(subcommand)]
    what: Tasks,
}

#[derive(Debug, Subcommand)]
enum Tasks {
    /// List what is to be done, and until when
    List {
        /// Those that are done as well
        #[arg(long)]
        all: bool,
        /// Print them as JSON
        #[arg(long)]
        json: bool,
    },
    /// Say that a task is done
    #[command(
        after_help = "Examples:\n  doorward tasks done tsk_01kb… --evidence 'ticket 4711, screenshot attached' --file proof.png\n  doorward tasks done tsk_01kb… --not-needed --evidence 'had no projects'"
    )]
    Done {
        /// The task, as `list` names it
        task: TaskId,
        /// What proves it, in words
        #[arg(long)]
        evidence: String,
        /// A file whose fingerprint is kept with it; the file is not
        #[arg(long)]
        file: Option<PathBuf>,
        /// It does not apply, rather than being done
        #[arg(long)]
        not_needed: bool,
    },
    /// Open a leaver's tasks before their access ends
    Leaver {
        /// Their e-mail address, id or name
        who: String,
        /// When they leave: 2026-11-30T17:00:00Z
        #[arg(long)]
        at: Timestamp,
        /// Who says so
        #[arg(long)]
        source: String,
    },
}

/// What to do with member lists.
#[derive(Debug, Args)]
pub struct MembersCommand {
    /// The configuration
    #[arg(long, default_value = "doorward.toml", global = true)]
    config: PathBuf,
    #[command(subcommand)]
    what: Members,
}

#[derive(Debug, Subcommand)]
enum Members {
    /// Compare a workspace's member list with the directory; ends with 1 when they do not agree
    #[command(
        after_help = "Example:\n  doorward members check members.csv --map email='E-mail' --map role=Role --domain northwind.example --role owner=it-leads\n\nA list with one bad row is not taken at all. Leavers who are gone from it are noted as removed, and those still in it the day after are escalated; --look-only does neither. The result is recorded, and kept as the last one."
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

/// Does what is to be done with tasks.
pub async fn run_tasks(command: TasksCommand) -> ExitCode {
    let config = match config::load(&command.config) {
        Ok(config) => config,
        Err(mistakes) => return bad_config(&mistakes),
    };
    ended(act_on_tasks(command.what, &config).await)
}

/// Does what is to be done with member lists.
pub async fn run_members(command: MembersCommand) -> ExitCode {
    let config = match config::load(&command.config) {
        Ok(config) => config,
        Err(mistakes) => return bad_config(&mistakes),
    };
    ended(act_on_members(command.what, &config).await)
}

fn ended(result: anyhow::Result<ExitCode>) -> ExitCode {
    result.unwrap_or_else(|error| {
        complain(&format!("doorward: {}", chain(error.as_ref())));
        ExitCode::from(1)
    })
}

async fn act_on_tasks(what: Tasks, config: &Config) -> anyhow::Result<ExitCode> {
    let clock = SystemClock;
    let admin = wiring::admin(config, std::sync::Arc::new(clock), &SystemIds).await?;
    let actor = Actor::command_line("command line");
    let operation = admin.operation(&actor, &clock, &SystemIds);
    match what {
        Tasks::List { all, json } => {
            tasks::follow(&operation).await?;
            list(&operation, !all, json).await?;
        }
        Tasks::Done {
            task,
            evidence,
            file,
            not_needed,
        } => {
            let hash = match &file {
                Some(file) => Some(fingerprint(&bounded(file)?)),
                None => None,
            };
            let how = if not_needed {
                Closed::NotNeeded
            } else {
                Closed::Done
            };
            let (task, is_ours) = tasks::close(&operation, task, (how, &evidence), hash).await?;
            say(&line(&task, clock.now()));
            if !is_ours {
                complain("it was closed before, and stays as it was");
            }
        }
        Tasks::Leaver { who, at, source } => {
            match tasks::tell_leaver(&operation, &who, at, &source).await? {
                0 => say("their tasks are open already"),
                new => say(&format!(
                    "{new} tasks are open; `doorward tasks list` shows them"
                )),
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(operation: &Operation<'_>, open: bool, as_json: bool) -> anyhow::Result<()> {
    let wanted = Wanted {
        open,
        ..Wanted::default()
    };
    let (mut rows, mut after) = (Vec::new(), None);
    let now = operation.clock.now();
    let mut shown = 0;
    loop {
        let page = tasks::list(operation, &wanted, after, limits::STORE_PAGE_MAX).await?;
        for task in &page {
            shown += 1;
            if as_json {
                rows.push(as_value(task, now));
            } else {
                say(&line(task, now));
            }
        }
        match page.last() {
            Some(last) if page.len() == limits::STORE_PAGE_MAX as usize => after = Some(last.id),
            _ => break,
        }
    }
    if as_json {
        say(&serde_json::to_string_pretty(&rows)?);
    } else if shown == 0 {
        complain("there is nothing to do");
    }
    Ok(())
}

fn line(task: &Task, now: Timestamp) -> String {
    let due: String = task.due.to_string().chars().take(10).collect();
    let standing = match tasks::standing(task, now) {
        Standing::Open => format!("due {due}"),
        Standing::Overdue { days } => format!("OVERDUE since {due}, {days} days"),
        Standing::Done => "done".to_owned(),
        Standing::Late { days } => format!("done {days} days late"),
        Standing::NotNeeded => "not needed".to_owned(),
    };
    let mut text = format!(
        "{}  {}  {}  {standing}  {} ({})",
        task.id,
        task.label,
        task.kind,
        task.kind.title(),
        task.kind.control()
    );
    if let Some(at) = task.escalated_at {
        let _ = write!(text, "  ESCALATED {at}");
    }
    if let Some(evidence) = Evidence::of(task) {
        let _ = write!(text, "  [{} {}]", evidence.kind, evidence.source);
    }
    text
}

fn as_value(task: &Task, now: Timestamp) -> serde_json::Value {
    let (word, days) = match tasks::standing(task, now) {
        Standing::Open => ("open", 0),
        Standing::Overdue { days } => ("overdue", days),
        Standing::Done => ("done", 0),
        Standing::Late { days } => ("done_late", days),
        Standing::NotNeeded => ("not_needed", 0),
    };
    let text = |at: Option<Timestamp>| at.map(|at| at.to_string());
    json!({
        "id": task.id,
        "about": task.about,
        "label": task.label,
        "occasion": task.kind.occasion().as_str(),
        "kind": task.kind.as_str(),
        "title": task.kind.title(),
        "control": task.kind.control(),
        "since": task.since.to_string(),
        "due": task.due.to_string(),
        "standing": word,
        "days_late": days,
        "opened_by": task.opened_by,
        "escalated_at": text(task.escalated_at),
        "closed_at": text(task.closing.as_ref().map(|closing| closing.at)),
        "closed_by": task.closing.as_ref().map(|closing| &closing.by),
        "evidence": Evidence::of(task),
    })
}

/// A file that is no larger than a member list may be.
fn bounded(path: &Path) -> anyhow::Result<Vec<u8>> {
    let file = std::fs::File::open(path);
    let file = file.with_context(|| format!("{} cannot be read", path.display()))?;
    let most = u64::try_from(limits::MEMBER_LIST_BYTES_MAX).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    file.take(most + 1)
        .read_to_end(&mut bytes)
        .with_context(|| format!("{} cannot be read", path.display()))?;
    anyhow::ensure!(
        bytes.len() <= limits::MEMBER_LIST_BYTES_MAX,
        "{} is larger than {most} bytes",
        path.display()
    );
    Ok(bytes)
}

fn fingerprint(bytes: &[u8]) -> String {
    domain::opaque::hex(&domain::opaque::sha256(bytes))
}

async fn act_on_members(what: Members, config: &Config) -> anyhow::Result<ExitCode> {
    let Members::Check {
        file,
        map,
        domain,
        role,
        out,
        json,
        look_only,
    } = what;
    let columns = Columns::from_pairs(&map)?;
    let bytes = bounded(&file)?;
    let list = members::read::read(&bytes, &columns)
        .with_context(|| format!("{} was not taken", file.display()))?;
    let clock = SystemClock;
    let admin = wiring::admin(config, std::sync::Arc::new(clock), &SystemIds).await?;
    let actor = Actor::command_line("command line");
    let operation = admin.operation(&actor, &clock, &SystemIds);
    let expected = Expected {
        domains: domain.iter().map(|domain| domain.to_lowercase()).collect(),
        roles: role,
    };
    let people = members::everyone(&operation).await?;
    let compared = members::compare(&list, &people, &expected);
    let name = file
        .file_name()
        .map(|name| name.to_string_lossy().into_owned());
    let given = Given {
        source: &name.unwrap_or_default(),
        hash: &fingerprint(&bytes),
        look_only,
    };
    let checked = members::check(&operation, &list, &compared, given).await?;
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
