//! Calls of connectors' actions that somebody has to approve. Asking, and every step after it, is held until the ledger knows of it; a
//! step is made only from the state it was seen in and only in time, so that of several who decide or call at once, on whichever
//! replica, one does. Arguments come and go sealed. Called by `control`, which decides who may.

use domain::approval::{About, Approver, Binding};
use domain::{ApprovalId, ApprovalState, OrgId, PersonId, Timestamp, limits};
use sqlx::any::AnyRow;
use sqlx::{Row as _, query};

use crate::connection::{Query, Tx};
use crate::people::hold_person;
use crate::{Held, Result, Store, StoreError, id, maybe_id, maybe_time, time, unsigned};

/// A call that waits, or that was decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    /// Its id.
    pub id: ApprovalId,
    /// What it is for.
    pub binding: Binding,
    /// Who asks, for reading.
    pub label: String,
    /// What stands beside the call.
    pub about: About,
    /// The arguments in their canonical form, sealed; none any more when they were taken away.
    pub arguments: Option<Vec<u8>>,
    /// When it was asked for.
    pub asked: Timestamp,
    /// Until when it can be decided; once approved, until when it can be used.
    pub expires: Timestamp,
    /// As it was kept; [`ApprovalState::at`] says how it stands.
    pub state: ApprovalState,
    /// What somebody decided.
    pub decision: Option<ApprovalDecision>,
    /// When it was over.
    pub ended: Option<Timestamp>,
    /// The one that stands in its place, where whoever decides would rather have other arguments.
    pub instead: Option<ApprovalId>,
}

/// What somebody decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovalDecision {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: PersonId,
    /// Who that is, for reading.
    pub label: String,
    /// Why, in their words; may be empty for a yes.
    pub reason: String,
}

/// What becomes of asking.
#[must_use = "what is not kept was never asked"]
#[derive(Debug)]
pub enum AskingApproval {
    /// It can be kept.
    Held(Held),
    /// The same call has one already.
    Stands(Box<Approval>),
    /// The person may not come in any more.
    Out,
}

/// A step of one approval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovalStep {
    /// The state it was seen in.
    pub from: ApprovalState,
    /// The one it comes into.
    pub to: ApprovalState,
    /// When.
    pub at: Timestamp,
    /// Who decided, where somebody did.
    pub decision: Option<ApprovalDecision>,
    /// Of a yes: until when it can be used.
    pub expires: Option<Timestamp>,
    /// Of a no: the one that stands in its place.
    pub instead: Option<ApprovalId>,
}

/// Which to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ApprovalsWanted {
    /// Only this person's.
    pub person: Option<PersonId>,
    /// Only those that wait at this moment.
    pub pending_at: Option<Timestamp>,
}

/// Columns in the order that [`read`] wants them.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT a.id, a.person, a.connector, a.action, a.arguments_sha256, a.definition, a.policy_version, \
             COALESCE(p.email, p.name, p.stable_id, a.person), a.about, a.arguments, a.approver, a.asked, a.expires, a.state, \
             a.decided_at, a.decided_by, a.decided_label, a.reason, a.ended, a.notice_tries, a.instead \
             FROM approvals a LEFT JOIN people p ON p.org = a.org AND p.id = a.person ",
            $rest
        )
    };
}

impl Store {
    /// A new one, to be kept; the one that the same call has already, when there is one that is not over. Refused as full for whoever
    /// has too many that wait.
    pub async fn hold_approval(&self, org: OrgId, new: &Approval) -> Result<AskingApproval> {
        let mut tx = self.pools.begin().await?;
        // Held until the end: no other call of theirs is counted or added meanwhile.
        let person = hold_person(&mut tx, org, new.binding.person).await?;
        if !person.is_some_and(|person| person.admits(new.asked)) {
            return Ok(AskingApproval::Out);
        }
        let live = query(select!(
            "WHERE a.org = $1 AND a.digest = $2 AND a.state IN ('pending', 'approved')"
        ));
        let live = live.bind(org.to_string()).bind(new.binding.digest());
        if let Some(row) = tx.row(live).await? {
            return Ok(AskingApproval::Stands(Box::new(read(&row)?)));
        }
        if waiting_of(&mut tx, org, new).await? >= limits::APPROVALS_OPEN_MAX {
            return Err(StoreError::Full("approvals of this person that wait"));
        }
        let rows = tx.run(insert(org, new)).await?;
        Held::of(tx, rows)
            .map(AskingApproval::Held)
            .ok_or(StoreError::Damaged("approvals"))
    }

