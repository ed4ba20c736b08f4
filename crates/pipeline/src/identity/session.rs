//! Sessions: begun at a sign-in, carried on by refresh tokens, ended at once. A refresh token is exchanged for its successor each
//! time; one that comes back later betrays that two hold it, and ends the session.
//!
//! The exchange itself is the store's; here are the tokens around it and the word to [`Revocations`], so that open streams of an
//! ended session are cut on this replica at once and on the others when they next look.

use std::sync::Arc;

use domain::{
    Caller, Clock, Ids, Opaque, OrgId, PersonId, ReasonCode, Refusal, SessionId, Subject,
    Timestamp, Vouching, limits,
};
use secrecy::SecretString;
use store::sessions::{Exchange, Holder};
use store::{DeviceAsk, DevicePoll, Person, Rotation, Session, Store, Target};

use super::jws::Jws;
use super::resource::Resource;
use super::revocation::{Ended, Revocations};
use super::session_token::{SessionClaims, SessionTokens};
use super::verify::nobody_vouches;
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
    /// For the client to show; none for a program that need not know.
    pub email: Option<String>,
    /// What was granted to a program that calls connectors, as OAuth writes it.
    pub scope: Option<String>,
}

/// A program that carries on a session, as it presents itself.
#[derive(Debug, Clone, Copy, Default)]
pub struct Presenting<'a> {
    /// Its id, where it says or proves it.
    pub client_id: Option<&'a str>,
    /// The connector that it names.
    pub resource: Option<&'a Resource>,
}

/// Why a session is not carried on.
#[derive(Debug)]
pub enum NotRefreshed {
    /// For this reason, which may be an outage of ours.
    Refused(Refusal),
    /// The session is for another connector than the one named.
    OtherResource,
}

