//! One look at a provider that costs nothing: is it there, and does it take our credential? Anthropic is asked for its list of
//! models; Foundry, which has none, for a count of tokens. Neither is billed. Called by `doctor` and
//! by the console's test of an upstream.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use domain::{Clock, limits};
use http::header::{ACCEPT, CONTENT_TYPE, HeaderName};
use http::{HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use serde_json::{Value, json};

use super::client::HttpClient;
use super::config::{ProviderKind, UpstreamConfig};
use super::credential::{CredentialError, Credentials};

/// What a probe found.
#[derive(Debug)]
pub struct Probed {
    /// What was asked, for people to read: method and address.
    pub asked: String,
    /// In which header our credential went.
    pub header: HeaderName,
    /// What came back.
    pub status: StatusCode,
    /// Milliseconds from the question to the head of its answer.
    pub answer_ms: u64,
    /// Whether the request named a deployment that the provider must know.
    pub names_model: bool,
}

/// Why a probe has no answer.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// The configured address cannot be asked.
    #[error("the configured address cannot be asked")]
    Address,
    /// There is no credential to ask with.
    #[error("the credential cannot be had")]
    Credential(#[from] CredentialError),
    /// No connection, or it broke.
    #[error("{0} cannot be reached")]
    Unreachable(String, #[source] Box<dyn std::error::Error + Send + Sync>),
    /// No answer in time.
    #[error("{0} did not answer in time")]
    Timeout(String),
}

/// Asks a provider.
pub async fn probe(
    config: &UpstreamConfig,
    client: &HttpClient,
    clock: Arc<dyn Clock>,
) -> Result<Probed, ProbeError> {
    let base = config.base().map_err(|_| ProbeError::Address)?;
    let credentials = Credentials::new(config.provider, &config.auth, clock)?;
    let (header, value) = credentials.header(client).await?;
    let (method, path, body) = question(config);
    let address = format!("{base}{path}");
    let mut request = Request::new(Full::new(Bytes::from(body.unwrap_or_default())));
    *request.method_mut() = method.clone();
    *request.uri_mut() = address.parse().map_err(|_| ProbeError::Address)?;
    let headers = request.headers_mut();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(
        HeaderName::from_static("anthropic-version"),
        HeaderValue::from_static("2023-06-01"),
    );
    headers.insert(header.clone(), value);
    let wait = Duration::from_millis(limits::DOCTOR_PROBE_MS);
    let asked = tokio::time::Instant::now();
    let answer = tokio::time::timeout(wait, client.request(request)).await;
    let response = answer
        .map_err(|_| ProbeError::Timeout(base.clone()))?
        .map_err(|error| ProbeError::Unreachable(base, Box::new(error)))?;
    Ok(Probed {
        asked: format!("{method} {address}"),
        header,
        status: response.status(),
        answer_ms: u64::try_from(asked.elapsed().as_millis()).unwrap_or(u64::MAX),
        names_model: deployment(config).is_some(),
    })
}

/// The ids of the models that a provider lists for our credential; none of a provider that has no such list.
pub async fn models(
    config: &UpstreamConfig,
    client: &HttpClient,
    clock: Arc<dyn Clock>,
) -> Result<Vec<String>, ProbeError> {
    if config.provider != ProviderKind::Anthropic {
        return Ok(Vec::new());
    }
    let base = config.base().map_err(|_| ProbeError::Address)?;
    let credentials = Credentials::new(config.provider, &config.auth, clock)?;
    let (header, value) = credentials.header(client).await?;
    let request = Request::get(format!("{base}/v1/models?limit=100"))
        .header(ACCEPT, "application/json")
        .header("anthropic-version", "2023-06-01")
        .header(header, value)
        .body(Full::new(Bytes::new()))
        .map_err(|_| ProbeError::Address)?;
    let wait = Duration::from_millis(limits::DOCTOR_PROBE_MS);
    let unreachable = |error: Box<dyn std::error::Error + Send + Sync>| {
        ProbeError::Unreachable(base.clone(), error)
    };
    let answer = async {
        let response = client.request(request).await;
        let response = response.map_err(|error| unreachable(Box::new(error)))?;
        let body = Limited::new(response.into_body(), limits::FETCH_BYTES_MAX);
        let whole = body.collect().await.map_err(unreachable)?;
        Ok::<_, ProbeError>(whole.to_bytes())
    };
    let answer = tokio::time::timeout(wait, answer).await;
    let body = answer.map_err(|_| ProbeError::Timeout(base.clone()))??;
    let list: Value = serde_json::from_slice(&body).unwrap_or_default();
    let listed = list["data"].as_array().into_iter().flatten();
    let ids = listed.filter_map(|model| model["id"].as_str());
    let is_id = |id: &&str| id.len() <= limits::MODEL_ID_BYTES_MAX;
    Ok(ids.filter(is_id).map(str::to_owned).collect())
}

fn question(config: &UpstreamConfig) -> (Method, &'static str, Option<String>) {
    match config.provider {
        ProviderKind::Anthropic => (Method::GET, "/v1/models?limit=1", None),
        ProviderKind::Foundry => {
            let message = json!([{"role": "user", "content": "ping"}]);
            let mut body = json!({"messages": message});
            if let Some(model) = deployment(config) {
                body["model"] = model.into();
            }
            (
                Method::POST,
                "/v1/messages/count_tokens",
                Some(body.to_string()),
            )
        }
    }
}

/// A deployment that the configuration names outright.
fn deployment(config: &UpstreamConfig) -> Option<&str> {
    if config.provider == ProviderKind::Anthropic {
        return None;
    }
    let mapped = config.model_map.values().next().map(String::as_str);
    let listed = config.models.iter().map(|pattern| pattern.0.as_str());
    mapped.or_else(|| listed.into_iter().find(|name| !name.contains(['*', '?'])))
}
