//! From here to Claude: what a new installation still lacks, each with the exact next step, and the two checks of a rollout as buttons whose
//! findings are kept. What stands here is computed from what there is; nothing is ticked by hand.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::response::Response;
use axum::routing::{get, post};
use control::evidence::{self, Evidence};
use control::usage::{self, HourSum};
use control::{ControlError, Right, people, policies, rollout, sessions};
use domain::limits;
use domain::window::DAY_MS;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use super::asked::{self, Asked, Form, Meant, given};
use super::parts::{self, Badge, Copyable, Field, Notice, Shape, Tone, badge};
use super::shell::{Place, Shell};
use super::show::{self, Said, When};
use super::visit::Visitor;
use super::wrong::{Wrong, of_field};
use crate::Console;

/// How far back an answer counts as one.
const ANSWERED_DAYS: i64 = 30;
/// Earlier evidence that is shown beside the newest.
const EVIDENCE_SHOWN: u32 = 5;

/// Everything under `/console/start`.
pub fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/console/start", get(read))
        .route("/console/start/identity", post(check_identity))
        .route("/console/start/credentials", post(check_credentials))
}

#[derive(Debug, Deserialize)]
struct Which {
    done: Option<String>,
}

/// One thing on the way.
#[derive(Debug, Clone)]
struct Step {
    title: &'static str,
    says: Said,
    state: Badge,
    shape: Shape,
    code: Vec<Lines>,
    link: Option<(&'static str, &'static str)>,
}

/// Lines to type or to put into a file.
#[derive(Debug, Clone)]
struct Lines {
    what: &'static str,
    text: String,
    copy: Copyable,
}

/// One piece of evidence.
#[derive(Debug, Clone)]
struct Shown {
    state: Badge,
    at: When,
    expires: When,
    by: Said,
    facts: Vec<(Said, Said)>,
    record: Option<String>,
    id: Copyable,
    hash: Copyable,
    is_whole: bool,
}

/// A check and what it found.
#[derive(Debug, Clone)]
struct Check {
    newest: Option<Shown>,
    earlier: Vec<Shown>,
}

#[derive(Template)]
#[template(path = "start.html")]
struct Page {
    shell: Shell,
    lead: String,
    done: String,
    steps: Vec<Step>,
    identity: Check,
    credentials: Check,
    whom: Field,
    may_check_identity: bool,
    may_check: bool,
}

/// What there is.
struct Standing {
    people: u64,
    policy: Option<u64>,
    programs: Option<bool>,
    answered: u64,
    identity: Vec<Evidence>,
    credentials: Vec<Evidence>,
}

impl Standing {
    async fn read(visitor: &Visitor) -> Result<Self, Wrong> {
        let operation = visitor.operation();
        operation.require(Right::OrgRead)?;
        let now = operation.clock.now();
        let range = (now.plus_ms(-ANSWERED_DAYS * DAY_MS), now.plus_ms(1));
        let list = |kind| evidence::list(&operation, kind, None, EVIDENCE_SHOWN);
        Ok(Self {
            people: people::count(&operation).await?.all,
            policy: policies::latest(&operation)
                .await?
                .map(|latest| latest.version),
            programs: programs(visitor).await?,
            answered: answered(&usage::by_hour(&operation, range).await?),
            identity: list(rollout::IDENTITY).await?,
            credentials: list(rollout::CREDENTIALS).await?,
        })
    }
}

fn answered(hours: &[HourSum]) -> u64 {
    hours
        .iter()
        .map(|hour| hour.requests - hour.refused.min(hour.requests))
        .sum()
}

/// Whether somebody has signed in with another program than a browser; none for whoever does not see sessions.
async fn programs(visitor: &Visitor) -> Result<Option<bool>, Wrong> {
    if !visitor.actor().may(Right::SessionsRead) {
        return Ok(None);
    }
    let most = limits::STORE_PAGE_MAX;
    let (found, _) = sessions::list(&visitor.operation(), (None, false), None, most).await?;
    let is_program = |session: &sessions::Session| !session.client.starts_with("Console");
    Ok(Some(found.iter().any(is_program)))
}

/// A way here for the first page, until nothing is left to do: what is left, in words.
pub(super) async fn left(visitor: &Visitor, month: &[HourSum]) -> Result<Option<Notice>, Wrong> {
    let operation = visitor.operation();
    let mut missing = Vec::new();
    if policies::latest(&operation).await?.is_none() {
        missing.push("a policy");
    }
    if answered(month) == 0 {
        missing.push("a first answer this month");
    }
    for (kind, word) in [
        (rollout::IDENTITY, "rollout check 1"),
        (rollout::CREDENTIALS, "rollout check 2"),
    ] {
        let newest = evidence::newest(&operation, kind).await?;
        if !newest.is_some_and(|newest| evidence::holds(&operation, &newest)) {
            missing.push(word);
        }
    }
    if missing.is_empty() {
        return Ok(None);
    }
    let text = format!("Still to come: {}.", missing.join(", "));
    Ok(Some(
        Notice::info(text).linked("First steps", Place::Start.path()),
    ))
}

