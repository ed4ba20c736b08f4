//! The identity provider: the whole code flow, every refusal, rotation, faults, Entra's ways.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use testkit::idp::workload::GithubJob;
use testkit::idp::{App, Endpoint, IdpFault};
use testkit::token::{Algorithm, Attack, Keys};
use testkit::{Answer, Browser, FakeClock, Http, Idp, Person};

use super::idp;

const VERIFIER: &str = "a-verifier-that-is-long-enough-to-be-taken-0123456789";
const REDIRECT: &str = "http://127.0.0.1:53682/callback";
const TENANT: &str = "72f988bf-86f1-41af-91ab-2d7cd011db47";

fn challenge() -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, VERIFIER.as_bytes()))
}

fn desktop() -> App {
    App::native("desktop", "http://127.0.0.1/callback")
}

fn authorize_url(idp: &Idp, change: &[(&str, &str)]) -> String {
    let challenge = challenge();
    let mut fields = vec![
        ("response_type", "code"),
        ("client_id", "desktop"),
        ("redirect_uri", REDIRECT),
        ("scope", "openid profile email offline_access"),
        ("state", "s&t=1"),
        ("nonce", "n-1"),
        ("code_challenge", &*challenge),
        ("code_challenge_method", "S256"),
    ];
    for (name, value) in change {
        fields.retain(|(known, _)| known != name);
        fields.push((name, value));
    }
    url::Url::parse_with_params(&idp.authorize_url(), fields)
        .unwrap()
        .into()
}

/// Signs in with one POST and returns the fields of the redirect.
async fn redirected(idp: &Idp, change: &[(&str, &str)]) -> Vec<(String, String)> {
    let answer = Http::new()
        .post(&authorize_url(idp, change))
        .form(&[("person", "ada")])
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status, 302, "{}", answer.text());
    let to = url::Url::parse(answer.header("location").unwrap()).unwrap();
    to.query_pairs().into_owned().collect()
}

fn field<'f>(fields: &'f [(String, String)], name: &str) -> &'f str {
    fields
        .iter()
        .find(|(key, _)| key == name)
        .map_or("", |(_, value)| value)
}

async fn code(idp: &Idp) -> String {
    field(&redirected(idp, &[]).await, "code").to_owned()
}

async fn redeem(idp: &Idp, code: &str, change: &[(&str, &str)]) -> Answer {
    let mut form = vec![
        ("grant_type", "authorization_code"),
        ("client_id", "desktop"),
        ("redirect_uri", REDIRECT),
        ("code_verifier", VERIFIER),
        ("code", code),
    ];
    for (name, value) in change {
        form.retain(|(known, _)| known != name);
        form.push((name, value));
    }
    Http::new()
        .post(&idp.token_url())
        .form(&form)
        .send()
        .await
        .unwrap()
}

fn claims(idp: &Idp, clock: &FakeClock, token: &Value) -> Value {
    idp.keys().verify(token.as_str().unwrap(), clock).unwrap()
}

#[tokio::test]
async fn a_person_signs_in_with_code_and_pkce_by_pressing_a_button() {
    let (builder, clock) = idp();
    let idp = builder.app(desktop()).start().unwrap();
    let mut browser = Browser::new().stopping_at(REDIRECT);
    let page = browser.open(&authorize_url(&idp, &[])).await.unwrap();
    assert_eq!(page.status, 200);
    assert_eq!(page.buttons().count(), 4, "three people and cancel");
    let end = browser.press(&page, "Ada Lovelace", &[]).await.unwrap();
    assert!(end.stopped);
    let fields: Vec<(String, String)> = end.url.query_pairs().into_owned().collect();
    assert_eq!(field(&fields, "state"), "s&t=1");
    let tokens = redeem(&idp, field(&fields, "code"), &[])
        .await
        .expect_status(200)
        .unwrap()
        .json();
    let id = claims(&idp, &clock, &tokens["id_token"]);
    assert_eq!(id["iss"], idp.issuer());
    assert_eq!(id["aud"], "desktop");
    assert_eq!(id["nonce"], "n-1");
    assert_eq!(id["email"], "ada@northwind.example");
    assert_eq!(id["groups"], json!(["engineering"]));
    let info = Http::new()
        .get(&format!("{}/userinfo", idp.url()))
        .bearer(tokens["access_token"].as_str().unwrap())
        .send()
        .await
        .unwrap();
    assert_eq!(info.json()["name"], "Ada Lovelace");
}

