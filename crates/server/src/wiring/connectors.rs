//! The connectors' door: its client, what it authenticates with, people's grants, its sessions, what was approved there and what has to be.

use std::collections::BTreeMap;
use std::sync::Arc;

use ::connectors::Connectors;
use ::connectors::accounts::Accounts;
use ::connectors::oauth::OauthClient;
use ::connectors::session::Sessions;
use ::connectors::stdio::Programs;
use ::connectors::upstream::{SharedHeader, Upstream};
use pipeline::Pipeline;
use pipeline::fetch::{Fetch, Reach};
use store::vault_key::VaultKey;

use super::approvals::Kept;
use super::grants::Vault;
use super::pins::StoredPins;
use super::{Ground, control};
use crate::config::Config;

/// Unused connections that are kept to each connector.
const KEEP_IDLE_MAX: usize = 64;

pub(super) fn wired(
    config: &Config,
    ground: &Ground,
    pipeline: &Arc<Pipeline>,
    (vault, grants, pins): (&VaultKey, &Vault, &Arc<StoredPins>),
) -> anyhow::Result<Connectors> {
    let fetch = Fetch::keeping(Reach::Operator, None, KEEP_IDLE_MAX)?;
    let mut shared = BTreeMap::new();
    for secret in &config.connector_secrets {
        let header = SharedHeader {
            name: http::HeaderName::try_from(secret.header.as_str())?,
            value: secret.value.clone(),
            origin: secret.origin.origin(),
        };
        shared.insert(secret.name.clone(), header);
    }
    let approvals = Kept(control(
        config,
        (ground.org, &ground.store),
        pipeline,
        vault,
    ));
    let programs = Programs::new(config.connector_programs.clone(), Arc::clone(&pipeline.ids));
    let sessions = Sessions::new(Arc::clone(&ground.seal), Arc::clone(&pipeline.ids));
    Ok(Connectors::new(
        Arc::clone(pipeline),
        Upstream::new(
            fetch,
            shared,
            Arc::new(programs),
            (Arc::new(grants.clone()), &config.server.public_url),
            Accounts::new(grants.oauth(), Arc::clone(&pipeline.clock)),
            Arc::clone(&pipeline.ids),
        ),
        (sessions, Arc::clone(pins) as _, Arc::new(approvals)),
        config.server.public_url.clone(),
    ))
}

/// What was approved of connectors' actions.
pub(super) fn pins(ground: &Ground, pipeline: &Pipeline) -> Arc<StoredPins> {
    let (ledger, clock) = (Arc::clone(&pipeline.ledger), Arc::clone(&pipeline.clock));
    Arc::new(StoredPins::new(
        ground.org,
        ground.store.clone(),
        ledger,
        clock,
    ))
}

/// Who knows of people's grants.
pub(super) fn grants(
    config: &Config,
    ground: &Ground,
    pipeline: &Arc<Pipeline>,
    vault: &VaultKey,
) -> anyhow::Result<Vault> {
    let known = config.connector_clients.iter();
    let known = known.map(|client| (client.connector.clone(), client.clone()));
    let inside = config.connector_issuers.iter();
    let inside = inside.map(|issuer| issuer.origin.origin());
    let named = (known.collect(), inside.collect());
    let fetch = (
        Fetch::new(Reach::Operator, None)?,
        Fetch::new(Reach::Public, None)?,
    );
    let public_url = &config.server.public_url;
    let ids = Arc::clone(&pipeline.ids);
    let oauth = OauthClient::new(fetch, named, public_url, ids);
    let control = control(config, (ground.org, &ground.store), pipeline, vault);
    Ok(Vault::new(control, oauth, config.issuers_for_people()))
}
