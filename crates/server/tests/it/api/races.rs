//! Two at once, and the same request twice.

use http::Method;
use serde_json::{Value, json};

use super::setting::{Setting, policy, things};

fn with_comment(text: &str, comment: &str) -> Value {
    json!({"text": format!("# {comment}\n{text}"), "reason": comment})
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_save_a_policy_at_once_the_second_gets_the_difference_and_nothing_is_lost() {
    let setting = Setting::set().await;
    let (version, text) = policy(&setting.here).await;
    let save = |who: &'static str, comment: &'static str| {
        setting
            .client(who)
            .request(Method::PUT, "/api/v1/policy")
            .header("if-match", &format!("\"{version}\""))
            .json(&with_comment(&text, comment))
            .send()
    };
    let (ours, theirs) = tokio::join!(save("owner", "ours"), save("admin", "theirs"));
    let (ours, theirs) = (ours.unwrap(), theirs.unwrap());
    let (won, lost, winner, loser) = match ours.status {
        200 => (ours, theirs, "ours", "theirs"),
        _ => (theirs, ours, "theirs", "ours"),
    };
    assert_eq!((won.status, lost.status), (200, 412), "{}", lost.text());
    let problem = lost.json();
    assert_eq!(problem["code"], "version_conflict");
    let diff = problem["conflict"]["diff"].as_str().unwrap();
    let first = format!("-# {winner}\n+# {loser}\n ");
    assert!(
        diff.starts_with("@@ -1,4 +1,4 @@\n") && diff.contains(&first),
        "{diff}"
    );
    let (now, stands) = policy(&setting.here).await;
    assert_eq!(now, version + 1, "one version more, not two");
    assert!(stands.starts_with(&format!("# {winner}\n")));

    // With what the conflict says, the second saves on top.
    let etag = problem["conflict"]["etag"].as_str().unwrap();
    let both = format!("# {winner} and {loser}\n{text}");
    let again = setting
        .client("admin")
        .request(Method::PUT, "/api/v1/policy")
        .header("if-match", etag)
        .json(&json!({"text": both, "reason": "both"}))
        .send();
    assert_eq!(again.await.unwrap().status, 200);
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_names_no_version_is_refused_and_applying_twice_changes_nothing() {
    let setting = Setting::set().await;
    let (version, text) = policy(&setting.here).await;
    let owner = setting.client("owner");
    let body = with_comment(&text, "once");
    let blind = owner.request(Method::PUT, "/api/v1/policy").json(&body);
    assert_eq!(blind.send().await.unwrap().status, 428);
    let save = |version: u64| {
        owner
            .request(Method::PUT, "/api/v1/policy")
            .header("if-match", &format!("\"{version}\""))
            .json(&body)
            .send()
    };
    assert_eq!(save(version).await.unwrap().json()["changed"], true);
    let again = save(version + 1).await.unwrap().json();
    assert_eq!(again["changed"], false);
    assert_eq!(again["version"], version + 1);
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_change_a_spend_limit_the_second_gets_what_stands() {
    let setting = Setting::set().await;
    let limit = things(&setting.here).await;
    let path = format!("/api/v1/spend-limits/{}", limit.spend_limit);
    let change = |who: &'static str, amount: &'static str| {
        setting
            .client(who)
            .request(Method::PUT, &path)
            .header("if-match", &format!("\"{}\"", limit.spend_limit_version))
            .json(&json!({"amount_cents": amount}))
            .send()
    };
    let (first, second) = tokio::join!(change("owner", "200"), change("admin", "300"));
    let (first, second) = (first.unwrap(), second.unwrap());
    let mut statuses = [first.status, second.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 412]);
    let lost = if first.status == 412 { first } else { second };
    let stands = setting.client("owner").get(&path).await.unwrap();
    assert_eq!(
        lost.json()["conflict"]["etag"].as_str(),
        stands.header("etag")
    );
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_make_the_same_spend_limit_at_once_one_makes_it_and_the_other_is_told() {
    let setting = Setting::set().await;
    let add = async |who: &'static str, cents: &str| {
        let scope = json!({"type": "organization"});
        let limit = json!({"scope": scope, "period": "weekly", "amount_cents": cents});
        let client = setting.client(who);
        client.post("/api/v1/spend-limits", &limit).await.unwrap()
    };
    let (ours, theirs) = tokio::join!(add("owner", "5"), add("admin", "7"));
    let (made, told) = match ours.status {
        201 => (ours, theirs),
        _ => (theirs, ours),
    };
    assert_eq!((made.status, told.status), (201, 409), "{}", told.text());
    assert_eq!(told.json()["conflict"]["id"], made.json()["id"]);
    let stands = format!(
        "/api/v1/spend-limits/{}",
        made.json()["id"].as_str().unwrap()
    );
    let stands = setting.client("owner").get(&stands).await.unwrap().json();
    assert_eq!(stands["amount_cents"], made.json()["amount_cents"]);
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_makes_a_spend_limit_that_stands_is_told_its_id_and_can_change_it() {
    let setting = Setting::set().await;
    let owner = setting.client("owner");
    let make = async |cents| {
        let scope = json!({"type": "organization"});
        let limit = json!({"scope": scope, "period": "weekly", "amount_cents": cents});
        owner.post("/api/v1/spend-limits", &limit).await.unwrap()
    };
    let stands = make("5").await;
    let second = make("7").await.json();
    assert_eq!(second["code"], "thing_exists", "{second}");
    let conflict = &second["conflict"];
    assert_eq!(conflict["id"], stands.json()["id"]);
    assert_eq!(conflict["etag"].as_str(), stands.header("etag"));
    assert!(
        conflict["diff"]
            .as_str()
            .unwrap()
            .contains("-amount_cents = 5\n+amount_cents = 7\n")
    );
    let path = format!("/api/v1/spend-limits/{}", conflict["id"].as_str().unwrap());
    let changed = owner
        .request(Method::PUT, &path)
        .header("if-match", conflict["etag"].as_str().unwrap())
        .json(&json!({"amount_cents": "7"}));
    assert_eq!(changed.send().await.unwrap().status, 200);
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_is_answered_with_the_version_that_changes_what_the_first_made() {
    let setting = Setting::set().await;
    let owner = setting.client("owner");
    let limit = json!({"scope": {"type": "organization"}, "period": "weekly", "amount_cents": "5"});
    let make = || {
        owner
            .request(Method::POST, "/api/v1/spend-limits")
            .header("idempotency-key", "once")
            .json(&limit)
            .send()
    };
    let (first, again) = (make().await.unwrap(), make().await.unwrap());
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    let etag = again.header("etag").unwrap().to_owned();
    assert_eq!(first.header("etag"), Some(&*etag));
    let id = again.json()["id"].as_str().unwrap().to_owned();
    let changed = owner
        .request(Method::PUT, &format!("/api/v1/spend-limits/{id}"))
        .header("if-match", &etag)
        .json(&json!({"amount_cents": "7"}))
        .send();
    assert_eq!(changed.await.unwrap().status, 200);
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_request_with_the_same_key_is_done_once_and_its_secret_shown_once() {
    let setting = Setting::set().await;
    let owner = setting.client("owner");
    let make = |service: &'static str| {
        owner
            .request(Method::POST, "/api/v1/service-keys")
            .header("idempotency-key", "2f1c-7")
            .json(&json!({"service": service}))
            .send()
    };
    let first = make("nightly").await.unwrap();
    assert_eq!(first.status, 201, "{}", first.text());
    let key = first.json()["secret"].as_str().unwrap().to_owned();
    let again = make("nightly").await.unwrap();
    assert_eq!(again.status, 201);
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    let (first, again) = (first.json(), again.json());
    assert_eq!(first["key"], again["key"]);
    assert_eq!(again["secret"], Value::Null);
    assert!(!again.to_string().contains(&key));
    let other = make("weekly").await.unwrap();
    assert_eq!(other.status, 422);
    assert_eq!(other.json()["code"], "idempotency_conflict");
    let listed = owner.get("/api/v1/service-keys").await.unwrap().json();
    let nightly = listed["items"].as_array().unwrap().iter();
    let nightly = nightly.filter(|key| key["service"] == "nightly").count();
    assert_eq!(nightly, 1, "{listed}");

    // The key belongs to its caller: another's request is another.
    let admin = setting.client("admin");
    let theirs = admin
        .request(Method::POST, "/api/v1/service-keys")
        .header("idempotency-key", "2f1c-7")
        .json(&json!({"service": "nightly"}));
    let theirs = theirs.send().await.unwrap();
    assert_eq!(theirs.header("idempotency-replayed"), None);
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_the_same_request_twice_at_once_one_is_done() {
    let setting = Setting::set().await;
    let owner = setting.client("owner");
    let make = || {
        owner
            .request(Method::POST, "/api/v1/service-keys")
            .header("idempotency-key", "at-once")
            .json(&json!({"service": "twice"}))
            .send()
    };
    let (one, two) = tokio::join!(make(), make());
    for answer in [one.unwrap(), two.unwrap()] {
        assert!([201, 409].contains(&answer.status), "{}", answer.text());
    }
    let listed = owner.get("/api/v1/service-keys").await.unwrap().json();
    let keys = listed["items"].as_array().unwrap().iter();
    assert_eq!(keys.filter(|key| key["service"] == "twice").count(), 1);
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_request_does_not_use_its_key_up() {
    let setting = Setting::set().await;
    let owner = setting.client("owner");
    let make = |service: &'static str| {
        owner
            .request(Method::POST, "/api/v1/service-keys")
            .header("idempotency-key", "again")
            .json(&json!({"service": service}))
            .send()
    };
    assert_eq!(make(" ").await.unwrap().status, 400);
    assert_eq!(make("nightly").await.unwrap().status, 201);
    setting.stop().await;
}
