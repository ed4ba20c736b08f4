//! A person's own page: what one may use and why, what one used and what is left, when something was refused, where one is signed in,
//! what one has agreed to, and what one has asked for.

use askama::Template;
use axum::response::Response;
use control::records::{self, Record};
use control::{ControlError, acceptable_use, access_requests, people, sessions, usage};
use domain::window::{DAY_MS, Period};
use domain::{SessionId, Timestamp};
use http::HeaderMap;
use serde::Deserialize;

use super::parts;
use super::reach::{self, ReachLine};
use crate::pages::acceptable_use::terms::{Line, Part, lines};
use crate::pages::answer;
use crate::pages::approvals;
use crate::pages::asked::{self, Asked, Form, Meant, Named};
use crate::pages::budgets::{BudgetLine, UseTable};
use crate::pages::connect;
use crate::pages::ledger::line;
use crate::pages::models::{ModelLine, model_lines};
use crate::pages::parts::{Notice, State, Tone, state};
use crate::pages::people::name_of;
use crate::pages::requests::{OwnLine, own_line};
use crate::pages::sessions::SessionLine;
use crate::pages::shell::Shell;
use crate::pages::show::{self, Said, When};
use crate::pages::visit::Visitor;
use crate::pages::wrong::Wrong;

/// Sessions that are shown; whoever has more ends some.
const SESSIONS_SHOWN: u32 = 50;
/// Refusals that are shown.
const REFUSALS_SHOWN: u32 = 5;
/// Requests for access that are shown, the newest.
const ASKED_SHOWN: u32 = 10;

/// What was done.
#[derive(Debug, Deserialize)]
pub struct Which {
    done: Option<String>,
}

/// When something was refused.
#[derive(Debug, Clone)]
struct RefusalLine {
    what: &'static str,
    asked: Said,
    at: When,
    help: &'static str,
}

/// A session of one's own.
#[derive(Debug, Clone)]
struct OwnSession {
    line: SessionLine,
    end: Option<String>,
}

/// How it stands with the acceptable-use policy.
#[derive(Debug, Clone)]
struct Agreed {
    version: u64,
    state: State,
    says: String,
    /// Whether it is still to be accepted.
    is_open: bool,
    /// The version in force, as people see it.
    terms: Vec<Line>,
    language: String,
    /// What is recorded now, where that is no longer what it says.
    now: Vec<Said>,
}

#[derive(Template)]
#[template(path = "me.html")]
struct Page {
    shell: Shell,
    name: Said,
    month: &'static str,
    budgets: Vec<BudgetLine>,
    used: UseTable,
    models: Vec<ModelLine>,
    models_say: String,
    groups: Vec<Said>,
    reach: Vec<ReachLine>,
    connections: Vec<connect::Line>,
    sessions: Vec<OwnSession>,
    refusals: Vec<RefusalLine>,
    refusals_say: String,
    agreed: Option<Agreed>,
    asked: Vec<OwnLine>,
    asked_say: String,
    to_decide: Vec<approvals::lists::Row>,
}

/// `GET /me`.
pub async fn read(visitor: Visitor, Asked(which): Asked<Which>) -> Result<Response, Wrong> {
    page(&visitor, asked::given(which.done.as_ref())).await
}

/// One's own page, telling what was done by this word.
pub(in crate::pages) async fn page(visitor: &Visitor, done: &str) -> Result<Response, Wrong> {
    let operation = visitor.operation();
    let person = people::own(&operation).await?;
    let now = operation.clock.now();
    let may = super::may_use(visitor).await?;
    let standing = visitor.console().rules.standing(&person);
    let range = (now.plus_ms(-30 * DAY_MS), now.plus_ms(1));
    let refused =
        records::own_refusals(&operation, Period::Monthly.window(now).0, REFUSALS_SHOWN).await?;
    let (open, _) = sessions::list_own_open(&operation, SESSIONS_SHOWN).await?;
    let (asked, more) = access_requests::list_own(&operation, None, ASKED_SHOWN).await?;
    let shell = Shell::apart(visitor, "Your page").telling(told(done));
    Ok(answer(&Page {
        shell,
        name: name_of(&person),
        month: show::month(now),
        budgets: standing
            .iter()
            .map(|standing| BudgetLine::of(standing, now))
            .collect(),
        used: UseTable::of(&usage::own(&operation, range).await?),
        models: askable(model_lines(&may)),
        models_say: format!(
            "by policy version {}, with the newest Claude Code",
            may.version
        ),
        groups: person.groups.iter().map(Said::from).collect(),
        reach: reach::own(visitor).await?,
        connections: connect::own(visitor).await?,
        sessions: open
            .iter()
            .map(|session| own_session(visitor, session))
            .collect(),
        refusals: refused.found.iter().filter_map(refusal).collect(),
        refusals_say: refusals_say(&refused),
        agreed: agreed(visitor, now).await?,
        to_decide: approvals::lists::waiting_for(visitor).await?,
        asked_say: asked_say(&asked, more),
        asked: asked.iter().map(|one| own_line(one, now)).collect(),
    }))
}

