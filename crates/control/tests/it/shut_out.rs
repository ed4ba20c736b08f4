//! Whoever the directory shuts out has a record of their own, by whichever way it says so.

use control::scim::{Directory, links, users};
use control::{Actor, people};
use domain::PersonId;
use serde_json::{Value, json};

use crate::scim::{BASE, Place, directory, operations, user_body};

impl Place {
    /// The reasons of the records about this person.
    fn told(&self, person: PersonId) -> Vec<String> {
        let about = format!("\"name\":\"{person}\"");
        let ledger = self.ledger();
        let records = ledger.lines().filter(|line| line.contains(&about));
        let reasons = records.filter_map(|line| {
            let record = line.find('{').map(|start| &line[start..])?;
            let mut stream = serde_json::Deserializer::from_str(record).into_iter::<Value>();
            let record = stream.next()?.ok()?;
            reason_in(&record)
        });
        reasons.collect()
    }

    async fn is_out(&self, person: PersonId) -> bool {
        let machine = Actor::command_line("machine");
        let found = people::read(&self.control.operation(&machine), person).await;
        found.unwrap().left_at.is_some()
    }
}

fn reason_in(record: &Value) -> Option<String> {
    match record {
        Value::Object(members) => members
            .get("reason")
            .and_then(|reason| reason.as_str().map(str::to_owned))
            .or_else(|| members.values().find_map(reason_in)),
        _ => None,
    }
}

#[tokio::test]
async fn who_is_provisioned_inactive_and_was_here_before_has_a_record() {
    let place = Place::new(21).await;
    let ada = place.signed_in("ada", "Ada", &[]).await;
    let actor = directory();
    let operation = place.control.operation(&actor);
    let directory = Directory::new(&operation, &place.source, BASE).unwrap();
    let mut body = user_body("ada");
    body["active"] = false.into();
    users::create(&directory, body).await.unwrap();
    assert!(place.is_out(ada.id).await);
    let told = place.told(ada.id);
    assert_eq!(told, ["revoked: provisioned inactive by the directory"]);
}

#[tokio::test]
async fn whom_a_changed_external_id_no_longer_means_has_a_record() {
    let place = Place::new(22).await;
    let ada = place.signed_in("ada", "Ada", &[]).await;
    let user = place.provisioned("ada").await;
    let bob = place.signed_in("bob", "Bob", &[]).await;
    let actor = directory();
    let operation = place.control.operation(&actor);
    let directory = Directory::new(&operation, &place.source, BASE).unwrap();
    let to = |id: &str, active: bool| {
        operations(&json!([{"op": "replace", "value": {"externalId": id, "active": active}}]))
    };
    let put = users::patch(&directory, &user, None, to("bob", false)).await;
    put.unwrap();
    assert!(place.is_out(ada.id).await && place.is_out(bob.id).await);
    let told = place.told(ada.id);
    assert_eq!(told, ["revoked: no longer meant by the directory"]);
    let told = place.told(bob.id);
    assert_eq!(told, ["revoked: made inactive by the directory"]);
    // to somebody nobody knows yet
    let put = users::patch(&directory, &user, None, to("carol", true)).await;
    put.unwrap();
    assert!(place.is_out(bob.id).await);
    assert_eq!(place.told(bob.id).len(), 2);
}

#[tokio::test]
async fn a_corrected_id_of_somebody_who_never_signed_in_shuts_nobody_out() {
    let place = Place::new(23).await;
    let user = place.provisioned("ada").await;
    let (store, org) = (&place.control.store, place.control.org);
    let ada = store.person_by_stable(org, "entra", "ada").await;
    let ada = ada.unwrap().unwrap().id;
    let actor = directory();
    let operation = place.control.operation(&actor);
    let directory = Directory::new(&operation, &place.source, BASE).unwrap();
    let body = operations(&json!([{"op": "replace", "value": {"externalId": "ada-2"}}]));
    users::patch(&directory, &user, None, body).await.unwrap();
    assert!(!place.is_out(ada).await);
    assert_eq!(place.told(ada), [""; 0]);
}

#[tokio::test]
async fn whom_a_link_by_hand_shuts_out_has_a_record() {
    let place = Place::new(24).await;
    let ada = place.signed_in("ada", "Ada", &[]).await;
    let user = place.provisioned("ada").await;
    let bob = place.signed_in("bob", "Bob", &[]).await;
    place.set_active(&user, false).await;
    let machine = Actor::command_line("machine");
    let operation = place.control.operation(&machine);
    let hostile = links::link(&operation, user.parse().unwrap(), "bob", "a\nb").await;
    assert!(hostile.is_err());
    let linked = links::link(&operation, user.parse().unwrap(), "bob", "the mapping").await;
    assert_eq!(linked.unwrap().1.id, bob.id);
    assert!(place.is_out(ada.id).await && place.is_out(bob.id).await);
    let told = place.told(ada.id);
    assert_eq!(told[1..], ["revoked: no longer meant: the mapping"]);
    let told = place.told(bob.id);
    assert_eq!(told.len(), 1);
    assert!(told[0].ends_with("inactive: the mapping"), "{told:?}");
}
