//! A workspace's member list against the directory: send one, and read what did not agree at the last. The whole list is taken or none of
//! it, and then every bad row is named. A list is large: it is read only for those who may, one at a time, and compared beside the
//! requests of others.

use std::collections::{BTreeMap, BTreeSet};

use axum::Json;
use axum::extract::Request;
use axum::response::Response;
use control::Right;
use control::members::{self, BadList, Checked, Columns, Expected, Finding, NotTaken, ToCheck};
use domain::{ReasonCode, limits};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::call::{self, Asked, Call};
use super::page::{self, Page, Pages};
use super::unfit;
use crate::problem::BadRowView;
use crate::{Problem, saved};

/// Which column of the list holds what, by the names of its header.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ColumnsToRead {
    /// The e-mail address.
    #[schema(max_length = 128, example = "E-mail")]
    email: String,
    /// The name.
    #[schema(max_length = 128)]
    name: Option<String>,
    /// The role in the workspace.
    #[schema(max_length = 128)]
    role: Option<String>,
    /// Whether the person is in it.
    #[schema(max_length = 128)]
    status: Option<String>,
}

/// A role of the workspace, and the group of the directory that has it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RoleOfGroup {
    /// The role, as the list writes it.
    #[schema(max_length = 128, example = "owner")]
    role: String,
    /// The group.
    #[schema(max_length = 128, example = "it-leads")]
    group: String,
}

/// A list to check.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListToCheck {
    /// What people call it: the file's name.
    #[schema(max_length = 128, example = "members.csv")]
    source: String,
    /// The list as CSV with a header: UTF-8; commas, semicolons or tabs.
    csv: String,
    /// Which column holds what.
    columns: ColumnsToRead,
    /// The organisation's own domains; addresses of others are guests. Guests are not looked for without.
    #[serde(default)]
    domains: Vec<String>,
    /// Which group has which role, the higher role first; everyone else is a member. Roles are not compared without.
    #[serde(default)]
    roles: Vec<RoleOfGroup>,
    /// Compare, and change no task.
    #[serde(default)]
    look_only: bool,
}

/// How a body that is the CSV itself is to be read.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct CsvAsked {
    /// For a body of `text/csv`: what people call the list.
    #[param(max_length = 128)]
    source: Option<String>,
    /// For a body of `text/csv`: the column of the e-mail address.
    #[param(max_length = 128)]
    email: Option<String>,
    /// For a body of `text/csv`: the column of the name.
    #[param(max_length = 128)]
    name: Option<String>,
    /// For a body of `text/csv`: the column of the role.
    #[param(max_length = 128)]
    role: Option<String>,
    /// For a body of `text/csv`: the column of the status.
    #[param(max_length = 128)]
    status: Option<String>,
    /// For a body of `text/csv`: the organisation's own domains, with commas between them.
    #[param(max_length = 2048)]
    domains: Option<String>,
    /// For a body of `text/csv`: compare, and change no task.
    look_only: Option<bool>,
}

/// What did not agree.
#[derive(Debug, Serialize, ToSchema)]
pub struct FindingView {
    /// `left_but_listed`, `unknown`, `guest`, `duplicate`, `not_listed`, `role_differs` or `owners`.
    finding: &'static str,
    /// The list's line, from 1.
    line: Option<u64>,
    /// The address.
    email: Option<String>,
    /// The person's id, where the directory knows one.
    person: Option<String>,
    /// Since when a leaver is gone.
    since: Option<String>,
    /// Of an address that stands twice: its first line.
    first_line: Option<u64>,
    /// The role in the list.
    listed: Option<String>,
    /// The role by the directory's groups.
    expected: Option<String>,
    /// How many owners there are.
    owners: Option<usize>,
    /// What of it.
    what: Option<String>,
}

impl From<Finding> for FindingView {
    fn from(finding: Finding) -> Self {
        let mut view = Self {
            finding: finding.word(),
            line: None,
            email: None,
            person: None,
            since: None,
            first_line: None,
            listed: None,
            expected: None,
            owners: None,
            what: None,
        };
        let place = match finding {
            Finding::LeftButListed {
                line,
                email,
                person,
                since,
            } => {
                view.person = Some(person.to_string());
                view.since = Some(since.to_string());
                Some((line, email))
            }
            Finding::Unknown { line, email } | Finding::Guest { line, email } => {
                Some((line, email))
            }
            Finding::Duplicate { line, first, email } => {
                view.first_line = Some(first);
                Some((line, email))
            }
            Finding::NotListed { person, email } => {
                view.person = Some(person.to_string());
                view.email = email;
                None
            }
            Finding::RoleDiffers {
                line,
                email,
                listed,
                expected,
            } => {
                view.listed = Some(listed);
                view.expected = Some(expected);
                Some((line, email))
            }
            Finding::Owners { owners, what } => {
                view.owners = Some(owners);
                view.what = Some(what);
                None
            }
        };
        if let Some((line, email)) = place {
            view.line = Some(line);
            view.email = Some(email);
        }
        view
    }
}

