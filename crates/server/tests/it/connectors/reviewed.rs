//! A connector that nobody has reviewed is there for nobody, whatever its entry in the policy says; and whoever reviews it and says no
//! takes it away again.

use std::time::Duration;

use control::Actor;
use http::Method;
use serde_json::json;
use server::demo::world::{Stage, World};
use server::policy_command::Here;
use testkit::McpServer;

use super::client::Client;
use super::{policy, review};
use crate::watch::until;

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_has_reviewed_is_there_for_nobody_and_so_is_what_may_not_be_used() {
    let behind = McpServer::start().unwrap();
    let world = World::on(Stage::set(0).await.unwrap()).await.unwrap();
    let control = world.running.wired.control();
    let actor = Actor::command_line("a test");
    let operation = control.operation(&actor);
    let (text, here) = (policy(&behind.url()), Here::of(&world.config));
    let applied = control::policies::apply(&operation, &text, "connectors", None, &here);
    applied.await.unwrap();
    let rules = &world.running.wired.pipeline.rules;
    let is_in_force = || !rules.current().document().connector.is_empty();
    until(async || is_in_force()).await;

    let ada = Client::of(&world.base, "ada", "tasks").await;
    let hello = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}});
    let first = ada.clone();
    let is_there = async || first.ask("initialize", &hello).await.status == 200;
    let nothing = ada.ask("initialize", &hello).await;
    assert_eq!(nothing.status, 404, "{}", nothing.text());
    let modern = Client::modern(&world.base, "ada", "tasks").await;
    for (method, params) in [
        ("tools/list", json!({})),
        ("tools/call", json!({"name": "get_item", "arguments": {}})),
        ("resources/list", json!({})),
        ("resources/read", json!({"uri": "file:///x"})),
        ("prompts/list", json!({})),
        ("server/discover", json!({})),
    ] {
        let answer = modern.ask(method, &params).await;
        assert_eq!(answer.status, 404, "{method}: {}", answer.text());
    }
    let heard = ada.request(Method::GET).send().await.unwrap();
    assert_eq!(heard.status, 404);
    assert_eq!(behind.seen().len(), 0, "not a word of anybody reached it");

    review(&operation, "tasks", true).await;
    until(is_there).await;
    assert_ne!(behind.seen().len(), 0);
    let ada = Client::greeted(&world.base, "ada", "tasks").await;
    let open = ada.request(Method::GET).open().await.unwrap();
    until(async || behind.open_streams() == 1).await;
    review(&operation, "tasks", false).await;
    until(async || !is_there().await).await;
    until(async || behind.open_streams() == 0).await;
    // A stream that stood open ends: this would wait for ever.
    let _heard = open.events().rest().await.unwrap();

    behind.stop().await;
    world.stop(Duration::from_secs(2)).await.unwrap();
}
