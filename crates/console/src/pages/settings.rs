//! Settings: the configuration as it is in force on this replica, each value with the key of `doorward.toml` that says it; how the keys of
//! every issuer stand; the version. Secrets by class alone. Nothing is changed here: the file is changed, checked with `doorward
//! check-config`, and read at the next start.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::response::Response;
use axum::routing::get;
use control::Right;
use control::installation::{SettingFact, SettingSection, SettingValue, settings};
use control::machine::{self, IssuerKeys};
use domain::{Timestamp, limits};

use super::answer;
use super::parts::{self, Badge, Copyable, Source, State, Tone, state, tag};
use super::shell::{Place, Shell};
use super::show::{self, Said};
use super::visit::Visitor;
use super::wrong::Wrong;
use crate::Console;

/// `GET /console/settings`.
pub fn routes() -> Router<Arc<Console>> {
    Router::new().route("/console/settings", get(read))
}

/// A setting as a row.
#[derive(Debug, Clone)]
struct Row {
    key: Said,
    value: Said,
    badge: Option<Badge>,
}

/// Settings of one kind.
#[derive(Debug, Clone)]
struct Section {
    id: String,
    name: Said,
    about: &'static str,
    rows: Vec<Row>,
}

/// An issuer's keys as a row.
#[derive(Debug, Clone)]
struct IssuerLine {
    name: Said,
    state: State,
    keys: String,
    fetched: String,
    problem: Said,
}

/// How long something is kept.
struct Kept {
    what: &'static str,
    long: String,
}

#[derive(Template)]
#[template(path = "settings.html")]
struct Page {
    shell: Shell,
    org: Said,
    org_id: Copyable,
    version: String,
    public_url: Said,
    is_config_shown: bool,
    issuers: Vec<IssuerLine>,
    sections: Vec<Section>,
    kept: Vec<Kept>,
    source: Source,
}

async fn read(visitor: Visitor) -> Result<Response, Wrong> {
    let operation = visitor.operation();
    let installation = settings(&operation, &visitor.console().installation)?;
    let is_config_shown = visitor.actor().may(Right::ConfigRead);
    let now = operation.clock.now();
    let machine = &*visitor.console().machine;
    let (issuers, sections) = if is_config_shown {
        let issuers = machine::issuers(&operation, machine)?;
        let sections = machine::settings(&operation, machine)?;
        let sections = sections.iter().enumerate();
        (
            issuers
                .iter()
                .map(|issuer| issuer_line(issuer, now))
                .collect(),
            sections.map(section).collect(),
        )
    } else {
        (Vec::new(), Vec::new())
    };
    Ok(answer(&Page {
        shell: Shell::new(&visitor, Place::Settings, "Settings"),
        org: Said::from(&installation.org_name),
        org_id: Copyable::whole("organisation id", operation.org),
        version: installation.version.clone(),
        public_url: Said::from(&installation.public_url),
        is_config_shown,
        issuers,
        sections,
        kept: kept(),
        source: Source(vec![
            "as this replica read it at its start".to_owned(),
            "of a secret only its kind is shown".to_owned(),
        ]),
    }))
}

fn issuer_line(issuer: &IssuerKeys, now: Timestamp) -> IssuerLine {
    IssuerLine {
        name: Said::from(&issuer.name),
        state: match (issuer.is_usable, &issuer.problem) {
            (true, None) => state(Tone::Allow, "Answers"),
            (true, Some(_)) => state(Tone::Ask, "Lives on the last good keys"),
            (false, _) => state(Tone::Stop, "Nobody of it comes in"),
        },
        keys: format!(
            "{} {}",
            show::counted(issuer.keys as u64, "key", "keys"),
            issuer.algorithms.join(", ")
        ),
        fetched: issuer.fetched.map_or_else(
            || "never".to_owned(),
            |at| format!("{} ago", show::length(now.ms_since(at))),
        ),
        problem: Said::from(issuer.problem.as_deref().unwrap_or_default()),
    }
}

fn section((place, section): (usize, &SettingSection)) -> Section {
    Section {
        id: format!("section-{place}"),
        name: Said::from(&section.name),
        about: section.about,
        rows: section.facts.iter().map(row).collect(),
    }
}

fn row(fact: &SettingFact) -> Row {
    let (value, badge) = match &fact.value {
        SettingValue::Text(text) => (Said::from(text), None),
        SettingValue::Secret(class) => (Said::from(class), Some(tag("secret"))),
        SettingValue::Unset(instead) => (Said::from(instead), Some(tag("default"))),
    };
    Row {
        key: Said::from(&fact.key),
        value,
        badge,
    }
}

/// How long what is over is kept, which no configuration changes.
fn kept() -> Vec<Kept> {
    let kept = |what, ms| Kept {
        what,
        long: show::length(ms),
    };
    vec![
        Kept {
            what: "Records of the ledger, in its folder and in the copy",
            long: "for ever; nothing drops them yet".to_owned(),
        },
        kept(
            "What a call says that needed an approval, after its end",
            limits::APPROVAL_ARGUMENTS_KEPT_MS,
        ),
        kept("The rest of an approval", limits::APPROVALS_KEPT_MS),
        kept(
            "Keys and tokens that open nothing any more, in lists",
            limits::CREDENTIALS_KEPT_MS,
        ),
        kept(
            "Memberships that ended, against old tokens",
            limits::DIRECTORY_LEFT_MS,
        ),
        kept(
            "A session of the console, at most",
            limits::CONSOLE_SESSION_MS,
        ),
        kept(
            "A session of a program without a use",
            limits::REFRESH_TOKEN_MS,
        ),
        kept("Keys of issuers without an answer", limits::KEYS_AGE_MAX_MS),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_shown_by_its_class_and_what_is_not_set_by_what_holds_instead() {
        let fact = |value| SettingFact {
            key: "a.b".to_owned(),
            value,
        };
        let secret = row(&fact(SettingValue::Secret("an API key")));
        assert_eq!(
            (secret.value.plain(), secret.badge),
            ("an API key", Some(tag("secret")))
        );
        let unset = row(&fact(SettingValue::Unset("none".to_owned())));
        assert_eq!(
            (unset.value.plain(), unset.badge),
            ("none", Some(tag("default")))
        );
    }

    #[test]
    fn an_issuer_that_lives_on_old_keys_is_told_apart_from_one_that_lets_nobody_in() {
        let line = |is_usable, problem: Option<&str>| {
            let issuer = IssuerKeys {
                name: "entra".to_owned(),
                is_usable,
                fetched: None,
                keys: 2,
                algorithms: vec!["RS256".to_owned()],
                problem: problem.map(str::to_owned),
            };
            issuer_line(&issuer, Timestamp::from_unix_ms(0))
        };
        assert_eq!(line(true, None).state.word(), "Answers");
        assert_eq!(
            line(true, Some("no answer")).state.word(),
            "Lives on the last good keys"
        );
        assert_eq!(
            line(false, Some("no answer")).state.word(),
            "Nobody of it comes in"
        );
        assert_eq!(line(true, None).keys, "2 keys RS256");
    }
}
