//! Directories: what each company's directory has provisioned by SCIM and how old its last word is, the tokens it comes with, and what is
//! to be entered at the identity provider.
//!
//! - [`token`]: make a token, make its successor, take one away
//! - [`setup`]: what is entered at Entra, Okta and others

pub mod setup;
pub mod token;

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::response::Response;
use axum::routing::get;
use control::installation::Installation;
use control::scim_tokens::{self, Directory, ScimToken, Source as Origin};
use control::{Right, sensors};
use domain::window::DAY_MS;
use domain::{Timestamp, limits};
use serde::Deserialize;

use self::setup::Setup;
use super::answer;
use super::asked::{self, Asked};
use super::parts::{self, Badge, Empty, Figure, Notice, Source, Tone, badge};
use super::shell::{Place, Shell};
use super::show::{self, Said};
use super::visit::Visitor;
use super::wrong::Wrong;
use crate::Console;

/// A token that ends within so much time is told.
const SOON_MS: i64 = 14 * DAY_MS;

/// Everything under `/console/directory`.
pub fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/console/directory", get(list))
        .route(
            "/console/directory/new-token",
            get(token::ask_new).post(token::make),
        )
        .route(
            "/console/directory/tokens/{id}/rotate",
            get(token::ask_rotate).post(token::rotate),
        )
        .route(
            "/console/directory/tokens/{id}/revoke",
            get(token::ask_revoke).post(token::revoke),
        )
}

#[derive(Debug, Deserialize)]
struct Which {
    done: Option<String>,
}

/// A directory, and what it has provisioned.
#[derive(Debug, Clone)]
struct Card {
    id: String,
    name: Said,
    badge: Badge,
    figures: Vec<Figure>,
}

/// A token, never the token.
#[derive(Debug, Clone)]
struct Row {
    name: Said,
    prefix: Said,
    of: Said,
    badge: Badge,
    used: String,
    ends: String,
    made: String,
    made_by: Said,
    rotate: Option<String>,
    revoke: Option<String>,
}

#[derive(Template)]
#[template(path = "directory.html")]
struct Page {
    shell: Shell,
    cards: Vec<Card>,
    none: Empty,
    rows: Vec<Row>,
    may_make: bool,
    setups: Vec<Setup>,
    source: Source,
}

async fn list(visitor: Visitor, Asked(which): Asked<Which>) -> Result<Response, Wrong> {
    let operation = visitor.operation();
    let vouching = &visitor.console().control.vouching;
    let directories = scim_tokens::directories(&operation, vouching).await?;
    let tokens = scim_tokens::list(&operation).await?;
    let now = operation.clock.now();
    let may_write = visitor.actor().may(Right::DirectoryWrite);
    let cards = directories.iter().enumerate();
    Ok(answer(&Page {
        shell: Shell::new(&visitor, Place::Directory, "Directory")
            .telling(told(asked::given(which.done.as_ref()))),
        cards: cards
            .map(|one| card(one, &tokens, &visitor.console().installation, now))
            .collect(),
        none: Empty::new(
            "group",
            "No issuer vouches for people",
            "A directory is that of an issuer which vouches for people; the configuration names none yet.",
        ),
        rows: tokens
            .iter()
            .map(|token| row(token, now, may_write))
            .collect(),
        may_make: may_write,
        setups: setup::all(&visitor.console().installation),
        source: Source(vec![
            "counted in the store now".to_owned(),
            "a token's last use is noted once an hour".to_owned(),
            "tokens that have ended are listed for 400 days".to_owned(),
        ]),
    }))
}

fn told(word: &str) -> Option<Notice> {
    (word == "revoked").then(|| {
        Notice::info("What opens now stands below. A directory whose only token was taken away says nothing more: whoever leaves is not taken out.")
    })
}

/// `entra, tenant …`.
pub(super) fn called(source: &Origin) -> Said {
    Said::from(match &source.tenant {
        Some(tenant) => format!("{}, tenant {tenant}", source.issuer),
        None => source.issuer.clone(),
    })
}

