//! Secrets by reference: `${NAME}` from the environment, `file:/path` from a file whose surrounding blanks are cut off.

use gateway::upstream::AuthConfig;
use secrecy::{ExposeSecret as _, SecretString};

use super::{Config, Needed};

/// An admin key is guessed at over the network.
const ADMIN_KEY_CHARS_MIN: usize = 32;

/// Replaces every reference that is needed by what it refers to.
pub(super) fn resolve(config: &mut Config, needed: Needed, mistakes: &mut Vec<String>) {
    let mut one = |place: String, secret: &mut SecretString| match fetch(secret.expose_secret()) {
        Ok(found) => *secret = found,
        Err(what) => mistakes.push(format!("{place}: {what}")),
    };
    // A path to SQLite is no secret; an address of PostgreSQL holds a password.
    if !config.store.url.expose_secret().starts_with("sqlite:") {
        one("store.url".to_owned(), &mut config.store.url);
    }
    if let Some(key) = &mut config.store.master_key {
        one("store.master_key".to_owned(), key);
    }
    if let Some(key) = &mut config.store.master_key_before {
        one("store.master_key_before".to_owned(), key);
    }
    if needed == Needed::OfStore {
        return;
    }
    if let Some(bearer) = config
        .ledger
        .otlp
        .as_mut()
        .and_then(|otlp| otlp.bearer.as_mut())
    {
        one("ledger.otlp.bearer".to_owned(), bearer);
    }
    for (index, issuer) in config.issuers.iter_mut().enumerate() {
        if let Some(secret) = &mut issuer.client_secret {
            one(format!("issuer[{index}].client_secret"), secret);
        }
        if let Some(secret) = &mut issuer.entra.graph_client_secret {
            one(format!("issuer[{index}].entra.graph_client_secret"), secret);
        }
    }
    for (index, upstream) in config.upstreams.iter_mut().enumerate() {
        match &mut upstream.auth {
            AuthConfig::ApiKey(secret)
            | AuthConfig::Bearer(secret)
            | AuthConfig::ClientSecret {
                client_secret: secret,
                ..
            } => {
                one(format!("upstream[{index}].auth"), secret);
            }
            AuthConfig::ManagedIdentity { .. } | AuthConfig::WorkloadIdentity { .. } => {}
        }
    }
    for (index, key) in config.admin_keys.iter_mut().enumerate() {
        let place = format!("admin_key[{index}].key");
        match fetch(key.key.expose_secret()) {
            Ok(found) if found.expose_secret().len() >= ADMIN_KEY_CHARS_MIN => key.key = found,
            Ok(_) => mistakes.push(format!(
                "{place}: needs at least {ADMIN_KEY_CHARS_MIN} characters"
            )),
            Err(what) => mistakes.push(format!("{place}: {what}")),
        }
    }
}

fn fetch(reference: &str) -> Result<SecretString, String> {
    if let Some(name) = reference
        .strip_prefix("${")
        .and_then(|rest| rest.strip_suffix('}'))
    {
        return variable(name).ok_or_else(|| format!("the environment variable {name} is not set"));
    }
    if let Some(path) = reference.strip_prefix("file:") {
        return std::fs::read_to_string(path)
            .map(|text| SecretString::from(text.trim().to_owned()))
            .map_err(|error| format!("the file {path} cannot be read: {error}"));
    }
    Err("write a reference, ${NAME} or file:/path, instead of the secret itself".to_owned())
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is where the environment is read"
)]
fn variable(name: &str) -> Option<SecretString> {
    std::env::var(name)
        .ok()
        .filter(|value| !value.is_empty())
        .map(SecretString::from)
}
