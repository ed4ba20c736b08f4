//! Sessions: begun at a sign-in, carried on by refresh tokens, ended at once. A refresh token is exchanged for its successor each
//! time; one that comes back later betrays that two hold it, and ends the session.
//!
//! The exchange itself is the store's; here are the tokens around it and the word to [`Revocations`], so that open streams of an
//! ended session are cut on this replica at once and on the others when they next look.

use std::sync::Arc;

use domain::{
    Caller, Clock, Ids, Opaque, OrgId, PersonId, ReasonCode, Refusal, SessionId, Subject,
    Timestamp, limits,
};
use secrecy::SecretString;
use store::sessions::Exchange;
use store::{Person, Rotation, Session, Store, Target};

use super::jws::Jws;
use super::revocation::{Ended, Revocations};
use super::session_token::{SessionClaims, SessionTokens};
use super::{hex, unavailable};

/// What a client gets at sign-in and at each refresh.
#[derive(Debug)]
pub struct Tokens {
    /// The session token, to send with every request.
    pub access: SecretString,
    /// How long it lives, in seconds.
    pub expires_in_s: i64,
    /// What to exchange for the next ones; good once.
    pub refresh: SecretString,
    /// The session.
    pub session: SessionId,
    /// The person.
    pub person: PersonId,
    /// For the client to show.
    pub email: Option<String>,
}

/// Begins, carries on and ends sessions.
#[derive(Debug)]
pub struct Sessions {
    org: OrgId,
    store: Store,
    tokens: Arc<SessionTokens>,
    revocations: Arc<Revocations>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
}

impl Sessions {
    /// Wires the parts together.
    pub fn new(
        org: OrgId,
        store: Store,
        tokens: Arc<SessionTokens>,
        revocations: Arc<Revocations>,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn Ids>,
    ) -> Self {
        Self {
            org,
            store,
            tokens,
            revocations,
            clock,
            ids,
        }
    }

    /// Begins a session for a person who has just signed in, as [`super::Identity::sign_in`] proved.
    pub async fn start(&self, caller: &Caller, client: &str) -> Result<Tokens, Refusal> {
        let Subject::Person(person) = caller.subject else {
            return Err(Refusal::new(
                ReasonCode::NotGranted,
                "Services do not sign in; they send their own token or key.",
            ));
        };
        self.start_as(self.new_id(), person, client).await
    }

    /// An id for a session that begins later.
    pub fn new_id(&self) -> SessionId {
        SessionId::from_parts(
            self.clock.now().unix_ms().unsigned_abs(),
            self.ids.random_bits(),
        )
    }

    /// Begins the session of this id for a person whose sign-in was approved before.
    pub async fn start_as(
        &self,
        id: SessionId,
        person: PersonId,
        client: &str,
    ) -> Result<Tokens, Refusal> {
        let person = self.present_person(person).await?;
        let now = self.clock.now();
        let session = Session {
            id,
            person: person.id,
            client: client
                .chars()
                .filter(|c| !c.is_control())
                .take(200)
                .collect(),
            created: now,
            ended_at: None,
        };
        let refresh = Opaque::RefreshToken.mint(&*self.ids);
        let hash = hex(&Opaque::RefreshToken.sha256_of(&refresh));
        let expires = now.plus_ms(limits::REFRESH_TOKEN_MS);
        self.store
            .create_session(self.org, &session, &hash, expires)
            .await
            .map_err(unavailable)?;
        self.tokens(&person, session.id, session.created, refresh)
    }

    /// Exchanges a refresh token.
    pub async fn refresh(&self, refresh_token: &str) -> Result<Tokens, Refusal> {
        let old = Opaque::RefreshToken.sha256(refresh_token).ok_or_else(|| {
            Refusal::new(
                ReasonCode::SessionEnded,
                "The refresh token is not one of ours.",
            )
        })?;
        let now = self.clock.now();
        let next = Opaque::RefreshToken.mint(&*self.ids);
        let exchange = Exchange {
            org: self.org,
            old_hash: &hex(&old),
            new_hash: &hex(&Opaque::RefreshToken.sha256_of(&next)),
            at: now,
            grace_ms: limits::REFRESH_GRACE_MS,
            expires: now.plus_ms(limits::REFRESH_TOKEN_MS),
        };
        let session = match self
            .store
            .exchange_refresh(exchange)
            .await
            .map_err(unavailable)?
        {
            Rotation::Rotated(session) | Rotation::WithinGrace(session) => session,
            Rotation::Reused(session) => {
                tracing::warn!(%session, "a refresh token was used again after its exchange; the session is ended");
                self.end(session, "refresh token reused").await?;
                return Err(Refusal::new(
                    ReasonCode::SessionEnded,
                    "The refresh token had been used before; the session has been ended for safety.",
                ));
            }
            // An honest client has its tokens from one of the two others by now, and carries on; a thief gets nothing.
            Rotation::GraceUsed(_) => {
                return Err(Refusal::new(
                    ReasonCode::Overloaded,
                    "This sign-in was refreshed twice within half a minute; go on with the tokens that gave.",
                ));
            }
            Rotation::Expired(_) | Rotation::SessionEnded(_) | Rotation::Unknown => {
                return Err(Refusal::plain(ReasonCode::SessionEnded));
            }
        };
        let ended = || Refusal::plain(ReasonCode::SessionEnded);
        let session = self
            .store
            .session(self.org, session)
            .await
            .map_err(unavailable)?
            .ok_or_else(ended)?;
        let person = self.present_person(session.person).await?;
        // A revocation may have come between the exchange and these looks.
        if session.ended_at.is_some() || session.created <= person.not_before {
            return Err(ended());
        }
        self.tokens(&person, session.id, session.created, next)
    }

