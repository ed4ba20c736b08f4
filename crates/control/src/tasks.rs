//! Tasks for people who come and go: opened from what the store itself says of their access, or by hand from a list; done with
//! evidence; over when the occasion is. Whoever ends a person's access, by SCIM, API or command line, need not think of them:
//! [`follow`] finds everyone whose access says one thing and whose tasks another, and may run as often as it likes.

use std::fmt;
use std::str::FromStr;

pub use domain::task::Evidence;
use domain::task::{EvidenceKind, Occasion, TaskKind};
use domain::text::shown;
use domain::window::DAY_MS;
use domain::{PersonId, TaskId, Timestamp, limits};
use ledger::record::ChangeKind;
use store::{Cause, Closing, Mover};

pub use store::{Closed, Task, Wanted};

use crate::access::Right;
use crate::text::Unusable;
use crate::{ControlError, Operation};

/// Whose tasks are opened at a start on a store that knew none: only theirs who left or came lately.
const LOOK_BACK_MS: i64 = 30 * DAY_MS;
const NEW_MS: i64 = 7 * DAY_MS;
/// People of each kind that one run takes; the rest are the next one's.
const AT_ONCE: u32 = 500;
/// Who does what nobody asked for.
const OURSELVES: &str = "doorward";

/// How a task stands at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// To be done.
    Open,
    /// To be done since longer than it may.
    Overdue {
        /// Whole days since then, rounded up.
        days: i64,
    },
    /// Done in time.
    Done,
    /// Done, but late.
    Late {
        /// Whole days too late, rounded up.
        days: i64,
    },
    /// It no longer applies.
    NotNeeded,
}

/// How a task stands at this moment, by the clock alone.
pub fn standing(task: &Task, now: Timestamp) -> Standing {
    let days_after = |at: Timestamp| at.ms_since(task.due).div_euclid(DAY_MS) + 1;
    match &task.closing {
        None if now <= task.due => Standing::Open,
        None => Standing::Overdue {
            days: days_after(now),
        },
        Some(closing) if closing.how == Closed::NotNeeded => Standing::NotNeeded,
        Some(closing) if closing.at <= task.due => Standing::Done,
        Some(closing) => Standing::Late {
            days: days_after(closing.at),
        },
    }
}

/// What a run of [`follow`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Followed {
    /// People who left.
    pub left: usize,
    /// People who were let in again.
    pub returned: usize,
    /// People who are new.
    pub joined: usize,
    /// Acceptances that closed a task.
    pub accepted: usize,
}

/// Opens and ends what people's access demands. The same departure twice opens one set; a return ends it.
pub async fn follow(operation: &Operation<'_>) -> Result<Followed, ControlError> {
    operation.require(Right::TasksWrite)?;
    let (store, org, now) = (operation.store, operation.org, operation.clock.now());
    let mut followed = Followed::default();
    let since = now.plus_ms(-LOOK_BACK_MS);
    for mover in store.leavers_without_tasks(org, since, AT_ONCE).await? {
        followed.left += usize::from(left(operation, &mover).await?);
    }
    for mover in store.returned_with_tasks(org, now, AT_ONCE).await? {
        followed.returned += usize::from(returned(operation, &mover).await?);
    }
    let since = now.plus_ms(-NEW_MS);
    for mover in store.joiners_without_tasks(org, since, AT_ONCE).await? {
        followed.joined += usize::from(joined(operation, &mover).await?);
    }
    followed.accepted = close_accepted(operation).await?;
    Ok(followed)
}

async fn left(operation: &Operation<'_>, mover: &Mover) -> Result<bool, ControlError> {
    let (store, org) = (operation.store, operation.org);
    let about = mover.person.to_string();
    let sessions = store.sessions_ended_at(org, mover.person, mover.at).await?;
    let done = format!(
        "access through Doorward ended {}: {sessions} open sessions ended, every credential refused, streams cut; tasks opened",
        mover.at
    );
    let by = (Cause::Access, OURSELVES);
    let tasks = opened(operation, mover, Occasion::Leaving, by).await?;
    let over = (operation.clock.now(), OURSELVES);
    // Those that a list opened before the access ended are the same departure's.
    let held = store.hold_departure(org, &about, &tasks, over).await?;
    let Some(mut held) = held else {
        return Ok(false);
    };
    let departure = (&*about, Occasion::Leaving, mover.at);
    let source = note(operation, departure, ChangeKind::Created, &done).await?;
    let evidence = Evidence {
        kind: EvidenceKind::Record,
        source,
        hash: None,
        at: mover.at,
    };
    let ended = Closing {
        at: mover.at,
        by: OURSELVES.to_owned(),
        how: Closed::Done,
        evidence: Some(evidence),
    };
    held.close(org, (&about, TaskKind::EndAccess), &ended)
        .await?;
    held.keep().await?;
    Ok(true)
}

