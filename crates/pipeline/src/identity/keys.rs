//! An issuer's public keys: read from a JWK set (RFC 7517) with an algorithm pinned to each key, and the one place where a
//! token's signature is checked. A token's header can only narrow the choice of key by `kid`; it never brings a key, a URL or an
//! algorithm of its own.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::{Timestamp, limits};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::{Map, Value};

use super::json;
use super::jws::{self, Compact};

/// Smallest RSA modulus that is believed, in bits.
const RSA_BITS_MIN: usize = 2_048;
/// Largest, in bits: larger ones only burn time.
const RSA_BITS_MAX: usize = 8_192;

/// A public key and the one algorithm it verifies.
#[derive(Debug, Clone)]
pub(super) struct Key {
    pub(super) kid: Option<String>,
    pub(super) algorithm: Algorithm,
    public: DecodingKey,
    /// Entra's `issuer` member: the issuer, or a template of issuers, whose tokens this key may sign.
    pub(super) issuer: Option<String>,
}

/// Keys as they were at one moment.
#[derive(Debug, Clone)]
pub struct KeySet {
    keys: Vec<Key>,
    pub(super) fetched_at: Timestamp,
}

/// Why a token is not proved by a set of keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unproved {
    /// No key of that id.
    KeyUnknown,
    /// The key is for another algorithm.
    Algorithm,
    /// The key may not sign for the issuer that the token states.
    Issuer,
    /// The signature is not the key's.
    Signature,
}

/// A document that is no JWK set, or one without a usable key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadKeySet {
    /// Not a JSON object with `keys`.
    #[error("the key set is not a JSON object with a list of keys")]
    Form,
    /// No key in it can be used for signatures.
    #[error("the key set holds no usable signature key")]
    Empty,
}

impl KeySet {
    /// Reads a JWK set. Keys that are not for signatures, too weak or not understood are left out, as are those beyond
    /// [`limits::KEYS_MAX`]; RSA keys that state no algorithm get `rsa`.
    pub fn parse(bytes: &[u8], rsa: Algorithm, fetched_at: Timestamp) -> Result<Self, BadKeySet> {
        let document = json::object(bytes, limits::TOKEN_DEPTH_MAX).ok_or(BadKeySet::Form)?;
        let members = document
            .get("keys")
            .and_then(Value::as_array)
            .ok_or(BadKeySet::Form)?;
        let usable = members
            .iter()
            .filter_map(|member| Key::parse(member.as_object()?, rsa));
        let keys: Vec<Key> = usable.take(limits::KEYS_MAX).collect();
        if keys.is_empty() {
            Err(BadKeySet::Empty)
        } else {
            Ok(Self { keys, fetched_at })
        }
    }

    pub(super) fn from_keys(keys: Vec<Key>, fetched_at: Timestamp) -> Self {
        Self { keys, fetched_at }
    }

    /// How many keys there are.
    pub fn count(&self) -> usize {
        self.keys.len()
    }

    /// The algorithms its keys verify, each once.
    pub fn algorithms(&self) -> Vec<Algorithm> {
        let mut all: Vec<Algorithm> = Vec::new();
        for key in &self.keys {
            if !all.contains(&key.algorithm) {
                all.push(key.algorithm);
            }
        }
        all
    }

    /// Checks a token's signature. `may_sign` tells whether a key's `issuer` member fits the token.
    ///
    /// Two keys of one id are two candidates. A token without a `kid` has every key of its algorithm as a candidate.
    pub fn verify(
        &self,
        jws: &Compact<'_>,
        may_sign: impl Fn(&str) -> bool,
    ) -> Result<(), Unproved> {
        let mut nearest = Unproved::KeyUnknown;
        for key in self
            .keys
            .iter()
            .filter(|key| jws.kid.is_none() || key.kid == jws.kid)
        {
            let problem = if key.algorithm != jws.algorithm {
                Unproved::Algorithm
            } else if !key.issuer.as_deref().is_none_or(&may_sign) {
                Unproved::Issuer
            } else if key.signed(jws) {
                return Ok(());
            } else {
                Unproved::Signature
            };
            nearest = nearest.max_by_closeness(problem);
        }
        Err(nearest)
    }
}

impl Unproved {
    const fn closeness(self) -> u8 {
        match self {
            Self::KeyUnknown => 0,
            Self::Algorithm => 1,
            Self::Issuer => 2,
            Self::Signature => 3,
        }
    }

