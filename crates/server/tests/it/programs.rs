//! Programs that call connectors: how Claude Code, Claude Desktop and claude.ai are let in, and what whoever attacks that gets.

mod attacks;

use std::time::Duration;

use domain::{ReasonCode, Refusal};
use gateway::signin::programs::KnownProgram;
use http::{HeaderMap, HeaderValue};
use pipeline::identity::Resource;
use serde_json::{Value, json};
use server::demo::world::{Stage, World};
use testkit::sign_in::go_forward;
use testkit::{Answer, Browser, Http};
use url::Url;

/// Where Claude Code listens.
pub(crate) const LOCAL: &str = "http://localhost:33418/callback";
/// Where claude.ai is answered.
pub(crate) const CLAUDE: &str = "https://claude.ai/api/mcp/auth_callback";
/// RFC 7636, appendix B.
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const POLICY: &str = include_str!("../../src/demo/policy.toml");
const LISTED: &str = r#"
[[connector]]
name = "tasks"
title = "Task list"
url = "https://mcp.tasks.example/mcp"

[[connector]]
name = "mail"
url = "https://mcp.mail.example/mcp"
"#;
/// The secret of the program that is set up.
const SECRET: &str = "s3cret of claude.ai";

/// A stage on which `claude-ai` is set up, and nothing else.
pub(crate) async fn stage() -> Stage {
    let mut stage = Stage::set(0).await.unwrap();
    stage.config.oauth_clients.push(KnownProgram {
        id: "claude-ai".into(),
        name: "Claude".into(),
        redirect_uris: vec![CLAUDE.into()],
        secret: Some(SECRET.into()),
    });
    stage
}

/// A world in which it is, with the connectors `tasks` and `mail`.
pub(crate) async fn world() -> World {
    let world = World::on(stage().await).await.unwrap();
    let file = world.dir.path().join("connectors.toml");
    std::fs::write(&file, format!("{POLICY}\n{LISTED}")).unwrap();
    let file = file.display().to_string();
    let apply = ["policy", "apply", &file, "--reason", "connectors"];
    crate::run::done(&world.config_file(), &apply).await;
    let found = ["--risk", "low", "--vendor", "a test", "--reason", "try"];
    let review = ["connectors", "review", "tasks", "mail"];
    crate::run::done(&world.config_file(), &[&review[..], &found[..]].concat()).await;
    let wired = &world.running.wired;
    let loaded = wired.pipeline.rules.load(&wired.store, wired.org).await;
    assert_eq!(loaded.unwrap().policy_version, 2);
    world
}

pub(crate) async fn end(world: World) {
    world.stop(Duration::from_secs(2)).await.unwrap();
}

/// Registers a program that is answered there.
pub(crate) async fn register(base: &str, redirect: &str) -> Answer {
    let body = json!({
        "client_name": "Claude Code",
        "redirect_uris": [redirect],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
    });
    let asking = Http::new().post(&format!("{base}/oauth/register"));
    asking.json(&body).send().await.unwrap()
}

pub(crate) async fn registered(base: &str, redirect: &str) -> String {
    let answer = register(base, redirect).await.expect_status(201).unwrap();
    answer.json()["client_id"].as_str().unwrap().to_owned()
}

/// The address of a good request, with some of it changed; what is changed to nothing is left out.
pub(crate) fn request(base: &str, client_id: &str, change: &[(&str, &str)]) -> String {
    let resource = format!("{base}/mcp/tasks");
    let good = [
        ("response_type", "code"),
        ("client_id", client_id),
        ("redirect_uri", LOCAL),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
        ("state", "st&te"),
        ("scope", "mcp offline_access"),
        ("resource", &resource),
    ];
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in good {
        let changed = change.iter().find(|(changed, _)| *changed == name);
        let value = changed.map_or(value, |(_, value)| *value);
        if !value.is_empty() {
            query.append_pair(name, value);
        }
    }
    format!("{base}/oauth/authorize?{}", query.finish())
}

/// What a program finds in its answer.
pub(crate) fn answered(url: &Url, name: &str) -> String {
    let mut pairs = url.query_pairs().filter(|(found, _)| found == name);
    let value = pairs.next().map(|(_, value)| value.into_owned());
    assert!(pairs.next().is_none(), "{name} stands twice in {url}");
    value.unwrap_or_default()
}

/// The address that a person's yes leads to.
pub(crate) async fn let_in(request: &str, redirect: &str, person: &str) -> Url {
    let mut browser = Browser::new().stopping_at(redirect);
    let page = go_forward(&mut browser, request, person).await.unwrap();
    assert!(page.stopped, "{}", page.unexpected("the program's address"));
    page.url
}

