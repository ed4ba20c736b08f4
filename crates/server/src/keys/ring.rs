//! A key and those before it, as they are sealed in the store under one name. Each says since when it is, and from when on it is
//! used; what a key is for, and how long an old one still counts, differs by name. Never printed, never logged.

use anyhow::{Context as _, bail, ensure};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use domain::{Timestamp, limits};
use ledger::{KeyChange, Keyring};
use pipeline::identity::SigningKey;
use secrecy::{ExposeSecret as _, SecretBox, SecretString};
use serde::{Deserialize, Serialize};
use store::secrets::SealingKey;

/// One key.
pub(crate) struct Entry {
    /// The secret bytes: PKCS#8 of a session key, the text of a ledger's, 32 bytes of a fingerprint key.
    pub(crate) key: SecretBox<Vec<u8>>,
    /// When it was made; unknown for keys from before that was kept.
    pub(crate) made: Option<Timestamp>,
    /// From when on it is used.
    pub(crate) used_from: Timestamp,
    /// The word of a ledger's key before it.
    pub(crate) word: Option<KeyChange>,
}

/// A key and those before it.
pub(crate) struct Ring {
    /// Newest first; never empty.
    pub(crate) entries: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sealed {
    keys: Vec<SealedEntry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SealedEntry {
    key: String,
    made: Option<Timestamp>,
    used_from: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    word: Option<KeyChange>,
}

impl std::fmt::Debug for Ring {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Ring of {}", self.entries.len())
    }
}

impl Ring {
    /// One key, used at once.
    pub(crate) fn one(key: Vec<u8>, now: Timestamp) -> Self {
        Self {
            entries: vec![Entry {
                key: SecretBox::new(Box::new(key)),
                made: Some(now),
                used_from: now,
                word: None,
            }],
        }
    }

    /// From what was sealed.
    pub(crate) fn parse(bytes: &[u8]) -> anyhow::Result<Self> {
        // not the parser's own words, which may repeat what they were about
        let Ok(sealed) = serde_json::from_slice::<Sealed>(bytes) else {
            bail!("a sealed key is not in the form of this version");
        };
        let entry = |entry: SealedEntry| {
            let Ok(key) = BASE64_STANDARD.decode(&entry.key) else {
                bail!("a sealed key is not in the form of this version");
            };
            Ok(Entry {
                key: SecretBox::new(Box::new(key)),
                made: entry.made,
                used_from: entry.used_from,
                word: entry.word,
            })
        };
        let entries: Vec<Entry> = sealed
            .keys
            .into_iter()
            .map(entry)
            .collect::<Result<_, _>>()?;
        ensure!(!entries.is_empty(), "there is no key under a key's name");
        Ok(Self { entries })
    }

    /// To be sealed.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let entry = |entry: &Entry| SealedEntry {
            key: BASE64_STANDARD.encode(entry.key.expose_secret()),
            made: entry.made,
            used_from: entry.used_from,
            word: entry.word.clone(),
        };
        let keys = self.entries.iter().map(entry).collect();
        serde_json::to_vec(&Sealed { keys }).expect("keys are texts and numbers")
    }

    /// The newest.
    pub(crate) fn newest(&self) -> &Entry {
        &self.entries[0]
    }

    /// With a newer one in front; of very many the oldest leave.
    pub(crate) fn add(&mut self, entry: Entry) {
        self.entries.insert(0, entry);
        self.entries.truncate(limits::KEYS_KEPT_MAX);
    }

    /// The keys of session tokens that count at this moment: first the one that signs, then those that only verify, which are one
    /// that is not used yet and those whose last token has not ended.
    pub(crate) fn session_keys(&self, now: Timestamp) -> anyhow::Result<Vec<SigningKey>> {
        let signing = self.in_use(now);
        let mut keys = vec![session_key(&self.entries[signing])?];
        for (at, entry) in self.entries.iter().enumerate() {
            if at != signing && self.verifies_until(at).is_none_or(|end| now < end) {
                keys.push(session_key(entry)?);
            }
        }
        Ok(keys)
    }

    /// Which key is used at this moment.
    pub(crate) fn in_use(&self, now: Timestamp) -> usize {
        let used = |entry: &Entry| entry.used_from <= now;
        self.entries
            .iter()
            .position(used)
            .unwrap_or(self.entries.len() - 1)
    }

    /// When the last token of a session key ends, for one that another has followed.
    pub(crate) fn verifies_until(&self, at: usize) -> Option<Timestamp> {
        let next = self.entries.get(at.checked_sub(1)?)?;
        // replicas' clocks differ, and so do those that look at a token's end
        let after = limits::SESSION_TOKEN_MS + 2 * limits::CLOCK_SKEW_MS;
        Some(next.used_from.plus_ms(after))
    }

    /// Leaves out session keys of which no token can be good any more.
    pub(crate) fn forget_ended(&mut self, now: Timestamp) {
        let ended = |at: &usize| self.verifies_until(*at).is_some_and(|end| end <= now);
        let keep = (0..self.entries.len())
            .find(ended)
            .unwrap_or(self.entries.len());
        self.entries.truncate(keep.max(1));
    }

    /// The keys of arguments and grants at this moment: the one in use seals, and all of them open.
    pub(crate) fn vault_key(&self, now: Timestamp) -> anyhow::Result<SealingKey> {
        let bytes = |entry: &Entry| -> anyhow::Result<[u8; 32]> {
            let bytes = entry.key.expose_secret().as_slice().try_into();
            bytes.ok().context("a key of the vault cannot be used")
        };
        let seals = self.in_use(now);
        let mut key = SealingKey::new(bytes(&self.entries[seals])?);
        for (at, entry) in self.entries.iter().enumerate() {
            if at != seals {
                key = key.and_older(bytes(entry)?);
            }
        }
        Ok(key)
    }

    /// The ledger's keys.
    pub(crate) fn ledger_keys(&self) -> anyhow::Result<Keyring> {
        let mut keys = Vec::with_capacity(self.entries.len());
        for entry in &self.entries {
            keys.push(ledger_key(entry)?);
        }
        let newest = keys.remove(0);
        let words = self.entries.iter().filter_map(|entry| entry.word.clone());
        Ok(Keyring::with_older(newest, keys, words.collect()))
    }

    /// The ledger's public keys as they stand in `ledger.pub`, newest first.
    pub(crate) fn public_keys(&self) -> anyhow::Result<String> {
        let mut text = String::new();
        for entry in &self.entries {
            text.push_str(&ledger_key(entry)?.public().to_string());
            text.push('\n');
        }
        Ok(text)
    }
}

