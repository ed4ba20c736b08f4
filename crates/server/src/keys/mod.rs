//! `doorward keys …`: the keys that the store seals, and the one that seals them. Every change is a record of the command line's chain
//! before it is made, and nothing here ever prints a key. Called by `commands`.

pub(crate) mod ring;
mod sealing;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail, ensure};
use clap::{Args, Subcommand, ValueEnum};
use control::Operation;
use control::keys::Rotation;
use control::machine::{KeyUse, OwnKey};
use domain::{Ids as _, Timestamp, limits};
use ledger::KeyChange;
use pipeline::identity::{SigningKey, hex};
use secrecy::{ExposeSecret as _, SecretBox};
use serde_json::json;
use store::Store;
use store::secrets::SealingKey;

use crate::commands::administer;
use crate::config::Config;
use crate::system::{SystemIds, complain, say};
use crate::wiring::{self, FINGERPRINT, LEDGER, SESSION, VAULT};
use ring::{Entry, Ring, ledger_key, session_key};

/// What to do with keys.
#[derive(Debug, Args)]
pub struct KeysCommand {
    /// The configuration
    #[arg(long, default_value = "doorward.toml", global = true)]
    config: PathBuf,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// List the keys by fingerprint: since when each is, and what it still does. Never the keys
    List {
        /// Print them as JSON
        #[arg(long)]
        json: bool,
    },
    /// Change a key beside running servers; nobody is signed out and nothing is lost
    #[command(
        after_help = "session: signs people's session tokens. The new key is known everywhere a minute before it signs, the old one verifies until its last token has ended. Running servers follow by themselves. With --compromised the old one counts for nothing at once: clients refresh, and forged tokens are refused.\n\nledger: signs checkpoints. The old key signs its word for the new one into every chain, so whoever has the old public key verifies on; ledger.pub holds both. Running servers change with their next record.\n\nfingerprint: makes fingerprints of findings. Those before and after cannot be compared. Servers take it at their next start: restart them one after the other.\n\nvault: seals arguments of calls that wait for approval, and people's grants at connectors. The new key is known everywhere a minute before it seals; old ones open what they sealed. Running servers follow by themselves.\n\nsealing: seals all of these in the store. With a key file it makes a new one and seals everything anew. With store.master_key: set it to a new key (openssl rand -hex 32) and store.master_key_before to the present one, restart each replica, run this, then take master_key_before away. Older lines of a key file open older backups; delete them when you keep none.\n\nEach change is a record of the command line's chain. Take a backup afterwards: the old ones need the old sealing key."
    )]
    Rotate {
        /// Which
        which: Which,
        /// Somebody else may have the old session key: believe it no longer, at once
        #[arg(long)]
        compromised: bool,
        /// Why, for whoever reads the ledger
        #[arg(long)]
        reason: Option<String>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Which {
    Session,
    Ledger,
    Fingerprint,
    Vault,
    Sealing,
}

impl Which {
    const fn name(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Ledger => "ledger",
            Self::Fingerprint => "fingerprint",
            Self::Vault => "vault",
            Self::Sealing => "sealing",
        }
    }

    /// What it is sealed as; the sealing key itself is not.
    const fn secret(self) -> Option<&'static str> {
        match self {
            Self::Session => Some(SESSION),
            Self::Ledger => Some(LEDGER),
            Self::Fingerprint => Some(FINGERPRINT),
            Self::Vault => Some(VAULT),
            Self::Sealing => None,
        }
    }
}

/// Does it.
pub async fn run(command: KeysCommand) -> ExitCode {
    administer(&command.config, async move |operation, config| {
        act(command.what, operation, config).await
    })
    .await
}

async fn act(what: What, operation: &Operation<'_>, config: &Config) -> anyhow::Result<()> {
    match what {
        What::List { json } => list(operation, config, json).await,
        What::Rotate {
            which,
            compromised,
            reason,
        } => {
            ensure!(
                !compromised || which == Which::Session,
                "--compromised is for the session key; for the others see `doorward keys rotate --help`"
            );
            let reason = reason.as_deref();
            match which {
                Which::Sealing => sealing::rotate(operation, config, reason).await,
                _ => rotate(operation, config, which, compromised, reason).await,
            }
        }
    }
}

