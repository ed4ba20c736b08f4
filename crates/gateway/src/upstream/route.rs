//! The order of trying: each upstream that serves the model in an allowed region, first to last, skipping those that failed of
//! late; the next one when one fails before its first byte. A region is a promise: with no upstream inside it the call is refused.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use domain::{Clock, Reason, ReasonCode, Refusal, Timestamp};
use http::Response;
use http::header::HeaderMap;
use hyper::body::Incoming;
use pipeline::{Call, Reserved, Running};
use wire::Envelope;

use super::attempt::Attempt;
use super::client::HttpClient;
use super::config::{InvalidUpstream, UpstreamConfig};
use super::credential::{CredentialError, Credentials};
use super::health::{Admission, Health, Seen};

/// Every provider, in the order of trying.
#[derive(Debug)]
pub struct Upstreams {
    all: Vec<Upstream>,
    client: HttpClient,
    clock: Arc<dyn Clock>,
}

#[derive(Debug)]
pub(super) struct Upstream {
    pub(super) name: Arc<str>,
    pub(super) config: UpstreamConfig,
    pub(super) base: String,
    pub(super) credentials: Credentials,
    pub(super) health: Health,
}

/// An upstream cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetUpError {
    /// Its configuration is wrong.
    #[error(transparent)]
    Config(#[from] InvalidUpstream),
    /// Its credential is wrong.
    #[error("the credential of upstream {name} cannot be used")]
    Credential {
        /// The upstream.
        name: String,
        /// Why.
        source: CredentialError,
    },
}

/// How a provider stands.
#[derive(Debug)]
pub struct Standing<'u> {
    /// Its configuration.
    pub config: &'u UpstreamConfig,
    /// Its address.
    pub base: &'u str,
    /// What is remembered of its answers.
    pub health: Seen,
    /// When the token at hand was fetched, and when it ends.
    pub token: Option<(Timestamp, Timestamp)>,
}

/// A request as it leaves us, but for the provider's own address and credential.
#[derive(Debug)]
pub struct Outgoing<'a> {
    /// Below the provider's base: `/v1/messages`.
    pub path_and_query: &'a str,
    /// From [`headers::outgoing`].
    pub headers: HeaderMap,
    /// As the client sent it.
    pub body: Bytes,
    /// What was read beside it.
    pub envelope: &'a Envelope<'a>,
}

/// A provider's answer that goes to the client.
#[derive(Debug)]
pub struct Answer {
    /// Which provider.
    pub upstream: Arc<str>,
    /// Status and headers, as they came, and a body still to be read or already read.
    pub response: Response<AnswerBody>,
}

/// An answer's body.
#[derive(Debug)]
pub enum AnswerBody {
    /// Still arriving.
    Stream(Incoming),
    /// An error, already read.
    Whole(Bytes),
}

/// No provider answered.
#[derive(Debug)]
pub struct Failure {
    /// The last provider tried.
    pub upstream: Option<Arc<str>>,
    /// What the caller is told.
    pub refusal: Refusal,
}

/// An attempt that did not help.
struct Failed {
    upstream: Arc<str>,
    code: ReasonCode,
    /// What the client is shown when nothing better comes.
    answer: Option<Response<AnswerBody>>,
}

impl Upstreams {
    /// Sets up every configured provider.
    pub fn new(
        configs: Vec<UpstreamConfig>,
        client: HttpClient,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, SetUpError> {
        let all = configs
            .into_iter()
            .map(|config| {
                config.check()?;
                let credentials =
                    Credentials::new(config.provider, &config.auth, Arc::clone(&clock)).map_err(
                        |source| SetUpError::Credential {
                            name: config.name.clone(),
                            source,
                        },
                    )?;
                Ok(Upstream {
                    name: config.name.as_str().into(),
                    base: config.base()?,
                    credentials,
                    health: Health::default(),
                    config,
                })
            })
            .collect::<Result<_, SetUpError>>()?;
        Ok(Self { all, client, clock })
    }

    /// Name and health of each provider, for metrics and readiness.
    pub fn states(&self) -> Vec<(Arc<str>, bool)> {
        let now = self.clock.now();
        self.all
            .iter()
            .map(|upstream| (Arc::clone(&upstream.name), !upstream.health.is_closed(now)))
            .collect()
    }

    /// How each provider stands, in the order of trying, for the console.
    pub fn standing(&self) -> Vec<Standing<'_>> {
        let now = self.clock.now();
        let standing = |upstream| {
            let Upstream {
                config,
                base,
                credentials,
                health,
                ..
            }: &Upstream = upstream;
            Standing {
                config,
                base,
                health: health.seen(now),
                token: credentials.fetched(),
            }
        };
        self.all.iter().map(standing).collect()
    }

    /// Connections to providers, for whoever asks one aside from calls.
    pub const fn client(&self) -> &HttpClient {
        &self.client
    }

    /// Whether any provider serves a model, wherever it is.
    pub fn serves(&self, model: &str) -> bool {
        self.all
            .iter()
            .any(|upstream| upstream.config.serves(model))
    }

