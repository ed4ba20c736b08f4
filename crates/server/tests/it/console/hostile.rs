//! Links, hosts and answers that somebody else made.

use std::time::Duration;

use server::demo::world::World;
use testkit::{Browser, Http, Person};
use url::Url;

use super::walk::{COOKIE, at_the_provider, is_home, opens, sign_in};

const STOP: Duration = Duration::from_secs(2);

/// Addresses that are not plainly a page of ours.
const HOSTILE: [&str; 22] = [
    "//evil.example",
    "///evil.example/console",
    "/\\evil.example",
    "/console\\..\\..\\evil",
    "https://evil.example/console",
    "http:evil.example",
    "javascript:alert(document.cookie)",
    "data:text/html,<script>1</script>",
    "/console//evil.example",
    "/console/../../evil",
    "/console/%2e%2e/device",
    "/console%2f%2fevil.example",
    "/console\r\nset-cookie: x=y",
    "/console\t/x",
    "/console@evil.example",
    "/console.evil.example",
    "@evil.example/console",
    "/\u{2215}\u{2215}evil.example",
    "/console/sign-in?return=/console/sign-in",
    "/console/sign-out",
    "/oauth/callback?code=1&state=2",
    "\"><script>alert(1)</script>",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_link_leads_back_to_pages_of_ours_alone() {
    let world = World::start(0).await.unwrap();
    let long = format!("/console/{}", "a".repeat(500));
    let mut browser = Browser::new();
    for hostile in HOSTILE.into_iter().chain([&*long]) {
        let url = format!("{}/console/sign-in", world.base);
        let url = Url::parse_with_params(&url, [("return", hostile)]).unwrap();
        let page = browser.open(url.as_str()).await.unwrap();
        assert_eq!(page.status, 200, "{hostile}");
        let hidden = page.html.forms[0].fields.iter().find(|it| it.0 == "return");
        assert_eq!(hidden.unwrap().1, "/console", "{hostile}");
        assert!(!page.source.contains("<script"), "{hostile}");
    }
    // The form is believed no more than the link.
    for hostile in &HOSTILE[..8] {
        let mut browser = Browser::new();
        let page = browser
            .open(&format!("{}/console", world.base))
            .await
            .unwrap();
        let at_idp = browser
            .press(&page, "northwind", &[("return", hostile)])
            .await
            .unwrap();
        let end = browser.press(&at_idp, "ada", &[]).await.unwrap();
        assert!(is_home(&end), "{hostile}: {}", end.url);
        assert!(end.url.as_str().starts_with(&world.base), "{hostile}");
    }
    world.stop(STOP).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_somebody_writes_leads_nowhere() {
    let world = World::start(0).await.unwrap();
    let http = Http::new();
    for (name, value) in [
        ("host", "evil.example"),
        ("x-forwarded-host", "evil.example"),
        ("forwarded", "host=evil.example"),
        ("x-original-url", "//evil.example"),
    ] {
        let asking = http.get(&format!("{}/console", world.base));
        let answer = asking.header(name, value).send().await.unwrap();
        let to = answer.header("location").unwrap();
        assert_eq!(to, "/console/sign-in?return=/console", "{name}");
        let page = http.get(&format!("{}/console/sign-in", world.base));
        let page = page.header(name, value).send().await.unwrap();
        assert!(!page.text().contains("evil"), "{name}");
        assert_eq!(page.status, 200);
    }
    let mut browser = Browser::new();
    let page = at_the_provider(&mut browser, &world.base, "/console").await;
    let redirect = page
        .url
        .query_pairs()
        .find(|(key, _)| key == "redirect_uri");
    assert_eq!(
        redirect.unwrap().1,
        format!("{}/oauth/callback", world.base)
    );
    world.stop(STOP).await.unwrap();
}

/// The address that the identity provider sends this browser to, which was not loaded yet.
async fn callback(world: &World, browser: &mut Browser, person: &str) -> String {
    let page = sign_in(browser, &world.base, "/console?a=1", person).await;
    assert!(page.stopped);
    page.url.to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_signed_in_by_an_answer_to_another_browser() {
    let world = World::start(0).await.unwrap();
    let stop = format!("{}/oauth/callback", world.base);
    let mut thief = Browser::new().stopping_at(&stop);
    let theirs = callback(&world, &mut thief, "edsger").await;
    // A stranger, and somebody with a trip of their own under way.
    let mut strangers = [Browser::new(), Browser::new()];
    at_the_provider(&mut strangers[1], &world.base, "/console").await;
    for victim in &mut strangers {
        let page = victim.open(&theirs).await.unwrap();
        assert_eq!(
            (page.status, victim.cookie(COOKIE)),
            (400, None),
            "{}",
            page.html.text
        );
    }
    // It was used up by the try, so the thief's own browser gets nothing for it either.
    let cookie = format!(
        "doorward_device={}",
        thief.cookie("doorward_device").unwrap()
    );
    let answer = Http::new()
        .get(&theirs)
        .header("cookie", &cookie)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status, 400);
    world.stop(STOP).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_good_once_and_only_as_it_was_sent() {
    let world = World::start(0).await.unwrap();
    let stop = format!("{}/oauth/callback", world.base);
    let http = Http::new();
    let mut browser = Browser::new().stopping_at(&stop);
    let address = callback(&world, &mut browser, "ada").await;
    let cookie = format!(
        "doorward_device={}",
        browser.cookie("doorward_device").unwrap()
    );
    let send = |url: String| http.get(&url).header("cookie", &cookie).send();
    let changed = |name: &str, value: &str| {
        let mut url = Url::parse(&address).unwrap();
        let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        url.query_pairs_mut().clear().extend_pairs(
            pairs
                .iter()
                .map(|(key, old)| (key, if key == name { value } else { old })),
        );
        url.to_string()
    };
    assert_eq!(send(changed("state", "x")).await.unwrap().status, 400);
    let good = send(address.clone()).await.unwrap();
    assert_eq!(
        (good.status, good.header("location")),
        (303, Some("/console?a=1"))
    );
    assert_eq!(good.header("cache-control"), Some("no-store"));
    let line = good.header("set-cookie").unwrap();
    for part in ["HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=43200"] {
        assert!(line.contains(part), "{line}");
    }
    let again = send(address.clone()).await.unwrap();
    assert_eq!((again.status, again.header("set-cookie")), (400, None));
    let secret = line.strip_prefix("doorward_console=").unwrap();
    assert!(opens(&world.base, secret.split(';').next().unwrap()).await);
    // A code that was never given, and an error in its place.
    for (name, value, status) in [("code", "x", 503), ("code", "", 503)] {
        let mut browser = Browser::new().stopping_at(&stop);
        let address = callback(&world, &mut browser, "ada").await;
        let address = address.replace(
            &format!("{name}={}", value_of(&address, name)),
            &format!("{name}={value}"),
        );
        let cookie = format!(
            "doorward_device={}",
            browser.cookie("doorward_device").unwrap()
        );
        let answer = http
            .get(&address)
            .header("cookie", &cookie)
            .send()
            .await
            .unwrap();
        assert_eq!((answer.status, answer.header("set-cookie")), (status, None));
    }
    world.stop(STOP).await.unwrap();
}

fn value_of(address: &str, name: &str) -> String {
    let url = Url::parse(address).unwrap();
    let found = url.query_pairs().find(|(key, _)| key == name);
    found.unwrap().1.into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_with_another_nonce_signs_nobody_in() {
    let world = World::start(0).await.unwrap();
    let person = Person::new("mallory", "Mallory", "mallory@northwind.example");
    world.idp.enrol(person.claim("nonce", "of another sign-in"));
    let mut browser = Browser::new();
    let page = sign_in(&mut browser, &world.base, "/console", "mallory").await;
    assert_eq!((page.status, browser.cookie(COOKIE)), (403, None));
    world.stop(STOP).await.unwrap();
}
