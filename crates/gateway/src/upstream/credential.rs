//! What we prove ourselves with to a provider: a fixed key or bearer, or an Entra token that is fetched when needed, shared by
//! all calls, and renewed before it ends.
//!
//! Entra tokens come from the instance metadata service (managed identity), or from the authority's token endpoint for a
//! federated token (workload identity) or an application secret, for the scope `https://ai.azure.com/.default`.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use domain::{Clock, Timestamp, limits};
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName};
use http::{HeaderValue, Method, Request};
use http_body_util::{BodyExt as _, Full, Limited};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use super::client::HttpClient;
use super::config::{AuthConfig, ProviderKind};

/// The resource whose tokens Foundry accepts.
const RESOURCE: &str = "https://ai.azure.com";
const IMDS: &str = "http://169.254.169.254";
const AUTHORITY: &str = "https://login.microsoftonline.com";
/// A token is renewed when less than this remains, and used until it ends if that fails.
const RENEW_BEFORE_MS: i64 = 5 * 60 * 1_000;
/// After a fetch that failed nobody is asked for so long: calls that wait for a token share the failure.
const RETRY_AFTER_MS: i64 = 1_000;
/// A token that the provider refuses is thrown away so often at most: a provider that refuses every one must not make each call
/// fetch another.
const FORGET_EVERY_MS: i64 = 60_000;

/// Our credential at one provider.
#[derive(Debug)]
pub struct Credentials {
    kind: Kind,
}

enum Kind {
    Fixed(HeaderName, HeaderValue),
    Entra(EntraToken),
}

impl std::fmt::Debug for Kind {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Fixed(name, _) => write!(out, "Fixed({name})"),
            Self::Entra(token) => write!(out, "Entra({:?})", token.grant),
        }
    }
}

/// A credential could not be had.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// A configured key cannot stand in a header.
    #[error("the configured credential holds characters that cannot stand in a header")]
    Form,
    /// The federated token's file cannot be read.
    #[error("the federated token file cannot be read")]
    TokenFile(#[source] std::io::Error),
    /// The token endpoint did not answer.
    #[error("the token endpoint cannot be reached")]
    Unreachable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The token endpoint did not answer in time.
    #[error("the token endpoint did not answer in time")]
    Timeout,
    /// The token endpoint said no.
    #[error("the token endpoint refused with status {0}")]
    Refused(u16),
    /// The token endpoint's answer has no token.
    #[error("the token endpoint's answer has no usable token")]
    Answer,
    /// Another call has just tried in vain.
    #[error("the token endpoint failed a moment ago")]
    FailedLately,
}

impl CredentialError {
    /// Whether it may pass by itself: the endpoint is away, rather than of another opinion about us.
    pub const fn is_outage(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Timeout | Self::FailedLately => true,
            Self::Refused(status) => *status == 429 || *status >= 500,
            Self::Form | Self::TokenFile(_) | Self::Answer => false,
        }
    }
}

