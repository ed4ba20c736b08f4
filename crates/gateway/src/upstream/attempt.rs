//! One attempt at one provider: the request as it is sent there, and what its answer means for the call, for the provider's health
//! and for our credential. What a caller can bring about at will must cost nobody else the provider. Called by `route` alone.

use std::time::Duration;

use bytes::Bytes;
use domain::{Clock, ReasonCode, limits};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use pipeline::Running;

use super::client::HttpClient;
use super::route::{AnswerBody, Outgoing, Upstream};

/// Largest error answer that is read to decide what becomes of it.
const ERROR_BYTES_MAX: usize = 64 * 1024;

/// What became of one attempt.
pub(super) enum Attempt {
    /// The client sees this.
    Answered(Response<AnswerBody>),
    /// Another provider may do better; the answer is kept in case none does.
    Failed(ReasonCode, Option<Response<AnswerBody>>),
}

impl Upstream {
    /// Sends the request, and notes in the provider's health and credential what the answer says of them.
    pub(super) async fn attempt(
        &self,
        client: &HttpClient,
        request: &Outgoing<'_>,
        running: &mut Option<&mut Running>,
        clock: &dyn Clock,
    ) -> Attempt {
        let (sent, credential) = match self.request(client, request).await {
            Ok(ready) => ready,
            Err(code) => {
                self.health.failed(clock.now(), None);
                return Attempt::Failed(code, None);
            }
        };
        let mut note = |fact: fn(&mut Running)| {
            if let Some(running) = running {
                fact(running);
            }
        };
        note(Running::leaves);
        let wait = Duration::from_millis(limits::UPSTREAM_HEADERS_MS);
        let answered = tokio::time::timeout(wait, client.request(sent)).await;
        match &answered {
            Ok(Ok(response)) if response.status().is_success() => {}
            Ok(Ok(_)) => note(Running::came_back),
            Ok(Err(error)) if error.is_connect() => note(Running::never_left),
            Ok(Err(_)) | Err(_) => note(Running::is_written_off),
        }
        match answered {
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
        self.health.heard(clock.now(), status.as_u16());
        if status.is_success() {
            self.health.succeeded(clock.now());
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
                self.health.succeeded(clock.now());
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
