//! What is to be done for people who come and go, the nearest deadline first.

use askama::Template;
use axum::response::Response;
use control::tasks::{self, Deadline, Task, Wanted};
use control::{Operation, Right};
use domain::Timestamp;
use domain::task::{Occasion, TaskKind};
use serde::Deserialize;

use super::{Whom, whom};
use crate::pages::answer;
use crate::pages::asked::{self, Asked};
use crate::pages::bulk::{Act, Bulk, Tick};
use crate::pages::needs::due;
use crate::pages::offers::{Offer, Offers};
use crate::pages::parts::{self, Badge, Empty, Notice, Source};
use crate::pages::shell::{Place, Shell};
use crate::pages::show::{self, Said, When};
use crate::pages::table::{Chips, Filters, Pager, ROWS};
use crate::pages::visit::Visitor;
use crate::pages::wrong::Wrong;

/// Which to list.
#[derive(Debug, Deserialize)]
pub struct Which {
    state: Option<String>,
    kind: Option<String>,
    person: Option<String>,
    after: Option<String>,
    done: Option<String>,
}

/// A task as a row.
#[derive(Debug, Clone)]
struct Row {
    tick: Tick,
    to: String,
    what: &'static str,
    whom: Said,
    due: When,
    badge: Badge,
}

/// A kind that can be chosen.
#[derive(Debug, Clone)]
struct Choice {
    value: &'static str,
    word: String,
    is_on: bool,
}

