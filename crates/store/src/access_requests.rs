//! What people asked for beyond what they may use. Asking, taking back and answering are each held until the ledger knows of it, and of
//! several who answer at once one does. A request that nobody answered in time counts as expired, whatever its row says. Called by
//! `control`, which decides who may.

use domain::window::DAY_MS;
use domain::{AccessRequestId, AccessState, AskedKind, OrgId, PersonId, Timestamp, limits};
use sqlx::any::AnyRow;
use sqlx::{Row as _, query};

use crate::connection::{Query, Tx};
use crate::people::hold_person;
use crate::spend_limits::set_in;
use crate::{
    Held, Result, SPEND_LIMITS, SpendLimit, SpendLimitAudit, Store, StoreError, id, maybe_time,
    next, time,
};

/// What somebody asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessRequest {
    /// Its id.
    pub id: AccessRequestId,
    /// Who asked.
    pub person: PersonId,
    /// Who that is, for reading.
    pub label: String,
    /// What for.
    pub kind: AskedKind,
    /// Which: a model's id, a budget's period, a group's name, a connector as it was written, `connector/action`.
    pub thing: String,
    /// Of a budget: how much, US cents as a decimal text.
    pub amount_cents: Option<String>,
    /// Why, in their words.
    pub reason: String,
    /// When.
    pub asked: Timestamp,
    /// As it was kept; [`AccessState::at`] says how it stands.
    pub state: AccessState,
    /// Its end, when somebody made one.
    pub end: Option<AccessEnd>,
}

/// How a request ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessEnd {
    /// When.
    pub at: Timestamp,
    /// By whom.
    pub by: String,
    /// What was answered; nothing where it was taken back.
    pub answer: String,
    /// Of a budget that was granted: how much, US cents as a decimal text.
    pub granted_cents: Option<String>,
}

/// What becomes of asking.
#[must_use = "what is not kept was never asked"]
#[derive(Debug)]
pub enum Asking {
    /// It can be kept.
    Held(Held),
    /// The same is open already.
    Stands(AccessRequestId),
    /// The person may not come in any more.
    Out,
}

/// A limit that a grant sets.
#[derive(Debug)]
pub struct Granting {
    /// To be kept.
    pub held: Held,
    /// The limit that stood before.
    pub before: Option<SpendLimit>,
    /// The limit as it stands then.
    pub after: SpendLimit,
}

/// Which to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AskedFor {
    /// Only this person's.
    pub person: Option<PersonId>,
    /// Only those that are open at this moment.
    pub open_at: Option<Timestamp>,
}

/// Columns in the order that [`read`] wants them.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT r.id, r.person, COALESCE(p.email, p.name, p.stable_id, r.person), r.kind, r.thing, r.amount_cents, \
             r.reason, r.asked, r.state, r.closed_at, r.closed_by, r.answer, r.granted_cents, r.notice_tries \
             FROM access_requests r LEFT JOIN people p ON p.org = r.org AND p.id = r.person ",
            $rest
        )
    };
}

impl Store {
    /// A new request, to be kept. Refused as full for whoever has asked too much.
    pub async fn hold_access_request(&self, org: OrgId, new: &AccessRequest) -> Result<Asking> {
        let mut tx = self.pools.begin().await?;
        // Held until the end: no other request of theirs is counted or added meanwhile.
        let person = hold_person(&mut tx, org, new.person).await?;
        if !person.is_some_and(|person| person.admits(new.asked)) {
            return Ok(Asking::Out);
        }
        expire(&mut tx, org, new).await?;
        if let Some(stands) = open_one(&mut tx, org, new).await? {
            return Ok(Asking::Stands(stands));
        }
        let open = "SELECT COUNT(*) FROM access_requests WHERE org = $1 AND person = $2 AND state = 'open' AND asked > $3";
        let never = Timestamp::from_unix_ms(i64::MIN);
        if counted(&mut tx, open, (org, new.person), never).await?
            >= limits::ACCESS_REQUESTS_OPEN_MAX
        {
            return Err(StoreError::Full("open requests of this person"));
        }
        let lately =
            "SELECT COUNT(*) FROM access_requests WHERE org = $1 AND person = $2 AND asked > $3";
        let day = new.asked.plus_ms(-DAY_MS);
        if counted(&mut tx, lately, (org, new.person), day).await?
            >= limits::ACCESS_REQUESTS_PER_DAY
        {
            return Err(StoreError::Full("requests of this person in a day"));
        }
        let rows = tx.run(insert(org, new)).await?;
        Held::of(tx, rows)
            .map(Asking::Held)
            .ok_or(StoreError::Damaged("access_requests"))
    }

