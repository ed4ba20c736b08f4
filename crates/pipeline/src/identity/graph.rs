//! Reads the groups of a person in more groups than an Entra token holds, from Microsoft Graph's `getMemberObjects`.
//!
//! It asks its own URL, built from the configured Graph address and the verified object id; the endpoint that a token names
//! (`_claim_sources`) is never used. Without an answer the person is refused: fewer groups could mean fewer restrictions.

use std::collections::BTreeSet;
use std::sync::Arc;

use domain::{Clock, ReasonCode, Refusal, Timestamp, limits};
use quick_cache::sync::Cache;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use url::Url;

use super::entra::EntraSubject;
use crate::fetch::{Ask, Fetch, FetchError};

/// Why groups could not be read.
#[derive(Debug, thiserror::Error)]
enum GraphError {
    #[error("{}", .0.chain())]
    Fetch(#[from] FetchError),
    #[error("the token endpoint's answer holds no access token")]
    NoToken,
    #[error("the directory's answer is not a list of groups")]
    Form,
    #[error("the URL cannot be built")]
    Url,
}

#[derive(Debug, Clone)]
struct Groups {
    groups: Arc<BTreeSet<String>>,
    read_at: Timestamp,
}

#[derive(Debug, Clone)]
struct Token {
    token: SecretString,
    expires: Timestamp,
}

/// Where Graph is, and as whom we ask.
#[derive(Debug)]
pub(super) struct Api {
    pub(super) url: Url,
    /// Default: the URL with `/.default`.
    pub(super) scope: Option<String>,
    pub(super) client_id: String,
    pub(super) client_secret: SecretString,
}

/// A client of Microsoft Graph for one Entra configuration.
#[derive(Debug)]
pub(super) struct Graph {
    api: Api,
    fetch: Fetch,
    clock: Arc<dyn Clock>,
    groups: Cache<(String, String), Groups>,
    tokens: Cache<String, Token>,
}

/// Tenants whose token for Graph is remembered.
const TENANTS_MAX: usize = 256;
/// A token for Graph is renewed this long before it ends.
const RENEW_BEFORE_MS: i64 = 60_000;

impl Graph {
    pub(super) fn new(api: Api, fetch: Fetch, clock: Arc<dyn Clock>) -> Self {
        let groups = Cache::new(limits::DIRECTORY_GROUPS_PEOPLE_MAX);
        Self {
            api,
            fetch,
            clock,
            groups,
            tokens: Cache::new(TENANTS_MAX),
        }
    }

    /// The groups of a person, at most [`limits::DIRECTORY_GROUPS_MS`] old.
    pub(super) async fn groups(
        &self,
        subject: &EntraSubject,
        token_url: &Url,
    ) -> Result<BTreeSet<String>, Refusal> {
        let key = (subject.tenant.clone(), subject.object.clone());
        let now = self.clock.now();
        if let Some(known) = self.groups.get(&key) {
            if (0..limits::DIRECTORY_GROUPS_MS).contains(&now.ms_since(known.read_at)) {
                return Ok((*known.groups).clone());
            }
            self.groups.remove(&key);
        }
        let reading = async {
            let groups = Arc::new(self.read(subject, token_url, now).await?);
            Ok::<_, GraphError>(Groups {
                groups,
                read_at: now,
            })
        };
        match self.groups.get_or_insert_async(&key, reading).await {
            Ok(known) if known.groups.len() > limits::GROUPS_MAX => {
                let text = format!(
                    "The person is in more than {} groups; an administrator can use app roles.",
                    limits::GROUPS_MAX
                );
                Err(Refusal::new(ReasonCode::TokenClaims, text))
            }
            Ok(known) => Ok((*known.groups).clone()),
            Err(error) => {
                // Perhaps it was the token that the directory did not like: draw a new one next time.
                self.tokens.remove(&subject.tenant);
                tracing::warn!(problem = %error, "a person's groups cannot be read from Microsoft Graph");
                Err(Refusal::plain(ReasonCode::GroupsUnresolved))
            }
        }
    }

    async fn read(
        &self,
        subject: &EntraSubject,
        token_url: &Url,
        now: Timestamp,
    ) -> Result<BTreeSet<String>, GraphError> {
        let mut url = self.api.url.clone();
        url.path_segments_mut()
            .map_err(|()| GraphError::Url)?
            .pop_if_empty()
            .extend(["v1.0", "users", &subject.object, "getMemberObjects"]);
        let token = self.token(&subject.tenant, token_url, now).await?;
        let ask = Ask::post_json(&url, &json!({"securityEnabledOnly": false})).bearer(&token);
        let answer = self.fetch.json(ask).await?;
        // A list that goes on elsewhere is not the whole list.
        if answer.get("@odata.nextLink").is_some() {
            return Err(GraphError::Form);
        }
        let ids = answer
            .get("value")
            .and_then(Value::as_array)
            .ok_or(GraphError::Form)?;
        ids.iter()
            .map(|id| id.as_str().map(str::to_owned).ok_or(GraphError::Form))
            .collect()
    }

    async fn token(
        &self,
        tenant: &str,
        url: &Url,
        now: Timestamp,
    ) -> Result<SecretString, GraphError> {
        if let Some(known) = self.tokens.get(tenant) {
            if now < known.expires {
                return Ok(known.token);
            }
            self.tokens.remove(tenant);
        }
        let scope =
            self.api.scope.clone().unwrap_or_else(|| {
                format!("{}/.default", self.api.url.as_str().trim_end_matches('/'))
            });
        let fields = [
            ("grant_type", "client_credentials"),
            ("client_id", &self.api.client_id),
            ("client_secret", self.api.client_secret.expose_secret()),
            ("scope", &scope),
        ];
        let answer = self.fetch.json(Ask::post_form(url, &fields)).await?;
        let token = answer
            .get("access_token")
            .and_then(Value::as_str)
            .ok_or(GraphError::NoToken)?;
        let lifetime_s = answer
            .get("expires_in")
            .and_then(Value::as_i64)
            .unwrap_or(0)
            .clamp(0, 86_400);
        let token = Token {
            token: SecretString::from(token.to_owned()),
            expires: now.plus_ms(lifetime_s * 1_000 - RENEW_BEFORE_MS),
        };
        self.tokens.insert(tenant.to_owned(), token.clone());
        Ok(token.token)
    }
}
