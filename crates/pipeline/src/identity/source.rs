//! Where an issuer's keys come from, and how they are kept: a new set is built whole and then swapped in, one fetch at a time,
//! never more often than the cool-down allows. The last good set stays in use until it is too old to believe.
//!
//! An issuer that cannot be reached is our outage, not the caller's: whoever needs a key that we could not fetch gets
//! `issuer_unreachable`, never a statement about their token.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use arc_swap::ArcSwapOption;
use domain::{Clock, ReasonCode, Refusal, Timestamp, limits};
use jsonwebtoken::Algorithm;
use serde_json::{Map, Value};
use tokio::sync::Mutex;
use tracing::Instrument as _;
use url::Url;

use super::json;
use super::jws::Compact;
use super::keys::{BadKeySet, KeySet, Unproved};
use crate::fetch::{Ask, Fetch, FetchError};

/// Where the keys are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Location {
    /// In the set that this discovery document names, if it is the document of this issuer.
    Discovery { url: Url, issuer: String },
    /// At this URL.
    KeySet(Url),
}

/// What an issuer's discovery document says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoints {
    /// Where people sign in.
    pub authorization: Option<Url>,
    /// Where codes are exchanged.
    pub token: Option<Url>,
    /// Where people sign out.
    pub end_session: Option<Url>,
    /// Whether the issuer names itself in the sign-in answer (RFC 9207).
    pub states_issuer: bool,
}

/// Why keys could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// A document could not be had.
    #[error("{}", .0.chain())]
    Fetch(#[from] FetchError),
    /// The discovery document is not one.
    #[error("the discovery document is not a JSON object")]
    Document,
    /// The discovery document is another issuer's.
    #[error("the discovery document is of another issuer than {expected}")]
    Issuer {
        /// Whose it should be.
        expected: String,
    },
    /// The discovery document names no usable place for keys.
    #[error("the discovery document has no usable jwks_uri")]
    NoKeySet,
    /// The key set cannot be used.
    #[error(transparent)]
    Keys(#[from] BadKeySet),
}

/// How an issuer stands, for `/readyz` and logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceState {
    /// When its keys were last fetched; none when never.
    pub fetched_at: Option<Timestamp>,
    /// How many there are.
    pub keys: usize,
    /// Their kinds: `RS256`, `ES256`, `EdDSA`.
    pub algorithms: Vec<String>,
    /// Whether tokens can be verified now.
    pub usable: bool,
    /// What went wrong at the last attempt, if it did.
    pub problem: Option<Arc<str>>,
}

#[derive(Debug)]
struct Known {
    keys: KeySet,
    endpoints: Option<Endpoints>,
}

/// The keys of one issuer.
#[derive(Debug)]
pub(super) struct KeySource {
    name: Arc<str>,
    location: Location,
    rsa: Algorithm,
    fetch: Fetch,
    clock: Arc<dyn Clock>,
    known: ArcSwapOption<Known>,
    /// Held while fetching.
    flight: Mutex<()>,
    /// When the last attempt ended, in Unix milliseconds; `i64::MIN` before the first.
    tried_at: AtomicI64,
    failed: AtomicBool,
    problem: ArcSwapOption<Arc<str>>,
}

impl KeySource {
    pub(super) fn new(
        name: Arc<str>,
        location: Location,
        rsa: Algorithm,
        fetch: Fetch,
        clock: Arc<dyn Clock>,
    ) -> Arc<Self> {
        Arc::new(Self {
            name,
            location,
            rsa,
            fetch,
            clock,
            known: ArcSwapOption::empty(),
            flight: Mutex::new(()),
            tried_at: AtomicI64::new(i64::MIN),
            failed: AtomicBool::new(false),
            problem: ArcSwapOption::empty(),
        })
    }

    /// Checks a token's signature, fetching keys when there are none, or when the token names one that is not known.
    pub(super) async fn verify(
        self: &Arc<Self>,
        jws: &Compact<'_>,
        may_sign: impl Fn(&str) -> bool,
    ) -> Result<(), Refusal> {
        let first = self.check(jws, &may_sign);
        if !matches!(first, None | Some(Err(Unproved::KeyUnknown))) {
            return outcome(first);
        }
        self.refresh().await;
        match self.check(jws, &may_sign) {
            // The key may exist where we cannot look: that is no statement about the token.
            Some(Err(Unproved::KeyUnknown)) if self.failed.load(Ordering::Acquire) => outcome(None),
            second => outcome(second),
        }
    }

    /// None when there are no keys that can be believed.
    fn check(
        &self,
        jws: &Compact<'_>,
        may_sign: &impl Fn(&str) -> bool,
    ) -> Option<Result<(), Unproved>> {
        let known = self.known.load();
        let known = known
            .as_ref()
            .filter(|known| self.is_believed(&known.keys))?;
        Some(known.keys.verify(jws, may_sign))
    }

    fn is_believed(&self, keys: &KeySet) -> bool {
        // A clock set back makes keys seem to come from the future: they were fetched nevertheless.
        self.clock.now().ms_since(keys.fetched_at) <= limits::KEYS_AGE_MAX_MS
    }

    /// What the discovery document says, fetched when it is not known yet.
    pub(super) async fn endpoints(self: &Arc<Self>) -> Result<Endpoints, Refusal> {
        if self.known.load().is_none() {
            self.refresh().await;
        }
        self.known
            .load()
            .as_ref()
            .and_then(|known| known.endpoints.clone())
            .ok_or_else(|| Refusal::plain(ReasonCode::IssuerUnreachable))
    }

