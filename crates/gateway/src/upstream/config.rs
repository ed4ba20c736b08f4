//! What an operator writes about a provider.

use std::collections::BTreeMap;
use std::path::PathBuf;

use domain::model::ModelPattern;
use http::Uri;
use secrecy::SecretString;
use serde::Deserialize;

/// The host of the metadata service, which has no https and no way out of the machine.
const METADATA_HOST: &str = "169.254.169.254";

/// The kinds of provider we speak to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProviderKind {
    /// Anthropic's own API.
    Anthropic,
    /// Claude in Microsoft Foundry.
    Foundry,
}

/// How we prove ourselves to a provider.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum AuthConfig {
    /// A key: `x-api-key` at Anthropic, `api-key` at Foundry.
    ApiKey(SecretString),
    /// A bearer token as it stands.
    Bearer(SecretString),
    /// The machine's own Entra identity, from the instance metadata service.
    ManagedIdentity {
        /// For a user-assigned identity: its client id.
        client_id: Option<String>,
        /// The metadata service, when it is not at its usual address.
        endpoint: Option<String>,
    },
    /// A Kubernetes or other federated token, exchanged at Entra.
    WorkloadIdentity {
        /// The Entra tenant.
        tenant: String,
        /// The application.
        client_id: String,
        /// Where the platform keeps the federated token; read anew for each exchange.
        token_file: PathBuf,
        /// The authority, when it is not `https://login.microsoftonline.com`.
        authority: Option<String>,
    },
    /// An application secret, exchanged at Entra.
    ClientSecret {
        /// The Entra tenant.
        tenant: String,
        /// The application.
        client_id: String,
        /// Its secret.
        client_secret: SecretString,
        /// The authority, when it is not `https://login.microsoftonline.com`.
        authority: Option<String>,
    },
}

/// One provider.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpstreamConfig {
    /// What records, metrics and this configuration call it.
    pub name: String,
    /// What it is.
    pub provider: ProviderKind,
    /// Its address without `/v1`; for Foundry without `/anthropic`. May be left out for Anthropic.
    #[serde(default)]
    pub base_url: Option<String>,
    /// Foundry's resource name, instead of `base_url`.
    #[serde(default)]
    pub resource: Option<String>,
    /// Our credential there.
    pub auth: AuthConfig,
    /// The data region it answers from, as policy names regions.
    #[serde(default)]
    pub region: Option<String>,
    /// Models it serves; all when left out.
    #[serde(default)]
    pub models: Vec<ModelPattern>,
    /// Our model ids and what this provider calls them: Foundry's deployment names.
    #[serde(default)]
    pub model_map: BTreeMap<String, String>,
}

/// What is wrong with a provider's configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUpstream {
    /// The address is none, or has no host.
    #[error("`{key}` of upstream {upstream} is not an http or https address")]
    Address {
        /// The upstream.
        upstream: String,
        /// Where it stands in the configuration.
        key: &'static str,
    },
    /// Plain http to another machine would show the credential to the network.
    #[error("`{key}` of upstream {upstream} is http to another machine; use https")]
    PlainText {
        /// The upstream.
        upstream: String,
        /// Where it stands in the configuration.
        key: &'static str,
    },
    /// Foundry needs to know where.
    #[error("upstream {0} needs `resource` or `base_url`")]
    NoAddress(String),
}

impl UpstreamConfig {
    /// The address that request paths are appended to, without a slash at its end.
    pub fn base(&self) -> Result<String, InvalidUpstream> {
        let base = match (self.provider, &self.base_url, &self.resource) {
            (ProviderKind::Anthropic, None, _) => "https://api.anthropic.com".to_owned(),
            (ProviderKind::Anthropic, Some(url), _) => url.trim_end_matches('/').to_owned(),
            (ProviderKind::Foundry, Some(url), _) => {
                format!("{}/anthropic", url.trim_end_matches('/'))
            }
            (ProviderKind::Foundry, None, Some(resource)) => {
                format!("https://{resource}.services.ai.azure.com/anthropic")
            }
            (ProviderKind::Foundry, None, None) => {
                return Err(InvalidUpstream::NoAddress(self.name.clone()));
            }
        };
        self.safe("base_url", &base, None)?;
        Ok(base)
    }

    /// Whether nothing that goes where this configuration says can be read on the way: the address itself, and where a credential
    /// is fetched.
    pub fn check(&self) -> Result<(), InvalidUpstream> {
        self.base()?;
        let (key, address, also) = match &self.auth {
            AuthConfig::ApiKey(_) | AuthConfig::Bearer(_) => return Ok(()),
            AuthConfig::ManagedIdentity { endpoint, .. } => (
                "auth.managed_identity.endpoint",
                endpoint,
                Some(METADATA_HOST),
            ),
            AuthConfig::WorkloadIdentity { authority, .. } => {
                ("auth.workload_identity.authority", authority, None)
            }
            AuthConfig::ClientSecret { authority, .. } => {
                ("auth.client_secret.authority", authority, None)
            }
        };
        address
            .as_ref()
            .map_or(Ok(()), |address| self.safe(key, address, also))
    }

