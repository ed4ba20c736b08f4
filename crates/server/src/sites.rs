//! Which organisation a connection and a request are for: by the name in TLS and by the host, exactly as `public_url` states it.
//! Where one organisation is served, whatever is asked is for it. Where there are several, a host that is nobody's gets 421, and so
//! does one whose certificate the connection was not made with. Never looks at `x-forwarded-host`: whoever can reach us could write
//! it. Called by `listen` alone.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context as _;
use axum::Router;
use axum::body::Body;
use domain::{Clock, Ids, ReasonCode, Refusal, RequestId};
use gateway::envelope::refusal_response;
use http::header::HOST;
use http::{Request, Response};
use rustls::ServerConfig;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use url::Url;

use crate::certificate::{Certificate, InForce};

/// One organisation, as clients reach it.
#[derive(Debug)]
pub struct Site {
    /// The origin that clients use.
    pub public_url: String,
    /// What is served there.
    pub router: Router,
    /// TLS, if we do it.
    pub certificate: Option<Arc<Certificate>>,
    /// What its lines in the log stand in.
    pub span: tracing::Span,
}

/// All that are served on one listener.
#[derive(Debug)]
pub struct Sites {
    sites: Vec<Site>,
    /// None where there is one, and whatever is asked is for it.
    hosts: Option<Hosts>,
}

/// What tells several organisations apart.
#[derive(Debug)]
struct Hosts {
    /// `host`, `host:port`, in small letters.
    by_authority: HashMap<String, usize>,
    by_name: HashMap<String, usize>,
    /// Connections over TLS that each may hold.
    places: Vec<Arc<Semaphore>>,
    /// Presents no certificate, so that whoever asks for nobody gets an alert instead of somebody's name.
    nobody: Arc<ServerConfig>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    refused: AtomicU64,
}

/// What TLS has told about a connection.
#[derive(Debug, Clone)]
pub struct Shown {
    site: usize,
    leaf: Arc<[u8]>,
    // counts the connection while it is open
    _place: Option<Arc<OwnedSemaphorePermit>>,
}

/// The settings to shake hands with, and what is to be remembered of it.
#[derive(Debug)]
pub struct Greeting {
    /// For TLS.
    pub settings: Arc<ServerConfig>,
    /// For the requests that follow; none when there will be none.
    pub shown: Option<Shown>,
}

impl Sites {
    /// One organisation, or something else that is served at any host.
    pub fn one(router: Router, certificate: Option<Arc<Certificate>>) -> Arc<Self> {
        let site = Site {
            public_url: String::new(),
            router,
            certificate,
            span: tracing::Span::none(),
        };
        Arc::new(Self {
            sites: vec![site],
            hosts: None,
        })
    }

    /// Several, told apart by the hosts of their `public_url`, which are different. Each may hold `connections_each` over TLS.
    pub fn several(
        sites: Vec<Site>,
        connections_each: usize,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn Ids>,
    ) -> anyhow::Result<Arc<Self>> {
        let (mut by_authority, mut by_name) = (HashMap::new(), HashMap::new());
        for (index, site) in sites.iter().enumerate() {
            let url = Url::parse(&site.public_url).context("public_url cannot be read")?;
            let host = url.host_str().context("public_url has no host")?;
            let host = host.to_ascii_lowercase();
            let port = url.port_or_known_default().context("it has a port")?;
            by_authority.insert(format!("{host}:{port}"), index);
            if url.port().is_none() {
                by_authority.insert(host.clone(), index);
            }
            by_name.insert(host, index);
        }
        let places = sites
            .iter()
            .map(|_| Arc::new(Semaphore::new(connections_each.max(1))))
            .collect();
        let hosts = Hosts {
            by_authority,
            by_name,
            places,
            nobody: crate::certificate::nobodys()?,
            clock,
            ids,
            refused: AtomicU64::new(0),
        };
        Ok(Arc::new(Self {
            sites,
            hosts: Some(hosts),
        }))
    }

    /// Whether connections begin with TLS; all do or none.
    pub fn speaks_tls(&self) -> bool {
        self.sites.iter().all(|site| site.certificate.is_some())
    }

    /// How a connection is greeted whose client names this host in TLS; none when its organisation holds all the connections it may.
    pub fn greet(&self, name: Option<&str>) -> Option<Greeting> {
        let Some(hosts) = &self.hosts else {
            let in_force = self.sites[0].certificate.as_ref()?.current();
            let shown = Some(shown(0, &in_force, None));
            let settings = Arc::clone(&in_force.settings);
            return Some(Greeting { settings, shown });
        };
        let called = name.and_then(|name| hosts.by_name.get(&name.to_ascii_lowercase()));
        let certificate = called.and_then(|index| self.sites[*index].certificate.as_ref());
        let (Some(&index), Some(certificate)) = (called, certificate) else {
            let settings = Arc::clone(&hosts.nobody);
            let shown = None;
            return Some(Greeting { settings, shown });
        };
        let place = Arc::clone(&hosts.places[index]).try_acquire_owned().ok()?;
        let in_force = certificate.current();
        Some(Greeting {
            settings: Arc::clone(&in_force.settings),
            shown: Some(shown(index, &in_force, Some(Arc::new(place)))),
        })
    }

    /// Whom a request is for, which came on a connection of which TLS told this; otherwise the answer to it.
    pub fn of<B>(
        &self,
        request: &Request<B>,
        shown: Option<&Shown>,
    ) -> Result<&Site, Box<Response<Body>>> {
        let Some(hosts) = &self.hosts else {
            return Ok(&self.sites[0]);
        };
        let asked = hosts.asked(request);
        match asked.filter(|index| self.is_theirs(*index, shown)) {
            Some(index) => Ok(&self.sites[index]),
            None => Err(Box::new(hosts.refuse())),
        }
    }

