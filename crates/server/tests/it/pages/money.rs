//! Budgets, spend limits, models and upstreams as pages: what they show of what is there, and what their forms do, for whom, with which record.

use control::spend_limits::{self, Scope};
use control::{Actor, Role};
use domain::window::Period;
use domain::{Clock as _, Timestamp, Usd};
use server::system::SystemClock;
use store::Spending;
use store::ledger::Batch;

use super::setting::{Setting, Visitor};
use crate::api::setting::person;

fn text(page: &super::setting::Seen) -> String {
    page.html().text
}

/// Money of purses in the windows that are under way.
async fn spend(setting: &Setting, purses: &[(&str, Period, i64)]) {
    let spending = purses.iter().map(|(purse, period, cents)| Spending {
        org: setting.here.org,
        purse: (*purse).to_owned(),
        period: *period,
        at: SystemClock.now(),
        cost: Usd::from_cents(*cents),
    });
    let batch = Batch {
        spending: spending.collect(),
        ..Batch::default()
    };
    let shipped = setting.here.store.ship("by-hand.1", 1, 2, &batch).await;
    assert!(shipped.unwrap());
}

#[tokio::test]
async fn a_limit_is_set_changed_and_removed_each_after_a_page_that_says_what_it_does() {
    let setting = Setting::set().await;
    let owner = setting.visitor(Role::Owner).await;
    let ada = person(&setting.here, "ada").await.to_string();
    spend(
        &setting,
        &[
            (&ada, Period::Monthly, 7_000),
            ("per_nobody", Period::Monthly, 1),
        ],
    )
    .await;
    let new = "/console/budgets/limits/new";
    owner.get(new).await.is_well_made(new);
    let typed = [
        ("kind", "person"),
        ("who", "ada@example.org"),
        ("period", "monthly"),
        ("amount", "60"),
    ];
    let asked = owner.post(new, &typed).await;
    assert_eq!(asked.status, 200);
    asked.is_well_made("are you sure");
    let said = text(&asked);
    for part in [
        "Set the limit of ada@example.org ?",
        "Calls are refused once $60.00 a month is spent",
        "1 person has spent as much already in the period under way",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(
        limits(&setting).await.is_empty(),
        "nothing was done by asking"
    );
    let sure: Vec<_> = typed.into_iter().chain([("sure", "yes")]).collect();
    let done = owner.post(new, &sure).await;
    assert_eq!(
        (done.status.as_u16(), done.header("location")),
        (303, "/console/budgets?done=set")
    );
    let page = owner.get("/console/budgets").await;
    page.is_well_made("budgets");
    let shown = text(&page);
    assert!(
        shown.contains("$70.00 (117 %)") && shown.contains("$60.00 a month"),
        "{shown}"
    );
    let twice = owner.post(new, &sure).await;
    assert_eq!(twice.status, 409);
    twice.is_well_made("a limit that stands");

    let limit = limits(&setting).await.remove(0);
    let address = format!("/console/budgets/limits/{}", limit.id);
    assert!(page.addresses().contains(&address));
    assert!(
        twice.addresses().contains(&address),
        "the way to the one that stands"
    );
    change_and_remove(&setting, &owner, &address, &spend_limits::version(&limit)).await;
    say_whose_and_how_much(&setting.changes("spend_limit", 3).await);
    setting.end().await;
}

fn say_whose_and_how_much(records: &[serde_json::Value]) {
    let mut said: Vec<_> = records.iter().map(|one| one["reason"].as_str()).collect();
    said.sort_unstable();
    assert_eq!(
        said,
        [
            Some("ada@example.org: $60.00 a month → no cap"),
            Some("ada@example.org: no cap → none"),
            Some("ada@example.org: none → $60.00 a month"),
        ]
    );
}

async fn limits(setting: &Setting) -> Vec<store::SpendLimit> {
    setting
        .here
        .store
        .spend_limits(setting.here.org)
        .await
        .unwrap()
}

async fn change_and_remove(setting: &Setting, owner: &Visitor, address: &str, version: &str) {
    owner.get(address).await.is_well_made("change");
    let to_none = [("amount", "none"), ("version", version)];
    let asked = owner.post(address, &to_none).await;
    assert!(
        text(&asked).contains("It is $60.00 a month now."),
        "{}",
        text(&asked)
    );
    let sure: Vec<_> = to_none.into_iter().chain([("sure", "yes")]).collect();
    assert_eq!(owner.post(address, &sure).await.status, 303);
    assert_eq!(limits(setting).await[0].amount_cents, None);
    let late = owner.post(address, &sure).await;
    assert_eq!(late.status, 412, "whoever comes second changes nothing");
    late.is_well_made("too late");
    let remove = format!("{address}/remove");
    let page = owner.get(&remove).await;
    page.is_well_made("remove");
    let version = spend_limits::version(&limits(setting).await[0]);
    let done = owner.post(&remove, &[("version", &version)]).await;
    assert_eq!(done.header("location"), "/console/budgets?done=removed");
    assert!(limits(setting).await.is_empty());
}

#[tokio::test]
async fn what_is_wrong_with_a_limit_stands_beside_its_field_with_what_was_typed() {
    let setting = Setting::set().await;
    let owner = setting.visitor(Role::Owner).await;
    let new = "/console/budgets/limits/new";
    for (kind, who, amount, wrong) in [
        (
            "person",
            "nobody@nowhere.example",
            "60",
            "nobody here has this id",
        ),
        ("person", "", "60", "must name one person"),
        ("group", "a\u{202e}b", "60", "must be 1 to 128 characters"),
        ("everyone", "", "a lot", "must be dollars"),
        ("everyone", "", "-1", "must be dollars"),
        ("everyone", "", "", "must be dollars"),
    ] {
        let typed = [
            ("kind", kind),
            ("who", who),
            ("period", "daily"),
            ("amount", amount),
            ("sure", "yes"),
        ];
        let page = owner.post(new, &typed).await;
        assert_eq!(page.status, 422, "{kind} {who} {amount}");
        page.is_well_made(wrong);
        assert!(text(&page).contains(wrong), "{wrong}: {}", text(&page));
        assert!(
            page.text.contains(&format!("value=\"{amount}\"")),
            "kept: {amount}"
        );
        assert!(page.text.contains("<option value=\"daily\" selected>"));
    }
    assert!(limits(&setting).await.is_empty());
    setting.end().await;
}

#[tokio::test]
async fn a_limit_is_set_by_nobody_who_may_not_or_did_not_prove_who_they_are_or_by_another_site() {
    let setting = Setting::set().await;
    let owner = setting.visitor(Role::Owner).await;
    let new = "/console/budgets/limits/new";
    let typed = [
        ("kind", "everyone"),
        ("period", "daily"),
        ("amount", "1"),
        ("sure", "yes"),
    ];
    for role in [
        Role::Approver,
        Role::Auditor,
        Role::Technician,
        Role::Member,
    ] {
        let visitor = setting.visitor(role).await;
        assert_eq!(visitor.post(new, &typed).await.status, 403, "{role}");
        assert_eq!(visitor.get(new).await.status, 403, "{role}");
    }
    let stale = setting
        .browser(owner.person, Timestamp::from_unix_ms(0))
        .await;
    assert_eq!(stale.post(new, &typed).await.status, 403);
    let theirs = owner.send(new, &typed, "https://evil.example", "x").await;
    assert_eq!(theirs.status, 400);
    assert!(limits(&setting).await.is_empty());
    let auditor = setting.visitor(Role::Auditor).await;
    let page = auditor.get("/console/budgets").await;
    assert!(
        page.text.contains("aria-disabled=\"true\""),
        "disabled, with the reason beside it"
    );
    assert!(text(&page).contains("needs the right budgets.write"));
    setting.end().await;
}

#[tokio::test]
async fn whoever_is_near_their_cap_is_named() {
    let setting = Setting::set().await;
    let owner = setting.visitor(Role::Owner).await;
    let machine = Actor::command_line("the test");
    let operation = setting.here.operation(&machine);
    let made = spend_limits::create(
        &operation,
        &Scope::Organization,
        Period::Weekly,
        Some("1000"),
    );
    made.await.unwrap();
    let ada = person(&setting.here, "ada").await.to_string();
    let bob = person(&setting.here, "bob").await.to_string();
    spend(
        &setting,
        &[(&ada, Period::Weekly, 850), (&bob, Period::Weekly, 790)],
    )
    .await;
    // The rules in force know the limit within a moment.
    crate::watch::until(async || {
        let page = owner.get("/console/budgets").await;
        text(&page).contains("ada@example.org $8.50 (85 %) of $10.00 a week")
    })
    .await;
    let page = owner.get("/console/budgets").await;
    page.is_well_made("near");
    assert!(
        !text(&page).contains("bob@example.org $7.90"),
        "{}",
        text(&page)
    );
    setting.end().await;
}

#[tokio::test]
async fn an_upstream_is_tested_by_whoever_may_and_what_was_found_is_shown_and_recorded() {
    let setting = Setting::set().await;
    let owner = setting.visitor(Role::Owner).await;
    let models = "/console/models";
    let page = owner.get(models).await;
    page.is_well_made(models);
    let shown = text(&page);
    for part in [
        "Not asked yet",
        "API key",
        "first.key",
        "Claude Opus 5.5",
        "approved in engineering (engineers)",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let key = std::fs::read_to_string(setting.world.stage.dir.path().join("first.key")).unwrap();
    assert!(
        !page.text.contains(key.trim()),
        "no credential is on the page"
    );
    let test = "/console/models/test/0";
    let done = owner.post(test, &[]).await;
    assert_eq!(
        (done.status.as_u16(), done.header("location")),
        (303, "/console/models?done=tested")
    );
    let page = owner.get("/console/models?done=tested").await;
    page.is_well_made("tested");
    let shown = text(&page);
    assert!(
        shown.contains("Passed Tested 0 s ago, answered in"),
        "{shown}"
    );
    assert!(!page.text.contains(key.trim()));
    let records = setting.changes("upstream_test", 2).await;
    assert!(
        records
            .iter()
            .any(|record| record["reason"] == "asked by hand"),
        "{records:?}"
    );
    setting.world.stage.second.refuse_connections().await;
    assert_eq!(owner.post("/console/models/test/1", &[]).await.status, 303);
    let shown = text(&owner.get(models).await);
    assert!(
        shown.contains("Failed") && shown.contains("What to do:"),
        "{shown}"
    );
    for (role, status) in [
        (Role::Auditor, 403),
        (Role::Approver, 403),
        (Role::Member, 403),
        (Role::Technician, 303),
    ] {
        let visitor = setting.visitor(role).await;
        assert_eq!(visitor.post(test, &[]).await.status, status, "{role}");
    }
    assert_eq!(owner.post("/console/models/test/9", &[]).await.status, 404);
    let theirs = owner.send(test, &[], "https://evil.example", "x").await;
    assert_eq!(theirs.status, 400);
    setting.end().await;
}

#[tokio::test]
async fn a_sensor_that_fell_silent_is_told_first_and_in_the_lead() {
    let setting = Setting::set().await;
    let owner = setting.visitor(Role::Owner).await;
    let quiet = owner.get("/console").await;
    assert!(!text(&quiet).contains("Silent sensors"), "{}", text(&quiet));
    let (store, org, now) = (&setting.here.store, setting.here.org, SystemClock.now());
    let used = store::UsageHour {
        org,
        at: now,
        requests: 1,
        subject: String::new(),
        model: String::new(),
        client: "claude_code".to_owned(),
        upstream: String::new(),
        outcome: "complete".to_owned(),
        usage: domain::Usage::default(),
        cost: Usd::ZERO,
        certainty: store::Certainty::Known,
    };
    let batch = Batch {
        usage: vec![used],
        ..Batch::default()
    };
    assert!(store.ship("by-hand.1", 1, 2, &batch).await.unwrap());
    let five_hours = now.plus_ms(-5 * 3_600_000);
    store
        .note_sensor(org, store::sensors::TELEMETRY, five_hours)
        .await
        .unwrap();
    let page = owner.get("/console").await;
    page.is_well_made("silent");
    let shown = text(&page);
    assert!(
        shown.contains("1 sensor is silent: telemetry of clients for 5 h"),
        "{shown}"
    );
    let (silent, figures) = (
        page.text.find("Silent sensors"),
        page.text.find("class=\"figures\""),
    );
    assert!(silent.unwrap() < figures.unwrap(), "before any number");
    // Telemetry comes again, and it speaks.
    let ada = person(&setting.here, "ada").await;
    let bearer =
        crate::api::setting::bearer(&setting.here, setting.world.running.wired.sessions(), ada)
            .await;
    let client = testkit::Actor::with_bearer(&setting.world.base, &bearer);
    let answer = client
        .post("/v1/metrics", &serde_json::json!({}))
        .await
        .unwrap();
    assert_eq!(answer.status, 200);
    let page = owner.get("/console").await;
    assert!(!text(&page).contains("Silent sensors"), "{}", text(&page));
    setting.end().await;
}
