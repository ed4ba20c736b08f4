//! A change of the key that signs checkpoints, said by the key before it: whoever trusts the old one can trust the new one from here
//! on, without asking anybody.
//!
//! The signature is Ed25519 over this text, four lines, each ended by a line feed:
//!
//! ```text
//! doorward.ledger-key/v1
//! <id of the old key>
//! <the new key, as in ledger.pub>
//! <time of signing, decimal milliseconds since 1970>
//! ```
//!
//! A change stands in each chain, as a `system` record before the first checkpoint of the new key, and as a line of
//! `checkpoints.ndjson`. It names no chain: all chains of a store change together.

use domain::Timestamp;
use serde::{Deserialize, Serialize};

use crate::signing::{KeyId, PublicKey, Signature, SigningKey};

/// First line of the signed text.
const ORIGIN: &str = "doorward.ledger-key/v1";

/// One key's word for the next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyChange {
    /// The key that signed until now, and this change.
    pub from: KeyId,
    /// The key that signs from now on.
    pub to: PublicKey,
    /// When.
    pub time: Timestamp,
    /// The old key's signature over [`KeyChange::text`].
    pub signature: Signature,
}

/// A change as it stands in a list of checkpoints.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListedChange {
    pub(crate) key_change: KeyChange,
}

/// What such a line begins with.
pub(crate) const LISTED: &[u8] = b"{\"key_change\":";

impl KeyChange {
    /// The old key's word for the new one.
    pub fn sign(old: &SigningKey, new: PublicKey, time: Timestamp) -> Self {
        let from = old.public().id();
        let text = signed_text(from, new, time);
        Self {
            from,
            to: new,
            time,
            signature: old.sign(text.as_bytes()),
        }
    }

    /// The text that is signed.
    pub fn text(&self) -> String {
        signed_text(self.from, self.to, self.time)
    }

    /// Whether this key said it.
    pub fn is_signed_by(&self, key: &PublicKey) -> bool {
        key.id() == self.from && key.verifies(self.text().as_bytes(), &self.signature)
    }

    pub(crate) fn line(&self) -> Vec<u8> {
        let listed = ListedChange {
            key_change: self.clone(),
        };
        let mut line = serde_json::to_vec(&listed).expect("a change has string keys");
        line.push(b'\n');
        line
    }
}

fn signed_text(from: KeyId, to: PublicKey, time: Timestamp) -> String {
    format!("{ORIGIN}\n{from}\n{to}\n{}\n", time.unix_ms())
}

/// The keys of a ledger: the one that signs, those before it, and their word for each other.
#[derive(Debug)]
pub struct Keyring {
    /// Newest first; never empty.
    keys: Vec<SigningKey>,
    changes: Vec<KeyChange>,
}

impl Keyring {
    /// One key, without a history.
    pub fn one(key: SigningKey) -> Self {
        Self {
            keys: vec![key],
            changes: Vec::new(),
        }
    }

    /// Older keys behind the newest, with the changes that lead from each to the one after it.
    pub fn with_older(newest: SigningKey, older: Vec<SigningKey>, changes: Vec<KeyChange>) -> Self {
        let keys = std::iter::once(newest).chain(older).collect();
        Self { keys, changes }
    }

    /// The key that a chain last signed by this one goes on with, and the keys it then changes to, in order. Without a way from it
    /// the newest signs at once, as if nothing had been before.
    pub(crate) fn after(mut self, signed_by: Option<KeyId>) -> (SigningKey, Vec<NextKey>) {
        let known =
            signed_by.and_then(|id| self.keys.iter().position(|key| key.public().id() == id));
        let mut keys: Vec<SigningKey> = self.keys.drain(..=known.unwrap_or(0)).rev().collect();
        let current = keys.remove(0);
        let mut next = Vec::new();
        let mut from = current.public().id();
        for key in keys {
            let to = key.public();
            let said = |change: &&KeyChange| change.from == from && change.to == to;
            let Some(change) = self.changes.iter().find(said) else {
                // no word for it: whoever verifies must be given both keys
                next.push(NextKey { key, change: None });
                from = to.id();
                continue;
            };
            let change = Some(change.clone());
            next.push(NextKey { key, change });
            from = to.id();
        }
        (current, next)
    }
}

/// A key that takes over.
#[derive(Debug)]
pub(crate) struct NextKey {
    pub(crate) key: SigningKey,
    pub(crate) change: Option<KeyChange>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> SigningKey {
        SigningKey::generate().unwrap().0
    }

    #[test]
    fn a_change_holds_for_its_two_keys_and_its_moment_only() {
        let (old, new, other) = (key(), key(), key());
        let good = KeyChange::sign(&old, new.public(), Timestamp::from_unix_ms(5));
        assert!(good.is_signed_by(&old.public()));
        assert!(!good.is_signed_by(&new.public()));
        let alterations: [&dyn Fn(&mut KeyChange); 3] = [
            &|it| it.to = other.public(),
            &|it| it.time = it.time.plus_ms(1),
            &|it| it.from = other.public().id(),
        ];
        for alter in alterations {
            let mut bad = good.clone();
            alter(&mut bad);
            assert!(
                !bad.is_signed_by(&old.public()) && !bad.is_signed_by(&other.public()),
                "{bad:?}"
            );
        }
        let line = good.line();
        assert!(line.starts_with(LISTED) && line.ends_with(b"}\n"));
        let read: ListedChange = serde_json::from_slice(&line).unwrap();
        assert_eq!(read.key_change, good);
    }

    #[test]
    fn a_chain_goes_on_with_its_own_key_and_changes_step_by_step() {
        let (a, b, c) = (key(), key(), key());
        let at = Timestamp::default();
        let changes = vec![
            KeyChange::sign(&a, b.public(), at),
            KeyChange::sign(&b, c.public(), at),
        ];
        let ids = [&a, &b, &c].map(|key| key.public().id());
        let check = |ring: Keyring, signed_by, expected: &[KeyId]| {
            let (current, next) = ring.after(signed_by);
            let mut found = vec![current.public().id()];
            found.extend(next.iter().map(|next| next.key.public().id()));
            assert_eq!(found, expected);
            assert!(next.iter().all(|next| next.change.is_some()));
        };
        let text = |key: &SigningKey| SigningKey::from_pkcs8(&key.pkcs8()).unwrap();
        let ring = || Keyring::with_older(text(&c), vec![text(&b), text(&a)], changes.clone());
        check(ring(), None, &[ids[2]]);
        check(ring(), Some(ids[2]), &[ids[2]]);
        check(ring(), Some(ids[1]), &[ids[1], ids[2]]);
        check(ring(), Some(ids[0]), &ids);
        check(ring(), Some(key().public().id()), &[ids[2]]);
    }
}
