//! Every spoilt token an attacker could bring, each refused for the right reason.

use domain::{ReasonCode, limits};
use pipeline::identity::jws::Jws;
use serde_json::json;
use testkit::idp::Endpoint;
use testkit::idp::IdpBuilder;
use testkit::token::attack::hs256;

use super::{Rig, generic};

/// The reason of each attack of `testkit::token::attack`, by its name.
fn expected(name: &str) -> &'static [ReasonCode] {
    use ReasonCode::{
        CredentialMalformed, CredentialMissing, TokenAlgorithm, TokenAudience, TokenClaims,
        TokenExpired, TokenIssuer, TokenKeyUnknown, TokenNotYetValid, TokenSignature,
    };
    match name {
        "signature removed" | "signature of zeros" | "claims replaced" => &[TokenSignature],
        // What is left of it may or may not be canonical base64url.
        "signature cut short" => &[TokenSignature, CredentialMalformed],
        // It signs with ES256: another algorithm than an RSA key's, the same as an ES256 key's.
        "a stranger's key under our key id" => &[TokenSignature, TokenAlgorithm],
        "alg none"
        | "alg None"
        | "alg NONE"
        | "another algorithm named than the key's"
        | "PS256 named over a PKCS1 signature"
        | "RS512 named over a SHA-256 signature" => &[TokenAlgorithm],
        "embedded jwk of the attacker"
        | "jku of the attacker"
        | "x5u of the attacker"
        | "unknown kid"
        | "kid as a path"
        | "kid as SQL"
        | "very long kid" => &[TokenKeyUnknown],
        "expired an hour ago" | "expired two minutes ago" => &[TokenExpired],
        "nbf in an hour" | "iat in an hour" => &[TokenNotYetValid],
        "no exp" | "exp as text" | "exp null" | "exp negative" | "exp in a list"
        | "nbf as text" | "no audience" | "issuer in a list" | "no issuer" | "no subject" => {
            &[TokenClaims]
        }
        "another audience"
        | "list of other audiences"
        | "empty audience list"
        | "audience with a blank" => &[TokenAudience],
        "another issuer"
        | "issuer with one more slash"
        | "issuer in capitals"
        | "issuer template left as it is" => &[TokenIssuer],
        "empty" => &[CredentialMissing],
        name if name.starts_with("HS256") => &[TokenAlgorithm],
        _ => &[CredentialMalformed],
    }
}

async fn every_attack_is_refused(build: impl FnOnce(IdpBuilder) -> IdpBuilder) {
    let rig = Rig::with(build, |idp| vec![generic(idp)]).await;
    let good = rig.claims("ada", &json!({}));
    rig.caller(&rig.idp.mint(&good)).await;
    let attacks = rig.idp.attacks(&good);
    assert!(attacks.len() > 60, "the list is there");
    for attack in attacks {
        let code = if attack.token.contains('\n') {
            // No header can carry it; the parser refuses it nevertheless.
            Jws::parse(&attack.token).unwrap_err().code()
        } else {
            rig.ask(&attack.token)
                .await
                .map(|_| ())
                .expect_err(attack.name)
        };
        assert!(
            expected(attack.name).contains(&code),
            "{}: {code}",
            attack.name
        );
    }
    assert!(
        rig.idp.hits(Endpoint::Jwks) <= 2,
        "unknown keys are looked for once"
    );
}

#[tokio::test]
async fn every_attack_on_an_rsa_issuer_is_refused_for_its_reason() {
    Box::pin(every_attack_is_refused(|builder| builder)).await;
}

#[tokio::test]
async fn every_attack_on_an_elliptic_curve_issuer_is_refused_for_its_reason() {
    Box::pin(every_attack_is_refused(IdpBuilder::es256)).await;
}

