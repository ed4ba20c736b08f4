//! The configured issuers at work: finds the one a token states and turns the token into a proof of who it is about.
//!
//! Checks run from the cheapest to the dearest, so that only a well-formed, current token for our audience ever makes us look
//! for a key; nothing is believed before the signature is checked, and no URL in a token is ever asked.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use domain::{Clock, Credential, ReasonCode, Refusal, Timestamp, limits};
use jsonwebtoken::Algorithm;
use url::Url;

use super::claims::{Claims, Times, shown, wrong};
use super::config::{IssuerConfig, IssuerKind, RsaAlgorithm};
use super::entra::{self, Entra, EntraSubject};
use super::graph::{Api, Graph};
use super::jws::Jws;
use super::source::{Endpoints, KeySource, Location, SourceState};
use super::workload;
use crate::fetch::{Fetch, FetchError, Reach};

/// What a token proves.
#[derive(Debug)]
pub(super) struct Proof {
    pub(super) about: About,
    pub(super) credential: Credential,
    pub(super) times: Times,
}

/// What a proved token says about a person.
#[derive(Debug, Clone)]
pub(super) struct PersonFacts {
    /// Entra `tid/oid`, elsewhere `sub`. With the issuer it is the key; nothing else is.
    pub(super) stable_id: String,
    pub(super) email: Option<String>,
    pub(super) name: Option<String>,
    pub(super) groups: BTreeSet<String>,
}

/// Whom it is about.
#[derive(Debug)]
pub(super) enum About {
    Person(PersonFacts),
    Service {
        name: String,
        groups: BTreeSet<String>,
    },
}

