//! The ways out: by oneself, by others, by doing nothing, and by time. What is out stays out.

use std::sync::Arc;
use std::time::Duration;

use domain::Clock as _;
use server::commands::start_at;
use server::demo::world::{Stage, World};
use server::system::SystemClock;
use sqlx::{AnyConnection, AssertSqlSafe, Connection as _};
use store::Target;
use testkit::{Browser, FakeClock, Http};

use super::walk::{COOKIE, ends_with, look, opens, secret_of, sessions, sign_in, signed_in, visit};

const STOP: Duration = Duration::from_secs(2);
const MINUTE_MS: i64 = 60_000;

#[tokio::test(flavor = "multi_thread")]
async fn who_signs_out_is_out_and_the_browser_forgets() {
    let world = World::start(0).await.unwrap();
    let (mut browser, secret) = signed_in(&world.base, "ada").await;
    let home = browser
        .open(&format!("{}/console", world.base))
        .await
        .unwrap();
    let page = browser.press(&home, "Sign out", &[]).await.unwrap();
    assert_eq!(page.status, 200);
    assert!(
        page.html.text.contains("You are signed out"),
        "{}",
        page.html.text
    );
    assert_eq!(page.headers["cache-control"], "no-store");
    assert_eq!(browser.cookie(COOKIE), None);
    assert!(!opens(&world.base, &secret).await);
    assert_eq!(
        sessions(&world, &secret).await,
        [("Console".to_owned(), false)]
    );
    // The back button asks anew, because nothing was kept, and finds nobody.
    assert_eq!(home.headers["cache-control"], "no-store");
    let back = browser.open(home.url.as_str()).await.unwrap();
    assert_eq!(back.url.path(), "/console/sign-in");
    // So does another press of the button on the old page.
    let again = browser.press(&home, "Sign out", &[]).await.unwrap();
    assert_eq!(again.status, 403);
    let told = ["\"event\":\"end\"", "\"cause\":\"signed_out\""];
    ends_with(world, &[(&told, 1)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_signed_out_by_another_site_or_with_anothers_token() {
    let world = World::start(0).await.unwrap();
    let (mut browser, secret) = signed_in(&world.base, "ada").await;
    let home = browser
        .open(&format!("{}/console", world.base))
        .await
        .unwrap();
    let csrf = token(&home);
    let (mut other, _) = signed_in(&world.base, "grace").await;
    let others = token(&other.open(home.url.as_str()).await.unwrap());
    assert_ne!(csrf, others);
    let cookie = format!("{COOKIE}={secret}");
    let http = Http::new();
    for (site, csrf) in [
        ("same-origin", ""),
        ("same-origin", &*others),
        ("same-origin", "x"),
        ("cross-site", &csrf),
        ("same-site", &csrf),
    ] {
        let asking = http.post(&format!("{}/console/sign-out", world.base));
        let asking = asking
            .header("cookie", &cookie)
            .header("sec-fetch-site", site);
        let answer = asking.form(&[("csrf", csrf)]).send().await.unwrap();
        assert_eq!(answer.status, 403, "{site} {csrf}");
        assert_eq!(answer.header("set-cookie"), None, "{site} {csrf}");
        assert!(opens(&world.base, &secret).await, "{site} {csrf}");
    }
    // Without the header that browsers send, the origin must be ours.
    for (origin, status) in [
        ("https://evil.example", 403),
        ("null", 403),
        (&*world.base, 200),
    ] {
        let asking = http.post(&format!("{}/console/sign-out", world.base));
        let asking = asking.header("cookie", &cookie).header("origin", origin);
        let answer = asking.form(&[("csrf", &csrf)]).send().await.unwrap();
        assert_eq!(answer.status, status, "{origin}");
    }
    let answer = http
        .get(&format!("{}/console/sign-out", world.base))
        .send()
        .await;
    assert_eq!(answer.unwrap().status, 405);
    assert!(!opens(&world.base, &secret).await);
    world.stop(STOP).await.unwrap();
}

fn token(page: &testkit::client::Page) -> String {
    let fields = page.html.forms.iter().flat_map(|form| &form.fields);
    let mut found = fields.filter(|(name, _)| name == "csrf");
    found.next().unwrap().1.clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_taken_out_is_out_with_the_next_request() {
    let world = World::start(0).await.unwrap();
    let wired = &world.running.wired;
    let store = &wired.store;
    for end in ["session", "person", "everyone", "out"] {
        let (_, secret) = signed_in(&world.base, "ada").await;
        let ada = visit(wired, &secret).await.unwrap();
        let now = SystemClock.now();
        let target = match end {
            "session" => Some(Target::Session(ada.session)),
            "person" => Some(Target::Person(ada.person.id)),
            "everyone" => Some(Target::Everyone),
            _ => None,
        };
        match target {
            Some(target) => {
                store.revoke(wired.org, &target, now, "test").await.unwrap();
            }
            None => assert!(
                store
                    .shut_out(wired.org, ada.person.id, now, "test")
                    .await
                    .unwrap()
            ),
        }
        // No replica has heard of it yet, and need not have.
        assert!(!opens(&world.base, &secret).await, "{end}");
    }
    world.stop(STOP).await.unwrap();
}

async fn at_standing_clock() -> (World, FakeClock) {
    let clock = FakeClock::at(SystemClock.now());
    let stage = Stage::set(0).await.unwrap();
    let running = start_at(&stage.config, Arc::new(clock.clone()))
        .await
        .unwrap();
    (World { stage, running }, clock)
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_nothing_for_half_an_hour_is_out() {
    let (world, clock) = at_standing_clock().await;
    let (_, secret) = signed_in(&world.base, "ada").await;
    for _ in 0..3 {
        clock.advance_ms(29 * MINUTE_MS);
        assert!(opens(&world.base, &secret).await);
    }
    clock.advance_ms(30 * MINUTE_MS);
    assert!(!opens(&world.base, &secret).await);
    // Looking at the sign-in again and again does not bring it back.
    assert!(!opens(&world.base, &secret).await);
    clock.advance_ms(-29 * MINUTE_MS);
    assert!(opens(&world.base, &secret).await, "only time has ended it");
    world.stop(Duration::ZERO).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_always_there_is_out_after_twelve_hours() {
    let (world, clock) = at_standing_clock().await;
    let (_, secret) = signed_in(&world.base, "ada").await;
    for _ in 0..28 {
        clock.advance_ms(25 * MINUTE_MS);
        assert!(opens(&world.base, &secret).await);
    }
    // 11 h 40 min by now.
    clock.advance_ms(20 * MINUTE_MS);
    assert!(!opens(&world.base, &secret).await);
    world.stop(Duration::ZERO).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_is_old_after_ten_minutes() {
    let (world, clock) = at_standing_clock().await;
    let (_, secret) = signed_in(&world.base, "ada").await;
    let wired = &world.running.wired;
    let fresh = async || visit(wired, &secret).await.unwrap().is_fresh(clock.now());
    assert!(fresh().await);
    clock.advance_ms(9 * MINUTE_MS);
    assert!(fresh().await);
    clock.advance_ms(MINUTE_MS);
    assert!(!fresh().await);
    world.stop(Duration::ZERO).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn two_tabs_leave_together() {
    let world = World::start(0).await.unwrap();
    let (mut browser, _) = signed_in(&world.base, "ada").await;
    let url = format!("{}/console", world.base);
    let (one, two) = (
        browser.open(&url).await.unwrap(),
        browser.open(&url).await.unwrap(),
    );
    browser.press(&one, "Sign out", &[]).await.unwrap();
    let page = browser.press(&two, "Sign out", &[]).await.unwrap();
    assert_eq!(page.status, 403, "{}", page.html.text);
    // And come in together.
    let page = sign_in(&mut browser, &world.base, "/console", "ada").await;
    assert_eq!(page.status, 200);
    assert!(opens(&world.base, &secret_of(&browser)).await);
    assert!(Browser::new().cookie(COOKIE).is_none());
    world.stop(STOP).await.unwrap();
}

/// Whoever tries cookies learns nothing and costs little: the tables of roles and groups are not asked for them.
#[tokio::test(flavor = "multi_thread")]
async fn what_opens_nothing_costs_one_look() {
    let world = World::start(0).await.unwrap();
    let (_, ended) = signed_in(&world.base, "grace").await;
    let wired = &world.running.wired;
    let session = visit(wired, &ended).await.unwrap().session;
    let now = SystemClock.now();
    let target = Target::Session(session);
    let revoked = wired.store.revoke(wired.org, &target, now, "test").await;
    revoked.unwrap();
    let (_, good) = signed_in(&world.base, "ada").await;
    sqlx::any::install_default_drivers();
    let file = format!("sqlite:{}/doorward.db", world.dir.path().display());
    let mut beside = AnyConnection::connect(&file).await.unwrap();
    for table in ["role_bindings", "directory_users"] {
        let sql = format!("ALTER TABLE {table} RENAME TO {table}_away");
        let renamed = sqlx::raw_sql(AssertSqlSafe(sql));
        renamed.execute(&mut beside).await.unwrap();
    }
    assert!(!opens(&world.base, &ended).await);
    assert!(!opens(&world.base, &"A".repeat(43)).await);
    // Nor is an outage a sign-out.
    let answer = look(&world.base, &format!("{COOKIE}={good}")).await;
    assert_eq!(answer.status, 503, "{}", answer.text());
    beside.close().await.unwrap();
    world.stop(STOP).await.unwrap();
}
