//! The simulated provider: its streams, usage, checks, errors, models and memory.

use serde_json::{Value, json};
use testkit::actor::message;
use testkit::client::events::text_of;
use testkit::provider::Ending;
use testkit::{Actor, Corpus, Http};
use wire::usage::{Progress, UsageMeter};

use super::anthropic;

const MODEL: &str = "claude-sonnet-5-5";

/// Checks an event sequence against the grammar of a stream and returns the names of its events.
fn well_formed(events: &[testkit::client::Event]) -> Vec<&str> {
    let mut open: Option<(u64, &str)> = None;
    let mut next = 0;
    for (at, event) in events.iter().enumerate() {
        let data = event.json();
        assert_eq!(
            data["type"],
            event.name.as_str(),
            "the name and the type agree"
        );
        match &*event.name {
            "message_start" => assert_eq!(at, 0),
            "ping" => {}
            "content_block_start" => {
                assert!(open.is_none());
                let kind = data["content_block"]["type"].as_str().unwrap();
                let kind = ["thinking", "text", "tool_use"]
                    .into_iter()
                    .find(|k| *k == kind)
                    .unwrap();
                open = Some((data["index"].as_u64().unwrap(), kind));
                assert_eq!(open.unwrap().0, next);
                next += 1;
            }
            "content_block_delta" => {
                let (index, kind) = open.unwrap();
                assert_eq!(data["index"], index);
                let delta = data["delta"]["type"].as_str().unwrap();
                let fits = match kind {
                    "thinking" => ["thinking_delta", "signature_delta"].contains(&delta),
                    "text" => delta == "text_delta",
                    _ => delta == "input_json_delta",
                };
                assert!(fits, "{delta} in {kind}");
            }
            "content_block_stop" => assert_eq!(data["index"], open.take().unwrap().0),
            "message_delta" => {
                assert!(open.is_none());
                assert!(data["delta"]["stop_reason"].is_string());
            }
            "message_stop" => assert_eq!(at, events.len() - 1),
            other => unreachable!("unknown event {other}"),
        }
    }
    events.iter().map(|event| &*event.name).collect()
}

async fn stream(actor: &Actor, body: &Value) -> Vec<testkit::client::Event> {
    let events = actor.stream_body(body).await.unwrap();
    assert_eq!(events.status(), 200);
    assert!(
        events
            .header("content-type")
            .unwrap()
            .starts_with("text/event-stream")
    );
    events.rest().await.unwrap()
}

#[tokio::test]
async fn a_stream_has_the_events_of_the_messages_api_in_order() {
    let (_provider, actor) = anthropic();
    let events = stream(&actor, &message(MODEL, "Say something.", true)).await;
    let names = well_formed(&events);
    assert_eq!(names[..3], ["message_start", "content_block_start", "ping"]);
    assert_eq!(names[names.len() - 2..], ["message_delta", "message_stop"]);
    assert_eq!(events[0].json()["message"]["usage"]["output_tokens"], 1);
}

#[tokio::test]
async fn thinking_text_and_tool_use_come_as_blocks_of_their_own() {
    let (_provider, actor) = anthropic();
    let mut body = message(MODEL, "Go. [testkit tool=Bash]", true);
    body["thinking"] = json!({"type": "enabled", "budget_tokens": 1024});
    body["tools"] = json!([{"name": "Bash", "input_schema": {"type": "object"}}]);
    let events = stream(&actor, &body).await;
    well_formed(&events);
    let kinds: Vec<String> = events
        .iter()
        .filter(|event| event.name == "content_block_start")
        .map(|event| {
            event.json()["content_block"]["type"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    assert_eq!(kinds, ["thinking", "text", "tool_use"]);
    let parts: String = events
        .iter()
        .filter_map(|event| {
            event.json()["delta"]["partial_json"]
                .as_str()
                .map(str::to_owned)
        })
        .collect();
    assert_eq!(
        serde_json::from_str::<Value>(&parts).unwrap()["command"],
        "echo simulated"
    );
    assert!(
        events
            .iter()
            .any(|event| event.json()["delta"]["type"] == "signature_delta")
    );
    let last = &events[events.len() - 2];
    assert_eq!(last.json()["delta"]["stop_reason"], "tool_use");
}

#[tokio::test]
async fn a_tool_is_not_used_again_once_its_result_is_there() {
    let (_provider, actor) = anthropic();
    let body = json!({"model": MODEL, "max_tokens": 100, "tools": [{"name": "Bash"}], "messages": [
        {"role": "user", "content": "Go."},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "ok"},
                                     {"type": "text", "text": "[testkit tool=Bash]"}]},
    ]});
    assert_eq!(
        actor.post("/v1/messages", &body).await.unwrap().json()["stop_reason"],
        "end_turn"
    );
}

