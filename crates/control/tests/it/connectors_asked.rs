//! Asking for a connector, or for an action of one: what is hidden is asked for as what is not there, and a yes is given once it is so.

use control::access_requests::{self, AccessRequest};
use control::connectors::{self, Lack};
use control::{Actor, Control, ControlError, Right, Role, policies};
use domain::connectors::ActionClass;
use domain::policy::reach::Determined;
use domain::{AccessState, AskedKind, OrgId, ReasonCode, limits};

use crate::access_requests::{grant, wish};
use crate::connectors::{approve, seen, wish as review};
use crate::policies::Anything;
use crate::scim::Place;

/// A connector that everybody of the staff may read, one for others, and one that nobody has reviewed.
const POLICY: &str = r#"
[[connector]]
name = "code"
title = "Our code"
url = "https://api.githubcopilot.com/mcp/"
[[connector]]
name = "board"
title = "Minutes of the board"
who = { groups = ["board"] }
url = "https://mcp.notion.com/mcp"
[[connector]]
name = "crm"
url = "https://crm.example/mcp"
[[action]]
name = "reading"
connector = "*"
classes = ["read"]
state = "allow"
[[action]]
name = "never"
connector = "code"
actions = ["delete_*"]
state = "blocked"
"#;

impl Place {
    async fn applies(&self, text: &str) {
        let machine = Actor::command_line("machine");
        let operation = self.control.operation(&machine);
        let put = policies::apply(&operation, text, "a test", None, &Anything).await;
        put.unwrap();
    }

    /// With the policy above, `ada` of the staff, and what `code` lists: two actions approved, two not.
    async fn with_code(seed: u64) -> (Self, Actor, Actor) {
        let place = Self::new(seed).await;
        place.applies(POLICY).await;
        let ada = place.somebody("ada").await;
        let admin = place.with_role("admin", Role::Admin).await;
        let listed = [
            seen("get_issue", "One issue.", ActionClass::Read),
            seen("create_issue", "A new issue.", ActionClass::Write),
            seen("delete_issue", "Deletes one.", ActionClass::Destructive),
            seen("get_more", "More of it.", ActionClass::Read),
        ];
        place.lists("code", &listed).await;
        let operation = place.control.operation(&admin);
        for action in &listed[..2] {
            let decided = connectors::decide(&operation, "code", &approve(action)).await;
            decided.unwrap();
        }
        (place, ada, admin)
    }

    async fn lacks(&self, admin: &Actor, request: &AccessRequest) -> Vec<Lack> {
        let operation = self.control.operation(admin);
        let way = access_requests::way(&operation, request, 1).await.unwrap();
        way.unwrap().lacks
    }
}

/// What somebody is told who asks for this: nothing where it is taken.
async fn told(place: &Place, who: &Actor, kind: AskedKind, thing: &str) -> Option<String> {
    match place.ask(who, wish(kind, thing)).await {
        Ok(_) => None,
        Err(error) => {
            assert_eq!(error.code(), ReasonCode::ParameterInvalid, "{thing}");
            Some(error.detail())
        }
    }
}

#[tokio::test]
async fn what_is_hidden_is_asked_for_as_what_is_not_there() {
    let (place, ada, _) = Place::with_code(81).await;
    // For others, not reviewed, not there: by name, title and address.
    for connector in [
        "board",
        "Minutes of the board",
        "https://mcp.notion.com/mcp",
        "Notion",
        "crm",
        "https://crm.example/mcp",
        "no-such",
        "https://no-such.example/mcp",
    ] {
        let said = told(&place, &ada, AskedKind::Connector, connector).await;
        assert_eq!(said, None, "{connector}");
    }
    // Blocked, not approved, not there.
    for action in ["delete_issue", "create_issue", "get_more", "no_such"] {
        let thing = format!("code/{action}");
        let said = told(&place, &ada, AskedKind::Action, &thing).await;
        assert_eq!(said, None, "{action}");
    }
    let nothing = told(&place, &ada, AskedKind::Action, "no-such/get_page").await;
    assert!(nothing.is_some());
    for hidden in ["board/get_page", "crm/get_page", "crm/no_such"] {
        let said = told(&place, &ada, AskedKind::Action, hidden).await;
        assert_eq!(said, nothing, "{hidden}");
    }
    let ledger = place.ledger();
    assert_eq!(ledger.matches("asks for a connector").count(), 8);
    assert_eq!(
        ledger.matches("asks for an action of a connector").count(),
        4
    );
    for word in [
        "no-such",
        "notion.com",
        "crm.example",
        "no_such",
        "create_issue",
    ] {
        let asks = ledger.lines().filter(|line| line.contains("asks for"));
        assert!(asks.clone().all(|line| !line.contains(word)), "{word}");
    }
}

