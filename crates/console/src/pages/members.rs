//! A workspace's member list against the directory: paste one and have it checked, and what the last check found. Nothing of a list with one
//! bad row is taken, and every bad row is named beside the field, which keeps what was pasted.

use std::collections::BTreeSet;
use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use axum::routing::get;
use control::members::{self, BadList, Checked, Columns, Expected, Finding, NotTaken, ToCheck};
use control::{ControlError, Right};
use domain::{PersonId, limits};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use super::answer;
use super::asked::{self, Asked};
use super::parts::{self, Badge, Empty, Field, Figure, Notice, Source, Tone, badge, tag};
use super::shell::{Place, Shell};
use super::show::{self, Said, When};
use super::table::{Filters, Pager, ROWS};
use super::visit::Visitor;
use super::wrong::{Wrong, of_field};
use crate::Console;
use crate::saved;

/// Characters of a field that names columns or domains.
const NAMED_CHARS_MAX: usize = 500;

/// Everything under `/console/members`.
pub fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/console/members", get(last))
        .route("/console/members/check", get(ask).post(check))
        .route("/console/members/findings.csv", get(file))
}

#[derive(Debug, Deserialize)]
struct Which {
    after: Option<String>,
    done: Option<String>,
}

/// What did not agree, as a row.
#[derive(Debug, Clone)]
struct Row {
    badge: Badge,
    who: Said,
    to: Option<String>,
    says: Said,
    line: String,
}

#[derive(Template)]
#[template(path = "members.html")]
struct Page {
    shell: Shell,
    checked: Option<Last>,
    may_check: bool,
    none: Empty,
}

/// The last check.
#[derive(Debug, Clone)]
struct Last {
    source: Said,
    at: When,
    by: Said,
    figures: Vec<Figure>,
    notices: Vec<Notice>,
    rows: Vec<Row>,
    pager: Pager,
    foot: Source,
}

/// A place among the findings: after so many of them. Of a check that another one replaced meanwhile it is the same number of the new one.
fn place(text: &str) -> usize {
    text.parse().unwrap_or(0)
}

async fn last(visitor: Visitor, Asked(which): Asked<Which>) -> Result<Response, Wrong> {
    let operation = visitor.operation();
    let checked = members::last(&operation).await?;
    let from = place(asked::given(which.after.as_ref()));
    let checked = match checked {
        None => None,
        Some(checked) => {
            let found = members::findings(&operation, &checked.record, from, ROWS as usize).await?;
            Some(shown(&visitor, &checked, from, &found))
        }
    };
    let told = (asked::given(which.done.as_ref()) == "checked" && checked.is_some()).then(|| {
        Notice::info(
            "The list was checked. What it found stands below, in the place of the check before.",
        )
    });
    Ok(answer(&Page {
        shell: Shell::new(&visitor, Place::Members, "Member lists").telling(told),
        checked,
        may_check: may_check(&visitor),
        none: Empty::new(
            "group",
            "No list was checked yet",
            "A Claude Team or Enterprise workspace exports its members as CSV. Held against the directory it says who left and is still in it, who is in it and unknown here, and who is missing.",
        ),
    }))
}

fn may_check(visitor: &Visitor) -> bool {
    let actor = visitor.actor();
    actor.may(Right::TasksWrite) && actor.may(Right::PeopleRead)
}