fn told(word: &str) -> Option<Notice> {
    let text = match word {
        "ended" => {
            "What is open now stands below. A program whose session ended must sign in again."
        }
        "asked" | "withdrawn" => "What you have asked for, and what became of it, stands below.",
        _ => return None,
    };
    Some(Notice::info(text))
}

/// The same lines, each that says no with a way to ask for the model.
fn askable(mut lines: Vec<ModelLine>) -> Vec<ModelLine> {
    for line in &mut lines {
        if line.is_refused {
            let model: String =
                url::form_urlencoded::byte_serialize(line.model.as_bytes()).collect();
            line.ask = Some(format!("/me/ask?for=model&thing={model}"));
        }
    }
    lines
}

fn asked_say(asked: &[access_requests::AccessRequest], more: bool) -> String {
    match (asked.len() as u64, more) {
        (0, _) => String::new(),
        (some, true) => format!("the newest {some}"),
        (some, false) => show::counted(some, "request", "requests"),
    }
}

fn own_session(visitor: &Visitor, session: &sessions::Session) -> OwnSession {
    OwnSession {
        line: SessionLine::of(visitor, session, None),
        end: (session.id != visitor.session()).then(|| format!("/me/sessions/{}/end", session.id)),
    }
}

fn refusal(found: &records::FoundRecord) -> Option<RefusalLine> {
    let Some(Record::Decision(decision)) = records::decoded(found) else {
        return None;
    };
    let code = line::known(decision.verdict.reasons().first()?.code.as_str());
    Some(RefusalLine {
        what: code.map_or("A reason of a later version.", |code| code.what()),
        help: code.map_or("", |code| code.help()),
        asked: line::asked(&decision),
        at: When::full(found.place.at),
    })
}

fn refusals_say(refused: &records::Sifted) -> String {
    let looked = show::counted(refused.looked_at as u64, "request", "requests");
    match (refused.found.len(), &refused.next) {
        (0, None) => format!("none of {looked} this month"),
        (0, Some(_)) => format!("none of the latest {looked}"),
        (some, _) => format!("the latest {some}, of {looked} looked through"),
    }
}

/// How it stands with the acceptable-use policy; nothing while none is published.
async fn agreed(visitor: &Visitor, now: Timestamp) -> Result<Option<Agreed>, Wrong> {
    let recorded = &visitor.console().installation.recorded;
    let own = match acceptable_use::own(&visitor.operation(), recorded).await {
        Ok(own) => own,
        Err(ControlError::NothingPublished) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let (in_force, counts) = (own.version.version, own.counts);
    let accepted = own.accepted.as_ref().map(|accepted| {
        let ago = show::length(now.ms_since(accepted.at));
        let still = if counts && accepted.version != in_force {
            " It still counts: the version in force asks nobody anew."
        } else {
            ""
        };
        format!(
            "You accepted version {} on {}, {ago} ago.{still}",
            accepted.version,
            show::day(accepted.at)
        )
    });
    let state = match (own.counts, own.is_demanded) {
        (true, _) => state(Tone::Allow, "Accepted"),
        (false, true) => state(Tone::Ask, "To be accepted before the next use"),
        (false, false) => state(Tone::None, "Not accepted; it is not demanded"),
    };
    Ok(Some(Agreed {
        version: own.version.version,
        terms: lines(&own.version.text),
        language: own.version.language.clone(),
        now: own
            .recorded_now
            .as_deref()
            .unwrap_or_default()
            .lines()
            .filter(|line| !line.is_empty())
            .map(Said::from)
            .collect(),
        state,
        is_open: !own.counts,
        says: accepted.unwrap_or_else(|| "You have accepted no version yet.".to_owned()),
    }))
}

/// One's own session ends without a reason: it is one's own, and signing in again is all it costs.
pub async fn end(
    visitor: Visitor,
    Named(id): Named<SessionId>,
    headers: HeaderMap,
    Form(form): Form<Meant>,
) -> Result<Response, Wrong> {
    visitor.changing(&headers, &form.csrf)?;
    sessions::end_own(&visitor.operation(), id).await?;
    Ok(asked::done("/me", "ended"))
}

/// Ends every other session of one's own that is shown; this browser's stays.
pub async fn end_others(
    visitor: Visitor,
    headers: HeaderMap,
    Form(form): Form<Meant>,
) -> Result<Response, Wrong> {
    visitor.changing(&headers, &form.csrf)?;
    let operation = visitor.operation();
    let (open, _) = sessions::list_own_open(&operation, SESSIONS_SHOWN).await?;
    for session in open {
        if session.id != visitor.session() {
            sessions::end_own(&operation, session.id).await?;
        }
    }
    Ok(asked::done("/me", "ended"))
}