#[tokio::test]
async fn what_one_has_already_is_not_asked_for_by_any_of_its_names() {
    let (place, ada, _) = Place::with_code(82).await;
    for (kind, thing) in [
        (AskedKind::Connector, "code"),
        (AskedKind::Connector, "our code"),
        (AskedKind::Connector, "GitHub"),
        (AskedKind::Connector, "https://api.githubcopilot.com/mcp"),
        (AskedKind::Action, "code/get_issue"),
    ] {
        let said = told(&place, &ada, kind, thing).await.unwrap();
        assert!(said.contains("already"), "{thing}: {said}");
    }
}

#[tokio::test]
async fn what_names_no_connector_and_no_action_is_refused() {
    let (place, ada, _) = Place::with_code(83).await;
    let long = "x".repeat(limits::NAME_CHARS_MAX + 1);
    for thing in [
        "",
        " Notion",
        "a\nb",
        "a\u{202e}b",
        &*long,
        "http://mcp.example.com",
        "https://ada:secret@mcp.example.com/",
        "https://mcp.example.com/?key=secret",
        "https://mcp.example.com/#secret",
        "ftp://mcp.example.com",
    ] {
        let said = told(&place, &ada, AskedKind::Connector, thing).await;
        assert!(said.is_some_and(|said| !said.contains("secret")), "{thing}");
    }
    let long = format!("code/{}", "x".repeat(limits::ACTION_NAME_BYTES_MAX + 1));
    for thing in [
        "",
        "code",
        "code/",
        "/get",
        "Code/get",
        "code/get it",
        &*long,
    ] {
        let said = told(&place, &ada, AskedKind::Action, thing).await;
        assert!(said.is_some(), "{thing}");
    }
    let (own, _) = access_requests::list_own(&place.control.operation(&ada), None, 9)
        .await
        .unwrap();
    assert_eq!(own, []);
}

#[tokio::test]
async fn a_connector_is_granted_once_the_policy_a_review_and_an_entry_let_them_reach_it() {
    let (place, ada, admin) = Place::with_code(84).await;
    let address = "https://tasks.example/mcp";
    let asked = place.ask(&ada, wish(AskedKind::Connector, address)).await;
    let asked = asked.unwrap();
    let operation = place.control.operation(&admin);
    let is_refused = async |expected: &[Lack]| {
        assert_eq!(place.lacks(&admin, &asked).await, expected);
        let refused = place.answer(&admin, &asked, &grant()).await.unwrap_err();
        assert!(matches!(refused, ControlError::NotSoYet(_)), "{refused:?}");
        for lack in expected {
            assert!(refused.detail().contains(lack.says()), "{refused}");
        }
    };
    is_refused(&[Lack::Connector]).await;
    let reading = "classes = [\"read\"]\nstate = \"allow\"\n";
    let narrow = POLICY.replace("connector = \"*\"", "connector = \"code\"");
    let with =
        |who: &str| format!("{narrow}[[connector]]\nname = \"tasks\"\n{who}url = \"{address}\"\n");
    place
        .applies(&with("who = { groups = [\"board\"] }\n"))
        .await;
    is_refused(&[Lack::Review, Lack::Entry]).await;
    place.applies(&with("")).await;
    is_refused(&[Lack::Review, Lack::Permission]).await;
    let reviewed = connectors::review(&operation, "tasks", &review(false)).await;
    reviewed.unwrap();
    is_refused(&[Lack::Yes, Lack::Permission]).await;
    let reviewed = connectors::review(&operation, "tasks", &review(true)).await;
    reviewed.unwrap();
    is_refused(&[Lack::Permission]).await;
    let entry = format!(
        "[[action]]\nname = \"tasks for ada\"\nwho = {{ people = [\"{}\"] }}\nconnector = \"tasks\"\n{reading}",
        asked.person
    );
    place.applies(&format!("{}{entry}", with(""))).await;
    let granted = place.answer(&admin, &asked, &grant()).await.unwrap();
    assert_eq!(granted.state, AccessState::Granted);
    let said = format!(
        "granted: the connector tasks for {}: until May",
        asked.person
    );
    assert!(place.ledger().contains(&said), "by the policy's name of it");
    // What somebody else has is another's.
    let bob = place.somebody("bob").await;
    let bobs = place.ask(&bob, wish(AskedKind::Connector, address)).await;
    assert_eq!(
        place.lacks(&admin, &bobs.unwrap()).await,
        [Lack::Permission]
    );
}