impl Credentials {
    /// From configuration.
    pub fn new(
        provider: ProviderKind,
        auth: &AuthConfig,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, CredentialError> {
        let secret = |name: HeaderName, text: String| {
            let mut value = HeaderValue::try_from(text).map_err(|_| CredentialError::Form)?;
            value.set_sensitive(true);
            Ok(Kind::Fixed(name, value))
        };
        let kind = match auth {
            AuthConfig::ApiKey(key) => {
                let name = match provider {
                    ProviderKind::Anthropic => HeaderName::from_static("x-api-key"),
                    ProviderKind::Foundry => HeaderName::from_static("api-key"),
                };
                secret(name, key.expose_secret().to_owned())?
            }
            AuthConfig::Bearer(token) => {
                secret(AUTHORIZATION, format!("Bearer {}", token.expose_secret()))?
            }
            AuthConfig::ManagedIdentity {
                client_id,
                endpoint,
            } => Kind::Entra(EntraToken::new(
                Grant::Metadata {
                    url: metadata_url(endpoint.as_deref().unwrap_or(IMDS), client_id.as_deref()),
                },
                clock,
            )),
            AuthConfig::WorkloadIdentity {
                tenant,
                client_id,
                token_file,
                authority,
            } => Kind::Entra(EntraToken::new(
                Grant::Federated {
                    url: token_url(authority.as_deref(), tenant),
                    client_id: client_id.clone(),
                    token_file: token_file.clone(),
                },
                clock,
            )),
            AuthConfig::ClientSecret {
                tenant,
                client_id,
                client_secret,
                authority,
            } => Kind::Entra(EntraToken::new(
                Grant::Secret {
                    url: token_url(authority.as_deref(), tenant),
                    client_id: client_id.clone(),
                    secret: client_secret.clone(),
                },
                clock,
            )),
        };
        Ok(Self { kind })
    }

    /// The header that proves us.
    pub async fn header(
        &self,
        client: &HttpClient,
    ) -> Result<(HeaderName, HeaderValue), CredentialError> {
        match &self.kind {
            Kind::Fixed(name, value) => Ok((name.clone(), value.clone())),
            Kind::Entra(token) => Ok((AUTHORIZATION, token.bearer(client).await?)),
        }
    }

    /// When the token at hand was fetched, and when it ends; none for what is not fetched, and before the first call.
    pub fn fetched(&self) -> Option<(Timestamp, Timestamp)> {
        let Kind::Entra(token) = &self.kind else {
            return None;
        };
        let current = token.current.load();
        current.as_ref().map(|token| (token.had, token.ends))
    }

    /// Notes that the provider refused what [`Credentials::header`] gave: a fetched token that is still the shared one is
    /// forgotten, and the next call fetches another. At most once a minute, for a new one need not be any better.
    pub fn refused(&self, value: &HeaderValue) {
        if let Kind::Entra(token) = &self.kind {
            token.refused(value);
        }
    }
}

fn metadata_url(base: &str, client_id: Option<&str>) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query
        .append_pair("api-version", "2018-02-01")
        .append_pair("resource", RESOURCE);
    if let Some(id) = client_id {
        query.append_pair("client_id", id);
    }
    format!(
        "{}/metadata/identity/oauth2/token?{}",
        base.trim_end_matches('/'),
        query.finish()
    )
}

fn token_url(authority: Option<&str>, tenant: &str) -> String {
    format!(
        "{}/{tenant}/oauth2/v2.0/token",
        authority.unwrap_or(AUTHORITY).trim_end_matches('/')
    )
}

#[derive(Debug)]
enum Grant {
    Metadata {
        url: String,
    },
    Federated {
        url: String,
        client_id: String,
        token_file: PathBuf,
    },
    Secret {
        url: String,
        client_id: String,
        secret: SecretString,
    },
}

struct EntraToken {
    grant: Grant,
    clock: Arc<dyn Clock>,
    current: ArcSwapOption<Fetched>,
    /// Held while one call fetches, so that the others wait for its token.
    fetching: tokio::sync::Mutex<()>,
    /// When the last fetch failed, in Unix milliseconds; `i64::MIN` when it did not.
    failed_at: AtomicI64,
    /// When a token was last forgotten, in Unix milliseconds; `i64::MIN` when none was.
    forgotten_at: AtomicI64,
}

struct Fetched {
    bearer: HeaderValue,
    had: Timestamp,
    ends: Timestamp,
}

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: SecretString,
    /// A number at Entra, a text at the metadata service.
    expires_in: serde_json::Value,
}

impl EntraToken {
    fn new(grant: Grant, clock: Arc<dyn Clock>) -> Self {
        Self {
            grant,
            clock,
            current: ArcSwapOption::empty(),
            fetching: tokio::sync::Mutex::new(()),
            failed_at: AtomicI64::new(i64::MIN),
            forgotten_at: AtomicI64::new(i64::MIN),
        }
    }

    fn refused(&self, value: &HeaderValue) {
        let current = self.current.load();
        if current.as_ref().is_none_or(|token| token.bearer != *value) {
            return;
        }
        let now = self.clock.now().unix_ms();
        let last = self.forgotten_at.load(Ordering::Relaxed);
        let is_too_soon = (0..FORGET_EVERY_MS).contains(&now.saturating_sub(last));
        let is_mine = || {
            self.forgotten_at
                .compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
        };
        if !is_too_soon && is_mine() {
            // Another call may just have put a fresh one in its place, which stays.
            self.current.compare_and_swap(&current, None);
        }
    }

