//! What every answer has in common, over all routes: a request id, and errors in the words of the route's door.

use std::collections::BTreeSet;
use std::time::Duration;

use http::Method;
use serde_json::Value;
use server::demo::world::{DESKTOP_CLIENT, World};
use testkit::{Actor, Answer};

/// In whose words a route's errors are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Words {
    Anthropic,
    OAuth,
}
use Words::{Anthropic, OAuth};

/// Every route, a method it takes, and whose words its errors are in.
const ROUTES: [(&str, &str, Words); 47] = [
    ("POST", "/v1/messages", Anthropic),
    ("POST", "/v1/messages/count_tokens", Anthropic),
    ("GET", "/v1/models", Anthropic),
    ("GET", "/v1/models/{id}", Anthropic),
    ("GET", "/", Anthropic),
    ("GET", "/protocol", Anthropic),
    ("GET", "/api/hello", Anthropic),
    ("GET", "/managed/settings", Anthropic),
    ("GET", "/user/bootstrap", Anthropic),
    ("GET", "/api/oauth/usage", Anthropic),
    ("POST", "/v1/metrics", Anthropic),
    ("POST", "/v1/logs", Anthropic),
    ("POST", "/v1/traces", Anthropic),
    ("GET", "/v1/organizations/spend_limits", Anthropic),
    ("GET", "/v1/organizations/spend_limits/effective", Anthropic),
    ("GET", "/v1/organizations/spend_limits/audit", Anthropic),
    ("GET", "/v1/organizations/spend_limits/{id}", Anthropic),
    ("GET", "/.well-known/oauth-authorization-server", OAuth),
    (
        "GET",
        "/.well-known/oauth-authorization-server/{*resource}",
        OAuth,
    ),
    ("GET", "/.well-known/oauth-protected-resource", OAuth),
    ("GET", "/.well-known/oauth-protected-resource/mcp", OAuth),
    (
        "GET",
        "/.well-known/oauth-protected-resource/mcp/{connector}",
        OAuth,
    ),
    ("GET", "/oauth/authorize", OAuth),
    ("POST", "/oauth/authorize/approve", OAuth),
    ("POST", "/oauth/authorize/deny", OAuth),
    ("POST", "/oauth/register", OAuth),
    ("GET", "/oauth/jwks", OAuth),
    ("POST", "/oauth/device_authorization", OAuth),
    ("POST", "/oauth/token", OAuth),
    ("POST", "/oauth/revoke", OAuth),
    ("GET", "/oauth/callback", OAuth),
    ("GET", "/device", OAuth),
    ("POST", "/device/approve", OAuth),
    ("POST", "/device/deny", OAuth),
    ("GET", "/acceptable-use", OAuth),
    ("POST", "/acceptable-use/accept", OAuth),
    // Refused by name, whatever the method.
    ("POST", "/v1/agents", Anthropic),
    ("POST", "/v1/complete", Anthropic),
    ("POST", "/v1/environments", Anthropic),
    ("POST", "/v1/files", Anthropic),
    ("POST", "/v1/messages/batches", Anthropic),
    ("POST", "/v1/sessions", Anthropic),
    ("POST", "/v1/skills", Anthropic),
    ("POST", "/v1/memory_stores", Anthropic),
    // Nothing is there.
    ("GET", "/nothing", Anthropic),
    ("GET", "/v1/nothing", Anthropic),
    ("GET", "/claude/nothing", Anthropic),
];

async fn send(actor: &Actor, method: &str, path: &str) -> Answer {
    let method: Method = method.parse().unwrap();
    actor.request(method, path).send().await.unwrap()
}

/// The root below a base path is the base path itself.
fn under(base: &str, path: &str) -> String {
    match (base, path) {
        ("", path) => path.to_owned(),
        (base, "/") => base.to_owned(),
        (base, path) => format!("{base}{path}"),
    }
}

fn id_of(answer: &Answer) -> &str {
    answer.header("x-request-id").unwrap_or_default()
}

