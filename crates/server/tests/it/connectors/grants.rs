//! People's own authorisations at connectors, through the whole of Doorward: a browser that connects, an authorization server that checks
//! everything, and calls that go out as whose they are and never as anybody else's.

use std::collections::BTreeSet;
use std::time::Duration;

use connectors::oauth::ConnectorClient;
use control::{Actor, people};
use ledger::Record;
use ledger::read::Reader;
use ledger::record::ChangeKind;
use serde_json::{Value, json};
use server::demo::world::{Stage, World};
use testkit::client::Page;
use testkit::mcp::{HAND, MORE, Ways};
use testkit::{Answer, Browser, GuardedMcp};

use super::apply;
use super::client::Client;
use crate::console::walk::sign_in;
use crate::watch::until;

/// The demo's rules, and one connector that everybody connects for themselves.
pub(crate) fn policy(url: &str) -> String {
    format!(
        r#"{}
[[connector]]
name = "vaulted"
title = "The Vaulted One"
url = "{url}"
definitions = "warn"
credential = "grant"
[[action]]
name = "All of it"
who = {{ groups = ["engineering", "contractors"] }}
connector = "vaulted"
actions = ["get_item"]
state = "allow"
[[action]]
name = "Deleting"
who = {{ groups = ["engineering"] }}
connector = "vaulted"
actions = ["delete_item"]
state = "ask"
"#,
        include_str!("../../../src/demo/policy.toml")
    )
}

/// Doorward with a connector that is guarded in these ways.
pub(super) async fn world_of(ways: Ways, client: Option<ConnectorClient>) -> (World, GuardedMcp) {
    let behind = GuardedMcp::start(ways).unwrap();
    let mut stage = Stage::set(0).await.unwrap();
    stage.config.connector_clients.extend(client);
    apply(&stage, &policy(&behind.url())).await;
    (World::on(stage).await.unwrap(), behind)
}

pub(super) async fn world() -> (World, GuardedMcp) {
    world_of(Ways::default(), None).await
}

pub(super) async fn end(world: World, behind: GuardedMcp) {
    behind.stop().await;
    world.stop(Duration::from_secs(2)).await.unwrap();
}

/// Somebody's browser, signed in.
pub(super) async fn browser_of(base: &str, person: &str) -> Browser {
    let mut browser = Browser::new();
    let page = sign_in(&mut browser, base, "/me", person).await;
    assert_eq!(page.status, 200, "{}", page.html.text);
    browser
}

/// The address that a page leads on to, at the authorization server.
fn leads_to(page: &Page) -> String {
    let mut links = page.html.links.iter();
    let found = links.find(|(label, _)| label.contains("Go on at"));
    let (_, address) = found.unwrap_or_else(|| panic!("{}: {}", page.status, page.html.text));
    address.replace("&amp;", "&")
}

/// Goes to the authorization server and comes back as `account` there.
pub(crate) async fn connect(browser: &mut Browser, base: &str, account: &str) -> Page {
    let page = browser
        .open(&format!("{base}/connect/vaulted"))
        .await
        .unwrap();
    let again = page.button("Connect anew").is_some();
    let button = if again { "Connect anew" } else { "Connect" };
    let page = browser.press(&page, button, &[]).await.unwrap();
    let to = format!("{}&as={account}", leads_to(&page));
    browser.open(&to).await.unwrap()
}

pub(super) async fn connected(base: &str, person: &str, account: &str) -> Browser {
    let mut browser = browser_of(base, person).await;
    let page = connect(&mut browser, base, account).await;
    assert!(
        page.html.text.contains("It is connected."),
        "{}",
        page.html.text
    );
    browser
}

fn text_of(answer: &Answer) -> String {
    answer.json()["result"]["content"][0]["text"].to_string()
}

pub(super) fn is_done(answer: &Answer) -> bool {
    answer.json()["result"]["content"][1]["type"] == "future_block"
}

/// Whether a model reads these words.
pub(super) fn says(answer: &Answer, words: &str) -> bool {
    text_of(answer).contains(words)
}