    /// A step, to be kept. None when it is not in that state any more, is not there, or the time for it is over; a step to `expired` is
    /// made only when it is.
    pub async fn hold_approval_step(
        &self,
        org: OrgId,
        approval: ApprovalId,
        step: &ApprovalStep,
    ) -> Result<Option<Held>> {
        if !step.from.may_become(step.to) {
            return Ok(None);
        }
        let statement = if step.to == ApprovalState::Expired {
            query(
                "UPDATE approvals SET state = $4, decided_at = COALESCE($5, decided_at), decided_by = COALESCE($6, decided_by), \
                 decided_label = COALESCE($7, decided_label), reason = COALESCE($8, reason), expires = COALESCE($9, expires), \
                 ended = $10, instead = $12 WHERE org = $1 AND id = $2 AND state = $3 AND expires <= $11",
            )
        } else {
            query(
                "UPDATE approvals SET state = $4, decided_at = COALESCE($5, decided_at), decided_by = COALESCE($6, decided_by), \
                 decided_label = COALESCE($7, decided_label), reason = COALESCE($8, reason), expires = COALESCE($9, expires), \
                 ended = $10, instead = $12 WHERE org = $1 AND id = $2 AND state = $3 AND expires > $11",
            )
        };
        let decision = step.decision.as_ref();
        let statement = statement
            .bind(org.to_string())
            .bind(approval.to_string())
            .bind(step.from.as_str())
            .bind(step.to.as_str())
            .bind(decision.map(|made| made.at.unix_ms()))
            .bind(decision.map(|made| made.by.to_string()))
            .bind(decision.map(|made| made.label.clone()))
            .bind(decision.map(|made| made.reason.clone()))
            .bind(step.expires.map(Timestamp::unix_ms))
            .bind(step.to.is_over().then(|| step.at.unix_ms()))
            .bind(step.at.unix_ms())
            .bind(step.instead.map(|instead| instead.to_string()));
        self.hold(statement).await
    }

    /// One by its id.
    pub async fn approval(&self, org: OrgId, approval: ApprovalId) -> Result<Option<Approval>> {
        let statement = query(select!("WHERE a.org = $1 AND a.id = $2"));
        let statement = statement.bind(org.to_string()).bind(approval.to_string());
        let row = self.pools.row(statement).await?;
        row.as_ref().map(read).transpose()
    }

    /// The newest one in whose place this one stands.
    pub async fn approval_replaced_by(
        &self,
        org: OrgId,
        approval: ApprovalId,
    ) -> Result<Option<Approval>> {
        let statement = query(select!(
            "WHERE a.org = $1 AND a.instead = $2 ORDER BY a.id DESC LIMIT 1"
        ));
        let statement = statement.bind(org.to_string()).bind(approval.to_string());
        let row = self.pools.row(statement).await?;
        row.as_ref().map(read).transpose()
    }

    /// The newest of a call.
    pub async fn approval_of_call(
        &self,
        org: OrgId,
        binding: &Binding,
    ) -> Result<Option<Approval>> {
        // the one that can still be used before those that are over: ids of one moment have no order
        let statement = query(select!(
            "WHERE a.org = $1 AND a.digest = $2 \
             ORDER BY CASE WHEN a.state IN ('pending', 'approved') THEN 0 ELSE 1 END, a.id DESC LIMIT 1"
        ));
        let statement = statement.bind(org.to_string()).bind(binding.digest());
        let row = self.pools.row(statement).await?;
        row.as_ref().map(read).transpose()
    }

