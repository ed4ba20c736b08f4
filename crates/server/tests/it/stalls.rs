//! Peers that stall: clients that never finish, never read or never speak, and providers that fall silent. Each meets its named
//! limit, at a clock that the test moves; nobody waits for it.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use domain::limits;
use hyper_util::rt::{TokioExecutor, TokioIo};
use server::commands::start;
use server::demo::world::{Stage, World};
use server::listen::{Bounds, Listener};
use server::sites::Sites;
use testkit::{Actor, Fault, Http, Session, device_sign_in};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::hourglass::Hourglass;
use crate::watch::{metric, metrics, outcome};

const MODEL: &str = "claude-sonnet-5-5";

async fn world() -> (World, Session) {
    let world = World::start(0).await.unwrap();
    let ada = device_sign_in(&world.base, "ada").await.unwrap();
    // Known from here on: a look into the store lasts however long it lasts, also while the clock leaps.
    let known = Actor::with_bearer(&world.base, &ada.access_token);
    assert_eq!(known.get("/v1/models").await.unwrap().status, 200);
    (world, ada)
}

async fn connect(base: &str) -> TcpStream {
    let address = base.strip_prefix("http://").unwrap();
    TcpStream::connect(address).await.unwrap()
}

/// What comes until the other side closes; a reset closes as well.
async fn rest(mut socket: TcpStream) -> String {
    let mut answer = Vec::new();
    let _ = socket.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

/// The same, while time goes on: what was sent may not have been looked at yet when the first of it passed.
async fn rest_in_time(socket: TcpStream, world: &World, time: &Hourglass, ms: u64) -> String {
    let mut rest = pin!(rest(socket));
    for _ in 0..100 {
        let pass = async {
            healthy(world).await;
            time.pass_ms(ms).await;
        };
        tokio::select! {
            biased;
            answer = &mut rest => return answer,
            () = pass => {}
        }
    }
    panic!("the other side never closes");
}

/// An answer's head, and nothing after it.
async fn head_of(socket: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(socket.read_u8().await.unwrap());
    }
    String::from_utf8_lossy(&head).into_owned()
}

fn post(ada: &Session, body: &str) -> String {
    format!(
        "POST /v1/messages HTTP/1.1\r\nhost: x\r\nconnection: close\r\nanthropic-version: 2023-06-01\r\ncontent-type: application/json\r\nauthorization: Bearer {}\r\ncontent-length: {}\r\n\r\n{body}",
        ada.access_token,
        body.len()
    )
}

fn message(prompt: &str, stream: bool) -> String {
    testkit::actor::message(MODEL, prompt, stream).to_string()
}

