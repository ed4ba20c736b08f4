//! Who is calling: the first stage after the listener. Takes the caller's credential off a request and returns who it proves.
//!
//! | file | what |
//! |---|---|
//! | [`config`] | issuers as configured |
//! | `bearer` | the one credential of a request |
//! | `json`, [`jws`], `claims` | a token taken apart, strictly, and its claims read |
//! | [`keys`], [`source`] | keys with pinned algorithms, and where they come from |
//! | `issuer`, `entra`, `graph`, `workload` | whom an issuer's token is about |
//! | [`session_token`], [`session`], [`grant`] | our own tokens and sessions |
//! | [`resource`] | the addresses of connectors, which a session's tokens may be for |
//! | [`assertion`] | what an identity provider says for a program without a browser |
//! | `refused` | why one lets nobody in, and whose it was |
//! | `verify` | the first look at a credential, from all of these |
//! | [`cache`], [`revocation`] | what is remembered, and how it ends |
//! | `memberships` | groups that a directory provisions |
//! | [`self_test`] | the crypto backend proved at start |
//!
//! It must never believe anything of a token before its signature is checked, ask a URL that a token names, log a credential,
//! or show an outage of ours as a bad login. Called by the doors through [`Identity::identify`].

pub mod cache;
pub mod config;
pub mod issuer;
pub mod jws;
pub mod keys;
pub mod resource;
pub mod revocation;
pub mod self_test;
pub mod session;
pub mod session_token;
pub mod source;

mod bearer;
pub mod assertion;
mod claims;
mod entra;
pub mod grant;
mod graph;
mod json;
mod known_answers;
mod memberships;
mod refused;
mod verify;
mod workload;

use std::sync::Arc;
use std::time::Duration;

use domain::{
    Caller, Clock, Credential, Ids, OrgId, ReasonCode, Refusal, Timestamp, Vouching, limits,
};
use http::HeaderMap;
use store::{Store, StoreError};

pub use cache::Verified;
pub use domain::opaque::hex;
pub use domain::{OWN_ISSUER, Opaque};

pub use config::{ConfigMistake, EntraConfig, IssuerConfig, IssuerKind, WorkloadRule};
pub use issuer::Issuer;
pub use refused::NotAdmitted;
pub use resource::Resource;
pub use revocation::{Ended, Live, Revocations};
pub use session::{Claimed, NotRefreshed, Presenting, Sessions, Tokens};
pub use session_token::{CLIENT_AUDIENCE, SessionTokens, SigningKey};

use cache::{Fingerprint, TokenCache, fingerprint};
use claims::Claims;
use issuer::{About, Issuers, Use};
use jws::Jws;
use memberships::Memberships;

use crate::fetch::FetchError;

/// What identity stands on.
#[derive(Debug)]
pub struct Setup {
    /// The organisation.
    pub org: OrgId,
    /// Who may vouch.
    pub issuers: Vec<IssuerConfig>,
    /// Whose people's sessions count, see [`config::vouching`].
    pub vouching: Vouching,
    /// Our own session tokens.
    pub tokens: Arc<SessionTokens>,
    /// What has been taken away.
    pub revocations: Arc<Revocations>,
    /// People and services.
    pub store: Store,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness for new ids.
    pub ids: Arc<dyn Ids>,
}

/// Why identity cannot start. An identity provider that is down is not among the reasons.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The configuration is wrong in these places.
    #[error("the issuers are not configured correctly: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Config(Vec<ConfigMistake>),
    /// The client for an issuer cannot be made.
    #[error("the client for an issuer cannot be made")]
    Fetch(#[from] FetchError),
}

/// Who has just signed in.
#[derive(Debug)]
pub struct SignedIn {
    /// The person.
    pub caller: Caller,
    /// When the issuer says that they signed in there (`auth_time`); none where it does not say so in whole seconds.
    pub auth_time: Option<Timestamp>,
}

/// Tells who is calling.
#[derive(Debug)]
pub struct Identity {
    org: OrgId,
    issuers: Issuers,
    vouching: Vouching,
    tokens: Arc<SessionTokens>,
    revocations: Arc<Revocations>,
    store: Store,
    cache: TokenCache,
    memberships: Memberships,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
}

