//! Foundry's face: its credentials checked for real, its deployments, its refusals.

use std::sync::Arc;

use http::Method;
use serde_json::Value;
use testkit::actor::message;
use testkit::idp::App;
use testkit::provider::DEFAULT_KEY;
use testkit::{Actor, Answer, FakeClock, Http, Idp, Provider};

use super::idp;

const TENANT: &str = "72f988bf-86f1-41af-91ab-2d7cd011db47";
const DEPLOYMENT: &str = "our-sonnet";

fn resource(clock: &FakeClock) -> testkit::provider::ProviderBuilder {
    Provider::foundry(Arc::new(clock.clone())).model(DEPLOYMENT)
}

async fn ask(provider: &Provider, header: (&str, &str), model: &str) -> Answer {
    Http::new()
        .post(&format!("{}/anthropic/v1/messages", provider.url()))
        .header("anthropic-version", "2023-06-01")
        .header(header.0, header.1)
        .json(&message(model, "Hi", false))
        .send()
        .await
        .unwrap()
}

async fn foundry_token(entra: &Idp, scope: &str) -> String {
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", "doorward"),
        ("client_secret", "s"),
        ("scope", scope),
    ];
    let answer = Http::new()
        .post(&entra.token_url())
        .form(&form)
        .send()
        .await
        .unwrap();
    answer.json()["access_token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_key_opens_foundry_in_either_header_and_answers_by_deployment() {
    let provider = resource(&FakeClock::new()).start().unwrap();
    for header in ["api-key", "x-api-key"] {
        let answer = ask(&provider, (header, DEFAULT_KEY), DEPLOYMENT).await;
        assert_eq!(answer.status, 200);
        assert!(
            answer.header("apim-request-id").is_some() && answer.header("request-id").is_some()
        );
        assert!(
            answer
                .header("anthropic-ratelimit-requests-limit")
                .is_none()
        );
        assert!(answer.header("anthropic-organization-id").is_none());
    }
    assert_eq!(
        ask(&provider, ("api-key", "wrong"), DEPLOYMENT)
            .await
            .json()["error"]["code"],
        "401"
    );
    assert_eq!(
        ask(&provider, ("authorization", "Bearer x"), DEPLOYMENT)
            .await
            .status,
        401
    );
    let missing = ask(&provider, ("api-key", DEFAULT_KEY), "claude-sonnet-5-5").await;
    assert_eq!(
        (missing.status, &missing.json()["error"]["code"]),
        (404, &Value::from("DeploymentNotFound"))
    );
}

#[tokio::test]
async fn foundry_has_no_model_list() {
    let provider = resource(&FakeClock::new()).start().unwrap();
    let actor = Actor::with_api_key(&provider.url(), DEFAULT_KEY);
    for path in [
        "/anthropic/v1/models",
        "/v1/models",
        "/anthropic/v1/messages/batches",
    ] {
        let answer = actor.request(Method::GET, path).send().await.unwrap();
        assert_eq!(
            (answer.status, &answer.json()["error"]["code"]),
            (404, &Value::from("api_not_supported"))
        );
    }
}

#[tokio::test]
async fn an_entra_token_is_verified_signature_audience_time_and_role() {
    let (builder, clock) = idp();
    let entra = builder
        .entra(TENANT)
        .app(App::machine("doorward").secret("s"))
        .start()
        .unwrap();
    let issuers = [&*entra.issuer_v1(), &*entra.issuer()];
    let provider = resource(&clock)
        .entra(entra.keys(), &issuers)
        .role_for(&["doorward"])
        .without_keys()
        .start()
        .unwrap();
    let status = async |token: &str| {
        let bearer = format!("Bearer {token}");
        ask(&provider, ("authorization", &bearer), DEPLOYMENT)
            .await
            .status
    };
    let token = foundry_token(&entra, testkit::azure::FOUNDRY_SCOPE).await;
    assert_eq!(status(&token).await, 200);
    assert_eq!(
        status(&foundry_token(&entra, "https://graph.microsoft.com/.default").await).await,
        401
    );
    let person = entra.person("ada").unwrap();
    assert_eq!(
        status(&entra.mint(&entra.id_claims(&person, "desktop"))).await,
        401,
        "a person's own token"
    );
    let mut claims = testkit::token::claims_unchecked(&token).unwrap();
    claims["appid"] = "somebody-else".into();
    assert_eq!(status(&entra.mint(&claims)).await, 403, "no role");
    assert_eq!(
        ask(&provider, ("api-key", DEFAULT_KEY), DEPLOYMENT)
            .await
            .status,
        403,
        "keys are off"
    );
    clock.advance_ms(2 * 3_600_000);
    assert_eq!(status(&token).await, 401, "expired");
}
