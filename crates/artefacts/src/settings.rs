//! A settings document that may become a file: its keys have the types that the client reads, every format can hold it, and no secret is
//! in it. There is no other way to make one, so that no writer has to look again.

use serde_json::{Map, Value};

use crate::schema::{self, Client, Differs};
use crate::secret;

/// A document that was looked through.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    client: Client,
    entries: Map<String, Value>,
    remarks: Vec<String>,
}

/// Why a document cannot become a file, a sentence each. No value is repeated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("; "))]
pub struct Refused(pub Vec<String>);

impl Settings {
    /// Looks a document through. Every reason against it is returned at once.
    pub fn new(client: Client, entries: Map<String, Value>) -> Result<Self, Refused> {
        let mut against: Vec<String> = secret::find(client, &entries)
            .into_iter()
            .map(|found| {
                format!(
                    "{}: {}: {}; no file may hold one, since every device keeps it readable: {}",
                    client.name(),
                    found.path,
                    found.why,
                    instead(client)
                )
            })
            .collect();
        for (name, value) in &entries {
            unwritable(name, value, &mut against);
        }
        let mut remarks = Vec::new();
        for difference in schema::compare(client, &entries) {
            let key = difference.key;
            match difference.what {
                Differs::Misshapen { expected } => {
                    against.push(format!("{}: {key} must be {expected}", client.name()));
                }
                Differs::Untaken { expected } => remarks.push(format!(
                    "{key} should be {expected}; {} may pass over this value",
                    client.name()
                )),
                Differs::Unknown { meant } => remarks.push(unknown(client, &key, meant)),
            }
        }
        if against.is_empty() {
            Ok(Self {
                client,
                entries,
                remarks,
            })
        } else {
            Err(Refused(against))
        }
    }

    /// Which program reads it.
    pub const fn client(&self) -> Client {
        self.client
    }

    /// The document.
    pub const fn entries(&self) -> &Map<String, Value> {
        &self.entries
    }

    /// What somebody should look at, a sentence each: unknown keys, values out of range. Nothing that keeps it from becoming a file.
    pub fn remarks(&self) -> &[String] {
        &self.remarks
    }
}

/// The sentence about a key that the table does not have.
pub(crate) fn unknown(client: Client, key: &str, meant: Option<&str>) -> String {
    let hint = meant.map_or_else(String::new, |meant| format!("; {meant} may be meant"));
    format!(
        "{key} is no key that {} knew when this table was made{hint}",
        client.name()
    )
}

const fn instead(client: Client) -> &'static str {
    match client {
        Client::Desktop => {
            "let people sign in (inferenceCredentialKind interactive or external-idp), or name a helper program that fetches it"
        }
        Client::Code => {
            "let people sign in (forceLoginMethod gateway), name a helper program, or write ${VARIABLE}"
        }
    }
}

/// What no property list, registry file or XML can carry: nothing, and letters that command a screen.
fn unwritable(path: &str, value: &Value, against: &mut Vec<String>) {
    match value {
        Value::Null => against.push(format!("{path} is null; leave the key out instead")),
        Value::String(text) => against.extend(
            text.chars()
                .any(is_unwritable)
                .then(|| format!("{path} holds a control character")),
        ),
        Value::Array(items) => {
            for (place, item) in items.iter().enumerate() {
                unwritable(&format!("{path}[{place}]"), item, against);
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                if name.chars().any(is_unwritable) {
                    against.push(format!("{path} has a name with a control character"));
                } else {
                    unwritable(&format!("{path}.{name}"), member, against);
                }
            }
        }
        Value::Bool(_) | Value::Number(_) => {}
    }
}

const fn is_unwritable(letter: char) -> bool {
    matches!(letter, '\0'..='\u{8}' | '\u{b}'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn settings(client: Client, document: &Value) -> Result<Settings, Refused> {
        Settings::new(client, document.as_object().unwrap().clone())
    }

    #[test]
    fn no_document_with_a_secret_becomes_settings_and_the_secret_is_not_repeated() {
        let document = json!({"inferenceGatewayApiKey": "sk-ant-api03-abcdef1234567890"});
        let refused = settings(Client::Desktop, &document).unwrap_err();
        assert!(refused.to_string().contains("inferenceGatewayApiKey"));
        assert!(!refused.to_string().contains("abcdef"));
    }

    #[test]
    fn a_wrong_type_refuses_and_an_unknown_key_is_remarked() {
        let document = json!({"autoModeEnabled": "yes", "permissions": 1});
        let refused = settings(Client::Desktop, &document).unwrap_err();
        assert_eq!(
            refused.0,
            ["Claude Desktop: autoModeEnabled must be true or false"]
        );
        let document = json!({"forceLoginMethod": "saml", "model": "opus"});
        let settings = settings(Client::Code, &document).unwrap();
        assert_eq!(
            settings.remarks(),
            [
                "forceLoginMethod should be one of claudeai, console, gateway; Claude Code may pass over this value"
            ]
        );
    }

    #[test]
    fn what_a_property_list_cannot_carry_is_refused_by_its_place() {
        let document = json!({"policyHelper": {"path": null}, "companyAnnouncements": ["a\u{1b}[2J", "fine\nline"]});
        let refused = settings(Client::Code, &document).unwrap_err();
        assert_eq!(
            refused.0,
            [
                "policyHelper.path is null; leave the key out instead",
                "companyAnnouncements[0] holds a control character",
            ]
        );
    }
}