#[tokio::test]
async fn an_authorisation_request_with_a_mistake_gets_no_code() {
    let (builder, _) = idp();
    let idp = builder.app(desktop()).start().unwrap();
    for (change, error) in [
        (("response_type", "token"), "unsupported_response_type"),
        (("scope", "profile"), "invalid_scope"),
        (("code_challenge_method", "plain"), "invalid_request"),
        (("code_challenge", "short"), "invalid_request"),
        (("response_mode", "fragment"), "invalid_request"),
    ] {
        let fields = redirected(&idp, &[change]).await;
        assert_eq!(field(&fields, "error"), error, "{change:?}");
        assert_eq!(field(&fields, "code"), "", "{change:?}");
        assert_eq!(field(&fields, "state"), "s&t=1", "{change:?}");
    }
    for change in [
        ("client_id", "nobody"),
        ("redirect_uri", "http://127.0.0.1:53682/elsewhere"),
    ] {
        let answer = Http::new()
            .post(&authorize_url(&idp, &[change]))
            .form(&[("person", "ada")])
            .send()
            .await
            .unwrap();
        assert_eq!(
            answer.status, 400,
            "an untrusted redirect is not followed: {change:?}"
        );
        assert!(answer.header("location").is_none());
    }
}

#[tokio::test]
async fn it_names_itself_in_its_answers_as_it_is_told_to() {
    let idp = idp().0.app(desktop()).start().unwrap();
    assert!(
        !redirected(&idp, &[])
            .await
            .iter()
            .any(|(name, _)| name == "iss")
    );
    idp.promise_issuer(true);
    idp.state_issuer(Some("https://another.example"));
    let discovered = Http::new().get(&idp.discovery_url()).send().await.unwrap();
    assert_eq!(
        discovered.json()["authorization_response_iss_parameter_supported"],
        true
    );
    for change in [[].as_slice(), &[("response_type", "token")]] {
        let fields = redirected(&idp, change).await;
        assert_eq!(field(&fields, "iss"), "https://another.example");
    }
}

#[tokio::test]
async fn a_code_is_good_once_for_its_own_client_redirect_and_verifier() {
    let (builder, clock) = idp();
    let idp = builder
        .app(desktop())
        .app(App::native("other", "http://127.0.0.1/callback"))
        .start()
        .unwrap();
    for change in [
        (
            "code_verifier",
            "another-verifier-that-is-long-enough-0123456789-abc",
        ),
        ("code_verifier", ""),
        ("redirect_uri", "http://127.0.0.1:1/callback"),
        ("client_id", "other"),
    ] {
        let code = code(&idp).await;
        assert_eq!(
            redeem(&idp, &code, &[change]).await.json()["error"],
            "invalid_grant",
            "{change:?}"
        );
        assert_eq!(
            redeem(&idp, &code, &[]).await.status,
            400,
            "a code that failed is spent"
        );
    }
    let late = code(&idp).await;
    clock.advance_ms(61_000);
    assert_eq!(
        redeem(&idp, &late, &[]).await.json()["error"],
        "invalid_grant"
    );
    let good = code(&idp).await;
    assert_eq!(redeem(&idp, &good, &[]).await.status, 200);
    assert_eq!(redeem(&idp, &good, &[]).await.status, 400);
}

