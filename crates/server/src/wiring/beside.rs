//! What the command line and `doctor` need beside a running server: the store, a chain of their own, sessions and identity. Nothing
//! here serves, and what only looks makes and changes nothing.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use control::{Control, ParsedPolicy};
use domain::{Clock, Ids, OrgId};
use pipeline::identity::config::vouching;
use pipeline::identity::{
    Identity, IssuerConfig, Revocations, SessionTokens, Sessions, Setup, SigningKey,
};
use secrecy::ExposeSecret as _;
use store::Store;
use store::vault_key::VaultKey;

use super::{keys, refuse_unfinished};
use crate::config::Config;
use crate::keys::ring::Ring;
use crate::system::{SystemClock, SystemIds};

/// Opens the store beside a running server, and the command line's own chain.
pub async fn admin(
    config: &Config,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
) -> anyhow::Result<Control> {
    refuse_unfinished(config)?;
    let store = Store::open(config.store.url.expose_secret())
        .await
        .context("the store cannot be opened")?;
    let new_org = OrgId::from_parts(clock.now().unix_ms().unsigned_abs(), ids.random_bits());
    let org = store.ensure_org(&config.server.org, new_org).await?;
    let seal = keys::sealing_key(config, &*ids)?;
    let ledger = keys::open_ledger(
        &config.ledger.dir.join("cli"),
        "cli",
        &store,
        &seal,
        Arc::clone(&clock),
        &*ids,
    )
    .await?;
    let vault = keys::vault_key(&store, &seal, clock.now(), &*ids).await?;
    Ok(Control {
        org,
        vault: VaultKey::new(vault),
        vouching: Arc::new(vouching(&config.issuers)),
        store,
        ledger: Arc::new(ledger),
        clock,
        ids,
        parsed: ParsedPolicy::default(),
    })
}

/// Sessions on the store of a running server, for a drill: what they begin, every replica knows.
pub async fn sessions_beside(
    config: &Config,
    store: &Store,
    org: OrgId,
) -> anyhow::Result<Sessions> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let keys = keys::session_keys_there(config, store, clock.now()).await?;
    let public_url = &config.server.public_url;
    let tokens = SessionTokens::new(org, public_url, keys, Arc::clone(&clock))?;
    let revocations = Arc::new(Revocations::new(org, Arc::clone(&clock)));
    Ok(Sessions::new(
        org,
        store.clone(),
        vouching(&config.issuers),
        Arc::new(tokens),
        revocations,
        clock,
        Arc::new(SystemIds),
    ))
}

/// Who callers are by a store that is only looked at: its sessions and service keys. No issuer is asked, and nothing is made or
/// changed.
pub async fn identity_beside(
    config: &Config,
    store: &Store,
    org: OrgId,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
) -> anyhow::Result<Identity> {
    let keys = keys::session_keys_there(config, store, clock.now()).await?;
    let public_url = &config.server.public_url;
    let tokens = SessionTokens::new(org, public_url, keys, Arc::clone(&clock))?;
    let revocations = Arc::new(Revocations::new(org, Arc::clone(&clock)));
    revocations.refresh(store).await?;
    Ok(Identity::new(Setup {
        org,
        issuers: Vec::new(),
        vouching: vouching(&config.issuers),
        tokens: Arc::new(tokens),
        revocations,
        store: store.clone(),
        clock,
        ids,
    })?)
}

/// Who callers would be with this issuer, on a store of its own in a folder that is thrown away: to try it before it is configured.
pub(crate) async fn identity_on_trial(
    issuer: IssuerConfig,
    public_url: &str,
    folder: &Path,
) -> anyhow::Result<Identity> {
    let (clock, ids): (Arc<dyn Clock>, Arc<dyn Ids>) = (Arc::new(SystemClock), Arc::new(SystemIds));
    let now = clock.now();
    let store = Store::open(&format!("sqlite:{}/trial.db", folder.display())).await?;
    let org = OrgId::from_parts(now.unix_ms().unsigned_abs(), ids.random_bits());
    let org = store.ensure_org("trial", org).await?;
    let key = SigningKey::generate(&*ids)?.expose_secret().clone();
    let keys = Ring::one(key, now).session_keys(now)?;
    let tokens = SessionTokens::new(org, public_url, keys, Arc::clone(&clock))?;
    let revocations = Arc::new(Revocations::new(org, Arc::clone(&clock)));
    revocations.refresh(&store).await?;
    let issuers = vec![issuer];
    Ok(Identity::new(Setup {
        org,
        vouching: vouching(&issuers),
        issuers,
        tokens: Arc::new(tokens),
        revocations,
        store,
        clock,
        ids,
    })?)
}
