//! The running process, as the console may ask about it: issuers' keys, its own keys by fingerprint, the end of its ledger, and the
//! configuration it stands on. It opens sealed keys to tell their fingerprints and hands none out.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use control::installation::SettingSection;
use control::machine::{IssuerKeys, Latest, Looking, Machine, OwnKey, Unseen};
use domain::{Clock, limits};
use ledger::verify::{Trust, latest};
use ledger::{Ledger, PublicKey};
use pipeline::identity::Identity;
use store::Store;
use tokio::sync::Semaphore;

use super::keys::sealing_key_there;
use super::{Wired, settings};
use crate::config::Config;
use crate::keys::own_keys;

/// This process.
#[derive(Debug)]
pub(super) struct Here {
    config: Arc<Config>,
    store: Store,
    identity: Arc<Identity>,
    ledger: Arc<Ledger>,
    ledger_dir: PathBuf,
    clock: Arc<dyn Clock>,
    settings: Vec<SettingSection>,
    /// One look at the ledger at a time: it reads the disk that every record waits for.
    looks: Arc<Semaphore>,
}

impl Here {
    pub(super) fn of(wired: &Wired) -> Self {
        Self {
            config: Arc::clone(&wired.config),
            store: wired.store.clone(),
            identity: Arc::clone(&wired.pipeline.identity),
            ledger: Arc::clone(&wired.pipeline.ledger),
            ledger_dir: wired.ledger_dir.clone(),
            clock: Arc::clone(&wired.pipeline.clock),
            settings: settings::in_force(&wired.config),
            looks: Arc::new(Semaphore::new(1)),
        }
    }

    async fn own(&self) -> anyhow::Result<Vec<OwnKey>> {
        let seal = sealing_key_there(&self.config)?;
        own_keys(&self.store, &seal, self.clock.now()).await
    }

    async fn public(&self) -> anyhow::Result<Vec<PublicKey>> {
        let path = self.ledger_dir.join("ledger.pub");
        let text = tokio::fs::read_to_string(&path).await?;
        let keys: Result<Vec<PublicKey>, _> = text.split_whitespace().map(str::parse).collect();
        keys.context("ledger.pub does not hold public keys")
    }

    async fn verified(&self) -> anyhow::Result<Option<Latest>> {
        let Ok(turn) = Arc::clone(&self.looks).try_acquire_owned() else {
            return Ok(None);
        };
        let mut trust = Trust::none();
        for key in self.public().await? {
            trust.add_key(key);
        }
        let (folder, upto) = (self.ledger_dir.clone(), self.ledger.status().durable);
        let look = move || {
            let found = latest(&folder, upto, trust, limits::LEDGER_VERIFY_NOW_BYTES);
            drop(turn);
            found
        };
        Ok(Some(tokio::task::spawn_blocking(look).await??))
    }
}

/// How the keys of every issuer stand with this process.
pub(super) fn issuer_keys(identity: &Identity) -> Vec<IssuerKeys> {
    let issuers = identity.issuers().iter();
    let keys = issuers.map(|issuer| {
        let state = issuer.state();
        IssuerKeys {
            name: issuer.name().to_string(),
            is_usable: state.usable,
            fetched: state.fetched_at,
            keys: state.keys,
            algorithms: state.algorithms,
            problem: state.problem.as_deref().map(str::to_owned),
        }
    });
    keys.collect()
}

fn unseen(error: anyhow::Error) -> Unseen {
    Unseen(error.into())
}

impl Machine for Here {
    fn issuers(&self) -> Vec<IssuerKeys> {
        issuer_keys(&self.identity)
    }

    fn keys(&self) -> Looking<'_, Vec<OwnKey>> {
        Box::pin(async move { self.own().await.map_err(unseen) })
    }

    fn public_keys(&self) -> Looking<'_, Vec<PublicKey>> {
        Box::pin(async move { self.public().await.map_err(unseen) })
    }

    fn verify_latest(&self) -> Looking<'_, Option<Latest>> {
        Box::pin(async move { self.verified().await.map_err(unseen) })
    }

    fn settings(&self) -> &[SettingSection] {
        &self.settings
    }
}
