//! What Claude's clients understand: every configuration key of Claude Desktop ([`desktop`]) and of Claude Code's settings ([`code`]),
//! as data, and how a document differs from it. Facts of one dated version of each client; a key that is not here may be a newer
//! client's. Pure; decides nothing about secrets ([`crate::secret`]) and nothing about what is wise ([`crate::lint`]).

pub mod code;
pub mod desktop;

use serde_json::{Map, Value};

/// Which program reads a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Client {
    /// Claude Desktop, with its device configuration.
    Desktop,
    /// Claude Code, with its managed settings.
    Code,
}

impl Client {
    /// Its name, for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Desktop => "Claude Desktop",
            Self::Code => "Claude Code",
        }
    }

    /// Its keys, by name.
    pub const fn keys(self) -> &'static [Key] {
        match self {
            Self::Desktop => desktop::KEYS,
            Self::Code => code::KEYS,
        }
    }

    /// Where its table was read, and when.
    pub const fn source(self) -> &'static str {
        match self {
            Self::Desktop => desktop::SOURCE,
            Self::Code => code::SOURCE,
        }
    }

    /// The key of this name.
    pub fn key(self, name: &str) -> Option<&'static Key> {
        self.keys().iter().find(|key| key.name == name)
    }
}

/// What a key's value is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// `true` or `false`.
    Bool,
    /// A whole number from the first to the second, both included.
    Int(i64, i64),
    /// A number from the first to the second.
    Number(f64, f64),
    /// A text.
    Text,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// An address.
    Url,
    /// An address with https; http on this machine alone.
    HttpsUrl,
    /// An absolute path on the device.
    Path,
    /// A list.
    List,
    /// A list of texts.
    Texts,
    /// Names to texts.
    Map,
    /// A JSON object.
    Object,
    /// The first or the second.
    Either(&'static Kind, &'static Kind),
}

/// In which mode of Claude Desktop a key counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Third-party inference: with a gateway or a cloud provider.
    P3,
    /// With an account of claude.ai.
    P1,
    /// In both.
    Both,
}

/// Whether a value can hold a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secrecy {
    /// It is none.
    Never,
    /// A member of it may be.
    May,
    /// It is one.
    Always,
}

/// From where a client takes a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// From everywhere that settings come from.
    Everywhere,
    /// Claude Desktop: from the device alone, never from a gateway's live document.
    Device,
    /// Claude Code: from any settings file.
    AnyFile,
    /// Claude Code: from managed settings alone; in anybody's own file it does nothing.
    Managed,
}

/// With which generation of sign-in a key came. Claude Desktop reads both; a file should state one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Generation {
    /// It is not about sign-in at the company's identity provider.
    Any,
    /// `inferenceGatewayOidc` and its flow, with the kind `interactive`.
    Compatible,
    /// `inferenceIdpOidc` and its flow, with the kind `external-idp`.
    Current,
}

/// One key.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Key {
    /// Its name, flat.
    pub name: &'static str,
    /// What its value is.
    pub kind: Kind,
    /// The first version that reads it; none where the source does not say.
    pub since: Option<&'static str>,
    /// When it counts; always [`Mode::Both`] for Claude Code.
    pub mode: Mode,
    /// Whether its value can hold a secret.
    pub secrecy: Secrecy,
    /// From where it is taken.
    pub delivery: Delivery,
    /// With which generation of sign-in it came.
    pub generation: Generation,
}

impl Kind {
    /// What a value must be, after "must be".
    pub fn expected(self) -> String {
        match self {
            Self::Bool => "true or false".to_owned(),
            Self::Int(least, i64::MAX) => format!("a whole number of at least {least}"),
            Self::Int(least, most) => format!("a whole number from {least} to {most}"),
            Self::Number(least, most) => format!("a number from {least} to {most}"),
            Self::Text => "a text".to_owned(),
            Self::Choice(words) => format!("one of {}", words.join(", ")),
            Self::Url => "an address".to_owned(),
            Self::HttpsUrl => "an address with https (http only on the same machine)".to_owned(),
            Self::Path => "an absolute path".to_owned(),
            Self::List => "a list".to_owned(),
            Self::Texts => "a list of texts".to_owned(),
            Self::Map => "a map of names to texts".to_owned(),
            Self::Object => "an object".to_owned(),
            Self::Either(one, other) => format!("{} or {}", one.expected(), other.expected()),
        }
    }