/// Presents a code, with some of the good form changed.
pub(crate) async fn present(
    base: &str,
    client_id: &str,
    code: &str,
    change: &[(&str, &str)],
) -> Answer {
    let resource = format!("{base}/mcp/tasks");
    let good = [
        ("grant_type", "authorization_code"),
        ("client_id", client_id),
        ("code", code),
        ("redirect_uri", LOCAL),
        ("code_verifier", VERIFIER),
        ("resource", &resource),
    ];
    let form: Vec<_> = good
        .into_iter()
        .map(|(name, value)| {
            let changed = change.iter().find(|(changed, _)| *changed == name);
            (name, changed.map_or(value, |(_, value)| *value))
        })
        .filter(|(_, value)| !value.is_empty())
        .collect();
    token(base, &form).await
}

pub(crate) async fn token(base: &str, form: &[(&str, &str)]) -> Answer {
    let asking = Http::new().post(&format!("{base}/oauth/token"));
    asking.form(form).send().await.unwrap()
}

/// The tokens of a new session of Ada's, with the program of this id.
pub(crate) async fn tokens(world: &World, client_id: &str) -> Value {
    let request = request(&world.base, client_id, &[]);
    let url = let_in(&request, LOCAL, "ada").await;
    let code = answered(&url, "code");
    let answer = present(&world.base, client_id, &code, &[]).await;
    answer.expect_status(200).unwrap().json()
}

pub(crate) async fn refresh(base: &str, client_id: &str, token_text: &Value) -> Answer {
    let form = [
        ("grant_type", "refresh_token"),
        ("client_id", client_id),
        ("refresh_token", token_text.as_str().unwrap()),
    ];
    token(base, &form).await
}

/// Who a token proves at a connector, or why nobody.
pub(crate) async fn at(world: &World, token: &Value, connector: &str) -> Result<String, Refusal> {
    let mut headers = HeaderMap::new();
    let bearer = format!("Bearer {}", token.as_str().unwrap());
    headers.insert("authorization", HeaderValue::try_from(bearer).unwrap());
    let resource = Resource::connector(&world.base, connector).unwrap();
    let identity = &world.running.wired.pipeline.identity;
    let verified = identity.identify_at(&headers, &resource).await?;
    Ok(verified.caller.label().to_owned())
}

async fn document(base: &str, path: &str) -> Value {
    let answer = Http::new().get(&format!("{base}{path}")).send().await;
    answer.unwrap().expect_status(200).unwrap().json()
}