#[tokio::test]
async fn the_same_prompt_gets_the_same_answer_streamed_or_not() {
    let (_provider, actor) = anthropic();
    let whole = actor.messages(MODEL, "What is new?").await.unwrap().json();
    let again = actor.messages(MODEL, "What is new?").await.unwrap().json();
    assert_eq!(whole, again);
    let streamed = actor.streamed_text(MODEL, "What is new?").await.unwrap();
    assert_eq!(whole["content"][0]["text"], streamed.as_str());
    let other = actor.messages(MODEL, "What is old?").await.unwrap().json();
    assert_ne!(other["content"], whole["content"]);
}

#[tokio::test]
async fn the_usage_of_a_stream_adds_up_to_that_of_the_whole_answer() {
    let (_provider, actor) = anthropic();
    let mut body = Corpus::default().json();
    let events = stream(&actor, &body).await;
    let mut meter = UsageMeter::new(1_000_000);
    for event in &events {
        meter.push(format!("event: {}\ndata: {}\n\n", event.name, event.data).as_bytes());
    }
    let streamed = meter.usage();
    assert_eq!(meter.progress(), Progress::Complete);
    assert!(
        streamed.cache_write_5m_tokens > 10_000 && streamed.cache_read_tokens == 0,
        "{streamed:?}"
    );
    body["stream"] = json!(false);
    let whole = actor.post("/v1/messages", &body).await.unwrap();
    let usage = wire::usage::from_answer(&whole.body).unwrap();
    assert_eq!(
        usage.cache_read_tokens, streamed.cache_write_5m_tokens,
        "the second time it is read"
    );
    assert_eq!(usage.input_total(), streamed.input_total());
    assert_eq!(usage.output_tokens, streamed.output_tokens);
    let counted = actor
        .post("/v1/messages/count_tokens", &body)
        .await
        .unwrap()
        .json();
    assert_eq!(counted["input_tokens"], usage.input_total());
}

#[tokio::test]
async fn the_length_is_as_wished_and_never_over_max_tokens() {
    let (_provider, actor) = anthropic();
    for (wish, max_tokens, tokens, reason) in [
        ("events=100", 1_000, 100, "end_turn"),
        ("events=100", 40, 40, "max_tokens"),
        ("events=1", 1, 1, "end_turn"),
        ("refusal", 1_000, 24, "refusal"),
    ] {
        let mut body = message(MODEL, &format!("Hi. [testkit {wish}]"), true);
        body["max_tokens"] = json!(max_tokens);
        let events = stream(&actor, &body).await;
        well_formed(&events);
        let end = events[events.len() - 2].json();
        assert_eq!(
            end["usage"]["output_tokens"], tokens,
            "{wish} within {max_tokens}"
        );
        assert_eq!(
            end["delta"]["stop_reason"], reason,
            "{wish} within {max_tokens}"
        );
    }
}

#[tokio::test]
async fn an_answer_can_be_ordered_word_for_word() {
    let (provider, actor) = anthropic();
    provider.say_next("The key is  hunter2 .");
    provider.use_tool_next("Read", json!({"path": "/etc/passwd"}));
    assert_eq!(
        actor.streamed_text(MODEL, "x").await.unwrap(),
        "The key is  hunter2 ."
    );
    let tool = actor.messages(MODEL, "x").await.unwrap().json();
    assert_eq!(tool["content"][0]["input"]["path"], "/etc/passwd");
    let echo = actor
        .streamed_text(MODEL, "Say this. [testkit echo]")
        .await
        .unwrap();
    assert_eq!(echo, "Say this. [testkit echo]");
}

