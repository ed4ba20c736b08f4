//! What whoever attacks the sign-in of programs gets.

use serde_json::json;
use testkit::{Browser, Http};

use super::{
    CLAUDE, LOCAL, VERIFIER, answered, at, end, let_in, present, register, registered, request,
    to_consent, token, tokens, world,
};

/// A code is worth one session, and whoever brings it twice ends that one.
#[tokio::test(flavor = "multi_thread")]
async fn a_code_that_comes_again_ends_what_it_began() {
    let world = world().await;
    let base = &world.base;
    let client_id = registered(base, LOCAL).await;
    let url = let_in(&request(base, &client_id, &[]), LOCAL, "ada").await;
    let code = answered(&url, "code");
    let tokens = present(base, &client_id, &code, &[])
        .await
        .expect_status(200)
        .unwrap()
        .json();
    assert!(at(&world, &tokens["access_token"], "tasks").await.is_ok());
    let again = present(base, &client_id, &code, &[]).await;
    assert_eq!(
        (again.status, &again.json()["error"]),
        (400, &json!("invalid_grant"))
    );
    let refusal = at(&world, &tokens["access_token"], "tasks")
        .await
        .unwrap_err();
    assert_eq!(refusal.code(), domain::ReasonCode::SessionEnded);
    end(world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stolen_code_is_worth_nothing_to_anybody_else_and_no_more_to_its_owner() {
    let world = world().await;
    let base = &world.base;
    let client_id = registered(base, LOCAL).await;
    let evil = registered(base, "https://evil.example/cb").await;
    let mail = format!("{base}/mcp/mail");
    let other_verifier = VERIFIER.replace('d', "e");
    for (client, change, error) in [
        (&evil, ("redirect_uri", LOCAL), "invalid_grant"),
        (
            &client_id,
            ("code_verifier", &*other_verifier),
            "invalid_grant",
        ),
        (
            &client_id,
            ("redirect_uri", "http://localhost:33419/callback"),
            "invalid_grant",
        ),
        (&client_id, ("resource", &mail), "invalid_target"),
    ] {
        let url = let_in(&request(base, &client_id, &[]), LOCAL, "ada").await;
        let code = answered(&url, "code");
        let answer = present(base, client, &code, &[change]).await;
        assert_eq!(
            (answer.status, &answer.json()["error"]),
            (400, &json!(error)),
            "{change:?}"
        );
        let late = present(base, &client_id, &code, &[]).await;
        assert_eq!(late.json()["error"], "invalid_grant", "{change:?}");
    }
    for (change, error) in [
        (("code_verifier", ""), "invalid_request"),
        (("client_id", ""), "invalid_request"),
        (("client_id", "nobody"), "invalid_client"),
        (("resource", "https://evil.example/mcp"), "invalid_target"),
        (("grant_type", "password"), "unsupported_grant_type"),
    ] {
        let answer = present(base, &client_id, "x", &[change]).await;
        assert_eq!(answer.json()["error"], error, "{change:?}");
    }
    end(world).await;
}

/// No address that is not known to be the program's own is ever led to, whatever else is wrong.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_led_to_an_address_that_is_not_the_programs_own() {
    let world = world().await;
    let base = &world.base;
    let local = registered(base, LOCAL).await;
    let far = registered(base, "https://evil.example/cb").await;
    let open = async |url: &str| Http::new().get(url).send().await.unwrap();
    for change in [
        ("redirect_uri", "https://evil.example/cb"),
        ("redirect_uri", "http://localhost:33418/callback/"),
        (
            "redirect_uri",
            "http://localhost.evil.example:33418/callback",
        ),
        (
            "redirect_uri",
            "http://localhost:33418@evil.example/callback",
        ),
        ("redirect_uri", ""),
        ("client_id", ""),
        ("client_id", "dwc_nobody"),
        ("client_id", "https://127.0.0.1/client"),
        ("client_id", "https://localhost/client"),
        ("client_id", "https://169.254.169.254/latest"),
    ] {
        for wrong in [("state", "s"), ("response_type", "token")] {
            let answer = open(&request(base, &local, &[change, wrong])).await;
            assert_eq!(
                (answer.status, answer.header("location")),
                (400, None),
                "{change:?}"
            );
            assert!(answer.text().contains("cannot be connected"), "{change:?}");
        }
    }
    // Anybody may register any address: an error alone takes nobody there.
    let to_far = ("redirect_uri", "https://evil.example/cb");
    let answer = open(&request(base, &far, &[to_far, ("response_type", "token")])).await;
    assert_eq!((answer.status, answer.header("location")), (400, None));
    let twice = format!(
        "{}&redirect_uri=https://evil.example/cb",
        request(base, &local, &[])
    );
    assert_eq!(open(&twice).await.status, 400);
    end(world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_without_pkce_or_for_nothing_of_ours_is_answered_with_an_error() {
    let world = world().await;
    let base = &world.base;
    let client_id = registered(base, LOCAL).await;
    for (change, error) in [
        (("code_challenge", ""), "invalid_request"),
        (("code_challenge_method", "plain"), "invalid_request"),
        (("code_challenge_method", ""), "invalid_request"),
        (("response_type", "token"), "unsupported_response_type"),
        (("resource", ""), "invalid_target"),
        (
            ("resource", "https://evil.example/mcp/tasks"),
            "invalid_target",
        ),
    ] {
        let mut browser = Browser::new().stopping_at(LOCAL);
        let page = browser
            .open(&request(base, &client_id, &[change]))
            .await
            .unwrap();
        assert!(page.stopped, "{change:?}");
        assert_eq!(answered(&page.url, "error"), error, "{change:?}");
        assert_eq!(answered(&page.url, "iss"), *base, "the mix-up attack");
        assert_eq!(answered(&page.url, "state"), "st&te");
        assert_eq!(answered(&page.url, "code"), "");
    }
    end(world).await;
}

/// Consent is given on our page, by the browser that was asked, once, for what it showed.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_else_says_yes_for_a_person() {
    let world = world().await;
    let base = &world.base;
    let client_id = registered(base, LOCAL).await;
    let request = request(base, &client_id, &[]);
    let mut ada = Browser::new().stopping_at(LOCAL);
    let page = to_consent(&mut ada, &request).await;
    let (form, _) = page.button("Connect it").unwrap();
    let field = |name: &str| {
        let found = form.fields.iter().find(|(field, _)| field == name);
        found.unwrap().1.clone()
    };
    let (confirm, csrf) = (field("confirm"), field("csrf"));
    // Another site, with all that the page holds; and another browser with a cookie of its own.
    let mut mallory = Browser::new().stopping_at(LOCAL);
    mallory.open(&request).await.unwrap();
    let cookie = |browser: &Browser| {
        format!(
            "doorward_device={}",
            browser.cookie("doorward_device").unwrap()
        )
    };
    for (site, cookie) in [
        ("cross-site", cookie(&ada)),
        ("same-site", cookie(&ada)),
        ("same-origin", cookie(&mallory)),
        ("same-origin", String::new()),
    ] {
        for path in ["approve", "deny"] {
            let asking = Http::new().post(&format!("{base}/oauth/authorize/{path}"));
            let asking = asking
                .header("sec-fetch-site", site)
                .header("cookie", &cookie);
            let answer = asking
                .form(&[("confirm", &confirm), ("csrf", &csrf)])
                .send()
                .await
                .unwrap();
            assert_eq!(
                (answer.status, answer.header("location")),
                (403, None),
                "{site} {path}"
            );
        }
    }
    let end_of_it = ada.press(&page, "Connect it", &[]).await.unwrap();
    assert!(!answered(&end_of_it.url, "code").is_empty());
    let again = ada.press(&page, "Connect it", &[]).await.unwrap();
    assert_eq!(
        (again.status, again.stopped),
        (403, false),
        "a yes counts once"
    );
    end(world).await;
}

/// A yes to a device is none to a program, and the other way round.
#[tokio::test(flavor = "multi_thread")]
async fn a_yes_to_one_thing_is_none_to_another() {
    let world = world().await;
    let base = &world.base;
    let client_id = registered(base, LOCAL).await;
    let mut browser = Browser::new().stopping_at(LOCAL);
    let page = to_consent(&mut browser, &request(base, &client_id, &[])).await;
    let (form, button) = page.button("Connect it").unwrap();
    let elsewhere = testkit::client::html::Button {
        action: Some("/device/approve".to_owned()),
        ..button.clone()
    };
    let answer = browser.submit(&page, form, &elsewhere, &[]).await.unwrap();
    assert_eq!(answer.status, 403, "{}", answer.source);
    let answer = browser.submit(&page, form, button, &[]).await.unwrap();
    assert_eq!((answer.status, answer.stopped), (403, false), "it is spent");
    end(world).await;
}

/// The attack: an administrator's own program, or one of a known name, is asked for with an address of the attacker's.
#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_not_enough_to_be_taken_for_a_program_that_was_set_up() {
    let world = world().await;
    let base = &world.base;
    let evil = register(base, "https://evil.example/cb").await.json();
    let evil = evil["client_id"].as_str().unwrap();
    let change = [("redirect_uri", "https://evil.example/cb")];
    let page = to_consent(&mut Browser::new(), &request(base, evil, &change)).await;
    assert!(page.source.contains("evil.example") && page.source.contains("nobody has checked"));
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(
        policy.contains("form-action 'self' https://evil.example;"),
        "{policy}"
    );
    let change = [("redirect_uri", CLAUDE)];
    let page = to_consent(&mut Browser::new(), &request(base, "claude-ai", &change)).await;
    assert!(
        page.source.contains("set up here by your company"),
        "{}",
        page.source
    );
    // Even a person who said yes to a program is asked again.
    tokens(&world, &registered(base, LOCAL).await).await;
    end(world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_registrations_is_slowed_down() {
    let world = world().await;
    let mut refused = None;
    for _ in 0..300 {
        let answer = register(&world.base, LOCAL).await;
        if answer.status != 201 {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.unwrap();
    assert_eq!(refused.status, 429);
    assert_eq!(refused.header("retry-after"), Some("600"));
    let huge = "x".repeat(domain::limits::SMALL_BODY_BYTES_MAX + 1);
    for body in ["", "[]", "null", &huge] {
        let asking = Http::new().post(&format!("{}/oauth/register", world.base));
        let answer = asking.body(body.to_owned()).send().await.unwrap();
        assert!(matches!(answer.status, 400 | 429), "{}", answer.status);
    }
    end(world).await;
}

/// The attack: lead somebody's browser through a trip that the attacker began, so that what they connect is the attacker's.
#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_that_one_browser_began_is_not_finished_by_another() {
    let world = world().await;
    let base = &world.base;
    let client_id = registered(base, LOCAL).await;
    let callback = format!("{base}/oauth/callback");
    let mut mallory = Browser::new().stopping_at(&callback);
    let mut page = mallory.open(&request(base, &client_id, &[])).await.unwrap();
    for _ in 0..3 {
        if page.stopped {
            break;
        }
        let forward = page.button("ada").or_else(|| page.button("continue"));
        let (form, button) = forward.unwrap();
        page = mallory.submit(&page, form, button, &[]).await.unwrap();
    }
    let mut ada = Browser::new();
    ada.open(&request(base, &client_id, &[])).await.unwrap();
    let led = ada.open(page.url.as_str()).await.unwrap();
    assert_eq!(led.status, 400, "{}", led.source);
    end(world).await;
}

/// The company's identity provider lets a program in without a browser: once for each assertion, for its connector, with the secret.
#[tokio::test(flavor = "multi_thread")]
async fn an_identity_assertion_is_worth_one_token_to_the_program_that_it_names() {
    let mut stage = super::stage().await;
    stage.config.issuers[0].identity_assertions = true;
    let world = server::demo::world::World::on(stage).await.unwrap();
    let base = &world.base;
    let metadata = super::document(base, "/.well-known/oauth-authorization-server").await;
    let grant = "urn:ietf:params:oauth:grant-type:jwt-bearer";
    assert!(
        metadata["grant_types_supported"]
            .as_array()
            .unwrap()
            .contains(&json!(grant))
    );
    let idp = &world.stage.idp;
    let claims = idp.id_claims(&idp.person("ada").unwrap(), "claude-ai");
    let minted = |jti: &str, scope: &str| {
        let claims = json!({
            "iss": claims["iss"], "sub": claims["sub"], "iat": claims["iat"], "jti": jti, "aud": base, "client_id": "claude-ai",
            "exp": claims["iat"].as_i64().unwrap() + 300, "scope": scope, "resource": format!("{base}/mcp/tasks"),
        });
        let key = idp.signing_key();
        let mut header = key.header();
        header["typ"] = json!("oauth-id-jag+jwt");
        key.sign_with(&header, &claims)
    };
    let first = minted("1", "mcp");
    let form = |assertion: &str| {
        vec![
            ("grant_type", grant.to_owned()),
            ("client_id", "claude-ai".to_owned()),
            ("client_secret", super::SECRET.to_owned()),
            ("assertion", assertion.to_owned()),
        ]
    };
    let send = async |form: &[(&str, String)]| {
        let form: Vec<_> = form.iter().map(|(name, value)| (*name, &**value)).collect();
        token(base, &form).await
    };
    let answer = send(&form(&first)).await.expect_status(200).unwrap().json();
    assert!(answer["refresh_token"].is_null(), "{answer}");
    assert!(at(&world, &answer["access_token"], "tasks").await.is_ok());
    assert!(at(&world, &answer["access_token"], "mail").await.is_err());
    let error = async |form: &[(&str, String)]| send(form).await.json()["error"].clone();
    assert_eq!(error(&form(&first)).await, "invalid_grant", "the replay");
    let without = form(&minted("2", "mcp"));
    assert_eq!(
        error(&[&without[..2], &without[3..]].concat()).await,
        "invalid_client"
    );
    assert_eq!(error(&form(&minted("3", "mail"))).await, "invalid_scope");
    let elsewhere = ("resource", format!("{base}/mcp/mail"));
    let elsewhere = [form(&minted("4", "mcp")), vec![elsewhere]].concat();
    assert_eq!(error(&elsewhere).await, "invalid_target");
    assert_eq!(error(&form("x.y.z")).await, "invalid_grant");
    end(world).await;
}
