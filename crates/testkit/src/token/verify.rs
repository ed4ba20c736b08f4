//! A plain token check for the fakes that must verify for real: signature by a published key, algorithm by the key, issuer,
//! audience, times.

use std::sync::{Arc, RwLock};

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use domain::limits::TOKEN_BYTES_MAX;
use domain::{Clock, Timestamp};
use serde_json::{Value, json};

use super::{Key, unb64};

/// Why a fake did not believe a token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenFault {
    /// Not three parts of base64url, or not JSON inside.
    #[error("the token is malformed")]
    Malformed,
    /// No published key has its `kid`, or the key is of another kind than its `alg`.
    #[error("no published key fits the token")]
    NoKey,
    /// The signature is not of that key.
    #[error("the signature does not verify")]
    Signature,
    /// Expired, not valid yet, or without an end.
    #[error("the token is not valid at this time")]
    Time,
    /// Meant for somebody else.
    #[error("the audience is another")]
    Audience,
    /// Issued by somebody else.
    #[error("the issuer is another")]
    Issuer,
}

/// A live set of published keys; clones see its rotations.
#[derive(Debug, Clone, Default)]
pub struct Keys(Arc<RwLock<Vec<Published>>>);

/// A published key and, for Entra's, the issuer it is good for.
#[derive(Debug, Clone)]
struct Published {
    key: Key,
    issuer: Option<String>,
}

impl Keys {
    /// Publishes one more key.
    pub fn publish(&self, key: Key) {
        self.publish_for(key, None);
    }

    /// Publishes one more key with an `issuer` member, as Entra does.
    pub fn publish_for(&self, key: Key, issuer: Option<String>) {
        self.write().push(Published { key, issuer });
    }

    /// Withdraws all keys but the newest.
    pub fn keep_newest(&self) {
        let mut keys = self.write();
        let keep_from = keys.len().saturating_sub(1);
        keys.drain(..keep_from);
    }

    /// Withdraws all keys.
    pub fn withdraw_all(&self) {
        self.write().clear();
    }

    /// The set as a JWKS document.
    pub fn jwks(&self) -> Value {
        let keys: Vec<Value> = self.read().iter().map(Published::jwk).collect();
        json!({ "keys": keys })
    }

    /// Checks signature and times and returns the claims.
    pub fn verify(&self, token: &str, clock: &dyn Clock) -> Result<Value, TokenFault> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenFault::Malformed);
        }
        let (message, signature) = token.rsplit_once('.').ok_or(TokenFault::Malformed)?;
        let (header, payload) = message.split_once('.').ok_or(TokenFault::Malformed)?;
        let header = decoded(header)?;
        let kid = header["kid"].as_str().ok_or(TokenFault::NoKey)?;
        let jwk = self
            .read()
            .iter()
            .find(|published| published.key.kid() == kid)
            .map(|published| published.key.jwk())
            .ok_or(TokenFault::NoKey)?;
        if header["alg"] != jwk["alg"] || header.get("crit").is_some() {
            return Err(TokenFault::NoKey);
        }
        let signature = unb64(signature).ok_or(TokenFault::Malformed)?;
        check_signature(&jwk, message.as_bytes(), &signature)?;
        let claims = decoded(payload)?;
        check_times(&claims, clock.now())?;
        Ok(claims)
    }

    /// As [`Keys::verify`], and the issuer and audience must be these.
    pub fn verify_for(
        &self,
        token: &str,
        clock: &dyn Clock,
        issuers: &[&str],
        audiences: &[&str],
    ) -> Result<Value, TokenFault> {
        let claims = self.verify(token, clock)?;
        let is_one_of =
            |value: &Value, of: &[&str]| value.as_str().is_some_and(|v| of.contains(&v));
        if !is_one_of(&claims["iss"], issuers) {
            return Err(TokenFault::Issuer);
        }
        let fits = match &claims["aud"] {
            Value::Array(list) => list.iter().any(|one| is_one_of(one, audiences)),
            one => is_one_of(one, audiences),
        };
        if fits {
            Ok(claims)
        } else {
            Err(TokenFault::Audience)
        }
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Vec<Published>> {
        self.0.read().expect("no holder of this lock panics")
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, Vec<Published>> {
        self.0.write().expect("no holder of this lock panics")
    }
}

impl Published {
    /// With an issuer it looks as Entra's do: `issuer` and `x5t` are there, `alg` is not.
    fn jwk(&self) -> Value {
        let mut jwk = self.key.jwk();
        if let (Some(issuer), Some(members)) = (&self.issuer, jwk.as_object_mut()) {
            members.shift_remove("alg");
            members.insert("x5t".to_owned(), json!(self.key.kid()));
            members.insert("issuer".to_owned(), json!(issuer));
        }
        jwk
    }
}

fn decoded(part: &str) -> Result<Value, TokenFault> {
    let bytes = unb64(part).ok_or(TokenFault::Malformed)?;
    serde_json::from_slice(&bytes).map_err(|_| TokenFault::Malformed)
}

fn check_signature(jwk: &Value, message: &[u8], signature: &[u8]) -> Result<(), TokenFault> {
    let part = |name: &str| jwk[name].as_str().and_then(unb64).ok_or(TokenFault::NoKey);
    let verified = if jwk["kty"] == "RSA" {
        let key = RsaPublicKeyComponents {
            n: part("n")?,
            e: part("e")?,
        };
        key.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
    } else {
        let point = [vec![4], part("x")?, part("y")?].concat();
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, signature)
    };
    verified.map_err(|_| TokenFault::Signature)
}

fn check_times(claims: &Value, now: Timestamp) -> Result<(), TokenFault> {
    let ends = claims["exp"].as_i64().ok_or(TokenFault::Time)?;
    let begins = claims["nbf"].as_i64().unwrap_or(i64::MIN);
    if now.unix_s() < ends && now.unix_s() >= begins {
        Ok(())
    } else {
        Err(TokenFault::Time)
    }
}