    const fn max_by_closeness(self, other: Self) -> Self {
        if other.closeness() > self.closeness() {
            other
        } else {
            self
        }
    }
}

impl Key {
    pub(super) const fn new(kid: String, algorithm: Algorithm, public: DecodingKey) -> Self {
        Self {
            kid: Some(kid),
            algorithm,
            public,
            issuer: None,
        }
    }

    fn parse(jwk: &Map<String, Value>, rsa: Algorithm) -> Option<Self> {
        let text = |name: &str| jwk.get(name).and_then(Value::as_str);
        // A published private key is nobody's key any more.
        if jwk.contains_key("d") || jwk.get("use").is_some_and(|usage| usage != "sig") {
            return None;
        }
        if let Some(operations) = jwk.get("key_ops") {
            operations
                .as_array()?
                .iter()
                .find(|operation| *operation == "verify")?;
        }
        let (public, own) = match (text("kty")?, text("crv")) {
            ("RSA", _) => (rsa_key(text("n")?, text("e")?)?, rsa),
            ("EC", Some("P-256")) => (ec_key(text("x")?, text("y")?, 32)?, Algorithm::ES256),
            ("EC", Some("P-384")) => (ec_key(text("x")?, text("y")?, 48)?, Algorithm::ES384),
            ("OKP", Some("Ed25519")) => (ed_key(text("x")?)?, Algorithm::EdDSA),
            _ => return None,
        };
        let algorithm = match jwk.get("alg") {
            None => own,
            Some(stated) => {
                let stated = jws::supported(stated.as_str()?)?;
                // An RSA key may state any RSA algorithm; every other type has exactly one.
                if stated != own && stated.family() != rsa.family()
                    || stated.family() != own.family()
                {
                    return None;
                }
                stated
            }
        };
        let kid = match jwk.get("kid") {
            None => None,
            Some(kid) => Some(kid.as_str()?.to_owned()),
        };
        let issuer = match jwk.get("issuer") {
            None => None,
            Some(issuer) => Some(issuer.as_str()?.to_owned()),
        };
        Some(Self {
            kid,
            algorithm,
            public,
            issuer,
        })
    }

    fn signed(&self, jws: &Compact<'_>) -> bool {
        jsonwebtoken::crypto::verify(
            jws.signature,
            jws.signed.as_bytes(),
            &self.public,
            self.algorithm,
        )
        .unwrap_or(false)
    }
}

fn rsa_key(n: &str, e: &str) -> Option<DecodingKey> {
    let n = URL_SAFE_NO_PAD.decode(n).ok()?;
    let e = URL_SAFE_NO_PAD.decode(e).ok()?;
    let n = &n[n.iter().position(|&byte| byte != 0)?..];
    let e = &e[e.iter().position(|&byte| byte != 0)?..];
    let bits = n.len() * 8 - usize::try_from(n[0].leading_zeros()).ok()?;
    let odd = |number: &[u8]| number.last().is_some_and(|byte| byte & 1 == 1);
    let sound = (RSA_BITS_MIN..=RSA_BITS_MAX).contains(&bits)
        && odd(n)
        && odd(e)
        && e != [1]
        && e.len() <= 4;
    sound.then(|| DecodingKey::from_rsa_raw_components(n, e))
}

fn ec_key(x: &str, y: &str, size: usize) -> Option<DecodingKey> {
    let point = |text: &str| {
        URL_SAFE_NO_PAD
            .decode(text)
            .ok()
            .filter(|bytes| bytes.len() == size)
    };
    let (x_bytes, y_bytes) = (point(x)?, point(y)?);
    let mut uncompressed = vec![4];
    uncompressed.extend(x_bytes);
    uncompressed.extend(y_bytes);
    Some(DecodingKey::from_ec_der(&uncompressed))
}

