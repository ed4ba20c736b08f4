//! Who is signed in with which program, and ending that: one session, those chosen, everyone's, and, from a person's page, all of one
//! person.

use std::collections::BTreeMap;
use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::response::Response;
use axum::routing::get;
use control::sessions::{self, Session};
use control::{Operation, Right, people};
use domain::{PersonId, SessionId, limits};
use http::HeaderMap;
use serde::Deserialize;

use super::answer;
use super::asked::{self, Asked, Form, Named, Reasoned};
use super::bulk::{self, Act, Bulk, ConfirmMany, Tick, Touched};
use super::columns::{Column, Columns, Order};
use super::confirm::Confirm;
use super::offers::{Offer, Offers};
use super::parts::{self, Badge, Copyable, Empty, Field, Link, Notice, Source, tag};
use super::shell::{Place, Shell};
use super::show::{self, Ago, Said, When};
use super::table::{Chips, Filters, Pager, ROWS};
use super::visit::Visitor;
use super::wrong::{Wrong, of_field};
use crate::Console;

/// Everything under `/console/sessions`.
pub fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/console/sessions", get(list))
        .route("/console/sessions.csv", get(file))
        .route(
            "/console/sessions/everyone/end",
            get(ask_everyone).post(end_everyone),
        )
        .route("/console/sessions/end", get(ask_chosen).post(end_chosen))
        .route("/console/sessions/{id}/end", get(ask_one).post(end_one))
}

/// What the table can show.
const COLUMNS: &[Column] = &[
    Column::new("program", "Program").fixed(),
    Column::new("who", "Who"),
    Column::new("since", "Since").leaving("mid"),
    Column::new("ended", "Ended").leaving("mid"),
    Column::new("id", "Session").extra(),
];

/// What the table of open sessions can show.
const COLUMNS_OPEN: &[Column] = &[COLUMNS[0], COLUMNS[1], COLUMNS[2], COLUMNS[4]];

/// Ids sort by when they were made.
const ORDERS: &[Order] = &[Order::up("since"), Order::down("since")];

/// Which to list.
#[derive(Debug, Deserialize)]
struct Which {
    person: Option<String>,
    ended: Option<String>,
    after: Option<String>,
    done: Option<String>,
    count: Option<u16>,
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
    /// How long ago that is.
    pub age: Ago,
    /// When it ended.
    pub ended: Option<When>,
    /// What is special about it: this very browser.
    pub badge: Option<Badge>,
    /// The address that ends it, where it is open and who looks may.
    pub end: Option<String>,
    /// Its id.
    pub id: Copyable,
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
            age: Ago::of(session.created, now),
            ended: session.ended_at.map(When::full),
            badge: (session.id == visitor.session()).then(|| tag("this browser")),
            end: (is_open && may).then(|| format!("/console/sessions/{}/end", session.id)),
            id: Copyable::short("session id", session.id),
        }
    }

    /// Its program and its owner, in a few words.
    fn name(&self) -> String {
        let who = self.who.as_ref().map_or("", |who| who.word.plain());
        format!("{} of {who}", self.client.plain())
    }
}

