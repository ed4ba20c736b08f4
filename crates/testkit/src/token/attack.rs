//! The tokens an attacker would bring, each spoilt in one way. A verifier must refuse every one of them.
//!
//! The list follows reference case lists for JWT verifiers (RFC 8725 and the known bugs behind it).

use aws_lc_rs::hmac;
use domain::Timestamp;
use serde_json::{Value, json};

use super::{Algorithm, Key, b64};

/// One spoilt token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attack {
    /// What is wrong with it; usable as the name of a table row.
    pub name: &'static str,
    /// The token.
    pub token: String,
}

/// Every attack that can be made from a key the verifier trusts and claims it would accept.
///
/// `good` must hold `iss`, `aud`, `iat` and `exp`; `now` is the verifier's time.
pub fn all(key: &Key, good: &Value, now: Timestamp) -> Vec<Attack> {
    let mut attacks = unsigned(key, good);
    attacks.extend(confused_keys(key, good));
    attacks.extend(misleading_headers(key, good));
    attacks.extend(wrong_times(key, good, now));
    attacks.extend(wrong_parties(key, good));
    attacks.extend(broken_forms(key, good));
    attacks
}

/// A token signed with HMAC under a secret of the attacker's choice, such as the verifier's public key.
pub fn hs256(header: &Value, claims: &Value, secret: &[u8]) -> String {
    let message = format!("{}.{}", b64(header.to_string()), b64(claims.to_string()));
    let tag = hmac::sign(
        &hmac::Key::new(hmac::HMAC_SHA256, secret),
        message.as_bytes(),
    );
    format!("{message}.{}", b64(tag))
}

/// A copy of `value` with one member set.
fn set(value: &Value, member: &str, to: Value) -> Value {
    let mut copy = value.clone();
    copy[member] = to;
    copy
}

/// A copy of `value` without one member.
fn unset(value: &Value, member: &str) -> Value {
    let mut copy = value.clone();
    if let Some(members) = copy.as_object_mut() {
        members.shift_remove(member);
    }
    copy
}

fn attack(name: &'static str, token: String) -> Attack {
    Attack { name, token }
}

fn unsigned(key: &Key, good: &Value) -> Vec<Attack> {
    let header = key.header();
    let honest = key.sign(good);
    let (message, signature) = honest.rsplit_once('.').unwrap_or_default();
    let none = |alg: &str| {
        let header = set(&header, "alg", json!(alg));
        format!("{}.{}.", b64(header.to_string()), b64(good.to_string()))
    };
    let raised = set(good, "groups", json!(["administrators"]));
    let (head, _) = message.split_once('.').unwrap_or_default();
    vec![
        attack("alg none", none("none")),
        attack("alg None", none("None")),
        attack("alg NONE", none("NONE")),
        attack("signature removed", format!("{message}.")),
        attack("signature part removed", message.to_owned()),
        attack(
            "signature of zeros",
            format!("{message}.{}", b64([0u8; 64])),
        ),
        attack(
            "claims replaced",
            format!("{head}.{}.{signature}", b64(raised.to_string())),
        ),
        attack("signature cut short", honest[..honest.len() - 8].to_owned()),
    ]
}

fn confused_keys(key: &Key, good: &Value) -> Vec<Attack> {
    let hs = set(&key.header(), "alg", json!("HS256"));
    let public_jwk = key.jwk();
    let modulus = public_jwk["n"]
        .as_str()
        .unwrap_or_else(|| public_jwk["x"].as_str().unwrap_or(""));
    let other_kind = match key.algorithm() {
        Algorithm::Rs256 => Algorithm::Es256,
        Algorithm::Es256 => Algorithm::Rs256,
    };
    let stranger = Key::generate(Algorithm::Es256, key.kid());
    let named_other = set(&key.header(), "alg", json!(other_kind.name()));
    vec![
        attack(
            "HS256 with the public key's PEM",
            hs256(&hs, good, key.public_pem().as_bytes()),
        ),
        attack(
            "HS256 with the public key's DER",
            hs256(&hs, good, &key.public_der()),
        ),
        attack(
            "HS256 with the public key's JWK",
            hs256(&hs, good, public_jwk.to_string().as_bytes()),
        ),
        attack(
            "HS256 with the public key's number",
            hs256(&hs, good, modulus.as_bytes()),
        ),
        attack("HS256 with an empty secret", hs256(&hs, good, b"")),
        attack("a stranger's key under our key id", stranger.sign(good)),
        attack(
            "another algorithm named than the key's",
            key.sign_with(&named_other, good),
        ),
        attack(
            "PS256 named over a PKCS1 signature",
            key.sign_with(&set(&key.header(), "alg", json!("PS256")), good),
        ),
        attack(
            "RS512 named over a SHA-256 signature",
            key.sign_with(&set(&key.header(), "alg", json!("RS512")), good),
        ),
    ]
}

