//! Keys that are changed while the process runs: session keys are known before they sign and after, the ledger changes with its
//! next record. What cannot be read leaves the present keys in place, and a token of an unknown key is then no bad login.

use std::time::Duration;

use anyhow::Context as _;
use domain::limits;

use super::{LEDGER, SESSION, VAULT, Wired, keys};

/// What is in use, to tell when it changes.
#[derive(Debug, Default)]
struct InUse {
    session: Vec<String>,
    ledger: String,
    vault: String,
}

/// Follows for ever. Ends only by being dropped.
pub(super) async fn follow(wired: &Wired) {
    let mut in_use = InUse::default();
    let mut tick = tokio::time::interval(Duration::from_millis(limits::KEYS_POLL_MS));
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        if let Err(error) = look(wired, &mut in_use).await {
            tracing::warn!(error = %format!("{error:#}"), "whether keys were changed cannot be seen; the present ones stay");
        }
    }
}

async fn look(wired: &Wired, in_use: &mut InUse) -> anyhow::Result<()> {
    let now = wired.pipeline.clock.now();
    // its file is read each time: it may be the sealing key that was changed
    let seal = keys::sealing_key_there(&wired.config)?;
    let (session, _) = keys::ring_there(&wired.store, &seal, SESSION).await?;
    let session = session.session_keys(now)?;
    let kids: Vec<String> = session.iter().map(|key| key.kid().to_owned()).collect();
    if kids != in_use.session {
        let is_gone = in_use.session.iter().any(|kid| !kids.contains(kid));
        wired.tokens.replace_keys(session)?;
        if is_gone {
            wired.pipeline.identity.forget_verified();
        }
        if !in_use.session.is_empty() {
            tracing::info!(signs = kids[0], "the keys of session tokens have changed");
        }
        in_use.session = kids;
    }
    wired.tokens.keys_are_current(now);

    let (ring, _) = keys::ring_there(&wired.store, &seal, VAULT).await?;
    let vault = ring.vault_key(now)?;
    // which one is in use, and how many there are to open with
    let which = format!("{} of {}", vault.fingerprint(), ring.entries.len());
    if which != in_use.vault {
        wired.vault.replace(vault);
        in_use.vault = which;
    }

    let (ring, _) = keys::ring_there(&wired.store, &seal, LEDGER).await?;
    let public = ring.public_keys()?;
    if public != in_use.ledger {
        // who verifies must be able to before the first checkpoint of a new key
        keys::write_public_keys(&wired.ledger_dir, &ring)
            .context("ledger.pub cannot be written")?;
        wired.pipeline.ledger.change_keys(ring.ledger_keys()?);
        in_use.ledger = public;
    }
    Ok(())
}