    /// An address is https, or http on this machine or to the one host `also`.
    fn safe(
        &self,
        key: &'static str,
        address: &str,
        also: Option<&str>,
    ) -> Result<(), InvalidUpstream> {
        let upstream = self.name.clone();
        let Ok(uri) = address.parse::<Uri>() else {
            return Err(InvalidUpstream::Address { upstream, key });
        };
        match (uri.scheme_str(), uri.host()) {
            (Some("https"), Some(_)) => Ok(()),
            (Some("http"), Some(host)) if is_loopback(host) || Some(host) == also => Ok(()),
            (Some("http"), Some(_)) => Err(InvalidUpstream::PlainText { upstream, key }),
            _ => Err(InvalidUpstream::Address { upstream, key }),
        }
    }

    /// Whether it serves a model.
    pub fn serves(&self, model: &str) -> bool {
        self.model_map.contains_key(model)
            || (self.models.is_empty()
                && (self.model_map.is_empty() || self.provider == ProviderKind::Anthropic))
            || self.models.iter().any(|pattern| pattern.matches(model))
    }
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_matches(['[', ']']);
    bare == "localhost"
        || bare
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upstream(
        provider: ProviderKind,
        base_url: Option<&str>,
        resource: Option<&str>,
    ) -> UpstreamConfig {
        UpstreamConfig {
            name: "a".into(),
            provider,
            base_url: base_url.map(str::to_owned),
            resource: resource.map(str::to_owned),
            auth: AuthConfig::ApiKey("k".into()),
            region: None,
            models: vec![],
            model_map: BTreeMap::new(),
        }
    }

    #[test]
    fn an_address_is_https_or_on_this_machine() {
        use ProviderKind::{Anthropic, Foundry};
        for (config, expected) in [
            (
                upstream(Anthropic, None, None),
                Ok("https://api.anthropic.com"),
            ),
            (
                upstream(Anthropic, Some("http://127.0.0.1:9/"), None),
                Ok("http://127.0.0.1:9"),
            ),
            (
                upstream(Anthropic, Some("http://[::1]:9"), None),
                Ok("http://[::1]:9"),
            ),
            (
                upstream(Foundry, None, Some("corp")),
                Ok("https://corp.services.ai.azure.com/anthropic"),
            ),
            (
                upstream(Foundry, None, None),
                Err(InvalidUpstream::NoAddress("a".into())),
            ),
            (
                upstream(Anthropic, Some("http://10.0.0.1"), None),
                Err(InvalidUpstream::PlainText {
                    upstream: "a".into(),
                    key: "base_url",
                }),
            ),
            (
                upstream(Anthropic, Some("ftp://x"), None),
                Err(InvalidUpstream::Address {
                    upstream: "a".into(),
                    key: "base_url",
                }),
            ),
            (
                upstream(Anthropic, Some("nonsense"), None),
                Err(InvalidUpstream::Address {
                    upstream: "a".into(),
                    key: "base_url",
                }),
            ),
        ] {
            assert_eq!(config.base().as_deref(), expected.as_ref().copied());
        }
    }

    #[test]
    fn a_credential_is_never_fetched_in_clear_text_from_another_machine() {
        let managed = |address: &str| AuthConfig::ManagedIdentity {
            client_id: None,
            endpoint: Some(address.into()),
        };
        let federated = |address: &str| AuthConfig::WorkloadIdentity {
            tenant: "t".into(),
            client_id: "c".into(),
            token_file: "f".into(),
            authority: Some(address.into()),
        };
        let secret = |address: &str| AuthConfig::ClientSecret {
            tenant: "t".into(),
            client_id: "c".into(),
            client_secret: "s".into(),
            authority: Some(address.into()),
        };
        for (address, at_metadata, elsewhere) in [
            ("https://login.example.org", true, true),
            ("http://127.0.0.1:9", true, true),
            ("http://169.254.169.254", true, false),
            ("http://169.254.169.254.example.org", false, false),
            ("http://169.254.169.254@example.org", false, false),
            ("http://127.0.0.1@example.org", false, false),
            ("http://login.example.org", false, false),
            ("login.example.org", false, false),
            ("", false, false),
        ] {
            let is_fine = |auth| {
                let mut config = upstream(ProviderKind::Foundry, None, Some("corp"));
                config.auth = auth;
                config.check().is_ok()
            };
            assert_eq!(is_fine(managed(address)), at_metadata, "{address}");
            assert_eq!(is_fine(federated(address)), elsewhere, "{address}");
            assert_eq!(is_fine(secret(address)), elsewhere, "{address}");
        }
    }

    #[test]
    fn a_foundry_resource_serves_its_deployments_only() {
        let mut foundry = upstream(ProviderKind::Foundry, None, Some("corp"));
        assert!(foundry.serves("claude-opus-5-5"));
        foundry
            .model_map
            .insert("claude-opus-5-5".into(), "opus-eu".into());
        assert!(foundry.serves("claude-opus-5-5"));
        assert!(!foundry.serves("claude-haiku-5-5"));
    }
}