async fn read(visitor: Visitor, Asked(which): Asked<Which>) -> Result<Response, Wrong> {
    let told = match given(which.done.as_ref()) {
        "checked" => Some(Notice::info(
            "The check was made; what it found stands below and is kept.",
        )),
        _ => None,
    };
    let own = visitor.person().email.clone();
    let own = own.unwrap_or_else(|| visitor.person().id.to_string());
    page(&visitor, told, whom(&own, None), StatusCode::OK).await
}

async fn page(
    visitor: &Visitor,
    told: Option<Notice>,
    whom: Field,
    status: StatusCode,
) -> Result<Response, Wrong> {
    let standing = Standing::read(visitor).await?;
    let steps = steps(visitor, &standing);
    let is_done = |step: &&Step| step.shape == Shape(Tone::Allow);
    let done = steps.iter().filter(is_done).count();
    let may = |right| visitor.actor().may(right);
    let page = Page {
        shell: Shell::new(visitor, Place::Start, "First steps").telling(told),
        lead: "What a new installation needs until people work with it, and the two checks that prove that it does what it says. Nothing here is ticked by hand.".to_owned(),
        done: format!("{done} of {}", steps.len()),
        identity: check(visitor, &standing.identity),
        credentials: check(visitor, &standing.credentials),
        whom,
        may_check_identity: may(Right::EvidenceWrite) && may(Right::LedgerRead),
        may_check: may(Right::EvidenceWrite),
        steps,
    };
    Ok(web::page::respond(status, &page, HeaderMap::new()))
}

fn whom(value: &str, wrong: Option<String>) -> Field {
    Field {
        name: "person",
        label: "Whose latest request".to_owned(),
        hint: "E-mail address, id or stable id of somebody who has asked Claude something."
            .to_owned(),
        ..Field::reason(value, wrong)
    }
}

fn step(title: &'static str, is_done: bool, says: impl Into<Said>) -> Step {
    let (tone, word) = if is_done {
        (Tone::Allow, "done")
    } else {
        (Tone::Ask, "to do")
    };
    Step {
        title,
        says: says.into(),
        state: badge(tone, word),
        shape: Shape(tone),
        code: Vec::new(),
        link: None,
    }
}

fn lines(what: &'static str, text: impl Into<String>) -> Lines {
    let text = text.into();
    Lines {
        what,
        copy: Copyable::whole(what, &text),
        text,
    }
}

fn steps(visitor: &Visitor, standing: &Standing) -> Vec<Step> {
    let installation = &visitor.console().installation;
    let issuers = installation.issuers.iter().filter(|issuer| issuer.people);
    let issuers: Vec<&str> = issuers.map(|issuer| &*issuer.name).collect();
    let known = show::counted(standing.people, "person is", "people are");
    let says = format!("Through {}; {known} known here.", issuers.join(", "));
    vec![
        step("People can sign in", standing.people > 0, says),
        first_rule(standing.policy),
        client(&installation.public_url, standing),
        answer_of_claude(visitor, standing.answered),
        proof(
            visitor,
            "Rollout check 1 holds",
            &standing.identity,
            "A token was validated and yields the person's stable id. The button is below.",
        ),
        proof(
            visitor,
            "Rollout check 2 holds",
            &standing.credentials,
            "What leaves for a provider carries its credential and nothing of the caller's. The button is below.",
        ),
    ]
}

fn first_rule(version: Option<u64>) -> Step {
    let title = "Somebody may use something";
    if let Some(version) = version {
        let says = format!("Version {version} of the policy is in force.");
        return step(title, true, says);
    }
    Step {
        link: Some(("Add a first grant", "/console/policy/entry?section=grant")),
        ..step(title, false, "Without a policy every request is refused.")
    }
}

fn answer_of_claude(visitor: &Visitor, answered: u64) -> Step {
    let upstreams = visitor.console().installation.upstreams.iter();
    let upstreams: Vec<&str> = upstreams.map(|one| &*one.name).collect();
    let upstreams = upstreams.join(", ");
    let says = if answered > 0 {
        let calls = show::counted(answered, "call was let through", "calls were let through");
        format!("{calls} in the last {ANSWERED_DAYS} days, by {upstreams}.")
    } else {
        format!(
            "No call was let through in the last {ANSWERED_DAYS} days. Ask Claude something in the client; the provider is {upstreams}."
        )
    };
    let may_look = answered > 0 && visitor.actor().may(Right::LedgerRead);
    Step {
        link: may_look.then_some(("In the ledger", "/console/ledger")),
        ..step("Claude has answered", answered > 0, says)
    }
}

