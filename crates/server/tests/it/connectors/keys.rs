//! People's own API keys at connectors, through the whole of Doorward: brought on a page, sent with calls of whose they are and with nobody
//! else's, refused, replaced, and gone; and written down nowhere.

use std::time::Duration;

use control::{Actor, people};
use serde_json::json;
use server::demo::world::{Stage, World};
use testkit::client::Page;
use testkit::{Browser, McpServer};

use super::apply;
use super::client::Client;
use super::grants::{browser_of, changes, is_done, must_connect, says, written_anywhere};
use crate::watch::until;

/// The demo's rules, and one connector that everybody brings a key of their own for.
pub(crate) fn policy(url: &str) -> String {
    format!(
        r#"{}
[[connector]]
name = "vaulted"
title = "The Keyed One"
url = "{url}"
definitions = "warn"
credential = "api-key"
header = "X-CRM-Key"
scheme = "Token"
[[action]]
name = "All of it"
who = {{ groups = ["engineering", "contractors"] }}
connector = "vaulted"
classes = ["read"]
state = "allow"
"#,
        include_str!("../../../src/demo/policy.toml")
    )
}

async fn world() -> (World, McpServer) {
    let behind = McpServer::start().unwrap();
    let stage = Stage::set(0).await.unwrap();
    apply(&stage, &policy(&behind.url())).await;
    (World::on(stage).await.unwrap(), behind)
}

async fn end(world: World, behind: McpServer) {
    behind.stop().await;
    world.stop(Duration::from_secs(2)).await.unwrap();
}

async fn page(browser: &mut Browser, base: &str) -> Page {
    let address = format!("{base}/connect/vaulted");
    browser.open(&address).await.unwrap()
}

/// Brings a key, as the page asks for it.
async fn brings(browser: &mut Browser, base: &str, key: &str) -> Page {
    let form = page(browser, base).await;
    let again = form.button("Replace the key").is_some();
    let button = if again {
        "Replace the key"
    } else {
        "Keep the key"
    };
    let page = browser.press(&form, button, &[("key", key)]).await.unwrap();
    if !key.is_empty() {
        assert!(!page.source.contains(key), "{}", page.html.text);
    }
    page
}

pub(crate) async fn kept(browser: &mut Browser, base: &str, key: &str) {
    let page = brings(browser, base, key).await;
    assert!(
        page.html.text.contains("Your key is kept."),
        "{}",
        page.html.text
    );
}

pub(crate) async fn disconnects(browser: &mut Browser, base: &str) {
    let form = page(browser, base).await;
    let gone = browser.press(&form, "Disconnect", &[]).await.unwrap();
    assert!(
        gone.html.text.contains("It is disconnected"),
        "{}",
        gone.html.text
    );
}

