//! The one HTTP client for documents of identity providers, directory and metadata services, and for connectors, whose answers stream.
//!
//! It must never follow a redirect, hold more than [`limits::FETCH_BYTES_MAX`], wait longer than [`limits::FETCH_TIME_MS`], speak
//! plain HTTP beyond loopback, or reach link-local and metadata addresses for a URL that an operator or a document named, or anything but
//! the public Internet for one that a stranger named. It takes no URL from a token. Called by `identity`, by sign-in for the code exchange
//! and for the documents of programs, by `upstream` for cloud tokens, and by the connectors' door, which bounds what it reads of a stream
//! itself.

use std::fmt;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use domain::limits;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use tower::Service;
use url::{Host, Url};

/// Where a client may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// `https` anywhere but link-local and metadata addresses; `http` on loopback only.
    Operator,
    /// The machine's own metadata service (IMDS and its like): also link-local addresses, also by `http`.
    Metadata,
    /// `https` to addresses of the public Internet alone, for URLs that strangers name.
    Public,
    /// Like [`Reach::Operator`], but `http` anywhere. Whoever sits on the way can then mint identities.
    DangerousPlainHttp,
}

/// Why there is no document.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The URL is not one, or has no host.
    #[error("the URL cannot be used")]
    BadUrl,
    /// Plain HTTP to something else than this machine.
    #[error("plain http to {0} is not allowed; use https")]
    PlainHttp(String),
    /// A link-local, metadata or otherwise impossible address.
    #[error("{0} is an address that may not be asked")]
    ForbiddenAddress(String),
    /// The CA certificates given are not PEM, or hold no certificate.
    #[error("the CA certificates cannot be read as PEM")]
    BadCa,
    /// TLS could not be set up on this machine.
    #[error("TLS cannot be set up")]
    Tls(#[source] rustls::Error),
    /// No answer in time.
    #[error("{0} did not answer in time")]
    Timeout(String),
    /// No connection, or it broke.
    #[error("{0} could not be reached")]
    Connect(String, #[source] Box<dyn std::error::Error + Send + Sync>),
    /// More bytes than we read.
    #[error("{0} answered with more than {max} bytes", max = limits::FETCH_BYTES_MAX)]
    TooLarge(String),
    /// Another status than 200; a redirect is one too.
    #[error("{host} answered with status {status}")]
    Status {
        /// Who answered.
        host: String,
        /// With what.
        status: StatusCode,
    },
    /// Not the JSON object that was asked for.
    #[error("{0} answered with something that is not the JSON expected")]
    NotJson(String),
}

impl FetchError {
    /// The error and its causes in one line, for logs and `/readyz`. Holds host names and no content.
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }
}

/// A whole answer.
#[derive(Debug)]
pub struct Fetched {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, at most [`limits::FETCH_BYTES_MAX`] bytes.
    pub body: Bytes,
}

/// A request to send.
#[derive(Debug)]
pub struct Ask<'a> {
    method: Method,
    url: &'a Url,
    headers: HeaderMap,
    body: Bytes,
}

impl<'a> Ask<'a> {
    /// A GET that accepts JSON.
    pub fn get(url: &'a Url) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        Self {
            method: Method::GET,
            url,
            headers,
            body: Bytes::new(),
        }
    }

    /// A POST of form fields.
    pub fn post_form(url: &'a Url, fields: &[(&str, &str)]) -> Self {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(fields);
        Self::post(
            url,
            "application/x-www-form-urlencoded",
            form.finish().into(),
        )
    }

    /// A POST of JSON.
    pub fn post_json(url: &'a Url, body: &Value) -> Self {
        Self::post(url, "application/json", body.to_string().into())
    }

    fn post(url: &'a Url, content_type: &'static str, body: Bytes) -> Self {
        let mut ask = Self::get(url);
        ask.method = Method::POST;
        ask.headers
            .insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        ask.body = body;
        ask
    }

    /// The same request with a header; one that cannot be sent is left out.
    #[must_use]
    pub fn header(mut self, name: http::HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
        self
    }

    /// The same request with a bearer token, marked so that it is not printed.
    #[must_use]
    pub fn bearer(self, token: &SecretString) -> Self {
        self.authorized(&SecretString::from(format!(
            "Bearer {}",
            token.expose_secret()
        )))
    }

    /// The same request with this whole credential, marked so that it is not printed.
    #[must_use]
    pub fn authorized(mut self, credential: &SecretString) -> Self {
        if let Ok(mut value) = HeaderValue::from_str(credential.expose_secret()) {
            value.set_sensitive(true);
            self.headers.insert(header::AUTHORIZATION, value);
        }
        self
    }
}