fn ed_key(x: &str) -> Option<DecodingKey> {
    let bytes = URL_SAFE_NO_PAD.decode(x).ok()?;
    (bytes.len() == 32).then(|| DecodingKey::from_ed_der(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn modulus(bits: usize) -> String {
        let mut bytes = vec![0xff; bits.div_ceil(8)];
        if !bits.is_multiple_of(8) {
            bytes[0] = (1 << (bits % 8)) - 1;
        }
        URL_SAFE_NO_PAD.encode(bytes)
    }

    fn check(key: &Value, algorithm: Option<Algorithm>) {
        let set = json!({ "keys": [key] });
        let read = KeySet::parse(
            set.to_string().as_bytes(),
            Algorithm::RS256,
            Timestamp::default(),
        );
        assert_eq!(
            read.map(|set| set.keys[0].algorithm).ok(),
            algorithm,
            "{key}"
        );
    }

    fn rsa(change: &Value) -> Value {
        let mut key = json!({"kty": "RSA", "kid": "1", "n": modulus(2_048), "e": "AQAB"});
        for (name, value) in change.as_object().unwrap() {
            key[name] = value.clone();
        }
        key
    }

    #[test]
    fn each_key_gets_one_algorithm_from_its_issuer() {
        check(&rsa(&json!({})), Some(Algorithm::RS256));
        check(
            &rsa(&json!({"use": "sig", "alg": "PS512"})),
            Some(Algorithm::PS512),
        );
        check(
            &rsa(&json!({"key_ops": ["verify"]})),
            Some(Algorithm::RS256),
        );
        let coordinate = URL_SAFE_NO_PAD.encode([7; 32]);
        check(
            &json!({"kty": "EC", "crv": "P-256", "x": coordinate, "y": coordinate}),
            Some(Algorithm::ES256),
        );
        check(
            &json!({"kty": "EC", "crv": "P-256", "x": coordinate, "y": coordinate, "alg": "ES384"}),
            None,
        );
        check(
            &json!({"kty": "EC", "crv": "P-256", "x": coordinate, "y": coordinate, "alg": "RS256"}),
            None,
        );
        check(
            &json!({"kty": "OKP", "crv": "Ed25519", "x": coordinate}),
            Some(Algorithm::EdDSA),
        );
        check(
            &json!({"kty": "OKP", "crv": "Ed25519", "x": coordinate, "alg": "EdDSA"}),
            Some(Algorithm::EdDSA),
        );
    }

    #[test]
    fn keys_that_must_not_verify_are_left_out() {
        let changes = [
            json!({"use": "enc"}),
            json!({"use": 1}),
            json!({"key_ops": ["sign"]}),
            json!({"key_ops": "verify"}),
            json!({"alg": "HS256"}),
            json!({"alg": "ES256"}),
            json!({"alg": "none"}),
            json!({"alg": "RSA-OAEP"}),
            json!({"alg": 7}),
            json!({"n": modulus(2_047)}),
            json!({"n": modulus(1_024)}),
            json!({"n": modulus(16_384)}),
            json!({"n": format!("AAAA{}", modulus(2_040))}),
            json!({"n": "not base64!"}),
            json!({"e": "AQ"}),
            json!({"e": "Ag"}),
            json!({"e": "AAAA"}),
            json!({"d": "AQAB"}),
            json!({"kid": 7}),
            json!({"kty": "oct", "k": "AQAB"}),
        ];
        for change in changes {
            check(&rsa(&change), None);
        }
        let short = URL_SAFE_NO_PAD.encode([7; 31]);
        check(
            &json!({"kty": "EC", "crv": "P-256", "x": short, "y": short}),
            None,
        );
        check(
            &json!({"kty": "EC", "crv": "P-521", "x": short, "y": short}),
            None,
        );
        check(&json!({"kty": "EC", "x": short, "y": short}), None);
        check(
            &json!({"kty": "OKP", "crv": "X25519", "x": URL_SAFE_NO_PAD.encode([7; 32])}),
            None,
        );
    }

    #[test]
    fn a_set_is_bounded_and_a_document_of_another_form_is_an_error() {
        let keys = vec![rsa(&json!({})); limits::KEYS_MAX + 10];
        let set = KeySet::parse(
            json!({ "keys": keys }).to_string().as_bytes(),
            Algorithm::RS256,
            Timestamp::default(),
        );
        assert_eq!(set.unwrap().count(), limits::KEYS_MAX);
        for (text, error) in [
            ("", BadKeySet::Form),
            ("[]", BadKeySet::Form),
            (r#"{"keys":{}}"#, BadKeySet::Form),
            (r#"{"keys":[],"keys":[]}"#, BadKeySet::Form),
            (r#"{"keys":[]}"#, BadKeySet::Empty),
            (r#"{"keys":[7]}"#, BadKeySet::Empty),
        ] {
            let read = KeySet::parse(text.as_bytes(), Algorithm::RS256, Timestamp::default());
            assert_eq!(read.unwrap_err(), error, "{text}");
        }
    }
}