async fn returned(operation: &Operation<'_>, mover: &Mover) -> Result<bool, ControlError> {
    let about = mover.person.to_string();
    let (store, now) = (operation.store, operation.clock.now());
    let occasion = (&*about, Occasion::Leaving);
    let held = store.hold_end(operation.org, occasion, now, OURSELVES);
    let Some(held) = held.await? else {
        return Ok(false);
    };
    let said = "may come in again; what was still to do is not needed";
    let departure = (&*about, Occasion::Leaving, mover.at);
    note(operation, departure, ChangeKind::Deleted, said).await?;
    held.keep().await?;
    Ok(true)
}

async fn joined(operation: &Operation<'_>, mover: &Mover) -> Result<bool, ControlError> {
    let by = (Cause::Access, OURSELVES);
    let tasks = opened(operation, mover, Occasion::Joining, by).await?;
    let held = operation.store.hold_tasks(operation.org, &tasks).await?;
    let Some(held) = held else {
        return Ok(false);
    };
    let about = mover.person.to_string();
    let arrival = (&*about, Occasion::Joining, mover.at);
    note(
        operation,
        arrival,
        ChangeKind::Created,
        "is new; tasks opened",
    )
    .await?;
    held.keep().await?;
    Ok(true)
}

/// Whoever has accepted the policy in force needs nobody to remind them.
async fn close_accepted(operation: &Operation<'_>) -> Result<usize, ControlError> {
    let (store, org) = (operation.store, operation.org);
    let Some(published) = store.published_use(org).await? else {
        return Ok(0);
    };
    let from = published.accept_from;
    let accepted = store.accepted_with_tasks(org, from, AT_ONCE).await?;
    let mut closed = 0;
    for (task, label, acceptance) in accepted {
        let evidence = Evidence {
            kind: EvidenceKind::Acceptance,
            source: format!("version {} by {}", acceptance.version, acceptance.way),
            hash: None,
            at: acceptance.at,
        };
        let closing = Closing {
            at: acceptance.at,
            by: label,
            how: Closed::Done,
            evidence: Some(evidence),
        };
        if let Some(held) = store.hold_closing(org, task, &closing).await? {
            held.keep().await?;
            closed += 1;
        }
    }
    Ok(closed)
}

/// Opens a leaver's tasks before, or without, the end of their access here: somebody said that they leave at this moment. `who`
/// is a person the directory knows, or an e-mail address.
pub async fn tell_leaver(
    operation: &Operation<'_>,
    who: &str,
    at: Timestamp,
    source: &str,
) -> Result<u64, ControlError> {
    tell(operation, Occasion::Leaving, who, (at, source)).await
}

/// Opens the tasks of somebody new whom nothing else told of: whom a directory brought in its first week, or who is not in it yet. `who` is a
/// person the directory knows, or an e-mail address.
pub async fn tell_joiner(
    operation: &Operation<'_>,
    who: &str,
    at: Timestamp,
    source: &str,
) -> Result<u64, ControlError> {
    tell(operation, Occasion::Joining, who, (at, source)).await
}

async fn tell(
    operation: &Operation<'_>,
    occasion: Occasion,
    who: &str,
    (at, source): (Timestamp, &str),
) -> Result<u64, ControlError> {
    operation.require(Right::TasksWrite)?;
    let source = crate::text::reason("source", source)?;
    let (about, label) = meant(operation, who).await?;
    let current = operation.store.current_tasks(operation.org, &about).await?;
    if current.iter().any(|task| task.kind.occasion() == occasion) {
        return Ok(0);
    }
    let by = (Cause::Told, operation.actor.label());
    let whom = Whom {
        id: about,
        label,
        at,
    };
    let tasks = open_for(operation, &whom, occasion, by).await?;
    let held = operation.store.hold_tasks(operation.org, &tasks).await?;
    let Some(held) = held else {
        return Ok(0);
    };
    let does = match occasion {
        Occasion::Leaving => "leaves",
        Occasion::Joining => "is new",
    };
    let said = format!("{does} {at}, says {source}; tasks opened");
    let told = (&*whom.id, occasion, at);
    note(operation, told, ChangeKind::Created, &said).await?;
    let new = held.rows();
    held.keep().await?;
    Ok(new)
}

