//! Signing in to the console as people do, and looking at it with a cookie as thieves do.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use control::{Control, Visit};
use domain::Clock as _;
use server::demo::world::World;
use server::system::SystemClock;
use server::wiring::Wired;
use testkit::client::Page;
use testkit::{Answer, Browser, Http};

/// The cookie's name on loopback, where there is no TLS.
pub(crate) const COOKIE: &str = "doorward_console";

/// What stands in each record of this way of signing in.
pub(crate) const METHOD: &str = "\"method\":\"console\"";

/// Opens a page of ours, is led to the sign-in, and goes on as this person.
pub(crate) async fn sign_in(browser: &mut Browser, base: &str, path: &str, person: &str) -> Page {
    let page = at_the_provider(browser, base, path).await;
    browser.press(&page, person, &[]).await.unwrap()
}

/// As far as the identity provider's own page.
pub(crate) async fn at_the_provider(browser: &mut Browser, base: &str, path: &str) -> Page {
    let page = browser.open(&format!("{base}{path}")).await.unwrap();
    assert_eq!(page.url.path(), "/console/sign-in", "{}", page.html.text);
    browser.press(&page, "northwind", &[]).await.unwrap()
}

/// The secret that a browser is signed in with.
pub(crate) fn secret_of(browser: &Browser) -> String {
    browser.cookie(COOKIE).unwrap_or_default().to_owned()
}

/// Somebody who is signed in, and the secret.
pub(crate) async fn signed_in(base: &str, person: &str) -> (Browser, String) {
    let mut browser = Browser::new();
    let page = sign_in(&mut browser, base, "/console", person).await;
    assert!(is_home(&page), "{}: {}", page.url, page.html.text);
    let secret = secret_of(&browser);
    assert_eq!(secret.len(), 43);
    (browser, secret)
}

/// What whoever brings these cookies gets of the console.
pub(crate) async fn look(base: &str, cookies: &str) -> Answer {
    let asking = Http::new().get(&format!("{base}/console"));
    asking.header("cookie", cookies).send().await.unwrap()
}

/// Whether this is where a sign-in leads: the console's first page, or one's own for whoever has no role.
pub(crate) fn is_home(page: &Page) -> bool {
    page.status == 200 && matches!(page.url.path(), "/console" | "/me")
}

/// Whether an answer lets somebody in: a page, or the way to one's own; not the way to the sign-in. Nothing else may come.
pub(crate) fn lets_in(answer: &Answer) -> bool {
    let to = answer.header("location").unwrap_or_default();
    match answer.status {
        200 => true,
        303 if to == "/me" => true,
        303 if to.starts_with("/console/sign-in?return=") => false,
        other => panic!("{other} to {to}: {}", answer.text()),
    }
}

/// Whether a secret opens the console.
pub(crate) async fn opens(base: &str, secret: &str) -> bool {
    lets_in(&look(base, &format!("{COOKIE}={secret}")).await)
}

/// Who a secret stands for, as the pages read it.
pub(crate) async fn visit(wired: &Wired, secret: &str) -> Option<Visit> {
    let control = Control {
        org: wired.org,
        vouching: Arc::new(
            [("northwind".to_owned(), BTreeSet::new())]
                .into_iter()
                .collect(),
        ),
        store: wired.store.clone(),
        ledger: Arc::clone(&wired.pipeline.ledger),
        clock: Arc::clone(&wired.pipeline.clock),
        ids: Arc::clone(&wired.pipeline.ids),
        vault: wired.control().vault,
        parsed: control::ParsedPolicy::default(),
    };
    control.enter_by_cookie(secret).await.ok()
}

/// Whether a secret may do what is dangerous.
pub(crate) async fn is_fresh(world: &World, secret: &str) -> bool {
    let visit = visit(&world.running.wired, secret).await.unwrap();
    visit.is_fresh(SystemClock.now())
}

/// The person's sessions, by what they are called, and whether they are open.
pub(crate) async fn sessions(world: &World, secret: &str) -> Vec<(String, bool)> {
    let wired = &world.running.wired;
    let hash = domain::opaque::hex(&domain::opaque::sha256(secret.as_bytes()));
    let held = wired.store.console_session(wired.org, &hash).await;
    let person = held.unwrap().unwrap().person.id;
    let page = wired
        .store
        .sessions_page(wired.org, (Some(person), false), None, 100);
    let (sessions, _) = page.await.unwrap();
    let named = sessions.into_iter();
    named
        .map(|session| (session.client, session.ended_at.is_none()))
        .collect()
}

/// Ends the world, and counts the records of its ledger that hold all of some texts.
pub(crate) async fn ends_with(world: World, expected: &[(&[&str], usize)]) {
    let World { stage, running } = world;
    running.stop(Duration::from_secs(2)).await.unwrap();
    for (texts, count) in expected {
        let found = records(&stage.config.ledger.dir, texts);
        assert_eq!(found, *count, "{texts:?}");
    }
}

fn records(folder: &Path, texts: &[&str]) -> usize {
    let files = std::fs::read_dir(folder).unwrap();
    let files = files.map(|file| file.unwrap().path());
    let all = files.filter_map(|path| std::fs::read_to_string(path).ok());
    let all: Vec<String> = all.collect();
    let lines = all.iter().flat_map(|text| text.lines());
    let holds = |line: &&str| texts.iter().all(|text| line.contains(text));
    lines.filter(holds).count()
}