/// A session key.
pub(crate) fn session_key(entry: &Entry) -> anyhow::Result<SigningKey> {
    SigningKey::from_pkcs8(entry.key.expose_secret())
        .context("a key of session tokens cannot be used")
}

/// A ledger's key.
pub(crate) fn ledger_key(entry: &Entry) -> anyhow::Result<ledger::SigningKey> {
    let text = String::from_utf8(entry.key.expose_secret().clone())
        .ok()
        .context("the ledger's key cannot be used")?;
    ledger::SigningKey::from_text(&SecretString::from(text))
        .context("the ledger's key cannot be used")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::SystemIds;

    fn at(s: i64) -> Timestamp {
        Timestamp::from_unix_ms(1_000_000_000 + s * 1_000)
    }

    fn entry(used_from: Timestamp) -> Entry {
        let key = SigningKey::generate(&SystemIds).unwrap();
        Entry {
            key: SecretBox::new(Box::new(key.expose_secret().clone())),
            made: Some(used_from),
            used_from,
            word: None,
        }
    }

    fn kids(ring: &Ring, now: Timestamp) -> Vec<String> {
        let keys = ring.session_keys(now).unwrap();
        keys.iter().map(|key| key.kid().to_owned()).collect()
    }

    #[test]
    fn a_new_key_is_known_before_it_signs_and_an_old_one_after() {
        let mut ring = Ring {
            entries: vec![entry(at(0))],
        };
        let old = kids(&ring, at(0));
        ring.add(entry(at(100)));
        let both = kids(&ring, at(99));
        assert_eq!(
            (both.len(), &both[0]),
            (2, &old[0]),
            "the old one signs, both verify"
        );
        let later = kids(&ring, at(100));
        assert_eq!(
            later,
            [both[1].clone(), old[0].clone()],
            "the new one signs, both verify"
        );
        let end = 100 + (limits::SESSION_TOKEN_MS + 2 * limits::CLOCK_SKEW_MS) / 1_000;
        assert_eq!(kids(&ring, at(end - 1)).len(), 2);
        assert_eq!(
            kids(&ring, at(end)),
            [both[1].clone()],
            "its last token has ended"
        );
        ring.forget_ended(at(end - 1));
        assert_eq!(ring.entries.len(), 2);
        ring.forget_ended(at(end));
        assert_eq!(ring.entries.len(), 1);
        ring.forget_ended(at(end * 2));
        assert_eq!(ring.entries.len(), 1, "the last one stays");
    }

    #[test]
    fn a_ring_comes_back_as_it_was_and_what_is_none_is_refused_unrepeated() {
        let mut ring = Ring::one(b"raw".to_vec(), at(3));
        ring.add(entry(at(5)));
        let again = Ring::parse(&ring.to_bytes()).unwrap();
        for (one, other) in again.entries.iter().zip(&ring.entries) {
            assert_eq!(one.key.expose_secret(), other.key.expose_secret());
            assert_eq!(
                (one.made, one.used_from, &one.word),
                (other.made, other.used_from, &other.word)
            );
        }
        for bad in [
            "555555555555",
            r#"{"keys":[]}"#,
            r#"{"keys":[{"key":"?","made":null,"used_from":0}]}"#,
            r#"{"keys":[5]}"#,
        ] {
            let refused = Ring::parse(bad.as_bytes()).unwrap_err().to_string();
            assert!(
                !refused.contains('?') && !refused.contains('5'),
                "{refused}"
            );
        }
        assert_eq!(format!("{ring:?}"), "Ring of 2");
    }

    #[test]
    fn at_most_so_many_are_kept() {
        let mut ring = Ring::one(Vec::new(), at(0));
        for s in 0..40 {
            ring.add(Entry {
                key: SecretBox::new(Box::default()),
                made: None,
                used_from: at(s),
                word: None,
            });
        }
        assert_eq!(ring.entries.len(), limits::KEYS_KEPT_MAX);
        assert_eq!(ring.newest().used_from, at(39));
    }
}
