//! Sessions: one sign-in of one client. What ends a session also forgets the identity provider's token that was kept for it.

use domain::{OrgId, PersonId, SessionId, Timestamp, limits};
use sqlx::any::AnyRow;
use sqlx::{Row as _, query};

use crate::connection::Tx;
use crate::refresh::insert_refresh;
pub use crate::refresh::{Exchange, Rotation};
use crate::{Person, Result, Store, StoreError, id, maybe_time, time, unsigned};

/// One sign-in of one client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// Whose.
    pub person: PersonId,
    /// The program that signed in.
    pub client: String,
    /// When.
    pub created: Timestamp,
    /// When it ended, if it did.
    pub ended_at: Option<Timestamp>,
}

/// A session and whose it is, as they stood in one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The session.
    pub session: Session,
    /// The person.
    pub person: Person,
    /// The program and the connector that it is for; none for a session that counts at every door of Claude's own clients.
    pub bound: Option<Bound>,
}

/// What a session of an MCP client is bound to, from its first token to its last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bound {
    /// The program, as OAuth knows it.
    pub client_id: String,
    /// The connector's address.
    pub resource: String,
    /// What was granted, as OAuth writes it.
    pub scope: String,
    /// How it began.
    pub began_by: Began,
}

/// How a session of an MCP client begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Began {
    /// The person said yes in a browser.
    Code,
    /// The company's identity provider asserted it.
    Assertion,
}

impl Store {
    /// Begins a session with its first refresh token.
    pub async fn create_session(
        &self,
        org: OrgId,
        session: &Session,
        refresh_hash: &str,
        refresh_expires: Timestamp,
    ) -> Result<()> {
        let mut tx = self.pools.begin().await?;
        insert_session(&mut tx, org, session, (refresh_hash, refresh_expires)).await?;
        tx.commit().await?;
        Ok(())
    }

    /// A session by its id.
    pub async fn session(&self, org: OrgId, session: SessionId) -> Result<Option<Session>> {
        let row = self
            .pools
            .row(query(ONE).bind(org.to_string()).bind(session.to_string()))
            .await?;
        row.as_ref().map(read).transpose()
    }

    /// At most `limit` sessions after one of them, ordered by id, of one person or of everyone, open ones alone or all; and whether
    /// there are more.
    pub async fn sessions_page(
        &self,
        org: OrgId,
        (person, open): (Option<PersonId>, bool),
        after: Option<SessionId>,
        limit: u32,
    ) -> Result<(Vec<Session>, bool)> {
        let limit = limit.min(limits::STORE_PAGE_MAX);
        let statement = query(
            "SELECT id, person, client, created, ended_at FROM sessions \
             WHERE org = $1 AND ($2 = '' OR person = $2) AND ($3 = 0 OR ended_at IS NULL) AND id > $4 \
             ORDER BY id LIMIT $5",
        )
        .bind(org.to_string())
        .bind(person.map_or_else(String::new, |person| person.to_string()))
        .bind(i64::from(open))
        .bind(after.map_or_else(String::new, |after| after.to_string()))
        .bind(i64::from(limit) + 1);
        let rows = self.pools.rows(statement).await?;
        let wanted = rows.iter().take(limit as usize);
        let found = wanted.map(read).collect::<Result<Vec<_>>>()?;
        let more = rows.len() > found.len();
        Ok((found, more))
    }
}

/// How many sessions there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionsCount {
    /// That have not ended.
    pub open: u64,
    /// In all.
    pub all: u64,
}

impl Store {
    /// As [`Store::sessions_page`], from the last to the first: at most `limit` sessions before one of them.
    pub async fn sessions_page_back(
        &self,
        org: OrgId,
        (person, open): (Option<PersonId>, bool),
        before: Option<SessionId>,
        limit: u32,
    ) -> Result<(Vec<Session>, bool)> {
        let limit = limit.min(limits::STORE_PAGE_MAX);
        let statement = query(
            "SELECT id, person, client, created, ended_at FROM sessions \
             WHERE org = $1 AND ($2 = '' OR person = $2) AND ($3 = 0 OR ended_at IS NULL) AND ($4 = '' OR id < $4) \
             ORDER BY id DESC LIMIT $5",
        )
        .bind(org.to_string())
        .bind(person.map_or_else(String::new, |person| person.to_string()))
        .bind(i64::from(open))
        .bind(before.map_or_else(String::new, |before| before.to_string()))
        .bind(i64::from(limit) + 1);
        let rows = self.pools.rows(statement).await?;
        let wanted = rows.iter().take(limit as usize);
        let found = wanted.map(read).collect::<Result<Vec<_>>>()?;
        let more = rows.len() > found.len();
        Ok((found, more))
    }

