//! Managed identity through the metadata service, client secrets and federated workload tokens at the fake Entra.

use std::sync::Arc;

use serde_json::{Value, json};
use testkit::azure::{FOUNDRY_AUDIENCE, FOUNDRY_SCOPE};
use testkit::idp::app::ASSERTION_TYPE;
use testkit::idp::{App, Federation, IdpFault};
use testkit::{FakeClock, Http, Idp, Imds, Key, Keys, SeededIds};

use super::idp;

const TENANT: &str = "72f988bf-86f1-41af-91ab-2d7cd011db47";

async fn token(idp: &Idp, change: &[(&str, &str)]) -> (u16, Value) {
    let mut form = vec![
        ("grant_type", "client_credentials"),
        ("client_id", "doorward"),
        ("scope", FOUNDRY_SCOPE),
    ];
    form.extend(change);
    let answer = Http::new()
        .post(&idp.token_url())
        .form(&form)
        .send()
        .await
        .unwrap();
    (answer.status, answer.json())
}

fn believed(idp: &Idp, clock: &FakeClock, body: &Value) -> Value {
    let token = body["access_token"].as_str().unwrap();
    idp.keys()
        .verify_for(token, clock, &[&idp.issuer_v1()], &[FOUNDRY_AUDIENCE])
        .unwrap()
}

#[tokio::test]
async fn a_managed_identity_gets_a_token_only_as_azure_would_give_it() {
    let (builder, clock) = idp();
    let entra = builder.entra(TENANT).start().unwrap();
    let imds = Imds::start(&entra, Some("system"), &["assigned"]).unwrap();
    let ask = async |query: &str, headers: &[(&str, &str)]| {
        let url = format!("{}/metadata/identity/oauth2/token?{query}", imds.url());
        Http::new()
            .get(&url)
            .headers(headers.iter().copied())
            .send()
            .await
            .unwrap()
    };
    let good = "api-version=2018-02-01&resource=https%3A%2F%2Fai.azure.com";
    let metadata = [("metadata", "true")];
    let answer = ask(good, &metadata).await;
    let claims = believed(&entra, &clock, &answer.json());
    assert_eq!(claims["appid"], "system");
    assert_eq!(answer.json()["expires_on"], claims["exp"].to_string());
    let other = ask(&format!("{good}&client_id=assigned"), &metadata).await;
    assert_eq!(believed(&entra, &clock, &other.json())["appid"], "assigned");
    assert_eq!(ask(good, &[]).await.status, 400);
    assert_eq!(
        ask(
            good,
            &[("metadata", "true"), ("x-forwarded-for", "10.0.0.1")]
        )
        .await
        .status,
        400
    );
    assert_eq!(
        ask("resource=https%3A%2F%2Fai.azure.com", &metadata)
            .await
            .status,
        400
    );
    assert_eq!(ask("api-version=2018-02-01", &metadata).await.status, 400);
    assert_eq!(
        ask(&format!("{good}&client_id=unknown"), &metadata)
            .await
            .status,
        400
    );
    imds.break_it(IdpFault::Status(429));
    assert_eq!(ask(good, &metadata).await.status, 429);
    assert_eq!(imds.asked(), 8);
}

#[tokio::test]
async fn an_app_gets_a_foundry_token_for_its_secret_and_a_known_scope_only() {
    let (builder, clock) = idp();
    let entra = builder
        .entra(TENANT)
        .app(App::machine("doorward").secret("s"))
        .start()
        .unwrap();
    let (status, body) = token(&entra, &[("client_secret", "s")]).await;
    assert_eq!(status, 200);
    assert_eq!(believed(&entra, &clock, &body)["appid"], "doorward");
    assert_eq!(token(&entra, &[("client_secret", "wrong")]).await.0, 401);
    assert_eq!(token(&entra, &[]).await.0, 401);
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", "doorward"),
        ("client_secret", "s"),
        ("scope", "https://ai.azure.com"),
    ];
    let answer = Http::new()
        .post(&entra.token_url())
        .form(&form)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.json()["error"], "invalid_scope");
}

#[tokio::test]
async fn an_app_proves_itself_by_its_own_key() {
    let (builder, _) = idp();
    let key = Key::generate(testkit::token::Algorithm::Es256, "certificate");
    let keys = Keys::default();
    keys.publish(key.clone());
    let entra = builder
        .entra(TENANT)
        .app(App::machine("doorward").assertion_keys(keys))
        .start()
        .unwrap();
    let assertion = |aud: &str| {
        key.sign(&json!({"iss": "doorward", "sub": "doorward", "aud": aud, "exp": 1_795_233_000}))
    };
    for (aud, status) in [
        (entra.token_url(), 200),
        ("https://elsewhere.example".to_owned(), 401),
    ] {
        let proof = assertion(&aud);
        let fields = [
            ("client_assertion_type", ASSERTION_TYPE),
            ("client_assertion", &proof),
        ];
        assert_eq!(token(&entra, &fields).await.0, status, "{aud}");
    }
}

#[tokio::test]
async fn a_workloads_own_token_stands_in_for_a_secret() {
    let (builder, clock) = idp();
    let cluster = Idp::builder(Arc::new(clock.clone()), Arc::new(SeededIds::new(2)))
        .es256()
        .start()
        .unwrap();
    let federation = Federation {
        issuer: cluster.issuer(),
        subject: "system:serviceaccount:doorward:gateway".to_owned(),
        keys: cluster.keys(),
    };
    let entra = builder
        .entra(TENANT)
        .app(App::machine("doorward").federate(federation))
        .start()
        .unwrap();
    let mint = |namespace, account, audience| {
        cluster.mint(&cluster.kubernetes_claims(namespace, account, audience))
    };
    let good = mint("doorward", "gateway", "api://AzureADTokenExchange");
    for (proof, status) in [
        (good.clone(), 200),
        (mint("doorward", "other", "api://AzureADTokenExchange"), 401),
        (mint("doorward", "gateway", "doorward"), 401),
        (format!("{good}x"), 401),
    ] {
        let fields = [
            ("client_assertion_type", ASSERTION_TYPE),
            ("client_assertion", &proof),
        ];
        let (found, body) = token(&entra, &fields).await;
        assert_eq!(found, status, "{body}");
    }
    clock.advance_ms(2 * 3_600_000);
    let fields = [
        ("client_assertion_type", ASSERTION_TYPE),
        ("client_assertion", &good),
    ];
    assert_eq!(token(&entra, &fields).await.0, 401, "expired");
}
