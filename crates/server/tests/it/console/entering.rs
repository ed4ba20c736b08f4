//! The way in: to the page that was asked for, under a secret that nobody knew before, for people alone.

use std::time::Duration;

use domain::Clock as _;
use http::HeaderMap;
use server::demo::world::World;
use server::system::SystemClock;
use testkit::{Actor, Browser, Http, Person, device_sign_in};

use super::walk::{
    COOKIE, METHOD, at_the_provider, ends_with, is_home, lets_in, look, opens, secret_of, sessions,
    sign_in, signed_in, visit,
};

const STOP: Duration = Duration::from_secs(2);

fn is_guarded(headers: &HeaderMap, what: &str) {
    for (name, part) in [
        ("cache-control", "no-store"),
        ("x-frame-options", "DENY"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-opener-policy", "same-origin"),
        (
            "content-security-policy",
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; form-action 'self'",
        ),
        (
            "content-security-policy",
            "frame-ancestors 'none'; base-uri 'none'",
        ),
    ] {
        let value = headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap());
        assert!(value.contains(part), "{what}: {name} is {value:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_not_signed_in_is_led_to_the_sign_in_and_back() {
    let world = World::start(0).await.unwrap();
    let answer = Http::new().get(&format!("{}/console?a=1&b=%2F", world.base));
    let answer = answer.send().await.unwrap();
    assert_eq!(answer.status, 303);
    assert_eq!(
        answer.header("location"),
        Some("/console/sign-in?return=/console%3Fa%3D1%26b%3D%252F")
    );
    is_guarded(&answer.headers, "the way to the sign-in");
    let mut browser = Browser::new();
    let page = browser
        .open(&format!("{}/console?a=1", world.base))
        .await
        .unwrap();
    is_guarded(&page.headers, "the sign-in");
    let doubled = format!("{}/console/sign-in?return=/me&return=/console", world.base);
    let answer = Http::new().get(&doubled).send().await.unwrap();
    assert_eq!(answer.status, 200, "what cannot be read was not said");
    is_guarded(&answer.headers, "a sign-in with a parameter twice");
    let page = sign_in(&mut browser, &world.base, "/console?a=1", "ada").await;
    assert!(is_home(&page), "{}", page.url);
    assert!(
        page.html.text.contains("ada@northwind.example"),
        "{}",
        page.html.text
    );
    is_guarded(&page.headers, "the console");
    let secret = secret_of(&browser);
    assert_eq!(
        sessions(&world, &secret).await,
        [("Console".to_owned(), true)]
    );
    let told = [
        "\"sign_in\"",
        METHOD,
        "ada@northwind.example",
        "\"session\":\"ses_",
    ];
    ends_with(world, &[(&told, 1), (&[METHOD], 1)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cookie_planted_before_the_sign_in_opens_nothing_after_it() {
    let world = World::start(0).await.unwrap();
    let planted = "A".repeat(43);
    let mut browser = Browser::new();
    let line = format!("{COOKIE}={planted}; Path=/");
    browser.plant(&world.base, &line).unwrap();
    let page = sign_in(&mut browser, &world.base, "/console", "ada").await;
    assert_eq!(page.status, 200);
    let first = secret_of(&browser);
    assert_ne!(first, planted);
    assert!(!opens(&world.base, &planted).await && opens(&world.base, &first).await);
    // Nor does the secret of an earlier sign-in: whoever signs in anew has left.
    let again = browser
        .open(&format!("{}/console/sign-in", world.base))
        .await
        .unwrap();
    let again = browser.press(&again, "northwind", &[]).await.unwrap();
    let page = browser.press(&again, "ada", &[]).await.unwrap();
    assert_eq!(page.status, 200);
    let second = secret_of(&browser);
    assert_ne!(second, first);
    assert!(!opens(&world.base, &first).await && opens(&world.base, &second).await);
    let open: Vec<bool> = sessions(&world, &second)
        .await
        .iter()
        .map(|it| it.1)
        .collect();
    assert_eq!(open, [false, true]);
    let told = ["\"event\":\"end\"", "\"cause\":\"signed_in_anew\""];
    ends_with(world, &[(&told, 1)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cookie_that_is_not_exactly_one_of_ours_opens_nothing() {
    let world = World::start(0).await.unwrap();
    let (_, secret) = signed_in(&world.base, "ada").await;
    let other = "B".repeat(43);
    let changed = format!(
        "{}{}",
        &secret[..42],
        if secret.ends_with('A') { 'B' } else { 'A' }
    );
    for (cookies, opened) in [
        (format!("{COOKIE}={secret}"), true),
        (format!("a=b; {COOKIE}={secret}; c"), true),
        (format!("{COOKIE}={secret}; {COOKIE}={other}"), false),
        (format!("{COOKIE}={other}; {COOKIE}={secret}"), false),
        (format!("{COOKIE}={secret}; {COOKIE}={secret}"), false),
        (format!("{COOKIE}={changed}"), false),
        (format!("{COOKIE}={secret}="), false),
        (format!("{COOKIE}=\"{secret}\""), false),
        (format!("{COOKIE}={}", secret.to_ascii_lowercase()), false),
        (format!("__Host-{COOKIE}={secret}"), false),
        (format!("doorward_device={secret}"), false),
        (format!("{COOKIE}="), false),
        (String::new(), false),
        ("x".repeat(8_000), false),
    ] {
        let answer = look(&world.base, &cookies).await;
        assert_eq!(lets_in(&answer), opened, "{cookies}");
    }
    let twice = Http::new().get(&format!("{}/console", world.base));
    let twice = twice.header("cookie", &format!("{COOKIE}={secret}"));
    let twice = twice.header("cookie", &format!("{COOKIE}={other}"));
    assert!(!lets_in(&twice.send().await.unwrap()));
    world.stop(STOP).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cookie_is_no_credential_of_any_api() {
    let world = World::start(0).await.unwrap();
    let (_, secret) = signed_in(&world.base, "ada").await;
    let cookie = format!("{COOKIE}={secret}");
    let http = Http::new();
    for path in [
        "/api/v1/me",
        "/api/v1/people",
        "/scim/v2/Users",
        "/v1/models",
        "/managed/settings",
    ] {
        let url = format!("{}{path}", world.base);
        let with_cookie = http
            .get(&url)
            .header("cookie", &cookie)
            .send()
            .await
            .unwrap();
        assert_eq!(with_cookie.status, 401, "{path}");
        let as_bearer = http.get(&url).bearer(&secret).send().await.unwrap();
        assert_eq!(as_bearer.status, 401, "{path}");
    }
    let message = serde_json::json!({"model": "claude-haiku-5-5", "max_tokens": 1, "messages": [{"role": "user", "content": "Hello"}]});
    let asking = http.post(&format!("{}/v1/messages", world.base));
    let answer = asking.header("cookie", &cookie).json(&message).send().await;
    assert_eq!(answer.unwrap().status, 401);
    // And a client's token is none for the console.
    let ada = device_sign_in(&world.base, "ada").await.unwrap();
    let asking = http.get(&format!("{}/console", world.base));
    let answer = asking.bearer(&ada.access_token).send().await.unwrap();
    assert_eq!(answer.status, 303);
    world.stop(STOP).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn it_stands_in_the_list_of_sessions_and_is_ended_there() {
    let world = World::start(0).await.unwrap();
    let (_, secret) = signed_in(&world.base, "ada").await;
    let ada = device_sign_in(&world.base, "ada").await.unwrap();
    let api = Actor::with_bearer(&world.base, &ada.access_token);
    let listed = api.get("/api/v1/me/sessions").await.unwrap().json();
    let sessions = listed["items"].as_array().unwrap();
    let console = sessions.iter().find(|it| it["client"] == "Console");
    let id = console.unwrap()["id"].as_str().unwrap().to_owned();
    assert!(opens(&world.base, &secret).await);
    let path = format!("/api/v1/me/sessions/{id}");
    let ended = api.request(http::Method::DELETE, &path).send().await;
    assert!(ended.unwrap().status < 300);
    assert!(!opens(&world.base, &secret).await);
    world.stop(STOP).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_and_whoever_was_shut_out_do_not_come_in() {
    let world = World::start(0).await.unwrap();
    for robot in [
        Person::new("robot", "Robot", "robot@northwind.example").claim("idtyp", "app"),
        Person::new("robot", "Robot", "robot@northwind.example").claim("gty", "client-credentials"),
    ] {
        world.idp.enrol(robot);
        let mut browser = Browser::new();
        let page = sign_in(&mut browser, &world.base, "/console", "robot").await;
        assert_eq!(
            (page.status, browser.cookie(COOKIE)),
            (403, None),
            "{}",
            page.html.text
        );
    }
    let (_, secret) = signed_in(&world.base, "ada").await;
    let wired = &world.running.wired;
    let ada = visit(wired, &secret).await.unwrap().person.id;
    let out = wired
        .store
        .shut_out(wired.org, ada, SystemClock.now(), "test");
    assert!(out.await.unwrap());
    assert!(!opens(&world.base, &secret).await);
    let mut browser = Browser::new();
    let page = sign_in(&mut browser, &world.base, "/console", "ada").await;
    assert_eq!((page.status, browser.cookie(COOKIE)), (403, None));
    assert!(page.html.text.contains("taken away"), "{}", page.html.text);
    // Let in again, they sign in anew: what they had stays ended.
    assert!(wired.store.let_in(wired.org, ada, None).await.unwrap());
    assert!(!opens(&world.base, &secret).await);
    signed_in(&world.base, "ada").await;
    let (out, machines) = (
        [METHOD, "\"person_revoked\""],
        [METHOD, "\"workload_unknown\""],
    );
    ends_with(world, &[(&out, 1), (&machines, 2)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_of_machines_signs_nobody_in() {
    let stage = server::demo::world::Stage::set(0).await.unwrap();
    let text = std::fs::read_to_string(stage.config_file()).unwrap();
    let machines = format!(
        "[[issuer]]\nname = \"machines\"\nissuer = \"{}/m\"\naudiences = [\"m\"]\nclient_id = \"m\"\n\n\
         [[issuer.workload]]\nservice = \"nightly\"\nclaims = {{ sub = \"m\" }}\n\n[[upstream]]",
        stage.idp.issuer()
    );
    std::fs::write(
        stage.config_file(),
        text.replacen("[[upstream]]", &machines, 1),
    )
    .unwrap();
    let config = server::config::load(&stage.config_file()).unwrap();
    let running = server::commands::start(&config).await.unwrap();
    let world = World { stage, running };
    let mut browser = Browser::new();
    let page = browser
        .open(&format!("{}/console", world.base))
        .await
        .unwrap();
    let names: Vec<&str> = page.buttons().map(|(_, button)| &*button.value).collect();
    assert_eq!(names, ["northwind"]);
    let form = page.html.forms[0].clone();
    for issuer in ["machines", "", "nobody", "northwind "] {
        let button = testkit::client::html::Button {
            name: "issuer".to_owned(),
            value: issuer.to_owned(),
            ..Default::default()
        };
        let answer = browser.submit(&page, &form, &button, &[]).await.unwrap();
        assert_eq!(answer.status, 503, "{issuer}: {}", answer.html.text);
    }
    world.stop(STOP).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_does_not_start_sign_ins_without_end() {
    let world = World::start(0).await.unwrap();
    let mut browser = Browser::new().stopping_at(&world.idp.url());
    let page = browser
        .open(&format!("{}/console", world.base))
        .await
        .unwrap();
    for _ in 0..120 {
        assert!(
            browser
                .press(&page, "northwind", &[])
                .await
                .unwrap()
                .stopped
        );
    }
    let answer = browser.press(&page, "northwind", &[]).await.unwrap();
    assert_eq!(answer.status, 429);
    world.stop(STOP).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_the_identity_provider_is_no_bad_sign_in() {
    let world = World::start(0).await.unwrap();
    let mut browser = Browser::new();
    let page = at_the_provider(&mut browser, &world.base, "/console").await;
    let broken = testkit::idp::IdpFault::Status(500);
    world
        .idp
        .break_endpoint(testkit::idp::Endpoint::Token, broken);
    let end = browser.press(&page, "ada", &[]).await.unwrap();
    assert_eq!(
        (end.status, browser.cookie(COOKIE)),
        (503, None),
        "{}",
        end.html.text
    );
    world.idp.heal();
    let back = browser.follow(&end, "sign-in").await.unwrap();
    let page = browser.press(&back, "northwind", &[]).await.unwrap();
    let page = browser.press(&page, "ada", &[]).await.unwrap();
    assert!(is_home(&page), "{}", page.url);
    world.stop(STOP).await.unwrap();
}