/// The keys that calls of a tool came with, in order.
fn came_with(behind: &McpServer, tool: &str) -> Vec<String> {
    let seen = behind.seen().into_iter();
    let calls = seen.filter(|seen| seen.message["params"]["name"] == tool);
    let key = |seen: testkit::mcp::McpSeen| seen.header("x-crm-key").unwrap_or("none").to_owned();
    calls.map(key).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_go_out_with_each_persons_own_key_and_with_nobody_elses() {
    let (world, behind) = world().await;
    let ada = Client::modern(&world.base, "ada", "vaulted").await;
    let alan = Client::modern(&world.base, "alan", "vaulted").await;
    must_connect(&ada.call("get_item", &json!({})).await, "Bring one here");
    assert!(behind.seen().is_empty(), "nothing goes out without a key");
    let mut browser = browser_of(&world.base, "ada").await;
    kept(&mut browser, &world.base, "ada-key-4711").await;
    assert!(is_done(&ada.call("get_item", &json!({})).await));
    must_connect(&alan.call("get_item", &json!({})).await, "Bring one here");
    let mut alans = browser_of(&world.base, "alan").await;
    kept(&mut alans, &world.base, "alan-key-4712").await;
    assert!(is_done(&alan.call("get_item", &json!({})).await));
    assert!(is_done(&ada.call("get_item", &json!({})).await));
    kept(&mut browser, &world.base, "ada-key-4713").await;
    assert!(is_done(&ada.call("get_item", &json!({})).await));
    assert_eq!(
        came_with(&behind, "get_item"),
        [
            "Token ada-key-4711",
            "Token alan-key-4712",
            "Token ada-key-4711",
            "Token ada-key-4713"
        ]
    );
    let bearer = |seen: &testkit::mcp::McpSeen| seen.header("authorization").is_some();
    assert!(
        !behind.seen().iter().any(bearer),
        "the caller's own ends here"
    );
    let me = browser.open(&format!("{}/me", world.base)).await.unwrap();
    for part in ["The Keyed One", "Calls go out with your own key"] {
        assert!(me.html.text.contains(part), "{}", me.html.text);
    }
    let folder = world.stage.dir.path();
    for secret in ["ada-key-4711", "alan-key-4712", "ada-key-4713"] {
        assert_eq!(written_anywhere(folder, secret), None, "{secret}");
    }
    end(world, behind).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_refused_is_dead_and_its_actions_stay_listed() {
    let (world, behind) = world().await;
    let ada = Client::modern(&world.base, "ada", "vaulted").await;
    let mut browser = browser_of(&world.base, "ada").await;
    kept(&mut browser, &world.base, "ada-key-4711").await;
    let listed = ada.tools().await;
    assert!(listed.contains(&"get_item".to_owned()), "{listed:?}");
    let refused = ada.call("get_unauthorized", &json!({})).await;
    must_connect(&refused, "Bring another here");
    assert_eq!(
        came_with(&behind, "get_unauthorized").len(),
        1,
        "a refused key is not tried again"
    );
    must_connect(
        &ada.call("get_item", &json!({})).await,
        "Bring another here",
    );
    until(async || ada.tools().await.contains(&"get_item".to_owned())).await;
    let shown = page(&mut browser, &world.base).await;
    assert!(
        shown.html.text.contains("no longer accepted"),
        "{}",
        shown.html.text
    );
    kept(&mut browser, &world.base, "ada-key-4712").await;
    assert!(is_done(&ada.call("get_item", &json!({})).await));
    end(world, behind).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_ends_a_key_wipes_it() {
    let (world, behind) = world().await;
    let ada = Client::modern(&world.base, "ada", "vaulted").await;
    let mut browser = browser_of(&world.base, "ada").await;
    kept(&mut browser, &world.base, "ada-key-4711").await;
    disconnects(&mut browser, &world.base).await;
    must_connect(&ada.call("get_item", &json!({})).await, "Bring one here");

    // The same address, with grants: what was brought as a key is no token of one.
    kept(&mut browser, &world.base, "ada-key-4712").await;
    let grants = policy(&behind.url()).replace(
        "\"api-key\"\nheader = \"X-CRM-Key\"\nscheme = \"Token\"",
        "\"grant\"",
    );
    apply(&world.stage, &grants).await;
    let folder = world.stage.config.ledger.dir.clone();
    until(async || changes(&folder).len() == 4).await;
    apply(&world.stage, &policy(&behind.url())).await;
    // Until this Doorward has heard of the new rules, whoever has no grant is asked for one.
    until(async || says(&ada.call("get_item", &json!({})).await, "Bring one here")).await;

    kept(&mut browser, &world.base, "ada-key-4713").await;
    let control = world.running.wired.control();
    let actor = Actor::command_line("a test");
    let operation = control.operation(&actor);
    let found = people::find(&operation, "ada@northwind.example").await;
    let who = found.unwrap().id;
    people::revoke(&operation, who, "left").await.unwrap();
    until(async || changes(&folder).len() == 6).await;
    people::restore(&operation, who, "back").await.unwrap();
    let back = Client::modern(&world.base, "ada", "vaulted").await;
    must_connect(&back.call("get_item", &json!({})).await, "Bring one here");
    let words: Vec<String> = changes(&folder)
        .iter()
        .map(|it| format!("{it:?}"))
        .collect();
    assert_eq!(
        words.join(" "),
        "Created Deleted Created Deleted Created Deleted"
    );
    assert!(came_with(&behind, "get_item").is_empty());
    end(world, behind).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_goes_only_where_the_page_said_that_it_goes() {
    let (world, behind) = world().await;
    let mut browser = browser_of(&world.base, "ada").await;
    let read = page(&mut browser, &world.base).await;
    let elsewhere = policy(&behind.url()).replace("X-CRM-Key", "X-Other-Key");
    apply(&world.stage, &elsewhere).await;
    let key = [("key", "ada-key-4711")];
    let refused = browser.press(&read, "Keep the key", &key).await.unwrap();
    let says = &refused.html.text;
    assert!(says.contains("sends this key elsewhere by now"), "{says}");
    assert_eq!(refused.status, 412);
    assert!(changes(&world.stage.config.ledger.dir).is_empty());
    kept(&mut browser, &world.base, "ada-key-4711").await;
    end(world, behind).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_with_the_key_that_it_goes_on_with() {
    let (world, behind) = world().await;
    let mut browser = browser_of(&world.base, "ada").await;
    kept(&mut browser, &world.base, "ada-key-4711").await;
    let ada = Client::greeted(&world.base, "ada", "vaulted").await;
    let silent = json!({"name": "get_silent"});
    let call = ada.asking("tools/call", &silent).open().await.unwrap();
    let listening = ada.request(http::Method::GET).open().await.unwrap();
    until(async || behind.open_streams() == 2).await;
    kept(&mut browser, &world.base, "ada-key-4712").await;
    let events = call.events().rest().await.unwrap();
    let last = events.last().unwrap();
    assert_eq!(
        last.json()["error"]["data"]["reason"],
        "grant_needed",
        "{}",
        last.data
    );
    let _heard = listening.events().rest().await.unwrap();
    until(async || behind.open_streams() == 0).await;

    let listening = ada.request(http::Method::GET).open().await.unwrap();
    until(async || behind.open_streams() == 1).await;
    disconnects(&mut browser, &world.base).await;
    let _heard = listening.events().rest().await.unwrap();
    until(async || behind.open_streams() == 0).await;
    end(world, behind).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_could_be_more_than_a_key_is_not_taken_and_not_repeated() {
    let (world, behind) = world().await;
    let mut browser = browser_of(&world.base, "ada").await;
    let long = "x".repeat(domain::limits::API_KEY_BYTES_MAX + 1);
    let bad = [
        "a\r\nX-Admin: 1",
        "two words",
        "schlüssel",
        "a\0b",
        "",
        &long,
    ];
    for key in bad {
        let refused = brings(&mut browser, &world.base, key).await;
        assert_eq!(refused.status, 422, "{key:?}: {}", refused.html.text);
        assert!(
            refused.html.text.contains("no key"),
            "{}",
            refused.html.text
        );
    }
    let form = page(&mut browser, &world.base).await;
    let forged = [("key", "ada-key-4711"), ("csrf", "forged")];
    let page = browser.press(&form, "Keep the key", &forged).await.unwrap();
    assert_eq!(page.status, 400, "{}", page.html.text);
    assert!(!page.source.contains("ada-key-4711"));
    // What looks like a grant's tokens is a key all the same: nobody is asked to end it.
    let trap = format!(
        "{{\"access\":\"a\",\"revocation_endpoint\":\"{}\"}}",
        behind.url()
    );
    kept(&mut browser, &world.base, &trap).await;
    kept(&mut browser, &world.base, "ada-key-4711").await;
    assert!(changes(&world.stage.config.ledger.dir).len() == 2);
    assert!(behind.seen().is_empty());
    end(world, behind).await;
}
