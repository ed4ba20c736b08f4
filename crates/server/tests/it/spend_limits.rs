//! The spend-limit endpoints through the front door: who is listed, in which order, and what the audit says stood before.

use std::time::Duration;

use serde_json::{Value, json};
use server::demo::world::{DESKTOP_CLIENT, World};
use testkit::Actor;

const LIMITS: &str = "/v1/organizations/spend_limits";

async fn get(admin: &Actor, path: &str) -> Value {
    let request = admin.request(http::Method::GET, &format!("{LIMITS}{path}"));
    request
        .send()
        .await
        .unwrap()
        .expect_status(200)
        .unwrap()
        .json()
}

/// Everyone in the answer, by e-mail, once.
fn people(answer: &Value) -> Vec<String> {
    let rows = answer["data"].as_array().unwrap().iter();
    let mut people: Vec<String> = rows
        .map(|row| row["actor"]["email_address"].as_str().unwrap().to_owned())
        .collect();
    people.dedup();
    people
}

/// The demo's world, and its people after each has been seen once.
async fn world_that_knows(logins: &[&str]) -> (World, Vec<Actor>, Actor) {
    let world = World::start(0).await.unwrap();
    let mut actors = Vec::new();
    for login in logins {
        let token = world.idp.id_token(login, DESKTOP_CLIENT);
        let actor = Actor::with_bearer(&world.base, &token);
        assert_eq!(actor.get("/v1/models").await.unwrap().status, 200);
        actors.push(actor);
    }
    let admin = Actor::with_api_key(&world.base, &world.admin_key);
    (world, actors, admin)
}

#[tokio::test(flavor = "multi_thread")]
async fn without_names_the_effective_limits_of_everyone_are_listed_page_by_page() {
    let (world, actors, admin) = world_that_knows(&["ada", "grace", "edsger"]).await;
    let all = get(&admin, "/effective").await;
    assert_eq!((people(&all).len(), &all["next_page"]), (3, &Value::Null));
    assert_eq!(all["data"].as_array().unwrap().len(), 9, "a row per period");

    let (mut page, mut walked) = (String::new(), Vec::new());
    loop {
        let path = format!("/effective?period[]=daily&limit=1&page={page}");
        let one = get(&admin, &path).await;
        walked.extend(people(&one));
        match one["next_page"].as_str() {
            Some(next) => page = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(walked, people(&all));

    let found = get(&admin, "/effective?q=EDSGER").await;
    assert_eq!(people(&found), ["edsger@northwind.example"]);
    assert_eq!(get(&admin, "/effective?q=%25").await["data"], json!([]));

    let grace = &actors[1];
    let spent = grace.messages("claude-haiku-5-5", "hello").await.unwrap();
    assert_eq!(spent.status, 200, "{}", spent.text());
    for query in [
        "sort=spend_desc&limit=2",
        "sort=spend_desc&user_ids[]=edsger@northwind.example,grace@northwind.example",
    ] {
        let sorted = get(&admin, &format!("/effective?{query}")).await;
        let first = &people(&sorted)[0];
        assert_eq!(first, "grace@northwind.example", "{query}");
    }
    let rest = get(&admin, "/effective?sort=spend_desc&limit=2&page=2").await;
    assert_eq!((people(&rest).len(), &rest["next_page"]), (1, &Value::Null));
    for wrong in ["page=x", "sort=spend_desc&page=x"] {
        let path = format!("{LIMITS}/effective?{wrong}");
        let answer = admin.get(&path).await.unwrap();
        assert_eq!(answer.status, 400, "{wrong}");
    }
    world.stop(Duration::from_secs(2)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_of_limits_set_at_once_says_what_really_stood_before() {
    let (world, _, admin) = world_that_knows(&[]).await;
    let mut setting = tokio::task::JoinSet::new();
    for cents in 0..12 {
        let admin = admin.clone();
        setting.spawn(async move {
            let body = json!({"scope": {"type": "organization"}, "amount": cents.to_string()});
            let request = admin.request(http::Method::POST, LIMITS).json(&body);
            request.send().await.unwrap().status
        });
    }
    assert_eq!(setting.join_all().await, [200; 12]);
    let limit = get(&admin, "").await["data"][0].clone();
    let path = format!("{LIMITS}/{}", limit["id"].as_str().unwrap());
    let gone = admin.request(http::Method::DELETE, &path).send().await;
    assert_eq!(gone.unwrap().status, 200);

    // Each entry's `before` is the `after` of exactly one other: they form one chain, which ends with the deletion.
    let audit = get(&admin, "/audit").await;
    let entries = audit["data"].as_array().unwrap();
    assert_eq!(entries.len(), 13);
    let mut stands = Value::Null;
    for _ in 0..13 {
        let next: Vec<_> = entries
            .iter()
            .filter(|entry| entry["before"]["amount"] == stands["amount"])
            .filter(|entry| entry["before"].is_null() == stands.is_null())
            .collect();
        assert_eq!(next.len(), 1, "{audit}");
        stands = next[0]["after"].clone();
    }
    assert_eq!(stands, Value::Null);
    world.stop(Duration::from_secs(2)).await.unwrap();
}
