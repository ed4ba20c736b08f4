//! Connections to providers: kept alive, HTTP/1.1 and HTTP/2, small writes sent at once.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper_rustls::{ConfigBuilderExt as _, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

/// How long a connection may take to stand.
const CONNECT_MS: u64 = 10_000;
/// How long an unused connection is kept.
const KEEP_IDLE_MS: u64 = 60_000;
/// Unused connections kept for each provider.
const KEEP_IDLE_MAX: usize = 256;

/// A client for requests whose body is at hand.
pub type HttpClient = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// The system's trusted certificates cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the system's trusted certificates cannot be read")]
pub struct NoTrustStore(#[source] std::io::Error);

/// A client that trusts what the system trusts.
pub fn connect() -> Result<HttpClient, NoTrustStore> {
    let mut tcp = HttpConnector::new();
    tcp.set_nodelay(true);
    tcp.enforce_http(false);
    tcp.set_connect_timeout(Some(Duration::from_millis(CONNECT_MS)));
    tcp.set_keepalive(Some(Duration::from_secs(30)));
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has suites for TLS 1.2 and 1.3")
        .with_native_roots()
        .map_err(NoTrustStore)?
        .with_no_client_auth();
    let https = HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http()
        .enable_all_versions()
        .wrap_connector(tcp);
    Ok(Client::builder(TokioExecutor::new())
        .pool_idle_timeout(Duration::from_millis(KEEP_IDLE_MS))
        .pool_max_idle_per_host(KEEP_IDLE_MAX)
        .pool_timer(TokioTimer::new())
        .timer(TokioTimer::new())
        .build(https))
}