fn proof(visitor: &Visitor, title: &'static str, found: &[Evidence], says: &str) -> Step {
    let operation = visitor.operation();
    let newest = found.first();
    let holds = newest.is_some_and(|newest| evidence::holds(&operation, newest));
    step(title, holds, says)
}

/// A first Claude Code, on a machine without a managed source and on one with.
fn client(public_url: &str, standing: &Standing) -> Step {
    let settings = format!(
        "{{\"forceLoginMethod\": \"gateway\", \"forceLoginGatewayUrl\": \"{public_url}\"}}"
    );
    let code = vec![
        lines(
            "Settings of Claude Code: ~/.claude/settings.json, or managed-settings.json where machines are managed",
            settings,
        ),
        lines("Then start it, and type /login", "claude"),
    ];
    match standing.programs {
        Some(true) => step(
            "A client is signed in",
            true,
            "Somebody has signed in with a program other than a browser.",
        ),
        Some(false) => Step {
            code,
            link: Some(("Files for many devices", "/console/clients")),
            ..step(
                "A client is signed in",
                false,
                "Point a first Claude Code here and sign in with it.",
            )
        },
        None => Step {
            code,
            state: badge(Tone::None, "not shown to your role"),
            ..step(
                "A client is signed in",
                false,
                "Your role does not show sessions.",
            )
        },
    }
}

fn check(visitor: &Visitor, found: &[Evidence]) -> Check {
    let mut shown = found.iter().map(|evidence| shown(visitor, evidence));
    Check {
        newest: shown.next(),
        earlier: shown.collect(),
    }
}

fn shown(visitor: &Visitor, evidence: &Evidence) -> Shown {
    let now = visitor.operation().clock.now();
    let is_whole = evidence::is_whole(evidence);
    let (tone, word) = match (is_whole, evidence.passed, now < evidence.expires) {
        (false, ..) => (Tone::Stop, "ALTERED"),
        (true, false, _) => (Tone::Stop, "FAIL"),
        (true, true, false) => (Tone::Ask, "PASS, too old"),
        (true, true, true) => (Tone::Allow, "PASS"),
    };
    let facts = evidence::facts(evidence);
    let record = facts.iter().find(|fact| fact.name == "record");
    let record = record.filter(|_| visitor.actor().may(Right::LedgerRead));
    Shown {
        state: badge(tone, word),
        at: When::full(evidence.at),
        expires: When::day(evidence.expires),
        by: Said::from(&evidence.by),
        // A place of ours has letters, digits and points alone.
        record: record.map(|fact| format!("/console/ledger/{}", fact.value)),
        facts: facts
            .iter()
            .map(|fact| (Said::from(&fact.name), Said::from(&fact.value)))
            .collect(),
        id: Copyable::whole("evidence", evidence.id),
        hash: Copyable::whole("SHA-256", &evidence.hash),
        is_whole,
    }
}

#[derive(Debug, Deserialize)]
struct Whom {
    csrf: String,
    #[serde(default)]
    person: String,
}

async fn check_identity(
    visitor: Visitor,
    headers: HeaderMap,
    Form(form): Form<Whom>,
) -> Result<Response, Wrong> {
    visitor.changing(&headers, &form.csrf)?;
    let operation = visitor.operation();
    let installation = &visitor.console().installation;
    match rollout::identity(&operation, installation, form.person.trim()).await {
        Ok(_) => Ok(asked::done(Place::Start.path(), "checked")),
        Err(error) => {
            let wrong = match &error {
                ControlError::NoSuchPerson | ControlError::Ambiguous(_) => Some(error.detail()),
                _ => of_field(&error, "person"),
            };
            let wrong = wrong.ok_or(error)?;
            let field = whom(&form.person, Some(wrong));
            page(&visitor, None, field, StatusCode::UNPROCESSABLE_ENTITY).await
        }
    }
}

async fn check_credentials(
    visitor: Visitor,
    headers: HeaderMap,
    Form(form): Form<Meant>,
) -> Result<Response, Wrong> {
    visitor.changing(&headers, &form.csrf)?;
    let departures = &*visitor.console().departures;
    rollout::credentials(&visitor.operation(), departures).await?;
    Ok(asked::done(Place::Start.path(), "checked"))
}