/// Makes a new key and puts it in front of the others.
async fn rotate(
    operation: &Operation<'_>,
    config: &Config,
    which: Which,
    compromised: bool,
    reason: Option<&str>,
) -> anyhow::Result<()> {
    let seal = wiring::sealing_key_there(config)?;
    let secret = which
        .secret()
        .context("the sealing key is changed elsewhere")?;
    let (mut ring, sealed) = wiring::ring_there(operation.store, &seal, secret).await?;
    let before = fingerprint(which, ring.newest())?;
    let now = operation.clock.now();
    let new = made(which, &mut ring, compromised, now)?;
    let used_from = new.used_from;
    ring.add(new);
    let after = fingerprint(which, ring.newest())?;
    let rotation = Rotation {
        name: which.name(),
        before: &before,
        after: &after,
        reason,
    };
    let anew = seal.seal(secret, &ring.to_bytes(), operation.ids);
    let is_done = control::keys::rotate(operation, rotation, secret, &sealed, &anew).await?;
    ensure!(
        is_done,
        "somebody else changed this key at the same moment; look at `doorward keys list`"
    );
    say(&format!("{}: {after} follows {before}", which.name()));
    complain(&match which {
        Which::Session if compromised => {
            "The old key counts for nothing any more, within two seconds on every running server. Clients refresh their sessions by themselves; whoever may have forged some: `doorward people revoke`.".to_owned()
        }
        Which::Session => format!("It signs from {used_from} on; the old one verifies until its last token has ended. Running servers follow by themselves."),
        Which::Vault => format!("It seals from {used_from} on; the old one opens what it sealed. Running servers follow by themselves."),
        Which::Ledger => "Each chain changes with its next record. ledger.pub holds both keys: keep a copy of it elsewhere.".to_owned(),
        _ => "Servers take it at their next start: restart them one after the other.".to_owned(),
    });
    Ok(())
}

/// A new key to stand in front of these.
fn made(which: Which, ring: &mut Ring, compromised: bool, now: Timestamp) -> anyhow::Result<Entry> {
    let entry = |key: Vec<u8>, used_from| Entry {
        key: SecretBox::new(Box::new(key)),
        made: Some(now),
        used_from,
        word: None,
    };
    Ok(match which {
        Which::Session => {
            let key = SigningKey::generate(&SystemIds)?.expose_secret().clone();
            if compromised {
                ring.entries.clear();
                return Ok(entry(key, now));
            }
            let is_used = ring.newest().used_from <= now;
            ensure!(
                is_used,
                "the last change is not in use before {}; wait until then",
                ring.newest().used_from
            );
            ring.forget_ended(now);
            entry(key, now.plus_ms(limits::KEYS_PUBLISHED_MS))
        }
        Which::Ledger => {
            let (key, text) = ledger::SigningKey::generate()?;
            let old = ledger_key(ring.newest())?;
            let mut new = entry(text.expose_secret().as_bytes().to_vec(), now);
            new.word = Some(KeyChange::sign(&old, key.public(), now));
            new
        }
        Which::Fingerprint => {
            let mut bytes = vec![0u8; 32];
            SystemIds.fill(&mut bytes);
            // nothing is ever compared with what an older one made
            ring.entries.clear();
            entry(bytes, now)
        }
        Which::Vault => {
            let mut bytes = vec![0u8; 32];
            SystemIds.fill(&mut bytes);
            entry(bytes, now.plus_ms(limits::KEYS_PUBLISHED_MS))
        }
        Which::Sealing => bail!("the sealing key is changed elsewhere"),
    })
}

/// What tells a key from others.
fn fingerprint(which: Which, entry: &Entry) -> anyhow::Result<String> {
    Ok(match which {
        Which::Session => session_key(entry)?.kid().to_owned(),
        Which::Ledger => ledger_key(entry)?.public().id().to_string(),
        Which::Fingerprint | Which::Vault | Which::Sealing => {
            let mut context = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
            context.update(b"doorward fingerprint key id\0");
            context.update(entry.key.expose_secret());
            hex(&context.finish().as_ref()[..8])
        }
    })
}

/// A line of the list.
struct Row {
    name: &'static str,
    fingerprint: String,
    made: Option<Timestamp>,
    does: String,
}

impl From<OwnKey> for Row {
    fn from(key: OwnKey) -> Self {
        Self {
            name: key.ring,
            fingerprint: key.fingerprint,
            made: key.made,
            does: told(&key.does),
        }
    }
}

