//! Somebody who looks after both associations: one person of one identity provider, a role at each or at one, and never both mixed.

use control::Role;
use http::Method;
use serde_json::Value;
use testkit::Actor;

use super::world::{CARE_CLIENT, Side, Stores, Two, care};
use crate::api::matrix::operations;
use crate::api::setting::{give, machine, things};

/// What only this association's lists may show.
async fn marks(side: &Side) -> Vec<String> {
    let mut marks = Vec::new();
    for _ in 0..3 {
        let things = things(&side.control()).await;
        marks.extend([
            things.person,
            things.session,
            things.service_key,
            things.binding,
            things.spend_limit,
            things.directory_token,
        ]);
    }
    marks.push(side.base().to_owned());
    marks.push(side.stage.idp.issuer());
    marks.push(side.wired.org.to_string());
    marks
}

/// Every answer to a question that names nothing: path, status, text.
async fn lists(client: &Actor) -> Vec<(String, u16, String)> {
    let mut lists = Vec::new();
    for operation in operations(client).await {
        if operation.method == Method::GET && !operation.path.contains('{') {
            let answer = client.get(&operation.path).await.unwrap();
            lists.push((operation.path, answer.status, answer.text()));
        }
    }
    lists
}

async fn me(client: &Actor) -> String {
    let me: Value = client.get("/api/v1/me").await.unwrap().json();
    me["id"].as_str().unwrap().to_owned()
}

async fn give_role(side: &Side, person: &str) {
    let control = side.control();
    let machine = machine();
    let found = control::people::find(&control.operation(&machine), person).await;
    give(&control, Role::Technician, found.unwrap().id).await;
}

async fn a_technician_sees_both_and_never_both_mixed(stores: Stores) {
    let care = care();
    let two = Two::set_with(stores, Some(&care)).await;
    let token = care.id_token("tess", CARE_CLIENT);
    let [birch, kiln] = two
        .both()
        .map(|side| Actor::with_bearer(side.base(), &token));
    let people = [me(&birch).await, me(&kiln).await];
    assert_ne!(people[0], people[1], "somebody else at each");
    let marks = [marks(&two.birch).await, marks(&two.kiln).await];

    // A technician at Birch is nobody in particular at Kiln.
    give_role(&two.birch, &people[0]).await;
    assert_eq!(birch.get("/api/v1/people").await.unwrap().status, 200);
    for path in ["/api/v1/people", "/api/v1/sessions", "/api/v1/service-keys"] {
        let answer = kiln.get(path).await.unwrap();
        assert_eq!(answer.json()["code"], "role_missing", "{}", answer.text());
    }

    give_role(&two.kiln, &people[1]).await;
    for (client, own, others) in [(&birch, 0, 1), (&kiln, 1, 0)] {
        let lists = lists(client).await;
        let seen = |mark: &String| lists.iter().any(|(_, _, text)| text.contains(&**mark));
        let found = marks[own].iter().filter(|mark| seen(mark)).count();
        assert!(
            found + 1 >= marks[own].len(),
            "{found} of {}",
            marks[own].len()
        );
        for (path, status, text) in &lists {
            for mark in marks[others].iter().chain([&people[others]]) {
                assert!(!text.contains(&**mark), "{mark} stands in {path}, {status}");
            }
        }
    }
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_file_for_each_a_technician_sees_both_and_never_both_mixed() {
    Box::pin(a_technician_sees_both_and_never_both_mixed(Stores::Apart)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_one_database_a_technician_sees_both_and_never_both_mixed() {
    Box::pin(a_technician_sees_both_and_never_both_mixed(Stores::One)).await;
}