    /// Whether a value has the right shape, and then whether it is one that the client takes.
    fn judge(self, value: &Value) -> Judged {
        let shaped = |fits: bool, taken: bool| match (fits, taken) {
            (false, _) => Judged::Misshapen,
            (true, false) => Judged::Untaken,
            (true, true) => Judged::Fine,
        };
        match self {
            Self::Bool => shaped(value.is_boolean(), true),
            Self::Int(least, most) => {
                let number = value.as_i64();
                shaped(
                    number.is_some(),
                    number.is_some_and(|number| (least..=most).contains(&number)),
                )
            }
            Self::Number(least, most) => {
                let number = value.as_f64();
                shaped(
                    number.is_some(),
                    number.is_some_and(|number| (least..=most).contains(&number)),
                )
            }
            Self::Text => shaped(value.is_string(), true),
            Self::Choice(words) => shaped(
                value.is_string(),
                value.as_str().is_some_and(|word| words.contains(&word)),
            ),
            Self::Url => shaped(value.is_string(), value.as_str().is_some_and(is_address)),
            Self::HttpsUrl => shaped(
                value.is_string(),
                value.as_str().is_some_and(is_https_or_here),
            ),
            Self::Path => shaped(
                value.is_string(),
                value.as_str().is_some_and(is_absolute_path),
            ),
            Self::List => shaped(value.is_array(), true),
            Self::Texts => shaped(
                value
                    .as_array()
                    .is_some_and(|items| items.iter().all(Value::is_string)),
                true,
            ),
            Self::Map => shaped(
                value
                    .as_object()
                    .is_some_and(|map| map.values().all(is_plain)),
                true,
            ),
            Self::Object => shaped(value.is_object(), true),
            Self::Either(one, other) => one.judge(value).min(other.judge(value)),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Judged {
    Fine,
    Untaken,
    Misshapen,
}

/// What a map's values may be: clients turn numbers and truths into texts.
const fn is_plain(value: &Value) -> bool {
    matches!(value, Value::String(_) | Value::Number(_) | Value::Bool(_))
}

fn is_address(text: &str) -> bool {
    url::Url::parse(text).is_ok_and(|url| url.has_host())
}

fn is_https_or_here(text: &str) -> bool {
    url::Url::parse(text).is_ok_and(|url| match url.scheme() {
        "https" => url.has_host(),
        "http" => match url.host() {
            Some(url::Host::Domain(name)) => name == "localhost",
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        },
        _ => false,
    })
}

/// Of any system: `/opt/x`, `~/x`, `C:\x`, `\\server\x`, `%ProgramFiles%\x`.
fn is_absolute_path(text: &str) -> bool {
    let bytes = text.as_bytes();
    let has_drive = bytes.len() > 2
        && bytes[0].is_ascii_alphabetic()
        && bytes[1] == b':'
        && matches!(bytes[2], b'\\' | b'/');
    has_drive || text.starts_with(['/', '~', '%']) || text.starts_with("\\\\")
}

/// How one entry of a document differs from what the client understands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The key.
    pub key: String,
    /// How.
    pub what: Differs,
}

/// How an entry differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Differs {
    /// The key is not in the table; with one that it may be meant for.
    Unknown {
        /// A key of nearly this name.
        meant: Option<&'static str>,
    },
    /// The value has another type; with what it must be.
    Misshapen {
        /// What it must be.
        expected: String,
    },
    /// The value has the right type and is none that the client takes; with what it takes.
    Untaken {
        /// What it takes.
        expected: String,
    },
}

/// Everything in which a document differs from what its client understands, in the document's order.
pub fn compare(client: Client, document: &Map<String, Value>) -> Vec<Difference> {
    let differs = |(name, value): (&String, &Value)| {
        let what = match client.key(name) {
            None => Differs::Unknown {
                meant: nearest(name, client.keys().iter().map(|key| key.name)),
            },
            Some(key) => match key.kind.judge(value) {
                Judged::Fine => return None,
                Judged::Untaken => Differs::Untaken {
                    expected: key.kind.expected(),
                },
                Judged::Misshapen => Differs::Misshapen {
                    expected: key.kind.expected(),
                },
            },
        };
        Some(Difference {
            key: name.clone(),
            what,
        })
    };
    document.iter().filter_map(differs).collect()
}

/// How a value of this kind differs, for tables of members below a key.
pub(crate) fn differs(kind: Kind, value: &Value) -> Option<Differs> {
    match kind.judge(value) {
        Judged::Fine => None,
        Judged::Untaken => Some(Differs::Untaken {
            expected: kind.expected(),
        }),
        Judged::Misshapen => Some(Differs::Misshapen {
            expected: kind.expected(),
        }),
    }
}

/// The name that a misspelt one may be meant for: the same but for case and marks, or all but a letter or two.
pub(crate) fn nearest(
    name: &str,
    known: impl Iterator<Item = &'static str>,
) -> Option<&'static str> {
    let bare = bare(name);
    known
        .filter_map(|known| {
            let (other, most) = (self::bare(known), known.len() / 8);
            // Names of other lengths are apart by more than their difference.
            let may_be = other.len().abs_diff(bare.len()) <= most;
            let distance = may_be.then(|| distance(&bare, &other))?;
            (distance <= most).then_some((distance, known))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

fn bare(name: &str) -> Vec<char> {
    let letters = name.chars().filter(|letter| letter.is_alphanumeric());
    letters
        .flat_map(char::to_lowercase)
        .take(LONGEST_NAME)
        .collect()
}

/// Longer names than any key; what is beyond is not compared.
const LONGEST_NAME: usize = 64;

/// How many letters must be put in, taken out or changed.
fn distance(one: &[char], other: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (place, letter) in one.iter().enumerate() {
        let mut above_left = row[0];
        row[0] = place + 1;
        for (index, candidate) in other.iter().enumerate() {
            let changed = above_left + usize::from(letter != candidate);
            above_left = row[index + 1];
            row[index + 1] = changed.min(row[index] + 1).min(row[index + 1] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use serde_json::json;

    #[test]
    fn every_key_stands_once_and_in_order() {
        for client in [Client::Desktop, Client::Code] {
            let names: Vec<&str> = client.keys().iter().map(|key| key.name).collect();
            let different: BTreeSet<&&str> = names.iter().collect();
            assert_eq!(different.len(), names.len());
            let lower = |name: &&str| name.to_lowercase();
            assert!(names.is_sorted_by_key(lower), "{client:?}");
        }
        assert_eq!(desktop::KEYS.len(), 170);
        assert_eq!(code::KEYS.len(), 204);
    }

    #[test]
    fn both_generations_of_sign_in_are_there() {
        let of = |generation| {
            let keys = desktop::KEYS.iter();
            keys.filter(|key| key.generation == generation)
                .map(|key| key.name)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            of(Generation::Compatible),
            ["inferenceGatewayOidc", "inferenceGatewayOidcAuthFlow"]
        );
        assert_eq!(
            of(Generation::Current),
            ["inferenceIdpAuthFlow", "inferenceIdpOidc"]
        );
    }

    fn check(client: Client, document: Value, expected: &[(&str, &str)]) {
        let Value::Object(document) = document else {
            panic!("not an object")
        };
        let found: Vec<(String, String)> = compare(client, &document)
            .into_iter()
            .map(|difference| {
                let what = match difference.what {
                    Differs::Unknown { meant } => format!("unknown, {}", meant.unwrap_or("-")),
                    Differs::Misshapen { expected } => format!("type, {expected}"),
                    Differs::Untaken { expected } => format!("value, {expected}"),
                };
                (difference.key, what)
            })
            .collect();
        let found: Vec<(&str, &str)> = found.iter().map(|(k, w)| (&**k, &**w)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn unknown_keys_wrong_types_and_values_out_of_range_are_told() {
        check(
            Client::Desktop,
            json!({
                "inferenceProvider": "gateway", "inferenceprovider": "gateway", "banana": 1,
                "autoModeEnabled": "true", "inferenceStreamIdleTimeoutSec": 200,
                "inferenceGatewayBaseUrl": "http://gateway.example", "bootstrapUrl": "http://127.0.0.1:8080/user/bootstrap",
                "sshClientPath": "ssh", "coworkEDRIntegration": "C:\\x",
            }),
            &[
                ("inferenceprovider", "unknown, inferenceProvider"),
                ("banana", "unknown, -"),
                ("autoModeEnabled", "type, true or false"),
                (
                    "inferenceStreamIdleTimeoutSec",
                    "value, a whole number from 300 to 1800",
                ),
                (
                    "inferenceGatewayBaseUrl",
                    "value, an address with https (http only on the same machine)",
                ),
                ("sshClientPath", "value, an absolute path"),
            ],
        );
        check(
            Client::Code,
            json!({"forceLoginOrgUUID": ["a"], "strictPluginOnlyCustomization": true, "attribution": 1, "availableModel": []}),
            &[
                ("attribution", "type, an object or true or false"),
                ("availableModel", "unknown, availableModels"),
            ],
        );
    }

    #[test]
    fn a_name_that_is_like_no_other_is_meant_for_none() {
        let known = || desktop::KEYS.iter().map(|key| key.name);
        assert_eq!(nearest("bannerx", known()), None);
        assert_eq!(
            nearest("inference-gateway-base-url", known()),
            Some("inferenceGatewayBaseUrl")
        );
        assert_eq!(nearest("infrenceModels", known()), Some("inferenceModels"));
        assert_eq!(nearest(&"x".repeat(10_000), known()), None);
    }
}
