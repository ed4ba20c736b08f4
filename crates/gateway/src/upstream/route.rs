//! The order of trying: each upstream that serves the model in an allowed region, first to last, skipping those that failed of
//! late; the next one when one fails before its first byte. A region is a promise: with no upstream inside it the call is refused.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use domain::{Clock, Reason, ReasonCode, Refusal, limits};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use pipeline::{Call, Reserved};
use wire::Envelope;

use super::client::HttpClient;
use super::config::{InvalidUpstream, UpstreamConfig};
use super::credential::{CredentialError, Credentials};
use super::health::{Admission, Health};

/// Largest error answer that is read to decide what becomes of it.
const ERROR_BYTES_MAX: usize = 64 * 1024;

/// Every provider, in the order of trying.
#[derive(Debug)]
pub struct Upstreams {
    all: Vec<Upstream>,
    client: HttpClient,
    clock: Arc<dyn Clock>,
}

#[derive(Debug)]
struct Upstream {
    name: Arc<str>,
    config: UpstreamConfig,
    base: String,
    credentials: Credentials,
    health: Health,
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

/// What became of one attempt.
enum Attempt {
    Answered(Response<AnswerBody>),
    /// Another provider may do better; the answer is kept in case none does.
    Failed(ReasonCode, Option<Response<AnswerBody>>),
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
        call: &Call<Reserved>,
        request: Outgoing<'_>,
    ) -> Result<Answer, Failure> {
        self.send_within(call.regions(), &request).await
    }