impl Identity {
    /// Puts the parts together; asks nobody anything yet.
    pub fn new(setup: Setup) -> Result<Self, IdentityError> {
        let Setup {
            org,
            issuers,
            vouching,
            tokens,
            revocations,
            store,
            clock,
            ids,
        } = setup;
        let mistakes = config::mistakes(&issuers);
        if !mistakes.is_empty() {
            return Err(IdentityError::Config(mistakes));
        }
        let issuers = Issuers::new(issuers, &clock)?;
        Ok(Self {
            org,
            issuers,
            vouching,
            tokens,
            revocations,
            store,
            cache: TokenCache::new(),
            memberships: Memberships::new(org, Arc::clone(&clock)),
            clock,
            ids,
        })
    }

    /// The issuers: their names, their endpoints for sign-in, how their keys stand.
    pub fn issuers(&self) -> &[Arc<Issuer>] {
        self.issuers.all()
    }

    /// Fetches every issuer's keys at once, as far as they can be had.
    pub async fn warm_up(&self) {
        let mut fetches = tokio::task::JoinSet::new();
        for issuer in self.issuers.all() {
            let issuer = Arc::clone(issuer);
            fetches.spawn(async move { issuer.keep_fresh().await });
        }
        fetches.join_all().await;
    }

    /// Keeps every issuer's keys fresh for ever. Ends only by being dropped.
    pub async fn keep_fresh(&self) {
        let mut tick =
            tokio::time::interval(Duration::from_millis(limits::KEYS_RETRY_MS.unsigned_abs()));
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            self.warm_up().await;
        }
    }

    /// Asks the store once whose groups a directory has changed.
    pub async fn refresh_memberships(&self) -> Result<(), StoreError> {
        self.memberships.refresh(&self.store).await
    }

    /// Follows for ever whose groups a directory changes. Ends only by being dropped.
    pub async fn follow_memberships(&self) {
        self.memberships.follow(&self.store).await;
    }

    /// Verifies every credential anew when it comes next: one of the keys that proved some is not believed any more.
    pub fn forget_verified(&self) {
        self.cache.forget_all();
    }

    /// Who is calling, if their credential was verified before and is still good. No waiting, no signature check.
    pub fn identify_cached(&self, headers: &HeaderMap) -> Option<Arc<Verified>> {
        self.cached(headers, None)
    }

    /// As [`Identity::identify_cached`], at a connector.
    pub fn identify_cached_at(
        &self,
        headers: &HeaderMap,
        resource: &Resource,
    ) -> Option<Arc<Verified>> {
        self.cached(headers, Some(resource))
    }

    fn cached(&self, headers: &HeaderMap, at: Option<&Resource>) -> Option<Arc<Verified>> {
        let credential = bearer::credential(headers).ok()?;
        let known = self.remembered(&fingerprint(credential), self.clock.now())?;
        known.is_for(at).then_some(known)
    }

    fn remembered(&self, fingerprint: &Fingerprint, now: Timestamp) -> Option<Arc<Verified>> {
        let known = self.cache.get(fingerprint)?;
        (known.is_good(now) && self.revocations.is_current(now)).then_some(known)
    }

    /// Who is calling, or why we do not believe it. A token that was made for a connector opens nothing but that connector.
    pub async fn identify(&self, headers: &HeaderMap) -> Result<Arc<Verified>, NotAdmitted> {
        meant_for(self.whoever(headers).await?, None)
    }

    /// As [`Identity::identify`], at a connector: also by a token that was made for it, and for no other one.
    pub async fn identify_at(
        &self,
        headers: &HeaderMap,
        resource: &Resource,
    ) -> Result<Arc<Verified>, NotAdmitted> {
        meant_for(self.whoever(headers).await?, Some(resource))
    }

    /// Who is calling, whatever their credential was made for.
    async fn whoever(&self, headers: &HeaderMap) -> Result<Arc<Verified>, NotAdmitted> {
        let credential = bearer::credential(headers)?;
        let fingerprint = fingerprint(credential);
        let now = self.clock.now();
        if !self.revocations.is_current(now) {
            return Err(Refusal::plain(ReasonCode::StoreUnavailable).into());
        }
        if let Some(known) = self.cache.get(&fingerprint) {
            match known.live.ended() {
                None if now < known.expires && !known.has_other_groups() => return Ok(known),
                // A service key never expires, so a refusal from memory would never end either; the store knows its state.
                Some(_) if known.caller.credential == Credential::ServiceKey => {
                    self.cache.forget(&fingerprint);
                }
                // Stronger than another look: an issuer's fast clock may make an ended token seem new.
                Some(ended) => return Err(known.refused(ended)),
                None => self.cache.forget(&fingerprint),
            }
        }
        let verified = self
            .cache
            .get_or_verify(
                &fingerprint,
                Box::pin(self.verify(credential, &fingerprint, now)),
            )
            .await?;
        match verified.live.ended() {
            Some(ended) => Err(verified.refused(ended)),
            None => Ok(verified),
        }
    }

    /// Proves the ID token of a browser sign-in: made by this issuer for its `client_id`, with the nonce that was sent. The
    /// caller is then known to the store, and a session can be started.
    pub async fn sign_in(
        &self,
        issuer: &Issuer,
        id_token: &str,
        nonce: &str,
    ) -> Result<Caller, Refusal> {
        let signed_in = self.sign_in_of(issuer, id_token, nonce).await?;
        Ok(signed_in.caller)
    }

    /// As [`Identity::sign_in`], and when the issuer says that the person signed in there, if it does.
    pub async fn sign_in_of(
        &self,
        issuer: &Issuer,
        id_token: &str,
        nonce: &str,
    ) -> Result<SignedIn, Refusal> {
        let now = self.clock.now();
        let jws = Jws::parse(id_token)?;
        let stated = self.issuers.stated(Claims(&jws.claims).required("iss")?)?;
        if stated.name() != issuer.name() {
            return Err(Refusal::new(
                ReasonCode::TokenIssuer,
                "The sign-in was answered by another issuer than the one asked.",
            ));
        }
        let proof = issuer.verify(&jws, Use::SignIn { nonce }, now).await?;
        let About::Person(facts) = proof.about else {
            return Err(Refusal::plain(ReasonCode::WorkloadUnknown));
        };
        // An issuer's clock that runs ahead does not make it know better. The nonce says that the token was made for this sign-in, so a
        // cutoff in the past does not concern it.
        let stated = proof.times.issued.min(now);
        let made = (stated, now);
        let credential = proof.credential;
        let person = self.person(issuer, &facts, credential, made, now).await?;
        let (facts, _) = self.with_groups(facts, person.id, stated).await?;
        let auth_time = Claims(&jws.claims).seconds("auth_time").ok().flatten();
        Ok(SignedIn {
            caller: self.caller(issuer, facts, &person, credential),
            auth_time: auth_time.map(Timestamp::from_unix_s),
        })
    }
}

/// Where a credential counts is asked at each request, not when it is verified: what is remembered is the same everywhere.
fn meant_for(verified: Arc<Verified>, at: Option<&Resource>) -> Result<Arc<Verified>, NotAdmitted> {
    if verified.is_for(at) {
        return Ok(verified);
    }
    let text = "The token was made for a connector and counts at that one alone.";
    let refusal = Refusal::new(ReasonCode::TokenAudience, text);
    Err(NotAdmitted::known(Arc::clone(&verified.caller), refusal))
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn unavailable(error: StoreError) -> Refusal {
    tracing::warn!(
        error = &error as &dyn std::error::Error,
        "identity cannot use the store"
    );
    Refusal::plain(ReasonCode::StoreUnavailable)
}

/// The credential a request carries, for a door to keep from the provider.
pub fn credential_of(headers: &HeaderMap) -> Option<&str> {
    bearer::credential(headers).ok()
}

/// The one credential a request carries, not looked into, or why there is none that counts.
pub fn bearer_of(headers: &HeaderMap) -> Result<&str, Refusal> {
    bearer::credential(headers)
}