/// A round through the process, after which it has seen what was sent to it before.
async fn healthy(world: &World) {
    let answer = Http::new()
        .get(&format!("{}/healthz", world.ops))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn a_connection_that_never_finishes_its_first_request_is_closed() {
    let world = World::start(0).await.unwrap();
    let mut sockets = Vec::new();
    for beginning in [
        "",
        "P",
        "GET / HTTP/1.1\r\n",
        "GET / HTTP/1.1\r\nhost: x\r\nx-half: a he",
        // HTTP/2's first bytes, a part of them and all.
        "PRI * HTTP/2.0\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let mut socket = connect(&world.base).await;
        socket.write_all(beginning.as_bytes()).await.unwrap();
        sockets.push((beginning, socket));
    }
    healthy(&world).await;
    let time = Hourglass::stop();
    for (beginning, socket) in sockets {
        let said = rest_in_time(socket, &world, &time, limits::HEADER_TIME_MS).await;
        assert!(!said.starts_with("HTTP/1.1 2"), "{beginning:?}: {said}");
    }
}

#[tokio::test]
async fn a_connection_that_asks_nothing_more_is_closed() {
    let world = World::start(0).await.unwrap();
    let mut socket = connect(&world.base).await;
    socket
        .write_all(b"GET /protocol HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    socket.read_u8().await.unwrap();
    let time = Hourglass::stop();
    rest_in_time(socket, &world, &time, limits::HEADER_TIME_MS).await;
}

#[tokio::test]
async fn more_connections_than_there_are_places_wait_until_silent_ones_are_closed() {
    let (world, _) = world().await;
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", socket.local_addr().unwrap());
    let listener = Listener {
        socket,
        sites: Sites::one(world.running.wired.router(), None),
        trusted_proxies: [].into(),
        drain: Duration::ZERO,
        bounds: Bounds {
            connections: 20,
            ..Bounds::default()
        },
    };
    let stop = CancellationToken::new();
    let serving = tokio::spawn(listener.serve(stop.clone()));
    let mut silent = Vec::new();
    for _ in 0..50 {
        silent.push(connect(&base).await);
    }
    let mut asks = connect(&base).await;
    asks.write_all(b"GET /protocol HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    let time = Hourglass::stop();
    let answer = tokio::spawn(rest(asks));
    // Twenty at a time: the third lot lets the one that asks in.
    while !answer.is_finished() {
        time.pass_ms(limits::HEADER_TIME_MS).await;
    }
    let answer = answer.await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    for socket in silent {
        rest(socket).await;
    }
    stop.cancel();
    serving.await.unwrap();
}

#[tokio::test]
async fn a_body_that_stops_arriving_is_refused_and_recorded() {
    let (world, ada) = world().await;
    let request = post(&ada, &message("Hello", false));
    let mut socket = connect(&world.base).await;
    socket
        .write_all(&request.as_bytes()[..request.len() - 3])
        .await
        .unwrap();
    healthy(&world).await;
    let time = Hourglass::stop();
    let answer = rest_in_time(socket, &world, &time, limits::BODY_IDLE_MS).await;
    assert!(
        answer.starts_with("HTTP/1.1 408") && answer.contains("body_timeout"),
        "{answer}"
    );
    let metrics = metrics(&world).await;
    assert!(metrics.contains("code=\"body_timeout\"} 1"), "{metrics}");
    assert!(world.first.seen().is_empty());
}

#[tokio::test]
async fn a_body_that_drips_in_time_for_each_byte_still_ends() {
    let (world, ada) = world().await;
    let request = post(&ada, &message("Hello", false));
    let (head, body) = request.split_at(request.find("\r\n\r\n").unwrap() + 4);
    let mut socket = connect(&world.base).await;
    socket.write_all(head.as_bytes()).await.unwrap();
    let time = Hourglass::stop();
    let step_ms = limits::BODY_IDLE_MS * 2 / 3;
    for byte in &body.as_bytes()[..usize::try_from(limits::BODY_TIME_MS / step_ms).unwrap()] {
        socket.write_all(&[*byte]).await.unwrap();
        healthy(&world).await;
        time.pass_ms(step_ms).await;
    }
    let answer = rest_in_time(socket, &world, &time, step_ms).await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
}

#[tokio::test]
async fn a_form_that_never_ends_is_refused() {
    let world = World::start(0).await.unwrap();
    let mut socket = connect(&world.base).await;
    let head = "POST /oauth/token HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 100\r\n\r\ngrant_type=";
    socket.write_all(head.as_bytes()).await.unwrap();
    healthy(&world).await;
    let time = Hourglass::stop();
    let answer = rest_in_time(socket, &world, &time, limits::BODY_IDLE_MS).await;
    assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
}

#[tokio::test]
async fn a_reader_that_stalls_holds_little_and_is_cut() {
    const ANSWER_BYTES: usize = 48 * 1024 * 1024;
    let (world, ada) = world().await;
    world.first.fault_next(Fault::HugeLine(ANSWER_BYTES));
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(64 * 1024).unwrap();
    let address = world.base.strip_prefix("http://").unwrap();
    let mut socket = socket.connect(address.parse().unwrap()).await.unwrap();
    socket
        .write_all(post(&ada, &message("Tell me.", true)).as_bytes())
        .await
        .unwrap();
    let head = head_of(&mut socket).await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let request = head.split("x-request-id: ").nth(1).unwrap();
    let request = request.lines().next().unwrap();
    let time = Hourglass::stop();
    let mut minutes = 0;
    while metric(&world, "doorward_calls_running").await > 0 {
        assert!(minutes < 60, "nobody has cut it");
        time.pass_ms(limits::CLIENT_WRITE_IDLE_MS / 5).await;
        minutes += 1;
    }
    assert!(minutes >= 5, "cut before its time");
    drop(time);
    let outcome = outcome(&world, request).await;
    assert_eq!(outcome["ended"], "client_gone", "{outcome}");
    let got = rest(socket).await;
    assert!(got.len() < ANSWER_BYTES / 2, "{} bytes", got.len());
}

#[tokio::test]
async fn a_reader_that_opens_no_window_is_cut_too() {
    let (world, ada) = world().await;
    let address = world.base.strip_prefix("http://").unwrap();
    let socket = TokioIo::new(TcpStream::connect(address).await.unwrap());
    let (mut client, connection) = hyper::client::conn::http2::Builder::new(TokioExecutor::new())
        .initial_stream_window_size(1_024)
        .handshake(socket)
        .await
        .unwrap();
    let connection = tokio::spawn(connection);
    let body = message("Tell me. [testkit events=2000]", true);
    let request = http::Request::post(format!("{}/v1/messages", world.base))
        .header("authorization", format!("Bearer {}", ada.access_token))
        .header("anthropic-version", "2023-06-01")
        .body(body)
        .unwrap();
    let unread = client.send_request(request).await.unwrap();
    assert_eq!(unread.status(), 200);
    let request = unread.headers()["x-request-id"].to_str().unwrap();
    let time = Hourglass::stop();
    // In steps that leave time to answer pings: the connection lives all the while.
    let mut steps = 0;
    while metric(&world, "doorward_calls_running").await > 0 {
        assert!(steps < 120, "nobody has cut it");
        time.pass_ms(limits::CLIENT_WRITE_IDLE_MS / 30).await;
        steps += 1;
    }
    assert!(steps >= 30, "cut before its time");
    drop(time);
    let outcome = outcome(&world, request).await;
    assert_eq!(outcome["ended"], "client_gone", "{outcome}");
    let _closed = connection.await.unwrap();
}

#[tokio::test]
async fn a_provider_that_falls_silent_is_pinged_over_and_then_given_up() {
    let (world, ada) = world().await;
    world.first.fault_next(Fault::SilenceAfter(6));
    let mut events = ada.actor().stream(MODEL, "Tell me.").await.unwrap();
    let request = events.header("x-request-id").unwrap().to_owned();
    for _ in 0..6 {
        events.next().await.unwrap();
    }
    let time = Hourglass::stop();
    for _ in 0..3 {
        time.pass_ms(limits::PING_AFTER_MS).await;
        assert_eq!(events.next().await.unwrap().unwrap().name, "ping");
    }
    time.pass_ms(limits::UPSTREAM_IDLE_MS).await;
    let (rest, _) = events.until_end().await;
    let last = rest.last().unwrap();
    assert_eq!(last.name, "error");
    assert_eq!(last.json()["error"]["type"], "timeout_error");
    drop(time);
    let outcome = outcome(&world, &request).await;
    assert_eq!(outcome["ended"], "upstream_cut", "{outcome}");
    assert_eq!(outcome["code"], "upstream_timeout", "{outcome}");
}

#[tokio::test]
async fn a_client_that_leaves_a_silent_provider_does_not_hold_the_call() {
    let (world, ada) = world().await;
    world.first.fault_next(Fault::SilenceAfter(6));
    let mut events = ada.actor().stream(MODEL, "Tell me.").await.unwrap();
    let request = events.header("x-request-id").unwrap().to_owned();
    for _ in 0..6 {
        events.next().await.unwrap();
    }
    drop(events);
    let time = Hourglass::stop();
    while metric(&world, "doorward_calls_running").await > 0 {
        time.pass_ms(limits::DRAIN_AFTER_DISCONNECT_MS).await;
    }
    drop(time);
    let outcome = outcome(&world, &request).await;
    assert_eq!(outcome["ended"], "client_gone", "{outcome}");
    assert_eq!(outcome["estimated"], true, "{outcome}");
    assert!(outcome["usage"]["input_tokens"].as_u64().unwrap() > 0);
}

#[tokio::test]
async fn providers_that_never_answer_are_each_given_up_in_turn() {
    let (world, ada) = world().await;
    world.first.fault(Fault::Hang);
    world.second.fault(Fault::Hang);
    let mut socket = connect(&world.base).await;
    socket
        .write_all(post(&ada, &message("Hello", false)).as_bytes())
        .await
        .unwrap();
    world.first.wait_for(1).await.unwrap();
    let time = Hourglass::stop();
    time.pass_ms(limits::UPSTREAM_HEADERS_MS).await;
    world.second.wait_for(1).await.unwrap();
    time.pass_ms(limits::UPSTREAM_HEADERS_MS).await;
    let answer = rest(socket).await;
    assert!(
        answer.starts_with("HTTP/1.1 504") && answer.contains("upstream_timeout"),
        "{answer}"
    );
}

/// A provider that begins an error and never ends it; tells when it has.
async fn half_an_error() -> (String, Arc<Notify>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let begun = Arc::new(Notify::new());
    let tells = Arc::clone(&begun);
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut head = [0; 64];
            let _ = socket.read(&mut head).await;
            let error = b"HTTP/1.1 500 Broken\r\ncontent-length: 1000\r\n\r\n{\"type\":";
            let _ = socket.write_all(error).await;
            open.push(socket);
            tells.notify_one();
        }
    });
    (url, begun)
}

#[tokio::test]
async fn an_error_that_never_ends_is_judged_by_its_status() {
    let mut stage = Stage::set(0).await.unwrap();
    let (url, begun) = half_an_error().await;
    stage.config.upstreams[0].base_url = Some(url);
    let running = start(&stage.config).await.unwrap();
    let world = World { stage, running };
    let ada = device_sign_in(&world.base, "ada").await.unwrap();
    let mut socket = connect(&world.base).await;
    socket
        .write_all(post(&ada, &message("Hello", false)).as_bytes())
        .await
        .unwrap();
    begun.notified().await;
    let time = Hourglass::stop();
    let answer = tokio::spawn(rest(socket));
    while !answer.is_finished() {
        healthy(&world).await;
        time.pass_ms(limits::UPSTREAM_ERROR_MS).await;
    }
    let answer = answer.await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(world.second.seen().len(), 1);
}