fn check_error(answer: &Answer, words: Words, what: &str) {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    match words {
        Anthropic => {
            assert_eq!(body["type"], "error", "{what}");
            assert_eq!(body["request_id"], id_of(answer), "{what}");
            assert!(body["error"]["type"].is_string(), "{what}: {body}");
        }
        OAuth => assert!(body["error"].is_string(), "{what}: {body}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_carries_its_own_request_id_and_every_error_the_words_of_its_door() {
    let world = World::start(0).await.unwrap();
    let ada = world.idp.id_token("ada", DESKTOP_CLIENT);
    let callers = [
        Actor::anonymous(&world.base),
        Actor::with_bearer(&world.base, &ada),
        Actor::with_api_key(&world.base, &world.admin_key),
    ];
    let mut ids = BTreeSet::new();
    let mut answers = 0;
    for (method, path, words) in ROUTES {
        for base in ["", "/claude"] {
            for caller in &callers {
                let what = format!("{method} {base}{path}");
                let answer = send(caller, method, &under(base, path)).await;
                assert!(id_of(&answer).starts_with("req_"), "{what}");
                ids.insert(id_of(&answer).to_owned());
                answers += 1;
                let page = answer.header("content-type") == Some("text/html; charset=utf-8");
                if answer.status >= 400 && !page {
                    check_error(&answer, words, &what);
                }
            }
        }
    }
    assert_eq!(ids.len(), answers, "an id was given twice");
    world.stop(Duration::from_secs(2)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_method_is_told_which_would_do_in_the_words_of_the_door() {
    let world = World::start(0).await.unwrap();
    let anybody = Actor::anonymous(&world.base);
    for (method, path, words) in &ROUTES[..36] {
        for base in ["", "/claude"] {
            let what = format!("PATCH {base}{path}");
            let answer = send(&anybody, "PATCH", &under(base, path)).await;
            assert_eq!(answer.status, 405, "{what}");
            let allowed = answer.header("allow").unwrap_or_default();
            assert!(allowed.contains(method), "{what}: {allowed:?}");
            assert!(id_of(&answer).starts_with("req_"), "{what}");
            check_error(&answer, *words, &what);
        }
    }
    // What the router cannot read is worded as well.
    for (path, words) in [
        ("/v1/models?limit=many", Anthropic),
        ("/v1/organizations/spend_limits?limit=-1", Anthropic),
        ("/oauth/callback?code=a&code=b", OAuth),
    ] {
        let answer = send(&anybody, "GET", path).await;
        assert_eq!(answer.status, 400, "{path}");
        check_error(&answer, words, path);
    }
    world.stop(Duration::from_secs(2)).await.unwrap();
}

#[test]
fn the_table_of_routes_is_whole() {
    let sources = [
        include_str!("../../../gateway/src/lib.rs"),
        include_str!("../../../gateway/src/contract/mod.rs"),
        include_str!("../../../gateway/src/signin/mod.rs"),
        include_str!("../../../gateway/src/signin/programs/mod.rs"),
    ];
    let (mut found, known) = (0, ROUTES.map(|(_, path, _)| path));
    for source in sources {
        for route in source.split(".route(").skip(1) {
            // The refused ones are named by a constant.
            let Some(quoted) = route.trim_start().strip_prefix('"') else {
                continue;
            };
            let path = quoted.split('"').next().unwrap();
            assert!(known.contains(&path), "{path} is not in the table");
            found += 1;
        }
    }
    assert_eq!(found, 36, "a route is in the table that is not served");
    // The connectors' door speaks JSON-RPC, under no other path; its answers are looked at in `connectors`.
    let source = include_str!("../../../connectors/src/lib.rs");
    let routes = source.split(".route(").skip(1);
    let paths: Vec<&str> = routes.filter_map(|route| route.split('"').nth(1)).collect();
    assert_eq!(
        paths,
        ["/mcp", "/mcp/{connector}", connectors::oauth::DOCUMENT]
    );
    for prefix in gateway::inference::refused::PREFIXES {
        assert!(known.contains(&prefix), "{prefix} is not in the table");
    }
}