#[tokio::test]
async fn an_action_is_granted_once_it_is_listed_approved_and_permitted() {
    let (place, ada, admin) = Place::with_code(85).await;
    let asks = async |action: &str| {
        let wish = wish(AskedKind::Action, &format!("code/{action}"));
        place.ask(&ada, wish).await.unwrap()
    };
    for (action, expected) in [
        ("no_such", vec![Lack::Listing]),
        ("get_more", vec![Lack::Definition]),
        (
            "delete_issue",
            vec![
                Lack::Definition,
                Lack::Permission,
                Lack::Release(vec![Determined::Entry("never".to_owned())]),
            ],
        ),
    ] {
        let asked = asks(action).await;
        assert_eq!(place.lacks(&admin, &asked).await, expected, "{action}");
        let refused = place.answer(&admin, &asked, &grant()).await;
        assert!(matches!(refused, Err(ControlError::NotSoYet(_))));
    }
    let asked = asks("create_issue").await;
    assert_eq!(place.lacks(&admin, &asked).await, [Lack::Permission]);
    let entry = "[[action]]\nname = \"writing\"\nwho = { groups = [\"staff\"] }\nconnector = \"code\"\nactions = [\"create_issue\"]\nstate = \"ask\"\n";
    place.applies(&format!("{POLICY}{entry}")).await;
    place.answer(&admin, &asked, &grant()).await.unwrap();
    let said = "granted: the action create_issue of the connector code for";
    assert!(place.ledger().contains(said));
    let closed = place.answer(&admin, &asked, &grant()).await;
    assert!(matches!(closed, Err(ControlError::RequestClosed { .. })));
    // It may be declined whatever it lacks.
    let other = asks("also_no_such").await;
    let no = access_requests::Answer {
        grants: false,
        ..grant()
    };
    let declined = place.answer(&admin, &other, &no).await.unwrap();
    assert_eq!(declined.state, AccessState::Declined);
    let ledger = place.ledger();
    assert!(ledger.contains("declined: an action of a connector for"));
    assert!(!ledger.contains("also_no_such"));
}

#[tokio::test]
async fn what_is_missing_is_for_whoever_answers_and_nobody_answers_at_another_organisation() {
    let (place, ada, admin) = Place::with_code(86).await;
    let asked = place.ask(&ada, wish(AskedKind::Connector, "board")).await;
    let asked = asked.unwrap();
    let own = place.control.operation(&ada);
    let refused = access_requests::way(&own, &asked, 1).await;
    assert!(matches!(
        refused,
        Err(ControlError::Forbidden(Right::AccessRequestsRead))
    ));
    let bob = place.somebody("bob").await;
    for actor in [&ada, &bob, &place.with_role("auditor", Role::Auditor).await] {
        let refused = place.answer(actor, &asked, &grant()).await;
        assert!(
            matches!(
                refused,
                Err(ControlError::Forbidden(Right::AccessRequestsWrite))
            ),
            "{refused:?}"
        );
    }
    let admins = wish(AskedKind::Connector, "board");
    let admins = place.ask(&admin, admins).await.unwrap();
    let refused = place.answer(&admin, &admins, &grant()).await;
    assert!(matches!(refused, Err(ControlError::Oneself)));
    let elsewhere = OrgId::from_parts(2, 2);
    let store = &place.control.store;
    let elsewhere = store.ensure_org("elsewhere", elsewhere).await.unwrap();
    let there = Control {
        org: elsewhere,
        ..place.control.clone()
    };
    let operation = there.operation(&admin);
    for refused in [
        access_requests::read(&operation, asked.id).await,
        access_requests::answer(&operation, asked.id, &grant(), 1).await,
    ] {
        assert!(matches!(refused, Err(ControlError::NoSuch("request"))));
    }
    let (listed, _) = access_requests::list(&operation, false, None, 9)
        .await
        .unwrap();
    assert_eq!(listed, []);
}
