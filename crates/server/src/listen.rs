//! Sockets: accepting, TLS, limits on what a peer may send before we know it, the client's address, and draining.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use domain::limits;
use gateway::ClientAddress;
use http::{HeaderMap, Request, Response, Version};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use ipnet::IpNet;
use rustls::server::Acceptor;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_rustls::LazyConfigAcceptor;
use tokio_util::sync::CancellationToken;
use tower::Service as _;
use tracing::Instrument as _;

use crate::asking::Asking;
use crate::heard::Unheard;
use crate::patient::{Patient, Spoken};
use crate::places::Places;
use crate::sites::{Shown, Sites};
use crate::unread::Unread;

/// How much of one listener its clients may take.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Time to connect, agree on TLS and send a request's head; then the connection closes.
    pub head: Duration,
    /// Time to leave our bytes unread; then the connection closes.
    pub write_idle: Duration,
    /// Open connections; beyond it new ones wait in the kernel's queue.
    pub connections: usize,
    /// Open connections of one address; beyond it new ones are closed. Trusted proxies are not bounded.
    pub per_address: usize,
    /// Time for HTTP/2 to go without a request; then the connection closes.
    pub idle: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            head: Duration::from_millis(limits::HEADER_TIME_MS),
            write_idle: Duration::from_millis(limits::CLIENT_WRITE_IDLE_MS),
            connections: limits::CONNECTIONS_MAX,
            per_address: limits::CONNECTIONS_PER_ADDRESS_MAX,
            idle: Duration::from_millis(limits::CONNECTION_IDLE_MS),
        }
    }
}

/// Files and sockets that are not a client's or its provider's: store, ledger, sinks, identity providers.
const FILES_OF_OUR_OWN: u64 = 256;
/// The same of each further organisation: nine connections to a SQLite database of three files, and the rest.
const FILES_OF_AN_ORG: u64 = 64;

impl Bounds {
    /// The usual bounds, in a process of so many organisations that may have so many files and sockets open. Each client may need
    /// one to its provider.
    pub fn within(open_files: u64, orgs: usize) -> Self {
        let usual = Self::default();
        let others = u64::try_from(orgs.saturating_sub(1)).unwrap_or(u64::MAX);
        let our_own = FILES_OF_OUR_OWN.saturating_add(others.saturating_mul(FILES_OF_AN_ORG));
        let connections = open_files.saturating_sub(our_own) / 2;
        let connections = usize::try_from(connections).unwrap_or(usize::MAX);
        let connections = usual.connections.min(connections.max(1));
        Self {
            connections,
            per_address: usual.per_address.min(connections.div_ceil(4)),
            ..usual
        }
    }
}

/// One listener.
#[derive(Debug)]
pub struct Listener {
    /// The socket.
    pub socket: TcpListener,
    /// What it serves, and whether over TLS.
    pub sites: Arc<Sites>,
    /// Proxies whose word about the client's address counts.
    pub trusted_proxies: Arc<[IpNet]>,
    /// How long streams may go on after the order to stop.
    pub drain: Duration,
    /// What its clients may take.
    pub bounds: Bounds,
}

impl Listener {
    /// Serves until told to stop, then lets what is open end, for a while.
    pub async fn serve(self, stop: CancellationToken) {
        let of_each = Places::new(self.bounds.per_address);
        let places = Arc::new(Semaphore::new(self.bounds.connections));
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else {
                break;
            };
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                accepted = self.socket.accept() => accepted,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of file handles, most likely: existing connections go on, new ones wait.
                    tracing::warn!(error = %error, "a connection cannot be accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            };
            let address = peer.ip().to_canonical();
            let is_proxy = self
                .trusted_proxies
                .iter()
                .any(|net| net.contains(&address));
            let of_address = if is_proxy {
                None
            } else {
                match of_each.take(address) {
                    Some(place) => Some(place),
                    None => continue,
                }
            };
            let service = Served {
                sites: Arc::clone(&self.sites),
                shown: None,
                peer,
                trusted: Arc::clone(&self.trusted_proxies),
                spoken: Spoken::default(),
                unheard: Unheard::default(),
                unread: Unread::default(),
                asking: Asking::default(),
            };
            let (bounds, stop) = (self.bounds, stop.clone());
            tokio::spawn(async move {
                let _places = (place, of_address);
                connection(stream, service, stop, bounds).await;
            });
        }
        drop(self.socket);
        let all = u32::try_from(self.bounds.connections).unwrap_or(u32::MAX);
        tokio::select! {
            _ = places.acquire_many(all) => tracing::info!("every connection has ended"),
            () = tokio::time::sleep(self.drain) => tracing::warn!("the time to drain is over; open streams are cut"),
        }
    }
}