#[tokio::test]
async fn a_confidential_app_proves_itself_by_basic_or_post_and_never_by_nothing() {
    let (builder, _) = idp();
    let secret = "s3cret &=%";
    let idp = builder
        .app(App::web("desktop", secret, REDIRECT))
        .start()
        .unwrap();
    assert_eq!(
        redeem(&idp, &code(&idp).await, &[("client_secret", secret)])
            .await
            .status,
        200
    );
    assert_eq!(
        redeem(&idp, &code(&idp).await, &[]).await.json()["error"],
        "invalid_client"
    );
    assert_eq!(
        redeem(&idp, &code(&idp).await, &[("client_secret", "x")])
            .await
            .status,
        401
    );
    let code = code(&idp).await;
    let form = [
        ("grant_type", "authorization_code"),
        ("redirect_uri", REDIRECT),
        ("code_verifier", VERIFIER),
        ("code", &code),
    ];
    let basic = Http::new()
        .post(&idp.token_url())
        .basic("desktop", secret)
        .form(&form);
    assert_eq!(basic.send().await.unwrap().status, 200);
}

#[tokio::test]
async fn a_refresh_token_is_rotated_and_dies_with_the_account() {
    let (builder, _) = idp();
    let idp = builder.app(desktop()).start().unwrap();
    let tokens = redeem(&idp, &code(&idp).await, &[]).await.json();
    let refresh = async |token: &Value| {
        let form = [
            ("grant_type", "refresh_token"),
            ("client_id", "desktop"),
            ("refresh_token", token.as_str().unwrap()),
        ];
        Http::new()
            .post(&idp.token_url())
            .form(&form)
            .send()
            .await
            .unwrap()
    };
    let second = refresh(&tokens["refresh_token"])
        .await
        .expect_status(200)
        .unwrap()
        .json();
    assert_ne!(second["refresh_token"], tokens["refresh_token"]);
    assert_eq!(
        refresh(&tokens["refresh_token"]).await.status,
        400,
        "used before"
    );
    idp.disable("ada");
    assert_eq!(
        refresh(&second["refresh_token"]).await.json()["error"],
        "invalid_grant"
    );
    let blocked = Http::new()
        .post(&authorize_url(&idp, &[]))
        .form(&[("person", "ada")]);
    assert_eq!(blocked.send().await.unwrap().status, 403);
}

#[tokio::test]
async fn keys_rotate_announced_or_not() {
    let (builder, clock) = idp();
    let idp = builder.start().unwrap();
    let jwks = async || {
        Http::new()
            .get(&format!("{}/jwks", idp.url()))
            .send()
            .await
            .unwrap()
            .json()
    };
    let old = idp.id_token("ada", "desktop");
    idp.rotate_keys();
    assert_eq!(jwks().await["keys"].as_array().unwrap().len(), 2);
    let new = idp.id_token("ada", "desktop");
    assert!(idp.keys().verify(&old, &clock).is_ok() && idp.keys().verify(&new, &clock).is_ok());
    idp.withdraw_old_keys();
    assert!(idp.keys().verify(&old, &clock).is_err());
    idp.rotate_keys_unannounced();
    assert!(
        idp.keys()
            .verify(&idp.id_token("ada", "desktop"), &clock)
            .is_err()
    );
    assert_eq!(jwks().await["keys"][0]["kid"], "key-2");
    assert_eq!(idp.hits(Endpoint::Jwks), 2);
}

#[tokio::test]
async fn an_endpoint_breaks_on_demand_and_heals() {
    let (builder, _) = idp();
    let idp = builder.start().unwrap();
    let keys = async || {
        Http::new()
            .get(&format!("{}/jwks", idp.url()))
            .send()
            .await
            .unwrap()
    };
    idp.break_endpoint(Endpoint::Jwks, IdpFault::Status(503));
    assert_eq!(keys().await.status, 503);
    idp.break_endpoint(Endpoint::Jwks, IdpFault::Garbage);
    assert_eq!(keys().await.json(), Value::Null);
    idp.break_endpoint(Endpoint::Jwks, IdpFault::Huge);
    assert!(keys().await.body.len() > 4 * 1024 * 1024);
    idp.break_endpoint(Endpoint::Jwks, IdpFault::SlowMs(1));
    assert!(keys().await.json()["keys"].is_array());
    idp.heal();
    assert!(keys().await.json()["keys"].is_array());
    assert_eq!(idp.hits(Endpoint::Jwks), 5);
}