    /// The end of an open request, to be kept: answered or taken back. None when it is not open, or not there.
    pub async fn hold_access_end(
        &self,
        org: OrgId,
        request: AccessRequestId,
        state: AccessState,
        end: &AccessEnd,
    ) -> Result<Option<Held>> {
        self.hold(close(org, request, (state, end))).await
    }

    /// The grant of a budget, to be kept together with the limit that it sets. None when the request is not open, or not there. `audit`
    /// makes the limit's entry from what really stood before.
    pub async fn hold_access_grant(
        &self,
        org: OrgId,
        request: AccessRequestId,
        end: &AccessEnd,
        new: &SpendLimit,
        audit: impl FnOnce(Option<&SpendLimit>, &SpendLimit) -> SpendLimitAudit + Send,
    ) -> Result<Option<Granting>> {
        let mut tx = self.pools.begin().await?;
        next(&mut tx, org, SPEND_LIMITS).await?;
        let closed = tx
            .run(close(org, request, (AccessState::Granted, end)))
            .await?;
        if closed == 0 {
            return Ok(None);
        }
        let (before, after) = set_in(&mut tx, org, new, audit).await?;
        Ok(Held::of(tx, closed).map(|held| Granting {
            held,
            before,
            after,
        }))
    }

    /// A request by its id.
    pub async fn access_request(
        &self,
        org: OrgId,
        request: AccessRequestId,
    ) -> Result<Option<AccessRequest>> {
        let statement = query(select!("WHERE r.org = $1 AND r.id = $2"));
        let row = self
            .pools
            .row(statement.bind(org.to_string()).bind(request.to_string()))
            .await?;
        row.as_ref().map(read).transpose()
    }

    /// At most `limit` requests after one of them, and whether there are more: one person's newest first, everybody's oldest first.
    pub async fn access_requests_page(
        &self,
        org: OrgId,
        wanted: AskedFor,
        after: Option<AccessRequestId>,
        limit: u32,
    ) -> Result<(Vec<AccessRequest>, bool)> {
        let limit = limit.min(limits::STORE_PAGE_MAX);
        let statement = match wanted.person {
            None => query(select!(
                "WHERE r.org = $1 AND ($2 = '' OR r.id > $2) AND ($3 = 0 OR (r.state = 'open' AND r.asked > $4)) \
                 ORDER BY r.id LIMIT $5"
            )),
            Some(_) => query(select!(
                "WHERE r.org = $1 AND ($2 = '' OR r.id < $2) AND ($3 = 0 OR (r.state = 'open' AND r.asked > $4)) \
                 AND r.person = $6 ORDER BY r.id DESC LIMIT $5"
            )),
        };
        let mut statement = statement
            .bind(org.to_string())
            .bind(after.map_or_else(String::new, |after| after.to_string()))
            .bind(i64::from(wanted.open_at.is_some()))
            .bind(wanted.open_at.map_or(0, expired_before))
            .bind(i64::from(limit) + 1);
        if let Some(person) = wanted.person {
            statement = statement.bind(person.to_string());
        }
        let rows = self.pools.rows(statement).await?;
        let wanted = rows.iter().take(limit as usize);
        let found = wanted.map(read).collect::<Result<Vec<_>>>()?;
        let more = rows.len() > found.len();
        Ok((found, more))
    }