fn shown(visitor: &Visitor, checked: &Checked, from: usize, found: &[Finding]) -> Last {
    let to = from + found.len();
    let has_more = (to as u64) < checked.findings;
    let says = format!(
        "{} to {} of {}, in the order of the list, then of the directory",
        show::count(if found.is_empty() { 0 } else { from as u64 + 1 }),
        show::count(to as u64),
        show::counted(checked.findings, "finding", "findings")
    );
    let next = to.to_string();
    Last {
        source: Said::from(&checked.source),
        at: When::full(checked.at),
        by: Said::from(&checked.by),
        notices: notices(checked),
        rows: found.iter().map(|finding| row(visitor, finding)).collect(),
        pager: Pager::new(
            &Filters::of("/console/members"),
            says,
            from > 0,
            has_more.then_some(&*next),
        ),
        foot: Source(vec![
            format!(
                "checked {} ago",
                show::length(visitor.operation().clock.now().ms_since(checked.at))
            ),
            format!("record {}", checked.record),
            format!(
                "SHA-256 {}…",
                checked.hash.chars().take(12).collect::<String>()
            ),
        ]),
        figures: figures(checked),
    }
}

/// Who is in the one, in the other, and in both, each out of how many.
fn figures(checked: &Checked) -> Vec<Figure> {
    let result = &checked.result;
    let of = |words: &[&str]| -> u64 {
        let counts = words
            .iter()
            .map(|word| result.by_finding.get(*word).copied().unwrap_or(0));
        counts.sum()
    };
    let figure = |name: &str, number: u64, of: String, says: &str| Figure {
        name: name.to_owned(),
        value: show::count(number),
        of,
        source: vec![says.to_owned()],
    };
    let in_list = || format!("of {} in the list", show::count(result.listed as u64));
    let here = || {
        format!(
            "of {} who may come in here",
            show::count(result.present as u64)
        )
    };
    let missing = of(&["not_listed"]);
    let matched = (result.present as u64).saturating_sub(missing);
    vec![
        figure(
            "Left, and still in the list",
            of(&["left_but_listed"]),
            in_list(),
            "to be removed there",
        ),
        figure(
            "In the workspace only",
            of(&["unknown", "guest"]),
            in_list(),
            "nobody the directory knows, or of another domain",
        ),
        figure("In the directory only", missing, here(), "not in the list"),
        figure("In both", matched, here(), "by their e-mail address"),
    ]
}

/// What the check did, and what it could not look at.
fn notices(checked: &Checked) -> Vec<Notice> {
    let result = &checked.result;
    let mut notices = Vec::new();
    if !result.done.escalated.is_empty() {
        let many = show::counted(
            result.done.escalated.len() as u64,
            "leaver is",
            "leavers are",
        );
        notices.push(
            Notice::stop(format!("{many} still in the workspace a day after leaving. Their tasks are late and open again."))
                .linked("See them", "/console/tasks?state=overdue&kind=remove_from_workspace"),
        );
    }
    if !result.done.removed.is_empty() {
        let many = show::counted(result.done.removed.len() as u64, "leaver is", "leavers are");
        notices.push(Notice::done(format!("{many} gone from the list; the tasks to remove them are done, with this list as evidence.")));
    }
    if result.look_only {
        notices.push(Notice::info("It was only looked at: no task was changed."));
    }
    let unseen = match (result.domains_known, result.roles_compared) {
        (true, true) => return notices,
        (false, true) => "Guests were not looked for: the company's own domains were not named.",
        (true, false) => "Roles were not compared: no column, or no groups, were named for them.",
        (false, false) => {
            "Guests were not looked for and roles not compared: neither domains nor roles were named."
        }
    };
    notices.push(Notice::ask(unseen).titled("Not looked at."));
    notices
}

