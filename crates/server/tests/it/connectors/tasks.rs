//! Tasks: work that goes on once its call is answered. Their ids are names that go on to the connector, and whoever may not ask for one does
//! not hear of it either.

use std::time::Duration;

use serde_json::{Value, json};
use server::demo::world::{Stage, World};
use testkit::McpServer;

use super::client::Client;
use super::{apply, policy};

/// Engineers may do everything with tasks; contractors may do what they may do without.
const TASKS: &str = r#"
[[action]]
name = "Tasks"
who = { groups = ["engineering"] }
connector = "tasks"
actions = ["tasks/*"]
state = "allow"
"#;

async fn world() -> (World, McpServer) {
    let behind = McpServer::start().unwrap();
    let stage = Stage::set(0).await.unwrap();
    apply(&stage, &format!("{}{TASKS}", policy(&behind.url()))).await;
    (World::on(stage).await.unwrap(), behind)
}

/// What somebody can want of a task, each way.
fn ways() -> Vec<(&'static str, Value)> {
    let task = json!({"taskId": "of-ada"});
    vec![
        ("tasks/get", task.clone()),
        (
            "tasks/update",
            json!({"taskId": "of-ada", "inputResponses": {"sure": {"action": "accept"}}}),
        ),
        ("tasks/cancel", task),
    ]
}

/// Somebody who wants to hear of it.
fn heard() -> Value {
    json!({"notifications": {"toolsListChanged": true, "taskIds": ["of-ada"]}})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_is_asked_for_by_its_name_and_by_no_other() {
    let (world, behind) = world().await;
    let ada = Client::modern(&world.base, "ada", "tasks").await;
    for (method, params) in ways() {
        let answer = ada.ask(method, &params).await;
        assert_eq!(answer.status, 200, "{method} {}", answer.text());
        let seen = behind.seen().pop().unwrap();
        assert_eq!(seen.method(), method);
        assert_eq!(seen.header("mcp-name"), Some("of-ada"), "{method}");
        let before = behind.seen().len();
        let other = json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params});
        let other = ada.post(other.to_string()).headers([
            ("mcp-protocol-version", "2026-07-28"),
            ("mcp-method", method),
            ("mcp-name", "another"),
        ]);
        let refused = other.send().await.unwrap();
        assert_eq!(refused.json()["error"]["code"], -32020, "{method}");
        assert_eq!(behind.seen().len(), before, "what disagrees is not sent");
    }
    ada.ask("subscriptions/listen", &heard()).await;
    let seen = behind.seen().pop().unwrap();
    assert_eq!(
        seen.method(),
        "subscriptions/listen",
        "it is theirs to hear"
    );
    world.stop(Duration::from_secs(2)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_of_somebody_else_is_out_of_reach_where_tasks_are_blocked() {
    let (world, behind) = world().await;
    let alan = Client::modern(&world.base, "alan", "tasks").await;
    assert_eq!(alan.call("get_item", &json!({})).await.status, 200);
    let before = behind.seen().len();
    let to_hear = ("subscriptions/listen", heard());
    for (method, params) in ways().into_iter().chain([to_hear]) {
        let answer = alan.ask(method, &params).await;
        let json = answer.json();
        assert_eq!(json["error"]["code"], -32601, "{method} {json}");
    }
    assert_eq!(behind.seen().len(), before, "something of it was sent");
    let lists = json!({"notifications": {"toolsListChanged": true}});
    alan.ask("subscriptions/listen", &lists).await;
    assert_eq!(behind.seen().len(), before + 1, "lists are for everybody");
    world.stop(Duration::from_secs(2)).await.unwrap();
}