fn misleading_headers(key: &Key, good: &Value) -> Vec<Attack> {
    let header = key.header();
    let stranger = Key::generate(Algorithm::Es256, "stranger");
    let with = |name: &str, value: Value| key.sign_with(&set(&header, name, value), good);
    let embedded = set(&stranger.header(), "jwk", stranger.jwk());
    let pointed = |name: &str| {
        let header = set(&stranger.header(), name, json!("http://127.0.0.1:9/keys"));
        stranger.sign_with(&header, good)
    };
    vec![
        attack(
            "embedded jwk of the attacker",
            stranger.sign_with(&embedded, good),
        ),
        attack("jku of the attacker", pointed("jku")),
        attack("x5u of the attacker", pointed("x5u")),
        attack("unknown kid", stranger.sign(good)),
        attack("kid as a path", with("kid", json!("../../../../dev/null"))),
        attack("kid as SQL", with("kid", json!("' OR '1'='1"))),
        attack("kid as a number", with("kid", json!(1))),
        attack("very long kid", with("kid", json!("k".repeat(8_000)))),
        attack("unknown crit", with("crit", json!(["x-unknown"]))),
        attack("empty crit", with("crit", json!([]))),
        attack(
            "b64 false",
            key.sign_with(
                &set(&set(&header, "b64", json!(false)), "crit", json!(["b64"])),
                good,
            ),
        ),
        attack("typ of another kind", with("typ", json!("secevent+jwt"))),
        attack(
            "header that is no object",
            key.sign_text("[]", &good.to_string()),
        ),
        attack(
            "duplicate alg",
            key.sign_text(&doubled(&header, "alg", "none"), &good.to_string()),
        ),
    ]
}

/// The JSON text of `value` with one member once more, in front.
fn doubled(value: &Value, member: &str, with: &str) -> String {
    format!("{{\"{member}\":\"{with}\",{}", &value.to_string()[1..])
}

fn wrong_times(key: &Key, good: &Value, now: Timestamp) -> Vec<Attack> {
    let s = now.unix_s();
    let exp = |value: Value| key.sign(&set(good, "exp", value));
    vec![
        attack("expired an hour ago", exp(json!(s - 3_600))),
        attack("expired two minutes ago", exp(json!(s - 120))),
        attack("no exp", key.sign(&unset(good, "exp"))),
        attack("exp as text", exp(json!((s + 600).to_string()))),
        attack("exp null", exp(Value::Null)),
        attack("exp negative", exp(json!(-1))),
        attack("exp in a list", exp(json!([s + 600]))),
        attack(
            "nbf in an hour",
            key.sign(&set(good, "nbf", json!(s + 3_600))),
        ),
        attack(
            "nbf as text",
            key.sign(&set(good, "nbf", json!((s + 3_600).to_string()))),
        ),
        attack(
            "iat in an hour",
            key.sign(&set(good, "iat", json!(s + 3_600))),
        ),
    ]
}

fn wrong_parties(key: &Key, good: &Value) -> Vec<Attack> {
    let iss = good["iss"].as_str().unwrap_or_default();
    let aud = |value: Value| key.sign(&set(good, "aud", value));
    let issuer = |value: Value| key.sign(&set(good, "iss", value));
    vec![
        attack("another audience", aud(json!("somebody-else"))),
        attack(
            "list of other audiences",
            aud(json!(["somebody-else", "and-another"])),
        ),
        attack("empty audience list", aud(json!([]))),
        attack("no audience", key.sign(&unset(good, "aud"))),
        attack(
            "audience with a blank",
            aud(json!(format!(
                "{} ",
                good["aud"].as_str().unwrap_or_default()
            ))),
        ),
        attack(
            "another issuer",
            issuer(json!("https://login.attacker.example/")),
        ),
        attack(
            "issuer with one more slash",
            issuer(json!(format!("{iss}/"))),
        ),
        attack("issuer in capitals", issuer(json!(iss.to_uppercase()))),
        attack("issuer in a list", issuer(json!([iss]))),
        attack(
            "issuer template left as it is",
            issuer(json!("https://login.microsoftonline.com/{tenantid}/v2.0")),
        ),
        attack("no issuer", key.sign(&unset(good, "iss"))),
        attack("no subject", key.sign(&unset(&unset(good, "sub"), "oid"))),
    ]
}

fn broken_forms(key: &Key, good: &Value) -> Vec<Attack> {
    let honest = key.sign(good);
    let header = key.header().to_string();
    let text = |claims: &str| key.sign_text(&header, claims);
    let deep = format!("{{\"a\":{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    vec![
        attack("four parts", format!("{honest}.{}", b64("more"))),
        attack(
            "two parts",
            format!("{}.{}", b64(&header), b64(good.to_string())),
        ),
        attack("padding at the end", format!("{honest}==")),
        attack("newline at the end", format!("{honest}\n")),
        attack("blank inside", honest.replacen('.', ". ", 1)),
        attack(
            "standard base64 alphabet",
            honest.replace('-', "+").replace('_', "/") + "+",
        ),
        attack(
            "duplicate sub",
            text(&doubled(good, "sub", "somebody-else")),
        ),
        attack(
            "duplicate aud",
            text(&doubled(good, "aud", "somebody-else")),
        ),
        attack("claims that are no object", text("\"claims\"")),
        attack("claims that are no JSON", text("{")),
        attack("very deep claims", text(&deep)),
        attack(
            "very large",
            key.sign(&set(good, "filler", json!("x".repeat(1_000_000)))),
        ),
        attack("not a token at all", "not-a-token".to_owned()),
        attack("empty", String::new()),
    ]
}