    /// How many requests are open at a moment, those of one person left out, and since when the oldest waits.
    pub async fn access_requests_waiting(
        &self,
        org: OrgId,
        but: Option<PersonId>,
        now: Timestamp,
    ) -> Result<(u64, Option<Timestamp>)> {
        let statement = query(
            "SELECT COUNT(*), MIN(asked) FROM access_requests \
             WHERE org = $1 AND state = 'open' AND asked > $2 AND person <> $3",
        )
        .bind(org.to_string())
        .bind(expired_before(now))
        .bind(but.map_or_else(String::new, |but| but.to_string()));
        let row = self.pools.row(statement).await?;
        let row = row.ok_or(StoreError::Damaged("access_requests"))?;
        Ok((
            crate::unsigned(&row, 0, "access_requests")?,
            maybe_time(&row, 1)?,
        ))
    }

    /// Those that wait, or were answered, of which nobody was told yet, the oldest, each with how often it was tried.
    pub async fn access_requests_to_tell(
        &self,
        org: OrgId,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<(AccessRequest, u64)>> {
        let statement = query(select!(
            "WHERE r.org = $1 AND r.notice_due <= $2 AND (r.state IN ('granted', 'declined') OR (r.state = 'open' AND r.asked > $3)) \
             ORDER BY r.id LIMIT $4"
        ));
        let statement = statement
            .bind(org.to_string())
            .bind(now.unix_ms())
            .bind(expired_before(now))
            .bind(i64::from(limit.min(limits::STORE_PAGE_MAX)));
        let rows = self.pools.rows(statement).await?;
        let told = |row: &AnyRow| {
            let tries = crate::unsigned(row, 13, "access_requests.notice_tries")?;
            Ok((read(row)?, tries))
        };
        rows.iter().map(told).collect()
    }

    /// Takes the next try to tell of one as it stands, so that no other replica does; false when another has, or when it stands otherwise
    /// by now. `next` is when it is tried again.
    pub async fn take_access_notice(
        &self,
        org: OrgId,
        (request, state): (AccessRequestId, AccessState),
        tries: u64,
        next: Option<Timestamp>,
    ) -> Result<bool> {
        let statement = query(
            "UPDATE access_requests SET notice_tries = notice_tries + 1, notice_due = $5 \
             WHERE org = $1 AND id = $2 AND state = $3 AND notice_tries = $4",
        )
        .bind(org.to_string())
        .bind(request.to_string())
        .bind(state.as_str())
        .bind(i64::try_from(tries).unwrap_or(i64::MAX))
        .bind(next.map(Timestamp::unix_ms));
        Ok(self.pools.write(statement).await? == 1)
    }

    /// Notes that they were told how it stands.
    pub async fn access_request_was_told(
        &self,
        org: OrgId,
        (request, state): (AccessRequestId, AccessState),
    ) -> Result<()> {
        let statement = query(
            "UPDATE access_requests SET notice_due = NULL WHERE org = $1 AND id = $2 AND state = $3",
        )
        .bind(org.to_string())
        .bind(request.to_string())
        .bind(state.as_str());
        self.pools.write(statement).await?;
        Ok(())
    }

    /// Forgets requests that were asked before this moment, with the words they were asked and answered in.
    pub async fn purge_access_requests(&self, org: OrgId, before: Timestamp) -> Result<u64> {
        let statement = query("DELETE FROM access_requests WHERE org = $1 AND asked < $2");
        let statement = statement.bind(org.to_string()).bind(before.unix_ms());
        self.pools.write(statement).await
    }
}

/// What was asked at or before this is not open any more.
fn expired_before(now: Timestamp) -> i64 {
    now.plus_ms(-limits::ACCESS_REQUEST_OPEN_MS).unix_ms()
}

/// Notes that what nobody answered in time has expired, so that it may be asked anew.
async fn expire(tx: &mut Tx, org: OrgId, new: &AccessRequest) -> Result<()> {
    let statement = query(
        "UPDATE access_requests SET state = 'expired' WHERE org = $1 AND person = $2 AND state = 'open' AND asked <= $3",
    )
    .bind(org.to_string())
    .bind(new.person.to_string())
    .bind(expired_before(new.asked));
    tx.run(statement).await?;
    Ok(())
}

async fn open_one(tx: &mut Tx, org: OrgId, new: &AccessRequest) -> Result<Option<AccessRequestId>> {
    let statement = query(
        "SELECT id FROM access_requests WHERE org = $1 AND person = $2 AND kind = $3 AND thing = $4 AND state = 'open'",
    )
    .bind(org.to_string())
    .bind(new.person.to_string())
    .bind(new.kind.as_str())
    .bind(&new.thing);
    let row = tx.row(statement).await?;
    row.as_ref()
        .map(|row| id(row, 0, "access_requests.id"))
        .transpose()
}

async fn counted(
    tx: &mut Tx,
    sql: &'static str,
    (org, person): (OrgId, PersonId),
    since: Timestamp,
) -> Result<i64> {
    let statement = query(sql)
        .bind(org.to_string())
        .bind(person.to_string())
        .bind(since.unix_ms());
    let row = tx.row(statement).await?;
    Ok(row
        .ok_or(StoreError::Damaged("access_requests"))?
        .try_get(0)?)
}

fn insert(org: OrgId, new: &AccessRequest) -> Query<'_> {
    query(
        "INSERT INTO access_requests (id, org, person, kind, thing, amount_cents, reason, asked, state, notice_due) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'open', $8)",
    )
    .bind(new.id.to_string())
    .bind(org.to_string())
    .bind(new.person.to_string())
    .bind(new.kind.as_str())
    .bind(&new.thing)
    .bind(&new.amount_cents)
    .bind(&new.reason)
    .bind(new.asked.unix_ms())
}

