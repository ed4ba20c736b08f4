//! Chargeback statements over HTTP, of what a real call cost, and of what somebody asks who means harm.

use std::time::Duration;

use domain::{Timestamp, Usd};
use serde_json::{Value, json};
use testkit::device_sign_in;

use super::setting::{Setting, group, token};
use control::Right;

fn dollars(value: &Value) -> Usd {
    value.as_str().unwrap().parse().unwrap()
}

/// The hours around now, as a query.
fn around_now() -> String {
    const HOUR_MS: i64 = 3_600_000;
    let now = domain::Clock::now(&server::system::SystemClock).unix_ms();
    let hour = |ms: i64| Timestamp::from_unix_ms(ms.div_euclid(HOUR_MS) * HOUR_MS);
    let (from, to) = (hour(now - 2 * HOUR_MS), hour(now + 2 * HOUR_MS));
    format!("from={from}&to={to}")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_call_cost_stands_on_one_line_and_in_the_total() {
    let setting = Setting::set().await;
    let ada = device_sign_in(&setting.world.base, "ada").await.unwrap();
    let answer = ada
        .actor()
        .messages("claude-haiku-5-5", "Hello")
        .await
        .unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    let auditor = setting.client("auditor");
    let range = around_now();
    let ask = async |by: &str| {
        let path = format!("/api/v1/statements?{range}&by={by}");
        let answer = auditor.get(&path).await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    };
    let is_shipped = async {
        while dollars(&ask("model").await["total"]["cost_usd"]) == Usd::ZERO {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), is_shipped)
        .await
        .unwrap();
    for (by, of) in [
        ("person", "per_"),
        ("model", "claude-haiku-5-5"),
        ("client", ""),
        ("upstream", ""),
        ("group&groups=eng", "eng"),
        ("service", ""),
    ] {
        let statement = ask(by).await;
        let lines = statement["lines"].as_array().unwrap();
        let sum = lines
            .iter()
            .fold(Usd::ZERO, |sum, line| sum.plus(dollars(&line["cost_usd"])));
        let total = dollars(&statement["total"]["cost_usd"]);
        assert_eq!((sum, total > Usd::ZERO), (total, true), "{statement}");
        let (rest, named) = lines.split_last().unwrap();
        assert_eq!(rest["of"], Value::Null);
        assert!(
            named.iter().all(|line| line["of"].is_string()),
            "{statement}"
        );
        if by != "service" && by != "group&groups=eng" {
            assert_eq!(dollars(&rest["cost_usd"]), Usd::ZERO, "{statement}");
            assert!(named[0]["of"].as_str().unwrap().starts_with(of));
        }
    }
    let csv = format!("/api/v1/statements?{range}&by=person&format=csv");
    let csv = auditor.get(&csv).await.unwrap();
    let kind = csv.header("content-type").unwrap().to_owned();
    assert!(kind.starts_with("text/csv"), "{kind}");
    let text = csv.text();
    assert!(text.starts_with("line,of,name,requests"), "{text}");
    assert!(text.lines().last().unwrap().starts_with("total,"), "{text}");
    let list = http::Method::GET;
    let accepts = format!("/api/v1/statements?{range}&by=person");
    let accepts = auditor.request(list, &accepts).header("accept", "text/csv");
    assert_eq!(accepts.send().await.unwrap().text(), text);
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_stated_is_refused_and_nobody_sees_more_than_they_may() {
    let setting = Setting::set().await;
    let owner = setting.client("owner");
    group(&setting.here, "eng", &["eng@group.example"]).await;
    let long = "x".repeat(129);
    let many = vec!["g"; 101].join(",");
    for query in [
        String::new(),
        "from=2026-11-01&to=2026-11-02".to_owned(),
        "from=2026-11-01&to=2026-11-02&by=colour".to_owned(),
        "from=2026-11-02&to=2026-11-01&by=model".to_owned(),
        "from=2026-11-01&to=2026-11-01&by=model".to_owned(),
        "from=2020-01-01&to=2026-11-01&by=model".to_owned(),
        "from=2026-11-01T00:30:00Z&to=2026-11-02&by=model".to_owned(),
        "from=yesterday&to=2026-11-02&by=model".to_owned(),
        format!("from={long}&to=2026-11-02&by=model"),
        "from=-009999-01-01T00:00:00Z&to=9999-12-31T00:00:00Z&by=model".to_owned(),
        "from=2026-11-01&to=2026-11-02&by=group".to_owned(),
        "from=2026-11-01&to=2026-11-02&by=group&groups=a,a".to_owned(),
        "from=2026-11-01&to=2026-11-02&by=group&groups=a%0ab".to_owned(),
        format!("from=2026-11-01&to=2026-11-02&by=group&groups={long}"),
        format!("from=2026-11-01&to=2026-11-02&by=group&groups={many}"),
        "from=2026-11-01&to=2026-11-02&by=model&groups=eng".to_owned(),
        "from=2026-11-01&to=2026-11-02&by=model&format=xlsx".to_owned(),
        "from=2026-11-01&to=2026-11-02&by=model&org=org_0".to_owned(),
    ] {
        let path = format!("/api/v1/statements?{query}");
        let answer = owner.get(&path).await.unwrap();
        assert_eq!(answer.status, 400, "{query}: {}", answer.text());
        assert_eq!(answer.json()["code"], "parameter_invalid");
    }
    let hostile = "from=2026-11-01&to=2026-11-02&by=group&groups='%20OR%201=1--,%25";
    let path = format!("/api/v1/statements?{hostile}");
    let statement = owner.get(&path).await.unwrap().json();
    assert_eq!(statement["total"]["requests"], json!(0), "{statement}");

    // A token for money alone sees no names of people.
    let scopes = [Right::BudgetsRead];
    let bearer = token(&setting.here, setting.people["owner"], &scopes).await;
    let narrow = testkit::Actor::with_bearer(&setting.world.base, &bearer.1);
    for (by, status) in [
        ("model", 200),
        ("person", 403),
        ("service", 403),
        ("group&groups=eng", 403),
    ] {
        let path = format!("/api/v1/statements?from=2026-11-01&to=2026-11-02&by={by}");
        assert_eq!(narrow.get(&path).await.unwrap().status, status, "{by}");
    }
    setting.stop().await;
}
