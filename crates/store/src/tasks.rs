//! Tasks for people who come and go. An occasion opens its tasks once, however often it is told of; when it is over, what was not
//! done is no longer needed, and the next occasion opens its own.

use domain::task::{Evidence, Occasion, TaskKind};
use domain::{OrgId, PersonId, TaskId, Timestamp, limits};
use sqlx::any::AnyRow;
use sqlx::{Row as _, query};

use crate::acceptable_use::{Acceptance, read_acceptance};
use crate::connection::{Query, Tx};
use crate::{Held, Result, Store, StoreError, id, maybe_time, time, unsigned};

/// What told of the occasion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The person's access ended or began: what this store itself says.
    Access,
    /// A list or a person said so.
    Told,
}

impl Cause {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Told => "told",
        }
    }
}

/// How a task was closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    /// It is done.
    Done,
    /// It no longer applies.
    NotNeeded,
}

impl Closed {
    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::NotNeeded => "not_needed",
        }
    }
}

/// A task's end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closing {
    /// When.
    pub at: Timestamp,
    /// Who says so.
    pub by: String,
    /// How.
    pub how: Closed,
    /// What proves it.
    pub evidence: Option<Evidence>,
}

/// A task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// Its id.
    pub id: TaskId,
    /// Whom it is about: our id of the person, or an e-mail address in lower case.
    pub about: String,
    /// For people to read.
    pub label: String,
    /// What is to be done.
    pub kind: TaskKind,
    /// What told of it.
    pub cause: Cause,
    /// When the person leaves or came.
    pub since: Timestamp,
    /// Until when.
    pub due: Timestamp,
    /// When it was opened.
    pub opened: Timestamp,
    /// By whom.
    pub opened_by: String,
    /// Since when it is known that it was not done in time.
    pub escalated_at: Option<Timestamp>,
    /// Its end, if it has one.
    pub closing: Option<Closing>,
    /// Since when its occasion is over.
    pub over_at: Option<Timestamp>,
}

/// Which tasks to read; every one when nothing is said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Only those still to be done.
    pub open: bool,
    /// Only those still to be done that were due before this moment.
    pub due_before: Option<Timestamp>,
    /// Only those about this person: our id, or an e-mail address in lower case.
    pub about: Option<String>,
    /// Only those of this kind.
    pub kind: Option<TaskKind>,
}

impl Task {
    /// Whether somebody said that it is to be done, and no access of theirs says so.
    pub fn is_told(&self) -> bool {
        self.cause == Cause::Told
    }
}

/// Somebody whose access says one thing and whose tasks another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mover {
    /// Who.
    pub person: PersonId,
    /// For people to read.
    pub label: String,
    /// When they came, left or were let in again.
    pub at: Timestamp,
}

/// Columns in the order that [`read`] wants them.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, about, label, kind, cause, since, due, opened, opened_by, escalated_at, \
             closed_at, closed_by, closed_as, evidence, over_at FROM tasks ",
            $rest
        )
    };
}

impl Store {
    /// Opens tasks, to be kept; those that are open already for the same person and occasion stay as they are. None when all are.
    pub async fn hold_tasks(&self, org: OrgId, tasks: &[Task]) -> Result<Option<Held>> {
        let mut tx = self.pools.begin().await?;
        let new = insert(&mut tx, org, tasks).await?;
        Ok(Held::of(tx, new))
    }

    /// A person's departure, to be kept: its tasks, and the end of those of coming. From then on it is the person's access itself that
    /// tells of it, whoever told of it first; none when it does already.
    pub async fn hold_departure(
        &self,
        org: OrgId,
        about: &str,
        tasks: &[Task],
        (at, by): (Timestamp, &str),
    ) -> Result<Option<Held>> {
        let mut tx = self.pools.begin().await?;
        let mut changed = insert(&mut tx, org, tasks).await?;
        let confirm = query(
            "UPDATE tasks SET cause = 'access' WHERE org = $1 AND about = $2 AND occasion = 'leaving' \
               AND over_at IS NULL AND cause <> 'access'",
        );
        changed += tx.run(confirm.bind(org.to_string()).bind(about)).await?;
        tx.run(end(org, (about, Occasion::Joining), at, by)).await?;
        Ok(Held::of(tx, changed))
    }

