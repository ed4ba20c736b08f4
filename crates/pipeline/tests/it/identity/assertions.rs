//! Identity assertions: believed of issuers that were configured for it, for us alone, for the program that brings them, once.

use domain::{Clock as _, ReasonCode, Refusal};
use pipeline::identity::Resource;
use pipeline::identity::assertion::Assertion;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use testkit::idp::IdpBuilder;

use super::{PUBLIC_URL, Rig, bearer, changed, generic};

const CLIENT: &str = "https://claude.ai/oauth/client";

async fn rig(trusted: bool) -> Rig {
    Rig::with(IdpBuilder::es256, |idp| {
        let mut config = generic(idp);
        config.identity_assertions = trusted;
        vec![config]
    })
    .await
}

/// An assertion about Ada, with claims and header changed; null takes one away.
fn minted(rig: &Rig, claims: &Value, header: &Value) -> String {
    let now = rig.clock.now().unix_s();
    let person = rig.idp.person("ada").unwrap();
    let sub = rig.idp.id_claims(&person, "x")["sub"].clone();
    let good = json!({
        "iss": rig.idp.issuer(),
        "sub": sub,
        "aud": PUBLIC_URL,
        "client_id": CLIENT,
        "jti": "j-1",
        "iat": now,
        "exp": now + 300,
        "resource": format!("{PUBLIC_URL}/mcp/tasks"),
        "scope": "mcp",
    });
    let key = rig.idp.signing_key();
    let typed = changed(key.header(), &json!({"typ": "oauth-id-jag+jwt"}));
    key.sign_with(&changed(typed, header), &changed(good, claims))
}

async fn prove(rig: &Rig, text: &str) -> Result<Assertion, Refusal> {
    rig.identity.assertion(text, (PUBLIC_URL, CLIENT)).await
}

async fn check(claims: &Value, header: &Value, expected: ReasonCode) {
    let rig = rig(true).await;
    let refused = prove(&rig, &minted(&rig, claims, header)).await;
    assert_eq!(refused.unwrap_err().code(), expected, "{claims} {header}");
}

#[tokio::test]
async fn an_assertion_is_worth_one_token_for_its_connector_and_program() {
    let rig = rig(true).await;
    let text = minted(&rig, &json!({}), &json!({}));
    let assertion = prove(&rig, &text).await.unwrap();
    let tasks = Resource::connector(PUBLIC_URL, "tasks").unwrap();
    assert_eq!(assertion.resource.as_deref(), Some(tasks.as_str()));
    let to = (CLIENT, "Claude");
    let taken = rig.sessions.assert(&assertion, to, (&tasks, "mcp")).await;
    let brief = taken.unwrap().unwrap();
    let headers = bearer(brief.access.expose_secret());
    let verified = rig.identity.identify_at(&headers, &tasks).await.unwrap();
    assert_eq!(verified.caller.session, Some(brief.session));
    let all = Resource::all(PUBLIC_URL);
    let elsewhere = rig.identity.identify_at(&headers, &all).await.unwrap_err();
    assert_eq!(elsewhere.code(), ReasonCode::TokenAudience);
    let again = rig.sessions.assert(&assertion, to, (&tasks, "mcp")).await;
    assert!(again.unwrap().is_none(), "the replay");
}

#[tokio::test]
async fn an_assertion_for_anything_else_is_none() {
    let malformed = ReasonCode::CredentialMalformed;
    check(&json!({}), &json!({"typ": null}), malformed).await;
    check(&json!({}), &json!({"typ": "JWT"}), malformed).await;
    check(&json!({}), &json!({"typ": "at+jwt"}), malformed).await;
    for claims in [
        json!({"aud": "https://other.example"}),
        json!({"aud": [PUBLIC_URL, "https://other.example"]}),
        json!({"aud": format!("{PUBLIC_URL}/")}),
        json!({"aud": null}),
        json!({"client_id": "evil"}),
        json!({"client_id": null}),
        json!({"jti": null}),
        json!({"jti": ""}),
        json!({"resource": 5}),
    ] {
        check(&claims, &json!({}), ReasonCode::TokenClaims).await;
    }
    check(
        &json!({"iss": "https://evil.example"}),
        &json!({}),
        ReasonCode::TokenIssuer,
    )
    .await;
    check(
        &json!({"exp": 1, "iat": 0}),
        &json!({}),
        ReasonCode::TokenExpired,
    )
    .await;
    check(
        &json!({"exp": 4_000_000_000_i64}),
        &json!({}),
        ReasonCode::TokenLifetime,
    )
    .await;
}

#[tokio::test]
async fn an_issuer_that_was_not_configured_for_it_lets_no_program_in() {
    let rig = rig(false).await;
    let text = minted(&rig, &json!({}), &json!({}));
    let refused = prove(&rig, &text).await.unwrap_err();
    assert_eq!(refused.code(), ReasonCode::TokenIssuer);
}

#[tokio::test]
async fn an_assertion_is_no_bearer_and_a_bearer_is_no_assertion() {
    let rig = rig(true).await;
    let text = minted(&rig, &json!({}), &json!({}));
    assert!(rig.ask(&text).await.is_err());
    let id_token = rig.token(
        "ada",
        &json!({"aud": PUBLIC_URL, "client_id": CLIENT, "jti": "1"}),
    );
    assert!(prove(&rig, &id_token).await.is_err());
}

/// Identity providers state no groups in assertions: what is known of a person must not go.
#[tokio::test]
async fn an_assertion_without_groups_takes_none_away_and_a_leaver_stays_out() {
    let rig = rig(true).await;
    let before = rig.signed_in("ada").await;
    assert!(!before.groups.is_empty());
    let assertion = prove(&rig, &minted(&rig, &json!({}), &json!({})))
        .await
        .unwrap();
    let kept = rig
        .store
        .person(rig.org, assertion.person)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(kept.groups, before.groups);
    rig.shut_out(assertion.person).await;
    let second = minted(&rig, &json!({"jti": "j-2"}), &json!({}));
    let refused = prove(&rig, &second).await.unwrap_err();
    assert_eq!(refused.code(), ReasonCode::PersonRevoked);
    let tasks = Resource::connector(PUBLIC_URL, "tasks").unwrap();
    let late = rig
        .sessions
        .assert(&assertion, (CLIENT, "Claude"), (&tasks, "mcp"))
        .await;
    assert_eq!(late.unwrap_err().code(), ReasonCode::PersonRevoked);
}