    async fn bearer(&self, client: &HttpClient) -> Result<HeaderValue, CredentialError> {
        if let Some(value) = self.usable(RENEW_BEFORE_MS) {
            return Ok(value);
        }
        // While the old one lives, nobody but the one who renews it waits for its renewal.
        let old = self.usable(0);
        let one_at_a_time = match &old {
            Some(_) => self.fetching.try_lock().ok(),
            None => Some(self.fetching.lock().await),
        };
        if let Some(value) = self.usable(RENEW_BEFORE_MS) {
            return Ok(value);
        }
        if one_at_a_time.is_none() || self.failed_lately() {
            return old.ok_or(CredentialError::FailedLately);
        }
        match self.fetch(client).await {
            Ok(fetched) => {
                let value = fetched.bearer.clone();
                self.current.store(Some(Arc::new(fetched)));
                self.failed_at.store(i64::MIN, Ordering::Relaxed);
                Ok(value)
            }
            // The old token may still have minutes to live; an outage of the authority need not be ours.
            Err(error) => {
                let now = self.clock.now().unix_ms();
                self.failed_at.store(now, Ordering::Relaxed);
                self.usable(0).ok_or(error)
            }
        }
    }

    fn failed_lately(&self) -> bool {
        let failed_at = self.failed_at.load(Ordering::Relaxed);
        // Below zero the clock was set back, which must not keep us from asking.
        let since = self.clock.now().unix_ms().saturating_sub(failed_at);
        (0..RETRY_AFTER_MS).contains(&since)
    }

    fn usable(&self, margin_ms: i64) -> Option<HeaderValue> {
        let current = self.current.load();
        let fetched = current.as_ref()?;
        (self.clock.now().plus_ms(margin_ms) < fetched.ends).then(|| fetched.bearer.clone())
    }

    async fn fetch(&self, client: &HttpClient) -> Result<Fetched, CredentialError> {
        let request = self.request().await?;
        let exchange = async {
            let answer = client
                .request(request)
                .await
                .map_err(|error| CredentialError::Unreachable(Box::new(error)))?;
            let status = answer.status();
            let body = Limited::new(answer.into_body(), limits::FETCH_BYTES_MAX)
                .collect()
                .await
                .map_err(CredentialError::Unreachable)?
                .to_bytes();
            if status.is_success() {
                Ok(body)
            } else {
                Err(CredentialError::Refused(status.as_u16()))
            }
        };
        let time = Duration::from_millis(limits::FETCH_TIME_MS);
        let body = tokio::time::timeout(time, exchange)
            .await
            .map_err(|_| CredentialError::Timeout)??;
        let answer: TokenAnswer =
            serde_json::from_slice(&body).map_err(|_| CredentialError::Answer)?;
        let seconds = answer
            .expires_in
            .as_i64()
            .or_else(|| answer.expires_in.as_str()?.parse().ok());
        let seconds = seconds
            .filter(|s| (1..=86_400).contains(s))
            .ok_or(CredentialError::Answer)?;
        let mut bearer =
            HeaderValue::try_from(format!("Bearer {}", answer.access_token.expose_secret()))
                .map_err(|_| CredentialError::Answer)?;
        bearer.set_sensitive(true);
        let had = self.clock.now();
        Ok(Fetched {
            bearer,
            had,
            ends: had.plus_ms(seconds * 1_000),
        })
    }

    async fn request(&self) -> Result<Request<Full<Bytes>>, CredentialError> {
        let (url, mut fields) = match &self.grant {
            Grant::Metadata { url } => {
                return Request::get(url)
                    .header("metadata", "true")
                    .body(Full::default())
                    .map_err(|error| CredentialError::Unreachable(Box::new(error)));
            }
            Grant::Federated {
                url,
                client_id,
                token_file,
            } => {
                let assertion = tokio::fs::read_to_string(token_file)
                    .await
                    .map_err(CredentialError::TokenFile)?;
                let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer".to_owned();
                let fields = vec![
                    ("client_id", client_id.clone()),
                    ("client_assertion_type", kind),
                    ("client_assertion", assertion.trim().to_owned()),
                ];
                (url, fields)
            }
            Grant::Secret {
                url,
                client_id,
                secret,
            } => (
                url,
                vec![
                    ("client_id", client_id.clone()),
                    ("client_secret", secret.expose_secret().to_owned()),
                ],
            ),
        };
        fields.push(("grant_type", "client_credentials".to_owned()));
        fields.push(("scope", format!("{RESOURCE}/.default")));
        let form = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        Request::builder()
            .method(Method::POST)
            .uri(url)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Full::from(form))
            .map_err(|error| CredentialError::Unreachable(Box::new(error)))
    }
}