    /// A task's end, to be kept; none when it is closed or over already, or not there.
    pub async fn hold_closing(
        &self,
        org: OrgId,
        task: TaskId,
        closing: &Closing,
    ) -> Result<Option<Held>> {
        let statement = query(
            "UPDATE tasks SET closed_at = $3, closed_by = $4, closed_as = $5, evidence = $6 \
             WHERE org = $1 AND id = $2 AND closed_at IS NULL AND over_at IS NULL",
        )
        .bind(org.to_string())
        .bind(task.to_string())
        .bind(closing.at.unix_ms())
        .bind(&closing.by)
        .bind(closing.how.as_str())
        .bind(as_json(closing)?);
        self.hold(statement).await
    }

    /// That a task was not done in time or, though said to be, not done at all, to be kept: it is open again. None when that is known
    /// already, or its occasion is over.
    pub async fn hold_escalation(
        &self,
        org: OrgId,
        task: TaskId,
        at: Timestamp,
    ) -> Result<Option<Held>> {
        let statement = query(
            "UPDATE tasks SET escalated_at = COALESCE(escalated_at, $3), closed_at = NULL, closed_by = NULL, \
               closed_as = NULL, evidence = NULL \
             WHERE org = $1 AND id = $2 AND over_at IS NULL AND (escalated_at IS NULL OR closed_at IS NOT NULL)",
        )
        .bind(org.to_string())
        .bind(task.to_string())
        .bind(at.unix_ms());
        self.hold(statement).await
    }

    /// The end of an occasion, to be kept: what was not done is no longer needed. None when it has none.
    pub async fn hold_end(
        &self,
        org: OrgId,
        occasion: (&str, Occasion),
        at: Timestamp,
        by: &str,
    ) -> Result<Option<Held>> {
        self.hold(end(org, occasion, at, by)).await
    }

    /// A task by its id.
    pub async fn task(&self, org: OrgId, task: TaskId) -> Result<Option<Task>> {
        let statement = query(select!("WHERE org = $1 AND id = $2"));
        let row = self
            .pools
            .row(statement.bind(org.to_string()).bind(task.to_string()))
            .await?;
        row.as_ref().map(read).transpose()
    }

    /// The tasks of occasions that are not over, of one person.
    pub async fn current_tasks(&self, org: OrgId, about: &str) -> Result<Vec<Task>> {
        let statement = query(select!(
            "WHERE org = $1 AND about = $2 AND over_at IS NULL ORDER BY id LIMIT 100"
        ));
        let rows = self
            .pools
            .rows(statement.bind(org.to_string()).bind(about))
            .await?;
        rows.iter().map(read).collect()
    }

    /// At most `limit` tasks after one of them, in the order they were opened.
    pub async fn tasks_page(
        &self,
        org: OrgId,
        wanted: &Wanted,
        after: Option<TaskId>,
        limit: u32,
    ) -> Result<Vec<Task>> {
        let statement = query(select!(
            "WHERE org = $1 AND id > $2 AND ($3 = 0 OR closed_at IS NULL) \
               AND ($4 = 0 OR (closed_at IS NULL AND due < $4)) AND ($5 = '' OR about = $5) AND ($6 = '' OR kind = $6) \
             ORDER BY id LIMIT $7"
        ))
        .bind(org.to_string())
        .bind(after.map_or_else(String::new, |after| after.to_string()))
        .bind(i64::from(wanted.open))
        .bind(wanted.due_before.map_or(0, Timestamp::unix_ms))
        .bind(wanted.about.as_deref().unwrap_or_default())
        .bind(wanted.kind.map_or("", TaskKind::as_str))
        .bind(i64::from(limit.min(limits::STORE_PAGE_MAX)));
        let rows = self.pools.rows(statement).await?;
        rows.iter().map(read).collect()
    }

