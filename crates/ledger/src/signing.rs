//! The key that signs checkpoints. `server` keeps its text as a secret and hands it in; only public keys and signatures leave.
//!
//! Keys are drawn by aws-lc-rs from its own generator and not from `domain::Ids`: a signing key must never come from a seeded
//! source, and tests do not depend on which key they have.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

use crate::Hash;

/// What a public key's text begins with.
const PUBLIC_PREFIX: &str = "doorward-ledger";

/// Why a key could not be made or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The generator gave no randomness.
    #[error("no randomness for a signing key")]
    Random,
    /// The bytes are no Ed25519 key in PKCS#8.
    #[error("not an Ed25519 signing key: expected PKCS#8, in base64 where it is a text")]
    NotPkcs8,
    /// The text is no public key of a ledger.
    #[error("not a ledger's public key: expected `doorward-ledger+<id>+<base64>`")]
    NotPublic,
}

/// Which key: the first 16 hex digits of SHA-256 over the public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId([u8; 8]);

impl fmt::Display for KeyId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&crate::chain::hex(&self.0))
    }
}

impl FromStr for KeyId {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let number = u64::from_str_radix(text, 16).map_err(|_| KeyError::NotPublic)?;
        let id = Self(number.to_be_bytes());
        if id.to_string() == text {
            Ok(id)
        } else {
            Err(KeyError::NotPublic)
        }
    }
}

impl Serialize for KeyId {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for KeyId {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = domain::written::Written::<'de>::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// The private key of a ledger. Never printed, never written by this crate.
pub struct SigningKey {
    pair: Ed25519KeyPair,
    public: PublicKey,
}

impl SigningKey {
    /// A new key, and the text under which to keep it: PKCS#8 in base64.
    pub fn generate() -> Result<(Self, SecretString), KeyError> {
        let document =
            Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(|_| KeyError::Random)?;
        let text = SecretString::from(BASE64_STANDARD.encode(document.as_ref()));
        Ok((Self::from_pkcs8(document.as_ref())?, text))
    }

    /// From PKCS#8 bytes.
    pub fn from_pkcs8(bytes: &[u8]) -> Result<Self, KeyError> {
        let pair = Ed25519KeyPair::from_pkcs8(bytes).map_err(|_| KeyError::NotPkcs8)?;
        let public = PublicKey(
            pair.public_key()
                .as_ref()
                .try_into()
                .map_err(|_| KeyError::NotPkcs8)?,
        );
        Ok(Self { pair, public })
    }

    /// From the text that [`SigningKey::generate`] gave; blanks around it do not matter.
    pub fn from_text(text: &SecretString) -> Result<Self, KeyError> {
        let bytes = BASE64_STANDARD
            .decode(text.expose_secret().trim())
            .map_err(|_| KeyError::NotPkcs8)?;
        Self::from_pkcs8(&bytes)
    }

    #[cfg(test)]
    pub(crate) fn pkcs8(&self) -> Vec<u8> {
        let document = self
            .pair
            .to_pkcs8()
            .expect("the key was made from its text");
        document.as_ref().to_vec()
    }

    /// The public half, to give to whoever verifies.
    pub const fn public(&self) -> PublicKey {
        self.public
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Signature {
        let mut signature = [0; 64];
        signature.copy_from_slice(self.pair.sign(message).as_ref());
        Signature(signature)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("SigningKey")
            .field(&self.public.id())
            .finish()
    }
}

/// The public key of a ledger; as text `doorward-ledger+<key id>+<base64 of the 32 bytes>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// The key's id.
    pub fn id(&self) -> KeyId {
        let mut id = [0; 8];
        id.copy_from_slice(&Hash::of(&self.0).0[..8]);
        KeyId(id)
    }

    pub(crate) fn verifies(&self, message: &[u8], signature: &Signature) -> bool {
        UnparsedPublicKey::new(&ED25519, self.0)
            .verify(message, &signature.0)
            .is_ok()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "{PUBLIC_PREFIX}+{}+{}",
            self.id(),
            BASE64_STANDARD.encode(self.0)
        )
    }
}

impl FromStr for PublicKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let mut parts = text.trim().splitn(3, '+');
        let (Some(PUBLIC_PREFIX), Some(id), Some(base64)) =
            (parts.next(), parts.next(), parts.next())
        else {
            return Err(KeyError::NotPublic);
        };
        let bytes = BASE64_STANDARD
            .decode(base64)
            .map_err(|_| KeyError::NotPublic)?;
        let key = Self(bytes.try_into().map_err(|_| KeyError::NotPublic)?);
        if key.id().to_string() == id {
            Ok(key)
        } else {
            Err(KeyError::NotPublic)
        }
    }
}

impl Serialize for PublicKey {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = domain::written::Written::<'de>::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// An Ed25519 signature; base64 in JSON.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature([u8; 64]);

impl fmt::Display for Signature {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&BASE64_STANDARD.encode(self.0))
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

impl Serialize for Signature {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Signature {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = domain::written::Written::<'de>::deserialize(from)?;
        let bytes = BASE64_STANDARD
            .decode(&*text)
            .map_err(serde::de::Error::custom)?;
        let bytes = bytes
            .try_into()
            .map_err(|_| serde::de::Error::custom("not 64 bytes"))?;
        Ok(Self(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_survives_its_text_and_never_shows_itself() {
        let (key, text) = SigningKey::generate().unwrap();
        let again = SigningKey::from_text(&text).unwrap();
        assert_eq!(key.public(), again.public());
        let shown = format!("{key:?} {text:?}");
        assert!(!shown.contains(text.expose_secret()), "{shown}");
    }

    #[test]
    fn a_public_key_reads_back_and_a_wrong_one_does_not() {
        let (key, _) = SigningKey::generate().unwrap();
        let text = key.public().to_string();
        assert_eq!(text.parse::<PublicKey>(), Ok(key.public()));
        let other = text.replacen(&key.public().id().to_string(), "0000000000000000", 1);
        for bad in [
            "",
            "doorward-ledger",
            "doorward-ledger+00+AA==",
            &other,
            &text.replace("doorward", "x"),
        ] {
            assert_eq!(bad.parse::<PublicKey>(), Err(KeyError::NotPublic), "{bad}");
        }
    }

    #[test]
    fn what_is_not_a_key_is_refused() {
        for bad in ["", "AAAA", "not base64"] {
            assert_eq!(
                SigningKey::from_text(&SecretString::from(bad)).unwrap_err(),
                KeyError::NotPkcs8
            );
        }
    }

    #[test]
    fn a_signature_holds_for_its_message_and_key_only() {
        let (key, _) = SigningKey::generate().unwrap();
        let (other, _) = SigningKey::generate().unwrap();
        let signature = key.sign(b"text");
        assert!(key.public().verifies(b"text", &signature));
        assert!(!key.public().verifies(b"texts", &signature));
        assert!(!other.public().verifies(b"text", &signature));
    }
}
