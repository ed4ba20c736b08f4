//! Authorization codes (RFC 6749, section 4.1): what a person's yes is worth to the program they said it to. Kept as hashes, good for a
//! minute and once, for the program, the redirect address, the connector and the PKCE challenge that the person was asked with. A code
//! that is presented with anything else is spent; one that comes again ends the session it began, for every replica.

use domain::{OrgId, PersonId, SessionId, Timestamp};
use sqlx::any::AnyRow;
use sqlx::{Row as _, query};

use crate::connection::Tx;
use crate::people::hold_person;
use crate::revocations::{hold_revocations, revoke_in};
use crate::sessions::{Began, Bound, Holder, bind_session, insert_session};
use crate::{Result, Session, Store, StoreError, Target, id, maybe_time, time};

/// A code, and what it is bound to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorizationCode {
    /// Hash of the code.
    pub code_hash: String,
    /// The program, the connector and what was granted.
    pub bound: Bound,
    /// What lists call the program.
    pub client_name: String,
    /// Where the code was sent.
    pub redirect_uri: String,
    /// PKCE, `S256`.
    pub challenge: String,
    /// Who said yes.
    pub person: PersonId,
    /// The session that begins with it.
    pub session: SessionId,
    /// When.
    pub created: Timestamp,
    /// Until when it is good.
    pub expires: Timestamp,
}

/// A program that presents a code, and what the session begins with.
#[derive(Debug, Clone, Copy)]
pub struct Redeem<'a> {
    /// The organisation.
    pub org: OrgId,
    /// Hash of the code.
    pub code_hash: &'a str,
    /// The program, as it has proved or said.
    pub client_id: &'a str,
    /// The redirect address it names, where it names one.
    pub redirect_uri: Option<&'a str>,
    /// The challenge that its verifier makes.
    pub challenge: &'a str,
    /// The connector it names, where it names one.
    pub resource: Option<&'a str>,
    /// Now.
    pub at: Timestamp,
    /// Hash of the session's first refresh token.
    pub refresh_hash: &'a str,
    /// When that expires.
    pub refresh_expires: Timestamp,
}

/// What a program that presents a code is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Redeemed {
    /// The session has begun. Said once.
    Begun(Box<Holder>),
    /// It had begun a session before: somebody else has the code. That session has been ended.
    Again(SessionId),
    /// Another program, redirect address or verifier than it was given for. It is spent.
    Mismatch,
    /// Another connector than it was given for. It is spent.
    OtherResource,
    /// Too late.
    Expired,
    /// Whoever said yes has been shut out or signed out everywhere since. It is spent.
    ShutOut,
    /// No such code.
    Unknown,
}

impl Store {
    /// Keeps a new code.
    pub async fn insert_authorization_code(
        &self,
        org: OrgId,
        code: &AuthorizationCode,
    ) -> Result<()> {
        let statement = query(
            "INSERT INTO authorization_codes \
               (code_hash, org, client_id, client_name, redirect_uri, challenge, resource, scope, person, session, created, expires) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        )
        .bind(&code.code_hash)
        .bind(org.to_string())
        .bind(&code.bound.client_id)
        .bind(&code.client_name)
        .bind(&code.redirect_uri)
        .bind(&code.challenge)
        .bind(&code.bound.resource)
        .bind(&code.bound.scope)
        .bind(code.person.to_string())
        .bind(code.session.to_string())
        .bind(code.created.unix_ms())
        .bind(code.expires.unix_ms());
        self.pools.write(statement).await?;
        Ok(())
    }

    /// Takes a code. The session begins in the same transaction: whoever cannot be told for an outage presents it once more.
    pub async fn redeem_code(&self, redeem: Redeem<'_>) -> Result<Redeemed> {
        let mut tx = self.pools.begin().await?;
        // A code that comes again revokes, and whoever revokes takes the counter before any other row.
        hold_revocations(&mut tx, redeem.org).await?;
        // Taking the row by a write orders those who present it at once, on either engine.
        let held = query(
            "UPDATE authorization_codes SET created = created WHERE org = $1 AND code_hash = $2 \
             RETURNING client_id, redirect_uri, challenge, resource, scope, person, session, created, expires, used_at, client_name",
        );
        let held = held.bind(redeem.org.to_string()).bind(redeem.code_hash);
        let Some(row) = tx.row(held).await? else {
            return Ok(Redeemed::Unknown);
        };
        let session: SessionId = id(&row, 6, "authorization_codes.session")?;
        let answer = if maybe_time(&row, 9)?.is_some() {
            let (target, why) = (Target::Session(session), "authorization code reused");
            revoke_in(&mut tx, redeem.org, &target, redeem.at, why).await?;
            Redeemed::Again(session)
        } else {
            first(&mut tx, &redeem, session, &row).await?
        };
        let spent = query("UPDATE authorization_codes SET used_at = $2 WHERE code_hash = $1");
        tx.run(spent.bind(redeem.code_hash).bind(redeem.at.unix_ms()))
            .await?;
        tx.commit().await?;
        Ok(answer)
    }

    /// Forgets codes that expired before this moment, and with them that they were used.
    pub async fn purge_authorization_codes(&self, before: Timestamp) -> Result<u64> {
        let statement = query("DELETE FROM authorization_codes WHERE expires < $1");
        self.pools.write(statement.bind(before.unix_ms())).await
    }
}

/// A code that nobody has presented yet.
async fn first(
    tx: &mut Tx,
    redeem: &Redeem<'_>,
    session: SessionId,
    row: &AnyRow,
) -> Result<Redeemed> {
    if time(row, 8)? <= redeem.at {
        return Ok(Redeemed::Expired);
    }
    let bound = Bound {
        client_id: row.try_get(0)?,
        resource: row.try_get(3)?,
        scope: row.try_get(4)?,
        began_by: Began::Code,
    };
    let (redirect_uri, challenge): (&str, &str) = (row.try_get(1)?, row.try_get(2)?);
    if bound.client_id != redeem.client_id
        || redeem
            .redirect_uri
            .is_some_and(|named| named != redirect_uri)
        || challenge != redeem.challenge
    {
        return Ok(Redeemed::Mismatch);
    }
    if redeem.resource.is_some_and(|named| named != bound.resource) {
        return Ok(Redeemed::OtherResource);
    }
    let person: PersonId = id(row, 5, "authorization_codes.person")?;
    let person = match hold_person(tx, redeem.org, person).await? {
        Some(person) if person.admits(time(row, 7)?) => person,
        _ => return Ok(Redeemed::ShutOut),
    };
    let session = Session {
        id: session,
        person: person.id,
        client: row.try_get(10)?,
        created: redeem.at,
        ended_at: None,
    };
    let refresh = (redeem.refresh_hash, redeem.refresh_expires);
    insert_session(tx, redeem.org, &session, refresh).await?;
    bind_session(tx, redeem.org, session.id, &bound).await?;
    Ok(Redeemed::Begun(Box::new(Holder {
        session,
        person,
        bound: Some(bound),
    })))
}

/// A session that the company's identity provider asserts, without a browser (Identity Assertion Authorization Grant).
#[derive(Debug, Clone, Copy)]
pub struct Asserted<'a> {
    /// The organisation.
    pub org: OrgId,
    /// Whom the assertion is about.
    pub person: PersonId,
    /// The issuer's configured name.
    pub issuer: &'a str,
    /// Hash of the assertion's `jti`.
    pub jti_hash: &'a str,
    /// From when on it is refused anyhow.
    pub expires: Timestamp,
    /// When it was made, as cutoffs are held against it.
    pub made: Timestamp,
    /// The program, the connector and what is granted.
    pub bound: &'a Bound,
    /// What lists call the program.
    pub client_name: &'a str,
    /// The session, if one begins.
    pub session: SessionId,
    /// Now.
    pub at: Timestamp,
}

