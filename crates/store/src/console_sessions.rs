//! Console sessions: a session that a browser's cookie carries on, kept as the cookie's hash. It stands in the table of sessions like
//! every other, so that whatever ends sessions ends it. How long one lasts is a rule of `domain`.

use domain::{OrgId, PersonId, SessionId, Timestamp, console};
use sqlx::query;

use crate::people::{columns, hold_person, person};
use crate::revocations::hold_revocations;
use crate::sessions::insert_bare_session;
use crate::{Held, Person, Result, Session, Store, id, maybe_time, time};

/// What a cookie stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConsoleSession {
    /// The session.
    pub session: SessionId,
    /// When it began.
    pub created: Timestamp,
    /// When it was last used, as far as that was written down.
    pub last_seen: Timestamp,
    /// When its person last proved who they are at the identity provider; the epoch when nobody said.
    pub proved_at: Timestamp,
    /// When it ended, if it did.
    pub ended_at: Option<Timestamp>,
}

/// A console session and whose it is, as they stood in one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsoleHolder {
    /// The session.
    pub session: ConsoleSession,
    /// The person.
    pub person: Person,
}

impl ConsoleHolder {
    /// Whether it still opens anything: it has not ended nor lasted too long, and its person may come in with what began then.
    pub fn stands(&self, now: Timestamp) -> bool {
        let ConsoleSession {
            created,
            last_seen,
            ended_at,
            ..
        } = self.session;
        ended_at.is_none()
            && !console::is_over(created, last_seen, now)
            && self.person.admits(created)
    }
}

/// A new proof in a console session.
#[derive(Debug, Clone, Copy)]
pub struct Proof<'a> {
    /// Hash of the cookie until now.
    pub old_hash: &'a str,
    /// Hash of the cookie from now on.
    pub new_hash: &'a str,
    /// Who was proved.
    pub person: PersonId,
    /// When.
    pub at: Timestamp,
}

impl Store {
    /// Begins a console session, to be kept; none when its person may not come in, or may only with what begins later.
    pub async fn begin_console_session(
        &self,
        org: OrgId,
        session: &Session,
        cookie_hash: &str,
        proved_at: Timestamp,
    ) -> Result<Option<Held>> {
        let mut tx = self.pools.begin().await?;
        // Held until the end: nobody shuts them out in between.
        let person = hold_person(&mut tx, org, session.person).await?;
        if !person.is_some_and(|person| person.admits(session.created)) {
            return Ok(None);
        }
        insert_bare_session(&mut tx, org, session).await?;
        let row = query(
            "INSERT INTO console_sessions (cookie_hash, org, session, person, created, last_seen, proved_at) \
             VALUES ($1, $2, $3, $4, $5, $5, $6)",
        )
        .bind(cookie_hash)
        .bind(org.to_string())
        .bind(session.id.to_string())
        .bind(session.person.to_string())
        .bind(session.created.unix_ms())
        .bind(proved_at.unix_ms());
        let rows = tx.run(row).await?;
        Ok(Held::of(tx, rows))
    }

    /// What a cookie of this hash stands for, with its session and person as they are now: one look.
    pub async fn console_session(
        &self,
        org: OrgId,
        cookie_hash: &str,
    ) -> Result<Option<ConsoleHolder>> {
        let statement = query(concat!(
            "SELECT ",
            columns!(),
            ", held_session, held_created, held_seen, held_proved, held_ended FROM people JOIN ( \
               SELECT c.person AS held_person, c.org AS held_org, c.session AS held_session, c.created AS held_created, \
                      c.last_seen AS held_seen, c.proved_at AS held_proved, s.ended_at AS held_ended \
               FROM console_sessions c JOIN sessions s ON s.id = c.session WHERE c.org = $1 AND c.cookie_hash = $2 \
             ) AS held ON id = held_person AND org = held_org"
        ));
        let row = self
            .pools
            .row(statement.bind(org.to_string()).bind(cookie_hash))
            .await?;
        let read = |row: &sqlx::any::AnyRow| {
            let session = ConsoleSession {
                session: id(row, 11, "console_sessions.session")?,
                created: time(row, 12)?,
                last_seen: time(row, 13)?,
                proved_at: time(row, 14)?,
                ended_at: maybe_time(row, 15)?,
            };
            let person = person(row)?;
            Ok(ConsoleHolder { session, person })
        };
        row.as_ref().map(read).transpose()
    }

    /// Notes that a console session was used. The caller asks for it rarely, because it is a write.
    pub async fn note_console_use(
        &self,
        org: OrgId,
        cookie_hash: &str,
        at: Timestamp,
    ) -> Result<()> {
        let statement = query(
            "UPDATE console_sessions SET last_seen = $3 WHERE org = $1 AND cookie_hash = $2 AND last_seen < $3",
        )
        .bind(org.to_string())
        .bind(cookie_hash)
        .bind(at.unix_ms());
        self.pools.write(statement).await?;
        Ok(())
    }

    /// Notes that the person of a console session has proved who they are once more, and changes its cookie, to be kept; none when the
    /// session is another's or has ended.
    pub async fn prove_console_session(
        &self,
        org: OrgId,
        proof: Proof<'_>,
    ) -> Result<Option<Held>> {
        let statement = query(
            "UPDATE console_sessions SET cookie_hash = $3, proved_at = $5, last_seen = $5 \
             WHERE org = $1 AND cookie_hash = $2 AND person = $4 \
               AND EXISTS (SELECT 1 FROM sessions WHERE id = session AND ended_at IS NULL)",
        )
        .bind(org.to_string())
        .bind(proof.old_hash)
        .bind(proof.new_hash)
        .bind(proof.person.to_string())
        .bind(proof.at.unix_ms());
        self.hold(statement).await
    }

    /// Ends console sessions that were last used, or begun, before these moments, and forgets all that ended; how many it ended.
    pub async fn purge_console_sessions(
        &self,
        org: OrgId,
        (used, begun): (Timestamp, Timestamp),
        at: Timestamp,
    ) -> Result<u64> {
        let mut tx = self.pools.begin().await?;
        // First, as whoever revokes does: two that end sessions in another order would wait for each other.
        hold_revocations(&mut tx, org).await?;
        let over = query(
            "UPDATE sessions SET ended_at = $4, ended_why = 'expired' WHERE org = $1 AND ended_at IS NULL AND id IN \
             (SELECT session FROM console_sessions WHERE org = $1 AND (last_seen < $2 OR created < $3))",
        )
        .bind(org.to_string())
        .bind(used.unix_ms())
        .bind(begun.unix_ms())
        .bind(at.unix_ms());
        let ended = tx.run(over).await?;
        let forgotten = query(
            "DELETE FROM console_sessions WHERE org = $1 \
               AND EXISTS (SELECT 1 FROM sessions WHERE id = session AND ended_at IS NOT NULL)",
        );
        tx.run(forgotten.bind(org.to_string())).await?;
        tx.commit().await?;
        Ok(ended)
    }
}