#[derive(Template)]
#[template(path = "tasks.html")]
struct Page {
    shell: Shell,
    tabs: Vec<(&'static str, String, bool)>,
    state: &'static str,
    kinds: Vec<Choice>,
    person: String,
    chips: Chips,
    rows: Vec<Row>,
    tell: Offers,
    bulk: Bulk,
    pager: Pager,
    none: Empty,
    source: Source,
}

/// `GET /console/tasks`.
pub async fn list(visitor: Visitor, Asked(which): Asked<Which>) -> Result<Response, Wrong> {
    let operation = visitor.operation();
    let now = operation.clock.now();
    let state = match asked::given(which.state.as_ref()) {
        "overdue" => "overdue",
        "all" => "all",
        _ => "",
    };
    let kind: Option<TaskKind> = asked::given(which.kind.as_ref()).parse().ok();
    let person = asked::sought("The person", which.person.as_ref())?;
    let after: Option<Deadline> = asked::after(which.after.as_ref())?;
    let wanted = Wanted {
        open: state != "all",
        due_before: (state == "overdue").then_some(now),
        about: about(person)?,
        kind,
    };
    let (found, more) = tasks::by_deadline(&operation, &wanted, after, ROWS).await?;
    let of = |state| filters(state, kind, person).first();
    let filters = filters(state, kind, person);
    let next = found
        .last()
        .filter(|_| more)
        .map(|last| Deadline::of(last).to_string());
    let shown = show::counted(found.len() as u64, "task", "tasks");
    let may_close = operation.actor.may(Right::TasksWrite);
    let bulk = bulk_of(may_close);
    Ok(answer(&Page {
        shell: Shell::new(&visitor, Place::Tasks, "Joiners and leavers")
            .telling(told(asked::given(which.done.as_ref()))),
        tabs: vec![
            ("To be done", of(""), state.is_empty()),
            ("Late", of("overdue"), state == "overdue"),
            ("All", of("all"), state == "all"),
        ],
        state,
        kinds: kinds(kind),
        person: person.to_owned(),
        chips: filters.chips(),
        pager: Pager::new(
            &filters,
            format!("{shown} shown, the nearest deadline first"),
            after.is_some(),
            next.as_deref(),
        ),
        rows: found
            .iter()
            .map(|task| row(&visitor, &bulk, task, now))
            .collect(),
        tell: tell(&operation),
        bulk,
        none: none(filters.any()),
        source: Source(vec![
            "replicas compare people's access with what it demands every 15 seconds".to_owned(),
            "a task is due at the end of its day, UTC".to_owned(),
        ]),
    }))
}

/// What is shown, as the address has it.
fn filters(state: &str, kind: Option<TaskKind>, person: &str) -> Filters {
    let word = match state {
        "all" => "closed ones too",
        _ => "late",
    };
    let (kind, title) = kind.map_or(("", ""), |kind| {
        (kind.as_str(), kind.title().trim_end_matches('.'))
    });
    Filters::of("/console/tasks")
        .with("state", state, word)
        .with("kind", kind, title)
        .with("person", person, format!("about “{person}”"))
}

/// Telling of somebody by hand.
fn tell(operation: &Operation<'_>) -> Offers {
    let may = || operation.require(Right::TasksWrite);
    Offers::of(
        "tell",
        vec![
            Offer::new("plus", "Somebody is new", "/console/tasks/joiner").unless(may()),
            Offer::new("plus", "Somebody will leave", "/console/tasks/leaver").unless(may()),
        ],
    )
}

/// What can be done to several at once by whoever may close them.
fn bulk_of(may_close: bool) -> Bulk {
    let act = Act {
        to: "/console/tasks/done",
        word: "The chosen are done",
        is_risk: false,
    };
    Bulk::of("tasks", may_close.then_some(act).into_iter().collect())
}

/// Whose tasks are meant; what is neither an id nor an address is nobody's, and said so.
fn about(person: &str) -> Result<Option<String>, Wrong> {
    if person.is_empty() {
        return Ok(None);
    }
    let about = tasks::about(person).map_err(control::ControlError::from)?;
    Ok(Some(about))
}

fn kinds(on: Option<TaskKind>) -> Vec<Choice> {
    let choice = |kind: &TaskKind| Choice {
        value: kind.as_str(),
        // Short, so that the field fits on a narrow page; the list says it in full.
        word: {
            let what = kind.as_str().replace('_', " ");
            match kind.occasion() {
                Occasion::Leaving => format!("Leaving: {what}"),
                Occasion::Joining => format!("Joining: {what}"),
            }
        },
        is_on: on == Some(*kind),
    };
    TaskKind::ALL.iter().map(choice).collect()
}

fn row(visitor: &Visitor, bulk: &Bulk, task: &Task, now: Timestamp) -> Row {
    let is_open = task.closing.is_none() && task.over_at.is_none();
    let id = is_open.then(|| task.id.to_string());
    let name = format!("{} {}", task.kind.title(), task.label);
    Row {
        tick: bulk.tick(id.as_deref(), &name),
        to: format!("/console/tasks/{}", task.id),
        what: task.kind.title().trim_end_matches('.'),
        whom: match whom(visitor, task) {
            Whom::Known(link) => link.word,
            Whom::Told(said) => said,
        },
        due: When::day(task.due),
        badge: due(tasks::standing(task, now), task.due),
    }
}

fn none(is_filtered: bool) -> Empty {
    if is_filtered {
        return Empty::new(
            "filter",
            "No task is like that",
            "Take a filter off to see more.",
        )
        .linked("What is to be done", "/console/tasks");
    }
    Empty::new(
        "task",
        "Nothing is to be done",
        "When somebody's access ends, by the directory, here, or by the API, six tasks are opened within a quarter of a minute; for somebody new, up to five. Who leaves later can be told of ahead of time.",
    )
}

fn told(word: &str) -> Option<Notice> {
    let text = match word {
        "closed" => "What is still to be done stands below; what was closed stands under All.",
        "opened" => {
            "What is to be done for them stands below, with the rest. A task that was open already stays as it was."
        }
        "none" => {
            return Some(
                Notice::ask("Choose at least one row by its box.").titled("Nothing was chosen."),
            );
        }
        _ => return None,
    };
    Some(Notice::info(text))
}
