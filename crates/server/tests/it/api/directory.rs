//! Groups that the directory provisions, and the tokens it comes with, as administrators see them.

use std::collections::BTreeSet;

use http::Method;
use serde_json::{Value, json};

use super::setting::{Setting, group, things};

fn items(page: &Value) -> &Vec<Value> {
    page["items"].as_array().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_is_found_by_its_name_and_lists_its_people_page_by_page() {
    let setting = Setting::set().await;
    let owner = setting.client("owner");
    let names = ["ada", "bo", "cy", "di", "ed"].map(|name| format!("{name}@group.example"));
    let users: Vec<&str> = names.iter().map(String::as_str).collect();
    let id = group(&setting.here, "Größe 100%", &users).await;
    group(&setting.here, "Größe 1000", &["fay@group.example"]).await;
    for (q, found) in [
        ("GR%C3%96SSE", 0),
        ("gr%C3%B6%C3%9Fe", 2),
        ("GR%C3%96%C3%9FE%20100%25", 1),
        ("%25", 1),
        ("_", 0),
        ("'", 0),
    ] {
        let page = owner
            .get(&format!("/api/v1/groups?q={q}"))
            .await
            .unwrap()
            .json();
        assert_eq!(items(&page).len(), found, "{q}: {page}");
    }
    let one = owner.get(&format!("/api/v1/groups/{id}")).await.unwrap();
    let one = one.json();
    assert_eq!(
        (&one["members"], &one["issuer"]),
        (&json!(5), &json!("northwind"))
    );
    let mut seen = BTreeSet::new();
    let mut path = format!("/api/v1/groups/{id}/members?limit=2");
    loop {
        let page = owner.get(&path).await.unwrap().json();
        for item in items(&page) {
            let person = item["person"].as_str().unwrap().to_owned();
            let page = owner
                .get(&format!("/api/v1/people/{person}"))
                .await
                .unwrap();
            let groups = page.json()["directory_groups"].clone();
            assert_eq!(groups, json!([{"id": id, "name": "Größe 100%"}]));
            assert!(seen.insert(item["user_name"].as_str().unwrap().to_owned()));
        }
        let Some(next) = page["next"].as_str() else {
            break;
        };
        path = format!("/api/v1/groups/{id}/members?limit=2&after={next}");
    }
    assert_eq!(seen, BTreeSet::from(names));
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_names_no_group_here_is_not_there_and_what_cannot_be_asked_is_refused() {
    let setting = Setting::set().await;
    let owner = setting.client("owner");
    let foreign = things(&setting.elsewhere).await;
    let here = things(&setting.here).await;
    let long = "x".repeat(129);
    for id in [
        &*foreign.group,
        &*here.person,
        "grp_00000000000000000000000000",
        "%2e%2e%2fpeople",
        "'%20OR%201=1--",
        &long,
    ] {
        for path in [
            format!("/api/v1/groups/{id}"),
            format!("/api/v1/groups/{id}/members"),
        ] {
            let answer = owner.get(&path).await.unwrap();
            assert_eq!(answer.status, 404, "{path}: {}", answer.text());
        }
    }
    for query in [
        format!("q={long}"),
        "q=%0a".to_owned(),
        "q=%e2%80%ae".to_owned(),
        "limit=0".to_owned(),
        "limit=1001".to_owned(),
        "after=per_x".to_owned(),
        format!("after={}", here.person),
        "org=org_0".to_owned(),
    ] {
        let answer = owner.get(&format!("/api/v1/groups?{query}")).await.unwrap();
        assert_eq!(answer.status, 400, "{query}: {}", answer.text());
    }
    let listed = owner.get("/api/v1/groups?limit=1000").await.unwrap().text();
    assert!(!listed.contains(&foreign.group) && listed.contains(&here.group));
    setting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directorys_token_is_followed_by_another_while_both_open() {
    let setting = Setting::set().await;
    let owner = setting.client("owner");
    let old = things(&setting.here).await.directory_token;
    let rotate = format!("/api/v1/directory-tokens/{old}/rotate");
    let key = ("idempotency-key", "succession-1");
    let twice = |body: Value| {
        let request = owner.request(Method::POST, &rotate).header(key.0, key.1);
        request.json(&body).send()
    };
    let made = twice(json!({"overlap_hours": 1})).await.unwrap();
    assert_eq!(made.status, 201, "{}", made.text());
    let made = made.json();
    let secret = made["secret"].as_str().unwrap();
    assert!(secret.starts_with("dws_"));
    let again = twice(json!({"overlap_hours": 1})).await.unwrap();
    assert_eq!(
        again.json()["token"]["id"],
        made["token"]["id"],
        "once, however often it is sent"
    );
    assert_eq!(again.json()["secret"], Value::Null);
    let listed = owner.get("/api/v1/directory-tokens").await.unwrap().json();
    let opens = |id: &Value| {
        let found = items(&listed).iter().find(|item| item["id"] == *id);
        found.unwrap()["opens"].clone()
    };
    assert_eq!(opens(&json!(old)), json!(true));
    assert_eq!(opens(&made["token"]["id"]), json!(true));
    // Page by page, the newest first.
    let mut pages = Vec::new();
    let mut path = "/api/v1/directory-tokens?limit=1".to_owned();
    loop {
        let page = owner.get(&path).await.unwrap().json();
        assert_eq!(items(&page).len(), 1);
        pages.extend(items(&page).iter().cloned());
        let Some(next) = page["next"].as_str() else {
            break;
        };
        path = format!("/api/v1/directory-tokens?limit=1&after={next}");
    }
    assert_eq!(pages.len(), items(&listed).len());
    assert_eq!(pages[0]["id"], made["token"]["id"]);
    let nonsense = owner.get("/api/v1/directory-tokens?after=x").await;
    assert_eq!(nonsense.unwrap().status, 400);
    // Two are enough: a third would be one that nobody knows where it is.
    let third = owner.post(&rotate, &json!({})).await.unwrap();
    assert_eq!(third.json()["code"], "limit_reached");
    for body in [
        json!({"overlap_hours": -1}),
        json!({"overlap_hours": 745}),
        json!({"overlap_hours": 70_000}),
        json!({"overlap_ms": 1}),
    ] {
        let answer = owner.post(&rotate, &body).await.unwrap();
        assert_eq!(answer.status, 400, "{body}: {}", answer.text());
    }
    let revoke = format!("/api/v1/directory-tokens/{old}/revoke");
    for reason in ["", "a\nb", "\u{1b}[2J"] {
        let answer = owner
            .post(&revoke, &json!({"reason": reason}))
            .await
            .unwrap();
        assert_eq!(answer.status, 400, "{reason:?}");
    }
    let gone = owner
        .post(&revoke, &json!({"reason": "done"}))
        .await
        .unwrap();
    assert_eq!(gone.status, 200, "{}", gone.text());
    let gone = owner.post(&rotate, &json!({})).await.unwrap();
    assert_eq!(gone.status, 404, "what does not open has no successor");
    setting.stop().await;
}