#[tokio::test(flavor = "multi_thread")]
async fn claude_code_finds_its_way_registers_and_is_let_in_to_one_connector() {
    let world = world().await;
    let base = &world.base;
    let resource = document(base, "/.well-known/oauth-protected-resource/mcp/tasks").await;
    assert_eq!(resource["resource"], format!("{base}/mcp/tasks"));
    assert_eq!(resource["authorization_servers"], json!([base]));
    let server = document(base, "/.well-known/oauth-authorization-server").await;
    assert_eq!(server["issuer"], *base);
    assert_eq!(server["code_challenge_methods_supported"], json!(["S256"]));
    assert_eq!(server["client_id_metadata_document_supported"], true);
    assert_eq!(
        server["authorization_response_iss_parameter_supported"],
        true
    );
    assert_eq!(
        server["registration_endpoint"],
        format!("{base}/oauth/register")
    );
    let older = document(base, "/.well-known/oauth-authorization-server/mcp/tasks").await;
    assert_eq!(older, server);

    let registration = register(base, "http://localhost/callback").await.json();
    assert!(
        registration["client_id_issued_at"].is_i64(),
        "{registration}"
    );
    assert!(
        !registration
            .as_object()
            .unwrap()
            .values()
            .any(Value::is_null)
    );
    let client_id = registration["client_id"].as_str().unwrap();
    // It listens on whichever port is free.
    let url = let_in(&request(base, client_id, &[]), LOCAL, "ada").await;
    assert_eq!(
        (answered(&url, "state"), answered(&url, "iss")),
        ("st&te".into(), base.clone())
    );
    let code = answered(&url, "code");
    let answer = present(base, client_id, &code, &[])
        .await
        .expect_status(200)
        .unwrap();
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let tokens = answer.json();
    assert_eq!(tokens["token_type"], "Bearer");
    assert_eq!(tokens["scope"], "mcp offline_access");
    assert!(
        tokens["expires_in"].is_u64() && tokens["email"].is_null(),
        "{tokens}"
    );
    assert!(
        at(&world, &tokens["access_token"], "tasks")
            .await
            .unwrap()
            .starts_with("ada")
    );
    end(world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_for_a_connector_opens_that_connector_alone() {
    let world = world().await;
    let client_id = registered(&world.base, LOCAL).await;
    let tokens = tokens(&world, &client_id).await;
    let access = &tokens["access_token"];
    // Remembered or not, in either order.
    for _ in 0..2 {
        assert!(at(&world, access, "tasks").await.is_ok());
        let elsewhere = at(&world, access, "mail").await.unwrap_err();
        assert_eq!(elsewhere.code(), ReasonCode::TokenAudience);
        for path in [
            "/v1/models",
            "/managed/settings",
            "/api/v1/sessions",
            "/api/oauth/usage",
        ] {
            let asking = Http::new().get(&format!("{}{path}", world.base));
            let answer = asking
                .bearer(access.as_str().unwrap())
                .send()
                .await
                .unwrap();
            assert_eq!(answer.status, 401, "{path}: {}", answer.text());
        }
    }
    // The bearer that a person uses for inference is one at connectors as well.
    let ada = testkit::device_sign_in(&world.base, "ada").await.unwrap();
    assert!(at(&world, &json!(ada.access_token), "mail").await.is_ok());
    // Whoever reads the token learns nothing of whose it is.
    let claims = testkit::token::claims_unchecked(access.as_str().unwrap()).unwrap();
    assert_eq!(claims["aud"], json!([format!("{}/mcp/tasks", world.base)]));
    assert!(
        claims["email"].is_null() && claims["name"].is_null(),
        "{claims}"
    );
    assert_eq!(claims["groups"], json!([]));
    end(world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn claude_ai_is_let_in_as_it_was_set_up_with_its_secret() {
    let world = world().await;
    let base = &world.base;
    let request = request(base, "claude-ai", &[("redirect_uri", CLAUDE)]);
    for way in ["post", "basic"] {
        let url = let_in(&request, CLAUDE, "ada").await;
        let code = answered(&url, "code");
        let resource = format!("{base}/mcp/tasks");
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", &*code),
            ("redirect_uri", CLAUDE),
            ("code_verifier", VERIFIER),
            ("resource", &resource),
        ];
        let without = [&form[..], &[("client_id", "claude-ai")]].concat();
        for secret in ["", "wrong"] {
            let form = [&without[..], &[("client_secret", secret)]].concat();
            let answer = token(base, &form).await;
            assert_eq!(
                (answer.status, &answer.json()["error"]),
                (401, &json!("invalid_client"))
            );
        }
        let mut asking = Http::new().post(&format!("{base}/oauth/token"));
        if way == "basic" {
            asking = asking.basic("claude-ai", SECRET);
        } else {
            form.extend([("client_id", "claude-ai"), ("client_secret", SECRET)]);
        }
        let answer = asking.form(&form).send().await.unwrap();
        let tokens = answer.expect_status(200).unwrap().json();
        assert!(at(&world, &tokens["access_token"], "tasks").await.is_ok());
    }
    end(world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_rotates_for_its_own_program_and_a_second_use_ends_the_session() {
    let world = world().await;
    let base = &world.base;
    let client_id = registered(base, LOCAL).await;
    let other = registered(base, LOCAL).await;
    let first = tokens(&world, &client_id).await;
    let stolen = refresh(base, &other, &first["refresh_token"]).await;
    assert_eq!(
        (stolen.status, &stolen.json()["error"]),
        (400, &json!("invalid_grant"))
    );
    let nobody = token(
        base,
        &[
            ("grant_type", "refresh_token"),
            ("refresh_token", first["refresh_token"].as_str().unwrap()),
        ],
    )
    .await;
    assert_eq!(
        (nobody.status, &nobody.json()["error"]),
        (401, &json!("invalid_grant"))
    );
    let mail = format!("{base}/mcp/mail");
    let form = [
        ("grant_type", "refresh_token"),
        ("client_id", &client_id),
        ("refresh_token", first["refresh_token"].as_str().unwrap()),
        ("resource", &mail),
    ];
    let elsewhere = token(base, &form).await;
    assert_eq!(elsewhere.json()["error"], "invalid_target");
    let second = refresh(base, &client_id, &first["refresh_token"])
        .await
        .expect_status(200)
        .unwrap()
        .json();
    assert_ne!(first["refresh_token"], second["refresh_token"]);
    assert!(at(&world, &second["access_token"], "tasks").await.is_ok());
    assert!(at(&world, &second["access_token"], "mail").await.is_err());
    end(world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_of_a_program_is_one_of_the_persons_and_ends_with_them() {
    let world = world().await;
    let base = &world.base;
    let client_id = registered(base, LOCAL).await;
    let tokens = tokens(&world, &client_id).await;
    let wired = &world.running.wired;
    let (open, _) = wired
        .store
        .sessions_page(wired.org, (None, true), None, 10)
        .await
        .unwrap();
    assert!(
        open.iter().any(|session| session.client == "Claude Code"),
        "{open:?}"
    );
    let config = world.config_file();
    let who = at(&world, &tokens["access_token"], "tasks").await.unwrap();
    crate::run::done(&config, &["people", "revoke", &who, "--reason", "left"]).await;
    let gone = async {
        while at(&world, &tokens["access_token"], "tasks").await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), gone)
        .await
        .unwrap();
    let answer = refresh(base, &client_id, &tokens["refresh_token"]).await;
    assert_eq!(
        (answer.status, &answer.json()["error"]),
        (400, &json!("invalid_grant"))
    );
    end(world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_is_not_known_any_more_is_told_to_register_anew() {
    let world = world().await;
    let base = &world.base;
    let client_id = registered(base, LOCAL).await;
    let tokens = tokens(&world, &client_id).await;
    let wired = &world.running.wired;
    let all = domain::Timestamp::from_unix_ms(i64::MAX);
    assert_eq!(
        wired
            .store
            .purge_oauth_clients(wired.org, (all, all))
            .await
            .unwrap(),
        1
    );
    let answer = refresh(base, &client_id, &tokens["refresh_token"]).await;
    assert_eq!(
        (answer.status, &answer.json()["error"]),
        (401, &json!("invalid_client"))
    );
    let answer = present(base, &client_id, "x", &[]).await;
    assert_eq!(
        (answer.status, &answer.json()["error"]),
        (401, &json!("invalid_client"))
    );
    // Claude's own clients are told so by nothing that they send.
    let ada = testkit::device_sign_in(base, "ada").await.unwrap();
    let answer = refresh(base, "claude-desktop", &json!(ada.refresh_token)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    end(world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_who_says_no_sends_the_program_away() {
    let world = world().await;
    let client_id = registered(&world.base, LOCAL).await;
    let request = request(&world.base, &client_id, &[]);
    let mut browser = Browser::new().stopping_at(LOCAL);
    let first = browser.open(&request).await.unwrap();
    let end_of_it = browser.press(&first, "Deny", &[]).await.unwrap();
    assert_eq!(answered(&end_of_it.url, "error"), "access_denied");
    let page = to_consent(&mut browser, &request).await;
    for words in [
        "Claude Code",
        "localhost",
        "nobody has checked",
        "the connector Task list",
        "Any program on this computer",
    ] {
        assert!(
            page.source.contains(words),
            "{words} is missing in {}",
            page.source
        );
    }
    let end_of_it = browser.press(&page, "Deny", &[]).await.unwrap();
    assert_eq!(answered(&end_of_it.url, "error"), "access_denied");
    assert_eq!(answered(&end_of_it.url, "state"), "st&te");
    assert_eq!(answered(&end_of_it.url, "iss"), world.base);
    end(world).await;
}

/// Who is not signed in learns nothing of which connectors there are; who is, learns that this one is not for them.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_for_a_person_cannot_be_connected() {
    let world = world().await;
    let base = &world.base;
    document(base, "/.well-known/oauth-protected-resource/mcp/nothing").await;
    let client_id = registered(base, LOCAL).await;
    let nothing = format!("{base}/mcp/nothing");
    let request = request(base, &client_id, &[("resource", &nothing)]);
    let mut browser = Browser::new().stopping_at(LOCAL);
    let page = go_forward(&mut browser, &request, "ada").await.unwrap();
    assert_eq!(page.status, 403, "{}", page.source);
    assert!(page.source.contains("no such connector"), "{}", page.source);
    let mut links = page.html.links.iter();
    let (_, back) = links.find(|(text, _)| text.contains("Go back")).unwrap();
    assert_eq!(answered(&back.parse().unwrap(), "error"), "access_denied");
    end(world).await;
}

/// The page on which Ada decides.
pub(crate) async fn to_consent(browser: &mut Browser, request: &str) -> testkit::client::Page {
    let mut page = browser.open(request).await.unwrap();
    for _ in 0..4 {
        if page.source.contains("You will be") {
            return page;
        }
        let forward = page.button("ada").or_else(|| page.button("continue"));
        let (form, button) = forward.unwrap();
        page = browser.submit(&page, form, button, &[]).await.unwrap();
    }
    panic!("{}", page.source);
}