#[tokio::test]
async fn a_bad_request_gets_anthropics_own_error() {
    let (_provider, actor) = anthropic();
    let body = message(MODEL, "Hi", false);
    let send = async |actor: Actor, body: Vec<u8>| {
        let answer = actor
            .request(http::Method::POST, "/v1/messages")
            .body(body)
            .send()
            .await
            .unwrap();
        (answer.status, answer.json())
    };
    let changed = |name: &str, value: Value| {
        let mut body = body.clone();
        body[name] = value;
        body.to_string().into_bytes()
    };
    let good = || body.to_string().into_bytes();
    let version = |version: &str| actor.clone().header("anthropic-version", version);
    for (who, bytes, status, kind) in [
        (
            actor.clone(),
            b"{\"model\":".to_vec(),
            400,
            "invalid_request_error",
        ),
        (
            actor.clone(),
            changed("model", json!("claude-unheard-of")),
            404,
            "not_found_error",
        ),
        (
            actor.clone(),
            changed("messages", json!([])),
            400,
            "invalid_request_error",
        ),
        (version("2020-01-01"), good(), 400, "invalid_request_error"),
        (version("2026-10-21"), good(), 200, ""),
        (
            version("2026-10-21"),
            changed("temperature", json!(1)),
            400,
            "invalid_request_error",
        ),
        (
            version("2023-06-01"),
            changed("temperature", json!(1)),
            200,
            "",
        ),
    ] {
        let (found, answer) = send(who, bytes).await;
        assert_eq!(found, status, "{answer}");
        assert_eq!(answer["error"]["type"].as_str().unwrap_or_default(), kind);
        assert_eq!(answer["request_id"].is_string(), status != 200);
    }
}

#[tokio::test]
async fn only_a_known_credential_opens_the_door() {
    let (provider, _) = anthropic();
    let url = provider.url();
    for (actor, status, message) in [
        (Actor::anonymous(&url), 401, "x-api-key header is required"),
        (Actor::with_api_key(&url, "wrong"), 401, "invalid x-api-key"),
        (
            Actor::with_bearer(&url, "wrong"),
            401,
            "Invalid bearer token",
        ),
        (
            Actor::with_bearer(&url, testkit::provider::DEFAULT_KEY),
            200,
            "",
        ),
    ] {
        let answer = actor.messages(MODEL, "Hi").await.unwrap();
        assert_eq!(answer.status, status);
        assert_eq!(
            answer.json()["error"]["message"]
                .as_str()
                .unwrap_or_default(),
            message
        );
    }
    let no_version = Http::new()
        .post(&format!("{url}/v1/messages"))
        .header("x-api-key", testkit::provider::DEFAULT_KEY)
        .json(&message(MODEL, "Hi", false))
        .send()
        .await
        .unwrap();
    assert_eq!(
        no_version.json()["error"]["message"],
        "anthropic-version: header is required"
    );
}

#[tokio::test]
async fn a_body_over_32_mb_is_refused_stated_or_not() {
    let (_provider, actor) = anthropic();
    let huge = vec![b' '; 32 * 1024 * 1024 + 1];
    let stated = actor
        .request(http::Method::POST, "/v1/messages")
        .body(huge.clone());
    // the provider may close before it has read all, which is its right
    if let Ok(answer) = stated.send().await {
        assert_eq!(answer.status, 413);
        assert_eq!(answer.json()["error"]["type"], "request_too_large");
    }
    let (feed, body) = testkit::net::Body::fed();
    let sending = tokio::spawn(async move {
        for chunk in huge.chunks(1024 * 1024) {
            if feed.send(chunk.to_vec()).await.is_err() {
                break;
            }
        }
    });
    let answer = actor
        .request(http::Method::POST, "/v1/messages")
        .fed_body(body)
        .send()
        .await;
    assert_eq!(answer.unwrap().status, 413);
    sending.abort();
}

