//! Our certificate: read at start, read again when its files change, without a restart. A new leaf is announced loudly, because
//! Claude Code pins the leaf and will ask its users to sign in again.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert, WantsServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ConfigBuilder, ServerConfig};

use crate::config::TlsConfig;

/// How often the files are looked at.
const LOOK_EVERY_S: u64 = 10;

/// A certificate and its files.
#[derive(Debug)]
pub struct Certificate {
    files: TlsConfig,
    current: ArcSwap<InForce>,
    /// When the files were written that were looked at last.
    seen: Mutex<Written>,
}

/// When the certificate's and the key's file were written; none for one that cannot be looked at.
type Written = (Option<SystemTime>, Option<SystemTime>);

/// What new connections begin with.
#[derive(Debug)]
pub struct InForce {
    /// The TLS settings.
    pub settings: Arc<ServerConfig>,
    /// The leaf that they present, DER.
    pub leaf: Arc<[u8]>,
}

/// A certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file cannot be read as PEM.
    #[error("the certificate or key file cannot be read")]
    Pem(#[source] rustls::pki_types::pem::Error),
    /// Certificate and key do not belong together, or are of a kind we cannot use.
    #[error("the certificate and key cannot be used together")]
    Unusable(#[source] rustls::Error),
}

impl Certificate {
    /// Reads the files.
    pub fn load(files: TlsConfig) -> Result<Self, CertificateError> {
        let seen = Mutex::new(written(&files));
        let current = ArcSwap::from_pointee(in_force(&files)?);
        Ok(Self {
            files,
            current,
            seen,
        })
    }

    /// What a new connection begins with.
    pub fn current(&self) -> Arc<InForce> {
        self.current.load_full()
    }

    /// Follows the files for ever.
    pub async fn follow(&self) {
        loop {
            tokio::time::sleep(Duration::from_secs(LOOK_EVERY_S)).await;
            self.look();
        }
    }

    /// Takes the files over if they were written since the last look. What cannot be used leaves the present ones in force.
    pub fn look(&self) {
        let now = written(&self.files);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if *seen == now {
            return;
        }
        *seen = now;
        let file = self.files.certificate.display();
        match in_force(&self.files) {
            Ok(new) => {
                if self.current().leaf != new.leaf {
                    tracing::warn!(
                        %file,
                        "the certificate has a new leaf: Claude Code pins it and will ask its users to sign in again"
                    );
                }
                self.current.store(Arc::new(new));
            }
            Err(error) => {
                tracing::error!(error = %error, %file, "the new certificate cannot be used; the old one stays");
            }
        }
    }
}

fn written(files: &TlsConfig) -> Written {
    let at = |path: &Path| {
        std::fs::metadata(path)
            .and_then(|meta| meta.modified())
            .ok()
    };
    (at(&files.certificate), at(&files.key))
}

fn in_force(files: &TlsConfig) -> Result<InForce, CertificateError> {
    let (settings, leaf) = read(files)?;
    Ok(InForce {
        settings: Arc::new(settings),
        leaf: leaf.into(),
    })
}

/// Has no certificate for anybody.
#[derive(Debug)]
struct Nobodys;

impl ResolvesServerCert for Nobodys {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        None
    }
}

/// Settings that end every handshake with an alert.
pub(crate) fn nobodys() -> Result<Arc<ServerConfig>, CertificateError> {
    let settings = builder()?.with_cert_resolver(Arc::new(Nobodys));
    Ok(Arc::new(settings))
}

fn builder() -> Result<ConfigBuilder<ServerConfig, WantsServerCert>, CertificateError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(CertificateError::Unusable)?;
    Ok(builder.with_no_client_auth())
}

/// The TLS settings of these files, and the leaf, DER.
pub(crate) fn read(files: &TlsConfig) -> Result<(ServerConfig, Vec<u8>), CertificateError> {
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(Iterator::collect)
        .map_err(CertificateError::Pem)?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(CertificateError::Pem)?;
    let leaf = chain
        .first()
        .map(|leaf| leaf.as_ref().to_vec())
        .unwrap_or_default();
    let mut config = builder()?
        .with_single_cert(chain, key)
        .map_err(CertificateError::Unusable)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok((config, leaf))
}