    /// At most `limit` after one of them, and whether there are more: those that wait oldest first, others newest first.
    pub async fn approvals_page(
        &self,
        org: OrgId,
        wanted: ApprovalsWanted,
        after: Option<ApprovalId>,
        limit: u32,
    ) -> Result<(Vec<Approval>, bool)> {
        let limit = limit.min(limits::STORE_PAGE_MAX);
        let statement = match wanted.pending_at {
            Some(_) => query(select!(
                "WHERE a.org = $1 AND ($2 = '' OR a.id > $2) AND ($3 = '' OR a.person = $3) \
                 AND a.state = 'pending' AND a.expires > $4 ORDER BY a.id LIMIT $5"
            )),
            None => query(select!(
                "WHERE a.org = $1 AND ($2 = '' OR a.id < $2) AND ($3 = '' OR a.person = $3) \
                 AND a.asked > $4 ORDER BY a.id DESC LIMIT $5"
            )),
        };
        let text = |id: Option<String>| id.unwrap_or_default();
        let statement = statement
            .bind(org.to_string())
            .bind(text(after.map(|after| after.to_string())))
            .bind(text(wanted.person.map(|person| person.to_string())))
            .bind(wanted.pending_at.map_or(i64::MIN, Timestamp::unix_ms))
            .bind(i64::from(limit) + 1);
        let rows = self.pools.rows(statement).await?;
        let shown = rows.iter().take(limit as usize);
        let found = shown.map(read).collect::<Result<Vec<_>>>()?;
        let more = rows.len() > found.len();
        Ok((found, more))
    }

