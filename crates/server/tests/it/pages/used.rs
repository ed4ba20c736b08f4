//! What pages say of use: held to a ledger that was written by hand, to the cent, whoever it is split by; and forms of what was typed.

use std::collections::BTreeSet;

use control::Role;
use domain::window::Period;
use domain::{Clock as _, Ids as _, PersonId, Timestamp, Usage, Usd};
use server::system::{SystemClock, SystemIds};
use store::ledger::Batch;
use store::{Certainty, Seen, UsageHour};

use super::setting::{Setting, Visitor};

const HOUR_MS: i64 = 3_600_000;

/// Somebody in groups.
async fn somebody(setting: &Setting, name: &str, groups: &[&str]) -> PersonId {
    let now = SystemClock.now();
    let new = PersonId::from_parts(now.unix_ms().unsigned_abs(), SystemIds.random_bits());
    let seen = Seen {
        org: setting.here.org,
        issuer: "northwind",
        stable_id: &new.to_string(),
        email: None,
        name: Some(name),
        groups: &groups
            .iter()
            .map(|group| (*group).to_owned())
            .collect::<BTreeSet<_>>(),
        stated: now,
        made: now,
        at: now,
    };
    let made = setting.here.store.upsert_person(seen, new).await;
    made.unwrap().id
}

/// The middle of the month before this one: over, and in the statement that is shown unasked.
fn last_month() -> Timestamp {
    let this = Period::Monthly.window(SystemClock.now()).0;
    Period::Monthly
        .window(this.plus_ms(-1))
        .0
        .plus_ms(14 * 24 * HOUR_MS)
}

fn call(setting: &Setting, who: &str, (model, nanos, requests): (&str, i64, u64)) -> UsageHour {
    UsageHour {
        org: setting.here.org,
        at: last_month().plus_ms(9 * HOUR_MS),
        subject: who.to_owned(),
        model: model.to_owned(),
        client: "claude_code".to_owned(),
        upstream: if model.is_empty() { "" } else { "first" }.to_owned(),
        outcome: if model.is_empty() {
            "refused"
        } else {
            "complete"
        }
        .to_owned(),
        usage: Usage::default(),
        cost: Usd::from_nanos(nanos),
        certainty: Certainty::Known,
        requests,
    }
}

async fn ship(setting: &Setting, usage: Vec<UsageHour>) {
    let batch = Batch {
        usage,
        ..Batch::default()
    };
    let shipped = setting.here.store.ship("by-hand.1", 1, 2, &batch).await;
    assert!(shipped.unwrap());
}

/// The address of the month in question.
fn address(path: &str, by: &str) -> String {
    let day = last_month().to_string();
    format!("{path}?period=month&at={}&by={by}", &day[..10])
}

/// The rows of a file that holds no quotes: its first cells, and the money.
fn money(sheet: &str) -> Vec<(String, Usd)> {
    let rows = sheet.lines().skip(1).map(|row| {
        let cells: Vec<&str> = row.split(',').collect();
        (cells[0].to_owned(), cells[9].parse().unwrap())
    });
    rows.collect()
}

async fn adds_up(visitor: &Visitor, by: &str, total: Usd, shown: &str) {
    let page = visitor.get(&address("/console/usage", by)).await;
    page.is_well_made(by);
    let foot = page.text.split("<tfoot>").nth(1).unwrap();
    assert!(foot.contains(shown), "{by}: {foot}");
    let sheet = visitor.get(&address("/console/usage.csv", by)).await;
    assert!(
        sheet
            .header("content-disposition")
            .starts_with("attachment")
    );
    let rows = money(&sheet.text);
    let (last, lines) = rows.split_last().unwrap();
    assert_eq!((last.0.as_str(), last.1), ("total", total), "{by}");
    let sum = lines
        .iter()
        .fold(Usd::ZERO, |sum, (_, money)| sum.plus(*money));
    assert_eq!(sum, total, "{by}: the lines add up");
}

