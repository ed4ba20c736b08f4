//! A person's grant, and their own key, at two replicas: used at both, renewed by one of them, and gone at both.

use serde_json::{Value, json};
use testkit::mcp::Ways;
use testkit::{Answer, Browser, GuardedMcp, Http, McpServer, Session, device_sign_in};

use super::soon;
use super::world::Pair;
use crate::connectors::grants::{connect, policy};
use crate::connectors::keys;
use crate::console::walk::sign_in;
use crate::watch::until;

/// A call of a tool, of the newest version, at a replica.
async fn call(base: &str, session: &Session) -> Answer {
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {},
    });
    let params = json!({"name": "get_item", "arguments": {}, "_meta": meta});
    let message = json!({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params});
    let asking = Http::new()
        .request(http::Method::POST, &format!("{base}/mcp/vaulted"))
        .bearer(&session.access_token)
        .header("accept", "application/json")
        .header("content-type", "application/json")
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", "tools/call")
        .header("mcp-name", "get_item");
    let body = message.to_string().into_bytes();
    asking.body(body).send().await.unwrap()
}

async fn is_done(base: &str, session: &Session) -> bool {
    let answer = call(base, session).await.json();
    answer["result"]["content"][1]["type"] == "future_block"
}

async fn must_connect(base: &str, session: &Session) -> bool {
    let answer = call(base, session).await;
    let said: Value = serde_json::from_str(&answer.text()).unwrap_or_default();
    let text = said["result"]["content"][0]["text"].to_string();
    text.contains("grant_needed") && text.contains("/connect/vaulted")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_is_used_at_both_renewed_by_one_and_gone_at_both_within_a_second() {
    let behind = GuardedMcp::start(Ways::default()).unwrap();
    let url = behind.url();
    let pair = Pair::start_with(|_| policy(&url)).await;
    let ada = device_sign_in(&pair.stage.base, "ada").await.unwrap();
    let base = pair.stage.base.clone();
    let mut browser = Browser::new();
    // The pages, and what the browser brings back, come to both in turn.
    sign_in(&mut browser, &base, "/me", "ada").await;
    let page = connect(&mut browser, &base, "ada").await;
    assert!(
        page.html.text.contains("It is connected."),
        "{}",
        page.html.text
    );
    for replica in pair.both() {
        assert!(is_done(&replica.base, &ada).await);
    }
    behind.end_access();
    let [here, there] = pair.both().map(|replica| replica.base.clone());
    let calls = (0..8).map(|number| {
        let (base, ada) = (if number % 2 == 0 { &here } else { &there }, ada.clone());
        let base = base.clone();
        tokio::spawn(async move { is_done(&base, &ada).await })
    });
    let calls: Vec<_> = calls.collect();
    for done in calls {
        assert!(done.await.unwrap());
    }
    assert_eq!(behind.renewals(), 1, "one for all of both");
    assert_eq!(behind.refused(), [""; 0]);

    // Another key of the vault, while both run: what was sealed before opens.
    let rotate = ["keys", "rotate", "vault", "--reason", "a test"];
    pair.a.command(&rotate).await;
    assert!(is_done(&there, &ada).await);

    let page = browser
        .open(&format!("{base}/connect/vaulted"))
        .await
        .unwrap();
    browser.press(&page, "Disconnect", &[]).await.unwrap();
    for replica in [&here, &there] {
        soon("a disconnected grant", async || {
            must_connect(replica, &ada).await
        })
        .await;
    }
    until(async || behind.granted().is_empty()).await;

    is_ended_by_an_administrator(&pair, &behind, (&mut browser, &ada)).await;
    leaves_and_comes_back(&pair, &behind, (&mut browser, &ada)).await;
    behind.stop().await;
    pair.stop().await;
}

/// Connects again, and an administrator ends it at one replica.
async fn is_ended_by_an_administrator(
    pair: &Pair,
    behind: &GuardedMcp,
    (browser, ada): (&mut Browser, &Session),
) {
    let [here, there] = pair.both().map(|replica| replica.base.clone());
    connect(browser, &pair.stage.base, "once more").await;
    assert!(is_done(&here, ada).await && is_done(&there, ada).await);
    let owner = device_sign_in(&pair.stage.base, "grace").await.unwrap();
    let give = [
        "role",
        "grant",
        "owner",
        "--person",
        "grace@northwind.example",
        "--reason",
        "a test",
    ];
    pair.a.command(&give).await;
    let asked = async |method: http::Method, path: &str, body: Option<Value>| {
        let request = Http::new().request(method, &format!("{here}/api/v1{path}"));
        let request = request.bearer(&owner.access_token);
        let request = match body {
            Some(body) => request.json(&body),
            None => request,
        };
        request.send().await.unwrap()
    };
    let listed = asked(http::Method::GET, "/connectors/vaulted/grants", None).await;
    let whose = listed.json()["items"][0]["person"]
        .as_str()
        .unwrap()
        .to_owned();
    let body = json!({"connector": "vaulted", "reason": "lost"});
    let path = format!("/people/{whose}/grants/end");
    let ended = asked(http::Method::POST, &path, Some(body)).await;
    assert_eq!(ended.status, 204, "{}", ended.text());
    for replica in [&here, &there] {
        assert!(must_connect(replica, ada).await, "gone at both at once");
    }
    until(async || behind.granted().is_empty()).await;
}

/// Connects again, leaves, and comes back to nothing.
async fn leaves_and_comes_back(
    pair: &Pair,
    behind: &GuardedMcp,
    (browser, ada): (&mut Browser, &Session),
) {
    let base = &pair.stage.base;
    let [here, there] = pair.both().map(|replica| replica.base.clone());
    connect(browser, base, "again").await;
    assert!(is_done(&here, ada).await && is_done(&there, ada).await);
    let revoke = [
        "people",
        "revoke",
        "ada@northwind.example",
        "--reason",
        "left",
    ];
    pair.a.command(&revoke).await;
    for replica in [&here, &there] {
        soon("a leaver", async || call(replica, ada).await.status == 401).await;
    }
    until(async || behind.granted().is_empty()).await;
    let back = [
        "people",
        "restore",
        "ada@northwind.example",
        "--reason",
        "back",
    ];
    pair.a.command(&back).await;
    let ada = &device_sign_in(base, "ada").await.unwrap();
    for replica in [&here, &there] {
        assert!(
            must_connect(replica, ada).await,
            "whoever comes back connects anew"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_persons_own_key_goes_out_from_both_and_is_gone_at_both_when_they_leave() {
    let behind = McpServer::start().unwrap();
    let url = behind.url();
    let pair = Pair::start_with(|_| keys::policy(&url)).await;
    let base = pair.stage.base.clone();
    let ada = device_sign_in(&base, "ada").await.unwrap();
    let mut browser = Browser::new();
    sign_in(&mut browser, &base, "/me", "ada").await;
    let [here, there] = pair.both().map(|replica| replica.base.clone());
    keys::kept(&mut browser, &base, "ada-key-4711").await;
    assert!(is_done(&here, &ada).await && is_done(&there, &ada).await);
    keys::disconnects(&mut browser, &base).await;
    assert!(must_connect(&here, &ada).await && must_connect(&there, &ada).await);
    keys::kept(&mut browser, &base, "ada-key-4712").await;
    assert!(is_done(&here, &ada).await && is_done(&there, &ada).await);
    let revoke = [
        "people",
        "revoke",
        "ada@northwind.example",
        "--reason",
        "left",
    ];
    pair.a.command(&revoke).await;
    for replica in [&here, &there] {
        soon("a leaver", async || call(replica, &ada).await.status == 401).await;
    }
    let back = [
        "people",
        "restore",
        "ada@northwind.example",
        "--reason",
        "back",
    ];
    pair.a.command(&back).await;
    let ada = &device_sign_in(&base, "ada").await.unwrap();
    assert!(must_connect(&here, ada).await && must_connect(&there, ada).await);
    let seen = behind.seen();
    let keys = seen.iter().filter_map(|seen| seen.header("x-crm-key"));
    let (first, second) = ("Token ada-key-4711", "Token ada-key-4712");
    assert_eq!(keys.collect::<Vec<_>>(), [first, first, second, second]);
    behind.stop().await;
    pair.stop().await;
}