fn row(visitor: &Visitor, finding: &Finding) -> Row {
    let page = |person: &PersonId| {
        let may = visitor.actor().may(Right::PeopleRead);
        may.then(|| format!("/console/people/{person}"))
    };
    let row = |badge, who: &str, says: String, line: Option<u64>| Row {
        badge,
        who: Said::from(who),
        to: None,
        says: Said::from(says),
        line: line.map(|line| line.to_string()).unwrap_or_default(),
    };
    match finding {
        Finding::LeftButListed {
            line,
            email,
            person,
            since,
        } => Row {
            to: page(person),
            ..row(
                badge(Tone::Stop, "left"),
                email,
                format!("left on {}, and is still in the list", show::day(*since)),
                Some(*line),
            )
        },
        Finding::Unknown { line, email } => row(
            badge(Tone::Ask, "unknown"),
            email,
            "nobody the directory knows".to_owned(),
            Some(*line),
        ),
        Finding::Guest { line, email } => row(
            badge(Tone::Ask, "guest"),
            email,
            "an address of another domain".to_owned(),
            Some(*line),
        ),
        Finding::Duplicate { line, first, email } => row(
            tag("twice"),
            email,
            format!("stands on line {first} already"),
            Some(*line),
        ),
        Finding::NotListed { person, email } => Row {
            to: page(person),
            ..row(
                tag("missing"),
                email.as_deref().unwrap_or("no e-mail address"),
                "in the directory, and not in the list".to_owned(),
                None,
            )
        },
        Finding::RoleDiffers {
            line,
            email,
            listed,
            expected,
        } => row(
            badge(Tone::Ask, "role"),
            email,
            format!("{listed} in the list, {expected} by the directory's groups"),
            Some(*line),
        ),
        Finding::Owners { owners, what } => {
            let many = show::counted(*owners as u64, "owner", "owners");
            row(badge(Tone::Ask, "owners"), &many, what.clone(), None)
        }
    }
}

/// `GET /console/members/findings.csv`: all of them.
async fn file(visitor: Visitor) -> Result<Response, Wrong> {
    let operation = visitor.operation();
    match members::last(&operation).await? {
        None => Err(Wrong::nothing_here()),
        Some(checked) => {
            let sheet = members::sheet(&operation, &checked).await?;
            Ok(saved::file("findings.csv", saved::CSV, sheet))
        }
    }
}

/// A list, as it was pasted.
#[derive(Debug, Clone, Deserialize)]
struct Typed {
    csrf: String,
    #[serde(default)]
    source: String,
    #[serde(default)]
    csv: String,
    #[serde(default)]
    email: String,
    #[serde(default)]
    role: String,
    #[serde(default)]
    status: String,
    #[serde(default)]
    domains: String,
    #[serde(default)]
    roles: String,
    #[serde(default)]
    look_only: String,
}

/// What is wrong with it.
#[derive(Debug, Default)]
struct Mistakes {
    source: Option<String>,
    csv: Option<String>,
    rows: Vec<String>,
    email: Option<String>,
    roles: Option<String>,
}

#[derive(Template)]
#[template(path = "members_check.html")]
struct Form {
    shell: Shell,
    csv: String,
    wrong: Option<String>,
    rows: Vec<String>,
    fields: Vec<Field>,
    is_look_only: bool,
    most: String,
    most_bytes: usize,
}

/// `GET /console/members/check`.
async fn ask(visitor: Visitor) -> Result<Response, Wrong> {
    require(&visitor)?;
    let typed = Typed {
        csrf: String::new(),
        source: "members.csv".to_owned(),
        csv: String::new(),
        email: "Email".to_owned(),
        role: String::new(),
        status: String::new(),
        domains: String::new(),
        roles: String::new(),
        look_only: String::new(),
    };
    Ok(form(&visitor, typed, Mistakes::default(), StatusCode::OK))
}

fn require(visitor: &Visitor) -> Result<(), ControlError> {
    let operation = visitor.operation();
    operation.require(Right::TasksWrite)?;
    operation.require(Right::PeopleRead)
}

