//! `doorward tasks …`: what is to be done for people who come and go. A face of `control::tasks`; listing only looks, and the server
//! alone opens and ends them as people come and go. Called by `commands`.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use control::Operation;
use control::tasks::{self, Closed, Standing, Task, Wanted};
use domain::{TaskId, Timestamp, limits};
use serde_json::json;

use crate::commands::administer;
use crate::members_command::{bounded, fingerprint};
use crate::system::{complain, say};

/// What to do with tasks.
#[derive(Debug, Args)]
pub struct TasksCommand {
    /// The configuration
    #[arg(long, default_value = "doorward.toml", global = true)]
    config: PathBuf,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
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
        after_help = "Examples:\n  doorward tasks done tsk_01kb… \\\n    --evidence 'ticket 4711, screenshot attached' --file proof.png\n  doorward tasks done tsk_01kb… --not-needed --evidence 'had no projects'"
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

/// Does it.
pub async fn run(command: TasksCommand) -> ExitCode {
    administer(&command.config, async move |operation, _| {
        act(command.what, operation).await
    })
    .await
}

async fn act(what: What, operation: &Operation<'_>) -> anyhow::Result<()> {
    match what {
        What::List { all, json } => list(operation, !all, json).await?,
        What::Done {
            task,
            evidence,
            file,
            not_needed,
        } => {
            let hash = match &file {
                Some(file) => Some(fingerprint(&bounded(
                    file,
                    limits::EVIDENCE_FILE_BYTES_MAX,
                )?)),
                None => None,
            };
            let how = if not_needed {
                Closed::NotNeeded
            } else {
                Closed::Done
            };
            let task = tasks::close(operation, task, (how, &evidence), hash).await?;
            say(&line(&task, operation.clock.now()));
        }
        What::Leaver { who, at, source } => {
            match tasks::tell_leaver(operation, &who, at, &source).await? {
                0 => say("their tasks are open already"),
                new => say(&format!(
                    "{new} tasks are open; `doorward tasks list` shows them"
                )),
            }
        }
    }
    Ok(())
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
        "{}  {}  {}  {standing}  {}",
        task.id,
        task.label,
        task.kind,
        task.kind.title()
    );
    if let Some(at) = task.escalated_at {
        let _ = write!(text, "  ESCALATED {at}");
    }
    let evidence = task.closing.as_ref().and_then(|end| end.evidence.as_ref());
    if let Some(evidence) = evidence {
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
        "since": task.since.to_string(),
        "due": task.due.to_string(),
        "standing": word,
        "days_late": days,
        "opened_by": task.opened_by,
        "escalated_at": text(task.escalated_at),
        "closed_at": text(task.closing.as_ref().map(|closing| closing.at)),
        "closed_by": task.closing.as_ref().map(|closing| &closing.by),
        "evidence": task.closing.as_ref().and_then(|end| end.evidence.as_ref()),
    })
}
