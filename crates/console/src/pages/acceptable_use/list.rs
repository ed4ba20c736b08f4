//! The version in force with how many have accepted it, the versions before it, and one of them with what it changed.

use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use control::acceptable_use::{self as policy, Shown, UseVersion, draft};
use control::{ControlError, Operation, Right};
use domain::Timestamp;
use serde::Deserialize;

use super::parts;
use super::terms::{Changed, Line, Part, changed, lines};
use crate::pages::answer;
use crate::pages::asked::{self, Asked};
use crate::pages::offers::{Offer, Offers};
use crate::pages::parts::{Copyable, Empty, Figure, Notice};
use crate::pages::shell::{Place, Shell};
use crate::pages::show::{self, Said, When};
use crate::pages::visit::Visitor;
use crate::pages::wrong::Wrong;

/// Versions that are listed; the rest are in the API.
const VERSIONS_SHOWN: u32 = 50;

/// What was done.
#[derive(Debug, Deserialize)]
pub struct Which {
    done: Option<String>,
}

/// A version as a row.
#[derive(Debug, Clone)]
struct Row {
    to: String,
    word: String,
    at: When,
    author: Said,
    reason: Said,
    asks: &'static str,
}

fn row(version: &UseVersion) -> Row {
    Row {
        to: format!("/console/acceptable-use/versions/{}", version.version),
        word: format!("Version {}", version.version),
        at: When::day(version.created),
        author: Said::from(&version.author),
        reason: Said::from(&version.reason),
        asks: if version.accept_from == version.version {
            "everybody anew"
        } else {
            "nobody anew"
        },
    }
}

/// The version in force.
#[derive(Debug, Clone)]
struct InForce {
    row: Row,
    language: String,
    terms: Vec<Line>,
    /// What it says of the recording that is not so any more.
    outdated: Vec<Changed>,
    figures: Vec<Figure>,
}

#[derive(Template)]
#[template(path = "acceptable_use.html")]
struct Page {
    shell: Shell,
    in_force: Option<InForce>,
    versions: Vec<Row>,
    draft: Said,
    acts: Offers,
    are_people_shown: bool,
    none: Empty,
}

/// `GET /console/acceptable-use`.
pub async fn list(visitor: Visitor, Asked(which): Asked<Which>) -> Result<Response, Wrong> {
    let operation = visitor.operation();
    let recorded = &visitor.console().installation.recorded;
    let in_force = match policy::show(&operation, None, recorded).await {
        Ok(shown) => Some(in_force(&visitor, shown).await?),
        Err(ControlError::NothingPublished) => None,
        Err(error) => return Err(error.into()),
    };
    let versions = policy::versions(&operation, None, VERSIONS_SHOWN).await?;
    let draft = draft::read(&operation, &visitor.console().installation.org_name).await?;
    let told = told(asked::given(which.done.as_ref()), versions.first());
    Ok(answer(&Page {
        shell: Shell::new(&visitor, Place::AcceptableUse, "Acceptable use").telling(told),
        in_force,
        versions: versions.iter().map(row).collect(),
        acts: acts(&operation, draft.saved.is_some()),
        draft: Said::from(match draft.saved {
            None => "Nothing is saved yet; it begins with a template in plain English.".to_owned(),
            Some((by, at)) => format!(
                "Saved by {by} on {}, {} UTC.",
                show::day(at),
                show::clock(at)
            ),
        }),
        are_people_shown: operation.actor.may(Right::PeopleRead),
        none: Empty::new(
            "policy",
            "Nothing is published yet",
            "A company tells its people what they may use Claude for, and what is recorded. Once it is published, the policy can demand that it is accepted before the first use.",
        ),
    }))
}

/// Writing the draft, and publishing what is drafted.
fn acts(operation: &Operation<'_>, is_drafted: bool) -> Offers {
    let may = || operation.require(Right::AcceptableUseWrite);
    let write = Offer::new("policy", "Write the draft", "/console/acceptable-use/draft");
    let write = if is_drafted { write } else { write.main() };
    let publish = Offer::new(
        "check",
        "Publish the draft",
        "/console/acceptable-use/publish",
    );
    let publish = is_drafted.then(|| publish.main().unless(may()));
    let all = std::iter::once(write.unless(may())).chain(publish);
    Offers::of("acts", all.collect())
}

fn told(word: &str, latest: Option<&UseVersion>) -> Option<Notice> {
    let latest = latest.filter(|_| word == "published")?;
    Some(Notice::done(format!(
        "Version {} is in force, on every replica within a second.",
        latest.version
    )))
}

async fn in_force(visitor: &Visitor, shown: Shown) -> Result<InForce, Wrong> {
    let report = policy::report(&visitor.operation()).await?;
    let now: Timestamp = report.at;
    let share = show::percent(
        i64::try_from(report.signed).unwrap_or(i64::MAX),
        i64::try_from(report.people).unwrap_or(i64::MAX),
    );
    let demanded = if report.is_demanded {
        "the policy demands it before the first use"
    } else {
        "the policy does not demand it"
    };
    let counts = if report.accept_from == report.version {
        format!("version {} alone counts", report.version)
    } else {
        format!("from version {} on counts", report.accept_from)
    };
    let missing = report.people.saturating_sub(report.signed);
    let of = || {
        format!(
            "of {} of whom it is asked",
            show::counted(report.people, "person", "people")
        )
    };
    let figure = |name: &str, value: String, of: String, source: Vec<String>| Figure {
        name: name.to_owned(),
        value,
        of,
        source,
    };
    Ok(InForce {
        row: row(&shown.version),
        language: shown.version.language.clone(),
        terms: lines(&shown.version.text),
        outdated: shown.outdated.as_deref().map(changed).unwrap_or_default(),
        figures: vec![
            figure(
                "Have accepted",
                show::count(report.signed),
                of(),
                vec![
                    share.unwrap_or_else(|| "nobody is asked".to_owned()),
                    format!("as of {} UTC", show::clock(now)),
                ],
            ),
            figure(
                "Have not",
                show::count(missing),
                of(),
                vec![demanded.to_owned(), counts],
            ),
        ],
    })
}

#[derive(Template)]
#[template(path = "acceptable_use_version.html")]
struct VersionPage {
    shell: Shell,
    row: Row,
    title: String,
    fingerprint: Copyable,
    language: String,
    terms: Vec<Line>,
    before: Option<u64>,
    changes: Vec<Changed>,
}

/// `GET /console/acceptable-use/versions/{version}`.
pub async fn version(
    visitor: Visitor,
    version: Result<Path<u64>, axum::extract::rejection::PathRejection>,
) -> Result<Response, Wrong> {
    let operation = visitor.operation();
    operation.require(Right::AcceptableUseRead)?;
    let Ok(Path(number)) = version else {
        return Err(Wrong::nothing_here());
    };
    let recorded = &visitor.console().installation.recorded;
    let shown = match policy::show(&operation, Some(number), recorded).await {
        Err(ControlError::NothingPublished) => return Err(Wrong::nothing_here()),
        shown => shown?.version,
    };
    let before = number.checked_sub(1).filter(|before| *before > 0);
    let diff = match before {
        Some(before) => policy::compare(&operation, before, number).await?,
        None => String::new(),
    };
    let title = format!("Version {number}");
    Ok(answer(&VersionPage {
        shell: Shell::new(&visitor, Place::AcceptableUse, &title).within(&title),
        row: row(&shown),
        title,
        fingerprint: Copyable::short("SHA-256", &shown.fingerprint),
        language: shown.language.clone(),
        terms: lines(&shown.text),
        before,
        changes: changed(&diff),
    }))
}
