//! What clients see of a connector: what they may do, word for word, and nothing else.

use std::time::Duration;

use serde_json::json;
use testkit::{Http, McpServer, mcp};

use super::client::Client;
use super::{apply, policy, world};
use crate::watch::until;

#[tokio::test(flavor = "multi_thread")]
async fn a_person_lists_and_does_what_is_theirs_and_every_member_survives() {
    let (world, behind) = world().await;
    for client in [
        Client::greeted(&world.base, "ada", "tasks").await,
        Client::modern(&world.base, "ada", "tasks").await,
    ] {
        let listed = client.tools().await;
        let expected: Vec<&str> = mcp::TOOLS
            .iter()
            .map(|(name, _)| *name)
            .filter(|name| *name != "deleteItem")
            .collect();
        assert_eq!(
            listed, expected,
            "blocked actions and look-alikes are not there"
        );
        let list = client.ask("tools/list", &json!({})).await.text();
        assert!(list.contains(r#""vendorField":{"b":1,"a":[1.0]}"#) && list.contains("vendorTop"));
        assert!(!list.contains("\"public\""), "{list}");

        let answer = client.call("get_item", &json!({"path": "/me"})).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let json = answer.json();
        assert_eq!(json["id"], 7);
        assert_eq!(json["result"]["content"][0]["text"], "{\"path\":\"/me\"}");
        assert_eq!(json["result"]["content"][1]["type"], "future_block");
    }
    let contractor = Client::greeted(&world.base, "alan", "tasks").await;
    assert!(!contractor.tools().await.contains(&"delete_item".to_owned()));
    behind.stop().await;
    world.stop(Duration::from_secs(2)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_blocked_and_what_there_is_not_are_one_answer_and_neither_is_sent() {
    let (world, behind) = world().await;
    let ada = Client::greeted(&world.base, "ada", "tasks").await;
    let alan = Client::greeted(&world.base, "alan", "tasks").await;
    ada.listed().await;
    let before = behind.called();
    let unknown = ada.call("no_such_thing", &json!({})).await;
    assert_eq!(
        (unknown.status, &unknown.json()["error"]["code"]),
        (200, &json!(-32602))
    );
    let same = |answer: &testkit::Answer| {
        let mut json = answer.json();
        json["error"]["data"] = json!({});
        json
    };
    for answer in [
        alan.call("delete_item", &json!({})).await,
        ada.call("deleteItem", &json!({})).await,
        ada.call("Get_item", &json!({})).await,
        ada.call("gеt_item", &json!({})).await,
        ada.call("tools/list", &json!({})).await,
        ada.call("", &json!({})).await,
    ] {
        assert_eq!(same(&answer), same(&unknown));
    }
    let told = ada
        .call("get_item", &json!({"path": "/me/../%75sers/7"}))
        .await
        .json();
    assert_eq!(told["result"]["isError"], true);
    let text = told["result"]["content"][0]["text"].as_str().unwrap();
    assert!(
        text.contains("arguments_not_allowed") && text.contains("Reading"),
        "{text}"
    );
    let asked = ada.call("delete_item", &json!({})).await.json();
    assert_eq!(asked["result"]["isError"], true);
    assert!(asked.to_string().contains("approval_needed"), "{asked}");
    let secret = json!({"note": format!("AKIA{}", "IOSFODNN7EXAMPLF")});
    let blocked = ada.call("get_item", &secret).await.json();
    assert!(blocked.to_string().contains("content_blocked"), "{blocked}");
    let method = ada.ask("tools/run", &json!({})).await;
    assert_eq!(method.json()["error"]["code"], -32601);
    assert_eq!(behind.called(), before, "something of it was sent");
    world.stop(Duration::from_secs(2)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn no_tool_is_served_whose_definition_should_be_compared_with_what_was_approved() {
    let (world, behind) = world().await;
    let ada = Client::greeted(&world.base, "ada", "pinned").await;
    assert_eq!(ada.tools().await, Vec::<String>::new());
    let answer = ada.call("get_item", &json!({})).await;
    assert_eq!(answer.json()["error"]["code"], -32602);
    assert_eq!(
        behind.called(),
        Vec::<String>::new(),
        "something of it was sent"
    );
    world.stop(Duration::from_secs(2)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_speak_there_is_told_no_more_than_of_what_there_is_not() {
    let (world, behind) = world().await;
    for (person, connector) in [("ada", "board"), ("ada", "nothing"), ("edsger", "tasks")] {
        let client = Client::of(&world.base, person, connector).await;
        let answer = client.ask("tools/list", &json!({})).await;
        assert_eq!(answer.status, 404, "{person} {connector}");
        assert_eq!(
            answer.header("x-doorward-reason"),
            Some("connector_not_available")
        );
    }
    let nobody = Http::new()
        .post(&format!("{}/mcp/tasks", world.base))
        .header("content-type", "application/json")
        .body("{}")
        .send()
        .await
        .unwrap();
    assert_eq!(nobody.status, 401);
    let challenge = nobody.header("www-authenticate").unwrap();
    let metadata = format!(
        "{}/.well-known/oauth-protected-resource/mcp/tasks",
        world.base
    );
    assert_eq!(
        challenge,
        format!("Bearer resource_metadata=\"{metadata}\", scope=\"mcp\"")
    );
    assert!(behind.seen().is_empty(), "something of it was sent");
    world.stop(Duration::from_secs(2)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_callers_credential_never_reaches_a_connector_and_the_upstreams_session_never_a_client()
{
    let (world, behind) = world().await;
    let ada = Client::greeted(&world.base, "ada", "tasks").await;
    let answer = ada
        .asking("tools/call", &json!({"name": "get_item"}))
        .header("x-api-key", &ada.token)
        .header("cookie", "a=b")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status, 200);
    assert!(!ada.session.as_deref().unwrap().contains("up-"));
    for seen in behind.seen() {
        for (name, value) in &seen.headers {
            let value = value.to_str().unwrap();
            assert!(!value.contains(&ada.token), "{name}");
            assert!(name != "cookie" && name != "x-api-key" && name != "authorization");
        }
    }
    let last = behind.seen().pop().unwrap();
    assert_eq!(last.header("mcp-session-id"), Some("up-1"));
    world.stop(Duration::from_secs(2)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_passes_event_by_event_and_somebody_elses_answer_does_not() {
    let (world, _behind) = world().await;
    let ada = Client::greeted(&world.base, "ada", "tasks").await;
    let open = ada
        .asking("tools/call", &json!({"name": "get_stream"}))
        .open()
        .await
        .unwrap();
    let events = open.events().rest().await.unwrap();
    let methods: Vec<&str> = events
        .iter()
        .map(|event| {
            if event.data.contains("progress") {
                "progress"
            } else {
                "answer"
            }
        })
        .collect();
    assert_eq!(methods, ["progress", "answer"]);
    assert_eq!(events[1].json()["id"], 7);
    let open = ada
        .asking("tools/call", &json!({"name": "get_asked"}))
        .open()
        .await
        .unwrap();
    let events = open.events().rest().await.unwrap();
    assert_eq!(events[0].json()["method"], "elicitation/create");
    let mine = json!({"jsonrpc": "2.0", "id": "ask-1", "result": {"action": "accept"}});
    let taken = ada.post(mine.to_string()).send().await.unwrap();
    assert_eq!((taken.status, taken.text().as_str()), (202, ""));
    world.stop(Duration::from_secs(2)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_connector_says_of_its_own_accord_is_heard_until_the_client_leaves() {
    let (world, behind) = world().await;
    let ada = Client::greeted(&world.base, "ada", "tasks").await;
    let open = ada.request(http::Method::GET).open().await.unwrap();
    assert_eq!(open.status, 200);
    let mut events = open.events();
    let first = events.next().await.unwrap().unwrap();
    assert_eq!(first.json()["method"], "notifications/tools/list_changed");
    let second = events.next().await.unwrap().unwrap().json();
    assert_eq!(
        second["method"], "notifications/tasks",
        "an answer comes where its call waits, and nowhere else"
    );
    let said = &second["params"]["result"]["content"];
    let mark = said[1]["text"].as_str().unwrap_or_default();
    assert!(mark.starts_with("Doorward: "), "{said}");
    assert_eq!(behind.open_streams(), 1);
    drop(events);
    until(async || behind.open_streams() == 0).await;
    let ended = ada.request(http::Method::DELETE).send().await.unwrap();
    assert_eq!(ended.status, 204);
    let modern = ada
        .request(http::Method::GET)
        .header("mcp-protocol-version", "2026-07-28");
    assert_eq!(modern.send().await.unwrap().status, 405);
    world.stop(Duration::from_secs(2)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_when_the_rules_move_its_connector_or_take_it_away_from_its_person() {
    let (world, behind) = world().await;
    let elsewhere = McpServer::start().unwrap();
    let ada = Client::greeted(&world.base, "ada", "tasks").await;
    let open = ada.request(http::Method::GET).open().await.unwrap();
    until(async || behind.open_streams() == 1).await;
    apply(&world.stage, &policy(&elsewhere.url())).await;
    let _heard = open.events().rest().await.unwrap();
    until(async || behind.open_streams() == 0).await;
    let before = (behind.seen().len(), elsewhere.seen().len());
    let moved = ada.call("get_item", &json!({})).await;
    assert_eq!(moved.status, 404, "{}", moved.text());
    let after = (behind.seen().len(), elsewhere.seen().len());
    assert_eq!(before, after, "no server hears of another one's session");

    let ada = Client::greeted(&world.base, "ada", "tasks").await;
    let open = ada.request(http::Method::GET).open().await.unwrap();
    until(async || elsewhere.open_streams() == 1).await;
    let others = policy(&elsewhere.url()).replace("\"engineering\"", "\"marketing\"");
    apply(&world.stage, &others).await;
    let _heard = open.events().rest().await.unwrap();
    until(async || elsewhere.open_streams() == 0).await;
    elsewhere.stop().await;
    world.stop(Duration::from_secs(2)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_who_is_shut_out_hears_no_more() {
    let (world, behind) = world().await;
    let ada = Client::greeted(&world.base, "ada", "tasks").await;
    let open = ada
        .asking("tools/call", &json!({"name": "get_silent"}))
        .open()
        .await
        .unwrap();
    until(async || behind.open_streams() == 1).await;
    let listening = ada.request(http::Method::GET).open().await.unwrap();
    super::records::shut_out(&world, "ada").await;
    let events = open.events().rest().await.unwrap();
    let last = events.last().unwrap();
    assert_eq!(
        last.json()["error"]["data"]["reason"],
        "person_revoked",
        "{}",
        last.data
    );
    let _heard = listening.events().rest().await.unwrap();
    until(async || behind.open_streams() == 0).await;
    let answer = ada.call("get_item", &json!({})).await;
    assert_eq!(answer.status, 401);
    world.stop(Duration::from_secs(2)).await.unwrap();
}