fn form(visitor: &Visitor, typed: Typed, wrong: Mistakes, status: StatusCode) -> Response {
    let field = |name, label: &str, value: String, hint: &str, wrong| Field {
        name,
        label: label.to_owned(),
        value,
        hint: hint.to_owned(),
        wrong,
        is_required: false,
        is_long: false,
        chars_max: NAMED_CHARS_MAX,
    };
    let page = Form {
        shell: Shell::new(visitor, Place::Members, "Check a list").within("Check a list"),
        wrong: wrong.csv,
        rows: wrong.rows,
        fields: vec![
            field(
                "source",
                "What the list is called",
                typed.source,
                "The file's name; it is the evidence of leavers' tasks.",
                wrong.source,
            ),
            field(
                "email",
                "Column of the e-mail address",
                typed.email,
                "As the first line of the list names it.",
                wrong.email,
            ),
            field(
                "role",
                "Column of the role",
                typed.role,
                "Leave it empty where there is none.",
                None,
            ),
            field(
                "status",
                "Column that says whether somebody is in it",
                typed.status,
                "Leave it empty where there is none.",
                None,
            ),
            field(
                "domains",
                "The company's own domains",
                typed.domains,
                "With commas between them. Without, guests are not looked for.",
                None,
            ),
            field(
                "roles",
                "Which group has which role",
                typed.roles,
                "Such as owner=it-leads, admin=it; the higher role first. Without, roles are not compared.",
                wrong.roles,
            ),
        ],
        csv: typed.csv,
        is_look_only: typed.look_only == "yes",
        most: format!("{} KiB", limits::MEMBER_PASTE_BYTES_MAX / 1024),
        most_bytes: limits::MEMBER_PASTE_BYTES_MAX,
    };
    web::page::respond(status, &page, HeaderMap::new())
}

/// `POST /console/members/check`. Larger than other forms, and read only for those who may.
async fn check(visitor: Visitor, request: Request) -> Result<Response, Wrong> {
    require(&visitor)?;
    // Pasted text grows by its escapes on its way here.
    let most = 3 * limits::MEMBER_PASTE_BYTES_MAX + limits::SMALL_BODY_BYTES_MAX;
    let (headers, typed) = asked::large::<Typed>(request, most).await?;
    visitor.changing(&headers, &typed.csrf)?;
    let unfit = StatusCode::UNPROCESSABLE_ENTITY;
    let wanted = match wanted(&typed) {
        Ok(wanted) => wanted,
        Err(wrong) => return Ok(form(&visitor, typed, wrong, unfit)),
    };
    let turns = &visitor.console().member_checks;
    match members::take(&visitor.operation(), turns, wanted).await {
        Ok(_) => Ok(asked::done("/console/members", "checked")),
        Err(NotTaken::Bad(bad)) => Ok(form(&visitor, typed, mistakes(&bad), unfit)),
        Err(NotTaken::Control(error)) => match of_field(&error, "source") {
            Some(source) => {
                let wrong = Mistakes {
                    source: Some(source),
                    ..Mistakes::default()
                };
                Ok(form(&visitor, typed, wrong, unfit))
            }
            None => Err(error.into()),
        },
        Err(NotTaken::Busy) => Err(Wrong::new(
            domain::ReasonCode::Overloaded,
            "Another member list is being checked; try again in a moment.",
        )),
        Err(NotTaken::Broken) => Err(Wrong::plain(domain::ReasonCode::Internal)),
    }
}

