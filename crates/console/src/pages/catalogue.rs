//! Models and upstreams: who each model is approved for, what it costs and how much it is used; where each upstream is, how it stands with
//! the router of this replica, what we prove ourselves with there, and a button that tries it. Shows no credential: none comes this far.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::response::Response;
use axum::routing::{get, post};
use control::models::{self, Approval, ModelSeen, Models, USED_DAYS};
use control::upstreams::{self, Credential, Found, Health, Part, Standing, Tested};
use control::{ControlError, Right};
use domain::price::Price;
use domain::{Timestamp, Usd};
use http::HeaderMap;
use serde::Deserialize;

use super::answer;
use super::asked::{self, Asked, Form, Meant, Named};
use super::parts::{self, Badge, Notice, Source, State, Tone, badge, state, tag};
use super::shell::{Place, Shell};
use super::show::{self, Said, When};
use super::visit::Visitor;
use super::wrong::Wrong;
use crate::Console;

/// Everything under `/console/models`.
pub fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/console/models", get(read))
        .route("/console/models/test/{upstream}", post(test))
}

#[derive(Debug, Deserialize)]
struct Which {
    done: Option<String>,
}

/// A model as a row.
#[derive(Debug, Clone)]
struct ModelRow {
    name: Said,
    id: Said,
    badge: Option<Badge>,
    approved: Vec<(Said, State)>,
    people: String,
    price: Option<PriceLine>,
    served_by: Vec<Said>,
    used: String,
    cost: String,
}

/// What a model costs, in dollars per million tokens.
#[derive(Debug, Clone)]
struct PriceLine {
    amounts: String,
    from: String,
    source: String,
}