/// A check.
#[derive(Debug, Serialize, ToSchema)]
pub struct CheckView {
    /// Where its record stands in the ledger: chain and number.
    record: String,
    /// When.
    at: String,
    /// By whom.
    by: String,
    /// What people call the list.
    source: String,
    /// Its SHA-256, in hexadecimal.
    sha256: String,
    /// Whether no task was changed.
    look_only: bool,
    /// People in the list.
    listed: usize,
    /// People in the directory who may come in.
    present: usize,
    /// Whether guests could be told: what was not looked for was not found.
    domains_known: bool,
    /// Whether roles were compared.
    roles_compared: bool,
    /// How many findings there are, by their word.
    counts: BTreeMap<String, u64>,
    /// Leavers who are gone from the list: their tasks are done.
    removed: Vec<String>,
    /// Leavers who are still in it a day later: their tasks are escalated.
    escalated: Vec<String>,
    /// The first findings.
    findings: Page<FindingView>,
}

fn view(checked: Checked, first: Vec<Finding>) -> CheckView {
    let next = Place::after(&checked, 0, first.len());
    CheckView {
        record: checked.record,
        at: checked.at.to_string(),
        by: checked.by,
        source: checked.source,
        sha256: checked.hash,
        look_only: checked.result.look_only,
        listed: checked.result.listed,
        present: checked.result.present,
        domains_known: checked.result.domains_known,
        roles_compared: checked.result.roles_compared,
        counts: checked.result.by_finding,
        removed: checked.result.done.removed,
        escalated: checked.result.done.escalated,
        findings: Page {
            items: first.into_iter().map(FindingView::from).collect(),
            next,
        },
    }
}

impl From<NotTaken> for Problem {
    fn from(why: NotTaken) -> Self {
        match why {
            NotTaken::Busy => {
                let detail = "Another member list is being checked; try again in a moment.";
                Self::new(ReasonCode::Overloaded, detail)
            }
            NotTaken::Bad(bad) => refused(bad),
            NotTaken::Control(error) => error.into(),
            NotTaken::Broken => Self::plain(ReasonCode::Internal),
        }
    }
}

/// Hold a member list against the directory, and take it as evidence for leavers' tasks. A list with one bad row is not taken at all.
#[utoipa::path(post, path = "/members/checks", operation_id = "members_check", tag = "members", params(CsvAsked),
    request_body(content((ListToCheck = "application/json"), (String = "text/csv"))),
    responses((status = 201, body = CheckView)))]
pub async fn check(
    call: Call,
    Asked(asked): Asked<CsvAsked>,
    request: Request,
) -> Result<(StatusCode, Json<CheckView>), Problem> {
    let operation = call.operation();
    operation.require(Right::TasksWrite)?;
    operation.require(Right::PeopleRead)?;
    // Also before it is read: of a list that has to wait nothing is taken in.
    if call.member_checks().available_permits() == 0 {
        return Err(NotTaken::Busy.into());
    }
    let wanted = read(request, asked).await?;
    let (checked, mut findings) = members::take(&operation, call.member_checks(), wanted).await?;
    findings.truncate(limits::MEMBER_FINDINGS_ANSWERED);
    let view = view(checked, findings);
    Ok((StatusCode::CREATED, Json(view)))
}

/// Why a list was not taken, with each bad row.
fn refused(bad: BadList) -> Problem {
    let code = ReasonCode::ParameterInvalid;
    let BadList::Rows(rows) = bad else {
        return Problem::new(code, bad.to_string());
    };
    let detail = format!("{} rows cannot be taken, and so nothing was.", rows.len());
    let rows = rows.into_iter().map(|row| BadRowView {
        line: row.line,
        what: row.what,
    });
    Problem::new(code, detail).with_rows(rows.collect())
}

/// The list, out of JSON or as it is.
async fn read(request: Request, asked: CsvAsked) -> Result<ToCheck, Problem> {
    let kind = kind(request.headers()).to_owned();
    let is_asked_in_query = request.uri().query().is_some_and(|query| !query.is_empty());
    let body = call::read(request.into_body(), limits::MEMBER_UPLOAD_BYTES_MAX).await?;
    match &*kind {
        "text/csv" => of_csv(asked, body.to_vec()),
        "application/json" if is_asked_in_query => {
            let detail = "With a body of `application/json` everything is asked in it, and nothing in the query.";
            Err(Problem::new(ReasonCode::ParameterInvalid, detail))
        }
        "application/json" => of_json(unfit::body(&body)?),
        _ => {
            let detail = "Send the list as `content-type: text/csv`, or in `application/json`.";
            Err(Problem::new(ReasonCode::BodyMalformed, detail))
        }
    }
}

fn kind(headers: &HeaderMap) -> &str {
    let kind = headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next());
    kind.unwrap_or_default().trim()
}