    /// How many sessions there are, of one person or of everyone.
    pub async fn sessions_count(
        &self,
        org: OrgId,
        person: Option<PersonId>,
    ) -> Result<SessionsCount> {
        let statement = query(
            "SELECT CAST(COUNT(*) AS BIGINT), CAST(COUNT(*) - COUNT(ended_at) AS BIGINT) FROM sessions \
             WHERE org = $1 AND ($2 = '' OR person = $2)",
        );
        let person = person.map_or_else(String::new, |person| person.to_string());
        let statement = statement.bind(org.to_string()).bind(person);
        let row = self.pools.row(statement).await?;
        let row = row.ok_or(StoreError::Damaged("sessions.id"))?;
        Ok(SessionsCount {
            open: unsigned(&row, 1, "sessions.id")?,
            all: unsigned(&row, 0, "sessions.id")?,
        })
    }
}

const ONE: &str =
    "SELECT id, person, client, created, ended_at FROM sessions WHERE org = $1 AND id = $2";

/// In a transaction: a session that something else refers to.
pub(crate) async fn session_in(tx: &mut Tx, org: OrgId, session: SessionId) -> Result<Session> {
    let row = tx
        .row(query(ONE).bind(org.to_string()).bind(session.to_string()))
        .await?;
    read(&row.ok_or(StoreError::Damaged("sessions.id"))?)
}

/// In a transaction: begins a session with the hash of its first refresh token and when that expires.
pub(crate) async fn insert_session(
    tx: &mut Tx,
    org: OrgId,
    session: &Session,
    first: (&str, Timestamp),
) -> Result<()> {
    insert_bare_session(tx, org, session).await?;
    insert_refresh(tx, org, session.id, session.created, first).await
}

/// In a transaction: begins a session that is carried on by something else than refresh tokens.
pub(crate) async fn insert_bare_session(tx: &mut Tx, org: OrgId, session: &Session) -> Result<()> {
    tx.run(
        query(
            "INSERT INTO sessions (id, org, person, client, created) VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(session.id.to_string())
        .bind(org.to_string())
        .bind(session.person.to_string())
        .bind(&session.client)
        .bind(session.created.unix_ms()),
    )
    .await?;
    Ok(())
}

/// In a transaction: binds a session to a program and a connector.
pub(crate) async fn bind_session(
    tx: &mut Tx,
    org: OrgId,
    session: SessionId,
    bound: &Bound,
) -> Result<()> {
    let statement = query(
        "INSERT INTO session_bounds (session, org, client_id, resource, scope, began_by) VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(session.to_string())
    .bind(org.to_string())
    .bind(&bound.client_id)
    .bind(&bound.resource)
    .bind(&bound.scope)
    .bind(bound.began_by.as_str());
    tx.run(statement).await?;
    Ok(())
}

/// In a transaction: what a session is bound to.
pub(crate) async fn bound_in(tx: &mut Tx, org: OrgId, session: SessionId) -> Result<Option<Bound>> {
    let statement = query(
        "SELECT client_id, resource, scope, began_by FROM session_bounds WHERE org = $1 AND session = $2",
    );
    let statement = statement.bind(org.to_string()).bind(session.to_string());
    let Some(row) = tx.row(statement).await? else {
        return Ok(None);
    };
    Ok(Some(Bound {
        client_id: row.try_get(0)?,
        resource: row.try_get(1)?,
        scope: row.try_get(2)?,
        began_by: Began::parse(row.try_get(3)?)?,
    }))
}

fn read(row: &AnyRow) -> Result<Session> {
    Ok(Session {
        id: id(row, 0, "sessions.id")?,
        person: id(row, 1, "sessions.person")?,
        client: row.try_get(2)?,
        created: time(row, 3)?,
        ended_at: maybe_time(row, 4)?,
    })
}
