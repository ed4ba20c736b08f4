//! A connection that somebody else ends: who may sees who is connected and takes one away, by page and by the API, and the next call is told
//! to connect anew, as if its person had ended it.

use control::roles::{self, Holder};
use control::{Actor, Role, people};
use ledger::Record;
use ledger::read::Reader;
use ledger::record::ChangeKind;
use serde_json::{Value, json};
use server::demo::world::World;
use testkit::client::Page;
use testkit::mcp::{MORE, Ways};
use testkit::{Answer, Browser, device_sign_in};

use super::client::Client;
use super::grants::{connect, connected, end, is_done, must_connect, world, world_of};
use crate::console::walk::sign_in;
use crate::watch::until;

/// The id of somebody who has signed in, with a role.
async fn given(world: &World, name: &str, role: Option<Role>) -> String {
    let control = world.running.wired.control();
    let machine = Actor::command_line("a test");
    let operation = control.operation(&machine);
    let email = format!("{name}@northwind.example");
    let person = people::find(&operation, &email).await.unwrap().id;
    if let Some(role) = role {
        let given = roles::grant(&operation, role, Holder::Person(person), "a test").await;
        given.unwrap();
    }
    person.to_string()
}

/// The browser of somebody with a role.
async fn browser_of(world: &World, name: &str, role: Role) -> Browser {
    let mut browser = Browser::new();
    sign_in(&mut browser, &world.base, "/me", name).await;
    given(world, name, Some(role)).await;
    browser
}

async fn open(browser: &mut Browser, world: &World, path: &str) -> Page {
    browser
        .open(&format!("{}{path}", world.base))
        .await
        .unwrap()
}

/// The addresses of a page that end a connection.
fn ends(page: &Page) -> Vec<String> {
    let links = page
        .html
        .links
        .iter()
        .map(|(_, to)| to.replace("&amp;", "&"));
    let links = links.map(|to| to.replace("&#38;", "&"));
    links.filter(|to| to.contains("/end-connection")).collect()
}

fn shows(page: &Page, parts: &[&str]) {
    assert_eq!(page.status, 200, "{}", page.html.text);
    for part in parts {
        assert!(page.html.text.contains(part), "{part}: {}", page.html.text);
    }
    for secret in ["access-", "refresh-", "code-"] {
        assert!(
            !page.html.text.contains(secret),
            "{secret}: {}",
            page.html.text
        );
    }
}

