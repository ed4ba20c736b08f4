//! Azure's instance metadata service, as far as managed identities need it.
//!
//! Written from the published contract of `GET /metadata/identity/oauth2/token`: the `Metadata: true` header, `api-version`,
//! `resource`, and no proxy's `X-Forwarded-For`. Its tokens are signed by the fake Entra it is started beside.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::{Method, Request, Response};
use hyper::body::Incoming;
use serde_json::json;

use crate::idp::{Endpoint, Idp, IdpFault};
use crate::limits::{SMALL_BODY_BYTES_MAX, TOKEN_S};
use crate::net::{Answers, Ask, Body, Bound, Hangup, ResetSwitch, Server, reply};

/// The scope that a token for Foundry is asked with.
pub const FOUNDRY_SCOPE: &str = "https://ai.azure.com/.default";
/// The audience that a token for Foundry has.
pub const FOUNDRY_AUDIENCE: &str = "https://ai.azure.com";

const API_VERSIONS: [&str; 4] = ["2018-02-01", "2019-08-01", "2020-06-01", "2021-02-01"];

/// A running metadata service. Ends when dropped.
#[derive(Debug)]
pub struct Imds {
    server: Server,
    machine: Machine,
}

#[derive(Debug, Clone)]
struct Machine {
    entra: Arc<crate::idp::State>,
    system_identity: Option<String>,
    user_identities: Vec<String>,
    asked: Arc<AtomicU64>,
    faults: Arc<crate::idp::Faults>,
}

impl Imds {
    /// The metadata service of a machine with a system-assigned identity (its client id) and user-assigned ones.
    ///
    /// Errors: no port can be had.
    pub fn start(
        entra: &Idp,
        system_identity: Option<&str>,
        user_identities: &[&str],
    ) -> io::Result<Self> {
        let machine = Machine {
            entra: entra.state(),
            system_identity: system_identity.map(str::to_owned),
            user_identities: user_identities.iter().map(|id| (*id).to_owned()).collect(),
            asked: Arc::default(),
            faults: Arc::default(),
        };
        let server = Bound::to(0)?.serve(machine.clone())?;
        Ok(Self { server, machine })
    }

    /// Where it listens; in Azure that is `http://169.254.169.254`.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// How many tokens were asked for, granted or not.
    pub fn asked(&self) -> u64 {
        self.machine.asked.load(Ordering::SeqCst)
    }

    /// Breaks it until [`Imds::heal`].
    pub fn break_it(&self, fault: IdpFault) {
        self.machine.faults.set(Endpoint::Token, fault);
    }

    /// Mends it.
    pub fn heal(&self) {
        self.machine.faults.clear();
    }

    /// Refuses connections, as outside Azure.
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
}

impl Answers for Machine {
    async fn answer(
        &self,
        request: Request<Incoming>,
        _connection: ResetSwitch,
    ) -> Result<Response<Body>, Hangup> {
        let ask = Ask::read(request, SMALL_BODY_BYTES_MAX).await?;
        if ask.path != "/metadata/identity/oauth2/token" {
            return Ok(reply::text(404, "not found"));
        }
        self.asked.fetch_add(1, Ordering::SeqCst);
        if let Some(answer) = self.faults.strike(Endpoint::Token).await? {
            return Ok(answer);
        }
        Ok(self.token(&ask))
    }
}

impl Machine {
    fn token(&self, ask: &Ask) -> Response<Body> {
        if ask.method != Method::GET {
            return fault(405, "method_not_allowed", "use GET");
        }
        if ask.header("metadata") != Some("true") {
            return fault(
                400,
                "invalid_request",
                "Required metadata header not specified",
            );
        }
        if ask.header("x-forwarded-for").is_some() {
            return fault(
                400,
                "invalid_request",
                "X-Forwarded-For header must not be present",
            );
        }
        let query = ask.query_fields();
        if !API_VERSIONS.contains(&query.text("api-version")) {
            return fault(
                400,
                "invalid_request",
                "Required query variable 'api-version' is missing or unknown",
            );
        }
        let resource = query.text("resource").trim_end_matches('/');
        if !resource.starts_with("https://") {
            return fault(
                400,
                "invalid_resource",
                "AADSTS500011: the resource principal was not found",
            );
        }
        let identity = match query.find("client_id") {
            Some(id) => self.user_identities.iter().find(|known| *known == id),
            None => self.system_identity.as_ref(),
        };
        let Some(client_id) = identity else {
            return fault(400, "invalid_request", "Identity not found");
        };
        let claims = self.entra.own_claims(client_id, resource);
        let times = [&claims["exp"], &claims["nbf"]].map(ToString::to_string);
        reply::json(
            200,
            &json!({
                "access_token": self.entra.signing_key().sign(&claims),
                "client_id": client_id,
                "expires_in": TOKEN_S.to_string(),
                "expires_on": times[0],
                "ext_expires_in": TOKEN_S.to_string(),
                "not_before": times[1],
                "resource": resource,
                "token_type": "Bearer",
            }),
        )
    }
}

fn fault(status: u16, error: &str, why: &str) -> Response<Body> {
    reply::json(status, &json!({"error": error, "error_description": why}))
}