/// The client. Cloning shares its connections.
#[derive(Clone)]
pub struct Fetch {
    client: Client<HttpsConnector<HttpConnector<Guard>>, Full<Bytes>>,
    reach: Reach,
}

impl fmt::Debug for Fetch {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Fetch")
            .field("reach", &self.reach)
            .finish_non_exhaustive()
    }
}

impl Fetch {
    /// A client that trusts this machine's roots and, beside them, the certificates of `extra_ca_pem`.
    pub fn new(reach: Reach, extra_ca_pem: Option<&str>) -> Result<Self, FetchError> {
        Self::keeping(reach, extra_ca_pem, 2)
    }

    /// The same, which keeps so many unused connections to each host.
    pub fn keeping(
        reach: Reach,
        extra_ca_pem: Option<&str>,
        idle_max: usize,
    ) -> Result<Self, FetchError> {
        let mut connector = HttpConnector::new_with_resolver(Guard {
            inner: GaiResolver::new(),
            reach,
        });
        connector.set_nodelay(true);
        connector.enforce_http(false);
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls_config(extra_ca_pem)?)
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(30))
            .pool_max_idle_per_host(idle_max)
            .build(connector);
        Ok(Self { client, reach })
    }

    /// Sends a request, and gives the answer's head and its body as it comes. A redirect is an answer like any other. The URL is looked
    /// at as for every other request; `headers_ms` bounds the time until the head is there.
    pub async fn stream(
        &self,
        url: &Url,
        mut request: http::Request<Full<Bytes>>,
        headers_ms: u64,
    ) -> Result<http::Response<hyper::body::Incoming>, FetchError> {
        check_url(url, self.reach)?;
        let host = url.host_str().unwrap_or_default();
        *request.uri_mut() = url.as_str().parse().map_err(|_| FetchError::BadUrl)?;
        let answered = self.client.request(request);
        tokio::time::timeout(Duration::from_millis(headers_ms), answered)
            .await
            .map_err(|_| FetchError::Timeout(host.to_owned()))?
            .map_err(|error| FetchError::Connect(host.to_owned(), Box::new(error)))
    }

    /// Sends a request and reads the whole answer, whatever its status.
    pub async fn send(&self, ask: Ask<'_>) -> Result<Fetched, FetchError> {
        check_url(ask.url, self.reach)?;
        let host = ask.url.host_str().unwrap_or_default().to_owned();
        let mut request = http::Request::new(Full::new(ask.body));
        *request.method_mut() = ask.method;
        *request.uri_mut() = ask.url.as_str().parse().map_err(|_| FetchError::BadUrl)?;
        *request.headers_mut() = ask.headers;
        let answer = async {
            let response = self
                .client
                .request(request)
                .await
                .map_err(|error| FetchError::Connect(host.clone(), Box::new(error)))?;
            let (parts, body) = response.into_parts();
            let body = Limited::new(body, limits::FETCH_BYTES_MAX)
                .collect()
                .await
                .map_err(|error| {
                    if error.is::<LengthLimitError>() {
                        FetchError::TooLarge(host.clone())
                    } else {
                        FetchError::Connect(host.clone(), error)
                    }
                })?;
            Ok(Fetched {
                status: parts.status,
                headers: parts.headers,
                body: body.to_bytes(),
            })
        };
        tokio::time::timeout(Duration::from_millis(limits::FETCH_TIME_MS), answer)
            .await
            .unwrap_or_else(|_| Err(FetchError::Timeout(host.clone())))
    }

    /// Sends a request that must be answered with status 200, and returns the body.
    pub async fn body(&self, ask: Ask<'_>) -> Result<Bytes, FetchError> {
        let host = ask.url.host_str().unwrap_or_default().to_owned();
        let answer = self.send(ask).await?;
        if answer.status == StatusCode::OK {
            Ok(answer.body)
        } else {
            Err(FetchError::Status {
                host,
                status: answer.status,
            })
        }
    }

    /// Sends a request that must be answered with status 200 and JSON.
    pub async fn json(&self, ask: Ask<'_>) -> Result<Value, FetchError> {
        let host = ask.url.host_str().unwrap_or_default().to_owned();
        let body = self.body(ask).await?;
        serde_json::from_slice(&body).map_err(|_| FetchError::NotJson(host))
    }
}