/// Whom a text means: what tasks know them by, and what people call them. Somebody the directory does not know is meant by an e-mail address.
pub async fn meant(operation: &Operation<'_>, who: &str) -> Result<(String, String), ControlError> {
    operation.require(Right::TasksWrite)?;
    if who.is_empty() || who.chars().count() > limits::CLAIM_CHARS_MAX {
        let why = format!("must be 1 to {} characters", limits::CLAIM_CHARS_MAX);
        return Err(Unusable::new("who", why).into());
    }
    let mut found = operation.store.find_people(operation.org, who).await?;
    match found.len() {
        0 => Ok((address("who", who)?, who.to_owned())),
        1 => {
            let person = found.remove(0);
            let label = person.email.or(person.name).unwrap_or(person.stable_id);
            Ok((person.id.to_string(), shown(&label).into_owned()))
        }
        many => Err(ControlError::Ambiguous(many)),
    }
}

/// An e-mail address in lower case, as tasks and lists know people whom the directory does not.
pub(crate) fn address(field: &'static str, text: &str) -> Result<String, Unusable> {
    let (name, host) = text.rsplit_once('@').unwrap_or_default();
    let fine = !name.is_empty()
        && host.contains('.')
        && text.chars().count() <= limits::CLAIM_CHARS_MAX
        && !text
            .chars()
            .any(|c| c.is_whitespace() || crate::text::is_hostile(c));
    if fine {
        Ok(text.to_lowercase())
    } else {
        Err(Unusable::new(field, "must be an e-mail address"))
    }
}

/// Somebody who comes or goes.
struct Whom {
    id: String,
    label: String,
    at: Timestamp,
}

async fn opened(
    operation: &Operation<'_>,
    mover: &Mover,
    occasion: Occasion,
    by: (Cause, &str),
) -> Result<Vec<Task>, ControlError> {
    let whom = Whom {
        id: mover.person.to_string(),
        label: shown(&mover.label).into_owned(),
        at: mover.at,
    };
    open_for(operation, &whom, occasion, by).await
}

/// Whether a task can be done here at all: nobody accepts a policy that is not published, or is told of connectors where there are none.
async fn can_be_done(operation: &Operation<'_>, kind: TaskKind) -> Result<bool, ControlError> {
    let (store, org) = (operation.store, operation.org);
    Ok(match kind {
        TaskKind::AcceptPolicy => store.published_use(org).await?.is_some(),
        TaskKind::TellConnectors => {
            match operation.policy().await {
                Ok(policy) => !policy.document().connector.is_empty(),
                // One that cannot be read may have some.
                Err(ControlError::Policy(_)) => true,
                Err(error) => return Err(error),
            }
        }
        _ => true,
    })
}

async fn open_for(
    operation: &Operation<'_>,
    whom: &Whom,
    occasion: Occasion,
    (cause, by): (Cause, &str),
) -> Result<Vec<Task>, ControlError> {
    let mut kinds = Vec::new();
    for kind in occasion.kinds() {
        if can_be_done(operation, kind).await? {
            kinds.push(kind);
        }
    }
    let (unix_ms, random) = operation.id_parts();
    // A millisecond apart each, so that a set is listed in the order of doing.
    let task = |(place, kind): (u64, TaskKind)| Task {
        id: TaskId::from_parts(unix_ms + place, random),
        about: whom.id.clone(),
        label: whom.label.clone(),
        kind,
        cause,
        since: whom.at,
        due: kind.due(whom.at),
        opened: operation.clock.now(),
        opened_by: by.to_owned(),
        escalated_at: None,
        closing: None,
        over_at: None,
    };
    Ok((0..).zip(kinds).map(task).collect())
}

/// Writes an occasion down and says where it stands. Its fingerprint is the occasion's own: should a process die between its record
/// and its tasks, the record of the next try has the same.
async fn note(
    operation: &Operation<'_>,
    (about, occasion, at): (&str, Occasion, Timestamp),
    done: ChangeKind,
    said: &str,
) -> Result<String, ControlError> {
    let noun = match occasion {
        Occasion::Leaving => "departure",
        Occasion::Joining => "arrival",
    };
    let mut change = operation.change(noun, about, done);
    change.reason = Some(said.into());
    change.after = Some(crate::fingerprint(&format!("{noun} {about} {at}")).into());
    let receipt = operation
        .ledger
        .append(ledger::Record::Change(change))
        .await?;
    Ok(format!("{}/{}", operation.ledger.chain(), receipt.seq))
}

