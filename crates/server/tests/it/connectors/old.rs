//! Connectors of the old transport: to a client they are connectors like others, and whatever they do with their stream, no call hangs.

use std::time::Duration;

use serde_json::json;
use server::demo::world::{Stage, World};
use testkit::mcp::{Endpoint, OldMcp};

use super::apply;
use super::client::Client;
use super::grants::browser_of;
use crate::watch::until;

async fn world(endpoint: Endpoint) -> (World, OldMcp) {
    world_with(endpoint, "").await
}

/// The same, and more said of the connector.
async fn world_with(endpoint: Endpoint, more: &str) -> (World, OldMcp) {
    let behind = OldMcp::start(endpoint).unwrap();
    let policy = format!(
        r#"{}
[[connector]]
name = "old"
url = "{}"
transport = "sse"
definitions = "warn"
{more}
[[action]]
name = "Everything"
who = {{ groups = ["engineering"] }}
connector = "*"
actions = ["*"]
state = "allow"
"#,
        include_str!("../../../src/demo/policy.toml"),
        behind.url(),
    );
    let stage = Stage::set(0).await.unwrap();
    apply(&stage, &policy).await;
    (World::on(stage).await.unwrap(), behind)
}

async fn end(world: World, behind: OldMcp) {
    behind.stop().await;
    world.stop(Duration::from_secs(2)).await.unwrap();
}

/// A client with a session at a connector, or at all of them.
async fn greeted(world: &World, person: &str, path: &str) -> Client {
    let mut client = Client::of(&world.base, person, "old").await;
    client.url = format!("{}{path}", world.base);
    let hello = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}});
    let answer = client.ask("initialize", &hello).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    client.session = answer.header("mcp-session-id").map(str::to_owned);
    assert!(client.session.is_some(), "{}", answer.text());
    client
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_lists_and_calls_as_at_any_connector_and_a_stream_is_its_own() {
    let (world, behind) = world(Endpoint::Own).await;
    let ada = greeted(&world, "ada", "/mcp/old").await;
    let listed = ada.ask("tools/list", &json!({})).await.text();
    assert!(listed.contains("\"get_item\""), "{listed}");
    let called = ada.call("get_item", &json!({"n": 1})).await.text();
    assert!(
        called.contains("\"id\":7") && called.contains("{\\\"n\\\":1}"),
        "{called}"
    );
    let told = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    assert_eq!(ada.post(told.to_string()).send().await.unwrap().status, 202);
    // What answers no call comes with one while nobody listens, and is answered like it.
    let asked = ada.call("get_asked", &json!({})).await.text();
    assert!(
        asked.contains("roots/list") && asked.contains("\"id\":7"),
        "{asked}"
    );
    assert_eq!(behind.open_streams(), 1);
    let second = greeted(&world, "ada", "/mcp/old").await;
    assert_eq!(behind.open_streams(), 2);
    for seen in behind.seen() {
        assert!(seen.header("authorization").is_none() && seen.header("mcp-session-id").is_none());
    }
    let ended = second.request(http::Method::DELETE).send().await.unwrap();
    assert!(ended.status < 300, "{}", ended.status);
    until(async || behind.open_streams() == 1).await;
    assert_eq!(second.call("get_item", &json!({})).await.status, 404);
    let modern = Client::modern(&world.base, "ada", "old").await;
    let other = modern.ask("server/discover", &json!({})).await;
    let error = &other.json()["error"];
    assert_eq!((other.status, &error["code"]), (400, &json!(-32022)));
    super::records::shut_out(&world, "ada").await;
    until(async || behind.open_streams() == 0).await;
    end(world, behind).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_of_the_key_that_it_was_begun_with() {
    let more = "credential = \"api-key\"\nheader = \"X-Key\"";
    let (world, behind) = world_with(Endpoint::Own, more).await;
    let mut browser = browser_of(&world.base, "ada").await;
    let mut brings = async |key: &str| {
        let address = format!("{}/connect/old", world.base);
        let form = browser.open(&address).await.unwrap();
        let again = form.button("Replace the key").map(|_| "Replace the key");
        let button = again.unwrap_or("Keep the key");
        let kept = browser.press(&form, button, &[("key", key)]).await.unwrap();
        assert!(kept.html.text.contains("Your key is kept."));
    };
    brings("ada-key-4711").await;
    let ada = greeted(&world, "ada", "/mcp/old").await;
    assert_eq!(ada.call("get_item", &json!({})).await.status, 200);
    brings("ada-key-4712").await;
    let other = ada.call("get_item", &json!({})).await;
    let reason = other.header("x-doorward-reason");
    assert_eq!((other.status, reason), (404, Some("mcp_session_unknown")));
    until(async || behind.open_streams() == 0).await;
    let anew = greeted(&world, "ada", "/mcp/old").await;
    assert_eq!(anew.call("get_item", &json!({})).await.status, 200);
    end(world, behind).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_ends_the_stream_ends_what_waits_for_it() {
    let (world, behind) = world(Endpoint::Own).await;
    for (tool, reason) in [
        ("get_cut", "upstream_unavailable"),
        ("get_endless", "upstream_unavailable"),
    ] {
        let ada = greeted(&world, "ada", "/mcp/old").await;
        let ended = ada.call(tool, &json!({})).await.text();
        assert!(
            ended.contains(reason) && ended.contains("\"id\":7"),
            "{tool} {ended}"
        );
        let after = ada.call("get_item", &json!({})).await;
        let reason = after.header("x-doorward-reason");
        assert_eq!(
            (after.status, reason),
            (404, Some("mcp_session_unknown")),
            "{tool}"
        );
    }
    let ada = greeted(&world, "ada", "/mcp/old").await;
    let refused = ada.call("get_refused", &json!({})).await;
    assert_eq!(
        refused.header("x-doorward-reason"),
        Some("upstream_unavailable")
    );
    let all = greeted(&world, "ada", "/mcp").await;
    let done = async |n: u8| all.call("old_get_item", &json!({"n": n})).await.text();
    assert!(done(1).await.contains("{\\\"n\\\":1}"));
    behind.cut();
    until(async || done(2).await.contains("{\\\"n\\\":2}")).await;
    assert!(all.tools().await.contains(&"old_get_item".to_owned()));
    end(world, behind).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_never_go_to_another_origin_and_no_redirect_is_followed() {
    for endpoint in [Endpoint::Elsewhere, Endpoint::Unsaid, Endpoint::Redirect] {
        let (world, behind) = world(endpoint).await;
        let ada = Client::of(&world.base, "ada", "old").await;
        let answer = ada.ask("initialize", &json!({})).await;
        let reason = answer.header("x-doorward-reason");
        assert_eq!(
            (answer.status, reason),
            (502, Some("upstream_garbled")),
            "{endpoint:?}"
        );
        assert!(behind.seen().is_empty(), "{endpoint:?}");
        until(async || behind.open_streams() == 0).await;
        end(world, behind).await;
    }
}
