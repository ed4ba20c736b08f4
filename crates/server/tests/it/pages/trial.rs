//! One decision, tried by the version in force and by a draft: a model, or an action of a connector.

use control::Role;

use super::policy::{BOARD, carried, somebody};
use super::setting::Setting;
use crate::api::setting::policy;

#[tokio::test]
async fn a_decision_is_tried_by_the_version_in_force_and_by_the_draft() {
    let setting = Setting::set().await;
    let owner = setting.visitor(Role::Owner).await;
    let eve = somebody(&setting, "Eve", &["board"]).await.to_string();
    let (number, text) = policy(&setting.here).await;
    let wanted = format!("{text}{BOARD}");
    let at = number.to_string();
    let draft = [("expected", &*at), ("text", &*wanted), ("reason", "kept")];
    let asked = [
        ("who", &*eve),
        ("model", "claude-opus-5-5"),
        ("client", "claude_code"),
    ];
    let tried = owner
        .post("/console/policy/try", &[&draft[..], &asked[..]].concat())
        .await;
    assert_eq!(tried.status, 200, "{}", tried.html().text);
    tried.is_well_made("tried");
    let said = tried.html().text;
    assert!(
        said.contains("By version 1, in force Refused") && said.contains("By the draft Allowed"),
        "{said}"
    );
    let line = wanted
        .lines()
        .position(|line| line == "name = \"board\"")
        .unwrap();
    assert!(
        said.contains(&format!("board grant, line {line}")),
        "{said}"
    );
    assert!(said.contains("# the board decides with Opus"), "{said}");
    assert_eq!(carried(&tried), wanted);
    let path = format!("/console/policy/try?who={eve}&model=claude-opus-5-5");
    let now = owner.get(&path).await.html().text;
    assert!(
        now.contains("Refused") && !now.contains("By the draft"),
        "{now}"
    );
    setting.end().await;
}

#[tokio::test]
async fn what_is_wrong_with_a_question_stands_beside_its_field() {
    let setting = Setting::set().await;
    let owner = setting.visitor(Role::Owner).await;
    somebody(&setting, "Eve", &[]).await;
    for (query, words) in [
        (
            "who=nobody&model=claude-opus-5-5",
            "nobody here has this id",
        ),
        ("who=&model=x", "must name somebody"),
        (
            "who=eve%40example.org&action=crm",
            "such as crm/delete_contact",
        ),
        (
            "who=eve%40example.org&action=crm%2Fa%20b",
            "such as crm/delete_contact",
        ),
        (
            "who=eve%40example.org&action=crm%2Fa&model=claude-opus-5-5",
            "a model is named too",
        ),
        ("who=eve%40example.org&model=", "1 to 128 letters"),
        ("who=eve%40example.org&model=x&version=new", "not a version"),
        (
            "who=eve%40example.org&model=x&address=here",
            "must be an address",
        ),
    ] {
        let page = owner.get(&format!("/console/policy/try?{query}")).await;
        assert_eq!(page.status, 422, "{query}");
        page.is_well_made(query);
        assert!(
            page.html().text.contains(words),
            "{query}: {}",
            page.html().text
        );
    }
    setting.end().await;
}

/// A connector of the shipped catalogue, so that it needs no review, and one that does.
const REACH: &str = "\n[[connector]]\nname = \"notion\"\nurl = \"https://mcp.notion.com/mcp\"\ncredential = \"grant\"\n\
     [[connector]]\nname = \"own\"\nurl = \"https://own.example/mcp\"\n\
     [[action]]\nname = \"asks first\"\nwho = { groups = [\"board\"] }\nconnector = \"*\"\nactions = [\"delete_page\"]\nstate = \"ask\"\napprover = \"second\"\n";

#[tokio::test]
async fn an_action_of_a_connector_is_tried_as_a_model_is() {
    let setting = Setting::set().await;
    let owner = setting.visitor(Role::Owner).await;
    let eve = somebody(&setting, "Eve", &["board"]).await.to_string();
    let mallory = somebody(&setting, "Mallory", &[]).await.to_string();
    let (number, text) = policy(&setting.here).await;
    let (wanted, at) = (format!("{text}{REACH}"), number.to_string());
    let draft = [("expected", &*at), ("text", &*wanted), ("reason", "kept")];
    for (who, action, words) in [
        (
            &eve,
            "notion/delete_page",
            "By the draft Needs approval By asks first. It needs approval, by somebody else.",
        ),
        (&eve, "notion/delete_page", "was not seen to list it"),
        (&eve, "notion/delete_page", "asks first action, line"),
        (
            &eve,
            "notion/get_page",
            "By the draft Blocked Nothing permits it.",
        ),
        (&eve, "own/delete_page", "By the draft Refused"),
        (&mallory, "notion/delete_page", "By the draft Refused"),
    ] {
        let asked = [("who", &**who), ("action", action)];
        let fields = [&draft[..], &asked[..]].concat();
        let tried = owner.post("/console/policy/try", &fields).await;
        assert_eq!(tried.status, 200, "{}", tried.html().text);
        tried.is_well_made(action);
        let said = tried.html().text;
        assert!(said.contains(words), "{action}: {said}");
        assert!(said.contains("in force Refused"), "{said}");
    }
    setting.end().await;
}