#[tokio::test]
async fn a_provider_that_is_down_refuses_connections_and_returns_on_its_port() {
    let (builder, _) = idp();
    let idp = builder.start().unwrap();
    let http = Http::new();
    let ask = async || http.get(&idp.discovery_url()).send().await;
    assert_eq!(ask().await.unwrap().json()["issuer"], idp.issuer());
    idp.refuse_connections().await;
    assert!(ask().await.unwrap_err().is_refused());
    idp.accept_connections().await;
    assert_eq!(ask().await.unwrap().status, 200);
    let url = idp.discovery_url();
    idp.stop().await;
    assert!(http.get(&url).send().await.unwrap_err().is_refused());
}

#[tokio::test]
async fn a_fake_that_is_dropped_closes_its_port() {
    let (builder, _) = idp();
    let idp = builder.start().unwrap();
    let url = idp.discovery_url();
    let http = Http::new();
    assert_eq!(http.get(&url).send().await.unwrap().status, 200);
    drop(idp);
    // it closes at its next turn, which comes before ours is over
    tokio::task::yield_now().await;
    tokio::task::yield_now().await;
    assert!(http.get(&url).send().await.is_err());
}

#[tokio::test]
async fn no_attack_passes_a_careful_verifier_and_the_honest_token_does() {
    let (builder, clock) = idp();
    let idp = builder.start().unwrap();
    let person = idp.person("ada").unwrap();
    let good = idp.id_claims(&person, "desktop");
    let keys = idp.keys();
    assert!(
        keys.verify_for(&idp.mint(&good), &clock, &[&idp.issuer()], &["desktop"])
            .is_ok()
    );
    // what needs a stricter reader than this crate's plain one is left to the verifier under test
    let beyond = [
        "typ of another kind",
        "iat in an hour",
        "nbf as text",
        "no subject",
    ];
    let beyond = |name: &str| name.starts_with("duplicate") || beyond.contains(&name);
    let attacks = idp.attacks(&good);
    assert!(attacks.len() > 60, "{}", attacks.len());
    for Attack { name, token } in attacks.iter().filter(|attack| !beyond(attack.name)) {
        let found = keys.verify_for(token, &clock, &[&idp.issuer()], &["desktop"]);
        assert!(found.is_err(), "{name}");
    }
    let mut names: Vec<&str> = attacks.iter().map(|attack| attack.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), attacks.len(), "names are distinct");
}

#[tokio::test]
async fn another_library_verifies_our_tokens_by_our_published_keys() {
    let (builder, clock) = idp();
    let idp = builder.start().unwrap();
    idp.rotate_keys_to(Algorithm::Rs256);
    let jwks = Http::new()
        .get(&format!("{}/jwks", idp.url()))
        .send()
        .await
        .unwrap()
        .json();
    let jwks: jsonwebtoken::jwk::JwkSet = serde_json::from_value(jwks).unwrap();
    for (kid, algorithm) in [
        ("key-1", jsonwebtoken::Algorithm::ES256),
        ("key-2", jsonwebtoken::Algorithm::RS256),
    ] {
        let key = jsonwebtoken::DecodingKey::from_jwk(jwks.find(kid).unwrap()).unwrap();
        let mut rules = jsonwebtoken::Validation::new(algorithm);
        rules.set_audience(&["desktop"]);
        rules.validate_exp = false;
        let token = idp.id_token("ada", "desktop");
        let signed_by_this =
            jsonwebtoken::decode_header(&token).unwrap().kid.as_deref() == Some(kid);
        let found = jsonwebtoken::decode::<Value>(&token, &key, &rules);
        assert_eq!(found.is_ok(), signed_by_this, "{kid}: {found:?}");
    }
    let good = idp.id_claims(&idp.person("ada").unwrap(), "desktop");
    for Attack { name, token } in idp
        .attacks(&good)
        .iter()
        .filter(|a| a.name.starts_with("HS256"))
    {
        assert!(idp.keys().verify(token, &clock).is_err(), "{name}");
    }
}

