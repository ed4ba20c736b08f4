//! The HTTP client against real sockets: bounded, patient only so far, and faithful to its own trust.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use domain::limits;
use http::StatusCode;
use pipeline::fetch::{Ask, Fetch, FetchError, Reach};
use rcgen::{CertificateParams, KeyPair};
use secrecy::SecretString;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use url::Url;

use super::keys::Published;

fn client() -> Fetch {
    Fetch::new(Reach::Operator, None).unwrap()
}

async fn get(published: &Published) -> Result<serde_json::Value, FetchError> {
    let url: Url = published.url.parse().unwrap();
    client().json(Ask::get(&url)).await
}

#[tokio::test]
async fn a_document_is_read_whole() {
    let published = Published::start(json!({"a": 1})).await;
    assert_eq!(get(&published).await.unwrap(), json!({"a": 1}));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let target = Published::start(json!({})).await;
    let answer = format!(
        "HTTP/1.1 302 Found\r\nlocation: {}\r\nconnection: close\r\n\r\n",
        target.url
    );
    let published = Published::answering(answer).await;
    let error = get(&published).await.unwrap_err();
    assert!(
        matches!(
            error,
            FetchError::Status {
                status: StatusCode::FOUND,
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(target.asked.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn more_bytes_than_the_limit_are_not_read_whether_announced_or_not() {
    let body = "x".repeat(limits::FETCH_BYTES_MAX + 1);
    for head in [format!("content-length: {}", body.len()), "x: y".to_owned()] {
        let answer = format!("HTTP/1.1 200 OK\r\n{head}\r\nconnection: close\r\n\r\n{body}");
        let error = get(&Published::answering(answer).await).await.unwrap_err();
        assert!(matches!(error, FetchError::TooLarge(_)), "{error}");
    }
}

#[tokio::test]
async fn garbage_and_early_ends_are_errors_that_name_the_host_and_no_content() {
    for answer in [
        "",
        "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{}",
        "secret garbage\r\n\r\n",
        "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nsecret",
    ] {
        let error = get(&Published::answering(answer.to_owned()).await)
            .await
            .unwrap_err();
        let text = error.chain();
        assert!(
            text.contains("127.0.0.1") && !text.contains("secret"),
            "{text}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_never_answers_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url: Url = format!("http://{}/", listener.local_addr().unwrap())
        .parse()
        .unwrap();
    let error = client().send(Ask::get(&url)).await.unwrap_err();
    assert!(matches!(error, FetchError::Timeout(_)), "{error}");
}

#[tokio::test]
async fn forms_and_bearers_arrive_as_given() {
    let published = Published::start(json!({})).await;
    let url: Url = published.url.parse().unwrap();
    let ask = Ask::post_form(&url, &[("code", "a b&c"), ("x", "ä")])
        .bearer(&SecretString::from("t0k".to_owned()));
    assert!(!format!("{ask:?}").contains("t0k"), "not when printed");
    client().send(ask).await.unwrap();
    let seen = published.seen();
    assert!(seen.starts_with("POST /keys HTTP/1.1"), "{seen}");
    assert!(
        seen.contains("authorization: Bearer t0k") && seen.ends_with("code=a+b%26c&x=%C3%A4"),
        "{seen}"
    );
}

#[tokio::test]
async fn names_cannot_lead_where_addresses_may_not() {
    for url in [
        "http://169.254.169.254/latest/meta-data/",
        "https://[fe80::1]/",
        "http://10.0.0.1/",
        "file:///etc/passwd",
    ] {
        let url: Url = url.parse().unwrap();
        let error = client().send(Ask::get(&url)).await.unwrap_err();
        assert!(
            matches!(
                error,
                FetchError::ForbiddenAddress(_) | FetchError::PlainHttp(_) | FetchError::BadUrl
            ),
            "{url}: {error}"
        );
    }
}

/// One TLS answer per connection, with a certificate for `localhost` of a private authority. Returns its address and the
/// authority's certificate.
async fn private_tls() -> (Url, String) {
    let authority_key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::new(vec![]).unwrap();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority_certificate = authority.self_signed(&authority_key).unwrap();
    let key = KeyPair::generate().unwrap();
    let issuer = rcgen::Issuer::new(authority, authority_key);
    let leaf = CertificateParams::new(vec!["localhost".to_owned()])
        .unwrap()
        .signed_by(&key, &issuer)
        .unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![leaf.der().clone()],
            PrivateKeyDer::Pkcs8(key.serialize_der().into()),
        )
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!(
        "https://localhost:{}/",
        listener.local_addr().unwrap().port()
    )
    .parse()
    .unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if let Ok(mut stream) = acceptor.accept(stream).await {
                let _ = stream.read(&mut [0; 4_096]).await;
                let _ = stream
                    .write_all(
                        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}",
                    )
                    .await;
            }
        }
    });
    (url, authority_certificate.pem())
}

#[tokio::test]
async fn a_private_authority_is_trusted_only_where_it_was_given() {
    let (url, pem) = private_tls().await;
    let trusting = Fetch::new(Reach::Operator, Some(&pem)).unwrap();
    assert_eq!(trusting.json(Ask::get(&url)).await.unwrap(), json!({}));
    let error = client().json(Ask::get(&url)).await.unwrap_err();
    assert!(matches!(error, FetchError::Connect(..)), "{error}");
    assert!(error.chain().contains("certificate"), "{}", error.chain());
}
