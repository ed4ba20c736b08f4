//! Approvals as the connectors' door asks for them, at two servers on one store: whose they are, for which call, and how often.

use std::collections::BTreeSet;
use std::sync::Arc;

use connectors::approval::{Approvals, Sought, Wanted, refusal};
use control::approvals;
use control::{Actor, Control};
use domain::policy::{Connector, Determined, Standing};
use domain::{
    ActionClass, ActionState, ApprovalId, Caller, Credential, PersonId, ReasonCode, ServiceId,
    Subject,
};
use server::demo::world::World;
use server::system::{SystemClock, SystemIds};
use server::wiring::{Wired, wire};

use crate::api::setting::person;

/// The same server once more: another process's parts on the same store.
async fn another(world: &World) -> Wired {
    let mut config = world.config.clone();
    config.ledger.dir = config.ledger.dir.join("another");
    let wired = wire(&config, Arc::new(SystemClock), Arc::new(SystemIds)).await;
    wired.unwrap()
}

fn caller(control: &Control, subject: Subject) -> Arc<Caller> {
    Arc::new(Caller {
        org: control.org,
        subject,
        stable_id: "ada".into(),
        issuer: "northwind".into(),
        email: None,
        name: Some("Ada".into()),
        groups: BTreeSet::new(),
        session: None,
        credential: Credential::Session,
    })
}

async fn wanted(control: &Control, subject: Subject, arguments: &str) -> Wanted {
    let connector: Connector = toml::from_str(
        "name = \"crm\"\ntitle = \"Membership CRM\"\nurl = \"https://crm.example/mcp\"\n",
    )
    .unwrap();
    let marks = control.store.watermarks(control.org).await.unwrap();
    Wanted {
        caller: caller(control, subject),
        connector: Arc::new(connector),
        action: "update_contact".to_owned(),
        class: ActionClass::Write,
        arguments: arguments.to_owned(),
        definition: "sha256:77c0".to_owned(),
        standing: Standing {
            state: ActionState::Ask,
            approver: domain::policy::Approver::Own,
            by: vec![Determined::Entry("CRM: writing".to_owned())],
            policy_version: marks.policy_version,
        },
        client: "Claude Desktop".to_owned(),
    }
}

async fn waits(approvals: &dyn Approvals, wanted: &Wanted) -> ApprovalId {
    match approvals.seek(wanted).await.unwrap() {
        Sought::Waits { id, .. } => id,
        other => panic!("{other:?}"),
    }
}

fn as_person(who: PersonId) -> Actor {
    Actor::person(who, "Ada", BTreeSet::new())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_yes_given_at_one_server_lets_this_call_through_once_at_the_other_and_nobody_elses() {
    let world = World::start(0).await.unwrap();
    let here = world.running.wired.control();
    let there = another(&world).await;
    let (one, two) = (world.running.wired.approvals(), there.approvals());
    let (ada, bob) = (person(&here, "ada").await, person(&here, "bob").await);
    let call = wanted(&here, Subject::Person(ada), r#"{"member":4411}"#).await;
    let id = waits(&*one, &call).await;
    assert_eq!(waits(&*two, &call).await, id);
    let told = refusal(
        &call,
        &one.seek(&call).await.unwrap(),
        "https://ai.example.org",
    );
    let said = told.first().message.clone();
    assert!(
        said.contains(&format!("https://ai.example.org/approvals/{id}")),
        "{said}"
    );
    assert!(
        said.contains("same arguments") && !said.contains("4411"),
        "{said}"
    );
    assert_eq!(
        (told.code(), told.first().rule.as_deref()),
        (ReasonCode::ApprovalNeeded, Some("CRM: writing"))
    );
    let theirs = as_person(bob);
    let stolen = approvals::approve(&here.operation(&theirs), id, "").await;
    assert!(stolen.is_err(), "its id opens nothing");
    let control = there.control();
    let own = as_person(ada);
    approvals::approve(&control.operation(&own), id, "")
        .await
        .unwrap();
    let other_argument = wanted(&here, Subject::Person(ada), r#"{"member":4412}"#).await;
    let other_person = wanted(&here, Subject::Person(bob), r#"{"member":4411}"#).await;
    assert_ne!(waits(&*one, &other_argument).await, id);
    assert_ne!(waits(&*two, &other_person).await, id);
    let both = tokio::join!(one.seek(&call), two.seek(&call));
    let granted = [both.0.unwrap(), both.1.unwrap()];
    let used = granted
        .iter()
        .filter(|sought| **sought == Sought::Granted(id))
        .count();
    assert_eq!(used, 1, "{granted:?}");
    assert_ne!(waits(&*one, &call).await, id, "and not once more");
    drop((one, two, there));
    world.stop(std::time::Duration::from_secs(2)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_no_is_told_with_its_reason_and_a_machine_cannot_ask() {
    let world = World::start(0).await.unwrap();
    let here = world.running.wired.control();
    let asks = world.running.wired.approvals();
    let ada = person(&here, "ada").await;
    let call = wanted(&here, Subject::Person(ada), "{}").await;
    let id = waits(&*asks, &call).await;
    approvals::deny(&here.operation(&as_person(ada)), id, "not this one")
        .await
        .unwrap();
    let denied = asks.seek(&call).await.unwrap();
    let said = refusal(&call, &denied, "https://ai.example.org")
        .first()
        .message
        .clone();
    assert!(
        said.contains("denied by Ada") && said.contains("not this one"),
        "{said}"
    );
    let machine = wanted(&here, Subject::Service(ServiceId::from_parts(1, 1)), "{}").await;
    let refused = asks.seek(&machine).await.unwrap_err();
    assert_eq!(refused.code(), ReasonCode::ApprovalNeeded);
    drop(asks);
    world.stop(std::time::Duration::from_secs(2)).await.unwrap();
}
