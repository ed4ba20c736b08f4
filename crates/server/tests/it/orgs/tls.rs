//! Certificates chosen by the name in TLS, and connections that are asked for somebody else than they were made for.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use http::Request;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use server::certificate::Certificate;
use server::config::TlsConfig;
use server::listen::{Bounds, Listener};
use server::sites::{Site, Sites};
use server::system::{SystemClock, SystemIds};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::sync::CancellationToken;

type Client = hyper::client::conn::http2::SendRequest<String>;

/// Birch and Kiln on certificates of their own, Oak and Pine on one that is for both.
struct Door {
    address: SocketAddr,
    roots: RootCertStore,
    stop: CancellationToken,
    folder: tempfile::TempDir,
    /// Oak's and Pine's, which have the same files.
    shared: [Arc<Certificate>; 2],
}

/// Writes a certificate for these names, and trusts it.
fn certificate(folder: &Path, file: &str, names: &[&str], roots: &mut RootCertStore) -> TlsConfig {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    let files = TlsConfig {
        certificate: folder.join(format!("{file}.pem")),
        key: folder.join(format!("{file}.key")),
    };
    std::fs::write(&files.certificate, made.cert.pem()).unwrap();
    std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
    roots.add(made.cert.der().clone()).unwrap();
    files
}

impl Door {
    async fn open(connections_each: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut roots = RootCertStore::empty();
        let mut files =
            |file: &str, names: &[&str]| certificate(folder.path(), file, names, &mut roots);
        let shared = files("shared", &["oak.example", "pine.example"]);
        let load = |files: &TlsConfig| Arc::new(Certificate::load(files.clone()).unwrap());
        let site = |name: &str, certificate: &Arc<Certificate>| {
            let name = name.to_owned();
            Site {
                public_url: format!("https://{name}.example"),
                router: Router::new().route("/", get(async move || name.clone())),
                certificate: Some(Arc::clone(certificate)),
                span: tracing::Span::none(),
            }
        };
        let shared = [load(&shared), load(&shared)];
        let sites = vec![
            site("birch", &load(&files("birch", &["birch.example"]))),
            site("kiln", &load(&files("kiln", &["kiln.example"]))),
            site("oak", &shared[0]),
            site("pine", &shared[1]),
        ];
        let sites = Sites::several(
            sites,
            connections_each,
            Arc::new(SystemClock),
            Arc::new(SystemIds),
        );
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let listener = Listener {
            socket,
            sites: sites.unwrap(),
            trusted_proxies: [].into(),
            drain: Duration::ZERO,
            bounds: Bounds::default(),
        };
        let stop = CancellationToken::new();
        tokio::spawn(listener.serve(stop.clone()));
        Self {
            address,
            roots,
            stop,
            folder,
            shared,
        }
    }

    /// Shakes hands as a client of this host, or of an address, which no client names in TLS.
    async fn shake(&self, host: &str) -> std::io::Result<TlsStream<TcpStream>> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(self.roots.clone())
            .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let socket = TcpStream::connect(self.address).await.unwrap();
        let name = ServerName::try_from(host.to_owned()).unwrap();
        TlsConnector::from(Arc::new(config))
            .connect(name, socket)
            .await
    }

    async fn client(&self, host: &str) -> Client {
        let stream = self.shake(host).await.unwrap();
        let shaken =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
        let (client, connection) = shaken.await.unwrap();
        tokio::spawn(connection);
        client
    }
}

/// What this host answers on a connection: status, and the text when it is fine.
async fn asked(client: &mut Client, host: &str) -> (u16, String) {
    let request = Request::get(format!("https://{host}/"))
        .body(String::new())
        .unwrap();
    let answer = client.send_request(request).await.unwrap();
    let status = answer.status().as_u16();
    let body = http_body_util::BodyExt::collect(answer.into_body())
        .await
        .unwrap();
    let text = String::from_utf8(body.to_bytes().to_vec()).unwrap();
    (status, if status == 200 { text } else { String::new() })
}

fn says(name: &str) -> (u16, String) {
    (200, name.to_owned())
}

fn misdirected() -> (u16, String) {
    (421, String::new())
}