fn tls_config(extra_ca_pem: Option<&str>) -> Result<ClientConfig, FetchError> {
    let mut roots = RootCertStore::empty();
    let native = rustls_native_certs::load_native_certs();
    let (added, _) = roots.add_parsable_certificates(native.certs);
    if let Some(pem) = extra_ca_pem {
        let before = roots.len();
        for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            let certificate = certificate.map_err(|_| FetchError::BadCa)?;
            roots.add(certificate).map_err(|_| FetchError::BadCa)?;
        }
        if roots.len() == before {
            return Err(FetchError::BadCa);
        }
    } else if added == 0 {
        tracing::warn!(
            "this machine has no trusted roots: https to identity providers will fail without ca_pem"
        );
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(FetchError::Tls)?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

/// Whether a client of this reach may ask this URL, as far as the URL alone tells. Names are checked again when they resolve.
pub fn check_url(url: &Url, reach: Reach) -> Result<(), FetchError> {
    let host = url.host().ok_or(FetchError::BadUrl)?;
    let address = match host {
        Host::Ipv4(address) => Some(IpAddr::V4(address)),
        Host::Ipv6(address) => Some(IpAddr::V6(address)),
        Host::Domain(_) => None,
    };
    if let Some(address) = address
        && !may_connect(address, reach)
    {
        return Err(FetchError::ForbiddenAddress(address.to_string()));
    }
    let loopback = address.map_or_else(
        || host == Host::Domain("localhost"),
        |address| plain(address).is_loopback(),
    );
    match url.scheme() {
        "https" => Ok(()),
        "http" if reach == Reach::Public => Err(FetchError::PlainHttp(host.to_string())),
        "http" if loopback || reach == Reach::DangerousPlainHttp => Ok(()),
        "http" if reach == Reach::Metadata && address.is_some_and(is_metadata) => Ok(()),
        "http" => Err(FetchError::PlainHttp(host.to_string())),
        _ => Err(FetchError::BadUrl),
    }
}

/// The address behind an IPv4-mapped, IPv4-compatible or NAT64 IPv6 address; any other as it is.
fn plain(address: IpAddr) -> IpAddr {
    let IpAddr::V6(six) = address else {
        return address;
    };
    let [head @ .., high, low] = six.segments();
    let four = Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match head {
        [0, 0, 0, 0, 0, 0xffff] | [0x64, 0xff9b, 0, 0, 0, 0] => IpAddr::V4(four),
        [0, 0, 0, 0, 0, 0] if high != 0 => IpAddr::V4(four),
        _ => address,
    }
}

/// Addresses where clouds serve credentials to whoever asks from the machine, and the rest of link-local.
fn is_metadata(address: IpAddr) -> bool {
    const AWS: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);
    match plain(address) {
        // Azure's wire server and Alibaba's metadata service lie outside the link-local block.
        IpAddr::V4(four) => {
            four.is_link_local()
                || matches!(four.octets(), [168, 63, 129, 16] | [100, 100, 100, 200])
        }
        IpAddr::V6(six) => six.is_unicast_link_local() || six == AWS,
    }
}

