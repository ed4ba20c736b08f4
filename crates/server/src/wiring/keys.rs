//! Keys and the ledger that is signed with one of them: made at first use, sealed in the store, the same for every replica.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, anyhow, bail};
use domain::{Clock, Ids, Timestamp, limits};
use ledger::{ChainId, Ledger, private};
use pipeline::identity::SigningKey;
use secrecy::{ExposeSecret as _, SecretString};
use store::Store;
use store::secrets::SealingKey;

use crate::config::Config;
use crate::keys::ring::Ring;

/// What the keys of session tokens are sealed as.
pub(crate) const SESSION: &str = "session-key";
/// What the ledger's signing keys are sealed as.
pub(crate) const LEDGER: &str = "ledger-key";
/// What the key of findings' fingerprints is sealed as.
pub(crate) const FINGERPRINT: &str = "fingerprint-key";
/// What the keys of arguments and grants are sealed as.
pub(crate) const VAULT: &str = "vault-key";

/// The key that seals what the store keeps: configured, or in a file of our own beside SQLite, which is made when it is not there.
pub(super) fn sealing_key(config: &Config, ids: &dyn Ids) -> anyhow::Result<SealingKey> {
    if let Some(path) = key_file(config)?
        && !path.exists()
    {
        let mut bytes = [0u8; 32];
        ids.fill(&mut bytes);
        write_private(&path, &pipeline::identity::hex(&bytes))
            .with_context(|| format!("{} cannot be made", path.display()))?;
        tracing::info!(file = %path.display(), "a key for the store's secrets was made; keep it with every backup");
    }
    sealing_key_there(config)
}

/// The key that seals what the store keeps, as far as there is one; nothing is made.
pub(crate) fn sealing_key_there(config: &Config) -> anyhow::Result<SealingKey> {
    let text = sealing_key_text(config)?;
    parse_key(&text).ok_or_else(|| match key_file(config) {
        Ok(Some(path)) => anyhow!("{} does not hold 64 hex digits", path.display()),
        _ => anyhow!("store.master_key and store.master_key_before must be 64 hex digits"),
    })
}

/// That key as it is written down.
pub(crate) fn sealing_key_text(config: &Config) -> anyhow::Result<SecretString> {
    if let Some(key) = &config.store.master_key {
        let before = config.store.master_key_before.as_ref();
        let before = before.map_or("", |key| key.expose_secret());
        return Ok(SecretString::from(format!(
            "{}\n{before}",
            key.expose_secret()
        )));
    }
    let path = key_file(config)?.context("neither a key nor a file for it is configured")?;
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("{} cannot be read", path.display()))?;
    Ok(SecretString::from(text))
}

/// Puts a key that was kept in its file, where one belongs that is not there.
pub(crate) fn write_sealing_key(config: &Config, text: &SecretString) -> anyhow::Result<()> {
    let path = key_file(config)?.context("store.master_key says which key it is")?;
    write_private(&path, text.expose_secret().trim())
        .with_context(|| format!("{} cannot be made", path.display()))
}

/// Where the key is, when it is not configured itself.
pub(crate) fn key_file(config: &Config) -> anyhow::Result<Option<PathBuf>> {
    if config.store.master_key.is_some() {
        return Ok(None);
    }
    // Where the store itself puts its file, so that a key and what it seals never part.
    let Some(path) = store::sqlite_file(config.store.url.expose_secret()) else {
        bail!(
            "store.master_key is needed with PostgreSQL: 64 hex digits, the same for every replica"
        );
    };
    Ok(Some(path.with_extension("key")))
}

/// A key from its text: the one that seals, then older ones that only open, each 64 hex digits.
pub(crate) fn parse_key(text: &SecretString) -> Option<SealingKey> {
    let mut words = text.expose_secret().split_whitespace();
    let newest = SealingKey::new(key_bytes(words.next()?)?);
    words
        .take(limits::KEYS_KEPT_MAX)
        .try_fold(newest, |key, older| Some(key.and_older(key_bytes(older)?)))
}

fn key_bytes(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0u8; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (byte, index) in bytes.iter_mut().zip((0..64).step_by(2)) {
        *byte = u8::from_str_radix(&text[index..index + 2], 16).ok()?;
    }
    Some(bytes)
}

/// A new file that only we can read.
fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    let mut file = private::options().write(true).create_new(true).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

pub(super) async fn open_ledger(
    dir: &Path,
    kind: &str,
    store: &Store,
    seal: &SealingKey,
    clock: Arc<dyn Clock>,
    ids: &dyn Ids,
) -> anyhow::Result<Ledger> {
    private::create_folder(dir)
        .with_context(|| format!("the ledger's folder {} cannot be made", dir.display()))?;
    let ring = ledger_ring(store, seal, clock.now(), ids).await?;
    let named = dir.join("replica");
    if !named.exists() {
        let mut bytes = [0u8; 6];
        ids.fill(&mut bytes);
        write_private(
            &named,
            &format!("{kind}-{}", pipeline::identity::hex(&bytes)),
        )?;
    }
    let replica = std::fs::read_to_string(&named)?;
    let chain = ChainId::new(replica.trim(), 1)?;
    write_public_keys(dir, &ring)?;
    let folder = dir.to_owned();
    let keys = ring.ledger_keys()?;
    let span = tracing::Span::current();
    let open = move || span.in_scope(|| Ledger::open_with(&folder, chain, keys, clock));
    let opened = tokio::task::spawn_blocking(open).await?;
    opened.context("the ledger cannot be opened")
}

