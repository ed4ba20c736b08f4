//! Sign-in of Claude's clients by device code (RFC 8628): the client shows a code, a person opens the page, proves who they are
//! at the company's identity provider, compares the code and lets the client in. And sign-in to the console, which goes the same way.
//!
//! | file | endpoint |
//! |---|---|
//! | [`discovery`] | `GET /.well-known/oauth-authorization-server`, `GET /oauth/jwks` |
//! | [`device_authorization`] | `POST /oauth/device_authorization` |
//! | [`token`] | `POST /oauth/token` |
//! | [`revoke`] | `POST /oauth/revoke` |
//! | [`device`] | `GET` and `POST /device` |
//! | [`callback`] | `GET /oauth/callback` |
//! | [`decision`] | `POST /device/approve`, `POST /device/deny` |
//! | [`acceptable_use`] | `GET` and `POST /acceptable-use`, `POST /acceptable-use/accept` |
//! | [`programs`] | sign-in of the programs that call connectors: `/oauth/authorize`, `/oauth/register`, … |
//! | [`console`] | `GET` and `POST /console/sign-in`, `POST /console/sign-out` |
//!
//! Beside them: [`oidc`] is the trip to an identity provider, [`web::browser`] binds each step to one browser, [`posted`] takes
//! what was posted from a page, [`throttle`] slows down guessing, [`pages`] is what people see.

pub mod discovery;
pub mod device_authorization;
pub mod token;
pub mod revoke;
pub mod device;
pub mod callback;
pub mod decision;
pub mod acceptable_use;
pub mod console;
pub mod throttle;
pub mod oidc;
pub mod pages;
pub mod programs;
pub mod oauth;
mod posted;

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::middleware::from_fn;
use axum::routing::{get, post};
use domain::{Client, Clock, Ids, OrgId, Refusal};
use http::header::USER_AGENT;
use ledger::record::{Origin, SignIn as SignInRecord, Verdict};
use pipeline::AcceptableUse;
use pipeline::identity::{Identity, Issuer, SessionTokens, Sessions};
use pipeline::strangers::{Strangers, Wanted};
use store::Store;
use web::browser::{self, Browsers};

use crate::answers;
use crate::inference::ClientAddress;
use pages::Provider;
use programs::Programs;
use throttle::Throttle;

/// What sign-in stands on.
#[derive(Debug)]
pub struct SignIn {
    /// The organisation.
    pub org: OrgId,
    /// Its name, for pages.
    pub org_name: String,
    /// Our own origin, `https://…` without a slash at its end.
    pub public_url: String,
    /// A notice that clients show beside the code.
    pub login_notice: Option<String>,
    /// People, device codes, states.
    pub store: Store,
    /// Who people are.
    pub identity: Arc<Identity>,
    /// What they must agree to.
    pub acceptable_use: Arc<AcceptableUse>,
    /// Their sessions.
    pub sessions: Arc<Sessions>,
    /// The keys of session tokens.
    pub tokens: Arc<SessionTokens>,
    /// Refusals of callers whom nobody knows.
    pub strangers: Arc<Strangers>,
    /// Where everything is written down.
    pub ledger: Arc<ledger::Ledger>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub ids: Arc<dyn Ids>,
    /// Device codes asked for, by address.
    pub asks: Throttle,
    /// Trips to an identity provider, by address.
    pub trips: Throttle,
    /// Wrong user codes, by address.
    pub guesses: Throttle,
    /// Codes of the break-glass account, by address.
    pub glass: Throttle,
    /// Programs that call connectors.
    pub programs: Programs,
}

/// The sign-in endpoints.
pub fn routes(state: Arc<SignIn>) -> Router {
    Router::new()
        .route(
            "/.well-known/oauth-authorization-server",
            get(discovery::metadata),
        )
        // Where programs look that were made before RFC 9728 (RFC 8414, section 3.1, with a connector's path).
        .route(
            "/.well-known/oauth-authorization-server/{*resource}",
            get(discovery::metadata),
        )
        .route("/oauth/jwks", get(discovery::keys))
        .route(
            "/oauth/device_authorization",
            post(device_authorization::ask),
        )
        .route("/oauth/token", post(token::exchange))
        .route("/oauth/revoke", post(revoke::revoke))
        .route("/device", get(device::show).post(device::proceed))
        .route("/device/approve", post(decision::approve))
        .route("/device/deny", post(decision::deny))
        .route(
            "/acceptable-use",
            get(acceptable_use::show).post(acceptable_use::proceed),
        )
        .route("/acceptable-use/accept", post(acceptable_use::accept))
        .route("/oauth/callback", get(callback::returned))
        .merge(programs::routes())
        .with_state(state)
        .layer(from_fn(answers::in_oauth))
}

impl SignIn {
    fn browsers(&self) -> Browsers<'_> {
        Browsers {
            public_url: &self.public_url,
            ids: &*self.ids,
            cookie: browser::DEVICE,
        }
    }

    /// Issuers that people can sign in through.
    fn providers(&self) -> Vec<Provider> {
        self.identity
            .issuers()
            .iter()
            .filter(|issuer| signs_people_in(issuer))
            .map(|issuer| Provider {
                name: issuer.name().to_string(),
                shown: issuer.config().shown().to_owned(),
            })
            .collect()
    }

    /// What people read of an issuer, by its configured name.
    fn shown_issuer(&self, name: &str) -> String {
        let mut issuers = self.identity.issuers().iter();
        let found = issuers.find(|issuer| &*issuer.name().to_string() == name);
        found
            .map_or(name, |issuer| issuer.config().shown())
            .to_owned()
    }

    /// Writes down a sign-in that came to its end.
    fn record(&self, record: SignInRecord) {
        if let Err(error) = self.ledger.note(ledger::Record::SignIn(record)) {
            tracing::error!(error = %error, "a sign-in is not in the ledger");
        }
    }

    /// Writes down a sign-in that was refused, unless its address has been refused too often for that in this minute: then it is
    /// counted. Nobody is known who could be asked to stop.
    fn record_refused(&self, origin: Origin, refusal: &Refusal) {
        if self
            .strangers
            .records(origin.address, Wanted::SignIn, refusal.code())
        {
            self.record(self.refused(origin, refusal));
        }
    }

    /// The record of a sign-in that was refused.
    fn refused(&self, origin: Origin, refusal: &Refusal) -> SignInRecord {
        SignInRecord {
            org: Some(self.org),
            subject: None,
            stable_id: None,
            email: None,
            issuer: None,
            method: "device".into(),
            origin,
            session: None,
            verdict: Verdict::refused(refusal),
        }
    }
}

/// Whether people can sign in through it.
fn signs_people_in(issuer: &Issuer) -> bool {
    issuer.config().vouches_for_people() && issuer.config().client_id.is_some()
}

/// A request's address, as the listener found it.
fn address_of(request: &Request) -> Option<IpAddr> {
    request
        .extensions()
        .get::<ClientAddress>()
        .and_then(|address| address.0)
}

/// The program and address a request comes from.
fn origin_of(request: &Request) -> Origin {
    let agent = request
        .headers()
        .get(USER_AGENT)
        .and_then(|value| value.to_str().ok());
    Origin::new(Client::from_headers(agent, None), address_of(request))
}
