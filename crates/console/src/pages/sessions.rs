//! Who is signed in with which program, and ending that: one session, everyone's, and, from a person's page, all of one person.

use std::collections::BTreeMap;
use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::response::Response;
use axum::routing::get;
use control::sessions::{self, Session};
use control::{Right, people};
use domain::{PersonId, SessionId};
use http::HeaderMap;
use serde::Deserialize;

use super::answer;
use super::asked::{self, Asked, Form, Named, Reasoned};
use super::confirm::Confirm;
use super::parts::{self, Badge, Empty, Field, Link, Notice, Source, tag};
use super::shell::{Place, Shell};
use super::show::{self, Said, When};
use super::table::{Chips, Filters, Pager, ROWS};
use super::visit::Visitor;
use super::wrong::{Wrong, of_field};
use crate::Console;

/// Everything under `/console/sessions`.
pub fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/console/sessions", get(list))
        .route(
            "/console/sessions/everyone/end",
            get(ask_everyone).post(end_everyone),
        )
        .route("/console/sessions/{id}/end", get(ask_one).post(end_one))
}

/// Which to list.
#[derive(Debug, Deserialize)]
struct Which {
    person: Option<String>,
    ended: Option<String>,
    after: Option<String>,
    done: Option<String>,
}

/// A session as a row.
#[derive(Debug, Clone)]
pub struct SessionLine {
    /// The program.
    pub client: Said,
    /// Whose; none where the page is about one person.
    pub who: Option<Link>,
    /// Since when.
    pub since: When,
    /// How long that is.
    pub age: String,
    /// When it ended.
    pub ended: Option<When>,
    /// What is special about it: this very browser.
    pub badge: Option<Badge>,
    /// The address that ends it, where it is open and who looks may.
    pub end: Option<String>,
}

impl SessionLine {
    /// The row of a session.
    pub fn of(visitor: &Visitor, session: &Session, who: Option<Link>) -> Self {
        let now = visitor.operation().clock.now();
        let is_open = session.ended_at.is_none();
        let may = visitor.actor().may(Right::SessionsWrite);
        Self {
            client: Said::from(&session.client),
            who,
            since: When::full(session.created),
            age: show::length(now.ms_since(session.created)),
            ended: session.ended_at.map(When::full),
            badge: (session.id == visitor.session()).then(|| tag("this browser")),
            end: (is_open && may).then(|| format!("/console/sessions/{}/end", session.id)),
        }
    }
}