    /// At most `limit` tasks that are to be done, the one that is due first before all others, and how many there are.
    pub async fn tasks_due(&self, org: OrgId, limit: u32) -> Result<(Vec<Task>, u64)> {
        let first = query(select!(
            "WHERE org = $1 AND closed_at IS NULL ORDER BY due, id LIMIT $2"
        ));
        let first = first.bind(org.to_string());
        let rows = self
            .pools
            .rows(first.bind(i64::from(limit.min(limits::STORE_PAGE_MAX))))
            .await?;
        let count = query(
            "SELECT CAST(COUNT(*) AS BIGINT) FROM tasks WHERE org = $1 AND closed_at IS NULL",
        );
        let row = self.pools.row(count.bind(org.to_string())).await?;
        let open = row.map_or(Ok(0), |row| unsigned(&row, 0, "tasks.id"))?;
        Ok((rows.iter().map(read).collect::<Result<_>>()?, open))
    }

    /// At most `limit` tasks after one of them, the nearest deadline first, and whether there are more.
    pub async fn tasks_by_deadline(
        &self,
        org: OrgId,
        wanted: &Wanted,
        after: Option<(Timestamp, TaskId)>,
        limit: u32,
    ) -> Result<(Vec<Task>, bool)> {
        let limit = limit.min(limits::STORE_PAGE_MAX);
        let (due, id) = after.map_or((i64::MIN, String::new()), |(due, id)| {
            (due.unix_ms(), id.to_string())
        });
        let statement = query(select!(
            "WHERE org = $1 AND (due > $2 OR (due = $2 AND id > $3)) AND ($4 = 0 OR closed_at IS NULL) \
               AND ($5 = 0 OR (closed_at IS NULL AND due < $5)) AND ($6 = '' OR about = $6) AND ($7 = '' OR kind = $7) \
             ORDER BY due, id LIMIT $8"
        ))
        .bind(org.to_string())
        .bind(due)
        .bind(id)
        .bind(i64::from(wanted.open))
        .bind(wanted.due_before.map_or(0, Timestamp::unix_ms))
        .bind(wanted.about.as_deref().unwrap_or_default())
        .bind(wanted.kind.map_or("", TaskKind::as_str))
        .bind(i64::from(limit) + 1);
        let rows = self.pools.rows(statement).await?;
        let wanted = rows.iter().take(limit as usize);
        let found = wanted.map(read).collect::<Result<Vec<_>>>()?;
        let more = rows.len() > found.len();
        Ok((found, more))
    }

    /// People whose access has ended since `not_before` and who have no tasks of leaving that say so. Throw-away people of
    /// drills, whose issuer is ourselves, are nobody.
    pub async fn leavers_without_tasks(
        &self,
        org: OrgId,
        not_before: Timestamp,
        limit: u32,
    ) -> Result<Vec<Mover>> {
        self.movers(
            "SELECT p.id, COALESCE(p.email, p.name, p.stable_id), COALESCE(p.disabled_at, p.left_at) FROM people p \
             WHERE p.org = $1 AND COALESCE(p.disabled_at, p.left_at) >= $2 AND p.issuer <> 'doorward' AND NOT EXISTS \
               (SELECT 1 FROM tasks t WHERE t.org = p.org AND t.about = p.id AND t.occasion = 'leaving' \
                  AND t.cause = 'access' AND t.over_at IS NULL) \
             ORDER BY 3, p.id LIMIT $3",
            (org, not_before, limit),
        )
        .await
    }