#[derive(Clone)]
struct Served {
    sites: Arc<Sites>,
    shown: Option<Shown>,
    peer: SocketAddr,
    trusted: Arc<[IpNet]>,
    spoken: Spoken,
    unheard: Unheard,
    unread: Unread,
    asking: Asking,
}

impl Served {
    async fn answer(self, mut request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
        self.spoken.note();
        let address = client_address(
            self.peer.ip().to_canonical(),
            request.headers(),
            &self.trusted,
        );
        request.extensions_mut().insert(ClientAddress(address));
        let site = match self.sites.of(&request, self.shown.as_ref()) {
            Ok(site) => site,
            Err(refused) => return Ok(*refused),
        };
        let mut router = site.router.clone();
        let shares_its_connection = request.version() == Version::HTTP_2;
        if !shares_its_connection {
            let answer = router.call(request.map(|body| Body::new(self.unheard.watch(body))));
            return answer.instrument(site.span.clone()).await;
        }
        let asked = self.asking.begin();
        let answer = router.call(request.map(Body::new));
        let response = answer.instrument(site.span.clone()).await?;
        Ok(response.map(|body| asked.until_the_end_of(self.unread.watch(body))))
    }
}

async fn connection(
    stream: TcpStream,
    mut service: Served,
    stop: CancellationToken,
    bounds: Bounds,
) {
    let head_by = Instant::now() + bounds.head;
    // Whoever connects and says nothing is not waited for, and costs no more than this.
    let spoke = tokio::time::timeout_at(head_by, stream.readable()).await;
    if !matches!(spoke, Ok(Ok(()))) || stream.set_nodelay(true).is_err() {
        return;
    }
    let seen = (service.spoken.clone(), service.unheard.clone());
    let stream = Patient::new(stream, seen, head_by, bounds.write_idle);
    if !service.sites.speaks_tls() {
        return speak(stream, service, stop, bounds).await;
    }
    // The client says whom it means before we say who we are.
    let Ok(hello) = LazyConfigAcceptor::new(Acceptor::default(), stream).await else {
        return;
    };
    let Some(greeting) = service.sites.greet(hello.client_hello().server_name()) else {
        return tracing::debug!("an organisation holds as many connections as it may");
    };
    if let Ok(stream) = hello.into_stream(greeting.settings).await {
        service.shown = greeting.shown;
        speak(stream, service, stop, bounds).await;
    }
}

async fn speak<S>(stream: S, service: Served, stop: CancellationToken, bounds: Bounds)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(bounds.head)
        .max_headers(limits::HEADERS_MAX)
        .max_buf_size(limits::HEAD_BYTES_MAX)
        .half_close(false);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(limits::HEAD_BYTES_MAX).unwrap_or(u32::MAX))
        .max_concurrent_streams(256)
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(20));
    let (unread, asking) = (service.unread.clone(), service.asking.clone());
    let answer = service_fn(move |request| service.clone().answer(request));
    let connection = builder
        .serve_connection_with_upgrades(TokioIo::new(stream), answer)
        .into_owned();
    let mut connection = pin!(connection);
    let mut leaving = false;
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(error = %error, "a connection ended early");
                }
                return;
            }
            () = unread.given_up(bounds.write_idle) => {
                return tracing::debug!("a connection is left unread");
            }
            () = stop.cancelled(), if !leaving => {}
            () = asking.idle_for(bounds.idle), if !leaving => {}
            () = asking.idle_for(bounds.idle + bounds.head), if leaving => {
                return tracing::debug!("a connection was told to go and stayed");
            }
        }
        // What is under way ends first; HTTP/2 learns that nothing new is taken.
        leaving = true;
        connection.as_mut().graceful_shutdown();
    }
}

/// Entries of `x-forwarded-for` that are looked at, from the end; a chain of more trusted proxies than this has no client.
const FORWARDED_MAX: usize = 32;

