//! A fake OpenID Connect provider: plain, or an Entra ID look-alike written from Microsoft's published contract.
//!
//! Real HTTP on loopback: discovery, keys, authorisation (code + PKCE, a page of buttons), token, userinfo, client credentials,
//! and Microsoft Graph's group look-up. It never sends a person's password anywhere because it knows none: whoever presses a
//! button is that person. Called by tests and `doorward demo`.

pub mod app;
mod authorize;
mod claims;
mod discovery;
mod fault;
mod graph;
mod page;
pub mod person;
mod state;
mod token;
pub mod workload;

use std::io;
use std::sync::Arc;

use domain::{Clock, Ids};
use http::{Request, Response};
use hyper::body::Incoming;
use serde_json::Value;

pub use app::{App, Federation};
pub use fault::{Endpoint, IdpFault};
pub use person::{Person, demo_people};

use crate::limits::BODY_BYTES_MAX;
use crate::net::{Answers, Ask, Body, Bound, Hangup, ResetSwitch, Server, reply};
use crate::token::attack::{self, Attack};
use crate::token::{Algorithm, Key, Keys};
pub(crate) use fault::Faults;
use state::Flavour;
pub(crate) use state::State;

/// What an identity provider is to be, before it starts.
#[derive(Debug)]
pub struct IdpBuilder {
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    flavour: Flavour,
    algorithm: Algorithm,
    people: Vec<Person>,
    apps: Vec<App>,
    port: u16,
}

impl IdpBuilder {
    /// Makes it an Entra ID look-alike whose home is this tenant (a GUID).
    #[must_use]
    pub fn entra(mut self, tid: &str) -> Self {
        self.flavour = Flavour::Entra {
            tid: tid.to_owned(),
            literal: false,
        };
        self
    }

    /// Makes it an Entra ID look-alike whose documents and tokens name Microsoft's own issuers although it lives on loopback.
    #[must_use]
    pub fn entra_with_microsofts_issuers(mut self, tid: &str) -> Self {
        self.flavour = Flavour::Entra {
            tid: tid.to_owned(),
            literal: true,
        };
        self
    }

    /// Signs with ES256 instead of RS256; much quicker to start.
    #[must_use]
    pub const fn es256(mut self) -> Self {
        self.algorithm = Algorithm::Es256;
        self
    }

    /// Adds a person.
    #[must_use]
    pub fn person(mut self, person: Person) -> Self {
        self.people.push(person);
        self
    }

    /// Adds people.
    #[must_use]
    pub fn people(mut self, people: impl IntoIterator<Item = Person>) -> Self {
        self.people.extend(people);
        self
    }

    /// Registers an application.
    #[must_use]
    pub fn app(mut self, app: App) -> Self {
        self.apps.push(app);
        self
    }

    /// Listens on this port instead of any free one.
    #[must_use]
    pub const fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Starts it in the present Tokio runtime.
    ///
    /// Errors: the port is taken.
    pub fn start(self) -> io::Result<Idp> {
        let bound = Bound::to(self.port)?;
        let state = Arc::new(State::new(bound.url(), self));
        let server = bound.serve(Service(Arc::clone(&state)))?;
        Ok(Idp { server, state })
    }
}

/// A running identity provider. Ends when dropped.
#[derive(Debug)]
pub struct Idp {
    server: Server,
    state: Arc<State>,
}

impl Idp {
    /// A plain provider without people or applications, to be filled.
    pub fn builder(clock: Arc<dyn Clock>, ids: Arc<dyn Ids>) -> IdpBuilder {
        IdpBuilder {
            clock,
            ids,
            flavour: Flavour::Plain,
            algorithm: Algorithm::Rs256,
            people: Vec::new(),
            apps: Vec::new(),
            port: 0,
        }
    }

    /// Where it listens, without a slash at the end. For an Entra look-alike also the base of its Graph.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// The issuer its tokens name. Entra: the v2 issuer of the home tenant.
    pub fn issuer(&self) -> String {
        self.state.issuer()
    }

    /// The v1 issuer (`…/sts/<tid>/`) of an Entra look-alike; the issuer of a plain provider.
    pub fn issuer_v1(&self) -> String {
        self.state.issuer_v1()
    }

    /// Where its discovery document is. Entra: v2 of the home tenant.
    pub fn discovery_url(&self) -> String {
        self.state.discovery_url()
    }

    /// Its token endpoint. Entra: v2 of the home tenant.
    pub fn token_url(&self) -> String {
        self.state.token_url()
    }

    /// Its authorisation endpoint. Entra: v2 of the home tenant.
    pub fn authorize_url(&self) -> String {
        self.state.authorize_url()
    }

    /// Its published keys, live: clones see rotations.
    pub fn keys(&self) -> Keys {
        self.state.keys.clone()
    }

    /// The key it signs with now.
    pub fn signing_key(&self) -> Key {
        self.state.signing_key()
    }

    /// Adds or replaces an application.
    pub fn register(&self, app: App) {
        self.state.register(app);
    }

    /// Adds a person, or replaces the one with the same login.
    pub fn enrol(&self, person: Person) {
        self.state.enrol(person);
    }

    /// The person known by this login, `sub`, `oid` or e-mail address.
    pub fn person(&self, who: &str) -> Option<Person> {
        self.state.person(who)
    }

    /// Lets a person sign in no more; their refresh tokens stop working too.
    pub fn disable(&self, who: &str) {
        self.state.disable(who);
    }