#[tokio::test]
async fn each_name_is_shown_its_own_certificate() {
    let door = Door::open(100).await;
    let mut leaves: Vec<CertificateDer<'static>> = Vec::new();
    for name in ["birch", "kiln", "oak", "pine"] {
        let host = format!("{name}.example");
        let stream = door.shake(&host).await.unwrap();
        let chain = stream.get_ref().1.peer_certificates().unwrap();
        leaves.push(chain[0].clone().into_owned());
        assert_eq!(
            asked(&mut door.client(&host).await, &host).await,
            says(name)
        );
    }
    assert!(leaves[0] != leaves[1] && leaves[1] != leaves[2] && leaves[2] == leaves[3]);
    door.stop.cancel();
}

#[tokio::test]
async fn who_names_nobody_in_tls_is_shown_nobodys_certificate() {
    let door = Door::open(100).await;
    for host in ["other.example", "x.birch.example", "127.0.0.1"] {
        let refused = door.shake(host).await.unwrap_err().to_string();
        assert!(refused.contains("alert"), "{host}: {refused}");
    }
    door.stop.cancel();
}

#[tokio::test]
async fn a_connection_made_for_one_is_refused_for_another_unless_they_share_a_certificate() {
    let door = Door::open(100).await;
    let mut birch = door.client("birch.example").await;
    for other in ["kiln.example", "oak.example", "other.example"] {
        assert_eq!(asked(&mut birch, other).await, misdirected(), "{other}");
    }
    assert_eq!(asked(&mut birch, "birch.example").await, says("birch"));
    let mut oak = door.client("oak.example").await;
    assert_eq!(asked(&mut oak, "pine.example").await, says("pine"));
    assert_eq!(asked(&mut oak, "oak.example").await, says("oak"));
    assert_eq!(asked(&mut oak, "kiln.example").await, misdirected());
    door.stop.cancel();
}

#[tokio::test]
async fn one_organisations_connections_leave_room_for_the_others() {
    let door = Door::open(2).await;
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut client = door.client("birch.example").await;
        assert_eq!(asked(&mut client, "birch.example").await, says("birch"));
        held.push(client);
    }
    assert!(
        door.shake("birch.example").await.is_err(),
        "one more than it may"
    );
    let mut kiln = door.client("kiln.example").await;
    assert_eq!(asked(&mut kiln, "kiln.example").await, says("kiln"));
    held.pop();
    crate::watch::until(async || door.shake("birch.example").await.is_ok()).await;
    door.stop.cancel();
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_to_new_connections_and_old_ones_serve_their_own_alone() {
    let mut door = Door::open(100).await;
    let mut oak = door.client("oak.example").await;
    let mut birch = door.client("birch.example").await;
    assert_eq!(asked(&mut oak, "pine.example").await, says("pine"));
    let names = ["oak.example", "pine.example"];
    certificate(door.folder.path(), "shared", &names, &mut door.roots);
    for certificate in &door.shared {
        let before = certificate.current();
        // The files' times have the grain of the system's clock.
        crate::watch::until(async || {
            certificate.look();
            let key = door.folder.path().join("shared.key");
            let text = std::fs::read(&key).unwrap();
            std::fs::write(&key, text).unwrap();
            certificate.current().leaf != before.leaf
        })
        .await;
    }
    assert_eq!(asked(&mut oak, "oak.example").await, says("oak"));
    assert_eq!(
        asked(&mut oak, "pine.example").await,
        misdirected(),
        "another leaf"
    );
    assert_eq!(asked(&mut birch, "birch.example").await, says("birch"));
    let mut anew = door.client("oak.example").await;
    assert_eq!(asked(&mut anew, "pine.example").await, says("pine"));
    door.stop.cancel();
}

#[tokio::test]
async fn a_certificate_that_cannot_be_used_leaves_the_old_one_in_force() {
    let door = Door::open(100).await;
    let before = door.shared[0].current();
    std::fs::write(door.folder.path().join("shared.pem"), "nonsense").unwrap();
    door.shared[0].look();
    assert_eq!(door.shared[0].current().leaf, before.leaf);
    let mut oak = door.client("oak.example").await;
    assert_eq!(asked(&mut oak, "oak.example").await, says("oak"));
    door.stop.cancel();
}