fn may_connect(address: IpAddr, reach: Reach) -> bool {
    let address = plain(address);
    let unusable = address.is_unspecified()
        || address.is_multicast()
        || matches!(address, IpAddr::V4(four) if four.is_broadcast() || four.octets()[0] == 0);
    !unusable
        && match reach {
            Reach::Metadata => true,
            Reach::Public => is_public(address),
            Reach::Operator | Reach::DangerousPlainHttp => !is_metadata(address),
        }
}

/// Whether an address is one of the public Internet (IANA's special-purpose registries): nobody's own network, no machine of ours.
fn is_public(address: IpAddr) -> bool {
    match plain(address) {
        IpAddr::V4(four) => {
            let [first, second, third, _] = four.octets();
            !(four.is_private()
                || four.is_loopback()
                || four.is_link_local()
                || four.is_documentation()
                || is_metadata(address)
                || matches!(
                    (first, second, third),
                    (0 | 240..=255, _, _)
                        | (100, 64..=127, _)
                        | (192, 0, 0)
                        | (192, 88, 99)
                        | (198, 18..=19, _)
                ))
        }
        // What is given out is 2000::/3; in it stand tunnels that hold other addresses, and what is for tests and texts.
        IpAddr::V6(six) => {
            let [first, second, ..] = six.segments();
            first & 0xe000 == 0x2000
                && first != 0x2002
                && !(first == 0x2001 && (second < 0x200 || second == 0xdb8))
                && first != 0x3fff
        }
    }
}

/// Resolves names and leaves out what may not be connected to, so that a name cannot lead where an address may not.
#[derive(Clone)]
struct Guard {
    inner: GaiResolver,
    reach: Reach,
}

#[derive(Debug, thiserror::Error)]
#[error("the name resolves to no address that may be asked")]
struct NoAllowedAddress;

impl Service<Name> for Guard {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = Box<dyn std::error::Error + Send + Sync>;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let reach = self.reach;
        let local = name.as_str() == "localhost";
        let resolving = self.inner.call(name);
        Box::pin(async move {
            let allowed = allowed(resolving.await?, local, reach);
            if allowed.is_empty() {
                Err(NoAllowedAddress.into())
            } else {
                Ok(allowed.into_iter())
            }
        })
    }
}