    /// Signs exactly these claims with the present key.
    pub fn mint(&self, claims: &Value) -> String {
        self.state.signing_key().sign(claims)
    }

    /// The claims of an ID token for a person and an application, issued now; change them and [`Idp::mint`].
    pub fn id_claims(&self, person: &Person, client_id: &str) -> Value {
        self.state.id_claims(person, client_id, None)
    }

    /// The claims of an access token for a person: issued now, for this audience, to this application.
    pub fn access_claims(&self, person: &Person, client_id: &str, audience: &str) -> Value {
        self.state
            .access_claims(person, client_id, audience, "openid profile email")
    }

    /// An ID token for a person without the trouble of signing in.
    ///
    /// Panics when nobody is known as `who`: the test is wrong then.
    pub fn id_token(&self, who: &str, client_id: &str) -> String {
        let person = self
            .person(who)
            .expect("the test names a person of this provider");
        self.mint(&self.id_claims(&person, client_id))
    }

    /// Every attack that can be made from these claims, which the verifier under test would accept.
    pub fn attacks(&self, good: &Value) -> Vec<Attack> {
        attack::all(&self.signing_key(), good, self.state.clock.now())
    }

    /// Publishes a new key beside the old ones and signs with it from now on.
    pub fn rotate_keys(&self) {
        self.state.rotate(self.signing_key().algorithm(), true);
    }

    /// As [`Idp::rotate_keys`], with a key of this algorithm.
    pub fn rotate_keys_to(&self, algorithm: Algorithm) {
        self.state.rotate(algorithm, true);
    }

    /// Signs with a new key that is not published: tokens carry an unknown key id.
    pub fn rotate_keys_unannounced(&self) {
        self.state.rotate(self.signing_key().algorithm(), false);
    }

    /// Publishes no key but the newest any more.
    pub fn withdraw_old_keys(&self) {
        self.state.keys.keep_newest();
    }

    /// Promises in discovery to name itself in every answer to a browser (RFC 9207), or no longer. What it then does is
    /// [`Idp::state_issuer`]'s.
    pub fn promise_issuer(&self, promises: bool) {
        self.state.promise_issuer(promises);
    }

    /// Names this issuer, true or false, in every answer to a browser (RFC 9207); none, as at the start, leaves `iss` out.
    pub fn state_issuer(&self, stated: Option<&str>) {
        self.state.state_issuer(stated);
    }

    /// Remembers in a cookie who signed in, and lets them through without asking, as most providers do: `auth_time` then says when it
    /// was. `prompt=login` and a `max_age` that is over make it ask again.
    pub fn remember_people(&self, remembers: bool) {
        self.state
            .change_habits(|habits| habits.remembers = remembers);
    }

    /// Pays no heed to `prompt` and `max_age`.
    pub fn ignore_prompts(&self, ignores: bool) {
        self.state
            .change_habits(|habits| habits.ignores_prompts = ignores);
    }

    /// Leaves `auth_time` out of ID tokens, also where OpenID Connect demands it.
    pub fn hide_auth_time(&self, hides: bool) {
        self.state
            .change_habits(|habits| habits.hides_auth_time = hides);
    }

    /// Breaks an endpoint until [`Idp::heal`].
    pub fn break_endpoint(&self, endpoint: Endpoint, fault: IdpFault) {
        self.state.faults.set(endpoint, fault);
    }

    /// Mends every endpoint.
    pub fn heal(&self) {
        self.state.faults.clear();
    }

    /// How often an endpoint was asked, broken or not.
    pub fn hits(&self, endpoint: Endpoint) -> u64 {
        self.state.faults.hits(endpoint)
    }

    /// Refuses connections, as a provider that is down; cuts those that are open.
    pub async fn refuse_connections(&self) {
        self.server.refuse_connections().await;
    }

    /// Takes connections again on the same port.
    pub async fn accept_connections(&self) {
        self.server.accept_connections().await;
    }

    /// Ends it; returns when its port is closed.
    pub async fn stop(self) {
        self.server.stop().await;
    }

    /// What a fake beside it, such as the metadata service, signs with.
    pub(crate) fn state(&self) -> Arc<State> {
        Arc::clone(&self.state)
    }
}

#[derive(Clone)]
struct Service(Arc<State>);

impl Answers for Service {
    async fn answer(
        &self,
        request: Request<Incoming>,
        _connection: ResetSwitch,
    ) -> Result<Response<Body>, Hangup> {
        let ask = Ask::read(request, BODY_BYTES_MAX).await?;
        let Some(endpoint) = self.0.endpoint(&ask.path) else {
            return Ok(reply::text(404, "no such endpoint"));
        };
        if let Some(answer) = self.0.faults.strike(endpoint).await? {
            return Ok(answer);
        }
        Ok(match endpoint {
            Endpoint::Discovery => discovery::document(&self.0, &ask),
            Endpoint::Jwks => reply::json(200, &self.0.keys.jwks()),
            Endpoint::Authorize => authorize::answer(&self.0, &ask),
            Endpoint::Token => token::answer(&self.0, &ask),
            Endpoint::Userinfo => claims::userinfo(&self.0, &ask),
            Endpoint::Graph => graph::member_objects(&self.0, &ask),
            Endpoint::ClaimSource => reply::text(410, "the address in a token is not to be called"),
        })
    }
}