const CONNECTOR: &str = "/console/connectors/vaulted";

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_ends_a_connection_and_the_next_call_asks_to_connect_anew() {
    let (world, behind) = world().await;
    let ada = Client::modern(&world.base, "ada", "vaulted").await;
    let alan = Client::modern(&world.base, "alan", "vaulted").await;
    connected(&world.base, "ada", "ada-there").await;
    connected(&world.base, "alan", "alan-there").await;
    let person = format!("/console/people/{}", given(&world, "ada", None).await);
    let mut admin = browser_of(&world, "edsger", Role::Admin).await;
    let page = open(&mut admin, &world, CONNECTOR).await;
    shows(
        &page,
        &[
            "Who is connected",
            "Ada Lovelace",
            "Alan Turing",
            "works",
            "items",
        ],
    );
    assert_eq!(ends(&page).len(), 2);
    let page = open(&mut admin, &world, &person).await;
    shows(&page, &["The Vaulted One", "works"]);
    let end_it = ends(&page).pop().unwrap();

    // Who may see it and not end it.
    let mut auditor = browser_of(&world, "frida", Role::Auditor).await;
    for path in [CONNECTOR, &person] {
        let page = open(&mut auditor, &world, path).await;
        shows(&page, &["grants.write"]);
        assert_eq!(ends(&page), [""; 0]);
    }
    assert_eq!(open(&mut auditor, &world, &end_it).await.status, 403);
    assert!(is_done(&ada.call("get_item", &json!({})).await));

    let sure = open(&mut admin, &world, &end_it).await;
    shows(&sure, &["The Vaulted One", "Ada Lovelace"]);
    let unsaid = admin.press(&sure, "End the connection", &[]).await.unwrap();
    assert_eq!(unsaid.status, 422, "not without a reason");
    assert!(is_done(&ada.call("get_item", &json!({})).await));
    let reason = [("reason", "the laptop was lost")];
    let done = admin
        .press(&sure, "End the connection", &reason)
        .await
        .unwrap();
    shows(&done, &["A connection that is ended opens nothing"]);
    assert_eq!(ends(&done), [""; 0], "{}", done.html.text);
    must_connect(&ada.call("get_item", &json!({})).await, "Connect here");
    assert!(
        is_done(&alan.call("get_item", &json!({})).await),
        "alan's stays"
    );
    until(async || behind.granted() == ["alan-there"]).await;
    let again = admin
        .press(&sure, "End the connection", &reason)
        .await
        .unwrap();
    assert_eq!(again.status, 404, "{}", again.html.text);
    assert_eq!(open(&mut admin, &world, &end_it).await.status, 404);

    comes_back(&world, &mut admin, &ada).await;
    until(async || behind.granted().is_empty()).await;
    let page = open(&mut admin, &world, CONNECTOR).await;
    shows(&page, &["Nobody from here on."]);
    end(world, behind).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_says_who_has_to_connect_anew_and_of_whom_more_was_wanted() {
    let steps_up = Ways {
        steps_up: true,
        ..Ways::default()
    };
    let (world, behind) = world_of(steps_up, None).await;
    let ada = Client::modern(&world.base, "ada", "vaulted").await;
    connected(&world.base, "ada", "ada").await;
    let mut auditor = browser_of(&world, "frida", Role::Auditor).await;
    let page = open(&mut auditor, &world, CONNECTOR).await;
    shows(&page, &["works"]);
    must_connect(&ada.call("get_item", &json!({})).await, "Allow it here");
    let page = open(&mut auditor, &world, CONNECTOR).await;
    shows(&page, &["asked for more", MORE]);
    behind.forget("ada");
    must_connect(&ada.call("get_item", &json!({})).await, "Reconnect here");
    let page = open(&mut auditor, &world, CONNECTOR).await;
    shows(&page, &["must be connected anew"]);
    let mut own = Browser::new();
    sign_in(&mut own, &world.base, "/me", "ada").await;
    connect(&mut own, &world.base, "ada").await;
    let page = open(&mut auditor, &world, CONNECTOR).await;
    shows(&page, &["works"]);
    end(world, behind).await;
}

/// Whose connection was ended connects anew, and both are ended from the connector's own page.
async fn comes_back(world: &World, admin: &mut Browser, ada: &Client) {
    connected(&world.base, "ada", "ada-again").await;
    assert!(
        is_done(&ada.call("get_item", &json!({})).await),
        "they may come back"
    );
    let page = open(admin, world, CONNECTOR).await;
    let all = ends(&page);
    assert_eq!(all.len(), 2);
    for end_it in all {
        let sure = open(admin, world, &end_it).await;
        let done = admin
            .press(&sure, "End the connection", &[("reason", "all of them")])
            .await
            .unwrap();
        assert_eq!(done.url.path(), CONNECTOR, "back to where it began");
    }
}

/// The records of connections that ended.
fn ends_of(world: &World) -> Vec<Value> {
    let mut reader = Reader::from(&world.stage.config.ledger.dir, ledger::Position::default());
    let mut found = Vec::new();
    while let Some(entry) = reader.read().unwrap() {
        if let Ok(Record::Change(change)) = entry.decode().unwrap().record()
            && change.noun.as_str() == "grant"
            && change.done == ChangeKind::Deleted
        {
            found.push(serde_json::to_value(change).unwrap());
        }
    }
    found
}

/// Both lists have one connection, and of each no more than everybody who looks after people may know.
async fn is_shown(world: &World, bearer: &str, id: &str) {
    for path in [
        "/connectors/vaulted/grants",
        &format!("/people/{id}/grants"),
    ] {
        let answer = asked(world, bearer, path, None).await;
        let one = &answer.json()["items"][0];
        assert_eq!(
            (&one["person"], &one["state"]),
            (&json!(id), &json!("works"))
        );
        let names = one.as_object().unwrap().keys().map(String::as_str);
        let mut names: Vec<&str> = names.collect();
        names.sort_unstable();
        let expected =
            "connected_at connector issuer person refused_at renewed_at scope state wants";
        assert_eq!(names.join(" "), expected);
        assert!(!answer.text().contains("access-"), "{}", answer.text());
    }
}

async fn asked(world: &World, bearer: &str, path: &str, body: Option<Value>) -> Answer {
    let client = testkit::Actor::with_bearer(&world.base, bearer);
    let path = format!("/api/v1{path}");
    let request = match body {
        Some(body) => client.request(http::Method::POST, &path).json(&body),
        None => client.request(http::Method::GET, &path),
    };
    request.send().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn by_the_api_it_is_seen_and_ended_in_the_same_way_and_the_ledger_says_by_whom() {
    let (world, behind) = world().await;
    let ada = Client::modern(&world.base, "ada", "vaulted").await;
    connected(&world.base, "ada", "ada").await;
    let id = given(&world, "ada", None).await;
    let admin = device_sign_in(&world.base, "edsger")
        .await
        .unwrap()
        .access_token;
    let admins = given(&world, "edsger", Some(Role::Admin)).await;
    let auditor = device_sign_in(&world.base, "frida")
        .await
        .unwrap()
        .access_token;
    given(&world, "frida", Some(Role::Auditor)).await;
    is_shown(&world, &auditor, &id).await;
    let path = format!("/people/{id}/grants/end");
    let body = |connector: &str| json!({"connector": connector, "reason": "lost"});
    let refused = asked(&world, &auditor, &path, Some(body("vaulted"))).await;
    assert_eq!(refused.status, 403);
    assert!(is_done(&ada.call("get_item", &json!({})).await));
    for (path, connector) in [
        (&*path, "nowhere"),
        (
            "/people/per_00000000000000000000000000/grants/end",
            "vaulted",
        ),
    ] {
        let unknown = asked(&world, &admin, path, Some(body(connector))).await;
        assert_eq!(
            (unknown.status, &unknown.json()["code"]),
            (404, &json!("thing_unknown"))
        );
    }
    assert_eq!(
        asked(&world, &admin, &path, Some(body("vaulted")))
            .await
            .status,
        204
    );
    assert_eq!(
        asked(&world, &admin, &path, Some(body("vaulted")))
            .await
            .status,
        404
    );
    must_connect(&ada.call("get_item", &json!({})).await, "Connect here");
    until(async || behind.granted().is_empty()).await;
    let answer = asked(&world, &auditor, "/connectors/vaulted/grants", None).await;
    assert_eq!(answer.json(), json!({"items": []}));

    let found = ends_of(&world);
    assert_eq!(found.len(), 1, "{found:?}");
    let text = found[0].to_string();
    for part in [&*format!("vaulted for {id}"), "\"lost\"", &admins] {
        assert!(text.contains(part), "{part}: {text}");
    }
    end(world, behind).await;
}
