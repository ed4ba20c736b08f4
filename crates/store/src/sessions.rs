//! Sessions and their refresh tokens. A refresh token is kept as its hash, is exchanged for a successor, and betrays a thief when
//! it is used again: then the whole session ends.

use domain::{OrgId, PersonId, SessionId, Timestamp};
use sqlx::Row as _;
use sqlx::any::AnyRow;

use crate::{Result, Store, Tx, id, maybe_time, time};

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

/// What became of a refresh token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rotation {
    /// It was exchanged.
    Rotated(SessionId),
    /// It had just been exchanged; a second successor was given, for clients that refresh twice at once.
    WithinGrace(SessionId),
    /// It had been exchanged long ago: somebody else has it. The session has been ended.
    Reused(SessionId),
    /// Its session had ended.
    SessionEnded(SessionId),
    /// It has expired.
    Expired(SessionId),
    /// We never gave it out.
    Unknown,
}

/// A refresh token's exchange.
#[derive(Debug, Clone, Copy)]
pub struct Exchange<'a> {
    /// The tenant.
    pub org: OrgId,
    /// Hash of the token that is presented.
    pub old_hash: &'a str,
    /// Hash of its successor.
    pub new_hash: &'a str,
    /// Now.
    pub at: Timestamp,
    /// How long after its exchange a token is taken once more.
    pub grace_ms: i64,
    /// When the successor expires.
    pub expires: Timestamp,
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
        let mut tx = self.begin().await?;
        sqlx::query(
            "INSERT INTO sessions (id, org, person, client, created) VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(session.id.to_string())
        .bind(org.to_string())
        .bind(session.person.to_string())
        .bind(&session.client)
        .bind(session.created.unix_ms())
        .execute(&mut *tx)
        .await?;
        insert_refresh(
            &mut tx,
            org,
            session.id,
            refresh_hash,
            session.created,
            refresh_expires,
        )
        .await?;
        tx.commit().await?;
        Ok(())
    }

    /// A session by its id.
    pub async fn session(&self, org: OrgId, session: SessionId) -> Result<Option<Session>> {
        let row = sqlx::query(
            "SELECT id, person, client, created, ended_at FROM sessions WHERE org = $1 AND id = $2",
        )
        .bind(org.to_string())
        .bind(session.to_string())
        .fetch_optional(&self.pool)
        .await?;
        row.as_ref().map(read).transpose()
    }

    /// The session a refresh token belongs to.
    pub async fn session_of_refresh(&self, org: OrgId, hash: &str) -> Result<Option<SessionId>> {
        let row =
            sqlx::query("SELECT session FROM refresh_tokens WHERE org = $1 AND token_hash = $2")
                .bind(org.to_string())
                .bind(hash)
                .fetch_optional(&self.pool)
                .await?;
        row.map(|row| id(&row, 0, "refresh_tokens.session"))
            .transpose()
    }

    /// Ends a session; false when it had ended before or never was.
    pub async fn end_session(
        &self,
        org: OrgId,
        session: SessionId,
        why: &str,
        at: Timestamp,
    ) -> Result<bool> {
        let done = sqlx::query(
            "UPDATE sessions SET ended_at = $3, ended_why = $4 WHERE org = $1 AND id = $2 AND ended_at IS NULL",
        )
        .bind(org.to_string())
        .bind(session.to_string())
        .bind(at.unix_ms())
        .bind(why)
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Ends every open session of a person and returns them.
    pub async fn end_sessions_of(
        &self,
        org: OrgId,
        person: PersonId,
        why: &str,
        at: Timestamp,
    ) -> Result<Vec<SessionId>> {
        let rows = sqlx::query(
            "UPDATE sessions SET ended_at = $3, ended_why = $4 \
             WHERE org = $1 AND person = $2 AND ended_at IS NULL RETURNING id",
        )
        .bind(org.to_string())
        .bind(person.to_string())
        .bind(at.unix_ms())
        .bind(why)
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(|row| id(row, 0, "sessions.id")).collect()
    }

    /// Exchanges a refresh token. Of two exchanges of the same token at once, one is `Rotated` and the other `WithinGrace`.
    pub async fn exchange_refresh(&self, exchange: Exchange<'_>) -> Result<Rotation> {
        let mut tx = self.begin().await?;
        // Taking the row by a write orders two exchanges of the same token, on either engine.
        let row = sqlx::query(
            "UPDATE refresh_tokens SET created = created WHERE org = $1 AND token_hash = $2 \
             RETURNING session, expires, replaced_at",
        )
        .bind(exchange.org.to_string())
        .bind(exchange.old_hash)
        .fetch_optional(&mut *tx)
        .await?;
        let Some(row) = row else {
            return Ok(Rotation::Unknown);
        };
        let session: SessionId = id(&row, 0, "refresh_tokens.session")?;
        let (expires, replaced_at) = (time(&row, 1)?, maybe_time(&row, 2)?);
        let ended = sqlx::query("SELECT ended_at FROM sessions WHERE id = $1")
            .bind(session.to_string())
            .fetch_one(&mut *tx)
            .await?;
        if maybe_time(&ended, 0)?.is_some() {
            return Ok(Rotation::SessionEnded(session));
        }
        let outcome = match replaced_at {
            Some(replaced) if exchange.at.ms_since(replaced) > exchange.grace_ms => {
                sqlx::query("UPDATE sessions SET ended_at = $2, ended_why = 'refresh token reused' WHERE id = $1")
                    .bind(session.to_string())
                    .bind(exchange.at.unix_ms())
                    .execute(&mut *tx)
                    .await?;
                tx.commit().await?;
                return Ok(Rotation::Reused(session));
            }
            _ if expires <= exchange.at => return Ok(Rotation::Expired(session)),
            Some(_) => Rotation::WithinGrace(session),
            None => {
                sqlx::query("UPDATE refresh_tokens SET replaced_at = $2 WHERE token_hash = $1")
                    .bind(exchange.old_hash)
                    .bind(exchange.at.unix_ms())
                    .execute(&mut *tx)
                    .await?;
                Rotation::Rotated(session)
            }
        };
        insert_refresh(
            &mut tx,
            exchange.org,
            session,
            exchange.new_hash,
            exchange.at,
            exchange.expires,
        )
        .await?;
        tx.commit().await?;
        Ok(outcome)
    }

    /// Forgets refresh tokens that expired before this moment.
    pub async fn purge_refresh_tokens(&self, before: Timestamp) -> Result<u64> {
        let done = sqlx::query("DELETE FROM refresh_tokens WHERE expires < $1")
            .bind(before.unix_ms())
            .execute(&self.pool)
            .await?;
        Ok(done.rows_affected())
    }
}

async fn insert_refresh(
    tx: &mut Tx,
    org: OrgId,
    session: SessionId,
    hash: &str,
    at: Timestamp,
    expires: Timestamp,
) -> Result<()> {
    sqlx::query("INSERT INTO refresh_tokens (token_hash, org, session, created, expires) VALUES ($1, $2, $3, $4, $5)")
        .bind(hash)
        .bind(org.to_string())
        .bind(session.to_string())
        .bind(at.unix_ms())
        .bind(expires.unix_ms())
        .execute(&mut **tx)
        .await?;
    Ok(())
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