    /// Those whose time is over and that are not noted as expired yet, the oldest.
    pub async fn approvals_due(
        &self,
        org: OrgId,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<Approval>> {
        let statement = query(select!(
            "WHERE a.org = $1 AND a.state IN ('pending', 'approved') AND a.expires <= $2 ORDER BY a.id LIMIT $3"
        ));
        let statement = statement
            .bind(org.to_string())
            .bind(now.unix_ms())
            .bind(i64::from(limit.min(limits::STORE_PAGE_MAX)));
        self.pools.rows(statement).await?.iter().map(read).collect()
    }

    /// Those of which somebody else has yet to be told, the oldest, each with how often it was tried.
    pub async fn approvals_to_tell(
        &self,
        org: OrgId,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<(Approval, u64)>> {
        let statement = query(select!(
            "WHERE a.org = $1 AND a.state = 'pending' AND a.expires > $2 AND a.approver <> 'self' AND a.notice_due <= $2 \
             ORDER BY a.id LIMIT $3"
        ));
        let statement = statement
            .bind(org.to_string())
            .bind(now.unix_ms())
            .bind(i64::from(limit.min(limits::STORE_PAGE_MAX)));
        let rows = self.pools.rows(statement).await?;
        let told = |row: &AnyRow| Ok((read(row)?, unsigned(row, 19, "approvals.notice_tries")?));
        rows.iter().map(told).collect()
    }

    /// Takes the next try to tell of one, so that no other replica does; false when another has. `next` is when it is tried again.
    pub async fn take_approval_notice(
        &self,
        org: OrgId,
        approval: ApprovalId,
        tries: u64,
        next: Option<Timestamp>,
    ) -> Result<bool> {
        let statement = query(
            "UPDATE approvals SET notice_tries = notice_tries + 1, notice_due = $4 WHERE org = $1 AND id = $2 AND notice_tries = $3",
        )
        .bind(org.to_string())
        .bind(approval.to_string())
        .bind(i64::try_from(tries).unwrap_or(i64::MAX))
        .bind(next.map(Timestamp::unix_ms));
        Ok(self.pools.write(statement).await? == 1)
    }

    /// Notes that they were told.
    pub async fn approval_was_told(&self, org: OrgId, approval: ApprovalId) -> Result<()> {
        let statement = query("UPDATE approvals SET notice_due = NULL WHERE org = $1 AND id = $2");
        let statement = statement.bind(org.to_string()).bind(approval.to_string());
        self.pools.write(statement).await?;
        Ok(())
    }

    /// How many wait for somebody else than who asked, and since when the oldest does.
    pub async fn approvals_waiting(
        &self,
        org: OrgId,
        now: Timestamp,
    ) -> Result<(u64, Option<Timestamp>)> {
        let statement = query(
            "SELECT COUNT(*), MIN(asked) FROM approvals WHERE org = $1 AND state = 'pending' AND expires > $2 AND approver <> 'self'",
        );
        let statement = statement.bind(org.to_string()).bind(now.unix_ms());
        let row = self.pools.row(statement).await?;
        let row = row.ok_or(StoreError::Damaged("approvals"))?;
        Ok((unsigned(&row, 0, "approvals")?, maybe_time(&row, 1)?))
    }

    /// Takes away the arguments of those that were over at this moment.
    pub async fn forget_approval_arguments(&self, org: OrgId, over: Timestamp) -> Result<u64> {
        let statement = query(
            "UPDATE approvals SET arguments = NULL WHERE org = $1 AND ended <= $2 AND arguments IS NOT NULL",
        );
        let statement = statement.bind(org.to_string()).bind(over.unix_ms());
        self.pools.write(statement).await
    }

    /// Forgets those that were asked for before this moment and are over.
    pub async fn purge_approvals(&self, org: OrgId, before: Timestamp) -> Result<u64> {
        let statement =
            query("DELETE FROM approvals WHERE org = $1 AND asked < $2 AND ended IS NOT NULL");
        let statement = statement.bind(org.to_string()).bind(before.unix_ms());
        self.pools.write(statement).await
    }
}

async fn waiting_of(tx: &mut Tx, org: OrgId, new: &Approval) -> Result<i64> {
    let statement = query(
        "SELECT COUNT(*) FROM approvals WHERE org = $1 AND person = $2 AND state = 'pending' AND expires > $3",
    )
    .bind(org.to_string())
    .bind(new.binding.person.to_string())
    .bind(new.asked.unix_ms());
    let row = tx.row(statement).await?;
    Ok(row.ok_or(StoreError::Damaged("approvals"))?.try_get(0)?)
}

fn insert(org: OrgId, new: &Approval) -> Query<'_> {
    let about = serde_json::to_string(&new.about).expect("names and words are text");
    let binding = &new.binding;
    query(
        "INSERT INTO approvals (id, org, person, connector, action, arguments_sha256, definition, policy_version, digest, \
         about, arguments, approver, asked, expires, state, notice_due) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, 'pending', $13)",
    )
    .bind(new.id.to_string())
    .bind(org.to_string())
    .bind(binding.person.to_string())
    .bind(&binding.connector)
    .bind(&binding.action)
    .bind(&binding.arguments_sha256)
    .bind(&binding.definition)
    .bind(i64::try_from(binding.policy_version).unwrap_or(i64::MAX))
    .bind(binding.digest())
    .bind(about)
    .bind(new.arguments.as_deref())
    .bind(binding.approver.to_text())
    .bind(new.asked.unix_ms())
    .bind(new.expires.unix_ms())
}

fn read(row: &AnyRow) -> Result<Approval> {
    let text = |column: usize| -> Result<String> { Ok(row.try_get(column)?) };
    let damaged = |name: &'static str| StoreError::Damaged(name);
    let decision = match (
        maybe_time(row, 14)?,
        maybe_id(row, 15, "approvals.decided_by")?,
    ) {
        (Some(at), Some(by)) => Some(ApprovalDecision {
            at,
            by,
            label: row.try_get::<Option<String>, _>(16)?.unwrap_or_default(),
            reason: row.try_get::<Option<String>, _>(17)?.unwrap_or_default(),
        }),
        _ => None,
    };
    Ok(Approval {
        id: id(row, 0, "approvals.id")?,
        binding: Binding {
            person: id(row, 1, "approvals.person")?,
            connector: text(2)?,
            action: text(3)?,
            arguments_sha256: text(4)?,
            definition: text(5)?,
            policy_version: unsigned(row, 6, "approvals.policy_version")?,
            approver: Approver::parse(&text(10)?).ok_or(damaged("approvals.approver"))?,
        },
        label: text(7)?,
        about: serde_json::from_str(&text(8)?).map_err(|_| damaged("approvals.about"))?,
        arguments: row.try_get(9)?,
        asked: time(row, 11)?,
        expires: time(row, 12)?,
        state: text(13)?.parse().map_err(|_| damaged("approvals.state"))?,
        decision,
        ended: maybe_time(row, 18)?,
        instead: maybe_id(row, 20, "approvals.instead")?,
    })
}
