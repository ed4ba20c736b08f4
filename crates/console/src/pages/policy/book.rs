//! The version in force as people read it: each entry with its name, whom it concerns, how many people that is, and what it gives.

use askama::Template;
use axum::response::Response;
use control::policies::edit::Entry;
use control::policies::everyone::{self, Everyone};
use control::policies::places::Section;
use control::policies::{self, PolicyVersion};
use control::{ControlError, Right};
use domain::Policy;
use domain::policy::Document;
use serde::Deserialize;

use super::{form, words};
use crate::pages::answer;
use crate::pages::asked::{self, Asked};
use crate::pages::parts::{self, Empty, Notice, Source};
use crate::pages::shell::{Place, Shell};
use crate::pages::show::{self, Said, When};
use crate::pages::visit::Visitor;
use crate::pages::wrong::Wrong;

/// Entries of a list that the page shows; the rest are in the text.
const ENTRIES_MAX: usize = 100;
/// Versions that stand beside it.
const VERSIONS: u32 = 5;

/// What became of the last action.
#[derive(Debug, Deserialize)]
pub struct Which {
    done: Option<String>,
}

/// An entry as a row.
#[derive(Debug, Clone)]
struct Row {
    name: Said,
    /// Its form, where one can carry it.
    to: Option<String>,
    whom: Said,
    count: String,
    gives: Vec<Said>,
}

/// A list of entries.
#[derive(Debug, Clone)]
struct List {
    word: &'static str,
    id: &'static str,
    what: &'static str,
    a_one: &'static str,
    rows: Vec<Row>,
    left_out: usize,
}

/// A version beside the page.
#[derive(Debug, Clone)]
struct VersionLine {
    number: u64,
    author: Said,
    reason: Said,
    at: When,
}

#[derive(Template)]
#[template(path = "policy.html")]
struct Page {
    shell: Shell,
    title: String,
    latest: Option<VersionLine>,
    versions: Vec<VersionLine>,
    lists: Vec<List>,
    acceptable_use: Said,
    stated: Option<Vec<Said>>,
    may_write: bool,
    none: Empty,
    source: Source,
}

/// `GET /console/policy`.
pub async fn read(visitor: Visitor, Asked(which): Asked<Which>) -> Result<Response, Wrong> {
    let operation = visitor.operation();
    let versions = policies::versions(&operation, None, VERSIONS).await?;
    let latest = versions.first();
    let text = latest.map_or("", |latest| latest.text.as_str());
    let number = latest.map_or(0, |latest| latest.version);
    let policy = Policy::parse(number, text).map_err(ControlError::from)?;
    let document = policy.document();
    let everyone = everyone::everyone(&operation, entries_of(document)).await?;
    let lists = Section::ALL.map(|section| list(document, section, &everyone));
    let shell = Shell::new(&visitor, Place::Policy, "Policy");
    Ok(answer(&Page {
        shell: shell.telling(told(asked::given(which.done.as_ref()), number)),
        title: if number == 0 {
            "Policy".to_owned()
        } else {
            format!("Policy version {number}")
        },
        latest: latest.map(line),
        versions: versions.iter().map(line).collect(),
        lists: lists.into(),
        acceptable_use: Said::from(acceptable_use(document, &everyone)),
        stated: stated(document),
        may_write: visitor.actor().may(Right::PolicyWrite),
        none: Empty::new(
            "policy",
            "Nothing is allowed yet",
            "A policy says who may use which models, with what, and for how much money. Until its first version is saved nobody may use anything.",
        )
        .linked("Write the first one", "/console/policy/edit"),
        source: source(&everyone),
    }))
}

fn entries_of(document: &Document) -> usize {
    let count = |section| Entry::all(document, section).len();
    Section::ALL.into_iter().map(count).sum()
}

