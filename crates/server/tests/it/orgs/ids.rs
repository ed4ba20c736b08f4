//! One association's ids at the other, in every operation of the API and in what directories ask: they are answered exactly as ids that
//! never were, and what they name stays as it is.

use control::Role;
use domain::PersonId;
use http::Method;
use serde_json::json;
use testkit::{Actor, Directory};

use super::world::{Side, Stores, Two};
use crate::api::matrix::{Operation, answer, asking, operations};
use crate::api::setting::{Things, bearer, give, person, things, things_of};

/// An owner's client, and who they are.
async fn owner(side: &Side) -> (Actor, PersonId) {
    let control = side.control();
    let owner = person(&control, "owner").await;
    give(&control, Role::Owner, owner).await;
    let bearer = bearer(&control, side.wired.sessions(), owner).await;
    (Actor::with_bearer(side.base(), &bearer), owner)
}

/// The same ids with another last letter, so that nothing has them.
fn never_were(things: &Things) -> Things {
    let other = |id: &str| {
        let last = if id.ends_with('0') { '1' } else { '0' };
        format!("{}{last}", &id[..id.len() - 1])
    };
    Things {
        person: other(&things.person),
        session: other(&things.session),
        token: other(&things.token),
        service_key: other(&things.service_key),
        binding: other(&things.binding),
        spend_limit: other(&things.spend_limit),
        directory_token: other(&things.directory_token),
        group: other(&things.group),
        checkpoint: other(&things.checkpoint),
        task: other(&things.task),
        access_request: other(&things.access_request),
        approval: other(&things.approval),
        ..things.clone()
    }
}

async fn asked(client: &Actor, operation: &Operation, things: &Things) -> (u16, String) {
    let policy = (99, String::new());
    let answer = answer(client, operation, asking(&operation.id, things, &policy)).await;
    let code = match answer.status {
        400.. => answer.json()["code"].to_string(),
        _ => String::new(),
    };
    (answer.status, code)
}

async fn ids_of_one_are_unknown_at_the_other(stores: Stores) {
    let two = Two::set(stores).await;
    let (here, somebody) = owner(&two.birch).await;
    let (there, _) = owner(&two.kiln).await;
    directories(&two).await;
    let mut tried = 0;
    for operation in operations(&here).await {
        let control = two.birch.control();
        let things = if operation.id.starts_with("me_") {
            things_of(&control, somebody).await
        } else {
            things(&control).await
        };
        let named = asking(&operation.id, &things, &(99, String::new())).named;
        // Versions are counted by each for itself.
        let is_number = named.is_some_and(|named| named.parse::<u64>().is_ok());
        // Providers are of the configuration, by names that both may use.
        let is_configured = operation.path.contains("/upstreams/");
        if is_number
            || is_configured
            || !(operation.path.contains('{') || operation.id == "roles_grant")
        {
            continue;
        }
        tried += 1;
        let theirs = asked(&there, &operation, &things).await;
        let nobodys = asked(&there, &operation, &never_were(&things)).await;
        assert_eq!(theirs, nobodys, "{}", operation.id);
        assert_eq!(theirs.0, 404, "{}", operation.id);
        let own = asked(&here, &operation, &things).await;
        assert_ne!(own.0, 404, "{}: it is still there", operation.id);
    }
    assert!(tried >= 15, "only {tried} operations name something");
    two.stop().await;
}

/// A directory that asks for users and groups of the other's.
async fn directories(two: &Two) {
    let [here, there]: [&Directory; 2] = two.both().map(|side| &side.stage.directory);
    let user = here.provision("una@birch.example", "una").await.unwrap();
    let group = here
        .provision_group("staff", "staff-1", &[&user])
        .await
        .unwrap();
    let gone = json!([{"op": "replace", "path": "active", "value": false}]);
    for path in [format!("/Users/{user}"), format!("/Groups/{group}")] {
        let whole = here.get(&path).await.unwrap();
        assert_eq!(there.get(&path).await.unwrap().status, 404);
        assert_eq!(there.patch(&path, &gone).await.unwrap().status, 404);
        let body = whole.json();
        let put = there.send(Method::PUT, &path, Some(&body)).await.unwrap();
        assert_eq!(put.status, 404, "{}", put.text());
        let deleted = there.send(Method::DELETE, &path, None).await.unwrap();
        assert_eq!(deleted.status, 404);
        assert_eq!(here.get(&path).await.unwrap().json(), body, "as it was");
    }
    // As a member of a group of theirs it is nobody.
    let theirs = there
        .provision_group("staff", "staff-1", &[])
        .await
        .unwrap();
    let _ = there.add_members(&theirs, &[&user]).await;
    let members = there.get(&format!("/Groups/{theirs}")).await.unwrap();
    assert!(!members.text().contains("una@"), "{}", members.text());
    for list in ["/Users", "/Groups"] {
        let listed = there.get(list).await.unwrap().text();
        assert!(
            !listed.contains("una@birch") && !listed.contains(&group),
            "{listed}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_file_for_each_ids_of_one_are_unknown_at_the_other() {
    Box::pin(ids_of_one_are_unknown_at_the_other(Stores::Apart)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_one_database_ids_of_one_are_unknown_at_the_other() {
    Box::pin(ids_of_one_are_unknown_at_the_other(Stores::One)).await;
}
