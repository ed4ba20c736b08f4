//! What every peer stands on: the mock provider (a process of its own), the identity provider (here, at rest under load), tokens,
//! and a folder on the real disk. Peers are started on it by `peers`.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use domain::Clock as _;
use http::HeaderValue;
use testkit::Idp;
use testkit::idp::{App, Person, demo_people};

use crate::system::{RealClock, RealIds};

/// The client id that tokens are made out to.
pub(crate) const CLIENT_ID: &str = "bench";
/// Its secret. It opens nothing outside a run.
pub(crate) const CLIENT_SECRET: &str = "bench-client-secret-of-loopback";
/// The provider's credential, which every peer puts in place of the caller's.
pub(crate) const PROVIDER_KEY: &str = "sk-bench-provider-key";
/// Who asks.
pub(crate) const PERSON: &str = "ada";
const TOKEN_LIFETIME_S: i64 = 6 * 60 * 60;

/// Everything a peer needs.
#[derive(Debug)]
pub(crate) struct Scene {
    /// The mock provider.
    pub provider: Provider,
    /// The identity provider.
    pub idp: Idp,
    /// A folder for this run's files.
    pub folder: PathBuf,
}

/// The mock provider's process.
#[derive(Debug)]
pub(crate) struct Provider {
    child: Child,
    /// Its address.
    pub base: String,
}

impl Scene {
    /// Sets everything up. The identity provider lives in the present runtime.
    pub(crate) fn set() -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .context("bench/ lies in the repository")?;
        let folder = root.join(".work/bench");
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        let idp = Idp::builder(Arc::new(RealClock), Arc::new(RealIds))
            .people(demo_people())
            .start()?;
        Ok(Self {
            provider: Provider::start(&[])?,
            idp,
            folder,
        })
    }

    /// Makes a gateway at `base` known to the identity provider.
    pub(crate) fn register(&self, base: &str) -> Result<()> {
        let redirect = format!("{base}/oauth/callback");
        // the last gateway registered is the one whose redirect counts, so each has an id of its own
        self.idp
            .register(App::web(&client_of(base)?, CLIENT_SECRET, &redirect));
        Ok(())
    }

    /// An ID token of `person`, as a bearer.
    pub(crate) fn bearer(&self, person: &Person) -> Result<HeaderValue> {
        let mut claims = self.idp.id_claims(person, CLIENT_ID);
        claims["exp"] = (RealClock.now().unix_s() + TOKEN_LIFETIME_S).into();
        bearer(&self.idp.mint(&claims))
    }

    /// An ID token of the usual person.
    pub(crate) fn usual_bearer(&self) -> Result<HeaderValue> {
        let person = self.idp.person(PERSON).context("the usual person")?;
        self.bearer(&person)
    }

    /// A folder for a peer.
    pub(crate) fn folder_of(&self, peer: &str) -> Result<PathBuf> {
        let folder = self.folder.join(peer);
        fs::create_dir_all(&folder)?;
        Ok(folder)
    }
}

/// The client id of the gateway at `base`.
pub(crate) fn client_of(base: &str) -> Result<String> {
    let port = base.rsplit(':').next().context("a port")?;
    Ok(format!("{CLIENT_ID}-{port}"))
}

/// `Bearer …`.
pub(crate) fn bearer(token: &str) -> Result<HeaderValue> {
    let mut value = HeaderValue::from_str(&format!("Bearer {token}"))?;
    value.set_sensitive(true);
    Ok(value)
}

impl Provider {
    /// Starts this program again as the provider.
    pub(crate) fn start(options: &[&str]) -> Result<Self> {
        Self::run(&[&["provider"], options].concat())
    }

    /// Starts this program again as one that others stand before.
    pub(crate) fn run(command: &[&str]) -> Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(command)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = child.stdout.take().context("its output is piped")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        let base = line.trim().to_owned();
        Ok(Self { child, base })
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ended = self.child.wait();
    }
}
