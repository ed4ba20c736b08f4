//! What people agree to and what is to be done for them, for the setting.

use std::collections::BTreeSet;

use control::acceptable_use::{self, NewDraft};
use control::access_requests::{self, Wish};
use control::approvals::{self, Sought};
use control::may_use::{Question, Tried};
use control::members::{Expected, Given};
use control::tasks::Wanted;
use control::{Actor, Control, members, tasks};
use domain::acceptable_use::Variables;
use domain::connectors::{ActionClass, DefinitionKind};
use domain::task::TaskKind;
use domain::{AccessState, AskedKind, ClientKind, Clock as _, PersonId};
use server::system::SystemClock;
use store::{ConnectorListing, DefinitionSeen, Grant, KeepingGrant, PolicyVersion};

use super::setting::machine;

/// A connector that the shipped catalogue knows.
const CONNECTOR: &str = "[[connector]]\nname = \"code\"\nurl = \"https://api.githubcopilot.com/mcp/\"\ncredential = \"grant\"\n";

/// The number of the acceptable-use policy in force; one that nobody has when there is none.
pub(super) async fn use_version(control: &Control) -> String {
    let published = control.store.published_use(control.org).await.unwrap();
    let version = published.map_or(99, |published| published.version);
    version.to_string()
}

/// Saves a draft that is ready to be published, and returns its `ETag`.
pub(super) async fn draft(control: &Control, words: &str) -> String {
    let machine = machine();
    let operation = control.operation(&machine);
    let stands = acceptable_use::draft::read(&operation, "").await.unwrap();
    let new = NewDraft {
        text: format!("# Use\nOf {words}.\n{{{{monitoring}}}}\n"),
        values: Variables::new(),
        language: "en".to_owned(),
    };
    let saved = acceptable_use::save(&operation, stands.tag, new).await;
    saved.unwrap().tag.to_string()
}

/// Something to be done for somebody who leaves.
pub(super) async fn task(control: &Control, who: &str) -> String {
    let machine = machine();
    let operation = control.operation(&machine);
    let at = SystemClock.now();
    tasks::tell_leaver(&operation, who, at, "a test")
        .await
        .unwrap();
    let wanted = Wanted {
        about: Some(who.to_owned()),
        kind: Some(TaskKind::RemoveFromWorkspace),
        ..Wanted::default()
    };
    let found = tasks::list(&operation, &wanted, None, 1).await.unwrap();
    found[0].id.to_string()
}

/// A member list of nobody, held against the directory.
pub(crate) async fn list_checked(control: &Control) {
    let machine = machine();
    let operation = control.operation(&machine);
    let people = members::everyone(&operation).await.unwrap();
    let compared = members::compare(&[], &people, &Expected::default());
    let given = Given {
        source: "first.csv",
        hash: "00",
        look_only: true,
    };
    members::check(&operation, &[], &compared, given)
        .await
        .unwrap();
}

/// Something that somebody asks for: to be in the group of this name. What they asked before, they take back.
pub(crate) async fn access_request(control: &Control, who: PersonId, group: &str) -> String {
    let actor = Actor::person(who, "somebody", BTreeSet::new());
    let operation = control.operation(&actor);
    let (before, _) = access_requests::list_own(&operation, None, 50)
        .await
        .unwrap();
    for request in before {
        if request.state == AccessState::Open {
            access_requests::withdraw(&operation, request.id)
                .await
                .unwrap();
        }
    }
    let wish = Wish {
        kind: AskedKind::Group,
        thing: group.to_owned(),
        amount_cents: None,
        reason: "a test".to_owned(),
    };
    let question = Question {
        models: &[],
        issuers_for_people: 1,
        tried: Tried::newest(ClientKind::ClaudeCode),
    };
    let asked = access_requests::ask(&operation, wish, question).await;
    asked.unwrap().id.to_string()
}

/// A call that waits for a second person, with these words as its argument.
pub(crate) async fn approval(control: &Control, who: PersonId, words: &str) -> String {
    let actor = Actor::person(who, "somebody", BTreeSet::new());
    let operation = control.operation(&actor);
    let (before, _) = approvals::list_own(&operation, 50).await.unwrap();
    for shown in before {
        if shown.state == domain::ApprovalState::Pending {
            let denied = approvals::deny(&operation, shown.approval.id, "not any more").await;
            denied.unwrap();
        }
    }
    let marks = control.store.watermarks(control.org).await.unwrap();
    let arguments = serde_json::json!({ "text": words }).to_string();
    let call = approvals::Call {
        connector: "crm",
        action: "update_contact",
        arguments: arguments.as_bytes(),
        definition: "sha256:77c0",
        policy_version: marks.policy_version,
        approver: &domain::approval::Approver::Second,
        about: &domain::approval::About::default(),
    };
    match approvals::seek(&operation, call).await.unwrap() {
        Sought::Waits(approval) => approval.id.to_string(),
        other => panic!("{other:?}"),
    }
}

/// A connector of the policy, put there where it is not; of an organisation without a policy one that is not there.
pub(super) async fn connector(control: &Control) -> String {
    let latest = control.store.latest_policy(control.org).await.unwrap();
    let Some(latest) = latest else {
        return "elsewhere".to_owned();
    };
    if !latest.text.contains(CONNECTOR) {
        let version = PolicyVersion {
            version: latest.version + 1,
            text: format!("{}\n{CONNECTOR}", latest.text),
            ..latest.clone()
        };
        let put = control
            .store
            .put_policy(control.org, latest.version, &version);
        put.await.unwrap();
    }
    "code".to_owned()
}

/// This person's own account there, connected.
pub(super) async fn grant(control: &Control, person: PersonId, connector: &str) {
    let now = SystemClock.now();
    let grant = Grant {
        person,
        connector: connector.to_owned(),
        address: "https://api.githubcopilot.com/mcp/".to_owned(),
        issuer: "https://login.example".to_owned(),
        scope: String::new(),
        sealed: Vec::new(),
        version: 1,
        connected: now,
        renewed: now,
        expires: None,
        dead_since: None,
        wants: String::new(),
    };
    let held = control.store.hold_grant(control.org, &grant).await;
    if let KeepingGrant::Held(held, _) = held.unwrap() {
        held.keep().await.unwrap();
    }
}

/// An action of this name that the connector lists.
pub(super) async fn listed(control: &Control, name: &str) -> String {
    let policy = domain::Policy::parse(1, CONNECTOR).unwrap();
    let place = actions::pin::place(&policy.document().connector[0]);
    let seen = DefinitionSeen {
        name: name.to_owned(),
        offered: Some(format!("{{\"name\":\"{name}\"}}")),
        unfit: None,
        hash: "a".to_owned(),
        class: ActionClass::Destructive,
        basis: "nothing".to_owned(),
        findings: "[]".to_owned(),
    };
    let listing = ConnectorListing {
        at: SystemClock.now(),
        actions: 1,
        dropped: 0,
    };
    let noted = (&[seen][..], &[][..], &[][..]);
    let noting = control.store.note_definitions(
        control.org,
        ("code", &place, DefinitionKind::Tool),
        listing,
        noted,
    );
    noting.await.unwrap();
    name.to_owned()
}
