//! One look at a provider that costs nothing: is it there, and does it take our credential? Anthropic is asked for its list of
//! models; Foundry, which has none, for a count of tokens. Neither is billed. Called by `doctor`.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use domain::{Clock, limits};
use http::header::{ACCEPT, CONTENT_TYPE, HeaderName};
use http::{HeaderValue, Method, Request, StatusCode};
use http_body_util::Full;
use serde_json::json;

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
    let answer = tokio::time::timeout(wait, client.request(request)).await;
    let response = answer
        .map_err(|_| ProbeError::Timeout(base.clone()))?
        .map_err(|error| ProbeError::Unreachable(base, Box::new(error)))?;
    Ok(Probed {
        asked: format!("{method} {address}"),
        header,
        status: response.status(),
        names_model: deployment(config).is_some(),
    })
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
