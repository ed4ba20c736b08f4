//! The break-glass account as somebody uses it who has the envelope, and as somebody tries it who has not.

use std::time::Duration;

use control::{Actor, Control, Role, break_glass};
use domain::{Ids as _, OrgId};
use secrecy::ExposeSecret as _;
use server::demo::world::World;
use server::system::SystemIds;
use testkit::Browser;
use testkit::client::Page;

use super::setting::Setting;
use crate::watch::until;

const DOOR: &str = "/console/sign-in/break-glass";
const OPEN: &str = "The break-glass account is open.";

async fn sealed(here: &Control) -> String {
    let command_line = Actor::command_line("tests");
    let code = break_glass::seal(&here.operation(&command_line), "for the tests").await;
    code.unwrap().expose_secret().to_owned()
}

async fn typed(browser: &mut Browser, world: &World, code: &str) -> Page {
    let page = browser
        .open(&format!("{}{DOOR}", world.base))
        .await
        .unwrap();
    browser
        .press(&page, "Break the glass", &[("code", code)])
        .await
        .unwrap()
}

/// Records of this way of signing in, as they were written.
async fn records(setting: &Setting) -> Vec<String> {
    let sought = store::search::Sought {
        kind: Some("sign_in".to_owned()),
        ..store::search::Sought::default()
    };
    let (store, org) = (&setting.here.store, setting.here.org);
    let found = store.search_records(org, &sought, 100).await.unwrap().0;
    let bodies = found.into_iter().map(|record| record.body);
    bodies
        .filter(|body| body.contains("\"method\":\"break_glass\""))
        .collect()
}

#[tokio::test]
async fn the_code_opens_once_for_an_owner_and_everybody_sees_it() {
    let setting = Setting::set().await;
    let world = &setting.world;
    let auditor = setting.visitor(Role::Auditor).await;
    let code = sealed(&setting.here).await;
    assert!(
        !auditor.get("/console").await.text.contains(OPEN),
        "sealed is quiet"
    );

    let mut browser = Browser::new();
    let page = typed(&mut browser, world, &code.to_lowercase().replace('-', " ")).await;
    assert_eq!(
        (page.status, page.url.path()),
        (200, "/console"),
        "{}",
        page.html.text
    );
    assert!(page.html.text.contains(OPEN), "{}", page.html.text);
    let people = browser
        .open(&format!("{}/console/people", world.base))
        .await
        .unwrap();
    assert_eq!(people.status, 200);
    for path in ["/console", "/console/people", "/me"] {
        let page = auditor.get(path).await;
        assert!(page.text.contains(OPEN), "{path}");
        page.is_well_made(path);
    }

    // The envelope is empty now.
    let mut second = Browser::new();
    let page = typed(&mut second, world, &code).await;
    assert_eq!(page.status, 403, "{}", page.html.text);
    assert!(second.cookie("doorward_console").is_none());

    // Sealed anew: the old session is nobody's, the alarm is over, and only the new code opens.
    let anew = sealed(&setting.here).await;
    let gone = browser
        .open(&format!("{}/console", world.base))
        .await
        .unwrap();
    assert_eq!(gone.url.path(), "/console/sign-in");
    assert!(!auditor.get("/console").await.text.contains(OPEN));
    assert_eq!(typed(&mut second, world, &code).await.status, 403);
    assert_eq!(
        typed(&mut second, world, &anew).await.url.path(),
        "/console"
    );

    let until = tokio::time::Instant::now() + Duration::from_secs(30);
    while records(&setting).await.len() < 4 {
        assert!(
            tokio::time::Instant::now() < until,
            "{:?}",
            records(&setting).await
        );
    }
    let records = records(&setting).await;
    let allowed = records
        .iter()
        .filter(|record| record.contains("\"session\":"));
    assert_eq!(allowed.count(), 2, "{records:?}");
    assert!(
        records.iter().all(|record| !record.contains(&code[..9])),
        "no code is kept"
    );
    setting.end().await;
}

#[tokio::test]
async fn of_many_who_send_the_code_at_once_one_comes_in() {
    let setting = Setting::set().await;
    let code = sealed(&setting.here).await;
    let mut tries = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let (base, code) = (setting.world.base.clone(), code.clone());
        tries.spawn(async move {
            let mut browser = Browser::new();
            let page = browser.open(&format!("{base}{DOOR}")).await.unwrap();
            let page = browser
                .press(&page, "Break the glass", &[("code", &code)])
                .await
                .unwrap();
            page.status
        });
    }
    let mut statuses = tries.join_all().await;
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 403, 403, 403]);
    setting.end().await;
}

#[tokio::test]
async fn whoever_guesses_learns_nothing_and_keeps_nobody_out_who_has_the_envelope() {
    let setting = Setting::set().await;
    let world = &setting.world;
    let mut browser = Browser::new();
    let right_form = "ABCD-EFGH-JKLM-NPQR-STUV-WXYZ-2345-6789";
    // Off, no code, and another organisation's code look the same.
    let off = typed(&mut browser, world, right_form).await;
    let here = &setting.here;
    let other = OrgId::from_parts(1, SystemIds.random_bits());
    let other = Control {
        org: here.store.ensure_org("somebody else", other).await.unwrap(),
        ..here.clone()
    };
    let theirs = sealed(&other).await;
    sealed(here).await;
    let foreign = typed(&mut browser, world, &theirs).await;
    let garbage = typed(&mut browser, world, "'; DROP TABLE break_glass; --").await;
    let wrong = typed(&mut browser, world, right_form).await;
    for page in [&off, &foreign, &garbage, &wrong] {
        assert_eq!(page.status, 403);
        assert_eq!(page.html.text, off.html.text);
    }
    let code = sealed(here).await;
    typed(&mut browser, world, right_form).await;
    for guess in [right_form, "", "garbage", right_form] {
        let slowed = typed(&mut browser, world, guess).await;
        assert_eq!(slowed.status, 429);
    }
    assert!(browser.cookie("doorward_console").is_none());
    // From the same address, as through a proxy that says nothing of its clients.
    let mut envelope = Browser::new();
    let page = typed(&mut envelope, world, &code).await;
    assert_eq!((page.status, page.url.path()), (200, "/console"));
    until(async || records(&setting).await.len() >= 6).await;
    assert_eq!(
        records(&setting).await.len(),
        6,
        "five wrong ones and the right one"
    );
    setting.end().await;
}

#[tokio::test]
async fn a_form_of_another_site_opens_nothing_and_uses_nothing_up() {
    let setting = Setting::set().await;
    let code = sealed(&setting.here).await;
    let answer = testkit::Http::new()
        .post(&format!("{}{DOOR}", setting.world.base))
        .header("sec-fetch-site", "cross-site")
        .form(&[("code", &code), ("csrf", "x")])
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status, 403);
    let mut browser = Browser::new();
    assert_eq!(
        typed(&mut browser, &setting.world, &code).await.url.path(),
        "/console"
    );
    // Its cookie opens no API.
    let cookie = browser.cookie("doorward_console").unwrap();
    let api = testkit::Http::new()
        .get(&format!("{}/api/v1/people", setting.world.base))
        .header("cookie", &format!("doorward_console={cookie}"))
        .send()
        .await
        .unwrap();
    assert_eq!(api.status, 401);
    setting.end().await;
}
