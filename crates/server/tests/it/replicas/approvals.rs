//! Calls that somebody has to approve, at two replicas: asked for at one, approved at the other, made once at either, also when one of
//! them was killed in between; and at neither with anything else than what was read, or by anybody else.

use serde_json::{Value, json};
use testkit::client::Page;
use testkit::{Answer, Browser, McpServer};

use super::world::{Pair, Replica};
use crate::connectors::approvals::{is_done, waits};
use crate::connectors::client::Client;
use crate::console::walk::sign_in;

const DELETE: &str = "delete_item";

/// Both replicas with a connector whose deletions somebody approves, and the server behind it.
async fn pair() -> (Pair, McpServer) {
    let behind = McpServer::start().unwrap();
    let rules = format!(
        r#"
[[connector]]
name = "tasks"
url = "{}"
definitions = "warn"

[[action]]
name = "Deleting"
who = {{ groups = ["engineering"] }}
connector = "tasks"
actions = ["{DELETE}"]
state = "ask"
"#,
        behind.url()
    );
    let pair = Pair::start_with(|policy| format!("{policy}{rules}")).await;
    (pair, behind)
}

async fn end(pair: Pair, behind: McpServer) {
    behind.stop().await;
    pair.stop().await;
}

/// Somebody's client, at each replica, with one sign-in.
async fn client(pair: &Pair, login: &str) -> [Client; 2] {
    let one = Client::modern(&pair.stage.base, login, "tasks").await;
    pair.both().map(|replica| at(replica, &one))
}

/// The same client at a replica.
fn at(replica: &Replica, client: &Client) -> Client {
    Client {
        url: format!("{}/mcp/tasks", replica.base),
        ..client.clone()
    }
}

/// Somebody opens a call's page at a replica.
async fn opens(pair: &Pair, replica: usize, page: &str, login: &str) -> (Browser, Page) {
    pair.balancer.only(replica);
    let mut browser = Browser::new();
    let shown = sign_in(&mut browser, &pair.stage.base, page, login).await;
    (browser, shown)
}

/// Whoever asked says yes on the page of a replica.
async fn approve(pair: &Pair, replica: usize, id: domain::ApprovalId) {
    let page = format!("/approvals/{id}");
    let (mut browser, shown) = opens(pair, replica, &page, "ada").await;
    let done = browser.press(&shown, "Approve this call", &[]).await;
    let said = done.unwrap().html.text;
    // a call that waits may have been made before the page is shown
    assert!(said.contains("A call was approved"), "{said}");
}

async fn calls(client: &Client, arguments: Value) -> Answer {
    client.call(DELETE, &arguments).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_yes_of_one_replica_lets_a_call_through_once_at_either_and_nobody_elses() {
    let (pair, behind) = pair().await;
    let [here, there] = client(&pair, "ada").await;
    let [_, grace] = client(&pair, "grace").await;
    let id = waits(&calls(&here, json!({"path": "/a", "n": 1})).await);
    let same = waits(&calls(&there, json!({"n": 1.0, "path": "/a"})).await);
    assert_eq!(same, id, "one call, one approval");
    let page = format!("/approvals/{id}");
    let (_, stolen) = opens(&pair, 1, &page, "alan").await;
    assert_eq!(stolen.status, 404, "its id opens nothing");
    approve(&pair, 1, id).await;
    let others = [
        calls(&here, json!({"path": "/a", "n": 2})).await,
        calls(&there, json!({"path": "/A", "n": 1})).await,
        calls(&grace, json!({"path": "/a", "n": 1})).await,
    ];
    for other in &others {
        assert_ne!(waits(other), id);
    }
    assert_eq!(behind.called(), Vec::<String>::new(), "nothing was sent");
    let arguments = json!({"path": "/a", "n": 1});
    let both = tokio::join!(
        calls(&here, arguments.clone()),
        calls(&there, arguments.clone())
    );
    let both = [both.0, both.1];
    let done = both.iter().filter(|answer| is_done(answer));
    assert_eq!(done.count(), 1, "{} {}", both[0].text(), both[1].text());
    assert_eq!(behind.called(), [DELETE], "made once");
    let again = both.iter().find(|answer| !is_done(answer)).unwrap();
    assert_ne!(waits(again), id, "the other asks anew");
    end(pair, behind).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_yes_outlives_the_replica_that_took_it_and_a_restart_brings_no_used_one_back() {
    let (mut pair, behind) = pair().await;
    let [here, there] = client(&pair, "ada").await;
    let first = waits(&calls(&here, json!({"n": 1})).await);
    approve(&pair, 0, first).await;
    pair.a.kill();
    let done = calls(&there, json!({"n": 1})).await;
    assert!(is_done(&done), "{}", done.text());
    pair.a.spawn();
    pair.a.is_ready().await;
    let second = waits(&calls(&here, json!({"n": 1})).await);
    assert_ne!(second, first, "it was used");
    approve(&pair, 1, second).await;
    pair.b.terminate().await;
    pair.b.spawn();
    pair.b.is_ready().await;
    let changed = waits(&calls(&there, json!({"n": 2})).await);
    assert_ne!(changed, second, "a restart forgets no argument");
    let done = calls(&there, json!({"n": 1})).await;
    assert!(is_done(&done), "{}", done.text());
    assert_eq!(behind.called(), [DELETE, DELETE]);
    assert_ne!(waits(&calls(&here, json!({"n": 1})).await), second);
    end(pair, behind).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_waits_at_one_replica_goes_on_with_the_yes_of_the_other() {
    let (pair, behind) = pair().await;
    let [here, there] = client(&pair, "ada").await;
    let params = json!({"name": DELETE, "arguments": {"n": 1}, "_meta": {"progressToken": 1}});
    let open = here.asking("tools/call", &params).open().await.unwrap();
    let mut events = open.events();
    let told = events.next().await.unwrap().unwrap();
    let id = waits(&calls(&there, json!({"n": 1})).await);
    assert!(told.data.contains(&id.to_string()), "{}", told.data);
    approve(&pair, 1, id).await;
    let rest = events.rest().await.unwrap();
    let last = rest.last().unwrap().json();
    assert_eq!(
        last["result"]["content"][1]["type"], "future_block",
        "{last}"
    );
    assert_eq!(behind.called(), [DELETE]);
    end(pair, behind).await;
}
