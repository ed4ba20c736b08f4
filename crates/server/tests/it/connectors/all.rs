//! All connectors as one server, at `/mcp`: whose names lead where, what is one answer with what there is not, and what a connector that
//! is away, of another age or full of questions does to the others: nothing.

use std::collections::BTreeSet;
use std::time::Duration;

use domain::limits;
use serde_json::{Value, json};
use server::demo::world::{Stage, World};
use testkit::mcp::Age;
use testkit::net::free_port;
use testkit::{Answer, Http, McpServer};

use super::apply;
use super::approvals::{decide, waits};
use super::client::Client;
use super::records;
use crate::watch::until;

/// A name that no client takes whole.
const LONG: &str = "get_everything_that_was_ever_said_of_a_member_and_by_whom";

struct Behind {
    /// Of the old age, as the connector `a`.
    old: McpServer,
    /// Of the new age, as the connector `a-b`, and once more behind a grant.
    new: McpServer,
    /// Of both, as `tasks`.
    both: McpServer,
}

fn policy(behind: &Behind, away: u16) -> String {
    let connectors = [
        ("a", behind.old.url(), ""),
        ("a-b", behind.new.url(), ""),
        ("away", format!("http://127.0.0.1:{away}/mcp"), ""),
        ("vaulted", behind.new.url(), "credential = \"grant\"\n"),
        (
            "tasks-of-all-the-others",
            behind.both.url(),
            "prefix = \"tasks\"\n",
        ),
        (
            "board",
            behind.both.url(),
            "who = { groups = [\"board\"] }\n",
        ),
    ];
    let connectors = connectors.map(|(name, url, more)| {
        format!("[[connector]]\nname = \"{name}\"\nurl = \"{url}\"\ndefinitions = \"warn\"\n{more}")
    });
    let action = |name: &str, actions: &str, state: &str| {
        format!(
            "[[action]]\nname = \"{name}\"\nwho = {{ groups = [\"engineering\"] }}\nconnector = \"*\"\nactions = [{actions}]\nstate = \"{state}\"\n"
        )
    };
    [
        include_str!("../../../src/demo/policy.toml").to_owned(),
        connectors.concat(),
        action("All", "\"*\"", "allow"),
        action("Hidden", "\"get_hidden\", \"deleteItem\"", "blocked"),
        action("Deleting", "\"delete_contact\"", "ask"),
    ]
    .join("\n")
}

fn tools(names: &[&str]) -> Vec<Value> {
    let tool = |name: &&str| json!({"name": name, "description": "of a CRM", "inputSchema": {"type": "object"}});
    names.iter().map(tool).collect()
}

async fn world() -> (World, Behind) {
    let old = [
        "get_member",
        "b_x",
        "get_hidden",
        "delete_contact",
        LONG,
        "get.dotted",
    ];
    let behind = Behind {
        old: McpServer::crm_of(Age::Legacy, tools(&old)).unwrap(),
        new: McpServer::crm_of(Age::Modern, tools(&["get_member", "x"])).unwrap(),
        both: McpServer::start().unwrap(),
    };
    let stage = Stage::set(0).await.unwrap();
    apply(&stage, &policy(&behind, free_port().unwrap())).await;
    (World::on(stage).await.unwrap(), behind)
}

async fn end(world: World, behind: Behind) {
    for one in [behind.old, behind.new, behind.both] {
        one.stop().await;
    }
    world.stop(Duration::from_secs(2)).await.unwrap();
}

/// Somebody's client at all connectors, with a session.
async fn legacy(world: &World, person: &str) -> Client {
    let mut client = Client::modern(&world.base, person, "").await;
    client.url = format!("{}/mcp", world.base);
    client.modern = false;
    let hello = json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}});
    let greeted = client.ask("initialize", &hello).await;
    assert_eq!(greeted.status, 200, "{}", greeted.text());
    assert_eq!(greeted.json()["result"]["protocolVersion"], "2025-06-18");
    client.session = greeted.header("mcp-session-id").map(str::to_owned);
    assert!(client.session.is_some());
    client
}

/// And one without.
async fn modern(world: &World, person: &str) -> Client {
    let client = Client::modern(&world.base, person, "").await;
    Client {
        url: format!("{}/mcp", world.base),
        ..client
    }
}

fn text_of(answer: &Answer) -> String {
    let json = answer.json();
    let text = json["result"]["content"][0]["text"].as_str();
    text.unwrap_or_else(|| panic!("{json}")).to_owned()
}

/// What is the same of two refusals of the same thing.
fn without_ids(answer: &Answer) -> (u16, Value) {
    let mut json = answer.json();
    json["error"]["data"] = json!({});
    (answer.status, json)
}