/// At most `limit` tasks that are to be done, the one that is due first before all others, and how many there are in all.
pub async fn due(operation: &Operation<'_>, limit: u32) -> Result<(Vec<Task>, u64), ControlError> {
    operation.require(Right::TasksRead)?;
    Ok(operation.store.tasks_due(operation.org, limit).await?)
}

/// At most a page of tasks after one of them, oldest first.
pub async fn list(
    operation: &Operation<'_>,
    wanted: &Wanted,
    after: Option<TaskId>,
    limit: u32,
) -> Result<Vec<Task>, ControlError> {
    operation.require(Right::TasksRead)?;
    let (store, org) = (operation.store, operation.org);
    Ok(store.tasks_page(org, wanted, after, limit).await?)
}

/// Where a page of tasks by deadline ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline {
    due: Timestamp,
    id: TaskId,
}

impl Deadline {
    /// After this task.
    pub const fn of(task: &Task) -> Self {
        Self {
            due: task.due,
            id: task.id,
        }
    }
}

impl fmt::Display for Deadline {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}.{}", self.due.unix_ms(), self.id)
    }
}

impl FromStr for Deadline {
    type Err = Unusable;

    fn from_str(text: &str) -> Result<Self, Unusable> {
        let parse = || {
            let (due, id) = text.split_once('.')?;
            Some(Self {
                due: Timestamp::from_unix_ms(due.parse().ok()?),
                id: id.parse().ok()?,
            })
        };
        parse().ok_or_else(|| Unusable::new("after", "must be the end of the page before"))
    }
}

/// At most a page of tasks after one of them, the nearest deadline first, and whether there are more.
pub async fn by_deadline(
    operation: &Operation<'_>,
    wanted: &Wanted,
    after: Option<Deadline>,
    limit: u32,
) -> Result<(Vec<Task>, bool), ControlError> {
    operation.require(Right::TasksRead)?;
    let after = after.map(|after| (after.due, after.id));
    let (store, org) = (operation.store, operation.org);
    Ok(store.tasks_by_deadline(org, wanted, after, limit).await?)
}

/// One task.
pub async fn read(operation: &Operation<'_>, task: TaskId) -> Result<Task, ControlError> {
    operation.require(Right::TasksRead)?;
    let found = operation.store.task(operation.org, task).await?;
    found.ok_or(ControlError::NoSuch("task"))
}

/// Whose tasks are meant: a person's id, or an e-mail address of somebody the directory does not know.
pub fn about(text: &str) -> Result<String, Unusable> {
    match text.parse::<PersonId>() {
        Ok(person) => Ok(person.to_string()),
        Err(_) => address("person", text).map_err(|_| {
            Unusable::new(
                "person",
                "must be a person's id (per_…) or an e-mail address",
            )
        }),
    }
}

/// Says that a task is done, or no longer needed, in somebody's words and with the fingerprint of a file where there is one. The same
/// said twice is said once; of a closed task nothing else can be said.
pub async fn close(
    operation: &Operation<'_>,
    task: TaskId,
    (how, statement): (Closed, &str),
    hash: Option<String>,
) -> Result<Task, ControlError> {
    operation.require(Right::TasksWrite)?;
    let statement = crate::text::reason("evidence", statement)?;
    if hash.as_deref().is_some_and(|hash| !is_sha256(hash)) {
        let why = "must be 64 hexadecimal digits in lower case";
        return Err(Unusable::new("sha256", why).into());
    }
    let evidence = Evidence {
        kind: EvidenceKind::Statement,
        source: statement,
        hash,
        at: operation.clock.now(),
    };
    if let Some(closed) = close_with(operation, task, how, &evidence).await? {
        return Ok(closed);
    }
    let stands = operation.store.task(operation.org, task).await?;
    let stands = stands.ok_or(ControlError::NoSuch("task"))?;
    let Some(closing) = &stands.closing else {
        return Err(ControlError::NoSuch("open task"));
    };
    let is_repeat = closing.how == how
        && closing
            .evidence
            .as_ref()
            .is_some_and(|kept| kept.says(&evidence));
    if is_repeat {
        return Ok(stands);
    }
    Err(ControlError::AlreadyClosed {
        by: closing.by.clone(),
        at: closing.at,
    })
}