/// What became of an assertion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AssertionTaken {
    /// The person's session with this program and connector goes on, or has begun.
    In(Box<Holder>),
    /// It was taken before.
    Again,
    /// The person may not come in, or was signed out everywhere since it was made.
    ShutOut,
}

impl Store {
    /// Takes an assertion, once. One session of a person with a program and a connector carries all of their assertions.
    pub async fn take_assertion(&self, asserted: Asserted<'_>) -> Result<AssertionTaken> {
        let mut tx = self.pools.begin().await?;
        let noted = query(
            "INSERT INTO assertions (issuer, jti_hash, org, expires) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
        )
        .bind(asserted.issuer)
        .bind(asserted.jti_hash)
        .bind(asserted.org.to_string())
        .bind(asserted.expires.unix_ms());
        if tx.run(noted).await? == 0 {
            return Ok(AssertionTaken::Again);
        }
        // Held until the end: no other session of theirs begins meanwhile.
        let person = match hold_person(&mut tx, asserted.org, asserted.person).await? {
            Some(person) if person.admits(asserted.made) => person,
            _ => return Ok(AssertionTaken::ShutOut),
        };
        let session = match open_one(&mut tx, &asserted).await? {
            Some(session) => session,
            None => begin(&mut tx, &asserted).await?,
        };
        tx.commit().await?;
        Ok(AssertionTaken::In(Box::new(Holder {
            session,
            person,
            bound: Some(asserted.bound.clone()),
        })))
    }

    /// Forgets assertions that are refused anyhow before this moment.
    pub async fn purge_assertions(&self, before: Timestamp) -> Result<u64> {
        let statement = query("DELETE FROM assertions WHERE expires < $1");
        self.pools.write(statement.bind(before.unix_ms())).await
    }
}

async fn open_one(tx: &mut Tx, asserted: &Asserted<'_>) -> Result<Option<Session>> {
    let statement = query(
        "SELECT s.id, s.client, s.created FROM session_bounds b JOIN sessions s ON s.id = b.session \
         WHERE s.org = $1 AND s.person = $2 AND s.ended_at IS NULL AND b.client_id = $3 AND b.resource = $4 \
           AND b.scope = $5 AND b.began_by = $6 ORDER BY s.id DESC LIMIT 1",
    )
    .bind(asserted.org.to_string())
    .bind(asserted.person.to_string())
    .bind(&asserted.bound.client_id)
    .bind(&asserted.bound.resource)
    .bind(&asserted.bound.scope)
    .bind(asserted.bound.began_by.as_str());
    let Some(row) = tx.row(statement).await? else {
        return Ok(None);
    };
    Ok(Some(Session {
        id: id(&row, 0, "sessions.id")?,
        person: asserted.person,
        client: row.try_get(1)?,
        created: time(&row, 2)?,
        ended_at: None,
    }))
}

async fn begin(tx: &mut Tx, asserted: &Asserted<'_>) -> Result<Session> {
    let session = Session {
        id: asserted.session,
        person: asserted.person,
        client: asserted.client_name.to_owned(),
        created: asserted.at,
        ended_at: None,
    };
    crate::sessions::insert_bare_session(tx, asserted.org, &session).await?;
    bind_session(tx, asserted.org, session.id, asserted.bound).await?;
    Ok(session)
}

impl Began {
    /// As it stands in the store.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::Assertion => "assertion",
        }
    }

    pub(crate) fn parse(text: &str) -> Result<Self> {
        match text {
            "code" => Ok(Self::Code),
            "assertion" => Ok(Self::Assertion),
            _ => Err(StoreError::Damaged("session_bounds.began_by")),
        }
    }
}
