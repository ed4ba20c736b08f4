//! Who may hold a listener's places, and for how long: one address not all of them, and nobody for nothing.

use std::net::SocketAddr;
use std::time::Duration;

use domain::limits;
use hyper_util::rt::{TokioExecutor, TokioIo};
use server::demo::world::World;
use server::listen::{Bounds, Listener};
use server::sites::Sites;
use testkit::{Fault, device_sign_in};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_util::sync::CancellationToken;

use crate::hourglass::Hourglass;
use crate::watch::metric;

type Client = hyper::client::conn::http2::SendRequest<String>;

/// An HTTP/2 connection, which answers pings by itself, and its end.
async fn http2(world: &World) -> (Client, tokio::task::JoinHandle<hyper::Result<()>>) {
    let address = world.base.strip_prefix("http://").unwrap();
    let socket = TokioIo::new(TcpStream::connect(address).await.unwrap());
    let (client, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), socket)
        .await
        .unwrap();
    (client, tokio::spawn(connection))
}

#[tokio::test]
async fn a_connection_that_only_answers_pings_is_closed() {
    let world = World::start(0).await.unwrap();
    let (mut client, connection) = http2(&world).await;
    let request = http::Request::get(format!("{}/protocol", world.base));
    let answer = client
        .send_request(request.body(String::new()).unwrap())
        .await;
    assert_eq!(answer.unwrap().status(), 200);
    let time = Hourglass::stop();
    let mut steps = 0;
    while !connection.is_finished() {
        assert!(steps < 60, "nobody has closed it");
        time.pass_ms(limits::CONNECTION_IDLE_MS / 20).await;
        // A round through the process, in which pings are answered.
        metric(&world, "doorward_calls_running").await;
        steps += 1;
    }
    assert!(steps >= 20, "closed before its time");
    drop(client);
}

#[tokio::test]
async fn a_connection_with_a_stream_under_way_is_not_idle() {
    let world = World::start(0).await.unwrap();
    let ada = device_sign_in(&world.base, "ada").await.unwrap();
    world.first.fault_next(Fault::SilenceAfter(6));
    let (mut client, connection) = http2(&world).await;
    let body = testkit::actor::message("claude-sonnet-5-5", "Tell me.", true).to_string();
    let request = http::Request::post(format!("{}/v1/messages", world.base))
        .header("authorization", format!("Bearer {}", ada.access_token))
        .header("anthropic-version", "2023-06-01")
        .body(body)
        .unwrap();
    let mut answer = client.send_request(request).await.unwrap().into_body();
    let reading = tokio::spawn(async move {
        while let Some(Ok(_)) = std::future::poll_fn(|context| {
            http_body::Body::poll_frame(std::pin::Pin::new(&mut answer), context)
        })
        .await
        {}
    });
    let time = Hourglass::stop();
    let longer = limits::UPSTREAM_IDLE_MS - 15_000;
    assert!(longer > limits::CONNECTION_IDLE_MS + limits::HEADER_TIME_MS);
    for _ in 0..20 {
        time.pass_ms(longer / 20).await;
        metric(&world, "doorward_calls_running").await;
    }
    assert!(!connection.is_finished() && !reading.is_finished());
    drop(client);
}

async fn from(address: &str, to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket
        .bind(format!("{address}:0").parse().unwrap())
        .unwrap();
    socket.connect(to).await.unwrap()
}

async fn is_served(socket: &mut TcpStream) -> bool {
    let asks = b"GET /protocol HTTP/1.1\r\nhost: x\r\n\r\n";
    let mut answer = [0; 12];
    socket.write_all(asks).await.is_ok()
        && socket.read_exact(&mut answer).await.is_ok()
        && answer == *b"HTTP/1.1 200"
}

async fn listener(world: &World, proxies: &[&str]) -> (SocketAddr, CancellationToken) {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let listener = Listener {
        socket,
        sites: Sites::one(world.running.wired.router(), None),
        trusted_proxies: proxies.iter().map(|net| net.parse().unwrap()).collect(),
        drain: Duration::ZERO,
        bounds: Bounds {
            per_address: 3,
            ..Bounds::default()
        },
    };
    let stop = CancellationToken::new();
    tokio::spawn(listener.serve(stop.clone()));
    (address, stop)
}

#[tokio::test]
async fn one_address_holds_so_many_connections_and_others_still_come_in() {
    let world = World::start(0).await.unwrap();
    let (door, stop) = listener(&world, &[]).await;
    let mut held = Vec::new();
    for _ in 0..3 {
        let mut socket = from("127.0.0.1", door).await;
        assert!(is_served(&mut socket).await);
        held.push(socket);
    }
    let mut further = from("127.0.0.1", door).await;
    assert!(!is_served(&mut further).await, "one more than it may");
    let mut other = from("127.0.0.2", door).await;
    assert!(is_served(&mut other).await);
    // Who leaves makes room.
    held.pop();
    while !is_served(&mut from("127.0.0.1", door).await).await {
        tokio::task::yield_now().await;
    }
    stop.cancel();
}

#[tokio::test]
async fn a_trusted_proxy_brings_as_many_as_there_are_places() {
    let world = World::start(0).await.unwrap();
    let (door, stop) = listener(&world, &["127.0.0.0/8"]).await;
    let mut held = Vec::new();
    for _ in 0..10 {
        let mut socket = from("127.0.0.1", door).await;
        assert!(is_served(&mut socket).await);
        held.push(socket);
    }
    stop.cancel();
}
