//! What is to be done for people who come and go: find it, say that it is done or no longer needed, and tell of a leaver ahead of time.
//! Deadlines are moments in UTC: a task is due at the end of its day there.

use axum::Json;
use control::tasks::{self, Closed, Standing, Task, Wanted};
use domain::{ReasonCode, TaskId, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::call::{Asked, Body, Call, Id};
use super::page::{self, Page};
use crate::Problem;

/// What proves that something is done.
#[derive(Debug, Serialize, ToSchema)]
pub struct EvidenceView {
    /// `record`, `member_list`, `acceptance` or `statement`.
    kind: &'static str,
    /// Where it is: a record's chain and number, a file's name, somebody's words.
    source: String,
    /// SHA-256 of it, in hexadecimal, where it has one.
    hash: Option<String>,
    /// When it was so.
    at: String,
}

/// A task.
#[derive(Debug, Serialize, ToSchema)]
pub struct TaskView {
    /// Its id.
    id: String,
    /// Whom it is about: our id of the person, or an e-mail address.
    about: String,
    /// For reading.
    label: String,
    /// `leaving` or `joining`.
    occasion: &'static str,
    /// What is to be done, as a word.
    kind: &'static str,
    /// What is to be done, as a sentence.
    title: &'static str,
    /// When the person leaves or came.
    since: String,
    /// Until when: the end of a day in UTC.
    #[schema(example = "2026-11-20T23:59:59.999Z")]
    due: String,
    /// `open`, `overdue`, `done`, `done_late` or `not_needed`, by the clock at this moment.
    standing: &'static str,
    /// Whole days after the deadline, rounded up; 0 when in time.
    days_late: i64,
    /// Who opened it.
    opened_by: String,
    /// Since when it is known that it was not done in time.
    escalated_at: Option<String>,
    /// When it was closed.
    closed_at: Option<String>,
    /// By whom.
    closed_by: Option<String>,
    /// With what.
    evidence: Option<EvidenceView>,
}

fn view(task: Task, now: Timestamp) -> TaskView {
    let (standing, days_late) = match tasks::standing(&task, now) {
        Standing::Open => ("open", 0),
        Standing::Overdue { days } => ("overdue", days),
        Standing::Done => ("done", 0),
        Standing::Late { days } => ("done_late", days),
        Standing::NotNeeded => ("not_needed", 0),
    };
    let evidence = task.closing.as_ref().and_then(|end| end.evidence.clone());
    let evidence = evidence.map(|evidence| EvidenceView {
        kind: evidence.kind.as_str(),
        source: evidence.source,
        hash: evidence.hash,
        at: evidence.at.to_string(),
    });
    let (closed_at, closed_by) = task.closing.map(|end| (end.at, end.by)).unzip();
    TaskView {
        id: task.id.to_string(),
        about: task.about,
        label: task.label,
        occasion: task.kind.occasion().as_str(),
        kind: task.kind.as_str(),
        title: task.kind.title(),
        since: task.since.to_string(),
        due: task.due.to_string(),
        standing,
        days_late,
        opened_by: task.opened_by,
        escalated_at: task.escalated_at.map(|at| at.to_string()),
        closed_at: closed_at.map(|at| at.to_string()),
        closed_by,
        evidence,
    }
}

/// Which to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Which {
    /// `open` (what is still to be done, which is also the default), `overdue` or `all`.
    #[param(max_length = 16)]
    state: Option<String>,
    /// Only those about this person: an id, or an e-mail address of somebody the directory does not know.
    #[param(max_length = 320)]
    person: Option<String>,
    /// Only those of this kind, such as `remove_from_workspace`.
    #[param(max_length = 64)]
    kind: Option<String>,
    /// Rows at most, 1 to 1000; 50 when not given.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// `next` of the page before.
    #[param(max_length = 128)]
    after: Option<String>,
}

impl Which {
    fn wanted(&self, now: Timestamp) -> Result<Wanted, Problem> {
        let (open, due_before) = match self.state.as_deref() {
            None | Some("open") => (true, None),
            Some("overdue") => (true, Some(now)),
            Some("all") => (false, None),
            Some(_) => {
                let detail = "`state` must be open, overdue or all.";
                return Err(Problem::new(ReasonCode::ParameterInvalid, detail));
            }
        };
        let about = self.person.as_deref().map(tasks::about).transpose();
        Ok(Wanted {
            open,
            due_before,
            about: about.map_err(control::ControlError::from)?,
            kind: page::named("kind", self.kind.as_deref())?,
        })
    }
}

/// Tasks, in the order they were opened. Replicas open what is missing every 15 seconds.
#[utoipa::path(get, path = "/tasks", operation_id = "tasks_list", tag = "tasks", params(Which),
    responses((status = 200, body = Page<TaskView>)))]