/// The first five calls are records of their own connectors and actions.
fn check_records(world: &World) {
    let (decisions, _, _) = records::all(world);
    let named = |decision: &ledger::record::Decision| {
        let connector = decision
            .connector
            .as_deref()
            .unwrap()
            .connector
            .as_str()
            .to_owned();
        (decision.action.as_str().to_owned(), connector)
    };
    let named: Vec<(String, String)> = decisions.iter().take(5).map(named).collect();
    let expected = [
        ("a.get_member", "a"),
        ("a-b.get_member", "a-b"),
        ("a.b_x", "a"),
        ("a-b.x", "a-b"),
        (
            "tasks-of-all-the-others.get_item",
            "tasks-of-all-the-others",
        ),
    ];
    let expected = expected.map(|(action, connector)| (action.to_owned(), connector.to_owned()));
    assert_eq!(named, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_name_of_the_list_leads_to_its_own_connector_and_no_other() {
    let (world, behind) = world().await;
    for (ada, times) in [
        (legacy(&world, "ada").await, 1),
        (modern(&world, "ada").await, 2),
    ] {
        let listed = ada.tools().await;
        let known: BTreeSet<&String> = listed.iter().collect();
        assert_eq!(known.len(), listed.len(), "{listed:?}");
        assert!(
            listed
                .iter()
                .all(|name| name.len() <= 64 - "mcp____".len() - 17)
        );
        for expected in [
            "a_get_member",
            "a-b_get_member",
            "a_b_x",
            "a-b_x",
            "tasks_get_item",
        ] {
            assert!(
                known.contains(&expected.to_owned()),
                "{expected}: {listed:?}"
            );
        }
        let is_there = |part: &str| listed.iter().any(|name| name.contains(part));
        assert!(!is_there("hidden") && !is_there("board") && !is_there("away"));
        let whole = ada.ask("tools/list", &json!({})).await.text();
        assert!(
            whole.contains(r#""vendorField":{"b":1,"a":[1.0]}"#),
            "{whole}"
        );
        assert!(!whole.contains("public"), "{whole}");

        let member = json!({"member": 4_411});
        let said = text_of(&ada.call("a_get_member", &member).await);
        assert!(said.contains("12 Canal Street"), "{said}");
        let calls = |behind: &McpServer, name: &str| {
            behind
                .called()
                .iter()
                .filter(|called| *called == name)
                .count()
        };
        assert_eq!(calls(&behind.new, "get_member"), times - 1);
        text_of(&ada.call("a-b_get_member", &member).await);
        text_of(&ada.call("a_b_x", &member).await);
        text_of(&ada.call("a-b_x", &member).await);
        assert_eq!(
            text_of(&ada.call("tasks_get_item", &json!({"n": 1})).await),
            "{\"n\":1}"
        );
        assert_eq!(calls(&behind.old, "get_member"), times);
        assert_eq!(calls(&behind.new, "get_member"), times);
        assert_eq!(
            (calls(&behind.old, "b_x"), calls(&behind.new, "b_x")),
            (times, 0)
        );
        assert_eq!(
            (calls(&behind.old, "x"), calls(&behind.new, "x")),
            (0, times)
        );
    }
    check_records(&world);
    end(world, behind).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_blocked_and_what_there_is_not_are_one_answer_in_the_list_of_all() {
    let (world, behind) = world().await;
    for ada in [legacy(&world, "ada").await, modern(&world, "ada").await] {
        until(async || {
            ada.tools().await;
            let answer = ada.call("a_get_nothing", &json!({})).await;
            answer.json()["error"]["message"] == "This tool is not available."
        })
        .await;
        let before = behind.old.called().len() + behind.new.called().len();
        let unknown = without_ids(&ada.call("nothing_like_it", &json!({})).await);
        for name in [
            "a_get_hidden",
            "a_get_nothing",
            "A_get_member",
            "a_Get_member",
            "get_member",
            "a",
            "a_",
            "_get_member",
            "board_get_item",
            "tasks_deleteItem",
            "tasks-of-all-the-others_get_item",
            "a_get.dotted",
            &format!("a_{LONG}"),
            "a_get_everything_00000000beef",
            "a_tools/list",
        ] {
            let answer = without_ids(&ada.call(name, &json!({})).await);
            assert_eq!(answer, unknown, "{name}");
        }
        let after = behind.old.called().len() + behind.new.called().len();
        assert_eq!(before, after, "something of it was sent");
    }
    assert_eq!(records::refused(&world, "a.get_hidden"), 2);
    let stranger = legacy(&world, "edsger").await;
    assert_eq!(stranger.tools().await, [""; 0]);
    end(world, behind).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_too_long_has_an_alias_that_leads_back() {
    let (world, behind) = world().await;
    let ada = legacy(&world, "ada").await;
    let listed = ada.tools().await;
    let alias = |begins: &str| {
        let found = listed.iter().find(|name| name.starts_with(begins));
        found.unwrap_or_else(|| panic!("{listed:?}")).clone()
    };
    let (long, dotted) = (alias("a_get_everything"), alias("a_get_dotted_"));
    assert_eq!(long.len(), limits::LISTED_NAME_BYTES_MAX);
    for (alias, own) in [(&long, LONG), (&dotted, "get.dotted")] {
        let done = async || {
            let answer = ada.call(alias, &json!({"member": 4_412})).await;
            answer.text().contains("5 Orchard Lane")
        };
        // As soon as what was listed is noted.
        until(done).await;
        assert!(behind.old.called().contains(&own.to_owned()));
    }
    let new = modern(&world, "ada").await;
    assert_eq!(
        new.tools().await,
        listed,
        "the same for everybody and for good"
    );
    end(world, behind).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn prompts_and_resources_are_told_apart_and_lead_back_too() {
    let (world, behind) = world().await;
    for ada in [legacy(&world, "ada").await, modern(&world, "ada").await] {
        let listed = |answer: &Answer, member: &str, name: &str| {
            let json = answer.json();
            let all = json["result"][member]
                .as_array()
                .unwrap_or_else(|| panic!("{json}"));
            let all = all.iter().map(|one| one[name].as_str().unwrap().to_owned());
            all.collect::<Vec<_>>()
        };
        let prompts = ada.ask("prompts/list", &json!({})).await;
        let prompts = listed(&prompts, "prompts", "name");
        let [crm, newer, greet, long] = &prompts[..] else {
            panic!("{prompts:?}");
        };
        assert_eq!(newer, "a-b_write_to_a_member");
        for (name, prefix, own) in [
            (crm, "a_", "write_to_a_member"),
            (greet, "tasks_", "greet"),
            (long, "tasks_", "greet_somebody_whom"),
        ] {
            assert!(name.starts_with(&format!("{prefix}{own}")), "{name}");
            // What a shortened name is short for is known once the list is noted.
            let leads_there = async || {
                let got = ada.ask("prompts/get", &json!({"name": name})).await.json();
                let text = got["result"]["messages"][0]["content"]["text"].as_str();
                text.is_some_and(|text| text.starts_with(own))
            };
            until(leads_there).await;
        }
        let gone = ada.ask("prompts/get", &json!({"name": "a-b_gone"})).await;
        assert_eq!(gone.status, if ada.modern { 400 } else { 200 });
        assert_eq!(
            (&gone.json()["error"]["code"], &gone.json()["id"]),
            (&json!(-32602), &json!(7))
        );
        let resources = ada.ask("resources/list", &json!({})).await;
        let expected = ["a+file:///x", "a-b+file:///x", "tasks+file:///x"];
        assert_eq!(listed(&resources, "resources", "uri"), expected);
        let templates = ada.ask("resources/templates/list", &json!({})).await;
        let templates = listed(&templates, "resourceTemplates", "uriTemplate");
        assert_eq!(templates[0], "a+file:///{y}");
        let params = json!({"uri": "a-b+file:///x"});
        let read = ada
            .asking("resources/read", &params)
            .header("mcp-name", "a-b+file:///x");
        let read = read.send().await.unwrap().json();
        assert_eq!(read["result"]["contents"][0]["uri"], "file:///x", "{read}");
        for uri in ["file:///x", "board+file:///x"] {
            let read = ada.asking("resources/read", &json!({"uri": uri}));
            let read = read.header("mcp-name", uri).send().await.unwrap();
            assert_eq!(read.json()["error"]["code"], -32601, "{uri}");
        }
    }
    end(world, behind).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_asks_is_made_once_after_a_yes() {
    let (world, behind) = world().await;
    for (ada, member) in [
        (legacy(&world, "ada").await, 4_411),
        (modern(&world, "ada").await, 4_412),
    ] {
        let (one, other) = (json!({"member": member}), json!({"member": 4_413}));
        let id = waits(&ada.call("a_delete_contact", &one).await);
        assert_eq!(waits(&ada.call("a_delete_contact", &one).await), id);
        decide(&world, id, true).await;
        assert_ne!(waits(&ada.call("a_delete_contact", &other).await), id);
        assert!(behind.old.member(member).is_some(), "nothing was sent yet");
        let done = text_of(&ada.call("a_delete_contact", &one).await);
        assert_eq!(done, format!("Member {member} is deleted."));
        assert_ne!(waits(&ada.call("a_delete_contact", &one).await), id, "once");
    }
    let mut able = modern(&world, "ada").await;
    able.capabilities = json!({"elicitation": {"url": {}}});
    let asked = able
        .call("a_delete_contact", &json!({"member": 1_020}))
        .await
        .json();
    assert_eq!(asked["result"]["resultType"], "input_required", "{asked}");
    assert!(behind.old.member(1_020).is_some() && behind.old.member(4_413).is_some());
    end(world, behind).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_of_all_is_none_of_one_and_nobody_elses() {
    let (world, behind) = world().await;
    let ada = legacy(&world, "ada").await;
    let one = Client::greeted(&world.base, "ada", "tasks-of-all-the-others").await;
    let mut grace = legacy(&world, "grace").await;
    let (mut at_one, mut at_all) = (one.clone(), ada.clone());
    at_one.session.clone_from(&ada.session);
    at_all.session.clone_from(&one.session);
    grace.session.clone_from(&ada.session);
    let mut raw = ada.clone();
    raw.session = Some("doorward-all".to_owned());
    let before = behind.both.called().len();
    for (client, tool) in [
        (&at_one, "get_item"),
        (&at_all, "tasks_get_item"),
        (&grace, "tasks_get_item"),
        (&raw, "tasks_get_item"),
    ] {
        for answer in [
            client.call(tool, &json!({})).await,
            client.ask("tools/list", &json!({})).await,
        ] {
            let reason = answer.header("x-doorward-reason");
            assert_eq!((answer.status, reason), (404, Some("mcp_session_unknown")));
        }
    }
    assert_eq!(behind.both.called().len(), before);
    assert_eq!(text_of(&ada.call("tasks_get_item", &json!({})).await), "{}");
    end(world, behind).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connector_that_is_away_wants_a_grant_or_forgets_takes_nothing_along() {
    let (world, behind) = world().await;
    let ada = legacy(&world, "ada").await;
    let away = ada.call("away_get_item", &json!({})).await;
    let reason = away.header("x-doorward-reason");
    assert_eq!((away.status, reason), (502, Some("upstream_unavailable")));
    let told = text_of(&ada.call("vaulted_get_member", &json!({})).await);
    assert!(
        told.contains("grant_needed") && told.contains("/connect/vaulted"),
        "{told}"
    );
    let before = ada.tools().await;
    let member = json!({"member": 4_413});
    behind.old.forget_sessions();
    assert!(text_of(&ada.call("a_get_member", &member).await).contains("88 Hill"));
    behind.old.forget_sessions();
    assert_eq!(ada.tools().await, before, "it is greeted anew");
    let sent = behind.old.called();
    assert_eq!(
        sent,
        ["get_member", "get_member"],
        "the first was refused for its session"
    );
    let Behind { old, new, both } = behind;
    old.stop().await;
    let left = ada.tools().await;
    assert!(left.iter().all(|name| !name.starts_with("a_")), "{left:?}");
    assert!(left.contains(&"a-b_get_member".to_owned()), "{left:?}");
    let gone = ada.call("a_get_member", &member).await;
    assert_eq!(
        gone.header("x-doorward-reason"),
        Some("upstream_unavailable")
    );
    new.stop().await;
    both.stop().await;
    world.stop(Duration::from_secs(2)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_connector_asks_is_answered_here_and_other_answers_reach_nobody() {
    let (world, behind) = world().await;
    for ada in [legacy(&world, "ada").await, modern(&world, "ada").await] {
        let streamed = ada.call("tasks_get_asked", &json!({"n": 1})).await.text();
        assert!(!streamed.contains("elicitation/create"), "{streamed}");
        assert!(
            streamed.contains("\"id\":7") && streamed.contains("future_block"),
            "{streamed}"
        );
        let streamed = ada.call("tasks_get_stream", &json!({"n": 1})).await.text();
        assert!(streamed.contains("notifications/progress"), "{streamed}");
        assert!(!streamed.contains("somebody-elses"), "{streamed}");
        let other = ada.call("tasks_get_other_id", &json!({})).await;
        assert_eq!(other.header("x-doorward-reason"), Some("upstream_garbled"));
    }
    until(async || {
        let seen = behind.both.seen();
        let answers = seen.iter().filter(|seen| seen.message["id"] == "ask-1");
        let told = answers.map(|seen| seen.message["error"]["code"].clone());
        told.collect::<Vec<_>>() == [json!(-32601), json!(-32601)]
    })
    .await;
    let seen = behind.both.seen();
    let asked = seen.iter().filter(|seen| seen.method() != "");
    let ids: Vec<&Value> = asked.map(|seen| &seen.message["id"]).collect();
    let each: BTreeSet<String> = ids.iter().map(ToString::to_string).collect();
    assert_eq!(each.len(), ids.len(), "ids of clients meet in no session");
    end(world, behind).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_all_together_cannot_do_is_not_declared_and_refused() {
    let (world, behind) = world().await;
    let (old, new) = (legacy(&world, "ada").await, modern(&world, "ada").await);
    let found = new.ask("server/discover", &json!({})).await.json();
    let capabilities = json!({"tools": {}, "prompts": {}, "resources": {}});
    assert_eq!(found["result"]["capabilities"], capabilities, "{found}");
    assert_eq!(found["result"]["supportedVersions"], json!(["2026-07-28"]));
    assert_eq!(found["result"]["cacheScope"], "private");
    for method in [
        "completion/complete",
        "resources/subscribe",
        "subscriptions/listen",
        "logging/setLevel",
        "tasks/get",
        "server/other",
    ] {
        let (old, new) = (
            old.ask(method, &json!({})).await,
            new.ask(method, &json!({})).await,
        );
        assert_eq!((old.status, new.status), (200, 404), "{method}");
        for answer in [old, new] {
            assert_eq!(answer.json()["error"]["code"], -32601, "{method}");
        }
    }
    for method in [http::Method::GET, http::Method::DELETE, http::Method::PUT] {
        let answer = old.request(method).send().await.unwrap();
        assert_eq!((answer.status, answer.header("allow")), (405, Some("POST")));
    }
    let page = old.ask("tools/list", &json!({"cursor": "x"})).await;
    assert_eq!(page.json()["error"]["code"], -32602);
    let told = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    assert_eq!(old.post(told.to_string()).send().await.unwrap().status, 202);
    end(world, behind).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_versions_and_credentials_are_looked_at_as_everywhere() {
    let (world, behind) = world().await;
    let new = modern(&world, "ada").await;
    let meta = |version: &str| {
        let meta = json!({"io.modelcontextprotocol/protocolVersion": version});
        json!({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": "a_get_member", "_meta": meta}})
    };
    let version = ("mcp-protocol-version", "2026-07-28");
    let (method, name) = (("mcp-method", "tools/call"), ("mcp-name", "a_get_member"));
    for (headers, code) in [
        (vec![version, method], -32020),
        (vec![version, name], -32020),
        (vec![method, name], -32020),
        (vec![version, method, ("mcp-name", "get_member")], -32020),
    ] {
        let asking = new.post(meta("2026-07-28").to_string());
        let asking = headers
            .iter()
            .fold(asking, |asking, (name, value)| asking.header(name, value));
        let answer = asking.send().await.unwrap();
        assert_eq!(
            (answer.status, &answer.json()["error"]["code"]),
            (400, &json!(code)),
            "{headers:?}"
        );
    }
    let asking = new.post(meta("2027-01-01").to_string());
    let asking = asking.header("mcp-protocol-version", "2027-01-01");
    let asking = asking.header(method.0, method.1).header(name.0, name.1);
    let other = asking.send().await.unwrap();
    let error = &other.json()["error"];
    assert_eq!((other.status, &error["code"]), (400, &json!(-32022)));
    assert_eq!(error["data"]["requested"], "2027-01-01");
    assert_eq!(error["data"]["supported"][0], "2026-07-28");
    let page = new
        .asking("tools/list", &json!({}))
        .header("origin", "http://evil.example");
    assert_eq!(page.send().await.unwrap().status, 403);

    let asking = Http::new().post(&format!("{}/mcp", world.base));
    let nobody = asking.header("content-type", "application/json").body("{}");
    let nobody = nobody.send().await.unwrap();
    let metadata = format!("{}/.well-known/oauth-protected-resource/mcp", world.base);
    let challenge = format!("Bearer resource_metadata=\"{metadata}\", scope=\"mcp\"");
    assert_eq!(
        (nobody.status, nobody.header("www-authenticate")),
        (401, Some(&*challenge))
    );
    let document = Http::new().get(&metadata).send().await.unwrap().json();
    assert_eq!(document["resource"], format!("{}/mcp", world.base));
    let seen = behind.old.seen().len() + behind.new.seen().len() + behind.both.seen().len();
    assert_eq!(seen, 0, "something of it was sent");
    end(world, behind).await;
}