    async fn send_within(
        &self,
        regions: Option<&BTreeSet<String>>,
        request: &Outgoing<'_>,
    ) -> Result<Answer, Failure> {
        let model = request.envelope.model.as_deref().unwrap_or_default();
        let candidates = self.candidates(model, regions)?;
        let mut best = None;
        let mut left_out = Vec::new();
        for upstream in candidates {
            match upstream.health.admit(self.clock.now()) {
                Admission::Yes => {
                    if let Some(answer) = self.attempt(upstream, request, &mut best).await {
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
                && let Some(answer) = self.attempt(upstream, request, &mut best).await
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
        best: &mut Option<Failed>,
    ) -> Option<Answer> {
        let name = Arc::clone(&upstream.name);
        match upstream.attempt(&self.client, request, &*self.clock).await {
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

    /// Those that may have the call at all, in the order of trying.
    fn candidates(
        &self,
        model: &str,
        regions: Option<&BTreeSet<String>>,
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
            let names = regions
                .map(|r| r.iter().cloned().collect::<Vec<_>>().join(", "))
                .unwrap_or_default();
            let text =
                format!("No provider in an allowed region ({names}) serves the model {model}.");
            return Err(refuse(ReasonCode::RegionNotAvailable, text));
        }
        Ok(allowed)
    }
}

impl Upstream {
    async fn attempt(
        &self,
        client: &HttpClient,
        request: &Outgoing<'_>,
        clock: &dyn Clock,
    ) -> Attempt {
        let (sent, credential) = match self.request(client, request).await {
            Ok(ready) => ready,
            Err(code) => {
                self.health.failed(clock.now(), None);
                return Attempt::Failed(code, None);
            }
        };
        let wait = Duration::from_millis(limits::UPSTREAM_HEADERS_MS);
        match tokio::time::timeout(wait, client.request(sent)).await {
            Ok(Ok(response)) => self.judge(response, &credential, clock).await,
            Ok(Err(error)) => {
                tracing::debug!(upstream = %self.name, connect = error.is_connect(), "no answer");
                self.health.failed(clock.now(), None);
                Attempt::Failed(ReasonCode::UpstreamUnavailable, None)
            }
            Err(_) => {
                self.health.failed(clock.now(), None);
                Attempt::Failed(ReasonCode::UpstreamTimeout, None)
            }
        }
    }

    async fn request(
        &self,
        client: &HttpClient,
        request: &Outgoing<'_>,
    ) -> Result<(Request<Full<Bytes>>, HeaderValue), ReasonCode> {
        let (name, credential) = self.credentials.header(client).await.map_err(|error| {
            tracing::error!(upstream = %self.name, error = %error, "no provider credential");
            if error.is_outage() {
                ReasonCode::UpstreamUnavailable
            } else {
                ReasonCode::UpstreamCredential
            }
        })?;
        let model = request.envelope.model.as_deref().unwrap_or_default();
        let body = match self.config.model_map.get(model) {
            Some(theirs) if theirs != model => request
                .envelope
                .with_model(&request.body, theirs)
                .map_or_else(|| request.body.clone(), Bytes::from),
            _ => request.body.clone(),
        };
        let mut headers = request.headers.clone();
        headers.insert(name, credential.clone());
        headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        let mut sent = Request::new(Full::new(body));
        *sent.method_mut() = Method::POST;
        *sent.uri_mut() = format!("{}{}", self.base, request.path_and_query)
            .parse()
            .map_err(|_| ReasonCode::ParameterInvalid)?;
        *sent.headers_mut() = headers;
        Ok((sent, credential))
    }

    /// Decides what an answer means: a success, the request's own fault, or a failure of the provider.
    async fn judge(
        &self,
        response: Response<Incoming>,
        credential: &HeaderValue,
        clock: &dyn Clock,
    ) -> Attempt {
        let status = response.status();
        if status.is_success() {
            self.health.succeeded();
            return Attempt::Answered(response.map(AnswerBody::Stream));
        }
        let retry_after_s = response
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.parse().ok());
        let (head, body) = response.into_parts();
        let time = Duration::from_millis(limits::UPSTREAM_ERROR_MS);
        let body = tokio::time::timeout(time, Limited::new(body, ERROR_BYTES_MAX).collect()).await;
        let body = body.ok().and_then(|read| Some(read.ok()?.to_bytes()));
        // Only an answer in Anthropic's own envelope may be shown: a cloud's error text can name accounts and resources.
        let shown = body.filter(|bytes| is_envelope(bytes)).map(|bytes| {
            let mut response = Response::new(AnswerBody::Whole(bytes));
            *response.status_mut() = status;
            *response.headers_mut() = head.headers;
            response
                .headers_mut()
                .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            response
        });
        match status {
            StatusCode::UNAUTHORIZED => {
                self.credentials.refused(credential);
                self.health.failed(clock.now(), retry_after_s);
                Attempt::Failed(ReasonCode::UpstreamCredential, None)
            }
            // It knows us and denies this request, for a model the account lacks or a word its firewall dislikes: what a caller can
            // bring about at will must not cost others the provider. Not shown, for it reads like the person's own sign-in failing.
            StatusCode::FORBIDDEN => Attempt::Failed(ReasonCode::UpstreamCredential, None),
            StatusCode::NOT_FOUND => Attempt::Failed(ReasonCode::ModelUnserved, shown),
            StatusCode::TOO_MANY_REQUESTS => {
                self.health.failed(clock.now(), retry_after_s);
                Attempt::Failed(ReasonCode::UpstreamUnavailable, shown)
            }
            _ if status.is_client_error() => {
                self.health.succeeded();
                match shown {
                    Some(response) => Attempt::Answered(response),
                    None if status == StatusCode::PAYLOAD_TOO_LARGE => {
                        Attempt::Failed(ReasonCode::BodyTooLarge, None)
                    }
                    None => Attempt::Failed(ReasonCode::UpstreamGarbled, None),
                }
            }
            _ => {
                self.health.failed(clock.now(), retry_after_s);
                Attempt::Failed(ReasonCode::UpstreamUnavailable, shown)
            }
        }
    }
}

/// Whether a body is `{"type":"error","error":{…}}`.
fn is_envelope(body: &[u8]) -> bool {
    #[derive(serde::Deserialize)]
    struct Outer<'a> {
        #[serde(rename = "type", borrow)]
        kind: std::borrow::Cow<'a, str>,
        #[serde(rename = "error")]
        _error: serde_json::Map<String, serde_json::Value>,
    }
    serde_json::from_slice::<Outer<'_>>(body).is_ok_and(|outer| outer.kind == "error")
}

#[cfg(test)]
mod tests;