/// What a token must be for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Use<'a> {
    /// A request.
    Bearer,
    /// A browser sign-in that sent this nonce.
    SignIn { nonce: &'a str },
    /// A session of a program without a browser, at the authorization server of this address (ID-JAG).
    Assertion { server: &'a str },
}

/// The type of identity assertions (draft-ietf-oauth-identity-assertion-authz-grant).
const ASSERTION: &str = "oauth-id-jag+jwt";

#[derive(Debug)]
enum Kind {
    Generic(Arc<KeySource>),
    Entra(Box<Entra>),
}

/// One issuer.
#[derive(Debug)]
pub struct Issuer {
    config: IssuerConfig,
    name: Arc<str>,
    kind: Kind,
    graph: Option<Graph>,
    fetch: Fetch,
}

impl Issuer {
    fn new(config: IssuerConfig, clock: &Arc<dyn Clock>) -> Result<Self, FetchError> {
        let reach = if config.dangerous_plain_http {
            Reach::DangerousPlainHttp
        } else {
            Reach::Operator
        };
        let fetch = Fetch::new(reach, config.ca_pem.as_deref())?;
        let rsa = match config.rsa_algorithm {
            RsaAlgorithm::RS256 => Algorithm::RS256,
            RsaAlgorithm::RS384 => Algorithm::RS384,
            RsaAlgorithm::RS512 => Algorithm::RS512,
            RsaAlgorithm::PS256 => Algorithm::PS256,
        };
        let kind = match config.kind {
            IssuerKind::Entra => Kind::Entra(Box::new(
                Entra::new(&config, rsa, &fetch, clock).ok_or(FetchError::BadUrl)?,
            )),
            IssuerKind::Generic => {
                let location = location(&config).ok_or(FetchError::BadUrl)?;
                let name = config.name.as_str().into();
                Kind::Generic(KeySource::new(
                    name,
                    location,
                    rsa,
                    fetch.clone(),
                    Arc::clone(clock),
                ))
            }
        };
        let graph = graph(&config, &fetch, clock);
        let name = config.name.as_str().into();
        Ok(Self {
            config,
            name,
            kind,
            graph,
            fetch,
        })
    }

    /// Its configuration.
    pub fn config(&self) -> &IssuerConfig {
        &self.config
    }

    /// What policy, records and people call it.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The client to reach it with.
    pub fn fetch(&self) -> &Fetch {
        &self.fetch
    }

    /// Where people sign in and codes are exchanged.
    pub async fn endpoints(&self) -> Result<Endpoints, Refusal> {
        self.main_source().endpoints().await
    }

    /// Whether an answer to the browser comes from the issuer that was asked (RFC 9207): what it states in `iss` is always held
    /// to, and an issuer whose discovery document promises to state itself must have done so. Errors are answers as well.
    pub async fn check_answer(&self, stated: Option<&str>) -> Result<(), Refusal> {
        let refuse = |text| Err(Refusal::new(ReasonCode::TokenIssuer, text));
        match stated {
            Some(stated) if self.answers_as(stated) => Ok(()),
            Some(_) => {
                refuse("The sign-in was answered by another identity provider than the one asked.")
            }
            None if self.endpoints().await?.states_issuer => {
                refuse("The sign-in's answer does not say which identity provider it comes from.")
            }
            None => Ok(()),
        }
    }

    /// The exact text, no normalisation.
    fn answers_as(&self, stated: &str) -> bool {
        match &self.kind {
            Kind::Generic(_) => self.config.issuer == stated,
            Kind::Entra(entra) => entra.answers_as(stated),
        }
    }

    /// How its keys stand.
    pub fn state(&self) -> SourceState {
        self.main_source().state()
    }

    fn main_source(&self) -> &Arc<KeySource> {
        match &self.kind {
            Kind::Generic(source) => source,
            Kind::Entra(entra) => &entra.v2,
        }
    }

    /// Fetches keys that are missing or no longer fresh.
    pub(super) async fn keep_fresh(&self) {
        match &self.kind {
            Kind::Generic(source) => source.keep_fresh().await,
            Kind::Entra(entra) => {
                for source in entra.sources_in_use() {
                    source.keep_fresh().await;
                }
            }
        }
    }

    /// Proves a token that states this issuer.
    pub(super) async fn verify(
        &self,
        jws: &Jws<'_>,
        usage: Use<'_>,
        now: Timestamp,
    ) -> Result<Proof, Refusal> {
        let claims = Claims(&jws.claims);
        let stated = claims.required("iss")?;
        check_type(jws.compact.typ.as_deref(), usage)?;
        match usage {
            Use::Bearer => {
                claims.audience(&self.config.audiences, &self.config.authorized_parties)?;
            }
            Use::SignIn { .. } => {
                let ours = self.config.client_id.iter().cloned().collect();
                claims.audience(&ours, &BTreeSet::new())?;
            }
            // For us and nobody else: who else may hold it could bring it here.
            Use::Assertion { server }
                if claims.list("aud")? == BTreeSet::from([server.to_owned()]) => {}
            Use::Assertion { .. } => return Err(wrong("aud", "is not this gateway alone")),
        }
        let times = claims.times(now, self.lifetime_max_s(usage))?;
        match &self.kind {
            Kind::Generic(source) => {
                source
                    .verify(&jws.compact, |key_issuer| key_issuer == stated)
                    .await?;
            }
            Kind::Entra(entra) => {
                entra
                    .source(stated)
                    .verify(&jws.compact, |key_issuer| {
                        entra.may_sign(key_issuer, stated)
                    })
                    .await?;
            }
        }
        if let Use::SignIn { nonce } = usage {
            check_nonce(claims, nonce)?;
        }
        let access = jws.compact.typ.as_deref() == Some("at+jwt")
            || entra::is_access_token(claims)
            || claims.0.contains_key("scope");
        let about = self.about(claims, stated, usage).await?;
        let credential = match about {
            About::Service { .. } => Credential::Workload,
            About::Person(_) if access => Credential::AccessToken,
            About::Person(_) => Credential::IdToken,
        };
        Ok(Proof {
            about,
            credential,
            times,
        })
    }

    fn lifetime_max_s(&self, usage: Use<'_>) -> i64 {
        let most = self.config.max_token_lifetime_s;
        match usage {
            Use::Bearer | Use::SignIn { .. } => most,
            Use::Assertion { .. } => most.min(limits::ASSERTION_LIFETIME_MAX_S),
        }
    }

    async fn about(
        &self,
        claims: Claims<'_>,
        stated: &str,
        usage: Use<'_>,
    ) -> Result<About, Refusal> {
        let subject = match &self.kind {
            Kind::Generic(_) => None,
            Kind::Entra(entra) => Some(entra.subject(claims, stated)?),
        };
        if matches!(usage, Use::Bearer)
            && let Some(rule) = workload::matching(&self.config.workload, claims)
        {
            return Ok(About::Service {
                name: rule.service.clone(),
                groups: rule.groups.clone(),
            });
        }
        let application = match &subject {
            Some(subject) => subject.application,
            None => workload::is_application(claims)?,
        };
        if application || !self.config.vouches_for_people() {
            return Err(Refusal::plain(ReasonCode::WorkloadUnknown));
        }
        let groups = self.groups(claims, subject.as_ref()).await?;
        let stable_id = match subject {
            None => claims.required("sub")?.to_owned(),
            Some(subject) => format!("{}/{}", subject.tenant, subject.object),
        };
        Ok(About::Person(PersonFacts {
            stable_id,
            email: claims.readable(self.config.email_claim()),
            name: claims.readable("name"),
            groups,
        }))
    }

    async fn groups(
        &self,
        claims: Claims<'_>,
        subject: Option<&EntraSubject>,
    ) -> Result<BTreeSet<String>, Refusal> {
        let name = &self.config.groups_claim;
        let mut groups = if entra::groups_left_out(claims, name) {
            let (Some(subject), Some(graph), Kind::Entra(entra)) =
                (subject, &self.graph, &self.kind)
            else {
                let text = "The person is in more groups than the token holds, and no directory look-up is configured.";
                return Err(Refusal::new(ReasonCode::GroupsUnresolved, text));
            };
            let url = entra.token_url(&subject.tenant);
            let url = url.ok_or_else(|| Refusal::plain(ReasonCode::GroupsUnresolved))?;
            graph.groups(subject, &url).await?
        } else {
            claims.list(name)?
        };
        if subject.is_some() {
            groups.append(&mut claims.list("roles")?);
        }
        Ok(groups)
    }
}

fn location(config: &IssuerConfig) -> Option<Location> {
    if let Some(url) = &config.jwks_url {
        return Some(Location::KeySet(url.clone()));
    }
    let url = match &config.discovery_url {
        Some(url) => url.clone(),
        // OpenID Connect Discovery 4: the path is appended, after a slash at the end is taken off.
        None => Url::parse(&format!(
            "{}/.well-known/openid-configuration",
            config.issuer.trim_end_matches('/')
        ))
        .ok()?,
    };
    Some(Location::Discovery {
        url,
        issuer: config.issuer.clone(),
    })
}

fn graph(config: &IssuerConfig, fetch: &Fetch, clock: &Arc<dyn Clock>) -> Option<Graph> {
    let id = config
        .entra
        .graph_client_id
        .as_ref()
        .or(config.client_id.as_ref())?;
    let secret = config
        .entra
        .graph_client_secret
        .as_ref()
        .or(config.client_secret.as_ref())?;
    let api = Api {
        url: config.entra.graph_url.clone(),
        scope: config.entra.graph_scope.clone(),
        client_id: id.clone(),
        client_secret: secret.clone(),
    };
    (config.kind == IssuerKind::Entra).then(|| Graph::new(api, fetch.clone(), Arc::clone(clock)))
}

/// A token of another kind (a logout token, a security event) must not pass for one of these, though the same issuer signed it.
fn check_type(typ: Option<&str>, usage: Use<'_>) -> Result<(), Refusal> {
    match (typ, usage) {
        (None | Some("jwt"), Use::Bearer | Use::SignIn { .. })
        | (Some("at+jwt"), Use::Bearer)
        | (Some(ASSERTION), Use::Assertion { .. }) => Ok(()),
        (None, Use::Assertion { .. }) => {
            let text = format!("The assertion does not say that it is one (`typ` {ASSERTION}).");
            Err(Refusal::new(ReasonCode::CredentialMalformed, text))
        }
        (Some(other), _) => {
            let text = format!("A token of the type {} is not accepted here.", shown(other));
            Err(Refusal::new(ReasonCode::CredentialMalformed, text))
        }
    }
}

fn check_nonce(claims: Claims<'_>, expected: &str) -> Result<(), Refusal> {
    let stated = claims.required("nonce")?;
    verify_slices_are_equal(stated.as_bytes(), expected.as_bytes())
        .map_err(|_| wrong("nonce", "is not the one this sign-in sent"))
}

/// Every configured issuer.
#[derive(Debug)]
pub(super) struct Issuers {
    list: Vec<Arc<Issuer>>,
    by_url: HashMap<String, Arc<Issuer>>,
}

impl Issuers {
    pub(super) fn new(
        configs: Vec<IssuerConfig>,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, FetchError> {
        let mut issuers = Self {
            list: Vec::new(),
            by_url: HashMap::new(),
        };
        for config in configs {
            let urls = entra::issuers_of(&config);
            let issuer = Arc::new(Issuer::new(config, clock)?);
            issuers
                .by_url
                .extend(urls.into_iter().map(|url| (url, Arc::clone(&issuer))));
            issuers.list.push(issuer);
        }
        Ok(issuers)
    }

    pub(super) fn all(&self) -> &[Arc<Issuer>] {
        &self.list
    }

    /// The issuer that a token states: the exact text, no normalisation.
    pub(super) fn stated(&self, issuer: &str) -> Result<&Arc<Issuer>, Refusal> {
        if let Some(found) = self.by_url.get(issuer) {
            return Ok(found);
        }
        let foreign_tenant = self.list.iter().any(|known| match &known.kind {
            Kind::Entra(entra) => entra.knows_but_does_not_trust(issuer),
            Kind::Generic(_) => false,
        });
        let (code, what) = if foreign_tenant {
            (ReasonCode::TokenTenant, "tenant")
        } else {
            (ReasonCode::TokenIssuer, "issuer")
        };
        Err(Refusal::new(
            code,
            format!(
                "The token comes from the {what} {}, which this gateway does not trust.",
                shown(issuer)
            ),
        ))
    }
}
