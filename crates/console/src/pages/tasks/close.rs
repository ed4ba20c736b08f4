//! Saying that a task is done or not needed, or that several are done: each asks first, with what proves it. A closed task stays as it was, so
//! whoever comes second is told who was first.

use axum::response::Response;
use control::tasks::{self, Closed, Task};
use control::{ControlError, Right};
use domain::{ReasonCode, TaskId, limits};
use http::HeaderMap;
use serde::Deserialize;

use crate::pages::asked::{self, Form, Named};
use crate::pages::bulk::{self, ConfirmMany, Touched};
use crate::pages::confirm::Confirm;
use crate::pages::needs::due;
use crate::pages::parts::Field;
use crate::pages::shell::{Place, Shell};
use crate::pages::show::{self, Said};
use crate::pages::visit::Visitor;
use crate::pages::wrong::{Wrong, of_field};

/// What proves it, as it was typed.
#[derive(Debug, Default, Deserialize)]
pub struct Typed {
    csrf: String,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    sha256: String,
}

/// What is wrong with it.
#[derive(Debug, Default)]
struct Mistakes {
    reason: Option<String>,
    sha256: Option<String>,
}

impl Mistakes {
    /// Beside their fields; none when it is something else that is wrong.
    fn of(error: &ControlError) -> Option<Self> {
        let mistakes = Self {
            reason: of_field(error, "evidence"),
            sha256: of_field(error, "sha256"),
        };
        (mistakes.reason.is_some() || mistakes.sha256.is_some()).then_some(mistakes)
    }
}

fn shell(visitor: &Visitor) -> Shell {
    Shell::new(visitor, Place::Tasks, "Joiners and leavers").within("Are you sure?")
}

fn fields(how: Closed, typed: Typed, wrong: Mistakes) -> Vec<Field> {
    let (label, hint) = match how {
        Closed::Done => (
            "What proves it",
            "A ticket, a file's name, your word. The ledger keeps it.",
        ),
        Closed::NotNeeded => ("Why it does not apply", "The ledger keeps it."),
    };
    let mut fields = vec![Field {
        name: "reason",
        label: label.to_owned(),
        value: typed.reason,
        hint: hint.to_owned(),
        wrong: wrong.reason,
        is_required: true,
        is_long: false,
        chars_max: limits::REASON_CHARS_MAX,
    }];
    if how == Closed::Done {
        fields.push(Field {
            name: "sha256",
            label: "SHA-256 of a file that proves it, if there is one".to_owned(),
            value: typed.sha256,
            hint: "The file stays with you: sha256sum proof.png".to_owned(),
            wrong: wrong.sha256,
            is_required: false,
            is_long: false,
            chars_max: 64,
        });
    }
    fields
}

fn confirm(task: &Task, how: Closed, typed: Typed, wrong: Mistakes) -> Confirm {
    let path = format!("/console/tasks/{}", task.id);
    let (verb, word, button) = match how {
        Closed::Done => ("Is this done for", "done", "It is done"),
        Closed::NotNeeded => ("Is this not needed for", "not-needed", "It is not needed"),
    };
    Confirm {
        verb: verb.to_owned(),
        whom: Some(Said::from(&task.label)),
        does: vec![
            task.kind.title().to_owned(),
            "A closed task stays as it was: nobody can say otherwise afterwards, but a member list that still has a leaver opens it again.".to_owned(),
        ],
        action: format!("{path}/{word}"),
        button: button.to_owned(),
        is_risk: false,
        back: path,
        fields: fields(how, typed, wrong),
    }
}

async fn ask(visitor: Visitor, id: TaskId, how: Closed) -> Result<Response, Wrong> {
    let operation = visitor.operation();
    operation.require(Right::TasksWrite)?;
    let task = tasks::read(&operation, id).await?;
    let page = confirm(&task, how, Typed::default(), Mistakes::default());
    Ok(page.page(shell(&visitor)))
}

async fn act(
    visitor: Visitor,
    id: TaskId,
    headers: HeaderMap,
    (how, typed): (Closed, Typed),
) -> Result<Response, Wrong> {
    visitor.changing(&headers, &typed.csrf)?;
    let operation = visitor.operation();
    let hash = hash(&typed);
    let words = typed.reason.trim().to_owned();
    match tasks::close(&operation, id, (how, &words), hash).await {
        Ok(_) => Ok(asked::done(&format!("/console/tasks/{id}"), "closed")),
        Err(error) => match Mistakes::of(&error) {
            Some(wrong) => {
                let task = tasks::read(&operation, id).await?;
                Ok(confirm(&task, how, typed, wrong).page(shell(&visitor)))
            }
            None => {
                Err(Wrong::from(error).leading_to("See the task", format!("/console/tasks/{id}")))
            }
        },
    }
}

fn hash(typed: &Typed) -> Option<String> {
    let hash = typed.sha256.trim().to_lowercase();
    (!hash.is_empty()).then_some(hash)
}

