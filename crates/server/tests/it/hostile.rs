//! Requests nobody should send, and what they get: a clear error in the caller's dialect, a stable code, and no harm.

use std::time::Duration;

use server::demo::world::World;
use testkit::{Actor, Http, device_sign_in};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

async fn raw(world: &World, bytes: &[u8]) -> String {
    let address = world.base.strip_prefix("http://").unwrap();
    let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
    // The peer may close before it has read everything; what it said is what counts.
    let _ = socket.write_all(bytes).await;
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(20), socket.read_to_end(&mut answer)).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_body_gets_a_sentence_and_a_code() {
    let world = World::start(0).await.unwrap();
    let ada = device_sign_in(&world.base, "ada").await.unwrap();
    let deep = format!(
        "{{\"model\":\"m\",\"messages\":{}{}}}",
        "[".repeat(500),
        "]".repeat(500)
    );
    for (body, reason) in [
        ("", "body_malformed"),
        ("nonsense", "body_malformed"),
        ("{\"model\":", "body_malformed"),
        ("[]", "body_malformed"),
        ("{}", "body_malformed"),
        ("{\"model\":\"claude-sonnet-5-5\"}", "body_malformed"),
        ("{\"model\":5,\"messages\":[]}", "body_malformed"),
        (
            "{\"model\":\"claude-haiku-5-5\",\"model\":\"claude-fable-5-2\",\"messages\":[]}",
            "body_malformed",
        ),
        ("{\"model\":\"a\\ud800\",\"messages\":[]}", "body_malformed"),
        (
            "{\"model\":\"claude-fable-5-2\",\"messages\":[]}",
            "model_not_allowed",
        ),
        (&*deep, "body_malformed"),
    ] {
        let answer = Http::new()
            .post(&format!("{}/v1/messages", world.base))
            .bearer(&ada.access_token)
            .header("content-type", "application/json")
            .body(body.to_owned())
            .send()
            .await
            .unwrap();
        assert_eq!(
            answer.header("x-doorward-reason"),
            Some(reason),
            "{body:.60}"
        );
        assert_eq!(
            (answer.status, &answer.json()["type"]),
            (400, &"error".into()),
            "{body:.60}"
        );
        assert!(answer.header("x-request-id").is_some());
    }
    assert!(
        world.first.seen().is_empty(),
        "something of it reached the provider"
    );
    world.stop(Duration::from_secs(2)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_not_utf8_or_too_large_is_refused() {
    let world = World::start(0).await.unwrap();
    let ada = device_sign_in(&world.base, "ada").await.unwrap();
    let post = |body: Vec<u8>| {
        Http::new()
            .post(&format!("{}/v1/messages", world.base))
            .bearer(&ada.access_token)
            .body(body)
            .send()
    };
    assert_eq!(
        post(b"{\"model\":\"\xff\"}".to_vec())
            .await
            .unwrap()
            .header("x-doorward-reason"),
        Some("body_malformed")
    );
    let head = format!(
        "POST /v1/messages HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-length: 40000000\r\n\r\n",
        ada.access_token
    );
    let answer = raw(&world, head.as_bytes()).await;
    assert!(
        answer.starts_with("HTTP/1.1 413") && answer.contains("request_too_large"),
        "{answer}"
    );
    world.stop(Duration::from_secs(2)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_let_in_without_a_good_credential_and_each_is_told_why() {
    let world = World::start(0).await.unwrap();
    let good = world.idp.id_token("ada", "doorward-desktop");
    let claims = {
        let person = world.idp.person("ada").unwrap();
        world.idp.id_claims(&person, "doorward-desktop")
    };
    assert_eq!(
        Actor::with_bearer(&world.base, &good)
            .get("/v1/models")
            .await
            .unwrap()
            .status,
        200
    );
    for attack in world.idp.attacks(&claims) {
        let answer = Actor::with_bearer(&world.base, &attack.token)
            .get("/v1/models")
            .await;
        // A token that cannot stand in a header never leaves the attacker's own client.
        let Ok(answer) = answer else { continue };
        assert!(
            matches!(answer.status, 400 | 401 | 431),
            "{} was let in with {}",
            attack.name,
            answer.status
        );
    }
    let anonymous = Actor::anonymous(&world.base)
        .messages("claude-haiku-5-5", "hello")
        .await
        .unwrap();
    assert_eq!(
        (anonymous.status, anonymous.header("x-doorward-reason")),
        (401, Some("credential_missing"))
    );
    assert_eq!(anonymous.header("x-should-retry"), Some("false"));
    assert!(world.first.seen().is_empty());
    world.stop(Duration::from_secs(2)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn floods_of_headers_and_strange_paths_do_no_harm() {
    let world = World::start(0).await.unwrap();
    let many = "x-again: y\r\n".repeat(500);
    let answer = raw(
        &world,
        format!("GET / HTTP/1.1\r\nhost: x\r\n{many}\r\n").as_bytes(),
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    let long = "a".repeat(200_000);
    let answer = raw(
        &world,
        format!("GET /{long} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes(),
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 4"), "{answer:.80}");
    assert!(
        raw(
            &world,
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 TLS where none is\r\n\r\n"
        )
        .await
        .len()
            < 400
    );
    let http = Http::new();
    for path in [
        "/nothing",
        "/v1/messages/batches",
        "/v1/files",
        "/../../etc/passwd",
        "/v1//messages",
        "/console",
    ] {
        let status = http
            .get(&format!("{}{path}", world.base))
            .send()
            .await
            .unwrap()
            .status;
        // The console sends whoever is not signed in to sign in.
        let expected = matches!((path, status), (_, 401 | 404) | ("/console", 303));
        assert!(expected, "{path}: {status}");
    }
    let ada = device_sign_in(&world.base, "ada").await.unwrap().actor();
    assert_eq!(ada.get("/nothing").await.unwrap().status, 404);
    let batches = ada
        .post("/v1/messages/batches", &serde_json::json!({}))
        .await
        .unwrap();
    assert_eq!(
        batches.header("x-doorward-reason"),
        Some("endpoint_not_offered")
    );
    world.stop(Duration::from_secs(2)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_office_add_ins_can_read_every_answer_and_nobody_else_can() {
    let world = World::start(0).await.unwrap();
    let http = Http::new();
    let preflight = http
        .request(
            http::Method::OPTIONS,
            &format!("{}/v1/messages", world.base),
        )
        .header("origin", "https://pivot.claude.ai")
        .header("access-control-request-method", "POST")
        .send()
        .await
        .unwrap();
    assert_eq!(preflight.status, 204);
    for name in [
        "authorization",
        "x-api-key",
        "content-type",
        "anthropic-version",
    ] {
        assert!(
            preflight
                .header("access-control-allow-headers")
                .unwrap()
                .contains(name),
            "{name}"
        );
    }
    for (origin, allowed) in [
        ("https://pivot.claude.ai", Some("https://pivot.claude.ai")),
        ("https://evil.example", None),
    ] {
        let answer = http
            .post(&format!("{}/v1/messages", world.base))
            .header("origin", origin)
            .send()
            .await
            .unwrap();
        assert_eq!(
            (answer.status, answer.header("access-control-allow-origin")),
            (401, allowed),
            "{origin}"
        );
    }
    world.stop(Duration::from_secs(2)).await.unwrap();
}
