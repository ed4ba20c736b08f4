//! Refresh tokens. Each is kept as its hash, is exchanged for a successor, and betrays a thief when it is used again long after:
//! then the whole session ends, for every replica. Ended sessions' tokens stay until they expire, so that late use is still seen.

use domain::{OrgId, SessionId, Timestamp};
use sqlx::query;

use crate::connection::Tx;
use crate::people::person_in;
use crate::revocations::revoke_in;
use crate::sessions::{Holder, bound_in, session_in};
use crate::{Result, Store, StoreError, Target, id, maybe_time, time};

/// What became of a refresh token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rotation {
    /// It was exchanged.
    Rotated(Box<Holder>),
    /// It had just been exchanged; a second successor was given, for clients that refresh twice at once.
    WithinGrace(Box<Holder>),
    /// It had just been exchanged twice; there is no third successor, and the session goes on.
    GraceUsed(SessionId),
    /// It had been exchanged long ago: somebody else has it. The session has been ended and a revocation of it added.
    Reused(SessionId),
    /// Its session had ended, or its person may not come in.
    SessionEnded(SessionId),
    /// It has expired.
    Expired(SessionId),
    /// We never gave it out.
    Unknown,
    /// It is another program's, and stays as good as it was.
    OtherClient(SessionId),
    /// It is for another connector than the one that was named, and stays as good as it was.
    OtherResource(SessionId),
}

/// A refresh token's exchange.
#[derive(Debug, Clone, Copy)]
pub struct Exchange<'a> {
    /// The organisation.
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
    /// The program that presents it, where it says which it is. A token that is bound to a program is exchanged for that one alone.
    pub client_id: Option<&'a str>,
    /// The connector that the next token is to be for, where it is named.
    pub resource: Option<&'a str>,
}

impl Store {
    /// The session a refresh token belongs to.
    pub async fn session_of_refresh(&self, org: OrgId, hash: &str) -> Result<Option<SessionId>> {
        let row = self
            .pools
            .row(
                query("SELECT session FROM refresh_tokens WHERE org = $1 AND token_hash = $2")
                    .bind(org.to_string())
                    .bind(hash),
            )
            .await?;
        row.map(|row| id(&row, 0, "refresh_tokens.session"))
            .transpose()
    }

    /// Whether a refresh token belongs to a session that is bound to a program.
    pub async fn is_refresh_bound(&self, org: OrgId, hash: &str) -> Result<bool> {
        let statement = query(
            "SELECT 1 FROM refresh_tokens t JOIN session_bounds b ON b.session = t.session \
             WHERE t.org = $1 AND t.token_hash = $2",
        );
        let row = self
            .pools
            .row(statement.bind(org.to_string()).bind(hash))
            .await?;
        Ok(row.is_some())
    }

    /// Exchanges a refresh token. Of any number of exchanges of one token at once, one is `Rotated`, one is `WithinGrace` and the
    /// others are `GraceUsed`; or they end the session when there is no grace. Whose it is is read in the same transaction: a token
    /// whose holder cannot be read has not been exchanged.
    pub async fn exchange_refresh(&self, exchange: Exchange<'_>) -> Result<Rotation> {
        let mut tx = self.pools.begin().await?;
        let Some(token) = take(&mut tx, &exchange).await? else {
            return Ok(Rotation::Unknown);
        };
        let session = token.session;
        if token.session_ended {
            return Ok(Rotation::SessionEnded(session));
        }
        if token.spent_by(&exchange) {
            let (target, at) = (Target::Session(session), exchange.at);
            revoke_in(&mut tx, exchange.org, &target, at, "refresh token reused").await?;
            tx.commit().await?;
            return Ok(Rotation::Reused(session));
        }
        if token.expires <= exchange.at {
            return Ok(Rotation::Expired(session));
        }
        if token.repeated {
            return Ok(Rotation::GraceUsed(session));
        }
        let Some(holder) = holder(&mut tx, exchange.org, session).await? else {
            return Ok(Rotation::SessionEnded(session));
        };
        if let Some(bound) = &holder.bound {
            if exchange.client_id != Some(&bound.client_id) {
                return Ok(Rotation::OtherClient(session));
            }
            if exchange
                .resource
                .is_some_and(|named| named != bound.resource)
            {
                return Ok(Rotation::OtherResource(session));
            }
        }
        succeed(&mut tx, &exchange, &token).await?;
        tx.commit().await?;
        Ok(match token.replaced_at {
            None => Rotation::Rotated(Box::new(holder)),
            Some(_) => Rotation::WithinGrace(Box::new(holder)),
        })
    }