    /// Sends a call that holds a reservation. The answer is the first that a client should see: a success, or an error that is
    /// the request's own fault, or the best of the failures when every provider failed.
    pub async fn send(
        &self,
        call: &mut Call<Reserved>,
        request: Outgoing<'_>,
    ) -> Result<Answer, Failure> {
        let (regions, running) = call.leaving();
        self.send_within(regions, &request, Some(running)).await
    }

    async fn send_within(
        &self,
        regions: Option<&BTreeSet<String>>,
        request: &Outgoing<'_>,
        mut running: Option<&mut Running>,
    ) -> Result<Answer, Failure> {
        let model = request.envelope.model.as_deref().unwrap_or_default();
        let candidates =
            self.candidates(model, regions, request.envelope.inference_geo.as_deref())?;
        let mut best = None;
        let mut left_out = Vec::new();
        for upstream in candidates {
            if !affords(&mut running).await {
                break;
            }
            match upstream.health.admit(self.clock.now()) {
                Admission::Yes => {
                    if let Some(answer) = self
                        .attempt(upstream, request, &mut running, &mut best)
                        .await
                    {
                        return Ok(answer);
                    }
                }
                admission => left_out.push((upstream, admission)),
            }
        }
        // A call that is refused unsent helps nobody, and one that may work again is better than those that do not.
        let none_tried = best.is_none();
        for (upstream, admission) in left_out {
            if (none_tried || admission == Admission::Undecided)
                && affords(&mut running).await
                && let Some(answer) = self
                    .attempt(upstream, request, &mut running, &mut best)
                    .await
            {
                return Ok(answer);
            }
        }
        match best {
            Some(Failed {
                upstream,
                answer: Some(response),
                ..
            }) => Ok(Answer { upstream, response }),
            Some(failed) => Err(Failure {
                upstream: Some(failed.upstream),
                refusal: Refusal::plain(failed.code),
            }),
            None => Err(Failure {
                upstream: None,
                refusal: Refusal::plain(ReasonCode::UpstreamUnavailable),
            }),
        }
    }

    /// Tries one provider. Without an answer for the client, `best` keeps the failure that tells them most.
    async fn attempt(
        &self,
        upstream: &Upstream,
        request: &Outgoing<'_>,
        running: &mut Option<&mut Running>,
        best: &mut Option<Failed>,
    ) -> Option<Answer> {
        let name = Arc::clone(&upstream.name);
        match upstream
            .attempt(&self.client, request, running, &*self.clock)
            .await
        {
            Attempt::Answered(response) => Some(Answer {
                upstream: name,
                response,
            }),
            Attempt::Failed(code, answer) => {
                tracing::warn!(upstream = %name, reason = code.as_str(), "upstream failed");
                let keeps = best.as_ref().is_some_and(|best| best.answer.is_some());
                if !keeps || answer.is_some() {
                    *best = Some(Failed {
                        upstream: name,
                        code,
                        answer,
                    });
                }
                None
            }
        }
    }

    /// Those that may have the call at all, in the order of trying. `asked_geo` is where the request itself wants to be answered:
    /// a provider does as it is told under our credential, wherever its own address is.
    fn candidates(
        &self,
        model: &str,
        regions: Option<&BTreeSet<String>>,
        asked_geo: Option<&str>,
    ) -> Result<Vec<&Upstream>, Failure> {
        let refuse = |code, text| Failure {
            upstream: None,
            refusal: Refusal::one(Reason::new(code, text)),
        };
        let serving: Vec<_> = self
            .all
            .iter()
            .filter(|upstream| upstream.config.serves(model))
            .collect();
        if serving.is_empty() {
            let text = format!("No configured provider serves the model {model}.");
            return Err(refuse(ReasonCode::ModelUnserved, text));
        }
        let names = || {
            regions
                .map(|r| r.iter().cloned().collect::<Vec<_>>().join(", "))
                .unwrap_or_default()
        };
        if let (Some(regions), Some(geo)) = (regions, asked_geo)
            && !regions.contains(geo)
        {
            let text = format!("inference_geo: not an allowed region ({}).", names());
            return Err(refuse(ReasonCode::RegionNotAvailable, text));
        }
        let allowed: Vec<_> = serving
            .into_iter()
            .filter(|upstream| {
                regions.is_none_or(|regions| {
                    upstream
                        .config
                        .region
                        .as_ref()
                        .is_some_and(|r| regions.contains(r))
                })
            })
            .collect();
        if allowed.is_empty() {
            let text = format!(
                "No provider in an allowed region ({}) serves the model {model}.",
                names()
            );
            return Err(refuse(ReasonCode::RegionNotAvailable, text));
        }
        Ok(allowed)
    }
}

/// Whether every hard budget can pay for one more try, beside those that were never answered.
async fn affords(running: &mut Option<&mut Running>) -> bool {
    match running {
        None => true,
        Some(running) => running.affords_a_try().await,
    }
}

#[cfg(test)]
mod tests;
