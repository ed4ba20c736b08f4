//! Every page, by everyone: made as a page must be, leading nowhere that is not there, and showing to each what they may see.

use std::collections::BTreeSet;

use control::Role;
use domain::Timestamp;

use super::setting::{Setting, Visitor};
use crate::api::setting::things_of;

/// The pages that have one address.
const PAGES: [&str; 17] = [
    "/console",
    "/console?period=week",
    "/console?period=month",
    "/console/ledger",
    "/console/ledger?kind=change",
    "/console/ledger?kind=all",
    "/console/ledger?kind=sign_in&when=today",
    "/console/ledger?outcome=refused&reason=budget_spent&model=opus",
    "/console/ledger?who=nobody%40nowhere.example",
    "/console/ledger.csv",
    "/console/people",
    "/console/people?q=owner",
    "/console/sessions",
    "/console/sessions?ended=yes",
    "/console/parts",
    "/console/nowhere",
    "/me",
];

/// Whom each page answers with something else than a refusal, by role.
fn may_see(role: Role, path: &str) -> bool {
    let place = path.split('?').next().unwrap_or_default();
    match place {
        "/console/ledger" | "/console/ledger.csv" => {
            matches!(role, Role::Owner | Role::Admin | Role::Auditor)
        }
        "/console/people" => role != Role::Member,
        "/console/sessions" => !matches!(role, Role::Member | Role::Approver),
        "/console/nowhere" => false,
        _ => true,
    }
}

#[tokio::test]
async fn every_page_is_well_made_for_everyone_and_shows_what_they_may_see() {
    let setting = Setting::set().await;
    for role in Role::ALL.iter().copied() {
        let visitor = setting.visitor(role).await;
        for path in PAGES {
            let page = visitor.get(path).await;
            let expected = match (may_see(role, path), path) {
                (true, _) => 200,
                (false, "/console/nowhere") => 404,
                (false, _) => 403,
            };
            assert_eq!(
                page.status,
                expected,
                "{role} at {path}: {}",
                page.html().text
            );
            page.is_well_made(path);
        }
        let things = things_of(&setting.here, visitor.person).await;
        let person = visitor
            .get(&format!("/console/people/{}", things.person))
            .await;
        assert_eq!(person.status, if role == Role::Member { 403 } else { 200 });
        person.is_well_made("a person");
    }
    setting
        .world
        .stop(std::time::Duration::from_secs(2))
        .await
        .unwrap();
}

#[tokio::test]
async fn no_link_of_any_page_leads_nowhere() {
    let setting = Setting::set().await;
    for role in [
        Role::Owner,
        Role::Approver,
        Role::Auditor,
        Role::Technician,
        Role::Member,
    ] {
        let visitor = setting.visitor(role).await;
        let mut known: BTreeSet<String> = ["/console", "/me", "/console/parts"]
            .map(str::to_owned)
            .into();
        let mut asked = BTreeSet::new();
        while let Some(path) = known.difference(&asked).next().cloned() {
            asked.insert(path.clone());
            let page = visitor.get(&path).await;
            assert!(
                page.status == 200 || page.status == 303,
                "{role}: {path} is {}",
                page.status
            );
            if asked.len() < 150 && page.header("content-type").starts_with("text/html") {
                page.is_well_made(&path);
                known.extend(
                    page.addresses()
                        .into_iter()
                        .filter(|to| !to.starts_with("/acceptable-use")),
                );
            }
        }
        assert!(asked.len() > 2, "{role}");
    }
    setting
        .world
        .stop(std::time::Duration::from_secs(2))
        .await
        .unwrap();
}

#[tokio::test]
async fn whoever_is_not_signed_in_is_led_to_the_sign_in_from_every_page() {
    let setting = Setting::set().await;
    for path in PAGES {
        let page = setting.nobody(path).await;
        assert_eq!(page.status, 303, "{path}");
        let to = page.header("location");
        assert!(to.starts_with("/console/sign-in?return="), "{path}: {to}");
        page.is_well_made(path);
    }
    setting
        .world
        .stop(std::time::Duration::from_secs(2))
        .await
        .unwrap();
}

#[tokio::test]
async fn the_side_bar_shows_only_places_that_open() {
    let setting = Setting::set().await;
    for role in Role::ALL.iter().copied() {
        let visitor: Visitor = setting.visitor(role).await;
        let page = visitor.get("/console/parts").await;
        for path in ["/console/ledger", "/console/people", "/console/sessions"] {
            let is_shown = page.addresses().contains(path);
            assert_eq!(is_shown, may_see(role, path), "{role}: {path}");
        }
    }
    setting
        .world
        .stop(std::time::Duration::from_secs(2))
        .await
        .unwrap();
}

#[tokio::test]
async fn the_light_stays_as_it_was_chosen() {
    let setting = Setting::set().await;
    let owner = setting.visitor(Role::Owner).await;
    let fields = [("theme", "dark"), ("return", "/console/people")];
    let answer = owner.post("/console/theme", &fields).await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("location")),
        (303, "/console/people")
    );
    assert!(
        answer
            .header("set-cookie")
            .starts_with("doorward_theme=dark; Path=/")
    );
    let hostile = [("theme", "\"><script>"), ("return", "//evil.example")];
    let answer = owner.post("/console/theme", &hostile).await;
    assert_eq!(answer.header("location"), "/console");
    assert!(
        answer
            .header("set-cookie")
            .starts_with("doorward_theme=system;")
    );
    setting
        .world
        .stop(std::time::Duration::from_secs(2))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_dangerous_page_asks_for_a_new_proof_of_who_looks() {
    let setting = Setting::set().await;
    let owner = setting.visitor(Role::Owner).await;
    let stale = setting
        .browser(owner.person, Timestamp::from_unix_ms(0))
        .await;
    let page = stale.get("/console/sessions/everyone/end").await;
    assert_eq!(page.status, 403);
    page.is_well_made("stale");
    let way = page
        .addresses()
        .into_iter()
        .find(|to| to.contains("again=1"));
    assert!(
        way.unwrap()
            .starts_with("/console/sign-in?return=/console/sessions/everyone/end")
    );
    assert_eq!(
        owner.get("/console/sessions/everyone/end").await.status,
        200
    );
    setting
        .world
        .stop(std::time::Duration::from_secs(2))
        .await
        .unwrap();
}
