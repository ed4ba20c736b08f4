//! One task: what is to be done, for whom, why it was opened, until when, and what proves that it is done.

use askama::Template;
use axum::response::Response;
use control::Right;
use control::tasks::{self, Closed, Task};
use domain::task::{EvidenceKind, Occasion};
use domain::{TaskId, Timestamp};
use serde::Deserialize;

use super::{Whom, whom};
use crate::pages::answer;
use crate::pages::asked::{self, Asked, Named};
use crate::pages::needs::due;
use crate::pages::parts::{self, Badge, Copyable, Notice};
use crate::pages::shell::{Place, Shell};
use crate::pages::show::{self, Said, When};
use crate::pages::visit::Visitor;
use crate::pages::wrong::Wrong;

/// What was done.
#[derive(Debug, Deserialize)]
pub struct Which {
    done: Option<String>,
}

/// How it was closed, and what proves it.
#[derive(Debug, Clone)]
struct End {
    word: &'static str,
    by: Said,
    at: When,
    proof: Option<Proof>,
}

/// What proves it.
#[derive(Debug, Clone)]
struct Proof {
    kind: &'static str,
    source: Said,
    hash: Option<Copyable>,
    at: When,
}

#[derive(Template)]
#[template(path = "task.html")]
struct Page {
    shell: Shell,
    id: Copyable,
    path: String,
    what: &'static str,
    whom: Whom,
    why: String,
    opened_by: Said,
    opened: When,
    due: When,
    badge: Badge,
    escalated: Option<When>,
    over: Option<When>,
    end: Option<End>,
    is_open: bool,
    kept_from: Option<String>,
}

/// `GET /console/tasks/{id}`.
pub async fn read(
    visitor: Visitor,
    Named(id): Named<TaskId>,
    Asked(which): Asked<Which>,
) -> Result<Response, Wrong> {
    let operation = visitor.operation();
    let task = tasks::read(&operation, id).await?;
    let now = operation.clock.now();
    let shell = Shell::new(
        &visitor,
        Place::Tasks,
        task.kind.title().trim_end_matches('.'),
    )
    .within(&task.label);
    let done = told(asked::given(which.done.as_ref()), &task);
    let refused = operation.require(Right::TasksWrite).err();
    Ok(answer(&Page {
        shell: shell.telling(done),
        id: Copyable::whole("task id", id),
        path: format!("/console/tasks/{id}"),
        what: task.kind.title().trim_end_matches('.'),
        whom: whom(&visitor, &task),
        why: why(&task),
        opened_by: Said::from(&task.opened_by),
        opened: When::full(task.opened),
        due: When::full(task.due),
        badge: badge_of(&task, now),
        escalated: task.escalated_at.map(When::full),
        over: task.over_at.map(When::full),
        end: end(&task),
        is_open: task.closing.is_none() && task.over_at.is_none(),
        kept_from: refused.map(|error| error.to_string()),
    }))
}

fn badge_of(task: &Task, now: Timestamp) -> Badge {
    due(tasks::standing(task, now), task.due)
}

fn told(word: &str, task: &Task) -> Option<Notice> {
    let closing = task.closing.as_ref().filter(|_| word == "closed")?;
    Some(Notice::done(match closing.how {
        Closed::Done => "It is done, and the ledger says with what.",
        Closed::NotNeeded => "It is not needed, and the ledger says why.",
    }))
}

/// Why it was opened.
fn why(task: &Task) -> String {
    let day = show::day(task.since);
    match (task.kind.occasion(), task.is_told()) {
        (Occasion::Leaving, true) => format!("Somebody said that they leave on {day}."),
        (Occasion::Leaving, false) => format!("Their access through Doorward ended on {day}."),
        (Occasion::Joining, _) => format!("They are new here since {day}."),
    }
}

fn end(task: &Task) -> Option<End> {
    let closing = task.closing.as_ref()?;
    let proof = closing.evidence.as_ref().map(|evidence| Proof {
        kind: match evidence.kind {
            EvidenceKind::Record => "A record of the ledger",
            EvidenceKind::MemberList => "A member list of the workspace",
            EvidenceKind::Acceptance => "Their acceptance of the acceptable-use policy",
            EvidenceKind::Statement => "Somebody's words",
        },
        source: Said::from(&evidence.source),
        hash: evidence
            .hash
            .as_ref()
            .map(|hash| Copyable::short("SHA-256", hash)),
        at: When::full(evidence.at),
    });
    Some(End {
        word: match closing.how {
            Closed::Done => "Done",
            Closed::NotNeeded => "Not needed",
        },
        by: Said::from(&closing.by),
        at: When::full(closing.at),
        proof,
    })
}