/// Names, the rounded rows, and groups in the order that decides.
async fn says_who(owner: &Visitor, ada: &str) {
    let people = owner.get(&address("/console/usage", "person")).await;
    let shown = people.html().text;
    for part in [
        "Ada",
        "$1.01",
        "Bob",
        "$0.33",
        "Services, and calls that name nobody",
        "$0.16",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert!(
        people
            .addresses()
            .contains(&format!("/console/people/{ada}"))
    );
    assert!(
        shown.contains("Requests: mean 4, median 4 of the 2 people who made a call"),
        "{shown}"
    );
    // Ada is in both groups, and counts to the one with fewer people.
    let groups = owner
        .get(&address("/console/usage", "group"))
        .await
        .html()
        .text;
    assert!(groups.contains("engineering 3 0 0 $1.01"), "{groups}");
    assert!(groups.contains("everyone 6 4 0 $0.33"), "{groups}");
    let named = format!(
        "{}&groups=everyone%2Cengineering",
        address("/console/usage", "group")
    );
    let groups = owner.get(&named).await.html().text;
    assert!(groups.contains("everyone 9 4 0 $1.34"), "{groups}");
    let statement = owner.get("/console/statements?by=person").await;
    statement.is_well_made("a statement");
    assert!(statement.html().text.contains("its time is over"));
    assert!(
        statement
            .text
            .split("<tfoot>")
            .nth(1)
            .unwrap()
            .contains("$1.50")
    );
}

#[tokio::test]
async fn pages_and_files_of_use_say_what_the_ledger_has_to_the_cent() {
    let setting = Setting::set().await;
    let owner = setting.visitor(Role::Owner).await;
    let ada = somebody(&setting, "Ada", &["engineering", "everyone"])
        .await
        .to_string();
    let bob = somebody(&setting, "Bob", &["everyone"]).await.to_string();
    let service = "svc_00000000000000000000000001";
    // 1.005 + 0.334 + 0.1 + 0.0600000001 dollars: the rounded rows would not add up.
    ship(
        &setting,
        vec![
            call(&setting, &ada, ("claude-opus-5-5", 1_005_000_000, 3)),
            call(&setting, &bob, ("claude-haiku-5-5", 334_000_000, 2)),
            call(&setting, &bob, ("", 0, 4)),
            call(&setting, service, ("claude-haiku-5-5", 100_000_000, 1)),
            call(&setting, "", ("claude-haiku-5-5", 60_000_001, 1)),
        ],
    )
    .await;
    let total = Usd::from_nanos(1_499_000_001);
    for by in ["person", "service", "group", "model", "client", "upstream"] {
        adds_up(&owner, by, total, "$1.50").await;
    }
    says_who(&owner, &ada).await;
    setting.end().await;
}

#[tokio::test]
async fn whoever_used_far_more_than_the_others_is_named() {
    let setting = Setting::set().await;
    let owner = setting.visitor(Role::Owner).await;
    let mut usage = Vec::new();
    for number in 0..9 {
        let person = somebody(&setting, &format!("Calm {number}"), &[])
            .await
            .to_string();
        usage.push(call(
            &setting,
            &person,
            ("claude-opus-5-5", 100_000_000, 10),
        ));
    }
    let eager = somebody(&setting, "Eager <b>", &[]).await.to_string();
    usage.push(call(
        &setting,
        &eager,
        ("claude-opus-5-5", 9_000_000_000, 10),
    ));
    ship(&setting, usage).await;
    let page = owner.get(&address("/console/usage", "model")).await;
    page.is_well_made("outliers");
    let shown = page.html().text;
    assert!(
        shown.contains("Money: mean $0.99, median $0.10 of the 10 people who made a call; 1 above 5 times the mean."),
        "{shown}"
    );
    assert!(
        shown.contains("Eager <b> $9.00 spent 9.0 × the mean"),
        "{shown}"
    );
    assert!(shown.contains("Requests: mean 10, median 10"), "{shown}");
    setting.end().await;
}

#[tokio::test]
async fn a_statement_that_cannot_be_made_keeps_what_was_typed_and_says_what_is_wrong() {
    let setting = Setting::set().await;
    let owner = setting.visitor(Role::Owner).await;
    for (query, wrong) in [
        ("from=x&to=2026-02-01&by=model", "must be a day"),
        (
            "from=2026-02-01&to=2026-01-01&by=model",
            "must be after `from`",
        ),
        ("from=2026-01-01&to=2026-02-01&by=nobody", "must be one of"),
        (
            "from=2026-01-01&to=2026-02-01&by=group&groups=a,a",
            "names a group twice",
        ),
    ] {
        let page = owner.get(&format!("/console/statements?{query}")).await;
        assert_eq!(page.status, 422, "{query}");
        page.is_well_made(query);
        assert!(
            page.html().text.contains(wrong),
            "{query}: {}",
            page.html().text
        );
        assert!(
            page.text.contains("aria-invalid") || query.contains("nobody"),
            "{query}"
        );
    }
    // Who sees money but not everybody's names gets no statement by these.
    let approver = setting.visitor(Role::Approver).await;
    let page = approver.get("/console/usage?by=service").await;
    assert_eq!(page.status, 403);
    let page = approver.get("/console/usage").await;
    assert!(
        page.html()
            .text
            .contains("by service needs the right services.read")
    );
    setting.end().await;
}