/// The client's own address: the last one in `x-forwarded-for` that no trusted proxy has, when the peer is a trusted proxy; else
/// the peer's. None when what the trusted proxies say cannot be read: the proxy's own address would be a lie that lets a stranger
/// pass for an inner network.
fn client_address(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> Option<IpAddr> {
    let is_trusted = |address: &IpAddr| trusted.iter().any(|net| net.contains(address));
    if !is_trusted(&peer) {
        return Some(peer);
    }
    // As bytes: what a stranger wrote before a comma must not hide what the proxy wrote after it.
    let stated: Vec<&[u8]> = headers
        .get_all("x-forwarded-for")
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .collect();
    let mut client = peer;
    for (index, entry) in stated.iter().rev().enumerate() {
        if index == FORWARDED_MAX {
            return None;
        }
        client = forwarded_entry(entry)?;
        if !is_trusted(&client) {
            break;
        }
    }
    Some(client)
}

/// `ip`, `ip:port` (as Azure Application Gateway writes it), `[v6]` or `[v6]:port`.
fn forwarded_entry(entry: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(entry).ok()?.trim();
    let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']'));
    let address = text
        .parse::<IpAddr>()
        .or_else(|_| text.parse::<SocketAddr>().map(|socket| socket.ip()))
        .ok()
        .or_else(|| bare?.parse::<Ipv6Addr>().ok().map(IpAddr::V6))?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(peer: &str, forwarded: &[&[u8]], client: Option<&str>) {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append(
                "x-forwarded-for",
                http::HeaderValue::from_bytes(value).unwrap(),
            );
        }
        let trusted = ["10.0.0.0/8".parse().unwrap()];
        let found = client_address(peer.parse().unwrap(), &headers, &trusted);
        let client = client.map(|text| text.parse::<IpAddr>().unwrap());
        assert_eq!(found, client, "{peer} {forwarded:?}");
    }

    #[test]
    fn an_address_is_believed_only_from_a_trusted_proxy() {
        check("203.0.113.9", &[b"1.2.3.4"], Some("203.0.113.9"));
        check("10.0.0.1", &[b"1.2.3.4"], Some("1.2.3.4"));
        check(
            "10.0.0.1",
            &[b"6.6.6.6, 1.2.3.4, 10.0.0.2"],
            Some("1.2.3.4"),
        );
        check("10.0.0.1", &[b"6.6.6.6", b"1.2.3.4"], Some("1.2.3.4"));
        check("10.0.0.1", &[], Some("10.0.0.1"));
        check("10.0.0.1", &[b"::ffff:1.2.3.4"], Some("1.2.3.4"));
    }

    #[test]
    fn what_a_stranger_wrote_does_not_hide_what_the_proxy_appended() {
        check("10.0.0.1", &[b"\xff, 203.0.113.7"], Some("203.0.113.7"));
        check("10.0.0.1", &[b"\xff,203.0.113.7"], Some("203.0.113.7"));
        check("10.0.0.1", &[b"\xff", b"203.0.113.7"], Some("203.0.113.7"));
        check(
            "10.0.0.1",
            &[b"nonsense, 203.0.113.7, 10.0.0.2"],
            Some("203.0.113.7"),
        );
    }

    #[test]
    fn the_port_that_a_proxy_appends_is_passed_over() {
        check("10.0.0.1", &[b"203.0.113.7:52114"], Some("203.0.113.7"));
        check("10.0.0.1", &[b"[2001:db8::1]:443"], Some("2001:db8::1"));
        check("10.0.0.1", &[b"[2001:db8::1]"], Some("2001:db8::1"));
        check(
            "10.0.0.1",
            &[b"203.0.113.7, 10.0.0.2:80"],
            Some("203.0.113.7"),
        );
    }

    #[test]
    fn an_entry_of_the_proxy_that_cannot_be_read_is_no_address_rather_than_the_proxys() {
        for unreadable in [
            &b"nonsense"[..],
            b"\xff",
            b"unknown",
            b"",
            b"203.0.113.7,",
            b"203.0.113.7:99999",
            b"[203.0.113.7]",
            b"nonsense, 10.0.0.2",
        ] {
            check("10.0.0.1", &[unreadable], None);
        }
        let long = ["10.0.0.2"; FORWARDED_MAX + 1].join(",");
        check("10.0.0.1", &[long.as_bytes()], None);
    }

    #[test]
    fn connections_leave_files_for_the_store_and_the_ledger() {
        for (open_files, orgs, connections) in [
            (0, 1, 1),
            (1_024, 1, 384),
            (2_048, 14, 480),
            (20_256, 1, limits::CONNECTIONS_MAX),
            (u64::MAX, 100, limits::CONNECTIONS_MAX),
        ] {
            let bounds = Bounds::within(open_files, orgs);
            assert_eq!(bounds.connections, connections);
            assert_eq!(bounds.per_address, connections.div_ceil(4));
        }
    }
}