impl From<Refusal> for NotRefreshed {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// What a client learns that asks with its device code.
#[derive(Debug)]
pub enum Claimed {
    /// Let in.
    In(Tokens),
    /// Nobody has answered yet.
    Pending,
    /// It asks too often.
    SlowDown,
    /// Sent away.
    Denied,
    /// Too late.
    Expired,
    /// No such code, or it was used.
    Unknown,
}

/// Begins, carries on and ends sessions.
#[derive(Debug)]
pub struct Sessions {
    pub(super) org: OrgId,
    pub(super) store: Store,
    vouching: Vouching,
    tokens: Arc<SessionTokens>,
    pub(super) revocations: Arc<Revocations>,
    pub(super) clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
}

impl Sessions {
    /// Wires the parts together.
    pub fn new(
        org: OrgId,
        store: Store,
        vouching: Vouching,
        tokens: Arc<SessionTokens>,
        revocations: Arc<Revocations>,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn Ids>,
    ) -> Self {
        Self {
            org,
            store,
            vouching,
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
        let person = self.present_person(person).await?;
        let session = Session {
            id: self.new_id(),
            person: person.id,
            client: legible(client),
            created: self.clock.now(),
            ended_at: None,
        };
        let refresh = self.mint(session.created);
        self.store
            .create_session(self.org, &session, &refresh.hash, refresh.expires)
            .await
            .map_err(unavailable)?;
        let holder = Holder {
            session,
            person,
            bound: None,
        };
        self.tokens(&holder, refresh.token)
    }

    /// An id for a session that begins later.
    pub fn new_id(&self) -> SessionId {
        SessionId::from_parts(
            self.clock.now().unix_ms().unsigned_abs(),
            self.ids.random_bits(),
        )
    }

    /// Begins the session that was approved under this device code, by its hash, or says where it stands. An outage leaves the code as
    /// good as it was.
    pub async fn claim(&self, device_hash: &str, client: &str) -> Result<Claimed, Refusal> {
        let now = self.clock.now();
        let refresh = self.mint(now);
        let ask = DeviceAsk {
            org: self.org,
            device_hash,
            at: now,
            client: &legible(client),
            refresh_hash: &refresh.hash,
            refresh_expires: refresh.expires,
        };
        Ok(
            match self.store.poll_device(ask).await.map_err(unavailable)? {
                DevicePoll::Approved(holder) => Claimed::In(self.tokens(&holder, refresh.token)?),
                DevicePoll::ShutOut => return Err(Refusal::plain(ReasonCode::PersonRevoked)),
                DevicePoll::Pending => Claimed::Pending,
                DevicePoll::SlowDown => Claimed::SlowDown,
                DevicePoll::Denied => Claimed::Denied,
                DevicePoll::Expired => Claimed::Expired,
                DevicePoll::Unknown => Claimed::Unknown,
            },
        )
    }

    /// Exchanges a refresh token of one of Claude's own clients.
    pub async fn refresh(&self, refresh_token: &str) -> Result<Tokens, Refusal> {
        let presenting = Presenting::default();
        match self.refresh_for(refresh_token, presenting).await {
            Ok(tokens) => Ok(tokens),
            Err(NotRefreshed::Refused(refusal)) => Err(refusal),
            Err(NotRefreshed::OtherResource) => Err(Refusal::plain(ReasonCode::SessionEnded)),
        }
    }

    /// Exchanges a refresh token for whoever presents it.
    pub async fn refresh_for(
        &self,
        refresh_token: &str,
        presenting: Presenting<'_>,
    ) -> Result<Tokens, NotRefreshed> {
        let old = Opaque::RefreshToken.sha256(refresh_token).ok_or_else(|| {
            Refusal::new(
                ReasonCode::SessionEnded,
                "The refresh token is not one of ours.",
            )
        })?;
        let now = self.clock.now();
        let next = self.mint(now);
        let exchange = Exchange {
            org: self.org,
            old_hash: &hex(&old),
            new_hash: &next.hash,
            at: now,
            grace_ms: limits::REFRESH_GRACE_MS,
            expires: next.expires,
            client_id: presenting.client_id,
            resource: presenting.resource.map(Resource::as_str),
        };
        let exchanged = self.store.exchange_refresh(exchange);
        match exchanged.await.map_err(unavailable)? {
            Rotation::Rotated(holder) | Rotation::WithinGrace(holder) => {
                Ok(self.tokens(&holder, next.token)?)
            }
            // The store has ended it for every replica; what is open here is cut before the answer.
            Rotation::Reused(session) => {
                tracing::warn!(%session, "a refresh token was used again after its exchange; the session is ended");
                self.revocations
                    .apply(&Target::Session(session), now, Ended::Session);
                Err(Refusal::new(
                    ReasonCode::SessionEnded,
                    "The refresh token had been used before; the session has been ended for safety.",
                ))?
            }
            // An honest client has its tokens from one of the two others by now, and carries on; a thief gets nothing.
            Rotation::GraceUsed(_) => Err(Refusal::new(
                ReasonCode::Overloaded,
                "This sign-in was refreshed twice within half a minute; go on with the tokens that gave.",
            ))?,
            Rotation::OtherClient(_) => Err(Refusal::new(
                ReasonCode::SessionEnded,
                "The refresh token was not given to this client.",
            ))?,
            Rotation::OtherResource(_) => Err(NotRefreshed::OtherResource),
            Rotation::Expired(_) | Rotation::SessionEnded(_) | Rotation::Unknown => {
                Err(Refusal::plain(ReasonCode::SessionEnded))?
            }
        }
    }

    /// Whether a refresh token is one that only its own program may exchange.
    pub async fn is_bound(&self, refresh_token: &str) -> Result<bool, Refusal> {
        let Some(hash) = Opaque::RefreshToken.sha256(refresh_token) else {
            return Ok(false);
        };
        let hash = hex(&hash);
        let bound = self.store.is_refresh_bound(self.org, &hash);
        bound.await.map_err(unavailable)
    }

    /// Ends a session everywhere: here at once, in the store for good, on other replicas when they next look. Open streams on this
    /// replica are cut before this returns, also when the store is away; the caller then learns that it did not hold everywhere.
    pub async fn end(&self, session: SessionId, why: &str) -> Result<(), Refusal> {
        let (target, at) = (Target::Session(session), self.clock.now());
        self.revocations.apply(&target, at, Ended::Session);
        let revoked = self.store.revoke(self.org, &target, at, why);
        revoked.await.map(|_| ()).map_err(unavailable)
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

    async fn present_person(&self, person: PersonId) -> Result<Person, Refusal> {
        match self
            .store
            .person(self.org, person)
            .await
            .map_err(unavailable)?
        {
            Some(person) if person.out_since().is_none() => Ok(person),
            _ => Err(Refusal::plain(ReasonCode::PersonRevoked)),
        }
    }

    /// A new refresh token, with what the store keeps of it.
    pub(super) fn mint(&self, at: Timestamp) -> Minted {
        let token = Opaque::RefreshToken.mint(&*self.ids);
        Minted {
            hash: hex(&Opaque::RefreshToken.sha256_of(&token)),
            expires: at.plus_ms(limits::REFRESH_TOKEN_MS),
            token,
        }
    }

    pub(super) fn tokens(&self, holder: &Holder, refresh: SecretString) -> Result<Tokens, Refusal> {
        let (access, claims) = self.access(holder)?;
        Ok(Tokens {
            access,
            expires_in_s: limits::SESSION_TOKEN_MS / 1_000,
            refresh,
            session: claims.session,
            person: claims.person,
            email: claims.email.filter(|_| claims.resource.is_none()),
            scope: holder.bound.as_ref().map(|bound| bound.scope.clone()),
        })
    }

    /// A session token, for what the session is for.
    pub(super) fn access(&self, holder: &Holder) -> Result<(SecretString, SessionClaims), Refusal> {
        let Holder {
            session,
            person,
            bound,
        } = holder;
        // A session for a connector whose address is not ours any more carries on nowhere.
        let gone = || Refusal::plain(ReasonCode::SessionEnded);
        let parsed = bound.as_ref().map(|bound| {
            let resource = self.tokens.resource(&bound.resource);
            resource.ok_or_else(gone)
        });
        let resource = parsed.transpose()?;
        if !self.vouching.for_person(&person.issuer, &person.stable_id) {
            return Err(nobody_vouches());
        }
        let claims = SessionClaims {
            person: person.id,
            session: session.id,
            started: session.created,
            issuer_name: person.issuer.clone(),
            stable_id: person.stable_id.clone(),
            email: person.email.clone(),
            name: person.name.clone(),
            groups: person.groups.clone(),
            groups_stated: person.stated,
            groups_left_out: false,
            resource,
        };
        let access = self.tokens.mint(&claims, &*self.ids).map_err(|error| {
            tracing::error!(%error, "a session token could not be made");
            Refusal::plain(ReasonCode::Internal)
        })?;
        Ok((access, claims))
    }
}

/// A refresh token that nobody has yet.
pub(super) struct Minted {
    pub(super) token: SecretString,
    pub(super) hash: String,
    pub(super) expires: Timestamp,
}

/// What a client calls itself, as it can be kept and shown.
pub(super) fn legible(client: &str) -> String {
    client
        .chars()
        .filter(|c| !c.is_control())
        .take(200)
        .collect()
}