    /// People who may come in and whose tasks of leaving, opened when their access ended, are not over.
    pub async fn returned_with_tasks(
        &self,
        org: OrgId,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<Mover>> {
        self.movers(
            // The database looks from the left to the right: at one task of each departure, not at everybody.
            "SELECT p.id, COALESCE(p.email, p.name, p.stable_id), CAST($2 AS BIGINT) FROM tasks t CROSS JOIN people p \
             WHERE t.org = $1 AND t.kind = 'end_access' AND t.cause = 'access' AND t.over_at IS NULL \
               AND p.org = t.org AND p.id = t.about AND p.disabled_at IS NULL AND p.left_at IS NULL \
             ORDER BY t.about LIMIT $3",
            (org, now, limit),
        )
        .await
    }

    /// People new since `not_before` who may come in and never had tasks of coming. Whom a directory brought within
    /// [`limits::DIRECTORY_FIRST_SYNC_MS`] of its first user is not new.
    pub async fn joiners_without_tasks(
        &self,
        org: OrgId,
        not_before: Timestamp,
        limit: u32,
    ) -> Result<Vec<Mover>> {
        self.movers(
            "SELECT p.id, COALESCE(p.email, p.name, p.stable_id), p.new_at FROM people p \
             WHERE p.org = $1 AND p.new_at >= $2 AND p.issuer <> 'doorward' AND p.disabled_at IS NULL AND p.left_at IS NULL AND NOT EXISTS \
               (SELECT 1 FROM tasks t WHERE t.org = p.org AND t.about = p.id AND t.occasion = 'joining') \
             ORDER BY p.new_at, p.id LIMIT $3",
            (org, not_before, limit),
        )
        .await
    }

    /// Tasks to accept the acceptable-use policy, still to be done, of people who have accepted this version of it or a later one: the task,
    /// its label and the latest acceptance.
    pub async fn accepted_with_tasks(
        &self,
        org: OrgId,
        accept_from: u64,
        limit: u32,
    ) -> Result<Vec<(TaskId, String, Acceptance)>> {
        let statement = query(
            "SELECT a.person, a.version, a.at, a.way, a.address, t.id, t.label \
             FROM tasks t CROSS JOIN acceptable_use_acceptances a \
             WHERE t.org = $1 AND t.kind = 'accept_policy' AND t.closed_at IS NULL AND t.over_at IS NULL \
               AND a.org = t.org AND a.person = t.about AND a.version >= $2 AND a.version = \
                 (SELECT MAX(b.version) FROM acceptable_use_acceptances b WHERE b.org = t.org AND b.person = t.about) \
             ORDER BY t.id LIMIT $3",
        )
        .bind(org.to_string())
        .bind(i64::try_from(accept_from).unwrap_or(i64::MAX))
        .bind(i64::from(limit.min(limits::STORE_PAGE_MAX)));
        let rows = self.pools.rows(statement).await?;
        let read = |row: &AnyRow| {
            Ok((
                id(row, 5, "tasks.id")?,
                row.try_get(6)?,
                read_acceptance(row)?,
            ))
        };
        rows.iter().map(read).collect()
    }

    async fn movers(
        &self,
        sql: &'static str,
        (org, at, limit): (OrgId, Timestamp, u32),
    ) -> Result<Vec<Mover>> {
        let statement = query(sql)
            .bind(org.to_string())
            .bind(at.unix_ms())
            .bind(i64::from(limit.min(limits::STORE_PAGE_MAX)));
        let rows = self.pools.rows(statement).await?;
        rows.iter()
            .map(|row| {
                Ok(Mover {
                    person: id(row, 0, "people.id")?,
                    label: row.try_get(1)?,
                    at: time(row, 2)?,
                })
            })
            .collect()
    }

    /// How many sessions of a person ended at this moment.
    pub async fn sessions_ended_at(
        &self,
        org: OrgId,
        person: PersonId,
        at: Timestamp,
    ) -> Result<u64> {
        let statement =
            query("SELECT COUNT(*) FROM sessions WHERE org = $1 AND person = $2 AND ended_at = $3")
                .bind(org.to_string())
                .bind(person.to_string())
                .bind(at.unix_ms());
        let row = self.pools.row(statement).await?;
        let row = row.ok_or(StoreError::Damaged("sessions"))?;
        unsigned(&row, 0, "sessions")
    }
}

impl Held {
    /// Closes a task of a person's departure together with it, unless it is closed.
    pub async fn close(
        &mut self,
        org: OrgId,
        (about, kind): (&str, TaskKind),
        closing: &Closing,
    ) -> Result<()> {
        let statement = query(
            "UPDATE tasks SET closed_at = $4, closed_by = $5, closed_as = $6, evidence = $7 \
             WHERE org = $1 AND about = $2 AND kind = $3 AND closed_at IS NULL AND over_at IS NULL",
        )
        .bind(org.to_string())
        .bind(about)
        .bind(kind.as_str())
        .bind(closing.at.unix_ms())
        .bind(&closing.by)
        .bind(closing.how.as_str())
        .bind(as_json(closing)?);
        self.tx.run(statement).await?;
        Ok(())
    }
}

/// Those that are new, and how many they are.
async fn insert(tx: &mut Tx, org: OrgId, tasks: &[Task]) -> Result<u64> {
    let mut new = 0;
    for task in tasks {
        let statement = query(
            "INSERT INTO tasks (id, org, about, label, occasion, kind, cause, since, due, opened, opened_by) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING",
        )
        .bind(task.id.to_string())
        .bind(org.to_string())
        .bind(&task.about)
        .bind(&task.label)
        .bind(task.kind.occasion().as_str())
        .bind(task.kind.as_str())
        .bind(task.cause.as_str())
        .bind(task.since.unix_ms())
        .bind(task.due.unix_ms())
        .bind(task.opened.unix_ms())
        .bind(&task.opened_by);
        new += tx.run(statement).await?;
    }
    Ok(new)
}

fn end<'q>(
    org: OrgId,
    (about, occasion): (&'q str, Occasion),
    at: Timestamp,
    by: &'q str,
) -> Query<'q> {
    query(
        "UPDATE tasks SET over_at = $4, closed_at = COALESCE(closed_at, $4), \
           closed_by = CASE WHEN closed_at IS NULL THEN $5 ELSE closed_by END, \
           closed_as = CASE WHEN closed_at IS NULL THEN 'not_needed' ELSE closed_as END \
         WHERE org = $1 AND about = $2 AND occasion = $3 AND over_at IS NULL",
    )
    .bind(org.to_string())
    .bind(about)
    .bind(occasion.as_str())
    .bind(at.unix_ms())
    .bind(by)
}