#[derive(Template)]
#[template(path = "sessions.html")]
struct Page {
    shell: Shell,
    chips: Chips,
    tabs: Vec<(&'static str, String, bool)>,
    columns: Columns,
    file: String,
    bulk: Bulk,
    rows: Vec<(Tick, SessionLine)>,
    pager: Pager,
    none: Empty,
    everyone: Offers,
    /// Why who looks cannot end any.
    kept_from: Option<String>,
    source: Source,
}

async fn list(visitor: Visitor, Asked(which): Asked<Which>) -> Result<Response, Wrong> {
    let operation = visitor.operation();
    let person: Option<PersonId> = asked::after(which.person.as_ref())?;
    let after: Option<SessionId> = asked::after(which.after.as_ref())?;
    let is_ended_shown = asked::given(which.ended.as_ref()) == "yes";
    let of = (person, !is_ended_shown);
    let all = if is_ended_shown {
        COLUMNS
    } else {
        COLUMNS_OPEN
    };
    let columns = Columns::asked(visitor.address(), all, ORDERS);
    let (found, more) = if columns.is_down() {
        sessions::list_back(&operation, of, after, ROWS).await?
    } else {
        sessions::list(&operation, of, after, ROWS).await?
    };
    let labels = labels(&visitor, &found, person).await?;
    let whom = person.map(|person| person.to_string()).unwrap_or_default();
    let label = labels.get(&whom).cloned().unwrap_or_else(|| whom.clone());
    let all = Filters::of("/console/sessions").with("person", &whom, Said::from(&label).plain());
    let ended = if is_ended_shown { "yes" } else { "" };
    let filters = all.clone().with("ended", ended, "ended ones too");
    let file = filters.at("/console/sessions.csv");
    let filters = columns.in_addresses(filters);
    let next = found.last().filter(|_| more);
    let next = next.map(|last| last.id.to_string());
    let count = sessions::count(&operation, person).await?;
    let kept_from = operation.require(Right::SessionsWrite);
    let bulk = bulk_of(&visitor);
    let row = |session: &Session| {
        let line = SessionLine::of(&visitor, session, Some(link(&labels, session)));
        let id = line.end.is_some().then(|| session.id.to_string());
        (bulk.tick(id.as_deref(), &line.name()), line)
    };
    let rows = found.iter().map(row).collect();
    let says = says(found.len(), is_ended_shown, count);
    Ok(answer(&Page {
        shell: Shell::new(&visitor, Place::Sessions, "Sessions").telling(told(&which)),
        chips: columns.in_addresses(all.clone()).chips(),
        tabs: vec![
            ("Open", all.first(), !is_ended_shown),
            (
                "Ended too",
                all.clone().with("ended", "yes", "").first(),
                is_ended_shown,
            ),
        ],
        columns: columns.with(&filters),
        file,
        bulk,
        rows,
        pager: Pager::new(&filters, says, after.is_some(), next.as_deref()),
        none: Empty::new(
            "device",
            "No session here",
            "A session begins when somebody signs in with a program or at the console, and ends when they sign out, leave, or somebody ends it.",
        ),
        everyone: everyone(&operation),
        kept_from: kept_from.err().map(|why| why.to_string()),
        source: Source(vec![
            "as the store has it now".to_owned(),
            "tokens of the company's own identity provider have no session here".to_owned(),
        ]),
    }))
}

/// Ending everybody's.
fn everyone(operation: &Operation<'_>) -> Offers {
    let end = Offer::new(
        "log-out",
        "End everyone's",
        "/console/sessions/everyone/end",
    );
    let end = end.risk().unless(sessions::require_for_all(operation));
    Offers::of("everyone", vec![end])
}

/// The first row of the file.
const HEADER: [&str; 6] = ["id", "program", "person", "name", "since", "ended"];

/// `GET /console/sessions.csv`: the newest of the same list, at most [`limits::STORE_PAGE_MAX`] rows.
async fn file(visitor: Visitor, Asked(which): Asked<Which>) -> Result<Response, Wrong> {
    let person: Option<PersonId> = asked::after(which.person.as_ref())?;
    let is_ended_shown = asked::given(which.ended.as_ref()) == "yes";
    let (operation, of) = (visitor.operation(), (person, !is_ended_shown));
    let (found, _) = sessions::list_back(&operation, of, None, limits::STORE_PAGE_MAX).await?;
    let labels = labels(&visitor, &found, person).await?;
    let rows = found.iter().map(|session| {
        let person = session.person.to_string();
        let ended = session.ended_at;
        [
            session.id.to_string(),
            session.client.clone(),
            person.clone(),
            labels.get(&person).cloned().unwrap_or_default(),
            session.created.to_string(),
            ended.map_or_else(String::new, |at| at.to_string()),
        ]
    });
    let text = control::text::sheet(&HEADER, rows);
    Ok(asked::sheet("sessions", text))
}

/// What the people of these sessions, and this one, are called.
async fn labels(
    visitor: &Visitor,
    found: &[Session],
    person: Option<PersonId>,
) -> Result<BTreeMap<String, String>, Wrong> {
    let of = found.iter().map(|session| session.person);
    let mut ids: Vec<String> = of.chain(person).map(|id| id.to_string()).collect();
    ids.sort_unstable();
    ids.dedup();
    Ok(people::labels(&visitor.operation(), &ids).await?)
}

/// What can be done to several, by whoever may.
fn bulk_of(visitor: &Visitor) -> Bulk {
    let may = visitor.actor().may(Right::SessionsWrite);
    let end = Act {
        to: "/console/sessions/end",
        word: "End the chosen",
        is_risk: true,
    };
    Bulk::of("sessions", may.then_some(end).into_iter().collect())
}

fn says(shown: usize, is_ended_shown: bool, count: sessions::SessionsCount) -> String {
    let (shown, open) = (show::count(shown as u64), show::count(count.open));
    if is_ended_shown {
        let all = show::counted(count.all, "session", "sessions");
        format!("{shown} of {all} shown, {open} of them open")
    } else {
        let open = show::counted(count.open, "open session", "open sessions");
        format!("{shown} of {open} shown")
    }
}

fn link(labels: &BTreeMap<String, String>, session: &Session) -> Link {
    let id = session.person.to_string();
    Link {
        to: format!("/console/people/{id}"),
        word: labels.get(&id).map_or_else(|| Said::from(&id), Said::from),
    }
}

fn told(which: &Which) -> Option<Notice> {
    let how_fast = "What is open now stands below. A session that is ended is over on every replica within a second.";
    match asked::given(which.done.as_ref()) {
        "ended" | "everyone" => Some(Notice::info(how_fast)),
        "chosen" => {
            let ended = u64::from(which.count.unwrap_or_default());
            let ended = show::counted(ended, "session was ended.", "sessions were ended.");
            Some(Notice::info(how_fast).titled(ended))
        }
        "none" => {
            Some(Notice::ask("Choose at least one row by its box.").titled("Nothing was chosen."))
        }
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

/// The sessions that were chosen and are still there, each with its program and its owner; `None` when nothing was chosen.
async fn picked(visitor: &Visitor) -> Result<Option<Vec<(Session, Said)>>, Wrong> {
    let operation = visitor.operation();
    operation.require(Right::SessionsWrite)?;
    let ids: Vec<SessionId> = bulk::chosen(visitor.address())?;
    let mut found = Vec::with_capacity(ids.len());
    for id in &ids {
        found.push(sessions::read(&operation, *id).await?);
    }
    let labels = labels(visitor, &found, None).await?;
    let said = |session: Session| {
        let id = session.person.to_string();
        let whose = labels.get(&id).map_or(id.as_str(), String::as_str);
        let said = Said::from(format!("{} of {whose}", session.client));
        (session, said)
    };
    Ok((!ids.is_empty()).then(|| found.into_iter().map(said).collect()))
}

fn confirm_chosen(
    visitor: &Visitor,
    picked: Vec<(Session, Said)>,
    (reason, wrong): (&str, Option<String>),
) -> Response {
    let ids: Vec<SessionId> = picked.iter().map(|(session, _)| session.id).collect();
    let touched = |(session, what): (Session, Said)| Touched {
        what,
        sub: session.ended_at.map_or_else(
            || format!("since {}", When::full(session.created).text()),
            |at| format!("ended already, {}", When::full(at).text()),
        ),
        badge: (session.id == visitor.session()).then(|| tag("this browser")),
    };
    let (open, ended): (Vec<_>, Vec<_>) = picked
        .into_iter()
        .partition(|(session, _)| session.ended_at.is_none());
    let how_many = show::counted(open.len() as u64, "session", "sessions");
    let many = ConfirmMany {
        confirm: Confirm {
            verb: format!("End {how_many}"),
            whom: None,
            does: vec![
                "Those programs must sign in again; what they are answering is cut within a second, on every replica.".to_owned(),
                "Other sessions and tokens of these people stay.".to_owned(),
            ],
            action: bulk::about("/console/sessions/end", &ids),
            button: format!("End {how_many}"),
            is_risk: true,
            back: "/console/sessions".to_owned(),
            fields: vec![Field::reason(reason, wrong)],
        },
        touched: open.into_iter().map(touched).collect(),
        left: ended.into_iter().map(touched).collect(),
    };
    many.page(sure(visitor))
}

/// Several at once ask for a proof; one alone does not, so that nothing slows whoever sees a stolen one.
fn proved(visitor: &Visitor, picked: &[(Session, Said)]) -> Result<(), Wrong> {
    if picked.len() > 1 {
        visitor.fresh()?;
    }
    Ok(())
}

async fn ask_chosen(visitor: Visitor) -> Result<Response, Wrong> {
    let Some(picked) = picked(&visitor).await? else {
        return Ok(asked::done("/console/sessions", "none"));
    };
    proved(&visitor, &picked)?;
    Ok(confirm_chosen(&visitor, picked, ("", None)))
}

async fn end_chosen(
    visitor: Visitor,
    headers: HeaderMap,
    Form(form): Form<Reasoned>,
) -> Result<Response, Wrong> {
    visitor.changing(&headers, &form.csrf)?;
    let Some(picked) = picked(&visitor).await? else {
        return Ok(asked::done("/console/sessions", "none"));
    };
    proved(&visitor, &picked)?;
    let operation = visitor.operation();
    let open = picked.iter().filter(|one| one.0.ended_at.is_none());
    let open: Vec<SessionId> = open.map(|(session, _)| session.id).collect();
    for (done, id) in open.iter().enumerate() {
        let Err(error) = sessions::end(&operation, *id, form.reason.trim()).await else {
            continue;
        };
        return match of_field(&error, "reason") {
            Some(wrong) => Ok(confirm_chosen(
                &visitor,
                picked,
                (&form.reason, Some(wrong)),
            )),
            None => Err(Wrong::from(error).after(done, open.len())),
        };
    }
    let to = format!("/console/sessions?count={}", open.len());
    Ok(asked::done(&to, "chosen"))
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
