//! Which program a request says it comes from, and its version. Client-stated, so good for support and for minimum versions of
//! honest clients, never for deciding who someone is.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The programs that policy can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientKind {
    /// The Claude Code command line and its IDE extensions.
    ClaudeCode,
    /// Claude Desktop on third-party inference.
    ClaudeDesktop,
    /// The Microsoft 365 add-ins, from `https://pivot.claude.ai`.
    Office,
    /// An Anthropic SDK.
    Sdk,
    /// Anything else.
    Other,
}

impl ClientKind {
    /// The word for it in policy, records and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClaudeCode => "claude_code",
            Self::ClaudeDesktop => "claude_desktop",
            Self::Office => "office",
            Self::Sdk => "sdk",
            Self::Other => "other",
        }
    }
}

/// Up to three dotted numbers; missing ones are zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub [u32; 3]);

/// A text that is not one to three dotted numbers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a version: expected one to three dotted numbers such as 2.1.329")]
pub struct InvalidVersion;

impl FromStr for Version {
    type Err = InvalidVersion;

    fn from_str(text: &str) -> Result<Self, InvalidVersion> {
        let mut numbers = [0u32; 3];
        let mut parts = text.split('.');
        for (index, slot) in numbers.iter_mut().enumerate() {
            match parts.next() {
                Some(part) if part.len() <= 9 && part.bytes().all(|b| b.is_ascii_digit()) => {
                    *slot = part.parse().map_err(|_| InvalidVersion)?;
                }
                None if index > 0 => break,
                _ => return Err(InvalidVersion),
            }
        }
        if parts.next().is_some() {
            Err(InvalidVersion)
        } else {
            Ok(Self(numbers))
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, patch] = self.0;
        write!(out, "{major}.{minor}.{patch}")
    }
}

impl Serialize for Version {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = crate::written::Written::<'de>::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A program and its version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    /// Which program.
    pub kind: ClientKind,
    /// Its version, when it says one.
    pub version: Option<Version>,
}

impl Client {
    /// Reads the `user-agent` and `origin` headers, as stock clients send them.
    ///
    /// Claude Code sends `claude-cli/2.1.329 (external, cli)` on inference and `claude-code/2.1.329` elsewhere. So do sessions that
    /// Claude Desktop embeds: only the billing line in their body (`cc_entrypoint`) tells them apart, which is not read here, and
    /// they count as Claude Code. What Claude Desktop itself sends is not published; what names it is taken for it.
    pub fn from_headers(user_agent: Option<&str>, origin: Option<&str>) -> Self {
        if origin == Some("https://pivot.claude.ai") {
            return Self {
                kind: ClientKind::Office,
                version: None,
            };
        }
        let agent = user_agent.unwrap_or_default();
        let (product, rest) = agent.split_once('/').unwrap_or((agent, ""));
        let number = rest
            .split([' ', '-', '+', '(', ';'])
            .next()
            .unwrap_or_default();
        let lower = product.to_ascii_lowercase();
        let kind = match lower.as_str() {
            "claude-cli" | "claude-code" => ClientKind::ClaudeCode,
            "anthropic" | "asyncanthropic" => ClientKind::Sdk,
            _ if lower.starts_with("anthropic") => ClientKind::Sdk,
            _ if agent.contains("Claude/") || lower.starts_with("claude-desktop") => {
                ClientKind::ClaudeDesktop
            }
            _ => ClientKind::Other,
        };
        Self {
            kind,
            version: number.parse().ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(agent: &str, kind: ClientKind, version: Option<&str>) {
        let client = Client::from_headers(Some(agent), None);
        assert_eq!(client.kind, kind, "{agent}");
        assert_eq!(
            client.version.map(|v| v.to_string()).as_deref(),
            version,
            "{agent}"
        );
    }

    #[test]
    fn stock_clients_are_recognised_by_their_user_agent() {
        check(
            "claude-cli/2.1.329 (external, cli)",
            ClientKind::ClaudeCode,
            Some("2.1.329"),
        );
        check(
            "claude-code/2.1.329",
            ClientKind::ClaudeCode,
            Some("2.1.329"),
        );
        check(
            "claude-desktop/1.9",
            ClientKind::ClaudeDesktop,
            Some("1.9.0"),
        );
        check("Anthropic/Python 2.11.0", ClientKind::Sdk, None);
        check("AsyncAnthropic/Python 2.11.0", ClientKind::Sdk, None);
        check("curl/8.5.0", ClientKind::Other, Some("8.5.0"));
        check("", ClientKind::Other, None);
    }

    #[test]
    fn no_words_in_a_parenthesis_make_claude_code_another_program() {
        for entry in ["cli", "sdk-cli", "claude-desktop-3p", "Claude/1.9"] {
            let agent = format!("claude-cli/2.1.329 (external, {entry})");
            check(&agent, ClientKind::ClaudeCode, Some("2.1.329"));
        }
    }

    #[test]
    fn the_office_add_ins_are_recognised_by_their_origin() {
        let client = Client::from_headers(Some("Mozilla/5.0"), Some("https://pivot.claude.ai"));
        assert_eq!(client.kind, ClientKind::Office);
    }

    #[test]
    fn versions_compare_by_number_not_by_text() {
        let old: Version = "2.1.99".parse().unwrap();
        let new: Version = "2.1.329".parse().unwrap();
        assert!(old < new);
        for bad in ["", "a", "1.", "1.2.3.4", "1.-2", "99999999999"] {
            assert!(bad.parse::<Version>().is_err(), "{bad}");
        }
    }
}