#[tokio::test]
async fn entras_documents_name_v1_v2_and_template_issuers() {
    let (builder, _) = idp();
    let idp = builder.entra(TENANT).start().unwrap();
    let issuer = async |path: &str| {
        let url = format!("{}/{path}/.well-known/openid-configuration", idp.url());
        Http::new().get(&url).send().await.unwrap().json()["issuer"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!(issuer(&format!("{TENANT}/v2.0")).await, idp.issuer());
    assert_eq!(issuer(TENANT).await, format!("{}/sts/{TENANT}/", idp.url()));
    assert_eq!(
        issuer("common/v2.0").await,
        format!("{}/{{tenantid}}/v2.0", idp.url())
    );
    let keys = Http::new()
        .get(&format!("{}/common/discovery/v2.0/keys", idp.url()))
        .send()
        .await
        .unwrap()
        .json();
    let issuers: Vec<&str> = keys["keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|k| k["issuer"].as_str().unwrap())
        .collect();
    assert!(
        issuers[0].contains("9188040d"),
        "the consumer key is for its own tenant"
    );
    assert!(issuers[1].contains("{tenantid}"));
    assert!(keys["keys"][1].get("alg").is_none());
}

#[tokio::test]
async fn entra_can_speak_with_microsofts_own_issuers() {
    let (builder, _) = idp();
    let idp = builder
        .entra_with_microsofts_issuers(TENANT)
        .start()
        .unwrap();
    assert_eq!(
        idp.issuer(),
        format!("https://login.microsoftonline.com/{TENANT}/v2.0")
    );
    assert_eq!(
        idp.issuer_v1(),
        format!("https://sts.windows.net/{TENANT}/")
    );
    assert!(idp.discovery_url().starts_with("http://127.0.0.1:"));
}

#[tokio::test]
async fn too_many_groups_become_an_overage_that_graph_resolves_for_a_proven_app() {
    let (builder, _) = idp();
    let mut crowd = Person::new("hub", "Hub", "hub@northwind.example");
    crowd.groups = (0..201).map(|n| format!("group-{n}")).collect();
    let idp = builder
        .entra(TENANT)
        .person(crowd.clone())
        .app(App::machine("doorward").secret("s"))
        .start()
        .unwrap();
    let claims = idp.id_claims(&crowd, "desktop");
    assert!(claims.get("groups").is_none());
    assert_eq!(claims["_claim_names"]["groups"], "src1");
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", "doorward"),
        ("client_secret", "s"),
        ("scope", "https://graph.microsoft.com/.default"),
    ];
    let token = Http::new()
        .post(&idp.token_url())
        .form(&form)
        .send()
        .await
        .unwrap()
        .json();
    let url = format!("{}/v1.0/users/{}/getMemberObjects", idp.url(), crowd.oid);
    let ask = async |token: &str| {
        Http::new()
            .post(&url)
            .bearer(token)
            .json(&json!({"securityEnabledOnly": true}))
            .send()
            .await
            .unwrap()
    };
    let groups = ask(token["access_token"].as_str().unwrap()).await.json();
    assert_eq!(groups["value"].as_array().unwrap().len(), 201);
    let persons_own = idp.mint(&claims);
    assert_eq!(
        ask(&persons_own).await.status,
        401,
        "a token for somebody else opens nothing"
    );
    assert_eq!(idp.hits(Endpoint::Graph), 2);
    assert_eq!(idp.hits(Endpoint::ClaimSource), 0);
}

#[tokio::test]
async fn entras_v1_tokens_use_v1_words() {
    let (builder, clock) = idp();
    let idp = builder.entra(TENANT).app(desktop()).start().unwrap();
    let code = code(&idp).await;
    let form = [
        ("grant_type", "authorization_code"),
        ("client_id", "desktop"),
        ("redirect_uri", REDIRECT),
        ("code_verifier", VERIFIER),
        ("code", &code),
    ];
    let v1 = idp.token_url().replace("/v2.0", "");
    let tokens = Http::new()
        .post(&v1)
        .form(&form)
        .send()
        .await
        .unwrap()
        .json();
    let id = claims(&idp, &clock, &tokens["id_token"]);
    assert_eq!(
        (&id["ver"], &id["iss"]),
        (&json!("1.0"), &json!(idp.issuer_v1()))
    );
    assert_eq!(id["upn"], "ada@northwind.example");
    assert_eq!(id["oid"], idp.person("ada").unwrap().oid);
}

#[tokio::test]
async fn a_ci_job_gets_a_token_like_githubs() {
    let (builder, clock) = idp();
    let idp = builder.start().unwrap();
    let job = GithubJob::on_main("northwind/site");
    let claims = idp
        .keys()
        .verify(&idp.github_token(&job, "doorward"), &clock)
        .unwrap();
    assert_eq!(claims["sub"], "repo:northwind/site:ref:refs/heads/main");
    assert_eq!(claims["aud"], "doorward");
    let cluster = idp.kubernetes_claims("builds", "runner", "doorward");
    assert_eq!(cluster["sub"], "system:serviceaccount:builds:runner");
    assert!(Keys::default().verify(&idp.mint(&cluster), &clock).is_err());
}

/// The `auth_time` of a sign-in in this browser, which presses the person's button when it is shown; and whether it was.
async fn signed_in_at(idp: &Idp, browser: &mut Browser, change: &[(&str, &str)]) -> (Value, bool) {
    let mut page = browser.open(&authorize_url(idp, change)).await.unwrap();
    let asked = !page.stopped;
    if asked {
        page = browser.press(&page, "ada", &[]).await.unwrap();
    }
    let fields: Vec<(String, String)> = page.url.query_pairs().into_owned().collect();
    let form = [
        ("grant_type", "authorization_code"),
        ("client_id", "desktop"),
        ("redirect_uri", REDIRECT),
        ("code_verifier", VERIFIER),
        ("code", field(&fields, "code")),
    ];
    let answer = Http::new().post(&idp.token_url()).form(&form).send().await;
    let body = answer.unwrap().json();
    let claims = body["id_token"].as_str().unwrap().split('.').nth(1);
    let claims = URL_SAFE_NO_PAD.decode(claims.unwrap()).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    (claims["auth_time"].clone(), asked)
}

#[tokio::test]
async fn whoever_signed_in_before_is_let_through_with_that_moment_unless_they_are_to_be_asked() {
    let (builder, clock) = idp();
    let idp = builder.app(desktop()).start().unwrap();
    idp.remember_people(true);
    let mut browser = Browser::new().stopping_at(REDIRECT);
    let (first, asked) = signed_in_at(&idp, &mut browser, &[]).await;
    assert!(asked);
    clock.advance_ms(300_000);
    assert_eq!(
        signed_in_at(&idp, &mut browser, &[]).await,
        (first.clone(), false)
    );
    assert_eq!(
        signed_in_at(&idp, &mut browser, &[("max_age", "600")]).await,
        (first.clone(), false)
    );
    let again = [("prompt", "login"), ("max_age", "0")];
    idp.ignore_prompts(true);
    assert_eq!(
        signed_in_at(&idp, &mut browser, &again).await,
        (first.clone(), false)
    );
    idp.ignore_prompts(false);
    let later = json!(first.as_i64().unwrap() + 300);
    assert_eq!(
        signed_in_at(&idp, &mut browser, &again).await,
        (later, true)
    );
    idp.hide_auth_time(true);
    assert_eq!(
        signed_in_at(&idp, &mut browser, &again).await,
        (Value::Null, true)
    );
    idp.stop().await;
}