    /// Ends a session everywhere. Open streams on this replica are cut before this returns.
    pub async fn end(&self, session: SessionId, why: &str) -> Result<(), Refusal> {
        self.revoke(&Target::Session(session), Ended::Session, why)
            .await
    }

    /// Ends the session that a token of ours belongs to, for the revocation endpoint (RFC 7009). A text that is no live token of
    /// ours is nothing to end, and no error.
    pub async fn end_by_token(&self, token: &str) -> Result<(), Refusal> {
        let session = if let Some(hash) = Opaque::RefreshToken.sha256(token) {
            self.store
                .session_of_refresh(self.org, &hex(&hash))
                .await
                .map_err(unavailable)?
        } else {
            let claims =
                Jws::parse(token).and_then(|jws| self.tokens.verify(&jws, self.clock.now()));
            claims.ok().map(|(claims, _)| claims.session)
        };
        match session {
            Some(session) => self.end(session, "signed out").await,
            None => Ok(()),
        }
    }

    /// Signs a person out everywhere; they may sign in again.
    pub async fn sign_out_person(&self, person: PersonId, why: &str) -> Result<(), Refusal> {
        self.revoke(&Target::Person(person), Ended::Session, why)
            .await
    }

    /// Takes a person's access away until [`Sessions::restore_person`].
    pub async fn revoke_person(&self, person: PersonId, why: &str) -> Result<(), Refusal> {
        let disabled = self
            .store
            .set_person_disabled(self.org, person, Some(self.clock.now()))
            .await;
        // Even when the first step failed: what can be cut here and now is cut.
        self.revoke(&Target::Person(person), Ended::Access, why)
            .await?;
        disabled.map(|_| ()).map_err(unavailable)
    }

    /// Lets a person sign in again. What was revoked stays revoked.
    pub async fn restore_person(&self, person: PersonId) -> Result<(), Refusal> {
        self.store
            .set_person_disabled(self.org, person, None)
            .await
            .map(|_| ())
            .map_err(unavailable)
    }

    /// Takes away everything a service holds.
    pub async fn revoke_service(
        &self,
        service: domain::ServiceId,
        why: &str,
    ) -> Result<(), Refusal> {
        self.revoke(&Target::Service(service), Ended::Access, why)
            .await
    }

    /// Takes away one service key, by its SHA-256.
    pub async fn revoke_service_key(&self, sha256: &[u8; 32], why: &str) -> Result<(), Refusal> {
        self.revoke(&Target::ServiceKey(hex(sha256)), Ended::Access, why)
            .await
    }

    /// Here at once, in the store for good, on other replicas when they next look. A store that is away does not keep us from
    /// cutting off here what we can; the caller still learns that it did not hold everywhere.
    async fn revoke(&self, target: &Target, cause: Ended, why: &str) -> Result<(), Refusal> {
        let at = self.clock.now();
        self.revocations.apply(target, at, cause);
        self.store
            .revoke(self.org, target, at, why)
            .await
            .map(|_| ())
            .map_err(unavailable)
    }

    async fn present_person(&self, person: PersonId) -> Result<Person, Refusal> {
        match self
            .store
            .person(self.org, person)
            .await
            .map_err(unavailable)?
        {
            Some(person) if person.disabled_at.is_none() => Ok(person),
            _ => Err(Refusal::plain(ReasonCode::PersonRevoked)),
        }
    }

    fn tokens(
        &self,
        person: &Person,
        session: SessionId,
        started: Timestamp,
        refresh: SecretString,
    ) -> Result<Tokens, Refusal> {
        let claims = SessionClaims {
            person: person.id,
            session,
            started,
            issuer_name: person.issuer.clone(),
            stable_id: person.stable_id.clone(),
            email: person.email.clone(),
            name: person.name.clone(),
            groups: person.groups.clone(),
            groups_left_out: false,
        };
        let access = self.tokens.mint(&claims, &*self.ids).map_err(|error| {
            tracing::error!(%error, "a session token could not be made");
            Refusal::plain(ReasonCode::Internal)
        })?;
        Ok(Tokens {
            access,
            expires_in_s: limits::SESSION_TOKEN_MS / 1_000,
            refresh,
            session,
            person: person.id,
            email: person.email.clone(),
        })
    }
}