/// An upstream as a panel.
#[derive(Debug, Clone)]
struct UpstreamCard {
    id: String,
    name: Said,
    kind: Said,
    address: Said,
    region: Said,
    state: State,
    since: String,
    last: String,
    credential: Vec<(&'static str, Said)>,
    tested: Option<TestLines>,
    action: String,
}

/// A test as lines.
#[derive(Debug, Clone)]
struct TestLines {
    state: State,
    says: String,
    parts: Vec<PartLine>,
}

/// A part of a test.
#[derive(Debug, Clone)]
struct PartLine {
    state: State,
    evidence: Said,
    remedy: Option<(Said, Said)>,
}

#[derive(Template)]
#[template(path = "models.html")]
struct Page {
    shell: Shell,
    lead: String,
    models: Vec<ModelRow>,
    models_source: Source,
    upstreams: Vec<UpstreamCard>,
    may_test: bool,
}

async fn read(visitor: Visitor, Asked(which): Asked<Which>) -> Result<Response, Wrong> {
    let operation = visitor.operation();
    let console = visitor.console();
    let standing = upstreams::standing(&operation, &*console.providers)?;
    let issuers = console.rules.issuers_for_people();
    let seen = models::read(
        &operation,
        &console.installation,
        &*console.providers,
        issuers,
    )
    .await?;
    let now = operation.clock.now();
    let done = (asked::given(which.done.as_ref()) == "tested").then(|| {
        Notice::info("What the test found stands with the upstream below, and in the ledger.")
    });
    Ok(answer(&Page {
        shell: Shell::new(&visitor, Place::Models, "Models").telling(done),
        lead: lead(&standing),
        models: seen
            .rows
            .iter()
            .map(|model| model_row(model, seen.looked_at, now))
            .collect(),
        models_source: Source(source(&seen)),
        upstreams: standing
            .iter()
            .enumerate()
            .map(|one| card(one, now))
            .collect(),
        may_test: visitor.actor().may(Right::ConfigTest),
    }))
}

fn lead(standing: &[Standing]) -> String {
    let bad = |one: &&Standing| {
        matches!(
            one.health,
            Health::Failing(_) | Health::LeftOut(_) | Health::TriedAgain
        )
    };
    let all = show::counted(standing.len() as u64, "upstream", "upstreams");
    match standing.iter().filter(bad).count() {
        0 => format!(
            "What may be used, and where it is answered: {all}, none of them known to fail."
        ),
        some => format!("{some} of {all} does not answer as it should."),
    }
}

fn source(seen: &Models) -> Vec<String> {
    let people = if seen.more_people {
        format!("of the first {} people", show::count(seen.looked_at as u64))
    } else {
        show::counted(
            seen.looked_at as u64,
            "person who may come in",
            "people who may come in",
        )
    };
    vec![
        format!("policy version {}", seen.version),
        people,
        "prices in dollars per million tokens: input, output".to_owned(),
        format!("used in the last {USED_DAYS} days, whole hours"),
    ]
}

fn model_row(model: &ModelSeen, of: usize, now: Timestamp) -> ModelRow {
    let approval = |approval: &Approval| {
        let stands = if approval.denies {
            state(Tone::Stop, "denied")
        } else {
            state(Tone::Allow, "approved")
        };
        (
            Said::from(format!("{} ({})", approval.who, approval.grant)),
            stands,
        )
    };
    let name = model.display_name.as_deref().unwrap_or(&model.id);
    let is_unpriced = model.price.is_none();
    ModelRow {
        name: Said::from(name),
        id: Said::from(model.display_name.as_ref().map_or("", |_| &model.id)),
        badge: match (&model.display_name, model.served_by.is_empty()) {
            (None, _) => Some(tag("not in the catalogue")),
            (_, true) => Some(badge(Tone::None, "no upstream serves it")),
            _ => None,
        },
        approved: model.approved.iter().map(approval).collect(),
        people: format!(
            "{} of {}",
            show::count(model.people as u64),
            show::count(of as u64)
        ),
        price: (!is_unpriced)
            .then(|| model.price.as_ref().map(|price| price_line(price, now)))
            .flatten(),
        served_by: model.served_by.iter().map(Said::from).collect(),
        used: show::count(model.used.requests),
        cost: show::usd(model.used.cost),
    }
}

fn price_line(price: &Price, _now: Timestamp) -> PriceLine {
    PriceLine {
        amounts: format!("{} / {}", dollars(price.input), dollars(price.output)),
        from: format!("since {}", price.from),
        source: price.source.clone(),
    }
}

/// A price as money: at least cents, and no digit less than it has.
fn dollars(price: Usd) -> String {
    let price = price.to_string();
    match price.split_once('.') {
        Some((_, cents)) if cents.len() >= 2 => format!("${price}"),
        Some(_) => format!("${price}0"),
        None => format!("${price}.00"),
    }
}

fn card((place, one): (usize, &Standing), now: Timestamp) -> UpstreamCard {
    let ago = |at: Timestamp| show::length(now.ms_since(at));
    UpstreamCard {
        id: format!("upstream-{place}"),
        name: Said::from(&one.name),
        kind: Said::from(&one.provider),
        address: Said::from(&one.address),
        region: Said::from(one.region.as_deref().unwrap_or("none promised")),
        state: health(one.health),
        since: match (one.health, one.since) {
            (Health::LeftOut(until), Some(since)) => format!(
                "for {}; tried again at {} UTC",
                ago(since),
                show::clock(until)
            ),
            (_, Some(since)) => format!("for {}, since {}", ago(since), When::full(since).text()),
            (_, None) => "no call was made since this replica started".to_owned(),
        },
        last: one.last_answer.map_or_else(
            || "none since this replica started".to_owned(),
            |(at, status)| format!("{status}, {} ago", ago(at)),
        ),
        credential: credential(&one.credential, now),
        tested: one.tested.as_ref().map(|tested| test_lines(tested, now)),
        action: format!("/console/models/test/{place}"),
    }
}

fn health(health: Health) -> State {
    match health {
        Health::Untried => state(Tone::None, "Not asked yet"),
        Health::Answering => state(Tone::Allow, "Answering"),
        Health::Failing(times) => state(
            Tone::Ask,
            format!(
                "Failing, {} in a row",
                show::counted(u64::from(times), "call", "calls")
            ),
        ),
        Health::LeftOut(_) => state(Tone::Stop, "Left out"),
        Health::TriedAgain => state(Tone::Ask, "Being tried again"),
    }
}

fn credential(credential: &Credential, now: Timestamp) -> Vec<(&'static str, Said)> {
    let aged = |at: Timestamp| {
        let age = show::length(now.ms_since(at));
        Said::from(format!("{age} ago, {}", When::full(at).text()))
    };
    let mut lines = vec![
        ("Credential", Said::from(credential.class)),
        ("Comes from", Said::from(&credential.from)),
    ];
    lines.extend(credential.made.map(|made| ("Written", aged(made))));
    lines.extend(credential.had.map(|had| ("Read here", aged(had))));
    lines.extend(credential.ends.map(|ends| {
        let left = show::length(ends.ms_since(now));
        (
            "Ends",
            Said::from(format!("in {left}, {}", When::full(ends).text())),
        )
    }));
    lines
}

fn test_lines(tested: &Tested, now: Timestamp) -> TestLines {
    let took = tested.answer_ms.map_or_else(String::new, |ms| {
        format!(", answered in {}", show::took(ms))
    });
    let stands = if tested.holds() {
        state(Tone::Allow, "Passed")
    } else if tested.parts.iter().any(|part| part.found == Found::Fails) {
        state(Tone::Stop, "Failed")
    } else {
        state(Tone::None, "Not clear")
    };
    TestLines {
        state: stands,
        says: format!("{} ago{took}", show::length(now.ms_since(tested.at))),
        parts: tested.parts.iter().map(part_line).collect(),
    }
}

fn part_line(part: &Part) -> PartLine {
    let stands = match part.found {
        Found::Holds => state(Tone::Allow, part.what),
        Found::Fails => state(Tone::Stop, part.what),
        Found::Unknown => state(Tone::None, part.what),
    };
    PartLine {
        state: stands,
        evidence: Said::from(&part.evidence),
        remedy: part
            .remedy
            .as_ref()
            .map(|(whose, what)| (Said::from(whose), Said::from(what))),
    }
}

/// Tries the upstream of this place in the order of trying.
async fn test(
    visitor: Visitor,
    Named(place): Named<usize>,
    headers: HeaderMap,
    Form(form): Form<Meant>,
) -> Result<Response, Wrong> {
    visitor.changing(&headers, &form.csrf)?;
    let operation = visitor.operation();
    operation.require(Right::ConfigTest)?;
    let providers = &*visitor.console().providers;
    let standing = upstreams::standing(&operation, providers)?;
    let name = standing.get(place).map(|one| one.name.clone());
    let name = name.ok_or(ControlError::NoSuch("upstream"))?;
    upstreams::test(&operation, providers, &name).await?;
    Ok(asked::done("/console/models", "tested"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_ms(1_795_185_118_204);

    fn standing(health: Health) -> Standing {
        Standing {
            name: "<first>".to_owned(),
            provider: "anthropic".to_owned(),
            address: "https://api.anthropic.com".to_owned(),
            region: None,
            health,
            since: Some(NOW.plus_ms(-180_000)),
            last_answer: Some((NOW.plus_ms(-2_000), 529)),
            credential: Credential {
                class: "API key",
                from: "the environment variable KEY".to_owned(),
                made: None,
                had: Some(NOW.plus_ms(-60_000)),
                ends: None,
            },
            tested: None,
        }
    }

    #[test]
    fn an_upstream_says_how_it_stands_since_when_and_what_it_answered_last() {
        let until = NOW.plus_ms(30_000);
        for (health, word, since) in [
            (Health::Answering, "Answering", "for 3 min, since"),
            (Health::Failing(2), "Failing, 2 calls in a row", "for 3 min"),
            (
                Health::LeftOut(until),
                "Left out",
                "for 3 min; tried again at 14:32:28 UTC",
            ),
            (Health::TriedAgain, "Being tried again", "for 3 min"),
        ] {
            let card = card((0, &standing(health)), NOW);
            assert_eq!(card.state.word(), word);
            assert!(card.since.starts_with(since), "{}", card.since);
            assert_eq!(card.last, "529, 2 s ago");
        }
        assert!(
            lead(&[
                standing(Health::Answering),
                standing(Health::LeftOut(until))
            ])
            .starts_with("1 of 2 upstreams")
        );
    }

    #[test]
    fn a_failed_test_says_whose_it_is_and_what_to_do() {
        let tested = Tested {
            at: NOW.plus_ms(-5_000),
            by: "ada".to_owned(),
            answer_ms: Some(43),
            parts: vec![Part {
                what: "credential",
                found: Found::Fails,
                evidence: "sent in x-api-key, answered 401".to_owned(),
                remedy: Some((
                    "whoever runs Doorward".to_owned(),
                    "renew the key".to_owned(),
                )),
            }],
        };
        let lines = test_lines(&tested, NOW);
        assert_eq!(
            (lines.state.word(), lines.says.as_str()),
            ("Failed", "5 s ago, answered in 43 ms")
        );
        assert_eq!(
            lines.parts[0].remedy.as_ref().unwrap().1.plain(),
            "renew the key"
        );
    }
}