/// What is asked, or what of it cannot be.
fn wanted(typed: &Typed) -> Result<ToCheck, Mistakes> {
    let mut wrong = Mistakes::default();
    if typed.csv.trim().is_empty() {
        wrong.csv = Some("paste the list, its first line too".to_owned());
    } else if typed.csv.len() > limits::MEMBER_PASTE_BYTES_MAX {
        wrong.csv =
            Some("is too long to be pasted; send it by the API or the command line".to_owned());
    }
    if typed.email.trim().is_empty() {
        wrong.email = Some("must name a column of the list".to_owned());
    }
    let mut roles = Vec::new();
    for pair in typed
        .roles
        .split(',')
        .map(str::trim)
        .filter(|pair| !pair.is_empty())
    {
        match pair.split_once('=') {
            Some((role, group)) if !role.trim().is_empty() && !group.trim().is_empty() => {
                roles.push((role.trim().to_owned(), group.trim().to_owned()));
            }
            _ => {
                wrong.roles = Some(
                    "must be pairs such as owner=it-leads, with commas between them".to_owned(),
                );
            }
        }
    }
    if wrong.csv.is_some() || wrong.email.is_some() || wrong.roles.is_some() {
        return Err(wrong);
    }
    let column = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
    let domains = typed
        .domains
        .split(',')
        .map(|domain| domain.trim().to_lowercase());
    Ok(ToCheck {
        source: typed.source.trim().to_owned(),
        look_only: typed.look_only == "yes",
        columns: Columns {
            email: typed.email.trim().to_owned(),
            name: None,
            role: column(&typed.role),
            status: column(&typed.status),
        },
        expected: Expected {
            domains: domains
                .filter(|domain| !domain.is_empty())
                .collect::<BTreeSet<_>>(),
            roles,
        },
        // A form's lines end as a file's do.
        csv: typed.csv.clone().into_bytes(),
    })
}

/// What is wrong with a list that was not taken, each bad row by its line; no cell is repeated.
fn mistakes(bad: &BadList) -> Mistakes {
    const ROWS_NAMED: usize = 20;
    match bad {
        BadList::Rows(rows) => {
            let many = show::counted(rows.len() as u64, "row", "rows");
            let named = rows.iter().take(ROWS_NAMED).map(ToString::to_string);
            Mistakes {
                csv: Some(format!("{many} cannot be taken, and so nothing was")),
                rows: named.collect(),
                ..Mistakes::default()
            }
        }
        other => Mistakes {
            csv: Some(Said::from(other.to_string()).plain().to_owned()),
            ..Mistakes::default()
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use control::members::BadRow;

    fn typed(csv: &str, email: &str, roles: &str) -> Typed {
        Typed {
            csrf: String::new(),
            source: " members.csv ".to_owned(),
            csv: csv.to_owned(),
            email: email.to_owned(),
            role: " ".to_owned(),
            status: String::new(),
            domains: "Northwind.example, ,b.example".to_owned(),
            roles: roles.to_owned(),
            look_only: "yes".to_owned(),
        }
    }

    #[test]
    fn what_was_typed_becomes_what_is_asked_or_says_beside_which_field_it_cannot() {
        let wanted = wanted(&typed(
            "Email\na@b.c\n",
            "Email",
            "owner=it-leads, admin = it",
        ))
        .ok()
        .unwrap();
        assert_eq!((&*wanted.source, wanted.look_only), ("members.csv", true));
        assert_eq!(wanted.columns.role, None);
        assert_eq!(wanted.expected.domains.len(), 2);
        assert_eq!(
            wanted.expected.roles[1],
            ("admin".to_owned(), "it".to_owned())
        );
        let wrong = |csv: &str, email: &str, roles: &str| {
            let wrong = super::wanted(&typed(csv, email, roles)).err().unwrap();
            (
                wrong.csv.is_some(),
                wrong.email.is_some(),
                wrong.roles.is_some(),
            )
        };
        assert_eq!(wrong(" ", "Email", ""), (true, false, false));
        assert_eq!(wrong("Email\n", " ", "owner"), (false, true, true));
        let long = "x".repeat(limits::MEMBER_PASTE_BYTES_MAX + 1);
        assert_eq!(wrong(&long, "Email", ""), (true, false, false));
    }

    #[test]
    fn bad_rows_are_named_by_their_lines_and_not_all_of_many() {
        let row = |line| BadRow {
            line,
            what: "no e-mail address".to_owned(),
        };
        let wrong = mistakes(&BadList::Rows((1..=40).map(row).collect()));
        assert_eq!(
            wrong.csv.as_deref(),
            Some("40 rows cannot be taken, and so nothing was")
        );
        assert_eq!(
            (wrong.rows.len(), &*wrong.rows[0]),
            (20, "line 1: no e-mail address")
        );
    }
}
