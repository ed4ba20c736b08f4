//! Checkpoints: the signed heads of the ledger's chains, the keys that verify them, and two ways to verify: the end of this replica's
//! ledger from here, at once, and all of it on any machine, offline. Whoever keeps a checkpoint elsewhere can tell later whether what it
//! covers was cut off or written anew.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::response::Response;
use axum::routing::get;
use control::checkpoints::{self, Found};
use control::machine::{self, Latest};
use control::records::{self, Place as Row};
use domain::{ReasonCode, Timestamp};
use serde::Deserialize;

use super::answer;
use super::asked::{self, Asked, Named};
use super::parts::{self, Copyable, Empty, Source, State, Tone, state};
use super::shell::{Place, Shell};
use super::show::{self, Said, When};
use super::table::{Chips, Filters, Pager, ROWS};
use super::visit::Visitor;
use super::wrong::Wrong;
use crate::{Console, saved};

const LIST: &str = "/console/ledger/checkpoints";

/// Everything under `/console/ledger/checkpoints`.
pub fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route(LIST, get(list))
        .route("/console/ledger/checkpoints/verify", get(verify))
        .route("/console/ledger/checkpoints/{id}", get(file))
}

#[derive(Debug, Deserialize)]
struct Which {
    chain: Option<String>,
    after: Option<String>,
}

/// A checkpoint as a row.
#[derive(Debug, Clone)]
struct Line {
    at: When,
    age: String,
    chain: Said,
    chain_to: String,
    covers: String,
    hash: Copyable,
    key: String,
    file: String,
}

/// A public key.
#[derive(Debug, Clone)]
struct Key {
    id: Copyable,
    text: Copyable,
    state: State,
}

#[derive(Template)]
#[template(path = "checkpoints.html")]
struct Page {
    shell: Shell,
    chips: Chips,
    rows: Vec<Line>,
    pager: Pager,
    none: Empty,
    keys: Vec<Key>,
    chain: Said,
    head: String,
    source: Source,
}

async fn list(visitor: Visitor, Asked(which): Asked<Which>) -> Result<Response, Wrong> {
    let operation = visitor.operation();
    let chain = asked::sought("The chain", which.chain.as_ref())?;
    let after: Option<Row> = asked::after(which.after.as_ref())?;
    let one = Some(chain).filter(|chain| !chain.is_empty());
    let (found, more) = checkpoints::list(&operation, one, after.as_ref(), ROWS).await?;
    let head = records::head(&operation)?;
    let now = operation.clock.now();
    let filters = Filters::of(LIST).with("chain", chain, format!("chain {chain}"));
    let next = found
        .last()
        .filter(|_| more)
        .map(|last| last.place.to_string());
    let newest = found.first().filter(|_| after.is_none());
    let newest = newest.map_or_else(
        || "no checkpoint on this page".to_owned(),
        |newest| {
            let age = now.ms_since(newest.checkpoint.time);
            format!("the newest is {} old", show::length(age))
        },
    );
    let says = show::counted(found.len() as u64, "checkpoint", "checkpoints");
    Ok(answer(&Page {
        shell: Shell::new(&visitor, Place::Checkpoints, "Checkpoints"),
        chips: filters.chips(),
        rows: found.iter().map(|found| line(found, now)).collect(),
        pager: Pager::new(
            &filters,
            format!("{says} shown, newest first"),
            after.is_some(),
            next.as_deref(),
        ),
        none: Empty::new(
            "evidence",
            "No checkpoint here",
            "A chain is signed when something was written to it, at most once a second, and when its process ends.",
        ),
        keys: keys(&visitor).await?,
        chain: Said::from(&head.chain),
        head: show::count(head.seq),
        source: Source(vec![
            "out of the ledger's copy, which follows by less than a second".to_owned(),
            newest,
            "that one is signed by whom it says is for you to find out, with a key you were given"
                .to_owned(),
        ]),
    }))
}

fn line(found: &Found, now: Timestamp) -> Line {
    let checkpoint = &found.checkpoint;
    let chain = checkpoint.chain.to_string();
    Line {
        at: When::full(checkpoint.time),
        age: format!("{} ago", show::length(now.ms_since(checkpoint.time))),
        chain_to: Filters::of(LIST).with("chain", &chain, "").first(),
        chain: Said::from(chain),
        covers: show::count(checkpoint.seq),
        hash: Copyable::short("hash", checkpoint.hash),
        key: checkpoint.key.to_string(),
        file: format!("{LIST}/{}", found.id()),
    }
}