fn is_sha256(text: &str) -> bool {
    text.len() == 64
        && text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Closes an open task with any evidence; none when it is closed or over already.
pub(crate) async fn close_with(
    operation: &Operation<'_>,
    task: TaskId,
    how: Closed,
    evidence: &Evidence,
) -> Result<Option<Task>, ControlError> {
    let (store, org) = (operation.store, operation.org);
    let known = store.task(org, task).await?;
    let known = known.ok_or(ControlError::NoSuch("task"))?;
    let closing = Closing {
        at: operation.clock.now(),
        by: operation.actor.label().to_owned(),
        how,
        evidence: Some(evidence.clone()),
    };
    let Some(held) = store.hold_closing(org, task, &closing).await? else {
        return Ok(None);
    };
    let mut change = operation.change("task", &task.to_string(), ChangeKind::Updated);
    let said = format!(
        "{} of {}: {}, {} {}",
        known.kind,
        known.about,
        how.as_str(),
        evidence.kind,
        evidence.source
    );
    change.reason = Some(said.into());
    change.after = evidence.hash.as_deref().map(Into::into);
    operation.record(change).await?;
    held.keep().await?;
    let closed = Task {
        closing: Some(closing),
        ..known
    };
    Ok(Some(closed))
}

/// Notes that a task was not done in time; it is open again where somebody had said that it was. False when that is known.
pub(crate) async fn escalate(
    operation: &Operation<'_>,
    task: &Task,
    why: &str,
) -> Result<bool, ControlError> {
    let (store, now) = (operation.store, operation.clock.now());
    let held = store.hold_escalation(operation.org, task.id, now).await?;
    let Some(held) = held else {
        return Ok(false);
    };
    let mut change = operation.change("task", &task.id.to_string(), ChangeKind::Updated);
    let said = format!("escalated: {} of {}, {why}", task.kind, task.about);
    change.reason = Some(said.into());
    operation.record(change).await?;
    held.keep().await?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(closed_at: Option<i64>, how: Closed) -> Task {
        Task {
            id: TaskId::from_parts(1, 1),
            about: "x".into(),
            label: "x".into(),
            kind: TaskKind::DisableAccount,
            cause: Cause::Told,
            since: Timestamp::default(),
            due: Timestamp::from_unix_ms(DAY_MS - 1),
            opened: Timestamp::default(),
            opened_by: "x".into(),
            escalated_at: None,
            closing: closed_at.map(|at| Closing {
                at: Timestamp::from_unix_ms(at),
                by: "x".into(),
                how,
                evidence: None,
            }),
            over_at: None,
        }
    }

    #[test]
    fn what_is_overdue_or_late_is_told_by_the_clock_alone() {
        let check = |closed_at, how, now, expected| {
            let found = standing(&task(closed_at, how), Timestamp::from_unix_ms(now));
            assert_eq!(found, expected, "{closed_at:?} at {now}");
        };
        check(None, Closed::Done, DAY_MS - 1, Standing::Open);
        check(None, Closed::Done, DAY_MS, Standing::Overdue { days: 1 });
        check(
            None,
            Closed::Done,
            3 * DAY_MS,
            Standing::Overdue { days: 3 },
        );
        check(Some(DAY_MS - 1), Closed::Done, 9 * DAY_MS, Standing::Done);
        check(
            Some(3 * DAY_MS),
            Closed::Done,
            9 * DAY_MS,
            Standing::Late { days: 3 },
        );
        check(Some(5), Closed::NotNeeded, 9 * DAY_MS, Standing::NotNeeded);
    }

    #[test]
    fn a_deadline_reads_back_and_what_is_none_is_no_place_in_the_list() {
        let deadline = Deadline::of(&task(None, Closed::Done));
        assert_eq!(deadline.to_string().parse(), Ok(deadline));
        for text in ["", "1", "1.", ".tsk_x", "1.per_00000000000000000000000001"] {
            assert!(text.parse::<Deadline>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_address_is_one_and_nothing_else() {
        assert_eq!(
            address("who", "Ada@Acme.example").as_deref(),
            Ok("ada@acme.example")
        );
        for text in [
            "",
            "ada",
            "@acme.example",
            "ada@acme",
            "a b@c.d",
            "a\u{202e}@c.d",
            "a\n@c.d",
        ] {
            assert!(address("who", text).is_err(), "{text:?}");
        }
    }
}
