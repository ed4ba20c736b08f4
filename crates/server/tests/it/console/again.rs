//! Proving once more who one is: anew, by the same person, or not at all.

use std::time::Duration;

use domain::Clock as _;
use serde_json::{Value, json};
use server::demo::world::World;
use server::system::SystemClock;
use testkit::client::Page;
use testkit::{Browser, Person};

use super::walk::{
    COOKIE, METHOD, ends_with, is_fresh, is_home, opens, secret_of, sessions, signed_in,
};

const STOP: Duration = Duration::from_secs(2);
const HOUR_S: i64 = 3_600;

fn ada() -> Person {
    Person::new("ada", "Ada Lovelace", "ada@northwind.example").group("engineering")
}

fn now_s() -> i64 {
    SystemClock.now().unix_s()
}

/// As far as the identity provider's page.
async fn asked_again(world: &World, browser: &mut Browser) -> Page {
    let url = format!(
        "{}/console/sign-in?return=/console%3Fa%3D1&again=1",
        world.base
    );
    let page = browser.open(&url).await.unwrap();
    assert!(
        page.html.title.contains("Prove that it is you"),
        "{}",
        page.html.title
    );
    browser.press(&page, "northwind", &[]).await.unwrap()
}

async fn proves(world: &World, browser: &mut Browser, person: &str) -> Page {
    let page = asked_again(world, browser).await;
    browser.press(&page, person, &[]).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_earlier_sign_in_at_the_provider_is_no_fresh_proof_and_a_new_one_is() {
    let world = World::start(0).await.unwrap();
    world.idp.enrol(ada().claim("auth_time", now_s() - HOUR_S));
    let (mut browser, first) = signed_in(&world.base, "ada").await;
    assert!(!is_fresh(&world, &first).await);
    world.idp.enrol(ada());
    let page = asked_again(&world, &mut browser).await;
    let query: Vec<(String, String)> = page.url.query_pairs().into_owned().collect();
    for (name, value) in [("prompt", "login"), ("max_age", "0")] {
        assert!(
            query.contains(&(name.to_owned(), value.to_owned())),
            "{query:?}"
        );
    }
    let page = browser.press(&page, "ada", &[]).await.unwrap();
    assert!(is_home(&page), "{}", page.url);
    let second = secret_of(&browser);
    assert!(is_fresh(&world, &second).await);
    // The same session under another secret: whoever had the first has nothing of the proof.
    assert_ne!(first, second);
    assert!(!opens(&world.base, &first).await);
    assert_eq!(
        sessions(&world, &second).await,
        [("Console".to_owned(), true)]
    );
    let told = [METHOD, "\"session\":\"ses_", "ada@northwind.example"];
    ends_with(world, &[(&told, 2)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ordinary_sign_in_asks_for_no_new_one_at_the_provider() {
    let world = World::start(0).await.unwrap();
    world.idp.remember_people(true);
    let (mut browser, _) = signed_in(&world.base, "ada").await;
    let page = browser
        .open(&format!("{}/console/sign-in", world.base))
        .await
        .unwrap();
    let page = browser.press(&page, "northwind", &[]).await.unwrap();
    assert!(is_home(&page), "the provider remembered her: {}", page.url);
    // But it asks whoever proves themselves.
    let page = asked_again(&world, &mut browser).await;
    assert!(page.button("grace").is_some(), "{}", page.html.text);
    world.stop(STOP).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_new_proof_changes_nothing_and_says_why() {
    let world = World::start(0).await.unwrap();
    world.idp.enrol(ada().claim("auth_time", now_s() - HOUR_S));
    let (mut browser, secret) = signed_in(&world.base, "ada").await;
    let refused = async |browser: &mut Browser, said: Option<Value>, why: &str| {
        let person = said.map_or_else(ada, |said| ada().claim("auth_time", said));
        world.idp.enrol(person);
        let page = proves(&world, browser, "ada").await;
        assert_eq!(page.status, 403, "{why}: {}", page.html.text);
        assert!(page.html.text.contains(why), "{why}: {}", page.html.text);
        assert_eq!(secret_of(browser), secret, "{why}");
        assert!(opens(&world.base, &secret).await && !is_fresh(&world, &secret).await);
    };
    world.idp.hide_auth_time(true);
    refused(&mut browser, None, "auth_time").await;
    world.idp.hide_auth_time(false);
    for (said, why) in [
        (json!(now_s() - HOUR_S), "earlier sign-in"),
        (json!(0), "earlier sign-in"),
        (json!(now_s() + HOUR_S), "one of the clocks is wrong"),
        (json!(now_s().to_string()), "auth_time"),
        (json!(-1), "auth_time"),
        (Value::Null, "auth_time"),
    ] {
        refused(&mut browser, Some(said), why).await;
    }
    // The provider's word that she did not want to.
    let page = asked_again(&world, &mut browser).await;
    let page = browser.press(&page, "cancel", &[]).await.unwrap();
    assert_eq!((page.status, secret_of(&browser)), (403, secret.clone()));
    assert!(opens(&world.base, &secret).await);
    ends_with(world, &[(&[METHOD, "\"token_claims\""], 8)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_proves_somebody_else() {
    let world = World::start(0).await.unwrap();
    world.idp.enrol(ada().claim("auth_time", now_s() - HOUR_S));
    let (mut browser, secret) = signed_in(&world.base, "ada").await;
    let page = proves(&world, &mut browser, "grace").await;
    assert_eq!(page.status, 403);
    assert!(
        page.html.text.contains("Somebody else"),
        "{}",
        page.html.text
    );
    assert_eq!(secret_of(&browser), secret);
    assert!(opens(&world.base, &secret).await && !is_fresh(&world, &secret).await);
    world.stop(STOP).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_was_signed_out_meanwhile_proves_nothing() {
    let world = World::start(0).await.unwrap();
    let (mut browser, secret) = signed_in(&world.base, "ada").await;
    let at_idp = asked_again(&world, &mut browser).await;
    let wired = &world.running.wired;
    let everyone = store::Target::Everyone;
    let revoked = wired
        .store
        .revoke(wired.org, &everyone, SystemClock.now(), "test");
    revoked.await.unwrap();
    let page = browser.press(&at_idp, "ada", &[]).await.unwrap();
    assert_eq!(page.status, 403, "{}", page.html.text);
    assert_eq!(secret_of(&browser), secret, "no new secret");
    assert!(!opens(&world.base, &secret).await);
    // A stranger who asks for it signs in like everybody.
    let mut stranger = Browser::new();
    let url = format!("{}/console/sign-in?again=1", world.base);
    let page = stranger.open(&url).await.unwrap();
    assert!(
        page.html.title.contains("Sign in to the console"),
        "{}",
        page.html.title
    );
    // And one who writes the form by hand gets nothing.
    let page = stranger
        .press(&page, "northwind", &[("again", "1")])
        .await
        .unwrap();
    let page = stranger.press(&page, "ada", &[]).await.unwrap();
    assert_eq!((page.status, stranger.cookie(COOKIE)), (403, None));
    world.stop(STOP).await.unwrap();
}