/// Of the addresses that a name has at this very moment those that may be asked: the connection is made to one of them and to no other,
/// so a name that is pointed elsewhere between two looks gains nothing.
fn allowed(
    found: impl Iterator<Item = SocketAddr>,
    is_localhost: bool,
    reach: Reach,
) -> Vec<SocketAddr> {
    let fits = |ip: IpAddr| may_connect(ip, reach) && (!is_localhost || ip.is_loopback());
    found.filter(|address| fits(address.ip())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(url: &str, reach: Reach, allowed: bool) {
        let url: Url = url.parse().unwrap();
        assert_eq!(check_url(&url, reach).is_ok(), allowed, "{url} {reach:?}");
    }

    #[test]
    fn plain_http_stays_on_this_machine() {
        for url in [
            "http://127.0.0.1:9/x",
            "http://[::1]/",
            "http://localhost:8080/",
            "http://[::ffff:127.0.0.1]/",
        ] {
            check(url, Reach::Operator, true);
        }
        for url in [
            "http://idp.example/",
            "http://10.0.0.1/",
            "http://localhost.example/",
            "ftp://127.0.0.1/",
        ] {
            check(url, Reach::Operator, false);
        }
        check("http://idp.example/", Reach::DangerousPlainHttp, true);
        check("https://10.0.0.1/", Reach::Operator, true);
    }

    #[test]
    fn metadata_addresses_are_reached_only_on_purpose_however_they_are_written() {
        let spellings = [
            "https://169.254.169.254/",
            "https://0xa9fea9fe/",
            "https://2852039166/",
            "https://0251.0376.0251.0376/",
            "https://[::ffff:169.254.169.254]/",
            "https://[::169.254.169.254]/",
            "https://[64:ff9b::a9fe:a9fe]/",
            "https://[fe80::1]/",
            "https://[fd00:ec2::254]/",
            "https://168.63.129.16/",
            "https://100.100.100.200/",
        ];
        for url in spellings {
            check(url, Reach::Operator, false);
            check(url, Reach::DangerousPlainHttp, false);
            check(url, Reach::Metadata, true);
        }
        check(
            "http://169.254.169.254/metadata/identity",
            Reach::Metadata,
            true,
        );
        check("http://10.0.0.1/", Reach::Metadata, false);
    }

    #[test]
    fn addresses_that_lead_nowhere_are_refused_for_everyone() {
        for url in [
            "https://0.0.0.0/",
            "https://[::]/",
            "https://255.255.255.255/",
            "https://224.0.0.1/",
            "https://0.1.2.3/",
        ] {
            check(url, Reach::Operator, false);
            check(url, Reach::Metadata, false);
        }
    }

    #[test]
    fn what_strangers_name_is_asked_on_the_public_internet_alone() {
        for url in [
            "https://127.0.0.1/c",
            "https://10.0.0.1/c",
            "https://172.16.0.1/c",
            "https://192.168.1.1/c",
            "https://100.64.0.1/c",
            "https://169.254.169.254/c",
            "https://198.18.0.1/c",
            "https://192.0.2.1/c",
            "https://0x7f000001/c",
            "https://2130706433/c",
            "https://[::1]/c",
            "https://[::ffff:10.0.0.1]/c",
            "https://[64:ff9b::a00:1]/c",
            "https://[fc00::1]/c",
            "https://[fe80::1]/c",
            "https://[2002:a00:1::]/c",
            "https://[2001:0:a00:1::]/c",
            "https://[2001:db8::1]/c",
            "http://1.1.1.1/c",
            "http://localhost/c",
        ] {
            check(url, Reach::Public, false);
        }
        check("https://1.1.1.1/c", Reach::Public, true);
        check("https://[2606:4700::1111]/c", Reach::Public, true);
        // A name is looked at again when it resolves.
        check("https://claude.ai/c", Reach::Public, true);
    }

    #[tokio::test]
    async fn a_name_that_leads_to_this_machine_is_not_asked_for_a_stranger() {
        let fetch = Fetch::new(Reach::Public, None).unwrap();
        // not every resolver knows the name with a dot at its end; where one does, its address is looked at
        for (url, says) in [
            (
                "https://localhost:1/c",
                &["no address that may be asked"][..],
            ),
            (
                "https://localhost.:1/c",
                &["no address that may be asked", "dns error"],
            ),
        ] {
            let url: Url = url.parse().unwrap();
            let refused = fetch.send(Ask::get(&url)).await.unwrap_err().chain();
            assert!(says.iter().any(|says| refused.contains(says)), "{refused}");
        }
    }

    #[test]
    fn a_public_name_that_is_pointed_at_a_private_address_is_not_asked_there() {
        let at = |text: &str| -> SocketAddr { format!("{text}:443").parse().unwrap() };
        let public = [
            at("93.184.215.14"),
            at("[2606:2800:21f:cb07:6820:80da:af6b:8b2c]"),
        ];
        let private = [
            "127.0.0.1",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "100.64.0.1",
            "169.254.169.254",
            "0.0.0.0",
            "[::1]",
            "[fd00::1]",
            "[fe80::1]",
            "[::ffff:10.0.0.1]",
        ];
        let private = private.map(at);
        let both = || public.into_iter().chain(private);
        assert_eq!(allowed(both(), false, Reach::Public), public);
        assert_eq!(allowed(private.into_iter(), false, Reach::Public), []);
        let beside = allowed(both(), true, Reach::Operator);
        assert!(
            beside.iter().all(|address| address.ip().is_loopback()) && !beside.is_empty(),
            "localhost is this machine alone: {beside:?}"
        );
    }

    #[test]
    fn a_ca_without_certificates_is_a_mistake_at_once() {
        assert!(matches!(
            Fetch::new(Reach::Operator, Some("nothing")),
            Err(FetchError::BadCa)
        ));
    }
}
