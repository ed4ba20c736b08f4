//! What may stand in no file that goes to devices: a file is copied, mailed, kept by a device management and read by everyone who holds
//! the device. Every settings document passes here before it can become a file ([`crate::settings`]). What is found is named by its
//! place; the value is never repeated.

use serde_json::{Map, Value};

use crate::schema::{Client, Secrecy};

/// A secret, by its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Where: `env.ANTHROPIC_API_KEY`.
    pub path: String,
    /// What gives it away.
    pub why: &'static str,
}

const SECRET_KEY: &str = "this key holds a credential";
const SECRET_NAME: &str = "a member of this name holds a credential";
const SECRET_LOOK: &str = "the value looks like a credential";

/// Names of members, in small letters and without marks, that hold a credential whatever stands around them.
const SECRET_NAMES: &[&str] = &[
    "accesskey",
    "accesstoken",
    "apikey",
    "authorization",
    "authtoken",
    "bearertoken",
    "clientsecret",
    "cookie",
    "passphrase",
    "passwd",
    "password",
    "privatekey",
    "proxyauthorization",
    "refreshtoken",
    "secret",
    "secretaccesskey",
    "sessiontoken",
    "setcookie",
    "token",
    "xapikey",
    "xauthtoken",
];

/// Ends of names of headers and of environment variables that hold one.
const SECRET_ENDS: &[&str] = &[
    "apikey",
    "authtoken",
    "accesskey",
    "accesstoken",
    "bearertoken",
    "clientsecret",
    "password",
    "privatekey",
    "secret",
    "secretkey",
    "sessiontoken",
];

/// Beginnings of credentials of well-known kinds; what follows must be long enough to be one.
const SECRET_BEGINNINGS: &[&str] = &[
    "sk-ant-",
    "sk-",
    "dwd_",
    "dwk_",
    "dwp_",
    "dwr_",
    "dws_",
    "ghp_",
    "gho_",
    "ghs_",
    "github_pat_",
    "glpat-",
    "xoxb-",
    "xoxp-",
    "AKIA",
    "ASIA",
    "AIza",
    "ya29.",
    "npm_",
    "hf_",
];

/// Letters that must follow the beginning.
const SECRET_LETTERS_MIN: usize = 12;

/// Every secret of a document.
pub fn find(client: Client, document: &Map<String, Value>) -> Vec<Found> {
    let mut found = Vec::new();
    for (name, value) in document {
        let secrecy = client.key(name).map(|key| key.secrecy);
        if secrecy == Some(Secrecy::Always) && !is_empty(value) {
            found.push(Found {
                path: name.clone(),
                why: SECRET_KEY,
            });
        } else {
            look(name, name, value, &mut found);
        }
    }
    found
}

/// Looks into a value; `name` is the member's own, `path` the way to it.
fn look(name: &str, path: &str, value: &Value, found: &mut Vec<Found>) {
    match value {
        Value::Object(members) => {
            for (member, value) in members {
                look(member, &format!("{path}.{member}"), value, found);
            }
        }
        Value::Array(items) => {
            for (place, item) in items.iter().enumerate() {
                look(name, &format!("{path}[{place}]"), item, found);
            }
        }
        Value::String(text) => {
            if let Some(why) = why(name, text) {
                found.push(Found {
                    path: path.to_owned(),
                    why,
                });
            }
        }
        _ => {}
    }
}

fn why(name: &str, text: &str) -> Option<&'static str> {
    if is_reference(text) {
        return None;
    }
    if is_secret_name(name) {
        return Some(SECRET_NAME);
    }
    let lines = || text.lines().filter_map(|line| line.split_once(['=', ':']));
    let has_named_line =
        lines().any(|(name, value)| is_secret_name(name) && !is_reference(value.trim()));
    // A list of `name=value` lines or of `Name: value` headers; of prose only what looks like a credential counts.
    let is_list_of_pairs = !text.trim().is_empty()
        && text
            .lines()
            .filter(|line| !line.trim().is_empty())
            .all(|line| {
                line.split_once(['=', ':'])
                    .is_some_and(|(name, _)| !name.trim().contains(' '))
            });
    if (has_named_line && is_list_of_pairs) || looks_secret(text) {
        return Some(SECRET_LOOK);
    }
    None
}

fn is_empty(value: &Value) -> bool {
    value.is_null() || value.as_str().is_some_and(str::is_empty)
}

/// Nothing, or a variable that the device fills in: `${TOKEN}`, `Bearer ${TOKEN}`.
fn is_reference(text: &str) -> bool {
    let text = text.trim();
    let after_scheme = ["Bearer ", "Basic ", "bearer ", "token "]
        .iter()
        .find_map(|scheme| text.strip_prefix(scheme))
        .unwrap_or(text);
    let inner = after_scheme
        .strip_prefix("${")
        .and_then(|rest| rest.strip_suffix('}'));
    text.is_empty()
        || inner.is_some_and(|name| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'))
}

fn is_secret_name(name: &str) -> bool {
    let bare: String = name
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|letter| letter.to_ascii_lowercase())
        .collect();
    let is_variable_or_header = name.contains(['_', '-']);
    SECRET_NAMES.contains(&bare.as_str())
        || (is_variable_or_header && (bare.ends_with("token") || bare.ends_with("apikey")))
        || SECRET_ENDS.iter().any(|end| bare.ends_with(end))
}

