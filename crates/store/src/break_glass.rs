//! The break-glass account: none, sealed with the hash of a code, or opened by that code. A code opens once, whatever many browsers send it at
//! the same moment; sealing anew or taking away ends what the last one opened.

use domain::{OWN_ISSUER, OrgId, SessionId, Timestamp, break_glass};
use sqlx::query;

use crate::sessions::insert_bare_session;
use crate::{Held, Result, Session, Store, maybe_time, time};

/// How it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BreakGlass {
    /// When it was sealed.
    pub sealed_at: Timestamp,
    /// By whom.
    pub sealed_by: String,
    /// Since when it is open; none while it is sealed.
    pub opened_at: Option<Timestamp>,
    /// The session that its code opened.
    pub session: Option<SessionId>,
}

/// Who opens it, and what begins.
#[derive(Debug, Clone, Copy)]
pub struct Opening<'a> {
    /// The hash of the code.
    pub code_hash: &'a str,
    /// The session that begins, whose person is made with it.
    pub session: &'a Session,
    /// The hash of its cookie.
    pub cookie_hash: &'a str,
}

impl Store {
    /// How the account stands; none where there is none.
    pub async fn break_glass(&self, org: OrgId) -> Result<Option<BreakGlass>> {
        let statement = query(
            "SELECT sealed_at, sealed_by, opened_at, session FROM break_glass WHERE org = $1",
        );
        let row = self.pools.row(statement.bind(org.to_string())).await?;
        let read = |row: &sqlx::any::AnyRow| {
            use sqlx::Row as _;
            let session: Option<String> = row.try_get(3)?;
            Ok(BreakGlass {
                sealed_at: time(row, 0)?,
                sealed_by: row.try_get(1)?,
                opened_at: maybe_time(row, 2)?,
                // what is no id is nobody's session
                session: session.and_then(|text| text.parse().ok()),
            })
        };
        row.as_ref().map(read).transpose()
    }

    /// Seals it with the hash of a new code; an older code opens nothing any more, and what it opened is nobody's.
    pub async fn seal_break_glass(
        &self,
        org: OrgId,
        code_hash: &str,
        (at, by): (Timestamp, &str),
    ) -> Result<()> {
        let statement = query(
            "INSERT INTO break_glass (org, code_hash, sealed_at, sealed_by) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (org) DO UPDATE SET code_hash = excluded.code_hash, sealed_at = excluded.sealed_at, \
               sealed_by = excluded.sealed_by, opened_at = NULL, session = NULL",
        )
        .bind(org.to_string())
        .bind(code_hash)
        .bind(at.unix_ms())
        .bind(by);
        self.pools.write(statement).await?;
        Ok(())
    }

    /// Takes it away; false where there was none.
    pub async fn remove_break_glass(&self, org: OrgId) -> Result<bool> {
        let statement = query("DELETE FROM break_glass WHERE org = $1").bind(org.to_string());
        Ok(self.pools.write(statement).await? > 0)
    }

    /// Whether a code of this hash opens it now. Only a look: whoever comes first opens it.
    pub async fn opens_break_glass(&self, org: OrgId, code_hash: &str) -> Result<bool> {
        let statement = query(
            "SELECT 1 FROM break_glass WHERE org = $1 AND code_hash = $2 AND opened_at IS NULL",
        );
        let statement = statement.bind(org.to_string()).bind(code_hash);
        Ok(self.pools.row(statement).await?.is_some())
    }

    /// Opens it and begins a console session of a person of its own, to be kept; none where the code is not the one, or was used. Until it is
    /// kept or dropped, nobody else opens it.
    pub async fn open_break_glass(&self, org: OrgId, opening: Opening<'_>) -> Result<Option<Held>> {
        let Opening {
            code_hash,
            session,
            cookie_hash,
        } = opening;
        let mut tx = self.pools.begin().await?;
        let at = session.created.unix_ms();
        let used = query(
            "UPDATE break_glass SET opened_at = $3, session = $4 \
             WHERE org = $1 AND code_hash = $2 AND opened_at IS NULL",
        )
        .bind(org.to_string())
        .bind(code_hash)
        .bind(at)
        .bind(session.id.to_string());
        let rows = tx.run(used).await?;
        if rows == 0 {
            return Ok(None);
        }
        // Nobody's: it is made anew each time, so that records of one opening are not another's.
        let person = query(
            "INSERT INTO people (id, org, issuer, stable_id, name, groups_json, first_seen, last_seen, not_before, new_at) \
             VALUES ($1, $2, $3, $4, 'Break-glass account', '[]', $5, $5, 0, $5)",
        )
        .bind(session.person.to_string())
        .bind(org.to_string())
        .bind(OWN_ISSUER)
        .bind(format!("{}-{}", break_glass::STABLE_ID, session.person))
        .bind(at);
        tx.run(person).await?;
        insert_bare_session(&mut tx, org, session).await?;
        let row = query(
            "INSERT INTO console_sessions (cookie_hash, org, session, person, created, last_seen, proved_at) \
             VALUES ($1, $2, $3, $4, $5, $5, $5)",
        )
        .bind(cookie_hash)
        .bind(org.to_string())
        .bind(session.id.to_string())
        .bind(session.person.to_string())
        .bind(at);
        tx.run(row).await?;
        Ok(Held::of(tx, rows))
    }
}