/// The keys that verify, newest first.
async fn keys(visitor: &Visitor) -> Result<Vec<Key>, Wrong> {
    let machine = &*visitor.console().machine;
    let keys = machine::public_keys(&visitor.operation(), machine).await?;
    let key = |(place, key): (usize, &machine::PublicKey)| Key {
        id: Copyable::whole("key id", key.id()),
        text: Copyable::whole("public key", key),
        state: if place == 0 {
            state(Tone::Allow, "Signs")
        } else {
            state(Tone::Cut, "Only verifies")
        },
    };
    Ok(keys.iter().enumerate().map(key).collect())
}

/// `GET /console/ledger/checkpoints/{id}`: the checkpoint as a file, a line as in `checkpoints.ndjson`.
async fn file(visitor: Visitor, Named(id): Named<String>) -> Result<Response, Wrong> {
    let found = checkpoints::one(&visitor.operation(), &id).await?;
    let text = serde_json::to_string(&found.checkpoint);
    let text = text.map_err(|_| Wrong::plain(ReasonCode::Internal))? + "\n";
    let name = format!("checkpoint-{}.ndjson", found.id());
    Ok(saved::file(&name, "application/x-ndjson", text))
}

/// What a look at a chain found.
#[derive(Debug, Clone)]
struct ChainLine {
    chain: Said,
    records: String,
    range: String,
    signed: String,
    when: String,
}

#[derive(Template)]
#[template(path = "verified.html")]
struct Verified {
    shell: Shell,
    at: When,
    state: State,
    says: String,
    chains: Vec<ChainLine>,
    report: Option<String>,
}

async fn verify(visitor: Visitor) -> Result<Response, Wrong> {
    let operation = visitor.operation();
    let machine = &*visitor.console().machine;
    let Some(latest) = machine::verify_latest(&operation, machine).await? else {
        let detail = "The ledger is being verified for somebody else at this moment.";
        return Err(Wrong::new(ReasonCode::ConcurrencyLimit, detail).leading_to("Try again", LIST));
    };
    let report = &latest.report;
    let chains = report.chains.iter().map(|chain| ChainLine {
        chain: Said::from(&chain.chain),
        records: show::count(chain.records),
        range: format!(
            "{} to {}",
            show::count(chain.first),
            show::count(chain.last)
        ),
        signed: chain.signed_to.map_or_else(
            || "no checkpoint among them".to_owned(),
            |seq| format!("signed to {}", show::count(seq)),
        ),
        when: match (chain.first_time, chain.last_time) {
            (Some(first), Some(last)) => {
                format!(
                    "{} to {}",
                    When::full(first).text(),
                    When::full(last).text()
                )
            }
            _ => String::new(),
        },
    });
    Ok(answer(&Verified {
        at: When::full(operation.clock.now()),
        state: if report.is_clean() && report.lines > 0 {
            state(Tone::Allow, "It holds")
        } else {
            state(Tone::Stop, "It does not hold")
        },
        says: said(&latest),
        chains: chains.collect(),
        report: (!report.is_clean()).then(|| report.to_string()),
        shell: Shell::new(&visitor, Place::Checkpoints, "Verified").within("Verified"),
    }))
}

/// What was looked at, so that nobody takes it for more.
fn said(latest: &Latest) -> String {
    let part = if latest.is_whole {
        "all of this replica's ledger".to_owned()
    } else {
        format!(
            "the end of this replica's ledger: {} of its {}",
            show::count(latest.segments as u64),
            show::counted(latest.of_segments as u64, "segment", "segments")
        )
    };
    let kib = latest.bytes.div_ceil(1_024);
    format!(
        "{} were read, {} KiB, {part}. Each record was held against the one before it, and checkpoints against this ledger's own keys. That none was cut off at the end, and that the keys are the right ones, takes a checkpoint and a key that were kept elsewhere.",
        show::counted(latest.report.lines, "record", "records"),
        show::count(kib)
    )
}