fn looks_secret(text: &str) -> bool {
    if text.contains("-----BEGIN") && text.contains("PRIVATE KEY") {
        return true;
    }
    let is_of_token =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '~' | '+');
    let mut words = text.split(|c: char| !is_of_token(c));
    words.any(|word| begins_as_secret(word) || is_signed_token(word))
        || has_credential_after_scheme(text)
        || names_password_in_address(text)
}

fn begins_as_secret(word: &str) -> bool {
    SECRET_BEGINNINGS.iter().any(|beginning| {
        let rest = word.strip_prefix(beginning);
        rest.is_some_and(|rest| {
            rest.len() >= SECRET_LETTERS_MIN && rest.bytes().any(|letter| letter.is_ascii_digit())
        })
    })
}

/// A JSON web token: three parts, the first of which opens an object.
fn is_signed_token(word: &str) -> bool {
    word.starts_with("eyJ") && word.len() > 40 && word.matches('.').count() >= 2
}

fn has_credential_after_scheme(text: &str) -> bool {
    ["Bearer ", "Basic "].iter().any(|scheme| {
        text.split(scheme).skip(1).any(|rest| {
            let word = rest.split_whitespace().next().unwrap_or_default();
            word.len() >= SECRET_LETTERS_MIN && !word.starts_with('$')
        })
    })
}

/// `https://user:password@host`.
fn names_password_in_address(text: &str) -> bool {
    text.split("://").skip(1).any(|rest| {
        let authority = rest
            .split(['/', '?', '#', ' ', '"'])
            .next()
            .unwrap_or_default();
        authority
            .rsplit_once('@')
            .and_then(|(user, _)| user.split_once(':'))
            .is_some_and(|(_, password)| !password.is_empty() && !is_reference(password))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(client: Client, document: Value, expected: &[&str]) {
        let Value::Object(document) = document else {
            panic!("not an object")
        };
        let found = find(client, &document);
        let paths: Vec<&str> = found.iter().map(|found| &*found.path).collect();
        assert_eq!(paths, expected);
    }

    #[test]
    fn every_key_that_is_a_credential_is_found_whatever_it_holds() {
        for key in Client::Desktop.keys() {
            if key.secrecy == Secrecy::Always {
                check(Client::Desktop, json!({key.name: "x"}), &[key.name]);
                check(Client::Desktop, json!({key.name: ""}), &[]);
            }
        }
    }

    #[test]
    fn credentials_inside_headers_variables_and_servers_are_found() {
        check(
            Client::Desktop,
            json!({
                "inferenceCustomHeaders": {"X-Team": "a", "X-Api-Key": "abc"},
                "otlpHeaders": "x-team=a\nauthorization=abc",
                "managedMcpServers": [{"name": "m", "url": "https://m.example", "oauth": {"clientId": "c", "clientSecret": "s"},
                    "headers": {"Authorization": "Bearer abcdefghijklmnop"}}],
                "egressProxyUrl": "http://ada:lovelace@proxy.example:8080",
            }),
            &[
                "inferenceCustomHeaders.X-Api-Key",
                "otlpHeaders",
                "managedMcpServers[0].oauth.clientSecret",
                "managedMcpServers[0].headers.Authorization",
                "egressProxyUrl",
            ],
        );
        check(
            Client::Code,
            json!({
                "env": {"ANTHROPIC_AUTH_TOKEN": "x", "AWS_SECRET_ACCESS_KEY": "y", "ANTHROPIC_CUSTOM_HEADERS": "x-api-key: z"},
                "hooks": {"Stop": [{"hooks": [{"type": "command", "command": "curl -H 'Authorization: Bearer abcdefghijklmnopqr'"}]}]},
                "companyAnnouncements": ["our key is sk-ant-api03-abcdef1234567890"],
            }),
            &[
                "env.ANTHROPIC_AUTH_TOKEN",
                "env.AWS_SECRET_ACCESS_KEY",
                "env.ANTHROPIC_CUSTOM_HEADERS",
                "hooks.Stop[0].hooks[0].command",
                "companyAnnouncements[0]",
            ],
        );
    }

    #[test]
    fn what_names_a_credential_without_being_one_passes() {
        check(
            Client::Code,
            json!({
                "apiKeyHelper": "/opt/corp/claude-token",
                "env": {"CLAUDE_CODE_MAX_OUTPUT_TOKENS": "8000", "CLAUDE_CODE_API_KEY_HELPER_TTL_MS": "60000", "OTEL_EXPORTER_OTLP_ENDPOINT": "https://g.example"},
                "managedMcpServers": {"m": {"type": "http", "url": "https://m.example", "headers": {"Authorization": "Bearer ${MCP_TOKEN}"}}},
                "permissions": {"deny": ["Read(./.env)", "Read(**/secrets/**)", "Bash(curl:*)"]},
                "sandbox": {"credentials": {"envVars": [{"name": "GITHUB_TOKEN", "mode": "mask"}]}},
            }),
            &[],
        );
        check(
            Client::Desktop,
            json!({
                "inferenceIdpOidc": {"clientId": "6f1c2f5e-6f2b-4c53-9a53-0d8d6b1a1f11", "issuer": "https://login.example/v2.0", "bearerTokenType": "id_token"},
                "inferenceModels": [{"name": "claude-opus-5-5"}],
                "inferenceCredentialHelper": "/opt/corp/token",
                "organizationInstructions": "Never paste a password: or a token: into a prompt.",
            }),
            &[],
        );
    }
}