/// What a model reads where its person has to connect.
pub(super) fn must_connect(answer: &Answer, word: &str) {
    let text = text_of(answer);
    assert_eq!(answer.json()["result"]["isError"], true, "{text}");
    for part in ["grant_needed", "/connect/vaulted", word] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_go_out_as_whose_they_are_and_never_as_anybody_elses() {
    let (world, behind) = world().await;
    let ada = Client::modern(&world.base, "ada", "vaulted").await;
    let alan = Client::modern(&world.base, "alan", "vaulted").await;
    must_connect(&ada.call("get_item", &json!({})).await, "Connect here");
    assert!(behind.called().is_empty() && behind.seen().is_empty());
    let mut browser = connected(&world.base, "ada", "ada-there").await;
    assert!(is_done(&ada.call("get_item", &json!({"n": 1})).await));
    must_connect(&alan.call("get_item", &json!({})).await, "Connect here");
    connected(&world.base, "alan", "alan-there").await;
    assert!(is_done(&alan.call("get_item", &json!({})).await));
    assert!(is_done(&ada.call("get_item", &json!({})).await));
    let item = |who: &str| (who.to_owned(), "get_item".to_owned());
    assert_eq!(
        behind.called(),
        [item("ada-there"), item("alan-there"), item("ada-there")]
    );
    for seen in behind.seen() {
        let sent = seen.header("authorization").unwrap();
        assert!(sent.starts_with("Bearer access-"), "{sent}");
    }
    let page = browser.open(&format!("{}/me", world.base)).await.unwrap();
    assert!(
        page.html.text.contains("The Vaulted One"),
        "{}",
        page.html.text
    );
    assert_eq!(behind.clients(), 2, "Doorward registers itself for each");
    end(world, behind).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_finds_the_connector_there_before_its_person_has_connected() {
    let (world, behind) = world().await;
    let mut ada = Client::of(&world.base, "ada", "vaulted").await;
    let hello = json!({"protocolVersion": "2025-06-18", "capabilities": {"elicitation": {"url": {}}}, "clientInfo": {"name": "t", "version": "1"}});
    let greeted = ada.ask("initialize", &hello).await;
    let result = &greeted.json()["result"];
    assert_eq!(result["protocolVersion"], "2025-06-18");
    assert!(
        result["instructions"]
            .to_string()
            .contains("/connect/vaulted"),
        "{result}"
    );
    ada.session = greeted.header("mcp-session-id").map(str::to_owned);
    assert!(ada.session.is_some());
    assert_eq!(ada.tools().await, [""; 0], "nobody has ever listed it");
    let opens = ada.call("get_item", &json!({})).await.json();
    assert_eq!(opens["error"]["code"], -32042, "{opens}");
    let url = &opens["error"]["data"]["elicitations"][0]["url"];
    assert_eq!(url, &json!(format!("{}/connect/vaulted", world.base)));
    connected(&world.base, "ada", "ada").await;
    let stale = ada.call("get_item", &json!({})).await;
    assert_eq!(
        stale.status, 404,
        "it begins a session of the connector's own"
    );
    let ada = ada.able(json!({})).await;
    assert!(!ada.tools().await.is_empty());
    assert!(is_done(&ada.call("get_item", &json!({})).await));

    let mut modern = Client::modern(&world.base, "alan", "vaulted").await;
    modern.capabilities = json!({"elicitation": {"url": {}}});
    let asked = modern.call("get_item", &json!({})).await.json();
    assert_eq!(asked["result"]["resultType"], "input_required", "{asked}");
    let said = json!({"doorward_approval": {"action": "accept"}});
    let again = json!({"name": "get_item", "arguments": {}, "inputResponses": said});
    must_connect(&modern.ask("tools/call", &again).await, "Connect here");
    // As ada was shown it.
    until(async || modern.tools().await.contains(&"get_item".to_owned())).await;
    connected(&world.base, "alan", "alan").await;
    assert!(is_done(&modern.ask("tools/call", &again).await));
    let last = behind.seen().pop().unwrap();
    assert!(
        last.message["params"]["inputResponses"].is_null(),
        "our question is not theirs"
    );
    end(world, behind).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_renewed_once_however_many_calls_want_it() {
    let (world, behind) = world().await;
    let ada = Client::modern(&world.base, "ada", "vaulted").await;
    connected(&world.base, "ada", "ada").await;
    for round in 1..=3 {
        behind.end_access();
        let call = || {
            let ada = ada.clone();
            tokio::spawn(async move { ada.call("get_item", &json!({})).await })
        };
        let calls: Vec<_> = (0..8).map(|_| call()).collect();
        for call in calls {
            let answer = call.await.unwrap();
            assert!(is_done(&answer), "{}", answer.text());
        }
        assert_eq!(behind.renewals(), round);
    }
    assert_eq!(behind.refused(), [""; 0]);
    end(world, behind).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_grant_keeps_its_actions_listed_and_says_where_to_reconnect() {
    let (world, behind) = world().await;
    let ada = Client::modern(&world.base, "ada", "vaulted").await;
    let mut browser = connected(&world.base, "ada", "ada").await;
    let mut listed = ada.tools().await;
    listed.sort();
    assert_eq!(listed, ["delete_item", "get_item"]);
    behind.forget("ada");
    must_connect(&ada.call("get_item", &json!({})).await, "Reconnect here");
    let asked = behind.renewals();
    must_connect(&ada.call("get_item", &json!({})).await, "Reconnect here");
    must_connect(&ada.call("delete_item", &json!({})).await, "Reconnect here");
    assert_eq!(
        behind.renewals(),
        asked,
        "what is dead is not asked about again"
    );
    until(async || ada.tools().await == listed).await;
    let page = browser
        .open(&format!("{}/connect/vaulted", world.base))
        .await
        .unwrap();
    assert!(
        page.html.text.contains("no longer accepted"),
        "{}",
        page.html.text
    );
    connect(&mut browser, &world.base, "ada").await;
    assert!(is_done(&ada.call("get_item", &json!({})).await));
    end(world, behind).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_gave_too_little_for_a_call_is_led_to_give_more_beside_what_they_gave() {
    let steps_up = Ways {
        steps_up: true,
        ..Ways::default()
    };
    let (world, behind) = world_of(steps_up, None).await;
    let mut browser = connected(&world.base, "ada", "ada").await;
    let mut ada = Client::modern(&world.base, "ada", "vaulted").await;
    must_connect(&ada.call("get_item", &json!({})).await, "Allow it here");
    ada.capabilities = json!({"elicitation": {"url": {}}});
    let asked = ada.call("get_item", &json!({})).await.json();
    assert_eq!(asked["result"]["resultType"], "input_required", "{asked}");
    assert!(
        !ada.tools().await.is_empty(),
        "what they gave holds until then"
    );

    let address = format!("{}/connect/vaulted", world.base);
    let page = browser.open(&address).await.unwrap();
    for part in ["wants more", MORE] {
        assert!(page.html.text.contains(part), "{}", page.html.text);
    }
    let page = browser.press(&page, "Connect anew", &[]).await.unwrap();
    let to = leads_to(&page);
    assert!(
        to.contains(&format!("scope=items+offline_access+{MORE}")),
        "{to}"
    );
    let page = browser.open(&format!("{to}&as=ada")).await.unwrap();
    assert!(
        page.html.text.contains("It is connected."),
        "{}",
        page.html.text
    );
    assert!(!page.html.text.contains("wants more"));
    assert!(is_done(&ada.call("get_item", &json!({})).await));

    behind.forget("ada");
    ada.capabilities = json!({});
    must_connect(&ada.call("get_item", &json!({})).await, "Reconnect here");
    connect(&mut browser, &world.base, "ada").await;
    assert!(
        is_done(&ada.call("get_item", &json!({})).await),
        "who gave it once is asked for it again"
    );
    end(world, behind).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_led_to_give_more_where_they_gave_it_already() {
    let never_enough = Ways {
        steps_up: true,
        gives_little: true,
        ..Ways::default()
    };
    let (world, behind) = world_of(never_enough, None).await;
    connected(&world.base, "ada", "ada").await;
    let ada = Client::modern(&world.base, "ada", "vaulted").await;
    must_connect(&ada.call("get_item", &json!({})).await, "Allow it here");
    connected(&world.base, "ada", "ada").await;
    let told = ada.call("get_item", &json!({})).await.json();
    let text = told["error"]["message"].to_string();
    assert!(text.contains("would change nothing"), "{told}");
    assert!(!text.contains("/connect/"), "{told}");
    assert!(behind.called().is_empty());
    end(world, behind).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_the_authorization_server_is_no_word_about_the_grant() {
    let (world, behind) = world().await;
    let ada = Client::modern(&world.base, "ada", "vaulted").await;
    connected(&world.base, "ada", "ada").await;
    behind.end_access();
    behind.set_out(true);
    let out = ada.call("get_item", &json!({})).await;
    assert_eq!(out.status, 502, "{}", out.text());
    assert_eq!(
        out.header("x-doorward-reason"),
        Some("upstream_unavailable")
    );
    behind.set_out(false);
    assert!(is_done(&ada.call("get_item", &json!({})).await));
    end(world, behind).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_ends_a_grant_wipes_it_and_ends_it_where_it_was_given() {
    let (world, behind) = world().await;
    let ada = Client::modern(&world.base, "ada", "vaulted").await;
    let mut browser = connected(&world.base, "ada", "one").await;
    let page = browser
        .open(&format!("{}/connect/vaulted", world.base))
        .await
        .unwrap();
    let page = browser.press(&page, "Disconnect", &[]).await.unwrap();
    assert!(
        page.html.text.contains("It is disconnected"),
        "{}",
        page.html.text
    );
    must_connect(&ada.call("get_item", &json!({})).await, "Connect here");
    until(async || behind.granted().is_empty()).await;

    connect(&mut browser, &world.base, "two").await;
    assert!(is_done(&ada.call("get_item", &json!({})).await));
    connect(&mut browser, &world.base, "three").await;
    until(async || behind.granted() == ["three"]).await;
    assert!(is_done(&ada.call("get_item", &json!({})).await));
    let without = policy(&behind.url()).replace("name = \"vaulted\"", "name = \"renamed\"");
    let without = without.replace("connector = \"vaulted\"", "connector = \"renamed\"");
    apply(&world.stage, &without).await;
    until(async || behind.granted().is_empty()).await;
    apply(&world.stage, &policy(&behind.url())).await;
    until(async || ada.call("get_item", &json!({})).await.status == 200).await;
    must_connect(&ada.call("get_item", &json!({})).await, "Connect here");

    connect(&mut browser, &world.base, "four").await;
    let control = world.running.wired.control();
    let actor = Actor::command_line("a test");
    let operation = control.operation(&actor);
    let who = people::find(&operation, "ada@northwind.example")
        .await
        .unwrap()
        .id;
    people::revoke(&operation, who, "left").await.unwrap();
    until(async || behind.granted().is_empty()).await;
    people::restore(&operation, who, "back").await.unwrap();
    let back = Client::modern(&world.base, "ada", "vaulted").await;
    must_connect(&back.call("get_item", &json!({})).await, "Connect here");
    let done = changes(&world.stage.config.ledger.dir);
    let words: Vec<String> = done.iter().map(|done| format!("{done:?}")).collect();
    let expected = "Created Deleted Created Updated Deleted Created Deleted";
    assert_eq!(words.join(" "), expected);
    end(world, behind).await;
}

/// What the ledger says of grants, in order.
pub(super) fn changes(folder: &std::path::Path) -> Vec<ChangeKind> {
    let mut reader = Reader::from(folder, ledger::Position::default());
    let mut found = Vec::new();
    while let Some(entry) = reader.read().unwrap() {
        if let Ok(Record::Change(change)) = entry.decode().unwrap().record()
            && change.noun.as_str() == "grant"
        {
            assert!(change.name.as_str().starts_with("vaulted for per_"));
            found.push(change.done);
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_browser_brings_back_counts_in_its_own_session_and_once() {
    let (world, behind) = world().await;
    let mut ada = browser_of(&world.base, "ada").await;
    let mut alan = browser_of(&world.base, "alan").await;
    let mut other = browser_of(&world.base, "ada").await;
    let begin = async |browser: &mut Browser| {
        let page = browser
            .open(&format!("{}/connect/vaulted", world.base))
            .await
            .unwrap();
        let page = browser.press(&page, "Connect", &[]).await.unwrap();
        format!("{}&as=ada", leads_to(&page))
    };
    for stranger in [&mut alan, &mut other] {
        let to = begin(&mut ada).await;
        let page = stranger.open(&to).await.unwrap();
        assert_eq!(page.status, 400, "{}", page.html.text);
        assert!(
            page.html.text.contains("Nothing was begun in this browser"),
            "{}",
            page.html.text
        );
    }
    assert_eq!(behind.granted(), [""; 0], "the code was not even redeemed");
    let to = begin(&mut ada).await;
    let page = ada.open(&to).await.unwrap();
    assert!(
        page.html.text.contains("It is connected."),
        "{}",
        page.html.text
    );
    let page = ada.open(&to).await.unwrap();
    assert!(
        page.html.text.contains("Nothing was begun in this browser"),
        "{}",
        page.html.text
    );
    for secret in ["code=", "state="] {
        let shows = page.html.text.contains(secret);
        assert!(!shows, "{secret}: {}", page.html.text);
    }
    let denied = format!("{}/connect/callback?error=access_denied", world.base);
    let page = ada.open(&denied).await.unwrap();
    assert_eq!(page.status, 400);
    end(world, behind).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authorization_server_that_cannot_be_trusted_is_asked_for_nothing() {
    let usual = Ways::default();
    for (ways, said) in [
        (
            Ways {
                other_resource: true,
                ..usual
            },
            "another resource",
        ),
        (
            Ways {
                other_issuer: true,
                ..usual
            },
            "another one",
        ),
        (
            Ways {
                no_pkce: true,
                ..usual
            },
            "without PKCE",
        ),
        (
            Ways {
                redirects: true,
                ..usual
            },
            "a redirect",
        ),
        (
            Ways {
                metadata_token: true,
                ..usual
            },
            "addresses may not be used",
        ),
        (
            Ways {
                by_hand: true,
                ..usual
            },
            "[[connector_client]]",
        ),
    ] {
        let (world, behind) = world_of(ways, None).await;
        let mut ada = browser_of(&world.base, "ada").await;
        let page = ada
            .open(&format!("{}/connect/vaulted", world.base))
            .await
            .unwrap();
        let page = ada.press(&page, "Connect", &[]).await.unwrap();
        assert!(page.html.text.contains(said), "{said}: {}", page.html.text);
        assert_eq!(page.status, 502);
        assert!(behind.granted().is_empty());
        end(world, behind).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_of_one_authorization_server_is_not_taken_to_another() {
    let mixed_up = Ways {
        mixed_up: true,
        ..Ways::default()
    };
    let (world, behind) = world_of(mixed_up, None).await;
    let mut ada = browser_of(&world.base, "ada").await;
    let page = connect(&mut ada, &world.base, "ada").await;
    assert!(
        page.html.text.contains("another authorization server"),
        "{}",
        page.html.text
    );
    assert!(behind.granted().is_empty());
    end(world, behind).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_was_registered_by_hand_proves_itself_by_its_secret() {
    let by_hand = Ways {
        by_hand: true,
        ..Ways::default()
    };
    let client = |secret: &str| ConnectorClient {
        connector: "vaulted".to_owned(),
        client_id: HAND.0.to_owned(),
        client_secret: Some(secret.to_owned().into()),
        issuer: None,
        origin: None,
        scopes: vec!["items".to_owned()],
    };
    let (world, behind) = world_of(by_hand, Some(client(HAND.1))).await;
    let ada = Client::modern(&world.base, "ada", "vaulted").await;
    connected(&world.base, "ada", "ada").await;
    behind.end_access();
    assert!(
        is_done(&ada.call("get_item", &json!({})).await),
        "and renews with it"
    );
    end(world, behind).await;

    let (world, behind) = world_of(by_hand, Some(client("wrong"))).await;
    let mut ada = browser_of(&world.base, "ada").await;
    let page = connect(&mut ada, &world.base, "ada").await;
    assert!(
        page.html.text.contains("refused the client that is set up"),
        "{}",
        page.html.text
    );
    assert_eq!(behind.refused(), ["invalid_client"]);
    end(world, behind).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_is_secret_of_a_grant_is_written_down_anywhere() {
    let (world, behind) = world().await;
    let ada = Client::modern(&world.base, "ada", "vaulted").await;
    let mut browser = connected(&world.base, "ada", "ada").await;
    let page = browser
        .open(&format!("{}/connect/vaulted", world.base))
        .await
        .unwrap();
    browser.press(&page, "Connect anew", &[]).await.unwrap();
    behind.end_access();
    assert!(is_done(&ada.call("get_item", &json!({})).await));
    for secret in ["access-", "refresh-", "secret-2", "code-"] {
        assert_eq!(written_anywhere(world.stage.dir.path(), secret), None);
    }
    end(world, behind).await;
}

/// A file of the store or the ledger that has this text.
pub(super) fn written_anywhere(
    folder: &std::path::Path,
    secret: &str,
) -> Option<std::path::PathBuf> {
    let (mut read, mut found) = (0, None);
    for file in files(folder) {
        let bytes = std::fs::read(&file).unwrap_or_default();
        read += bytes.len();
        let mut parts = bytes.windows(secret.len());
        if parts.any(|part| part == secret.as_bytes()) {
            found = Some(file);
        }
    }
    assert!(read > 100_000, "the store and the ledger were read: {read}");
    found
}

fn files(folder: &std::path::Path) -> BTreeSet<std::path::PathBuf> {
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.insert(path);
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn doorward_says_of_itself_who_it_is_as_a_client() {
    let (world, behind) = world().await;
    let url = format!("{}/connect/client.json", world.base);
    let answer = testkit::Http::new().get(&url).send().await.unwrap();
    assert_eq!(answer.status, 200);
    let document: Value = answer.json();
    assert_eq!(document["client_id"], url);
    assert_eq!(
        document["redirect_uris"],
        json!([format!("{}/connect/callback", world.base)])
    );
    end(world, behind).await;
}
