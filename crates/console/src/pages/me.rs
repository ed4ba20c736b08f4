//! A person's own page: what one may use and why, what one used and what is left, when something was refused, where one is signed in, and
//! what one has agreed to. Everyone has it, and sees nobody else's.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::response::Response;
use axum::routing::{get, post};
use control::acceptable_use;
use control::may_use::{self, Question, Tried};
use control::records::{self, Record};
use control::{ControlError, people, sessions, usage};
use domain::window::{DAY_MS, Period};
use domain::{ClientKind, SessionId, Timestamp};
use http::HeaderMap;
use serde::Deserialize;

use super::answer;
use super::asked::{self, Asked, Form, Meant, Named};
use super::budgets::{BudgetLine, UseTable};
use super::ledger::line;
use super::models::{ModelLine, model_lines};
use super::parts::{self, Notice, State, Tone, state};
use super::people::name_of;
use super::sessions::SessionLine;
use super::shell::Shell;
use super::show::{self, Said, When};
use super::visit::Visitor;
use super::wrong::Wrong;
use crate::Console;

/// Sessions that are shown; whoever has more ends some.
const SESSIONS_SHOWN: u32 = 50;
/// Refusals that are shown.
const REFUSALS_SHOWN: u32 = 5;

/// Everything under `/me`.
pub fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/me", get(read))
        .route("/me/sessions/{id}/end", post(end))
}

#[derive(Debug, Deserialize)]
struct Which {
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
    sessions: Vec<OwnSession>,
    refusals: Vec<RefusalLine>,
    refusals_say: String,
    agreed: Option<Agreed>,
    is_console_shown: bool,
}

async fn read(visitor: Visitor, Asked(which): Asked<Which>) -> Result<Response, Wrong> {
    page(&visitor, asked::given(which.done.as_ref())).await
}

/// One's own page, telling what was done by this word.
pub(super) async fn page(visitor: &Visitor, done: &str) -> Result<Response, Wrong> {
    let operation = visitor.operation();
    let person = people::own(&operation).await?;
    let now = operation.clock.now();
    let models: Vec<String> = visitor
        .console()
        .installation
        .models
        .iter()
        .map(|model| model.id.clone())
        .collect();
    let question = Question {
        models: &models,
        issuers_for_people: visitor.console().rules.issuers_for_people(),
        tried: Tried::newest(ClientKind::ClaudeCode),
    };
    let may = may_use::own(&operation, question).await?;
    let standing = visitor.console().rules.standing(&person);
    let range = (now.plus_ms(-30 * DAY_MS), now.plus_ms(1));
    let refused =
        records::own_refusals(&operation, Period::Monthly.window(now).0, REFUSALS_SHOWN).await?;
    let (open, _) = sessions::list_own_open(&operation, SESSIONS_SHOWN).await?;
    let shell = Shell::apart(visitor, "Your page").telling(told(done));
    Ok(answer(&Page {
        is_console_shown: !shell.sections.is_empty(),
        shell,
        name: name_of(&person),
        month: show::month(now),
        budgets: standing
            .iter()
            .map(|standing| BudgetLine::of(standing, now))
            .collect(),
        used: UseTable::of(&usage::own(&operation, range).await?),
        models: model_lines(&may),
        models_say: format!(
            "by policy version {}, with the newest Claude Code",
            may.version
        ),
        groups: person.groups.iter().map(Said::from).collect(),
        sessions: open
            .iter()
            .map(|session| own_session(visitor, session))
            .collect(),
        refusals: refused.found.iter().filter_map(refusal).collect(),
        refusals_say: refusals_say(&refused),
        agreed: agreed(visitor, now).await?,
    }))
}

fn told(word: &str) -> Option<Notice> {
    let text = "What is open now stands below. A program whose session ended must sign in again.";
    (word == "ended").then(|| Notice::info(text))
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
    let looked = refused.looked_at as u64;
    match refused.found.len() as u64 {
        0 => format!(
            "none of {} this month",
            show::counted(looked, "request", "requests")
        ),
        some => format!(
            "the latest {some}, of {} looked through",
            show::counted(looked, "request", "requests")
        ),
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
    let accepted = own.accepted.as_ref().map(|accepted| {
        let ago = show::length(now.ms_since(accepted.at));
        format!(
            "You accepted version {} on {}, {ago} ago.",
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
        state,
        says: accepted.unwrap_or_else(|| "You have accepted no version yet.".to_owned()),
    }))
}

/// One's own session ends without a reason: it is one's own, and signing in again is all it costs.
async fn end(
    visitor: Visitor,
    Named(id): Named<SessionId>,
    headers: HeaderMap,
    Form(form): Form<Meant>,
) -> Result<Response, Wrong> {
    visitor.changing(&headers, &form.csrf)?;
    sessions::end_own(&visitor.operation(), id).await?;
    Ok(asked::done("/me", "ended"))
}