/// The keys that checkpoints are checked with, newest first.
pub(super) fn write_public_keys(dir: &Path, ring: &Ring) -> anyhow::Result<()> {
    private::write(&dir.join("ledger.pub"), ring.public_keys()?.as_bytes())?;
    Ok(())
}

/// What is sealed in the store under this name; made at first use. Of two replicas that start at once, both get the first one's.
async fn kept(
    store: &Store,
    seal: &SealingKey,
    name: &str,
    (now, ids): (Timestamp, &dyn Ids),
    make: impl FnOnce() -> anyhow::Result<Vec<u8>>,
) -> anyhow::Result<Ring> {
    let sealed = if let Some(sealed) = store.secret(name).await? {
        sealed
    } else {
        let ring = Ring::one(make()?, now);
        store
            .keep_secret(name, &seal.seal(name, &ring.to_bytes(), ids))
            .await?
    };
    Ring::parse(&seal.open(name, &sealed)?)
}

/// The ledger's signing keys, the same for every replica of a store.
async fn ledger_ring(
    store: &Store,
    seal: &SealingKey,
    now: Timestamp,
    ids: &dyn Ids,
) -> anyhow::Result<Ring> {
    let make = || {
        Ok(ledger::SigningKey::generate()?
            .1
            .expose_secret()
            .as_bytes()
            .to_vec())
    };
    kept(store, seal, LEDGER, (now, ids), make).await
}

/// The keys of session tokens, the same for every replica of a store; the first signs.
pub(super) async fn session_keys(
    store: &Store,
    seal: &SealingKey,
    now: Timestamp,
    ids: &dyn Ids,
) -> anyhow::Result<Vec<SigningKey>> {
    let make = || Ok(SigningKey::generate(ids)?.expose_secret().clone());
    kept(store, seal, SESSION, (now, ids), make)
        .await?
        .session_keys(now)
}

/// The keys of session tokens of a store that is only looked at.
pub(super) async fn session_keys_there(
    config: &Config,
    store: &Store,
    now: Timestamp,
) -> anyhow::Result<Vec<SigningKey>> {
    let seal = sealing_key_there(config)?;
    let (ring, _) = ring_there(store, &seal, SESSION).await?;
    ring.session_keys(now)
}

/// What is sealed under this name, where it is there, and as it is sealed.
pub(crate) async fn ring_there(
    store: &Store,
    seal: &SealingKey,
    name: &str,
) -> anyhow::Result<(Ring, Vec<u8>)> {
    let sealed = store.secret(name).await?;
    let sealed = sealed.context("no Doorward has started on this store yet")?;
    let opened = seal
        .open(name, &sealed)
        .context("the key file or store.master_key is not the one this store was sealed with")?;
    Ok((Ring::parse(&opened)?, sealed))
}

/// The key of findings' fingerprints, the same for every replica of a store.
pub(super) async fn fingerprint_key(
    store: &Store,
    seal: &SealingKey,
    now: Timestamp,
    ids: &dyn Ids,
) -> anyhow::Result<Vec<u8>> {
    let make = || {
        let mut bytes = [0u8; 32];
        ids.fill(&mut bytes);
        Ok(bytes.to_vec())
    };
    let ring = kept(store, seal, FINGERPRINT, (now, ids), make).await?;
    Ok(ring.newest().key.expose_secret().clone())
}

/// The keys of arguments and grants, the same for every replica of a store.
pub(super) async fn vault_key(
    store: &Store,
    seal: &SealingKey,
    now: Timestamp,
    ids: &dyn Ids,
) -> anyhow::Result<SealingKey> {
    let make = || {
        let mut bytes = [0u8; 32];
        ids.fill(&mut bytes);
        Ok(bytes.to_vec())
    };
    kept(store, seal, VAULT, (now, ids), make)
        .await?
        .vault_key(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_stands_beside_its_database_however_the_address_is_written() {
        for (url, file) in [
            ("sqlite:doorward.db", "doorward.key"),
            ("sqlite://doorward.db", "doorward.key"),
            ("sqlite:///var/lib/doorward.db", "/var/lib/doorward.key"),
            ("sqlite:/var/lib/doorward.db", "/var/lib/doorward.key"),
        ] {
            let text = format!(
                "[server]\npublic_url = 'http://127.0.0.1:1'\n[store]\nurl = '{url}'\n[ledger]\ndir = 'ledger'\n\
                 [[upstream]]\nname = 'a'\nprovider = 'anthropic'\nauth = {{ api_key = '${{PATH}}' }}\n"
            );
            let config = crate::config::read(&text).unwrap();
            let found = key_file(&config).unwrap();
            assert_eq!(found.as_deref(), Some(Path::new(file)), "{url}");
        }
    }
}