fn of_csv(asked: CsvAsked, csv: Vec<u8>) -> Result<ToCheck, Problem> {
    let missing = |field: &str| {
        let detail = format!("`{field}` must be in the query of a body of `text/csv`.");
        Problem::new(ReasonCode::ParameterInvalid, detail)
    };
    let columns = ColumnsToRead {
        email: asked.email.ok_or_else(|| missing("email"))?,
        name: asked.name,
        role: asked.role,
        status: asked.status,
    };
    let domains = asked.domains.as_deref().unwrap_or_default().split(',');
    Ok(ToCheck {
        source: asked.source.ok_or_else(|| missing("source"))?,
        look_only: asked.look_only.unwrap_or(false),
        columns: named(columns)?,
        expected: Expected {
            domains: domains_of(domains)?,
            roles: Vec::new(),
        },
        csv,
    })
}

fn of_json(list: ListToCheck) -> Result<ToCheck, Problem> {
    let mut roles = Vec::new();
    for role in list.roles {
        page::short("roles", &role.role)?;
        page::short("roles", &role.group)?;
        roles.push((role.role, role.group));
    }
    Ok(ToCheck {
        source: list.source,
        look_only: list.look_only,
        columns: named(list.columns)?,
        expected: Expected {
            domains: domains_of(list.domains.iter().map(String::as_str))?,
            roles,
        },
        csv: list.csv.into_bytes(),
    })
}

/// Columns are named as headers may be named.
fn named(columns: ColumnsToRead) -> Result<Columns, Problem> {
    page::short("email", &columns.email)?;
    for (field, name) in [
        ("name", &columns.name),
        ("role", &columns.role),
        ("status", &columns.status),
    ] {
        page::short(field, name.as_deref().unwrap_or_default())?;
    }
    Ok(Columns {
        email: columns.email,
        name: columns.name,
        role: columns.role,
        status: columns.status,
    })
}

fn domains_of<'d>(domains: impl Iterator<Item = &'d str>) -> Result<BTreeSet<String>, Problem> {
    let named = domains
        .map(str::trim)
        .filter(|domain| !domain.is_empty())
        .map(|domain| Ok(page::short("domains", domain)?.to_lowercase()));
    named.collect()
}

/// The last check and its first findings.
#[utoipa::path(get, path = "/members/checks/latest", operation_id = "members_latest", tag = "members",
    responses((status = 200, body = CheckView)))]
pub async fn latest(call: Call) -> Result<Json<CheckView>, Problem> {
    let operation = call.operation();
    let checked = last(&call).await?;
    let most = limits::MEMBER_FINDINGS_ANSWERED;
    let first = members::findings(&operation, &checked.record, 0, most).await?;
    Ok(Json(view(checked, first)))
}

async fn last(call: &Call) -> Result<Checked, Problem> {
    let checked = members::last(&call.operation()).await?;
    checked.ok_or_else(|| {
        let detail = "No member list was checked yet.";
        Problem::new(ReasonCode::ThingUnknown, detail)
    })
}

/// A place among the findings of one check.
struct Place {
    from: usize,
    record: String,
}

impl Place {
    /// The place after these, when there is more.
    fn after(checked: &Checked, from: usize, shown: usize) -> Option<String> {
        let place = from + shown;
        let has_more = u64::try_from(place).is_ok_and(|place| place < checked.findings);
        (has_more && shown > 0).then(|| format!("{place}.{}", checked.record))
    }
}

impl std::str::FromStr for Place {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (from, record) = text.split_once('.').ok_or(())?;
        Ok(Self {
            from: from.parse().map_err(|_| ())?,
            record: record.to_owned(),
        })
    }
}

/// What did not agree at the last check, in the order of the list, then of the directory.
#[utoipa::path(get, path = "/members/checks/latest/findings", operation_id = "members_findings", tag = "members",
    params(Pages), responses((status = 200, body = Page<FindingView>)))]
pub async fn findings(
    call: Call,
    Asked(pages): Asked<Pages>,
) -> Result<Json<Page<FindingView>>, Problem> {
    let operation = call.operation();
    operation.require(Right::TasksRead)?;
    let (rows, after) = pages.read::<Place>()?;
    let checked = last(&call).await?;
    let from = match after {
        None => 0,
        Some(place) if place.record == checked.record => place.from,
        Some(_) => {
            let detail = "Another list was checked since; begin again without `after`.";
            return Err(Problem::new(ReasonCode::ParameterInvalid, detail));
        }
    };
    let rows = usize::try_from(rows).unwrap_or(1);
    let found = members::findings(&operation, &checked.record, from, rows).await?;
    Ok(Json(Page {
        next: Place::after(&checked, from, found.len()),
        items: found.into_iter().map(FindingView::from).collect(),
    }))
}

/// The same as CSV, in which no cell begins as a formula does.
#[utoipa::path(get, path = "/members/checks/latest/findings.csv", operation_id = "members_findings_csv", tag = "members",
    responses((status = 200, body = String, content_type = "text/csv")))]
pub async fn findings_csv(call: Call) -> Result<Response, Problem> {
    let checked = last(&call).await?;
    let sheet = members::sheet(&call.operation(), &checked).await?;
    Ok(saved::file("findings.csv", saved::CSV, sheet))
}
