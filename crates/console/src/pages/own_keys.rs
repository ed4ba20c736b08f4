//! The keys of this installation: which there are, how old, and what each still does; and the command that changes one. Never a key, and
//! no button: whoever could change one from here would have to be able to open it, and who can open a sealed key can do everything.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::response::Response;
use axum::routing::get;
use control::machine::{self, KeyUse, OwnKey};
use domain::Timestamp;

use super::answer;
use super::parts::{self, Copyable, Notice, Source, State, Tone, state};
use super::shell::{Place, Shell};
use super::show::{self, When};
use super::visit::Visitor;
use super::wrong::Wrong;
use crate::Console;

/// `GET /console/keys`.
pub fn routes() -> Router<Arc<Console>> {
    Router::new().route("/console/keys", get(read))
}

/// What a ring is for, and how it changes.
struct About {
    ring: &'static str,
    title: &'static str,
    what: &'static str,
    change: &'static str,
    command: &'static str,
}

/// Every ring, in the order of the page. The facts are those of docs/operations.md, Rotate keys.
const RINGS: [About; 5] = [
    About {
        ring: "session",
        title: "Session keys",
        what: "signs people's session tokens",
        change: "The new one is known to every replica a minute before it signs, and the old one verifies until its last token has ended: nobody signs in again. When somebody else may have the old one, add --compromised: it counts for nothing at once, and clients refresh.",
        command: "doorward keys rotate session --reason 'yearly change'",
    },
    About {
        ring: "ledger",
        title: "Ledger keys",
        what: "signs the ledger's checkpoints",
        change: "The old one signs its word for the new one into every chain, so whoever has the old public key verifies on. Running servers change with their next record; keep a copy of ledger.pub elsewhere.",
        command: "doorward keys rotate ledger --reason 'yearly change'",
    },
    About {
        ring: "fingerprint",
        title: "Fingerprint keys",
        what: "makes fingerprints of what inspection finds",
        change: "Findings before and after cannot be compared. Servers take it at their next start: restart them one after the other.",
        command: "doorward keys rotate fingerprint --reason 'yearly change'",
    },
    About {
        ring: "vault",
        title: "Vault keys",
        what: "seals arguments of calls that wait for approval, and people's grants at connectors",
        change: "The new one is known to every replica a minute before it seals, and those before it open what they sealed.",
        command: "doorward keys rotate vault --reason 'yearly change'",
    },
    About {
        ring: "sealing",
        title: "Sealing key",
        what: "seals the other keys in the store",
        change: "With a key file it makes a new one and seals everything anew. With store.master_key: set it to a new key and store.master_key_before to the present one, restart each replica, run the command, then take master_key_before away. Keep the old one as long as you keep backups from before.",
        command: "doorward keys rotate sealing --reason 'yearly change'",
    },
];

/// A key as a row.
#[derive(Debug, Clone)]
struct Row {
    fingerprint: Copyable,
    made: Option<When>,
    age: String,
    does: State,
}

/// A ring with its keys.
#[derive(Debug, Clone)]
struct Ring {
    name: &'static str,
    title: &'static str,
    what: &'static str,
    change: &'static str,
    command: &'static str,
    keys: Vec<Row>,
}

#[derive(Template)]
#[template(path = "own_keys.html")]
struct Page {
    shell: Shell,
    why: Notice,
    rings: Vec<Ring>,
    source: Source,
}

async fn read(visitor: Visitor) -> Result<Response, Wrong> {
    let operation = visitor.operation();
    let keys = machine::keys(&operation, &*visitor.console().machine).await?;
    let now = operation.clock.now();
    Ok(answer(&Page {
        shell: Shell::new(&visitor, Place::Keys, "Keys"),
        why: Notice::info(
            "A key is changed by a command on the machine: whoever can open a sealed key can do everything, so no session of the console may. Each change is a record of the command line's chain before it is made. Take a backup afterwards.",
        ),
        rings: RINGS.iter().map(|about| ring(about, &keys, now)).collect(),
        source: Source(vec![
            "read from the store now".to_owned(),
            "fingerprints tell keys apart and open nothing".to_owned(),
            "keys of providers and issuers stand in the configuration: change them there, and restart"
                .to_owned(),
        ]),
    }))
}

fn ring(about: &About, keys: &[OwnKey], now: Timestamp) -> Ring {
    let its = keys.iter().filter(|key| key.ring == about.ring);
    Ring {
        name: about.ring,
        title: about.title,
        what: about.what,
        change: about.change,
        command: about.command,
        keys: its.map(|key| row(key, now)).collect(),
    }
}

fn row(key: &OwnKey, now: Timestamp) -> Row {
    Row {
        fingerprint: Copyable::whole("fingerprint", &key.fingerprint),
        made: key.made.map(When::day),
        age: key.made.map_or_else(
            || "its age is not kept".to_owned(),
            |at| format!("{} old", show::length(now.ms_since(at))),
        ),
        does: does(&key.does),
    }
}

fn does(what: &KeyUse) -> State {
    match what {
        KeyUse::Signs => state(Tone::Allow, "Signs"),
        KeyUse::SignsFrom(at) => {
            state(Tone::Ask, format!("Signs from {} UTC on", show::clock(*at)))
        }
        KeyUse::VerifiesUntil(at) => state(
            Tone::Cut,
            format!("Only verifies, until {}", When::full(*at).text()),
        ),
        KeyUse::Verifies => state(Tone::Cut, "Only verifies what it signed"),
        KeyUse::HasEnded => state(Tone::None, "Has ended"),
        KeyUse::MakesFingerprints => state(Tone::Allow, "In use"),
        KeyUse::SealsRows => state(Tone::Allow, "Seals"),
        KeyUse::OpensRows => state(Tone::Cut, "Only opens what it sealed"),
        KeyUse::Seals {
            sealed,
            with_another: 0,
        } => state(
            Tone::Allow,
            format!(
                "Seals {}",
                show::counted(*sealed as u64, "secret", "secrets")
            ),
        ),
        KeyUse::Seals {
            sealed,
            with_another,
        } => state(
            Tone::Ask,
            format!(
                "Seals {}; {} still sealed with another",
                show::counted(*sealed as u64, "secret", "secrets"),
                show::counted(*with_another as u64, "is", "are")
            ),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_key_does_is_told_and_what_needs_somebody_is_told_apart() {
        let at = Timestamp::from_unix_ms(1_795_185_118_204);
        for (what, expected) in [
            (KeyUse::Signs, "state allow"),
            (KeyUse::SignsFrom(at), "Signs from 14:31:58 UTC on"),
            (
                KeyUse::VerifiesUntil(at),
                "until 20 November 2026, 14:31:58 UTC",
            ),
            (
                KeyUse::Seals {
                    sealed: 3,
                    with_another: 0,
                },
                "Seals 3 secrets",
            ),
            (
                KeyUse::Seals {
                    sealed: 1,
                    with_another: 2,
                },
                "state ask",
            ),
        ] {
            let shown = does(&what).to_string();
            assert!(shown.contains(expected), "{shown}");
        }
    }

    #[test]
    fn every_ring_has_its_command() {
        for about in &RINGS {
            let begins = format!("doorward keys rotate {} ", about.ring);
            assert!(about.command.starts_with(&begins), "{}", about.ring);
        }
    }
}