    /// Forgets refresh tokens that expired before this moment.
    pub async fn purge_refresh_tokens(&self, before: Timestamp) -> Result<u64> {
        let statement = query("DELETE FROM refresh_tokens WHERE expires < $1");
        self.pools.write(statement.bind(before.unix_ms())).await
    }
}

/// A token as it stands, its row held by the transaction.
struct Token {
    session: SessionId,
    expires: Timestamp,
    replaced_at: Option<Timestamp>,
    repeated: bool,
    session_ended: bool,
}

impl Token {
    /// Whether it was exchanged so long ago that only a copy of it can come back.
    fn spent_by(&self, exchange: &Exchange<'_>) -> bool {
        self.replaced_at
            .is_some_and(|replaced| exchange.at.ms_since(replaced) > exchange.grace_ms)
    }
}

async fn take(tx: &mut Tx, exchange: &Exchange<'_>) -> Result<Option<Token>> {
    // Taking the row by a write orders two exchanges of the same token, on either engine.
    let held = query(
        "UPDATE refresh_tokens SET created = created WHERE org = $1 AND token_hash = $2 \
         RETURNING session, expires, replaced_at, repeated_at",
    );
    let held = held.bind(exchange.org.to_string()).bind(exchange.old_hash);
    let Some(row) = tx.row(held).await? else {
        return Ok(None);
    };
    let session: SessionId = id(&row, 0, "refresh_tokens.session")?;
    let ended = query("SELECT ended_at FROM sessions WHERE id = $1");
    let ended = tx.row(ended.bind(session.to_string())).await?;
    let ended = ended.ok_or(StoreError::Damaged("refresh_tokens.session"))?;
    Ok(Some(Token {
        session,
        expires: time(&row, 1)?,
        replaced_at: maybe_time(&row, 2)?,
        repeated: maybe_time(&row, 3)?.is_some(),
        session_ended: maybe_time(&ended, 0)?.is_some(),
    }))
}

/// The session and its person; none when the person may not come in, or the session began before a revocation that did not see it.
async fn holder(tx: &mut Tx, org: OrgId, session: SessionId) -> Result<Option<Holder>> {
    let session = session_in(tx, org, session).await?;
    let person = person_in(tx, org, session.person).await?;
    let bound = bound_in(tx, org, session.id).await?;
    let present = person.filter(|person| person.admits(session.created));
    Ok(present.map(|person| Holder {
        session,
        person,
        bound,
    }))
}

/// Gives a token its successor.
async fn succeed(tx: &mut Tx, exchange: &Exchange<'_>, token: &Token) -> Result<()> {
    let used = query(match token.replaced_at {
        None => "UPDATE refresh_tokens SET replaced_at = $2 WHERE token_hash = $1",
        Some(_) => "UPDATE refresh_tokens SET repeated_at = $2 WHERE token_hash = $1",
    });
    tx.run(used.bind(exchange.old_hash).bind(exchange.at.unix_ms()))
        .await?;
    let next = (exchange.new_hash, exchange.expires);
    insert_refresh(tx, exchange.org, token.session, exchange.at, next).await
}

/// Keeps a token's hash with its expiry.
pub(crate) async fn insert_refresh(
    tx: &mut Tx,
    org: OrgId,
    session: SessionId,
    at: Timestamp,
    (hash, expires): (&str, Timestamp),
) -> Result<()> {
    tx.run(
        query(
            "INSERT INTO refresh_tokens (token_hash, org, session, created, expires) VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(hash)
        .bind(org.to_string())
        .bind(session.to_string())
        .bind(at.unix_ms())
        .bind(expires.unix_ms()),
    )
    .await?;
    Ok(())
}
