//! A workspace's member list over the API: exact, whole or not at all, and nobody's formula; and the drills that were run.

use std::sync::Arc;

use control::Control;
use control::drills::{self, Step};
use http::Method;
use serde_json::{Value, json};
use testkit::{Answer, FakeClock};

use super::agreed::task;
use super::setting::{Setting, machine};

const CHECKS: &str = "/api/v1/members/checks";

async fn csv(setting: &Setting, who: &str, query: &str, text: String) -> Answer {
    let request = setting
        .client(who)
        .request(Method::POST, &format!("{CHECKS}?{query}"));
    let request = request.header("content-type", "text/csv; charset=utf-8");
    request.body(text).send().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_held_against_the_directory_and_the_last_result_can_be_read() {
    let setting = Setting::set().await;
    let leaver = task(&setting.here, "gone@leaves.example").await;
    let text =
        "E-mail;Role\nOWNER@example.org;owner\nwho@example.org;user\nguest@gmail.example;user\n";
    let body = json!({
        "source": "members.csv", "csv": text, "columns": {"email": "E-mail", "role": "Role"},
        "domains": ["Example.org"], "roles": [{"role": "owner", "group": "it-leads"}]
    });
    let technician = setting.client("technician");
    let checked = technician.post(CHECKS, &body).await.unwrap();
    assert_eq!(checked.status, 201, "{}", checked.text());
    let checked = checked.json();
    assert_eq!(
        (&checked["listed"], &checked["present"]),
        (&json!(3), &json!(6))
    );
    let counts = json!({"guest": 1, "not_listed": 5, "owners": 1, "role_differs": 1, "unknown": 1});
    assert_eq!(checked["counts"], counts);
    assert_eq!(checked["findings"]["items"][0]["finding"], "role_differs");
    assert_eq!(
        checked["removed"],
        json!(["gone@leaves.example"]),
        "gone from the list"
    );
    let owner = setting.client("owner");
    let task = owner
        .get(&format!("/api/v1/tasks/{leaver}"))
        .await
        .unwrap()
        .json();
    assert_eq!(task["evidence"]["source"], "members.csv");
    assert_eq!(task["evidence"]["hash"], checked["sha256"]);

    let latest = owner
        .get("/api/v1/members/checks/latest")
        .await
        .unwrap()
        .json();
    assert_eq!(latest, checked);
    let (mut seen, mut query) = (Vec::new(), "limit=4".to_owned());
    loop {
        let path = format!("/api/v1/members/checks/latest/findings?{query}");
        let page = owner.get(&path).await.unwrap().json();
        seen.extend(page["items"].as_array().unwrap().clone());
        let Some(next) = page["next"].as_str() else {
            break;
        };
        query = format!("limit=4&after={next}");
    }
    assert_eq!(json!(seen), checked["findings"]["items"]);
    // A page of a check that another one has replaced is not mixed with it.
    let again = csv(
        &setting,
        "owner",
        "source=b.csv&email=E-mail&look_only=true",
        text.to_owned(),
    )
    .await;
    assert_eq!(again.status, 201, "{}", again.text());
    assert_eq!(again.json()["domains_known"], false);
    let path = format!("/api/v1/members/checks/latest/findings?{query}");
    assert_eq!(owner.get(&path).await.unwrap().status, 400);
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_with_bad_rows_is_not_taken_and_every_bad_row_is_named() {
    let setting = Setting::set().await;
    let leaver = task(&setting.here, "gone@leaves.example").await;
    let text = "Email,Name\nada@example.org,Ada\nnobody,X\n=cmd(),Y\nb@example.org\n";
    let refused = csv(
        &setting,
        "owner",
        "source=m.csv&email=Email",
        text.to_owned(),
    )
    .await;
    assert_eq!(refused.status, 400);
    let problem = refused.json();
    let lines: Vec<&Value> = problem["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| &row["line"])
        .collect();
    assert_eq!(lines, [&json!(3), &json!(4), &json!(5)]);
    assert!(!refused.text().contains("=cmd"), "{}", refused.text());
    let owner = setting.client("owner");
    let task = owner
        .get(&format!("/api/v1/tasks/{leaver}"))
        .await
        .unwrap()
        .json();
    assert_eq!(task["standing"], "open", "nothing of it was taken");
    let latest = owner
        .get("/api/v1/members/checks/latest")
        .await
        .unwrap()
        .json();
    assert_eq!(latest["source"], "first.csv");

    let many = "Email\n".to_owned() + &"x\n".repeat(5_000);
    let refused = csv(&setting, "owner", "source=m.csv&email=Email", many).await;
    assert_eq!(refused.json()["rows"].as_array().unwrap().len(), 5_000);
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_list_or_asked_in_two_ways_is_refused() {
    let setting = Setting::set().await;
    let fine = "Email\na@example.org\n";
    for (query, text) in [
        ("source=m.csv&email=Email", ""),
        ("source=m.csv&email=Email", "Email\n"),
        ("source=m.csv&email=Mail", fine),
        ("source=m.csv", fine),
        ("email=Email", fine),
        ("source=%1b%5b2J&email=Email", fine),
        ("source=m.csv&email=Email&org=org_0", fine),
        ("source=m.csv&email=%0a", fine),
        ("source=m.csv&email=Email", "Email\n\"a@example.org"),
    ] {
        let answer = csv(&setting, "owner", query, text.to_owned()).await;
        assert_eq!(answer.status, 400, "{query} {text:?}: {}", answer.text());
    }
    let large = "Email\n".to_owned() + &"a@example.org\n".repeat(650_000);
    let query = "source=m.csv&email=Email";
    assert_eq!(csv(&setting, "owner", query, large).await.status, 413);
    // Who may not is told so before it is looked at.
    assert_eq!(
        csv(&setting, "auditor", query, "no list".to_owned())
            .await
            .status,
        403
    );
    let owner = setting.client("owner");
    let body = json!({"source": "m.csv", "csv": fine, "columns": {"email": "Email"}});
    let twice = owner
        .post(&format!("{CHECKS}?look_only=true"), &body)
        .await
        .unwrap();
    assert_eq!(twice.status, 400, "{}", twice.text());
    let form = owner
        .request(Method::POST, CHECKS)
        .header("content-type", "text/plain");
    assert_eq!(form.body(fine.to_owned()).send().await.unwrap().status, 400);
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_with_the_same_key_is_the_same_query_or_another_request() {
    let setting = Setting::set().await;
    let send = |query: &'static str| {
        let request = setting
            .client("owner")
            .request(Method::POST, &format!("{CHECKS}?{query}"));
        let request = request
            .header("content-type", "text/csv")
            .header("idempotency-key", "m-1");
        request.body("Email\na@example.org\n".to_owned()).send()
    };
    let look = "source=m.csv&email=Email&look_only=true";
    let (first, again) = (send(look).await.unwrap(), send(look).await.unwrap());
    assert_eq!(first.json()["record"], again.json()["record"]);
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    let other = send("source=m.csv&email=Email").await.unwrap();
    assert_eq!(other.json()["code"], "idempotency_conflict");
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn findings_as_csv_hold_no_formula() {
    let setting = Setting::set().await;
    let text = "Email\n=cmd|'/c'!a1@x.example\n+1@x.example\n".to_owned();
    let checked = csv(&setting, "owner", "source=m.csv&email=Email", text).await;
    assert_eq!(checked.status, 201, "{}", checked.text());
    let auditor = setting.client("auditor");
    let path = "/api/v1/members/checks/latest/findings.csv";
    let answer = auditor.get(path).await.unwrap();
    assert_eq!(
        answer.header("content-type"),
        Some("text/csv; charset=utf-8; header=present")
    );
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    let text = answer.text();
    assert!(
        text.contains("'=cmd") && text.contains("'+1@x.example"),
        "{text}"
    );
    for cell in text.lines().flat_map(|line| line.split(',')) {
        assert!(
            !cell.trim_matches('"').starts_with(['=', '+', '-', '@']),
            "{cell}"
        );
    }
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn drills_are_listed_newest_first_also_those_that_failed() {
    let setting = Setting::set().await;
    let machine = machine();
    // Two of the same millisecond have no order.
    let clock = FakeClock::new();
    for (of, passed) in [
        (&setting.here, true),
        (&setting.here, false),
        (&setting.elsewhere, true),
    ] {
        clock.advance_ms(1);
        let control = Control {
            clock: Arc::new(clock.clone()),
            ..of.clone()
        };
        let steps = [
            Step::after("shut out in the store", 35),
            Step::plain("<b>failed</b>: the stream went on\u{1b}[2J"),
        ];
        let operation = control.operation(&machine);
        drills::record(&operation, "leaver", passed, &steps)
            .await
            .unwrap();
    }
    let auditor = setting.client("auditor");
    let page = auditor.get("/api/v1/drills?limit=1").await.unwrap().json();
    assert_eq!(page["items"][0]["passed"], false);
    assert_eq!(
        page["items"][0]["steps"][0],
        json!({"what": "shut out in the store", "ms": 35})
    );
    let said = page["items"][0]["steps"][1]["what"].as_str().unwrap();
    assert_eq!(said, "<b>failed</b>: the stream went on [2J");
    let next = page["next"].as_str().unwrap();
    let page = auditor
        .get(&format!("/api/v1/drills?after={next}"))
        .await
        .unwrap()
        .json();
    assert_eq!(
        page["items"].as_array().unwrap().len(),
        1,
        "and none of another organisation"
    );
    setting.stop().await;
}