fn told(does: &KeyUse) -> String {
    match does {
        KeyUse::Signs => "signs".to_owned(),
        KeyUse::SignsFrom(at) => format!("signs from {at}"),
        KeyUse::VerifiesUntil(end) => format!("verifies until {end}"),
        KeyUse::HasEnded => "has ended".to_owned(),
        KeyUse::Verifies => "verifies what it signed".to_owned(),
        KeyUse::MakesFingerprints => "is used".to_owned(),
        KeyUse::SealsRows => "seals".to_owned(),
        KeyUse::OpensRows => "opens what it sealed".to_owned(),
        KeyUse::Seals {
            sealed,
            with_another,
        } => format!("seals {sealed} secrets; {with_another} are sealed with another"),
    }
}

async fn list(operation: &Operation<'_>, config: &Config, as_json: bool) -> anyhow::Result<()> {
    let seal = wiring::sealing_key_there(config)?;
    let now = operation.clock.now();
    let keys = own_keys(operation.store, &seal, now).await?;
    let rows: Vec<Row> = keys.into_iter().map(Row::from).collect();
    if as_json {
        let row = |row: &Row| json!({"name": row.name, "fingerprint": row.fingerprint, "made": row.made.map(|at| at.to_string()), "does": row.does});
        say(&serde_json::to_string_pretty(
            &rows.iter().map(row).collect::<Vec<_>>(),
        )?);
        return Ok(());
    }
    for row in &rows {
        say(&format!(
            "{:<12} {:<17} {:<44} {}",
            row.name,
            row.fingerprint,
            age(row, now),
            row.does
        ));
    }
    Ok(())
}

fn age(row: &Row, now: Timestamp) -> String {
    use domain::window::DAY_MS;
    match row.made {
        Some(at) => format!("made {at}, {} days ago", now.ms_since(at) / DAY_MS),
        None => "its age is not known".to_owned(),
    }
}

/// Every key by its fingerprint, by ring, newest first, and what each still does.
pub(crate) async fn own_keys(
    store: &Store,
    seal: &SealingKey,
    now: Timestamp,
) -> anyhow::Result<Vec<OwnKey>> {
    let mut all = Vec::new();
    for which in [
        Which::Session,
        Which::Ledger,
        Which::Fingerprint,
        Which::Vault,
    ] {
        all.extend(of_ring(store, seal, which, now).await?);
    }
    let sealed = store.sealed_by(seal).await?;
    let older = sealed.iter().filter(|(_, is_older)| *is_older).count();
    all.push(OwnKey {
        ring: Which::Sealing.name(),
        fingerprint: seal.fingerprint(),
        made: None,
        does: KeyUse::Seals {
            sealed: sealed.len() - older,
            with_another: older,
        },
    });
    Ok(all)
}

async fn of_ring(
    store: &Store,
    seal: &SealingKey,
    which: Which,
    now: Timestamp,
) -> anyhow::Result<Vec<OwnKey>> {
    let Some(secret) = which.secret() else {
        return Ok(Vec::new());
    };
    // a fingerprint key is made when a server first starts
    if store.secret(secret).await?.is_none() {
        return Ok(Vec::new());
    }
    let (ring, _) = wiring::ring_there(store, seal, secret).await?;
    let in_use = ring.in_use(now);
    let mut keys = Vec::new();
    for (at, entry) in ring.entries.iter().enumerate() {
        let does = match which {
            Which::Session if at == in_use => KeyUse::Signs,
            Which::Session if at < in_use => KeyUse::SignsFrom(entry.used_from),
            Which::Session => match ring.verifies_until(at) {
                Some(end) if now < end => KeyUse::VerifiesUntil(end),
                _ => KeyUse::HasEnded,
            },
            Which::Ledger if at == 0 => KeyUse::Signs,
            Which::Ledger => KeyUse::Verifies,
            Which::Vault if at == in_use => KeyUse::SealsRows,
            Which::Vault => KeyUse::OpensRows,
            Which::Fingerprint | Which::Sealing => KeyUse::MakesFingerprints,
        };
        keys.push(OwnKey {
            ring: which.name(),
            fingerprint: fingerprint(which, entry)?,
            made: entry.made,
            does,
        });
    }
    Ok(keys)
}
