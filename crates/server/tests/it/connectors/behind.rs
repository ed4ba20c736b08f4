//! Connectors that lie, flood, redirect and never end: the client hears a clear error, at once, and nothing else of it.

use std::time::Duration;

use serde_json::json;
use server::config::ConnectorSecretConfig;
use server::demo::world::{Stage, World};
use testkit::McpServer;

use super::client::Client;
use super::{apply, policy, world};
use crate::watch::until;

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_cannot_be_one_is_a_clear_error() {
    let (world, behind) = world().await;
    let ada = Client::greeted(&world.base, "ada", "tasks").await;
    for (tool, reason) in [
        ("get_wrong_type", "upstream_garbled"),
        ("get_page", "upstream_garbled"),
        ("get_other_id", "upstream_garbled"),
        ("get_several", "upstream_garbled"),
        ("get_redirect", "upstream_garbled"),
        ("get_huge", "upstream_garbled"),
        ("get_unauthorized", "upstream_credential"),
    ] {
        let answer = ada.call(tool, &json!({})).await;
        assert_eq!(answer.header("x-doorward-reason"), Some(reason), "{tool}");
        assert_eq!(answer.status, 502, "{tool}");
        let json = answer.json();
        assert_eq!(
            (&json["id"], &json["error"]["code"]),
            (&json!(7), &json!(-32603))
        );
    }
    assert_eq!(behind.called().len(), 7, "nothing is asked twice");
    world.stop(Duration::from_secs(2)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_cannot_be_one_ends_with_a_clear_error() {
    let (world, behind) = world().await;
    let ada = Client::greeted(&world.base, "ada", "tasks").await;
    for (tool, reason) in [
        ("get_cut", "upstream_unavailable"),
        ("get_endless_event", "upstream_garbled"),
        ("get_flood", "upstream_garbled"),
    ] {
        let open = ada
            .asking("tools/call", &json!({"name": tool}))
            .open()
            .await
            .unwrap();
        let mut events = open.events();
        let mut last = None;
        while let Some(event) = events.next().await.unwrap() {
            last = Some(event);
        }
        let last = last.unwrap().json();
        assert_eq!(last["error"]["data"]["reason"], reason, "{tool} {last}");
        assert_eq!(last["id"], 7);
    }
    until(async || behind.open_streams() == 0).await;
    world.stop(Duration::from_secs(2)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connector_that_is_away_or_has_no_credential_of_ours_is_no_bad_login() {
    let (world, behind) = world().await;
    let keyed = Client::of(&world.base, "ada", "keyed").await;
    let answer = keyed.ask("tools/list", &json!({})).await;
    assert_eq!(
        (answer.status, answer.header("x-doorward-reason")),
        (502, Some("upstream_credential"))
    );
    assert!(behind.seen().is_empty());
    let ada = Client::greeted(&world.base, "ada", "tasks").await;
    behind.stop().await;
    let answer = ada.call("get_item", &json!({})).await;
    assert_eq!(
        (answer.status, answer.header("x-doorward-reason")),
        (502, Some("upstream_unavailable"))
    );
    world.stop(Duration::from_secs(2)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shared_credential_goes_to_its_own_origin_whatever_the_policy_says() {
    let behind = McpServer::start().unwrap();
    let text = policy(&behind.url()).replace("secret = \"nowhere\"", "secret = \"shared\"");
    for (origin, arrives) in [
        ("https://mcp.example", false),
        (&*behind.url().replace("/mcp", "/"), true),
    ] {
        let mut stage = Stage::set(0).await.unwrap();
        apply(&stage, &text).await;
        stage.config.connector_secrets = vec![ConnectorSecretConfig {
            name: "shared".to_owned(),
            origin: origin.parse().unwrap(),
            header: "x-api-key".to_owned(),
            value: "walrus-key".into(),
        }];
        let world = World::on(stage).await.unwrap();
        let ada = Client::of(&world.base, "ada", "keyed").await;
        let answer = ada.ask("tools/list", &json!({})).await;
        let reason = answer.header("x-doorward-reason");
        assert_eq!(reason == Some("upstream_credential"), !arrives, "{origin}");
        let seen = behind.seen();
        assert_eq!(!seen.is_empty(), arrives, "nor is it asked without");
        let keys = seen.iter().map(|one| one.header("x-api-key"));
        assert!(keys.into_iter().all(|key| key == Some("walrus-key")));
        world.stop(Duration::from_secs(2)).await.unwrap();
    }
}
