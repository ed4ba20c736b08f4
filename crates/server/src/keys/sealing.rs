//! The key that seals the others is changed: first it is where every process finds it, with the old one behind it, then everything is
//! sealed anew in one transaction. Whatever fails in between, both keys are there and everything opens.

use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, ensure};
use control::Operation;
use control::keys::Rotation;
use domain::Ids as _;
use ledger::private;
use pipeline::identity::hex;
use secrecy::{ExposeSecret as _, SecretString};

use crate::config::Config;
use crate::system::{SystemIds, complain, say};
use crate::wiring;

pub(super) async fn rotate(
    operation: &Operation<'_>,
    config: &Config,
    reason: Option<&str>,
) -> anyhow::Result<()> {
    let before = wiring::sealing_key_there(config)?;
    let file = wiring::key_file(config)?;
    let sealed = operation.store.sealed_by(&before).await?;
    let waiting = sealed.iter().filter(|(_, is_older)| *is_older).count();
    // a change that did not come to its end is taken up; only when nothing waits is there a new key
    let key = match &file {
        Some(path) if waiting == 0 => {
            let text = with_a_new_key(&wiring::sealing_key_text(config)?);
            let new = wiring::parse_key(&text).context("the key file does not hold keys")?;
            announce(operation, &before.fingerprint(), &new.fingerprint(), reason).await?;
            replace(path, &text)
                .with_context(|| format!("{} cannot be replaced", path.display()))?;
            new
        }
        Some(_) => before,
        None => {
            ensure!(
                waiting > 0,
                "everything is sealed with store.master_key; to change it set it to a new key (openssl rand -hex 32) and store.master_key_before to the present one, restart each replica, and run this again"
            );
            let old = config.store.master_key_before.as_ref();
            let old = old.and_then(wiring::parse_key).context(
                "secrets are sealed with another key than store.master_key; name that one as store.master_key_before",
            )?;
            announce(operation, &old.fingerprint(), &before.fingerprint(), reason).await?;
            before
        }
    };
    let resealed = operation.store.reseal(&key, operation.ids).await?;
    say(&format!(
        "sealing: {} seals {resealed} secrets anew",
        key.fingerprint()
    ));
    complain(&match file {
        Some(path) => format!(
            "{} holds the new key first; the lines after it open backups from before: delete them when you keep none. Take a backup, and keep a copy of the file elsewhere.",
            path.display()
        ),
        None => "Take store.master_key_before away, and keep the old key as long as you keep backups from before.".to_owned(),
    });
    Ok(())
}

async fn announce(
    operation: &Operation<'_>,
    before: &str,
    after: &str,
    reason: Option<&str>,
) -> anyhow::Result<()> {
    let rotation = Rotation {
        name: "sealing",
        before,
        after,
        reason,
    };
    control::keys::announce(operation, rotation).await?;
    Ok(())
}

/// A new key in front of those that are there.
fn with_a_new_key(text: &SecretString) -> SecretString {
    let mut bytes = [0u8; 32];
    SystemIds.fill(&mut bytes);
    let older: Vec<&str> = text.expose_secret().split_whitespace().collect();
    SecretString::from(format!("{}\n{}\n", hex(&bytes), older.join("\n")))
}

/// Puts a file in the place of another one: afterwards one of them is there, whole and durable.
fn replace(path: &Path, text: &SecretString) -> std::io::Result<()> {
    let new = path.with_extension("key.new");
    match std::fs::remove_file(&new) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = private::options().write(true).create_new(true).open(&new)?;
    file.write_all(text.expose_secret().as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&new, path)?;
    match path.canonicalize()?.parent() {
        Some(folder) => std::fs::File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}