    /// Whether a connection is good for an organisation: made for it, or with the certificate that it presents as well. Browsers use
    /// one connection for every name of a certificate, which is no mix-up: whoever holds its key speaks for all of them.
    fn is_theirs(&self, index: usize, shown: Option<&Shown>) -> bool {
        match (&self.sites[index].certificate, shown) {
            (None, None) => true,
            (Some(certificate), Some(shown)) => {
                shown.site == index || shown.leaf == certificate.current().leaf
            }
            _ => false,
        }
    }

    /// Requests refused since the start because their host is nobody's; none where there is one organisation.
    pub fn refused(&self) -> Option<u64> {
        let hosts = self.hosts.as_ref()?;
        Some(hosts.refused.load(Ordering::Relaxed))
    }
}

fn shown(site: usize, in_force: &InForce, place: Option<Arc<OwnedSemaphorePermit>>) -> Shown {
    Shown {
        site,
        leaf: Arc::clone(&in_force.leaf),
        _place: place,
    }
}

impl Hosts {
    /// The one organisation that everything in the head names: the request line and each `Host`.
    fn asked<B>(&self, request: &Request<B>) -> Option<usize> {
        let line = request.uri().authority().map(http::uri::Authority::as_str);
        let hosts = request.headers().get_all(HOST).iter();
        let stated = line.map(Some).into_iter();
        let mut stated = stated.chain(hosts.map(|host| host.to_str().ok()));
        let first = self.index(stated.next()??)?;
        let agree = stated.all(|host| host.and_then(|host| self.index(host)) == Some(first));
        agree.then_some(first)
    }

    fn index(&self, authority: &str) -> Option<usize> {
        if let Some(index) = self.by_authority.get(authority) {
            return Some(*index);
        }
        let small = authority.to_ascii_lowercase();
        self.by_authority.get(&small).copied()
    }

    fn refuse(&self) -> Response<Body> {
        self.refused.fetch_add(1, Ordering::Relaxed);
        let unix_ms = u64::try_from(self.clock.now().unix_ms()).unwrap_or(0);
        let id = RequestId::from_parts(unix_ms, self.ids.random_bits());
        refusal_response(&Refusal::plain(ReasonCode::HostUnknown), id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::{SystemClock, SystemIds};

    fn sites(urls: &[&str]) -> Arc<Sites> {
        let site = |url: &&str| Site {
            public_url: (*url).to_owned(),
            router: Router::new(),
            certificate: None,
            span: tracing::Span::none(),
        };
        let sites = urls.iter().map(site).collect();
        Sites::several(sites, 10, Arc::new(SystemClock), Arc::new(SystemIds)).unwrap()
    }

    fn check(uri: &str, hosts: &[&[u8]], expected: Option<&str>) {
        let sites = sites(&[
            "https://a.example",
            "https://b.example:8443",
            "http://[::1]:80",
        ]);
        let mut request = Request::get(uri).body(()).unwrap();
        for host in hosts {
            let value = http::HeaderValue::from_bytes(host).unwrap();
            request.headers_mut().append(HOST, value);
        }
        let found = sites.of(&request, None).map(|site| site.public_url.clone());
        match expected {
            Some(url) => assert_eq!(found.unwrap(), url, "{uri} {hosts:?}"),
            None => assert_eq!(found.unwrap_err().status(), 421, "{uri} {hosts:?}"),
        }
    }

    const A: Option<&str> = Some("https://a.example");
    const B: Option<&str> = Some("https://b.example:8443");

    #[test]
    fn a_host_is_an_organisations_whatever_its_letters_and_with_its_usual_port() {
        for host in [&b"a.example"[..], b"A.EXAMPLE", b"a.example:443"] {
            check("/", &[host], A);
        }
        check("/", &[b"b.example:8443"], B);
        check("/", &[b"[::1]"], Some("http://[::1]:80"));
        check("https://a.example/", &[], A);
        check("https://B.example:8443/", &[b"b.example:8443"], B);
    }

    #[test]
    fn what_is_nobodys_host_is_nobodys() {
        for host in [
            &b"c.example"[..],
            b"b.example",
            b"a.example:80",
            b"a.example.",
            b"a.example:0443",
            b"x.a.example",
            b"a.example, b.example:8443",
            b"ada@a.example",
            b" ",
            b"",
            b"\xff",
        ] {
            check("/", &[host], None);
        }
        check("/", &[], None);
        check("https://ada@a.example/", &[], None);
    }

    #[test]
    fn a_request_that_names_two_organisations_is_for_neither() {
        check("https://a.example/", &[b"b.example:8443"], None);
        check("/", &[b"a.example", b"b.example:8443"], None);
        check("/", &[b"a.example", b"c.example"], None);
        check("https://a.example/", &[b"\xff"], None);
        check("/", &[b"a.example", b"A.example"], A);
    }

    #[test]
    fn what_a_proxy_might_have_been_told_decides_nothing() {
        let sites = sites(&["https://a.example", "https://b.example"]);
        let mut request = Request::get("/").body(()).unwrap();
        for (name, value) in [
            ("host", "a.example"),
            ("x-forwarded-host", "b.example"),
            ("x-original-host", "b.example"),
            ("forwarded", "host=b.example"),
        ] {
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        assert_eq!(
            sites.of(&request, None).unwrap().public_url,
            "https://a.example"
        );
    }

    #[test]
    fn one_alone_is_asked_at_any_host() {
        let one = Sites::one(Router::new(), None);
        let request = Request::get("/").header(HOST, "10.0.0.9").body(()).unwrap();
        assert!(one.of(&request, None).is_ok() && one.refused().is_none());
    }
}