/// What was looked at for the counts.
fn source(everyone: &Everyone) -> Source {
    let people = show::counted(everyone.people_count(), "person", "people");
    let mut lines = vec![format!(
        "counted over {people} who may come in, as they are now"
    )];
    match &everyone.services {
        Some(services) => lines.push(format!(
            "and over {}",
            show::counted(services.len() as u64, "service", "services")
        )),
        None => lines.push("services are not shown to your role".to_owned()),
    }
    if everyone.is_cut {
        lines.push("there are more, who were not looked at".to_owned());
    }
    Source(lines)
}

fn list(document: &Document, section: Section, everyone: &Everyone) -> List {
    let entries = Entry::all(document, section);
    let (word, what) = words::of_section(section);
    List {
        word,
        what,
        a_one: words::a_one(section),
        id: section.as_str(),
        rows: entries
            .iter()
            .take(ENTRIES_MAX)
            .map(|entry| row(entry, everyone))
            .collect(),
        left_out: entries.len().saturating_sub(ENTRIES_MAX),
    }
}

fn row(entry: &Entry, everyone: &Everyone) -> Row {
    let concerned = everyone.concerned(|caller| entry.concerns(caller));
    Row {
        name: Said::from(entry.name()),
        to: form::fields_of(entry).map(|_| to_form(entry)),
        whom: Said::from(words::whom(entry)),
        count: counts(concerned, everyone),
        gives: words::gives(entry).into_iter().map(Said::from).collect(),
    }
}

fn to_form(entry: &Entry) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair("section", entry.section().as_str());
    query.append_pair("name", entry.name());
    format!("/console/policy/entry?{}", query.finish())
}

/// `3 of 41 people, 1 of 2 services`.
fn counts((people, services): (u64, u64), everyone: &Everyone) -> String {
    let all = show::counted(everyone.people_count(), "person", "people");
    let said = format!("{} of {all}", show::count(people));
    if services == 0 {
        return said;
    }
    let all = show::counted(everyone.services_count(), "service", "services");
    format!("{said}, {} of {all}", show::count(services))
}

fn acceptable_use(document: &Document, everyone: &Everyone) -> String {
    match &document.acceptable_use {
        Some(rule) if rule.required => {
            let whose = if rule.groups.is_empty() {
                "everyone".to_owned()
            } else {
                format!("members of {}", words::listed(&rule.groups))
            };
            let count = counts(everyone.concerned(|caller| rule.concerns(caller)), everyone);
            format!(
                "The acceptable-use policy must be accepted by {whose} before the first use: {count}."
            )
        }
        Some(_) | None => "Nobody must accept the acceptable-use policy.".to_owned(),
    }
}

/// What is stated of roles and spend limits; none where the policy says nothing about them.
fn stated(document: &Document) -> Option<Vec<Said>> {
    let stated = document.administration.as_ref()?;
    let roles = stated.role.iter().map(|role| {
        format!(
            "The role {} for the group {} of {}",
            role.role, role.group, role.issuer
        )
    });
    let limits = stated.spend_limit.iter().map(|limit| {
        let whose = limit.group.as_ref();
        let whose = whose.map_or_else(
            || "everyone".to_owned(),
            |group| format!("each member of {group}"),
        );
        let amount = limit.amount_cents.as_ref();
        let amount = amount.map_or_else(|| "no cap".to_owned(), |cents| format!("{cents} cents"));
        format!("{amount} {} for {whose}", words::period(limit.period))
    });
    Some(roles.chain(limits).map(Said::from).collect())
}

fn line(version: &PolicyVersion) -> VersionLine {
    VersionLine {
        number: version.version,
        author: Said::from(&version.author),
        reason: Said::from(&version.reason),
        at: When::full(version.created),
    }
}

/// What became of saving, by the number its redirect carries; nothing is said that does not stand.
fn told(done: &str, number: u64) -> Option<Notice> {
    match done {
        "unchanged" => Some(Notice::info(format!(
            "Version {number} is in force. A text that says the same makes no version."
        ))),
        saved if saved.parse() == Ok(number) && number > 0 => Some(Notice::done(format!(
            "Version {number} is in force, on every replica within a second."
        ))),
        _ => None,
    }
}