#[tokio::test]
async fn every_answer_carries_the_providers_headers() {
    let (provider, actor) = anthropic();
    for prompt in ["Hi", "Hi [testkit status=529]"] {
        let answer = actor.messages(MODEL, prompt).await.unwrap();
        for name in [
            "request-id",
            "anthropic-organization-id",
            "anthropic-ratelimit-requests-remaining",
            "anthropic-ratelimit-input-tokens-reset",
        ] {
            assert!(answer.header(name).is_some(), "{name} on {}", answer.status);
        }
        assert_eq!(
            answer.header("request-id").unwrap(),
            provider.last_seen().unwrap().request_id
        );
    }
}

#[tokio::test]
async fn models_are_listed_page_by_page() {
    let (_provider, actor) = anthropic();
    let all = actor.models().await.unwrap();
    assert!(all.len() > 10 && all.contains(&MODEL.to_owned()));
    let mut found = Vec::new();
    let mut query = "limit=5".to_owned();
    loop {
        let page = actor
            .get(&format!("/v1/models?{query}"))
            .await
            .unwrap()
            .json();
        for model in page["data"].as_array().unwrap() {
            found.push(model["id"].as_str().unwrap().to_owned());
        }
        if page["has_more"] == false {
            break;
        }
        query = format!("limit=5&after_id={}", page["last_id"].as_str().unwrap());
    }
    assert_eq!(found, all);
    let before = actor
        .get(&format!("/v1/models?limit=2&before_id={}", all[3]))
        .await
        .unwrap()
        .json();
    assert_eq!(before["data"][0]["id"], all[1].as_str());
    assert_eq!(
        actor
            .get(&format!("/v1/models/{MODEL}"))
            .await
            .unwrap()
            .json()["id"],
        MODEL
    );
    assert_eq!(actor.get("/v1/models/none").await.unwrap().status, 404);
    assert_eq!(actor.get("/v1/models?limit=0").await.unwrap().status, 400);
    assert_eq!(
        actor.get("/v1/models?after_id=none").await.unwrap().status,
        400
    );
}

#[tokio::test]
async fn the_provider_remembers_what_it_saw_and_how_it_ended() {
    let (provider, actor) = anthropic();
    let actor = actor.header("x-mark", "m-1");
    actor.messages(MODEL, "First").await.unwrap();
    let mut cut_short = actor
        .stream(MODEL, "Second [testkit events=1000 pace-ms=20]")
        .await
        .unwrap();
    assert_eq!(
        cut_short.next().await.unwrap().unwrap().name,
        "message_start"
    );
    let seen = provider.wait_for(2).await.unwrap();
    assert_eq!((seen[0].number, seen[1].number), (0, 1));
    assert_eq!(seen[0].ending, Some(Ending::Complete));
    assert_eq!(seen[1].ending, None, "it still streams");
    assert_eq!(seen[0].header("x-mark"), Some("m-1"));
    assert_eq!(seen[0].json()["messages"][0]["content"], "First");
    assert_eq!(
        (seen[0].body_sha256.len(), &*seen[1].query),
        (64, "beta=true")
    );
    drop(cut_short);
    let seen = provider.wait_ended(2).await.unwrap();
    assert_eq!(seen[1].ending, Some(Ending::ClientLeft));
    provider.forget();
    assert!(provider.seen().is_empty());
}

#[tokio::test]
async fn a_paced_stream_arrives_event_by_event() {
    let (provider, actor) = anthropic();
    let mut events = actor
        .stream(MODEL, "Slowly [testkit events=3 pace-ms=1 pings=1]")
        .await
        .unwrap();
    let mut names = Vec::new();
    let mut all = Vec::new();
    while let Some(event) = events.next().await.unwrap() {
        if names.is_empty() {
            assert_eq!(
                provider.seen()[0].ending,
                None,
                "the first event is here, the stream goes on"
            );
        }
        names.push(event.name.clone());
        all.push(event);
    }
    well_formed(&all);
    assert!(names.iter().filter(|name| *name == "ping").count() > 5);
    assert_eq!(text_of(&all).split(' ').count(), 3);
}
