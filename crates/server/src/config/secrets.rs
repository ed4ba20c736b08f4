//! Secrets by reference: `${NAME}` from the environment, `file:/path` from a file whose surrounding blanks are cut off.

use control::notices::NoticeKind;
use domain::Timestamp;
use gateway::upstream::{AuthConfig, UpstreamConfig};
use pipeline::fetch::{Reach, check_url};
use secrecy::{ExposeSecret as _, SecretString};

use super::{Config, Needed, NoticeConfig, SecretSource};

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
    for (index, client) in config.oauth_clients.iter_mut().enumerate() {
        if let Some(secret) = &mut client.secret {
            one(format!("oauth_client[{index}].secret"), secret);
        }
    }
    for (place, secret) in of_connectors(config) {
        one(place, secret);
    }
    resolve_notices(&mut config.notices, mistakes);
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

/// What connectors are sent, the secrets of our own clients at their authorization servers, and their programs' environments; by keys.
fn of_connectors(config: &mut Config) -> impl Iterator<Item = (String, &mut SecretString)> {
    let headers = config.connector_secrets.iter_mut().enumerate();
    let headers = headers.map(|(index, shared)| {
        let place = format!("connector_secret[{index}].value");
        (place, &mut shared.value)
    });
    let clients = config.connector_clients.iter_mut().enumerate();
    let clients = clients.filter_map(|(index, client)| {
        let place = format!("connector_client[{index}].client_secret");
        Some((place, client.client_secret.as_mut()?))
    });
    let programs = config.connector_programs.iter_mut().enumerate();
    let programs = programs.flat_map(|(index, program)| {
        let named = program.env.iter_mut();
        named.map(move |(name, value)| (format!("connector_program[{index}].env.{name}"), value))
    });
    headers.chain(clients).chain(programs)
}

/// The addresses and secrets of those who are told of calls that wait.
fn resolve_notices(notices: &mut [NoticeConfig], mistakes: &mut Vec<String>) {
    for (index, notice) in notices.iter_mut().enumerate() {
        match fetch(notice.url.expose_secret()) {
            Ok(found) => {
                let url = url::Url::parse(found.expose_secret()).ok();
                let is_fit = url.is_some_and(|url| check_url(&url, Reach::Operator).is_ok());
                if !is_fit {
                    mistakes.push(format!(
                        "notice[{index}].url: is no https address that can be told"
                    ));
                }
                notice.url = found;
            }
            Err(what) => mistakes.push(format!("notice[{index}].url: {what}")),
        }
        let Some(secret) = &mut notice.secret else {
            if notice.kind == NoticeKind::Webhook {
                mistakes.push(format!(
                    "notice[{index}].secret: is needed, so that the receiver can tell our messages from others"
                ));
            }
            continue;
        };
        match fetch(secret.expose_secret()) {
            Ok(found) if found.expose_secret().len() >= ADMIN_KEY_CHARS_MIN => *secret = found,
            Ok(_) => mistakes.push(format!(
                "notice[{index}].secret: needs at least {ADMIN_KEY_CHARS_MIN} characters"
            )),
            Err(what) => mistakes.push(format!("notice[{index}].secret: {what}")),
        }
    }
}

/// Where an upstream's secret is to be read, by its reference; none where it has none. To be asked before references become secrets.
pub(super) fn source(upstream: &UpstreamConfig) -> Option<SecretSource> {
    let reference = match &upstream.auth {
        AuthConfig::ApiKey(secret)
        | AuthConfig::Bearer(secret)
        | AuthConfig::ClientSecret {
            client_secret: secret,
            ..
        } => secret.expose_secret(),
        AuthConfig::ManagedIdentity { .. } | AuthConfig::WorkloadIdentity { .. } => return None,
    };
    let variable = reference
        .strip_prefix("${")
        .and_then(|rest| rest.strip_suffix('}'));
    if let Some(name) = variable {
        return Some(SecretSource {
            place: format!("the environment variable {name}"),
            written: None,
        });
    }
    // What is no reference may be the secret itself.
    let path = reference.strip_prefix("file:")?;
    Some(SecretSource {
        place: format!("the file {path}"),
        written: written(path),
    })
}

fn written(path: &str) -> Option<Timestamp> {
    let written = std::fs::metadata(path).ok()?.modified().ok()?;
    let since = written.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some(Timestamp::from_unix_ms(
        i64::try_from(since.as_millis()).ok()?,
    ))
}

/// What a reference stands for.
pub(crate) fn fetch(reference: &str) -> Result<SecretString, String> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_secret_comes_from_is_told_and_never_the_secret() {
        let source_of = |auth: &str| {
            let text = format!("name = \"a\"\nprovider = \"anthropic\"\nauth = {auth}\n");
            source(&toml::from_str(&text).unwrap()).map(|source| source.place)
        };
        let said = source_of("{ api_key = \"${ANTHROPIC_KEY}\" }");
        assert_eq!(
            said.as_deref(),
            Some("the environment variable ANTHROPIC_KEY")
        );
        let said = source_of("{ bearer = \"file:/run/secrets/key\" }");
        assert_eq!(said.as_deref(), Some("the file /run/secrets/key"));
        assert_eq!(source_of("{ api_key = \"sk-ant-by-mistake\" }"), None);
        assert_eq!(source_of("{ managed_identity = {} }"), None);
    }

    #[test]
    fn a_file_says_when_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        std::fs::write(&path, "k").unwrap();
        assert!(written(&path.to_string_lossy()).unwrap() > Timestamp::from_unix_s(1_700_000_000));
        assert_eq!(written("/nowhere/at/all"), None);
    }
}
