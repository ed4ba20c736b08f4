//! Takes a compact JWS (RFC 7515) apart, strictly: bounded size, exactly three segments, canonical base64url, header and claims
//! that can be read in one way only, no extension we do not implement. It proves nothing: a signature is checked by
//! [`super::keys`], and nothing of the header chooses a key beyond its `kid`.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::{ReasonCode, Refusal, limits};
use jsonwebtoken::Algorithm;
use serde_json::{Map, Value};

use super::json;

/// A token taken apart, nothing of it proved.
#[derive(Debug)]
pub struct Compact<'t> {
    /// What was signed: the first two segments with their dot.
    pub(super) signed: &'t str,
    /// The third segment.
    pub(super) signature: &'t str,
    /// The algorithm its header states; one we can verify.
    pub(super) algorithm: Algorithm,
    /// The key its header names.
    pub(super) kid: Option<String>,
    /// Its `typ`, lower case, without `application/`.
    pub(super) typ: Option<String>,
    payload: Vec<u8>,
}

/// A JWT taken apart: a compact JWS whose payload is one JSON object. Nothing of it proved.
#[derive(Debug)]
pub struct Jws<'t> {
    pub(super) compact: Compact<'t>,
    /// Its claims.
    pub(super) claims: Map<String, Value>,
}

/// Header members that change what the signature covers or where a key comes from. `crit` and `b64` (RFC 7797) are refused
/// because ignoring them means verifying something else than the signer signed; `enc` and `zip` belong to encryption.
const REFUSED: [&str; 4] = ["crit", "b64", "enc", "zip"];

impl<'t> Jws<'t> {
    /// Takes a token apart.
    pub fn parse(token: &'t str) -> Result<Self, Refusal> {
        let compact = Compact::parse(token)?;
        let claims = json::object(&compact.payload, limits::TOKEN_DEPTH_MAX).ok_or_else(|| {
            malformed(
                "The token's claims are not one JSON object that can be read in one way only.",
            )
        })?;
        Ok(Self { compact, claims })
    }
}

impl<'t> Compact<'t> {
    /// Takes a compact JWS apart, whatever its payload is.
    pub fn parse(token: &'t str) -> Result<Self, Refusal> {
        if token.len() > limits::TOKEN_BYTES_MAX {
            let text = format!(
                "The token is longer than {} bytes.",
                limits::TOKEN_BYTES_MAX
            );
            return Err(malformed(&text));
        }
        let mut segments = token.split('.');
        let (Some(head), Some(body), Some(signature), None) = (
            segments.next(),
            segments.next(),
            segments.next(),
            segments.next(),
        ) else {
            return Err(malformed(
                "The token does not have the three parts of a signed token.",
            ));
        };
        let decode = |segment: &str| {
            let spelling = || malformed("A part of the token is not canonical base64url.");
            URL_SAFE_NO_PAD.decode(segment).map_err(|_| spelling())
        };
        let header = json::object(&decode(head)?, limits::TOKEN_DEPTH_MAX).ok_or_else(|| {
            malformed("The token's header is not one JSON object that can be read in one way only.")
        })?;
        let payload = decode(body)?;
        // Decoded here so that no two spellings of one signature pass; decoded again where it is checked.
        decode(signature)?;
        let signed = &token[..head.len() + 1 + body.len()];
        let (algorithm, kid, typ) = read(&header)?;
        Ok(Self {
            signed,
            signature,
            algorithm,
            kid,
            typ,
            payload,
        })
    }
}

type Read = (Algorithm, Option<String>, Option<String>);

fn read(header: &Map<String, Value>) -> Result<Read, Refusal> {
    if let Some(name) = REFUSED.iter().find(|&&name| header.contains_key(name)) {
        let text = format!("The token's header asks for `{name}`, which we do not support.");
        return Err(malformed(&text));
    }
    let algorithm = text(header, "alg")?.and_then(supported).ok_or_else(|| {
        let text = "The token is not signed with an algorithm we accept (RS, PS, ES or EdDSA).";
        Refusal::new(ReasonCode::TokenAlgorithm, text)
    })?;
    let kid = text(header, "kid")?.map(str::to_owned);
    let typ = text(header, "typ")?.map(|typ| {
        let typ = typ.to_ascii_lowercase();
        typ.strip_prefix("application/")
            .map(str::to_owned)
            .unwrap_or(typ)
    });
    Ok((algorithm, kid, typ))
}

/// The algorithms we verify. No symmetric one: a public key must never serve as a shared secret.
pub(super) fn supported(name: &str) -> Option<Algorithm> {
    match name {
        "RS256" => Some(Algorithm::RS256),
        "RS384" => Some(Algorithm::RS384),
        "RS512" => Some(Algorithm::RS512),
        "PS256" => Some(Algorithm::PS256),
        "PS384" => Some(Algorithm::PS384),
        "PS512" => Some(Algorithm::PS512),
        "ES256" => Some(Algorithm::ES256),
        "ES384" => Some(Algorithm::ES384),
        "EdDSA" | "Ed25519" => Some(Algorithm::EdDSA),
        _ => None,
    }
}

fn text<'a>(header: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, Refusal> {
    match header.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(malformed(&format!(
            "The token's header states `{name}` in a wrong form."
        ))),
    }
}

fn malformed(what: &str) -> Refusal {
    Refusal::new(ReasonCode::CredentialMalformed, what)
}