fn card(
    (place, directory): (usize, &Directory),
    tokens: &[ScimToken],
    installation: &Installation,
    now: Timestamp,
) -> Card {
    let its = tokens
        .iter()
        .filter(|token| token.source == directory.source);
    let open = its.clone().filter(|token| token.opens(now)).count() as u64;
    let last = its.filter_map(|token| token.used_at).max();
    let there = directory.provisioned;
    let figure = |name: &str, value: String, of: String, source: Vec<String>| Figure {
        name: name.to_owned(),
        value,
        of,
        source,
    };
    let changed = there.changed.map_or_else(
        || "nothing was ever provisioned".to_owned(),
        |at| format!("last change {} ago", show::length(now.ms_since(at))),
    );
    Card {
        id: format!("directory-{place}"),
        name: called(&directory.source),
        badge: standing(
            open,
            last,
            sensors::directory_patience_ms(installation, &directory.source.issuer),
            now,
        ),
        figures: vec![
            figure(
                "People let in",
                show::count(there.active),
                format!("of {} provisioned", show::count(there.users)),
                vec![changed],
            ),
            figure(
                "Groups",
                show::count(there.groups),
                String::new(),
                Vec::new(),
            ),
            figure(
                "Last word",
                last.map_or_else(
                    || "none yet".to_owned(),
                    |at| format!("{} ago", show::length(now.ms_since(at))),
                ),
                String::new(),
                Vec::new(),
            ),
            figure(
                "Valid tokens",
                show::count(open),
                format!("of {} at once", limits::SCIM_TOKENS_OPEN_MAX),
                Vec::new(),
            ),
        ],
    }
}

/// How a directory stands: no count of leavers means anything while it is silent.
fn standing(open: u64, last: Option<Timestamp>, patience_ms: i64, now: Timestamp) -> Badge {
    match last {
        _ if open == 0 => badge(Tone::None, "not connected"),
        None => badge(Tone::Ask, "not heard from yet"),
        Some(at) if now.ms_since(at) > patience_ms => badge(
            Tone::Alert,
            format!("silent for {}", show::length(now.ms_since(at))),
        ),
        Some(_) => badge(Tone::Allow, "live"),
    }
}

fn row(token: &ScimToken, now: Timestamp, may_write: bool) -> Row {
    let opens = token.opens(now);
    let to = |what: &str| {
        (opens && may_write).then(|| format!("/console/directory/tokens/{}/{what}", token.id))
    };
    let soon = |end: &Timestamp| end.ms_since(now) < SOON_MS;
    Row {
        name: Said::from(&token.name),
        prefix: Said::from(format!("{}…", token.prefix)),
        of: called(&token.source),
        badge: match (token.revoked_at, token.expires) {
            (Some(_), _) => badge(Tone::None, "taken away"),
            _ if !opens => badge(Tone::None, "ended"),
            (None, Some(end)) if soon(&end) => {
                let left = show::length(end.ms_since(now));
                badge(Tone::Ask, format!("ends in {left}"))
            }
            _ => badge(Tone::Allow, "valid"),
        },
        used: token.used_at.map_or_else(
            || "never".to_owned(),
            |at| format!("{} ago", show::length(now.ms_since(at))),
        ),
        ends: token.expires.map_or_else(|| "never".to_owned(), show::day),
        made: show::day(token.created),
        made_by: Said::from(&token.made_by),
        rotate: to("rotate"),
        revoke: to("revoke"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_says_nothing_is_told_apart_from_one_that_is_not_connected() {
        let now = Timestamp::from_unix_ms(10 * DAY_MS);
        let check = |open, hours: Option<i64>, expected: &str| {
            let last = hours.map(|hours| now.plus_ms(-hours * 3_600_000));
            let shown = standing(open, last, DAY_MS, now).to_string();
            assert!(shown.contains(expected), "{shown}");
        };
        check(0, Some(1), "not connected");
        check(1, None, "not heard from yet");
        check(1, Some(1), "live");
        check(2, Some(24), "live");
        check(2, Some(25), "silent for 1 day");
    }
}
