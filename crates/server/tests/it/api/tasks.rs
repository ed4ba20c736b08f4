//! Tasks for people who come and go, over the API.

use std::sync::Arc;

use control::tasks::follow;
use control::{Control, people};
use http::Method;
use ledger::{Ledger, SigningKey};
use serde_json::{Value, json};
use server::system::SystemClock;
use testkit::Actor;

use super::agreed::task;
use super::setting::{Setting, machine, person};

async fn items(client: &Actor, query: &str) -> Vec<Value> {
    let answer = client.get(&format!("/api/v1/tasks?{query}")).await.unwrap();
    assert_eq!(answer.status, 200, "{query}: {}", answer.text());
    answer.json()["items"].as_array().unwrap().clone()
}

fn words(items: &[Value], member: &str) -> Vec<String> {
    let word = |item: &Value| item[member].as_str().unwrap_or_default().to_owned();
    items.iter().map(word).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leaver_is_told_of_their_tasks_found_and_done_with_evidence() {
    let setting = Setting::set().await;
    let approver = setting.client("approver");
    let leaver =
        json!({"who": "Kim@northwind.example", "at": "2026-01-09T17:00:00Z", "source": "HR"});
    for opened in [6, 0] {
        let told = approver
            .post("/api/v1/tasks/leavers", &leaver)
            .await
            .unwrap();
        assert_eq!((told.status, &told.json()["opened"]), (200, &json!(opened)));
    }
    let kims = "person=kim@northwind.example";
    let open = items(&approver, kims).await;
    assert_eq!(open.len(), 6);
    assert_eq!(
        open[3]["due"], "2026-01-09T23:59:59.999Z",
        "the end of the day in UTC"
    );
    assert!(open.iter().all(|task| task["standing"] == "overdue"));
    let overdue = items(
        &approver,
        &format!("{kims}&state=overdue&kind=hand_over_projects"),
    )
    .await;
    assert_eq!(words(&overdue, "kind"), ["hand_over_projects"]);

    let id = open[3]["id"].as_str().unwrap();
    let done = format!("/api/v1/tasks/{id}/done");
    let proof = json!({"evidence": "ticket 4711", "sha256": "ab".repeat(32)});
    for _ in 0..2 {
        let closed = approver.post(&done, &proof).await.unwrap();
        assert_eq!(closed.status, 200, "{}", closed.text());
        assert_eq!(closed.json()["standing"], "done_late");
        assert_eq!(closed.json()["evidence"]["hash"], "ab".repeat(32));
    }
    let other = approver
        .post(&done, &json!({"evidence": "ticket 4712"}))
        .await
        .unwrap();
    assert_eq!(
        (other.status, &other.json()["code"]),
        (412, &json!("version_conflict"))
    );
    let id = open[4]["id"].as_str().unwrap();
    let path = format!("/api/v1/tasks/{id}/dismiss");
    let dismissed = approver
        .post(&path, &json!({"reason": "had none"}))
        .await
        .unwrap();
    assert_eq!(dismissed.json()["standing"], "not_needed");
    assert_eq!(items(&approver, kims).await.len(), 4);
    assert_eq!(
        items(&approver, &format!("{kims}&state=all")).await.len(),
        6
    );
    let (mut seen, mut query) = (Vec::new(), format!("{kims}&state=all&limit=4"));
    loop {
        let page = approver
            .get(&format!("/api/v1/tasks?{query}"))
            .await
            .unwrap()
            .json();
        seen.extend(words(page["items"].as_array().unwrap(), "id"));
        let Some(next) = page["next"].as_str() else {
            break;
        };
        query = format!("{kims}&state=all&limit=4&after={next}");
    }
    seen.dedup();
    assert_eq!(seen.len(), 6, "page by page, each once");
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_hostile_or_means_nothing_closes_no_task() {
    let setting = Setting::set().await;
    let owner = setting.client("owner");
    let id = task(&setting.here, "lee@northwind.example").await;
    let done = format!("/api/v1/tasks/{id}/done");
    for body in [
        json!({}),
        json!({"evidence": ""}),
        json!({"evidence": "a\u{1b}[2J"}),
        json!({"evidence": "a\nb"}),
        json!({"evidence": "x".repeat(501)}),
        json!({"evidence": "a", "sha256": "AB".repeat(32)}),
        json!({"evidence": "a", "sha256": "ab"}),
        json!({"evidence": "a", "at": "2020-01-01T00:00:00Z"}),
    ] {
        let answer = owner.post(&done, &body).await.unwrap();
        assert_eq!(answer.status, 400, "{body}: {}", answer.text());
    }
    let leavers = "/api/v1/tasks/leavers";
    let told = |who: &str, at: &str| json!({"who": who, "at": at, "source": "HR"});
    let now = "2026-11-30T17:00:00Z";
    for body in [
        told("", now),
        told("nobody", now),
        told("a\u{202e}@c.example", now),
        told(&format!("{}@c.example", "x".repeat(400)), now),
        told("a@c.example", "tomorrow"),
        told("a@c.example", "2026-11-30"),
    ] {
        let answer = owner.post(leavers, &body).await.unwrap();
        assert_eq!(answer.status, 400, "{body}: {}", answer.text());
    }
    let large = told(&"x".repeat(1 << 20), now);
    // Each time: whoever is still sending hears it as well.
    for _ in 0..20 {
        assert_eq!(owner.post(leavers, &large).await.unwrap().status, 413);
    }
    for query in [
        "state=late",
        "kind=x",
        "person=nobody",
        "person=%27%20OR%201",
        "limit=0",
        "x=1",
    ] {
        let answer = owner.get(&format!("/api/v1/tasks?{query}")).await.unwrap();
        assert_eq!(answer.status, 400, "{query}");
    }
    let stands = owner
        .get(&format!("/api/v1/tasks/{id}"))
        .await
        .unwrap()
        .json();
    assert_eq!(stands["standing"], "open");
    let put = owner
        .request(Method::PUT, &done)
        .json(&json!({"evidence": "a"}));
    assert_eq!(put.send().await.unwrap().status, 405);
    setting.stop().await;
}

/// The same organisation as another replica runs it: its own ledger.
fn replica(here: &Control, folder: &std::path::Path, name: &str) -> Control {
    let (key, _) = SigningKey::generate().unwrap();
    let (clock, chain) = (Arc::new(SystemClock), name.parse().unwrap());
    let ledger = Ledger::open(&folder.join(name), chain, key, clock).unwrap();
    Control {
        ledger: Arc::new(ledger),
        ..here.clone()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_that_hear_of_the_same_departures_at_once_record_each_once() {
    let setting = Setting::set().await;
    let machine = machine();
    let operation = setting.here.operation(&machine);
    let mut gone = Vec::new();
    for number in 0..8 {
        let leaver = person(&setting.here, &format!("leaver{number}")).await;
        people::revoke(&operation, leaver, "left").await.unwrap();
        gone.push(leaver.to_string());
    }
    let folder = tempfile::tempdir().unwrap();
    let mut following = tokio::task::JoinSet::new();
    for name in ["replica-a.1", "replica-b.1", "replica-c.1"] {
        let control = replica(&setting.here, folder.path(), name);
        following.spawn(async move {
            let machine = super::setting::machine();
            follow(&control.operation(&machine)).await.unwrap();
        });
    }
    following.join_all().await;
    let mut records = String::new();
    for place in [folder.path(), &setting.world.config.ledger.dir] {
        read_all(place, &mut records);
    }
    for leaver in &gone {
        let departure =
            |line: &&str| line.contains(r#""noun":"departure""#) && line.contains(&**leaver);
        assert_eq!(records.lines().filter(departure).count(), 1, "{leaver}");
        let tasks = items(
            &setting.client("owner"),
            &format!("person={leaver}&state=all"),
        )
        .await;
        let of_leaving = tasks.iter().filter(|task| task["occasion"] == "leaving");
        assert_eq!(of_leaving.count(), 6);
    }
    setting.stop().await;
}

/// Every text below a folder.
fn read_all(folder: &std::path::Path, into: &mut String) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_all(&path, into);
        } else if let Ok(text) = std::fs::read_to_string(&path) {
            into.push_str(&text);
        }
    }
}
