//! Calls that somebody has to approve, through the whole of Doorward: asked for in the way each client knows, let through once, and never
//! for anything else than what was read.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use control::{Actor, approvals};
use domain::{ApprovalId, Clock as _};
use serde_json::{Value, json};
use server::commands::start_at;
use server::demo::world::World;
use server::system::SystemClock;
use testkit::{Answer, FakeClock, McpServer};

use super::client::Client;
use super::{apply, policy, stage, world};
use crate::watch::{readiness, until};

const QUARTER_MS: i64 = 15 * 60 * 1_000;

/// The approval that a text names.
fn named(text: &str) -> ApprovalId {
    let at = text.find("/approvals/").expect("the address of its page");
    let rest = &text[at + "/approvals/".len()..];
    let end = rest.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    rest[..end.unwrap_or(rest.len())].parse().unwrap()
}

/// The approval that a call waits for, as a model is told.
pub(crate) fn waits(answer: &Answer) -> ApprovalId {
    let json = answer.json();
    assert_eq!(json["result"]["isError"], true, "{json}");
    let text = json["result"]["content"][0]["text"].as_str().unwrap();
    assert!(
        text.contains("approval_needed") && text.contains("same arguments"),
        "{text}"
    );
    named(text)
}

pub(crate) fn is_done(answer: &Answer) -> bool {
    answer.json()["result"]["content"][1]["type"] == "future_block"
}

/// Whoever asked says yes on the page, or no.
pub(super) async fn decide(world: &World, id: ApprovalId, yes: bool) {
    let control = world.running.wired.control();
    let found = control
        .store
        .approval(control.org, id)
        .await
        .unwrap()
        .unwrap();
    let actor = Actor::person(found.binding.person, "Ada", BTreeSet::new());
    let operation = control.operation(&actor);
    if yes {
        approvals::approve(&operation, id, "").await.unwrap();
    } else {
        approvals::deny(&operation, id, "not this one")
            .await
            .unwrap();
    }
}

