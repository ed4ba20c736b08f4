//! Every page, by everyone: made as a page must be, leading nowhere that is not there, and showing to each what they may see.

use std::collections::BTreeSet;

use control::Role;
use domain::Timestamp;

use super::setting::{Setting, Visitor};
use crate::api::setting::things_of;

/// The pages that have one address.
const PAGES: &[&str] = &[
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
    "/console/usage",
    "/console/usage?period=day&by=model",
    "/console/usage?period=week&at=2026-01-07&by=client",
    "/console/usage?by=group",
    "/console/usage?by=group&groups=engineering%2Ctrial",
    "/console/usage.csv",
    "/console/statements",
    "/console/statements?from=2026-01-01&to=2026-02-01&by=upstream",
    "/console/statements.csv?from=2026-01-01&to=2026-02-01&by=group",
    "/console/people",
    "/console/people?q=owner",
    "/console/people.csv",
    "/console/find",
    "/console/find?q=owner",
    "/console/find?q=budget",
    "/console/groups",
    "/console/groups?q=eng",
    "/console/groups?columns=people",
    "/console/groups.csv",
    "/console/services",
    "/console/services?q=nightly",
    "/console/services.csv",
    "/console/services/new-key",
    "/console/directory",
    "/console/directory/new-token",
    "/console/roles",
    "/console/roles/give",
    "/console/tokens",
    "/me/tokens",
    "/me/tokens/new",
    "/console/ledger/checkpoints",
    "/console/ledger/checkpoints?chain=none",
    "/console/ledger/checkpoints/verify",
    "/console/keys",
    "/console/settings",
    "/console/sessions",
    "/console/sessions?ended=yes",
    "/console/requests",
    "/console/requests?state=all",
    "/console/approvals",
    "/console/approvals?state=all",
    "/approvals",
    "/connect",
    "/console/clients",
    "/console/clients/ring",
    "/console/clients/ring?sign_in=oidc",
    "/console/clients/lint",
    "/console/clients/symptoms",
    "/console/clients/symptoms?q=AADSTS50011",
    "/console/sessions.csv?ended=yes",
    "/console/budgets",
    "/console/budgets?done=set",
    "/console/budgets/limits/new",
    "/console/models",
    "/console/tasks",
    "/console/tasks?state=overdue&kind=disable_account",
    "/console/tasks?state=all",
    "/console/tasks/leaver",
    "/console/tasks/joiner",
    "/console/members",
    "/console/members/check",
    "/console/drills",
    "/console/acceptable-use",
    "/console/acceptable-use/draft",
    "/console/acceptable-use/publish",
    "/console/connectors",
    "/console/policy",
    "/console/policy?done=1",
    "/console/policy/edit",
    "/console/policy/entry?section=grant&name=engineers",
    "/console/policy/entry?section=require",
    "/console/policy/beside?part=acceptable_use",
    "/console/policy/beside?part=administration",
    "/console/policy/entry?section=managed_settings&name=everyone",
    "/console/policy/try",
    "/console/policy/try?who=owner%40example.org&model=claude-opus-5-5&version=2.1",
    "/console/policy/versions",
    "/console/policy/versions/1",
    "/console/parts",
    "/console/start",
    "/console/nowhere",
    "/me",
    "/me/ask",
    "/me/ask?for=budget",
    "/me/ask?for=group",
    "/me/ask?for=connector",
    "/me/ask?for=action",
];

/// Whom each page answers with something else than a refusal, by role.
fn may_see(role: Role, path: &str) -> bool {
    let place = path.split('?').next().unwrap_or_default();
    match place {
        "/console/ledger"
        | "/console/ledger.csv"
        | "/console/ledger/checkpoints"
        | "/console/ledger/checkpoints/verify"
        | "/console/tokens" => matches!(role, Role::Owner | Role::Admin | Role::Auditor),
        "/console/services"
        | "/console/services.csv"
        | "/console/directory"
        | "/console/keys"
        | "/console/models"
        | "/console/roles"
        | "/console/sessions"
        | "/console/sessions.csv" => !matches!(role, Role::Member | Role::Approver),
        "/console/budgets/limits/new" => matches!(role, Role::Owner | Role::Admin),
        "/console/tasks/leaver" | "/console/tasks/joiner" | "/console/members/check" => {
            !matches!(role, Role::Member | Role::Auditor)
        }
        "/console/acceptable-use/draft"
        | "/console/acceptable-use/publish"
        | "/console/services/new-key" => {
            matches!(role, Role::Owner | Role::Admin | Role::Technician)
        }
        "/console/directory/new-token" | "/console/roles/give" => role == Role::Owner,
        "/console/acceptable-use"
        | "/console/budgets"
        | "/console/drills"
        | "/console/groups"
        | "/console/groups.csv"
        | "/console/members"
        | "/console/people"
        | "/console/people.csv"
        | "/console/requests"
        | "/console/approvals"
        | "/console/settings"
        | "/console/start"
        | "/console/statements"
        | "/console/statements.csv"
        | "/console/tasks"
        | "/console/usage"
        | "/console/usage.csv" => role != Role::Member,
        at if ["/console/clients", "/console/connectors", "/console/policy"]
            .iter()
            .any(|place| at.starts_with(place)) =>
        {
            role != Role::Member
        }
        "/console/nowhere" => false,
        _ => true,
    }
}

#[tokio::test]
async fn every_page_is_well_made_for_everyone_and_shows_what_they_may_see() {
    let setting = Setting::set().await;
    for role in Role::ALL.iter().copied() {
        let visitor = setting.visitor(role).await;
        for path in PAGES.iter().copied() {
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
    setting.end().await;
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
    setting.end().await;
}

#[tokio::test]
async fn whoever_is_not_signed_in_is_led_to_the_sign_in_from_every_page() {
    let setting = Setting::set().await;
    for path in PAGES.iter().copied() {
        let page = setting.nobody(path).await;
        assert_eq!(page.status, 303, "{path}");
        let to = page.header("location");
        assert!(to.starts_with("/console/sign-in?return="), "{path}: {to}");
        page.is_well_made(path);
    }
    setting.end().await;
}

#[tokio::test]
async fn the_side_bar_shows_only_places_that_open() {
    let setting = Setting::set().await;
    for role in Role::ALL.iter().copied() {
        let visitor: Visitor = setting.visitor(role).await;
        let page = visitor.get("/console/parts").await;
        for path in [
            "/console/ledger",
            "/console/usage",
            "/console/people",
            "/console/groups",
            "/console/services",
            "/console/directory",
            "/console/roles",
            "/console/tokens",
            "/console/requests",
            "/console/approvals",
            "/console/ledger/checkpoints",
            "/console/keys",
            "/console/settings",
            "/console/sessions",
            "/console/clients",
            "/console/budgets",
            "/console/models",
            "/console/tasks",
            "/console/members",
            "/console/drills",
            "/console/acceptable-use",
            "/console/connectors",
            "/console/policy",
        ] {
            let is_shown = page.addresses().contains(path);
            assert_eq!(is_shown, may_see(role, path), "{role}: {path}");
        }
    }
    setting.end().await;
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
    setting.end().await;
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
    setting.end().await;
}
