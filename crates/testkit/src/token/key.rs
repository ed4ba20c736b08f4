//! Signing keys. A key signs whatever header and claims it is given, sensible or not.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::b64;

/// How a key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256 and a 2048-bit key.
    Rs256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
}

impl Algorithm {
    /// Its name in a token's header.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
        }
    }
}

enum Pair {
    Rsa(RsaKeyPair),
    P256(EcdsaKeyPair),
}

/// A signing key with its id. Clones are the same key.
#[derive(Clone)]
pub struct Key {
    kid: Arc<str>,
    pair: Arc<Pair>,
}

impl fmt::Debug for Key {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Key")
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}

impl Key {
    /// Makes a new key. RSA takes tens of milliseconds.
    pub fn generate(algorithm: Algorithm, kid: &str) -> Self {
        let pair = match algorithm {
            Algorithm::Rs256 => Pair::Rsa(
                RsaKeyPair::generate(KeySize::Rsa2048).expect("the crypto library makes RSA keys"),
            ),
            Algorithm::Es256 => Pair::P256(
                EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)
                    .expect("the crypto library makes P-256 keys"),
            ),
        };
        Self {
            kid: kid.into(),
            pair: Arc::new(pair),
        }
    }

    /// The same key under another id.
    #[must_use]
    pub fn renamed(&self, kid: &str) -> Self {
        Self {
            kid: kid.into(),
            pair: Arc::clone(&self.pair),
        }
    }

    /// Its id.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// How it signs.
    pub fn algorithm(&self) -> Algorithm {
        match &*self.pair {
            Pair::Rsa(_) => Algorithm::Rs256,
            Pair::P256(_) => Algorithm::Es256,
        }
    }

    /// The header an honest token of this key has.
    pub fn header(&self) -> Value {
        json!({"alg": self.algorithm().name(), "typ": "JWT", "kid": &*self.kid})
    }

    /// An honest token with these claims, exactly as given.
    pub fn sign(&self, claims: &Value) -> String {
        self.sign_with(&self.header(), claims)
    }

    /// A token with this header and these claims, exactly as given.
    pub fn sign_with(&self, header: &Value, claims: &Value) -> String {
        self.sign_text(&header.to_string(), &claims.to_string())
    }

    /// A token whose header and claims are these texts, JSON or not.
    pub fn sign_text(&self, header: &str, claims: &str) -> String {
        let message = format!("{}.{}", b64(header), b64(claims));
        let signature = b64(self.signature(message.as_bytes()));
        format!("{message}.{signature}")
    }

    /// The raw signature over a message.
    pub fn signature(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &*self.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)
                    .expect("a generated RSA key signs");
                signature
            }
            Pair::P256(pair) => pair
                .sign(&random, message)
                .expect("a generated P-256 key signs")
                .as_ref()
                .to_vec(),
        }
    }

    /// The public half as a JSON Web Key, with `use`, `alg` and `kid`.
    pub fn jwk(&self) -> Value {
        let alg = self.algorithm().name();
        match &*self.pair {
            Pair::Rsa(pair) => {
                let (n, e) = modulus_and_exponent(pair.public_key().as_ref());
                json!({"kty": "RSA", "use": "sig", "alg": alg, "kid": &*self.kid, "n": b64(n), "e": b64(e)})
            }
            Pair::P256(pair) => {
                let point = pair.public_key().as_ref();
                json!({"kty": "EC", "crv": "P-256", "use": "sig", "alg": alg, "kid": &*self.kid,
                       "x": b64(&point[1..33]), "y": b64(&point[33..65])})
            }
        }
    }

    /// The public half as SubjectPublicKeyInfo, DER.
    pub fn public_der(&self) -> Vec<u8> {
        let der: Result<PublicKeyX509Der<'_>, _> = match &*self.pair {
            Pair::Rsa(pair) => pair.public_key().as_der(),
            Pair::P256(pair) => pair.public_key().as_der(),
        };
        der.expect("a generated key has a public half")
            .as_ref()
            .to_vec()
    }

    /// The public half as PEM (`BEGIN PUBLIC KEY`).
    pub fn public_pem(&self) -> String {
        let code = STANDARD.encode(self.public_der());
        let lines: Vec<&str> = code
            .as_bytes()
            .chunks(64)
            .map(|line| str::from_utf8(line).unwrap_or_default())
            .collect();
        format!(
            "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
            lines.join("\n")
        )
    }
}

/// Modulus and exponent of a PKCS#1 `RSAPublicKey`: a sequence of two integers, each without its sign byte.
fn modulus_and_exponent(der: &[u8]) -> (&[u8], &[u8]) {
    let (content, _) = der_element(der);
    let (n, rest) = der_element(content);
    let (e, _) = der_element(rest);
    (n.strip_prefix(&[0]).unwrap_or(n), e)
}

/// The content of the first DER element, and what follows it. Only for DER of our own making.
fn der_element(der: &[u8]) -> (&[u8], &[u8]) {
    let (start, length) = match der[1] {
        short @ 0..=0x7f => (2, usize::from(short)),
        long => {
            let bytes = usize::from(long & 0x7f);
            let length = der[2..2 + bytes]
                .iter()
                .fold(0, |sum, &b| (sum << 8) | usize::from(b));
            (2 + bytes, length)
        }
    };
    (&der[start..start + length], &der[start + length..])
}