async fn end(world: World, behind: McpServer) {
    behind.stop().await;
    world.stop(Duration::from_secs(2)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_made_once_after_a_yes_and_with_no_other_argument() {
    let (world, behind) = world().await;
    for (ada, path) in [
        (Client::greeted(&world.base, "ada", "tasks").await, "/a"),
        (Client::modern(&world.base, "ada", "tasks").await, "/b"),
    ] {
        let before = behind.called().len();
        let (one, other) = (json!({"path": path, "n": 1}), json!({"path": path, "n": 2}));
        let id = waits(&ada.call("delete_item", &one).await);
        let same = json!({"n": 1.0, "path": path});
        assert_eq!(waits(&ada.call("delete_item", &same).await), id);
        let second = waits(&ada.call("delete_item", &other).await);
        assert_ne!(second, id);
        decide(&world, id, true).await;
        assert_eq!(waits(&ada.call("delete_item", &other).await), second);
        let grace = Client::greeted(&world.base, "grace", "tasks").await;
        assert_ne!(
            waits(&grace.call("delete_item", &one).await),
            id,
            "another person"
        );
        assert_eq!(behind.called().len(), before, "nothing was sent yet");
        let done = ada.call("delete_item", &one).await;
        assert!(is_done(&done), "{}", done.text());
        assert_eq!(behind.called().len(), before + 1);
        let again = waits(&ada.call("delete_item", &one).await);
        assert_ne!(again, id, "once");
        decide(&world, again, false).await;
        let denied = ada.call("delete_item", &one).await.text();
        assert!(denied.contains("not this one"), "{denied}");
        decide(&world, second, false).await;
        assert_eq!(behind.called().len(), before + 1);
    }
    end(world, behind).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_whose_arguments_were_changed_is_made_with_those_and_with_no_others() {
    let (world, behind) = world().await;
    for (ada, path) in [
        (Client::greeted(&world.base, "ada", "tasks").await, "/x"),
        (Client::modern(&world.base, "ada", "tasks").await, "/y"),
    ] {
        let before = behind.called().len();
        let wanted = json!({"path": path, "n": 1});
        let id = waits(&ada.call("delete_item", &wanted).await);
        let control = world.running.wired.control();
        let found = control.store.approval(control.org, id).await.unwrap();
        let actor = Actor::person(found.unwrap().binding.person, "Ada", BTreeSet::new());
        let operation = control.operation(&actor);
        let typed = json!({"path": path, "n": 2}).to_string();
        let changed = approvals::change(&operation, id, &typed, "fewer")
            .await
            .unwrap();
        assert_eq!(waits(&ada.call("delete_item", &wanted).await), changed.id);
        decide(&world, changed.id, true).await;
        let told = ada.call("delete_item", &wanted).await.json();
        let text = told["result"]["content"][0]["text"].as_str().unwrap();
        let arguments = &text[text.find('{').unwrap()..=text.rfind('}').unwrap()];
        assert_eq!(
            behind.called().len(),
            before,
            "nothing is made of what was asked for first"
        );
        let arguments: Value = serde_json::from_str(arguments).unwrap();
        assert_eq!(arguments["n"], 2);
        let done = ada.call("delete_item", &arguments).await;
        assert!(is_done(&done), "{}", done.text());
        assert_eq!(behind.called().len(), before + 1);
        waits(&ada.call("delete_item", &arguments).await);
        waits(&ada.call("delete_item", &wanted).await);
        assert_eq!(behind.called().len(), before + 1, "once");
    }
    end(world, behind).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_yes_is_for_all_that_a_call_says_and_its_headers_say_nothing_else() {
    let (world, behind) = world().await;
    let ada = Client::modern(&world.base, "ada", "tasks").await;
    let before = behind.called().len();
    let arguments = json!({"path": "/c"});
    let id = waits(&ada.call("delete_item", &arguments).await);
    decide(&world, id, true).await;
    for (member, value) in [
        ("task", json!({"ttl": 9})),
        (
            "inputResponses",
            json!({"q": {"action": "accept", "content": {"to": "everyone"}}}),
        ),
        ("requestState", json!("of another call")),
    ] {
        let mut more = json!({"name": "delete_item", "arguments": arguments});
        more[member] = value;
        let other = waits(&ada.ask("tools/call", &more).await);
        assert_ne!(other, id, "{member}");
        let control = world.running.wired.control();
        let found = control.store.approval(control.org, other).await.unwrap();
        let actor = Actor::person(found.unwrap().binding.person, "Ada", BTreeSet::new());
        let operation = control.operation(&actor);
        let read = approvals::read(&operation, other).await.unwrap();
        let shown = read.arguments.unwrap();
        let shown = String::from_utf8_lossy(shown.as_ref());
        assert!(shown.contains(member) && shown.contains("/c"), "{shown}");
    }
    let call = json!({"name": "delete_item", "arguments": arguments});
    let said = |path: &str| {
        ada.asking("tools/call", &call)
            .header("mcp-param-path", path)
            .send()
    };
    let lies = said("/other").await.unwrap();
    assert_eq!(
        (lies.status, lies.json()["error"]["code"].as_i64()),
        (400, Some(-32020))
    );
    assert_eq!(behind.called().len(), before, "nothing was sent yet");
    let done = said("/c").await.unwrap();
    assert!(is_done(&done), "{}", done.text());
    assert_eq!(behind.called().len(), before + 1);
    end(world, behind).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_yes_survives_a_restart_and_neither_its_time_nor_another_policy() {
    let behind = McpServer::start().unwrap();
    let stage = stage(&behind.url()).await;
    let clock = FakeClock::at(SystemClock.now());
    let running = start_at(&stage.config, Arc::new(clock.clone()))
        .await
        .unwrap();
    let world = World { stage, running };
    let ada = Client::greeted(&world.base, "ada", "tasks").await;
    let id = waits(&ada.call("delete_item", &json!({})).await);
    decide(&world, id, true).await;
    clock.advance_ms(QUARTER_MS + 1_000);
    until(async || readiness(&world).await.0 == 200).await;
    let ada = Client::greeted(&world.base, "ada", "tasks").await;
    let id = {
        let next = waits(&ada.call("delete_item", &json!({})).await);
        assert_ne!(next, id, "its time was over");
        next
    };
    decide(&world, id, true).await;
    let World { stage, running } = world;
    running.stop(Duration::from_secs(2)).await.unwrap();
    let running = start_at(&stage.config, Arc::new(clock.clone()))
        .await
        .unwrap();
    let world = World { stage, running };
    let done = ada.call("delete_item", &json!({})).await;
    assert!(is_done(&done), "{}", done.text());
    let id = waits(&ada.call("delete_item", &json!({})).await);
    decide(&world, id, true).await;
    let blocked = policy(&behind.url()).replace("state = \"ask\"", "state = \"blocked\"");
    apply(&world.stage, &blocked).await;
    let rules = &world.running.wired.pipeline.rules;
    until(async || rules.current().version == 3).await;
    let refused = ada.call("delete_item", &json!({})).await.json();
    assert_eq!(refused["error"]["code"], -32602, "{refused}");
    assert_eq!(behind.called(), ["delete_item"]);
    end(world, behind).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_at_all_is_not_helped_by_a_yes_and_what_may_not_leave_is_not_asked_for() {
    let (world, behind) = world().await;
    let alan = Client::greeted(&world.base, "alan", "tasks").await;
    let ada = Client::greeted(&world.base, "ada", "tasks").await;
    let id = waits(&ada.call("delete_item", &json!({})).await);
    decide(&world, id, true).await;
    let blocked = alan.call("delete_item", &json!({})).await.json();
    assert_eq!(blocked["error"]["code"], -32602);
    let secret = json!({"note": format!("AKIA{}", "IOSFODNN7EXAMPLF")});
    let refused = ada.call("delete_item", &secret).await.text();
    assert!(
        refused.contains("content_blocked") && !refused.contains("/approvals/"),
        "{refused}"
    );
    let vague = br#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"delete_item","arguments":{"amount":9007199254740993.0}}}"#;
    let vague = ada.post(vague.to_vec()).send().await.unwrap().text();
    assert!(
        vague.contains("cannot be told apart") && !vague.contains("/approvals/"),
        "{vague}"
    );
    assert_eq!(behind.called(), Vec::<String>::new());
    end(world, behind).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_modern_client_leads_its_person_to_the_page_and_calls_again() {
    let (world, behind) = world().await;
    let ada = Client::modern(&world.base, "ada", "tasks").await;
    let ada = ada
        .able(json!({"elicitation": {"form": {}, "url": {}}}))
        .await;
    let asked = ada.call("delete_item", &json!({"n": 1})).await.json();
    let result = &asked["result"];
    assert_eq!(result["resultType"], "input_required", "{asked}");
    let question = &result["inputRequests"]["doorward_approval"];
    assert_eq!(question["method"], "elicitation/create");
    assert_eq!(question["params"]["mode"], "url");
    let id = named(question["params"]["url"].as_str().unwrap());
    let again = |action: &str| {
        json!({
            "name": "delete_item", "arguments": {"n": 1},
            "inputResponses": {"doorward_approval": {"action": action}},
        })
    };
    let declined = ada.ask("tools/call", &again("decline")).await;
    assert_eq!(waits(&declined), id, "and is not asked in circles");
    // the client says yes before its person has: it waits, on its stream
    let open = ada
        .asking("tools/call", &again("accept"))
        .open()
        .await
        .unwrap();
    let events = open.events();
    assert_eq!(events.header("content-type"), Some("text/event-stream"));
    decide(&world, id, true).await;
    let events = events.rest().await.unwrap();
    let last = events.last().unwrap().json();
    assert_eq!(
        last["result"]["content"][1]["type"], "future_block",
        "{last}"
    );
    let sent = behind.seen().pop().unwrap();
    assert_eq!(sent.message["params"].get("inputResponses"), None);
    assert_eq!(sent.message["params"]["arguments"], json!({"n": 1}));
    end(world, behind).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_with_a_session_is_asked_on_its_stream_and_its_answer_goes_nowhere() {
    let (world, behind) = world().await;
    let ada = Client::of(&world.base, "ada", "tasks").await;
    let ada = ada.able(json!({"elicitation": {"url": {}}})).await;
    let params = json!({"name": "delete_item", "arguments": {}});
    let open = ada.asking("tools/call", &params).open().await.unwrap();
    let mut events = open.events();
    let question = events.next().await.unwrap().unwrap().json();
    assert_eq!(question["method"], "elicitation/create", "{question}");
    let id = named(question["params"]["url"].as_str().unwrap());
    assert_eq!(question["params"]["elicitationId"], id.to_string());
    let seen = behind.seen().len();
    let mine = json!({"jsonrpc": "2.0", "id": question["id"], "result": {"action": "accept"}});
    let taken = ada.post(mine.to_string()).send().await.unwrap();
    assert_eq!(taken.status, 202);
    assert_eq!(behind.seen().len(), seen, "a yes by message is none");
    assert_eq!(behind.called(), Vec::<String>::new());
    decide(&world, id, true).await;
    let rest = events.rest().await.unwrap();
    let rest: Vec<Value> = rest.iter().map(testkit::client::Event::json).collect();
    assert_eq!(
        rest[0]["method"], "notifications/elicitation/complete",
        "{rest:?}"
    );
    assert_eq!(rest[1]["id"], 7);
    assert_eq!(rest[1]["result"]["content"][1]["type"], "future_block");
    // One that takes no events is sent to the page by an error.
    let plain = Client {
        accept: "application/json",
        ..ada.clone()
    };
    let error = plain.ask("tools/call", &params).await.json();
    assert_eq!(error["error"]["code"], -32042, "{error}");
    let page = &error["error"]["data"]["elicitations"][0]["url"];
    assert_ne!(named(page.as_str().unwrap()), id);
    end(world, behind).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_waits_is_told_so_and_hears_a_no_and_one_who_leaves_is_gone() {
    let (world, behind) = world().await;
    let ada = Client::greeted(&world.base, "ada", "tasks").await;
    let params =
        json!({"name": "delete_item", "arguments": {}, "_meta": {"progressToken": "p\"1"}});
    let open = ada.asking("tools/call", &params).open().await.unwrap();
    let mut events = open.events();
    let told = events.next().await.unwrap().unwrap().json();
    assert_eq!(told["params"]["progressToken"], "p\"1", "{told}");
    let id = named(told["params"]["message"].as_str().unwrap());
    decide(&world, id, false).await;
    let rest = events.rest().await.unwrap();
    let last = rest.last().unwrap().json();
    assert!(
        last["result"]["content"][0]["text"]
            .as_str()
            .unwrap()
            .contains("denied by"),
        "{last}"
    );
    let params =
        json!({"name": "delete_item", "arguments": {"n": 1}, "_meta": {"progressToken": 5}});
    let mut left = ada
        .asking("tools/call", &params)
        .open()
        .await
        .unwrap()
        .events();
    let told = left.next().await.unwrap().unwrap().json();
    let id = named(told["params"]["message"].as_str().unwrap());
    drop(left);
    until(async || super::records::refused(&world, "tasks.delete_item") == 2).await;
    decide(&world, id, true).await;
    let done = ada.call("delete_item", &json!({"n": 1})).await;
    assert!(
        is_done(&done),
        "nobody who had left has used it up: {}",
        done.text()
    );
    end(world, behind).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_waits_ends_with_its_person_and_with_its_rules() {
    let (world, behind) = world().await;
    let ada = Client::greeted(&world.base, "ada", "tasks").await;
    let params = json!({"name": "delete_item", "arguments": {}, "_meta": {"progressToken": 1}});
    let mut waits = ada
        .asking("tools/call", &params)
        .open()
        .await
        .unwrap()
        .events();
    let told = waits.next().await.unwrap().unwrap().json();
    let id = named(told["params"]["message"].as_str().unwrap());
    decide(&world, id, true).await;
    let rules = &world.running.wired.pipeline.rules;
    let rest = waits.rest().await.unwrap();
    assert!(rest.last().unwrap().data.contains("future_block"));
    let mut waits = ada
        .asking("tools/call", &params)
        .open()
        .await
        .unwrap()
        .events();
    assert!(waits.next().await.unwrap().is_some());
    super::records::shut_out(&world, "ada").await;
    let rest = waits.rest().await.unwrap();
    let last = rest.last().unwrap().json();
    assert_eq!(last["error"]["data"]["reason"], "person_revoked", "{last}");
    assert_eq!(rules.current().version, 2);
    assert_eq!(behind.called(), ["delete_item"]);
    end(world, behind).await;
}