#[derive(Template)]
#[template(path = "sessions.html")]
struct Page {
    shell: Shell,
    chips: Chips,
    tabs: Vec<(&'static str, String, bool)>,
    rows: Vec<SessionLine>,
    pager: Pager,
    none: Empty,
    may_end: bool,
    is_ended_shown: bool,
    source: Source,
}

async fn list(visitor: Visitor, Asked(which): Asked<Which>) -> Result<Response, Wrong> {
    let operation = visitor.operation();
    let person: Option<PersonId> = asked::after(which.person.as_ref())?;
    let after: Option<SessionId> = asked::after(which.after.as_ref())?;
    let is_ended_shown = asked::given(which.ended.as_ref()) == "yes";
    let (found, more) = sessions::list(&operation, (person, !is_ended_shown), after, ROWS).await?;
    let mut ids: Vec<String> = found
        .iter()
        .map(|session| session.person.to_string())
        .collect();
    ids.extend(person.iter().map(ToString::to_string));
    ids.sort_unstable();
    ids.dedup();
    let labels = people::labels(&operation, &ids).await?;
    let whom = person.map(|person| person.to_string()).unwrap_or_default();
    let label = labels.get(&whom).cloned().unwrap_or_else(|| whom.clone());
    let all = Filters::of("/console/sessions").with("person", &whom, Said::from(&label).plain());
    let filters = all.clone().with(
        "ended",
        if is_ended_shown { "yes" } else { "" },
        "ended ones too",
    );
    let next = found
        .last()
        .filter(|_| more)
        .map(|last| last.id.to_string());
    let says = format!(
        "{} shown, oldest first",
        show::counted(found.len() as u64, "session", "sessions")
    );
    let rows = found
        .iter()
        .map(|session| SessionLine::of(&visitor, session, Some(link(&labels, session))));
    let done = told(asked::given(which.done.as_ref()));
    Ok(answer(&Page {
        shell: Shell::new(&visitor, Place::Sessions, "Sessions").telling(done),
        chips: all.chips(),
        tabs: vec![
            ("Open", all.first(), !is_ended_shown),
            (
                "Ended too",
                all.clone().with("ended", "yes", "").first(),
                is_ended_shown,
            ),
        ],
        rows: rows.collect(),
        pager: Pager::new(&filters, says, after.is_some(), next.as_deref()),
        none: Empty::new(
            "device",
            "No session here",
            "A session begins when somebody signs in with a program or at the console, and ends when they sign out, leave, or somebody ends it.",
        ),
        may_end: sessions::require_for_all(&visitor.operation()).is_ok(),
        is_ended_shown,
        source: Source(vec![
            "as the store has it now".to_owned(),
            "tokens of the company's own identity provider have no session here".to_owned(),
        ]),
    }))
}

fn link(labels: &BTreeMap<String, String>, session: &Session) -> Link {
    let id = session.person.to_string();
    Link {
        to: format!("/console/people/{id}"),
        word: labels.get(&id).map_or_else(|| Said::from(&id), Said::from),
    }
}

fn told(word: &str) -> Option<Notice> {
    match word {
        "ended" | "everyone" => Some(Notice::info(
            "What is open now stands below. A session that is ended is over on every replica within a second.",
        )),
        _ => None,
    }
}

/// The session of this id, with its program and owner in words.
async fn find(visitor: &Visitor, id: SessionId) -> Result<(Session, Said), Wrong> {
    let operation = visitor.operation();
    let session = sessions::read(&operation, id).await?;
    let ids = [session.person.to_string()];
    let labels = people::labels(&operation, &ids).await?;
    let whose = labels.get(&ids[0]).map_or(ids[0].as_str(), String::as_str);
    let said = Said::from(format!("{} of {whose}", session.client));
    Ok((session, said))
}

fn confirm_one(session: &Session, said: Said, reason: &str, wrong: Option<String>) -> Confirm {
    Confirm {
        verb: "End the session".to_owned(),
        whom: Some(said),
        does: vec![
            "That program must sign in again; what it is answering is cut within a second, on every replica.".to_owned(),
            "Other sessions and tokens of the person stay.".to_owned(),
        ],
        action: format!("/console/sessions/{}/end", session.id),
        button: "End the session".to_owned(),
        is_risk: true,
        back: "/console/sessions".to_owned(),
        fields: vec![Field::reason(reason, wrong)],
    }
}

fn sure(visitor: &Visitor) -> Shell {
    Shell::new(visitor, Place::Sessions, "End a session").within("Are you sure?")
}

async fn ask_one(visitor: Visitor, Named(id): Named<SessionId>) -> Result<Response, Wrong> {
    visitor.operation().require(Right::SessionsWrite)?;
    let (session, said) = find(&visitor, id).await?;
    Ok(confirm_one(&session, said, "", None).page(sure(&visitor)))
}

async fn end_one(
    visitor: Visitor,
    Named(id): Named<SessionId>,
    headers: HeaderMap,
    Form(form): Form<Reasoned>,
) -> Result<Response, Wrong> {
    visitor.changing(&headers, &form.csrf)?;
    match sessions::end(&visitor.operation(), id, form.reason.trim()).await {
        Ok(_) => Ok(asked::done("/console/sessions", "ended")),
        Err(error) => match of_field(&error, "reason") {
            Some(wrong) => {
                let (session, said) = find(&visitor, id).await?;
                Ok(confirm_one(&session, said, &form.reason, Some(wrong)).page(sure(&visitor)))
            }
            None => Err(error.into()),
        },
    }
}

fn confirm_everyone(reason: &str, wrong: Option<String>) -> Confirm {
    Confirm {
        verb: "End the sessions of everyone".to_owned(),
        whom: None,
        does: vec![
            "Everybody, you included, must sign in again with every program; all answers under way are cut within a second.".to_owned(),
            "Every personal access token is taken away for good: scripts that use one stop.".to_owned(),
            "Whoever may come in can sign in again at once.".to_owned(),
        ],
        action: "/console/sessions/everyone/end".to_owned(),
        button: "End every session".to_owned(),
        is_risk: true,
        back: "/console/sessions".to_owned(),
        fields: vec![Field::reason(reason, wrong)],
    }
}

async fn ask_everyone(visitor: Visitor) -> Result<Response, Wrong> {
    sessions::require_for_all(&visitor.operation())?;
    visitor.fresh()?;
    Ok(confirm_everyone("", None).page(sure(&visitor)))
}

async fn end_everyone(
    visitor: Visitor,
    headers: HeaderMap,
    Form(form): Form<Reasoned>,
) -> Result<Response, Wrong> {
    visitor.changing(&headers, &form.csrf)?;
    visitor.fresh()?;
    match sessions::end_everyones(&visitor.operation(), form.reason.trim()).await {
        Ok(()) => Ok(asked::done("/console/sessions", "everyone")),
        Err(error) => match of_field(&error, "reason") {
            Some(wrong) => Ok(confirm_everyone(&form.reason, Some(wrong)).page(sure(&visitor))),
            None => Err(error.into()),
        },
    }
}