    /// Fetches keys if they are older than [`limits::KEYS_FRESH_MS`], or if the last attempt failed.
    pub(super) async fn keep_fresh(self: &Arc<Self>) {
        let now = self.clock.now();
        let fresh = self.known.load().as_ref().is_some_and(|known| {
            (0..=limits::KEYS_FRESH_MS).contains(&now.ms_since(known.keys.fetched_at))
        });
        if !fresh {
            self.refresh().await;
        }
    }

    pub(super) fn state(&self) -> SourceState {
        let known = self.known.load();
        SourceState {
            fetched_at: known.as_ref().map(|known| known.keys.fetched_at),
            keys: known.as_ref().map_or(0, |known| known.keys.count()),
            algorithms: known.as_ref().map_or_else(Vec::new, |known| {
                let all = known.keys.algorithms();
                all.iter().map(|kind| format!("{kind:?}")).collect()
            }),
            usable: known
                .as_ref()
                .is_some_and(|known| self.is_believed(&known.keys)),
            problem: self
                .problem
                .load()
                .as_ref()
                .map(|problem| Arc::clone(&**problem)),
        }
    }

    /// Fetches keys unless somebody just did or tried to. Whoever comes while a fetch is under way waits for it. The fetch is a
    /// task of its own, so that the caller who set it off may leave without spoiling it for the rest.
    async fn refresh(self: &Arc<Self>) {
        if !self.may_try() {
            return;
        }
        let this = Arc::clone(self);
        let fetch = async move {
            let _flight = this.flight.lock().await;
            if this.may_try() {
                this.fetch_once().await;
            }
        };
        let task = tokio::spawn(fetch.in_current_span());
        // Fails only when the task panics or the runtime stops; then there are simply no new keys.
        let _ = task.await;
    }

    fn may_try(&self) -> bool {
        let tried_at = self.tried_at.load(Ordering::Acquire);
        if tried_at == i64::MIN {
            return true;
        }
        let since = self.clock.now().ms_since(Timestamp::from_unix_ms(tried_at));
        let pause = if self.failed.load(Ordering::Acquire) {
            limits::KEYS_RETRY_MS
        } else {
            limits::KEYS_COOL_DOWN_MS
        };
        // Negative when the clock was set back: waiting for it to come round again could take years.
        since < 0 || since >= pause
    }

    async fn fetch_once(&self) {
        let outcome = self.load().await;
        let failed_before = self.failed.swap(outcome.is_err(), Ordering::AcqRel);
        self.tried_at
            .store(self.clock.now().unix_ms(), Ordering::Release);
        match outcome {
            Ok(known) => {
                tracing::info!(
                    issuer = &*self.name,
                    keys = known.keys.count(),
                    "fetched the issuer's keys"
                );
                self.known.store(Some(Arc::new(known)));
                self.problem.store(None);
            }
            Err(error) => {
                let problem: Arc<str> = error.to_string().into();
                if !failed_before {
                    tracing::warn!(
                        issuer = &*self.name,
                        problem = &*problem,
                        "the issuer's keys cannot be fetched; the last good ones stay in use while they are young enough"
                    );
                }
                self.problem.store(Some(Arc::new(problem)));
            }
        }
    }

    async fn load(&self) -> Result<Known, SourceError> {
        let (url, endpoints) = match &self.location {
            Location::KeySet(url) => (url.clone(), None),
            Location::Discovery { url, issuer } => {
                let body = self.fetch.body(Ask::get(url)).await?;
                let document =
                    json::object(&body, limits::JSON_DEPTH_MAX).ok_or(SourceError::Document)?;
                if document.get("issuer").and_then(Value::as_str) != Some(issuer) {
                    return Err(SourceError::Issuer {
                        expected: issuer.clone(),
                    });
                }
                let keys = endpoint(&document, "jwks_uri").ok_or(SourceError::NoKeySet)?;
                (keys, Some(Endpoints::read(&document)))
            }
        };
        let body = self.fetch.body(Ask::get(&url)).await?;
        Ok(Known {
            keys: KeySet::parse(&body, self.rsa, self.clock.now())?,
            endpoints,
        })
    }
}

impl Endpoints {
    fn read(document: &Map<String, Value>) -> Self {
        Self {
            authorization: endpoint(document, "authorization_endpoint"),
            token: endpoint(document, "token_endpoint"),
            end_session: endpoint(document, "end_session_endpoint"),
            states_issuer: document.get("authorization_response_iss_parameter_supported")
                == Some(&Value::Bool(true)),
        }
    }
}

fn endpoint(document: &Map<String, Value>, name: &str) -> Option<Url> {
    document.get(name)?.as_str()?.parse().ok()
}

fn outcome(checked: Option<Result<(), Unproved>>) -> Result<(), Refusal> {
    Err(Refusal::plain(match checked {
        Some(Ok(())) => return Ok(()),
        None => ReasonCode::IssuerUnreachable,
        Some(Err(Unproved::KeyUnknown)) => ReasonCode::TokenKeyUnknown,
        Some(Err(Unproved::Algorithm)) => ReasonCode::TokenAlgorithm,
        Some(Err(Unproved::Issuer)) => {
            return Err(Refusal::new(
                ReasonCode::TokenIssuer,
                "The token is signed with a key of another issuer or tenant.",
            ));
        }
        Some(Err(Unproved::Signature)) => ReasonCode::TokenSignature,
    }))
}