/// `GET /console/tasks/{id}/done`.
pub async fn ask_done(visitor: Visitor, Named(id): Named<TaskId>) -> Result<Response, Wrong> {
    ask(visitor, id, Closed::Done).await
}

/// `POST /console/tasks/{id}/done`.
pub async fn done(
    visitor: Visitor,
    Named(id): Named<TaskId>,
    headers: HeaderMap,
    Form(typed): Form<Typed>,
) -> Result<Response, Wrong> {
    act(visitor, id, headers, (Closed::Done, typed)).await
}

/// `GET /console/tasks/{id}/not-needed`.
pub async fn ask_not_needed(visitor: Visitor, Named(id): Named<TaskId>) -> Result<Response, Wrong> {
    ask(visitor, id, Closed::NotNeeded).await
}

/// `POST /console/tasks/{id}/not-needed`.
pub async fn not_needed(
    visitor: Visitor,
    Named(id): Named<TaskId>,
    headers: HeaderMap,
    Form(typed): Form<Typed>,
) -> Result<Response, Wrong> {
    act(visitor, id, headers, (Closed::NotNeeded, typed)).await
}

/// The tasks that the address names; `None` when nothing was chosen.
fn chosen(visitor: &Visitor) -> Result<Option<Vec<TaskId>>, Wrong> {
    let ids: Vec<TaskId> = bulk::chosen(visitor.address())?;
    Ok((!ids.is_empty()).then_some(ids))
}

/// The list, which says that nothing was chosen.
fn none_chosen() -> Response {
    asked::done("/console/tasks", "none")
}

/// What the page before several are closed asks.
fn are_done(tasks: usize) -> String {
    match tasks {
        1 => "Is this task done".to_owned(),
        many => format!(
            "Are these {} done",
            show::counted(many as u64, "task", "tasks")
        ),
    }
}

async fn confirm_several(
    visitor: &Visitor,
    ids: &[TaskId],
    (typed, wrong): (Typed, Mistakes),
) -> Result<Response, Wrong> {
    let operation = visitor.operation();
    let now = operation.clock.now();
    let (mut touched, mut left) = (Vec::new(), Vec::new());
    for id in ids {
        let task = tasks::read(&operation, *id).await?;
        let one = Touched {
            what: Said::from(task.kind.title()),
            sub: format!("for {}", Said::from(&task.label).plain()),
            badge: Some(due(tasks::standing(&task, now), task.due)),
        };
        if task.closing.is_none() && task.over_at.is_none() {
            touched.push(one);
        } else {
            left.push(one);
        }
    }
    let asked = ConfirmMany {
        confirm: Confirm {
            verb: are_done(touched.len()),
            whom: None,
            does: vec![
                "One proof for all of them. A closed task stays as it was; what somebody else has closed stays theirs.".to_owned(),
            ],
            action: bulk::about("/console/tasks/done", ids),
            button: "They are done".to_owned(),
            is_risk: false,
            back: "/console/tasks".to_owned(),
            fields: fields(Closed::Done, typed, wrong),
        },
        touched,
        left,
    };
    Ok(asked.page(shell(visitor)))
}

/// `GET /console/tasks/done?id=…&id=…`.
pub async fn ask_several(visitor: Visitor) -> Result<Response, Wrong> {
    visitor.operation().require(Right::TasksWrite)?;
    let Some(ids) = chosen(&visitor)? else {
        return Ok(none_chosen());
    };
    confirm_several(&visitor, &ids, (Typed::default(), Mistakes::default())).await
}

/// `POST /console/tasks/done?id=…&id=…`. Each is closed for itself; what somebody else had closed stays theirs, and is named.
pub async fn several(
    visitor: Visitor,
    headers: HeaderMap,
    Form(typed): Form<Typed>,
) -> Result<Response, Wrong> {
    visitor.changing(&headers, &typed.csrf)?;
    let operation = visitor.operation();
    operation.require(Right::TasksWrite)?;
    let Some(ids) = chosen(&visitor)? else {
        return Ok(none_chosen());
    };
    let words = typed.reason.trim().to_owned();
    let mut others = Vec::new();
    for id in &ids {
        let closing = tasks::close(&operation, *id, (Closed::Done, &words), hash(&typed));
        match closing.await {
            Ok(_) => {}
            Err(ControlError::AlreadyClosed { by, .. }) => others.push(format!("{id} by {by}")),
            Err(ControlError::NoSuch("open task")) => others.push(format!("{id}, which is over")),
            Err(error) => {
                let Some(wrong) = Mistakes::of(&error) else {
                    return Err(error.into());
                };
                return confirm_several(&visitor, &ids, (typed, wrong)).await;
            }
        }
    }
    if others.is_empty() {
        return Ok(asked::done("/console/tasks", "closed"));
    }
    let detail = format!(
        "Of {} tasks you closed {}. Closed before: {}.",
        ids.len(),
        ids.len() - others.len(),
        others.join("; ")
    );
    let wrong = Wrong::new(ReasonCode::VersionConflict, detail);
    Err(wrong.leading_to("Back to the list", "/console/tasks"))
}