fn close(
    org: OrgId,
    request: AccessRequestId,
    (state, end): (AccessState, &AccessEnd),
) -> Query<'_> {
    query(
        "UPDATE access_requests SET state = $3, closed_at = $4, closed_by = $5, answer = $6, granted_cents = $7, \
         notice_due = CASE WHEN $3 = 'withdrawn' THEN NULL ELSE $4 END, notice_tries = 0 \
         WHERE org = $1 AND id = $2 AND state = 'open' AND asked > $8",
    )
    .bind(org.to_string())
    .bind(request.to_string())
    .bind(state.as_str())
    .bind(end.at.unix_ms())
    .bind(&end.by)
    .bind(&end.answer)
    .bind(&end.granted_cents)
    .bind(expired_before(end.at))
}

fn read(row: &AnyRow) -> Result<AccessRequest> {
    let kind: String = row.try_get(3)?;
    let state: String = row.try_get(8)?;
    let asked = time(row, 7)?;
    let state: AccessState = state
        .parse()
        .map_err(|_| StoreError::Damaged("access_requests.state"))?;
    let end = match maybe_time(row, 9)? {
        None => None,
        Some(at) => Some(AccessEnd {
            at,
            by: row.try_get::<Option<String>, _>(10)?.unwrap_or_default(),
            answer: row.try_get::<Option<String>, _>(11)?.unwrap_or_default(),
            granted_cents: row.try_get(12)?,
        }),
    };
    Ok(AccessRequest {
        id: id(row, 0, "access_requests.id")?,
        person: id(row, 1, "access_requests.person")?,
        label: row.try_get(2)?,
        kind: kind
            .parse()
            .map_err(|_| StoreError::Damaged("access_requests.kind"))?,
        thing: row.try_get(4)?,
        amount_cents: row.try_get(5)?,
        reason: row.try_get(6)?,
        asked,
        state,
        end,
    })
}
