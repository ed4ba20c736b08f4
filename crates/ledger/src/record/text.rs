//! A short text of a record: bounded, of one line, and never one that looks like a credential. Whatever a caller hands in, the
//! record stays within its size and a secret that strayed into a name does not reach the disk.

use std::borrow::Cow;
use std::fmt;

use domain::written::Written;
use serde::{Deserialize, Serialize};

/// What stands for the part that was cut off.
const CUT: &str = "…";
/// What stands for a text that looks like a credential.
const WITHHELD: &str = "[withheld]";
/// How known credentials begin: provider keys, our keys, JWTs, forge and cloud keys.
const CREDENTIAL_STARTS: &[&str] = &[
    "sk-ant-",
    "sk-proj-",
    "dwk_",
    "eyJ",
    "ghp_",
    "gho_",
    "github_pat_",
    "xoxb-",
    "xoxp-",
    "AKIA",
    "ASIA",
];
/// A start alone is no credential; this many bytes without a blank are.
const CREDENTIAL_BYTES_MIN: usize = 20;
/// How a private key begins.
const PRIVATE_KEY_START: &str = "-----BEGIN";

/// At most `MAX` bytes of UTF-8 without control characters; longer texts end in `…`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize)]
#[serde(transparent)]
pub struct Text<const MAX: usize>(Box<str>);

impl<const MAX: usize> Text<MAX> {
    /// Takes a text: control characters become U+FFFD, what is too long is cut, what looks like a credential is withheld.
    pub fn new(text: &str) -> Self {
        if holds_credential(text) {
            return Self(WITHHELD.into());
        }
        let clean: Cow<'_, str> = if text.contains(char::is_control) {
            // a character more than fits is enough to see that it does not fit
            text.chars()
                .take(MAX + 1)
                .map(|c| if c.is_control() { '\u{fffd}' } else { c })
                .collect()
        } else {
            text.into()
        };
        if clean.len() <= MAX {
            return Self(clean.into());
        }
        let end = clean.floor_char_boundary(MAX.saturating_sub(CUT.len()));
        Self(format!("{}{CUT}", &clean[..end]).into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether a private key begins in the text, or some word of it begins like a credential and is long enough to be one. Each place is
/// looked at once: every text of every record comes through here.
fn holds_credential(text: &str) -> bool {
    let mut begins_word = true;
    text.bytes().enumerate().any(|(at, byte)| {
        let may_begin = std::mem::replace(&mut begins_word, !byte.is_ascii_alphanumeric());
        let is_key = byte == b'-' && text[at..].starts_with(PRIVATE_KEY_START);
        is_key || (may_begin && begins_credential(text, at))
    })
}

fn begins_credential(text: &str, at: usize) -> bool {
    // most texts are names, too short for one
    text.len() - at >= CREDENTIAL_BYTES_MIN
        && text.get(at..).is_some_and(|rest| {
            let word = || rest.split_whitespace().next().unwrap_or_default();
            CREDENTIAL_STARTS
                .iter()
                .any(|start| rest.starts_with(start))
                && word().len() >= CREDENTIAL_BYTES_MIN
        })
}

impl<const MAX: usize> From<&str> for Text<MAX> {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl<const MAX: usize> From<String> for Text<MAX> {
    fn from(text: String) -> Self {
        Self::new(&text)
    }
}

impl<const MAX: usize> fmt::Display for Text<MAX> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl<const MAX: usize> fmt::Debug for Text<MAX> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, out)
    }
}

impl<'de, const MAX: usize> Deserialize<'de> for Text<MAX> {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(Self::new(&Written::<'de>::deserialize(from)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_long_text_is_cut_with_a_mark_at_a_character() {
        assert_eq!(Text::<8>::new("12345678").as_str(), "12345678");
        assert_eq!(Text::<8>::new("123456789").as_str(), "12345…");
        assert_eq!(Text::<8>::new("ääääää").as_str(), "ää…");
        assert_eq!(
            Text::<8>::new("a\nb\0c").as_str().chars().count(),
            4,
            "cut, because U+FFFD takes three bytes"
        );
    }

    #[test]
    fn what_looks_like_a_credential_is_withheld() {
        for secret in [
            "sk-ant-api03-abcdefghijklmnop",
            "the key sk-ant-api03-abcdefghijklmnop",
            "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln",
            "Bearer eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0",
            "dwk_0123456789abcdef0123",
            "-----BEGIN PRIVATE KEY-----",
        ] {
            assert_eq!(Text::<128>::new(secret).as_str(), WITHHELD, "{secret}");
        }
    }

    #[test]
    fn ordinary_names_are_kept() {
        for name in [
            "claude-opus-5-5",
            "task-force",
            "risk-owners-of-the-finance-team",
            "sk-bratislava-finance-department",
            "Bearer of news",
            "per_01k",
            "Ärzte",
        ] {
            assert_eq!(Text::<128>::new(name).as_str(), name);
        }
    }

    proptest! {
        #[test]
        fn any_text_is_bounded_and_stable(text in "\\PC{0,80}|(?s).{0,80}") {
            let once = Text::<32>::new(&text);
            prop_assert!(once.as_str().len() <= 32);
            prop_assert!(!once.as_str().chars().any(char::is_control));
            prop_assert_eq!(Text::<32>::new(once.as_str()), once);
        }
    }
}