pub async fn list(call: Call, Asked(which): Asked<Which>) -> Result<Json<Page<TaskView>>, Problem> {
    let operation = call.operation();
    let now = operation.clock.now();
    let (rows, after) = (
        page::rows(which.limit)?,
        page::after(which.after.as_deref())?,
    );
    let found = tasks::list(&operation, &which.wanted(now)?, after, rows).await?;
    let more = found.len() >= rows as usize;
    let items = found.into_iter().map(|task| view(task, now)).collect();
    Ok(Json(Page::new(items, more, |last: &TaskView| {
        last.id.clone()
    })))
}

/// One task.
#[utoipa::path(get, path = "/tasks/{id}", operation_id = "tasks_read", tag = "tasks",
    params(("id" = String, Path)), responses((status = 200, body = TaskView)))]
pub async fn read(call: Call, Id(id): Id<TaskId>) -> Result<Json<TaskView>, Problem> {
    let operation = call.operation();
    let task = tasks::read(&operation, id).await?;
    Ok(Json(view(task, operation.clock.now())))
}

/// What proves that a task is done.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProofOfTask {
    /// In words: 1 to 500 characters on one line.
    #[schema(min_length = 1, max_length = 500, example = "ticket 4711")]
    evidence: String,
    /// SHA-256 of a file that proves it, in hexadecimal; the file stays with you.
    #[schema(min_length = 64, max_length = 64)]
    sha256: Option<String>,
}

/// Say that a task is done.
#[utoipa::path(post, path = "/tasks/{id}/done", operation_id = "tasks_done", tag = "tasks",
    params(("id" = String, Path)), request_body = ProofOfTask, responses((status = 200, body = TaskView)))]
pub async fn done(
    call: Call,
    Id(id): Id<TaskId>,
    Body(proof): Body<ProofOfTask>,
) -> Result<Json<TaskView>, Problem> {
    close(&call, id, (Closed::Done, &proof.evidence), proof.sha256).await
}

/// Say that a task does not apply.
#[utoipa::path(post, path = "/tasks/{id}/dismiss", operation_id = "tasks_dismiss", tag = "tasks",
    params(("id" = String, Path)), request_body = super::call::Why, responses((status = 200, body = TaskView)))]
pub async fn dismiss(
    call: Call,
    Id(id): Id<TaskId>,
    Body(why): Body<super::call::Why>,
) -> Result<Json<TaskView>, Problem> {
    close(&call, id, (Closed::NotNeeded, &why.reason), None).await
}

async fn close(
    call: &Call,
    id: TaskId,
    said: (Closed, &str),
    sha256: Option<String>,
) -> Result<Json<TaskView>, Problem> {
    let operation = call.operation();
    let task = tasks::close(&operation, id, said, sha256).await?;
    Ok(Json(view(task, operation.clock.now())))
}

/// Somebody who leaves, or is new.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LeaverToTell {
    /// A person's id, e-mail address or name, or the e-mail address of somebody the directory does not know.
    #[schema(max_length = 320, example = "kim@northwind.example")]
    who: String,
    /// When they leave, or came.
    #[schema(value_type = String, example = "2026-11-30T17:00:00Z")]
    at: String,
    /// Who says so.
    #[schema(max_length = 500, example = "HR")]
    source: String,
}

/// What was opened.
#[derive(Debug, Serialize, ToSchema)]
pub struct OpenedView {
    /// How many tasks are new; 0 when they are open already.
    opened: u64,
}

/// Open a leaver's tasks before, or without, the end of their access here.
#[utoipa::path(post, path = "/tasks/leavers", operation_id = "tasks_tell_leaver", tag = "tasks",
    request_body = LeaverToTell, responses((status = 200, body = OpenedView)))]
pub async fn tell_leaver(
    call: Call,
    Body(leaver): Body<LeaverToTell>,
) -> Result<Json<OpenedView>, Problem> {
    let operation = call.operation();
    operation.require(control::Right::TasksWrite)?;
    let at = moment(&leaver.at)?;
    let opened = tasks::tell_leaver(&operation, &leaver.who, at, &leaver.source).await?;
    Ok(Json(OpenedView { opened }))
}

/// Open the tasks of somebody new whom nothing else told of: whom a directory brought in its first week, or who is not in it yet.
#[utoipa::path(post, path = "/tasks/joiners", operation_id = "tasks_tell_joiner", tag = "tasks",
    request_body = LeaverToTell, responses((status = 200, body = OpenedView)))]
pub async fn tell_joiner(
    call: Call,
    Body(joiner): Body<LeaverToTell>,
) -> Result<Json<OpenedView>, Problem> {
    let operation = call.operation();
    operation.require(control::Right::TasksWrite)?;
    let at = moment(&joiner.at)?;
    let opened = tasks::tell_joiner(&operation, &joiner.who, at, &joiner.source).await?;
    Ok(Json(OpenedView { opened }))
}

fn moment(text: &str) -> Result<Timestamp, Problem> {
    text.parse().map_err(|_| {
        let detail = "`at` must be a moment such as 2026-11-30T17:00:00Z.";
        Problem::new(ReasonCode::ParameterInvalid, detail)
    })
}
