//! Certificates: when the leaf ends and whether it is for our public name, of the configured files or of whatever does TLS in front
//! of us. The leaf that is presented is taken as it is, over a connection on which nothing is ever sent: trust is not decided here
//! but where the public address is asked.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use domain::window::DAY_MS;
use domain::{Clock as _, Timestamp, limits};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use url::Url;

use super::report::{Line, Whose};
use crate::certificate;
use crate::config::Config;
use crate::system::{SystemClock, chain};

const CHECK: &str = "certificate";
/// Later than any certificate ends.
const END_OF_TIME_S: u64 = 1 << 40;

/// The check.
pub(super) async fn check(config: &Config) -> Line {
    let Ok(url) = Url::parse(&config.server.public_url) else {
        return Line::skipped(CHECK, "server.public_url cannot be read");
    };
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let (leaf, from) = match &config.server.tls {
        Some(files) => match certificate::read(files) {
            Ok((_, leaf)) => (leaf, files.certificate.display().to_string()),
            Err(error) => {
                let remedy = "write a certificate chain and its own key, PEM, where server.tls says; serve does not start without";
                return Line::fail(CHECK, chain(&error), Whose::Operator, remedy);
            }
        },
        None if url.scheme() == "http" => {
            return Line::skipped(CHECK, "no TLS: public_url is on this machine");
        }
        None => match presented(host, url.port_or_known_default().unwrap_or(443)).await {
            Ok(leaf) => (leaf, "what does TLS in front of Doorward".to_owned()),
            Err(error) => {
                return Line::skipped(
                    CHECK,
                    format!("none is presented: {}", chain(error.as_ref())),
                );
            }
        },
    };
    judge(&leaf, host, &from, SystemClock.now())
}

fn judge(leaf: &[u8], host: &str, from: &str, now: Timestamp) -> Line {
    let leaf = CertificateDer::from(leaf);
    let ends = match not_after(&leaf) {
        Ok(ends) => ends,
        Err(error) => {
            let remedy = "the leaf cannot be read; ask for a new one";
            return Line::fail(CHECK, chain(error.as_ref()), Whose::Operator, remedy);
        }
    };
    let days = ends.ms_since(now) / DAY_MS;
    let evidence = format!("{from}: ends {ends}, in {days} days");
    if ends <= now {
        let remedy = "renew it; a new file is taken over without a restart";
        return Line::fail(
            CHECK,
            format!("{from}: ended {ends}"),
            Whose::Operator,
            remedy,
        );
    }
    if !is_for(&leaf, host) {
        let remedy = "get a certificate for the host of server.public_url";
        return Line::fail(
            CHECK,
            format!("{from}: not for {host}"),
            Whose::Operator,
            remedy,
        );
    }
    if days < limits::DOCTOR_CERTIFICATE_DAYS {
        let remedy = "renew it now, in quiet hours: Claude Code pins the leaf and asks its users to sign in again";
        return Line::fail(CHECK, evidence, Whose::Operator, remedy);
    }
    Line::pass(CHECK, evidence)
}

fn is_for(leaf: &CertificateDer<'_>, host: &str) -> bool {
    let (Ok(parsed), Ok(name)) = (
        ParsedCertificate::try_from(leaf),
        ServerName::try_from(host),
    ) else {
        return false;
    };
    verify_server_name(&parsed, &name).is_ok()
}

/// When a certificate ends. The library that verifies certificates says so when it is asked about a time after every end.
fn not_after(leaf: &CertificateDer<'_>) -> anyhow::Result<Timestamp> {
    let mut roots = RootCertStore::empty();
    roots
        .add(leaf.clone().into_owned())
        .context("the certificate cannot be read")?;
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider())
        .build()
        .context("the certificate cannot be read")?;
    let name = ServerName::try_from("doctor.invalid").context("a fixed name")?;
    let later = UnixTime::since_unix_epoch(Duration::from_secs(END_OF_TIME_S));
    match verifier.verify_server_cert(leaf, &[], &name, &[], later) {
        Err(Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. })) => {
            let seconds = i64::try_from(not_after.as_secs()).unwrap_or(i64::MAX);
            Ok(Timestamp::from_unix_s(seconds))
        }
        Err(error) => Err(error).context("the certificate cannot be read"),
        Ok(_) => bail!("the certificate has no end"),
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// The leaf that whoever listens there presents.
async fn presented(host: &str, port: u16) -> anyhow::Result<Vec<u8>> {
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyLeaf(provider())))
        .with_no_client_auth();
    let name = ServerName::try_from(host.to_owned())?;
    let shake = async {
        let socket = TcpStream::connect((host, port)).await?;
        TlsConnector::from(Arc::new(config))
            .connect(name, socket)
            .await
    };
    let wait = Duration::from_millis(limits::DOCTOR_PROBE_MS);
    let stream = tokio::time::timeout(wait, shake)
        .await
        .context("no answer in time")??;
    let leaf = stream
        .get_ref()
        .1
        .peer_certificates()
        .and_then(<[_]>::first);
    Ok(leaf.context("it presents no certificate")?.to_vec())
}

/// Takes any leaf, for a connection that only looks at it.
#[derive(Debug)]
struct AnyLeaf(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyLeaf {
    fn verify_server_cert(
        &self,
        _leaf: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, leaf, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, leaf, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::Status;
    use super::*;

    /// A leaf for one name that ends on a day of 2031.
    fn leaf(name: &str) -> Vec<u8> {
        let mut params = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(2031, 5, 17);
        let key = rcgen::KeyPair::generate().unwrap();
        params.self_signed(&key).unwrap().der().to_vec()
    }

    fn check(host: &str, now: &str, expected: Status, words: &str) {
        let line = judge(
            &leaf("claude.example.org"),
            host,
            "here",
            now.parse().unwrap(),
        );
        assert_eq!(line.status, expected, "{host} {now}: {}", line.evidence);
        assert!(line.evidence.contains(words), "{}", line.evidence);
    }

    #[test]
    fn a_certificate_must_be_for_our_name_and_last_for_a_while() {
        let host = "claude.example.org";
        check(
            host,
            "2031-05-01T00:00:00Z",
            Status::Pass,
            "ends 2031-05-17T00:00:00.000Z, in 16 days",
        );
        check(host, "2031-05-10T00:00:00Z", Status::Fail, "in 7 days");
        check(
            host,
            "2031-05-17T00:00:00Z",
            Status::Fail,
            "ended 2031-05-17",
        );
        check(
            "other.example.org",
            "2031-01-01T00:00:00Z",
            Status::Fail,
            "not for other.example.org",
        );
        let garbage = judge(b"nonsense", host, "here", Timestamp::default());
        assert_eq!(garbage.status, Status::Fail);
    }
}
