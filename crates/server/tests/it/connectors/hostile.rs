//! Messages nobody should send to a connector, and sessions that are somebody else's.

use std::time::Duration;

use domain::limits;
use serde_json::json;

use super::client::Client;
use super::world;

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_none_gets_a_clear_error_and_is_not_sent() {
    let (world, behind) = world().await;
    let ada = Client::of(&world.base, "ada", "tasks").await;
    let deep = format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{}{}}}",
        "{\"a\":".repeat(500),
        "1".to_owned() + &"}".repeat(500)
    );
    let call = |params: &str| {
        format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{params}}}")
    };
    for (body, code) in [
        (String::new(), -32700),
        ("nonsense".to_owned(), -32700),
        (deep, -32700),
        ("[]".to_owned(), -32600),
        (format!("[{}]", call("{\"name\":\"get_item\"}")), -32600),
        (
            "{\"jsonrpc\":\"2.0\",\"id\":null,\"method\":\"tools/call\"}".to_owned(),
            -32600,
        ),
        (
            "{\"jsonrpc\":\"2.0\",\"method\":\"tools/call\",\"params\":{\"name\":\"get_item\"}}"
                .to_owned(),
            -32600,
        ),
        (
            "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"method\":\"tools/call\"}"
                .to_owned(),
            -32700,
        ),
        (
            call("{\"name\":\"get_item\",\"Name\":\"delete_item\"}"),
            -32602,
        ),
        (
            call("{\"name\":\"get_item\",\"name\":\"delete_item\"}"),
            -32602,
        ),
        (
            call("{\"name\":\"get_item\",\"arguments\":{\"path\":\"/me\",\"path\":\"/users/\"}}"),
            -32602,
        ),
        (call("{}"), -32602),
    ] {
        let answer = ada.post(body.clone()).send().await.unwrap();
        assert_eq!(answer.status, 400, "{body:.80}");
        assert_eq!(answer.json()["error"]["code"], code, "{body:.80}");
    }
    let large = vec![b' '; limits::MCP_BODY_BYTES_MAX + 1];
    let answer = ada.post(large).send().await.unwrap();
    assert_eq!(
        (answer.status, answer.header("x-doorward-reason")),
        (413, Some("body_too_large"))
    );
    let typed = ada
        .request(http::Method::POST)
        .header("content-type", "text/plain");
    let answer = typed
        .body(call("{\"name\":\"get_item\"}"))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.header("x-doorward-reason"), Some("body_malformed"));
    let put = ada.request(http::Method::PUT).send().await.unwrap();
    assert_eq!(put.status, 405);
    assert!(behind.seen().is_empty(), "something of it was sent");
    world.stop(Duration::from_secs(2)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_web_page_and_a_header_that_lies_are_refused() {
    let (world, behind) = world().await;
    let ada = Client::modern(&world.base, "ada", "tasks").await;
    let asking = || ada.asking("tools/call", &json!({"name": "get_item", "arguments": {}}));
    let page = asking()
        .header("origin", "http://evil.example")
        .send()
        .await
        .unwrap();
    assert_eq!(
        (page.status, page.header("x-doorward-reason")),
        (403, Some("origin_not_allowed"))
    );
    let call =
        json!({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": "get_item"}});
    for (name, value) in [("mcp-method", "tools/list"), ("mcp-name", "delete_item")] {
        let lied = ada
            .post(call.to_string())
            .header(name, value)
            .send()
            .await
            .unwrap();
        assert_eq!(
            (lied.status, &lied.json()["error"]["code"]),
            (400, &json!(-32020)),
            "{name}"
        );
    }
    assert!(behind.seen().is_empty(), "something of it was sent");
    world.stop(Duration::from_secs(2)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_nobody_elses_and_of_no_other_connector() {
    let (world, behind) = world().await;
    let ada = Client::greeted(&world.base, "ada", "tasks").await;
    let mut grace = Client::greeted(&world.base, "grace", "tasks").await;
    let mut elsewhere = Client::of(&world.base, "ada", "members").await;
    let before = behind.seen().len();
    grace.session.clone_from(&ada.session);
    elsewhere.session.clone_from(&ada.session);
    let mut raw = ada.clone();
    raw.session = Some("up-1".to_owned());
    let mut twice = ada.clone();
    twice.session = None;
    let session = ada.session.clone().unwrap();
    for asking in [
        grace.asking("tools/call", &json!({"name": "get_item"})),
        grace.request(http::Method::GET),
        grace.request(http::Method::DELETE),
        elsewhere.asking("tools/list", &json!({})),
        raw.asking("tools/list", &json!({})),
        twice
            .asking("tools/list", &json!({}))
            .header("mcp-session-id", &session)
            .header("mcp-session-id", &session),
    ] {
        let answer = asking.send().await.unwrap();
        assert_eq!(
            (answer.status, answer.header("x-doorward-reason")),
            (404, Some("mcp_session_unknown"))
        );
    }
    assert_eq!(behind.seen().len(), before, "something of it was sent");
    assert_eq!(ada.call("get_item", &json!({})).await.status, 200);
    world.stop(Duration::from_secs(2)).await.unwrap();
}