#[tokio::test]
async fn an_algorithm_of_the_attackers_choice_is_refused_before_any_key_is_looked_for() {
    let rig = Rig::new().await;
    let claims = rig.claims("ada", &json!({}));
    for alg in [
        "HS256", "HS384", "HS512", "none", "nonE", "", "RS1", "ES256K", "ES512", "dir", "A128KW",
    ] {
        let token = hs256(&json!({"alg": alg, "kid": "key-1"}), &claims, b"secret");
        assert_eq!(
            rig.ask(&token).await.unwrap_err(),
            ReasonCode::TokenAlgorithm,
            "{alg}"
        );
    }
    assert_eq!(rig.idp.hits(Endpoint::Jwks), 0);
}

#[tokio::test]
async fn the_type_of_a_token_must_be_one_that_stands_for_a_caller() {
    let rig = Rig::new().await;
    let claims = rig.claims("ada", &json!({}));
    let key = rig.idp.signing_key();
    let typed = |typ: &str| {
        key.sign_with(
            &json!({"alg": "ES256", "kid": key.kid(), "typ": typ}),
            &claims,
        )
    };
    for typ in ["JWT", "jwt", "at+jwt", "application/at+jwt", "AT+JWT"] {
        rig.caller(&typed(typ)).await;
    }
    for typ in [
        "secevent+jwt",
        "logout+jwt",
        "dpop+jwt",
        "dws+jwt",
        "kb+jwt",
        "JOSE",
        "",
        "application/jwt2",
    ] {
        assert_eq!(
            rig.ask(&typed(typ)).await.unwrap_err(),
            ReasonCode::CredentialMalformed,
            "{typ}"
        );
    }
}

#[tokio::test]
async fn header_members_that_name_keys_or_addresses_are_never_used() {
    let rig = Rig::new().await;
    let claims = rig.claims("ada", &json!({}));
    let key = rig.idp.signing_key();
    let url = format!("{}/token", rig.idp.url());
    let header = json!({
        "alg": "ES256", "kid": key.kid(), "jku": url, "x5u": url, "jwk": key.jwk(), "x5c": ["AAAA"], "x5t": "AAAA",
    });
    rig.caller(&key.sign_with(&header, &claims)).await;
    assert_eq!(
        rig.idp.hits(Endpoint::Token),
        0,
        "no address of a token is asked"
    );
}

#[tokio::test]
async fn refusals_help_without_repeating_the_token() {
    let rig = Rig::new().await;
    let message = |refusal: domain::Refusal| refusal.first().message.clone();
    let foreign = rig.token(
        "ada",
        &json!({"aud": "api://other", "email": "ada@secret.example"}),
    );
    assert_eq!(
        message(rig.refusal(&foreign).await),
        format!(
            "The token's audience api://other is not accepted; expected {}.",
            super::AUDIENCE
        )
    );
    let missing = rig.token("ada", &json!({"exp": null}));
    assert_eq!(
        message(rig.refusal(&missing).await),
        "The token's claim `exp` is missing."
    );
    let key = message(rig.refusal("sk-ant-api03-abcdefgh").await);
    assert!(
        key.starts_with("Anthropic API keys are not accepted here") && !key.contains("abcdefgh"),
        "{key}"
    );
    let issuer = rig.token("ada", &json!({"iss": "https://evil.example/<b>\u{202e}"}));
    let text = message(rig.refusal(&issuer).await);
    assert!(
        text.contains("https://evil.example/?b??") && !text.contains('<'),
        "{text}"
    );
}

#[tokio::test]
async fn a_token_that_lives_too_long_is_refused() {
    let rig = Rig::new().await;
    let now_s = rig.idp.id_claims(&rig.idp.person("ada").unwrap(), "x")["iat"]
        .as_i64()
        .unwrap();
    let living = |seconds: i64| rig.token("ada", &json!({"exp": now_s + seconds}));
    rig.caller(&living(limits::TOKEN_LIFETIME_MAX_S)).await;
    let refusal = rig.refusal(&living(limits::TOKEN_LIFETIME_MAX_S + 1)).await;
    assert_eq!(refusal.code(), ReasonCode::TokenLifetime);
}