fn as_json(closing: &Closing) -> Result<Option<String>> {
    let json = closing.evidence.as_ref().map(serde_json::to_string);
    json.transpose()
        .map_err(|_| StoreError::Damaged("tasks.evidence"))
}

fn evidence(json: Option<&str>) -> Result<Option<Evidence>> {
    let read = json.map(serde_json::from_str);
    read.transpose()
        .map_err(|_| StoreError::Damaged("tasks.evidence"))
}

fn read(row: &AnyRow) -> Result<Task> {
    let kind: String = row.try_get(3)?;
    let cause: String = row.try_get(4)?;
    let closing = match maybe_time(row, 10)? {
        None => None,
        Some(at) => {
            let how: Option<String> = row.try_get(12)?;
            Some(Closing {
                at,
                by: row.try_get::<Option<String>, _>(11)?.unwrap_or_default(),
                how: match how.as_deref() {
                    Some("done") => Closed::Done,
                    Some("not_needed") => Closed::NotNeeded,
                    _ => return Err(StoreError::Damaged("tasks.closed_as")),
                },
                evidence: evidence(row.try_get(13)?)?,
            })
        }
    };
    Ok(Task {
        id: id(row, 0, "tasks.id")?,
        about: row.try_get(1)?,
        label: row.try_get(2)?,
        kind: kind
            .parse()
            .map_err(|_| StoreError::Damaged("tasks.kind"))?,
        cause: match &*cause {
            "access" => Cause::Access,
            "told" => Cause::Told,
            _ => return Err(StoreError::Damaged("tasks.cause")),
        },
        since: time(row, 5)?,
        due: time(row, 6)?,
        opened: time(row, 7)?,
        opened_by: row.try_get(8)?,
        escalated_at: maybe_time(row, 9)?,
        closing,
        over_at: maybe_time(row, 14)?,
    })
}
