//! One entry of the policy as a form: add one, change one, take one out. The form changes that entry in the text and nothing else, and
//! leads to the same preview as the text does; nothing is saved here. What a form cannot carry is left to be changed as text.

use askama::Template;
use axum::response::{IntoResponse as _, Redirect, Response};
use control::access::Right;
use control::access_requests;
use control::policies;
use control::policies::edit::{self, CannotEdit, Entry};
use control::policies::places::Section;
use domain::policy::UnreadablePolicy;
use domain::{AccessRequestId, Policy, ReasonCode};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use super::beside;
use super::draft::{self, Beside, Draft};
use super::form::{self, Fields, Kind, Spec, Wrongs};
use super::input::Input;
use super::{wanted, words};
use crate::pages::asked::{self, Asked, LongForm};
use crate::pages::parts::{self, Notice};
use crate::pages::shell::{Place, Shell};
use crate::pages::show::Said;
use crate::pages::visit::Visitor;
use crate::pages::wrong::Wrong;

/// Which entry.
#[derive(Debug, Deserialize)]
pub struct Which {
    section: Option<String>,
    name: Option<String>,
    /// The request whose thing a new entry is to give; it fills the fields.
    request: Option<AccessRequestId>,
}

/// The form of a new entry that gives what a request asks for.
pub fn draft_for(section: Section, request: AccessRequestId) -> String {
    format!(
        "/console/policy/entry?section={}&request={request}",
        section.as_str()
    )
}

/// The form of an entry of the version in force.
pub fn change_of(section: Section, name: &str) -> String {
    let name: String = url::form_urlencoded::byte_serialize(name.as_bytes()).collect();
    format!(
        "/console/policy/entry?section={}&name={name}",
        section.as_str()
    )
}

#[derive(Template)]
#[template(path = "policy_entry.html")]
struct Page {
    shell: Shell,
    title: String,
    says: String,
    section: &'static str,
    old: Said,
    is_new: bool,
    name: Input,
    whom: Vec<Input>,
    what: Vec<Input>,
    what_says: &'static str,
    raw: Option<String>,
    expected: u64,
    reason: String,
    notice: Option<Notice>,
}

/// What a form over an entry carries beside its fields.
struct Carried {
    section: Section,
    /// The entry's name in the text; none for a new one.
    old: Option<String>,
    draft: Draft,
    /// Whether the draft's text is another than that of the version it was made from.
    is_changed: bool,
}

fn section_of(word: &str) -> Result<Section, Wrong> {
    Section::of(word).ok_or_else(Wrong::nothing_here)
}

/// `GET /console/policy/entry`: an entry of the version in force, or a new one.
pub async fn begin(visitor: Visitor, Asked(which): Asked<Which>) -> Result<Response, Wrong> {
    let operation = visitor.operation();
    let latest = policies::latest(&operation).await?;
    if which.section.is_none() {
        // As after a sign-in on the way from a form.
        return Ok(Redirect::to("/console/policy").into_response());
    }
    let section = section_of(asked::given(which.section.as_ref()))?;
    let mut draft = Draft {
        expected: latest.as_ref().map_or(0, |latest| latest.version),
        text: latest.map(|latest| latest.text).unwrap_or_default(),
        ..Draft::default()
    };
    if let Some(id) = which.request {
        let request = access_requests::read(&operation, id).await?;
        let issuers = visitor.console().rules.issuers_for_people();
        let way = access_requests::way(&operation, &request, issuers).await?;
        let given = wanted::fields(section, &request, way.as_ref());
        let given = given.ok_or_else(Wrong::nothing_here)?;
        let mut fields = beginning(section);
        fields.extend(given);
        draft.reason = format!("request {id}");
        let carried = Carried {
            section,
            old: None,
            draft,
            is_changed: false,
        };
        return Ok(page(&visitor, &carried, &fields, &Wrongs::new(), None));
    }
    let carried = Carried {
        section,
        old: which.name.filter(|name| !name.is_empty()),
        draft,
        is_changed: false,
    };
    opened(&visitor, &carried)
}

/// `POST /console/policy/entry/open`: an entry of a draft, named by `entry` as `list/name`, or a part that is no list by its word.
pub async fn open(
    visitor: Visitor,
    headers: HeaderMap,
    LongForm(mut fields): LongForm<Fields>,
) -> Result<Response, Wrong> {
    draft::require(&visitor, &headers)?;
    let named = fields.remove("entry").unwrap_or_default();
    if let Some(part) = beside::Part::of(&named) {
        return beside::opened(&visitor, part, &draft_of(&mut fields).read()).await;
    }
    let (section, name) = named.split_once('/').unwrap_or((named.as_str(), ""));
    let carried = Carried {
        section: section_of(section)?,
        old: Some(name.to_owned()).filter(|name| !name.is_empty()),
        draft: draft_of(&mut fields).read(),
        is_changed: true,
    };
    opened(&visitor, &carried)
}

pub(super) fn draft_of(fields: &mut Fields) -> Draft {
    let mut take = |name: &str| fields.remove(name).unwrap_or_default();
    Draft {
        csrf: take("csrf"),
        text: take("text"),
        expected: take("expected").parse().unwrap_or(0),
        reason: take("reason"),
    }
}

fn opened(visitor: &Visitor, carried: &Carried) -> Result<Response, Wrong> {
    let fields = match &carried.old {
        None => beginning(carried.section),
        Some(name) => {
            let found = edit::find(&carried.draft.text, carried.section, name);
            let entry = found.map_err(|error| cannot(&error))?;
            form::fields_of(&entry).ok_or_else(|| {
                let detail = "This entry holds something that a form cannot carry, such as a name of two lines.";
                Wrong::new(ReasonCode::ParameterInvalid, detail)
                    .leading_to("Change it as text", "/console/policy/edit")
            })?
        }
    };
    Ok(page(visitor, carried, &fields, &Wrongs::new(), None))
}

/// What a new entry's fields hold at first.
fn beginning(section: Section) -> Fields {
    let given: &[(&str, &str)] = match section {
        Section::Budget => &[("for", "member"), ("period", "monthly"), ("hard", "yes")],
        Section::Inspect => &[("action", "block")],
        Section::ManagedSettings | Section::DesktopSettings => &[("settings", "{\n  \n}")],
        Section::Connector => &[
            ("transport", "http"),
            ("credential", "none"),
            ("definitions", "block"),
        ],
        Section::Action => &[("state", "ask"), ("approver", "self")],
        _ => &[],
    };
    let owned = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
    given.iter().map(owned).collect()
}

fn cannot(error: &CannotEdit) -> Wrong {
    let code = match error {
        CannotEdit::Gone => ReasonCode::ThingUnknown,
        _ => ReasonCode::ParameterInvalid,
    };
    let detail = format!("This entry cannot be changed by a form: {error}.");
    Wrong::new(code, detail).leading_to("Change it as text", "/console/policy/edit")
}

/// `POST /console/policy/entry`: what the changed entry would change, or the form with what is wrong.
pub async fn change(
    visitor: Visitor,
    headers: HeaderMap,
    LongForm(mut fields): LongForm<Fields>,
) -> Result<Response, Wrong> {
    draft::require(&visitor, &headers)?;
    let mut draft = draft_of(&mut fields).read();
    let section = section_of(&fields.remove("section").unwrap_or_default())?;
    let old = fields.remove("old").filter(|name| !name.is_empty());
    let is_removed = fields.remove("do").as_deref() == Some("remove");
    let is_changed = !draft.text.is_empty();
    if !is_changed {
        draft.text = made_from(&visitor, draft.expected).await?;
    }
    let carried = Carried {
        section,
        old,
        draft,
        is_changed,
    };
    let made = match (&carried.old, is_removed) {
        (Some(name), true) => edit::remove(&carried.draft.text, section, name),
        (old, _) => {
            let entry = match form::entry_of(section, &fields) {
                Ok(entry) => entry,
                Err(wrongs) => return Ok(page(&visitor, &carried, &fields, &wrongs, None)),
            };
            written(&carried.draft.text, old.as_deref(), &entry)
        }
    };
    let text = match made {
        Ok(text) => text,
        Err(error) => {
            let notice = Notice::stop(format!("It was not changed: {error}."));
            return Ok(page(
                &visitor,
                &carried,
                &fields,
                &Wrongs::new(),
                Some(notice),
            ));
        }
    };
    let wrongs = wrongs_of(&text, &carried, &fields);
    if !wrongs.is_empty() {
        return Ok(page(&visitor, &carried, &fields, &wrongs, None));
    }
    let draft = Draft {
        text,
        ..carried.draft
    };
    draft::shown(&visitor, draft, Beside::default()).await
}

fn written(text: &str, old: Option<&str>, entry: &Entry) -> Result<String, CannotEdit> {
    match old {
        Some(name) => edit::replace(text, name, entry),
        None => edit::add(text, entry),
    }
}

/// The text that a form without one was made from.
async fn made_from(visitor: &Visitor, version: u64) -> Result<String, Wrong> {
    visitor.operation().require(Right::PolicyRead)?;
    if version == 0 {
        return Ok(String::new());
    }
    let found = policies::version(&visitor.operation(), version).await?;
    Ok(found.text)
}

/// What is wrong with this entry in the whole policy, by its fields; what is wrong elsewhere, the preview says.
fn wrongs_of(text: &str, carried: &Carried, fields: &Fields) -> Wrongs {
    let Err(UnreadablePolicy::Invalid(mistakes)) = Policy::parse(0, text) else {
        return Wrongs::new();
    };
    let name = fields.get("name").map_or("", |name| name.trim());
    let Ok(document) = edit::document(text) else {
        return Wrongs::new();
    };
    let entries = Entry::all(&document, carried.section);
    let index = entries.iter().rposition(|entry| entry.name() == name);
    let Some(index) = index else {
        return Wrongs::new();
    };
    let start = format!("{}[{index}]", carried.section.as_str());
    let of_entry = mistakes.into_iter().filter_map(|mistake| {
        let rest = mistake.path.strip_prefix(&start)?;
        Some((form::field_of(carried.section, rest), mistake.what))
    });
    of_entry.collect()
}

fn page(
    visitor: &Visitor,
    carried: &Carried,
    fields: &Fields,
    wrongs: &Wrongs,
    notice: Option<Notice>,
) -> Response {
    let input = |spec| Input::of(spec, fields, wrongs);
    let one = words::one(carried.section);
    let (title, says) = match &carried.old {
        None => (
            format!("Add {}", words::a_one(carried.section)),
            "At the end of its list.",
        ),
        Some(old) => (
            format!("Change the {one} “{old}”"),
            "The rest of the text stays as it is, remarks too.",
        ),
    };
    let status = if wrongs.is_empty() && notice.is_none() {
        StatusCode::OK
    } else {
        StatusCode::UNPROCESSABLE_ENTITY
    };
    let page = Page {
        shell: Shell::new(visitor, Place::Policy, &title).within(&title),
        says: format!("{says} Nobody is affected until it is saved."),
        section: carried.section.as_str(),
        old: Said::from(carried.old.as_deref().unwrap_or_default()),
        is_new: carried.old.is_none(),
        name: input(Spec {
            name: "name".to_owned(),
            label: "Name".to_owned(),
            hint: "refusals and records call it so; each of a list has its own",
            kind: Kind::Line,
        }),
        whom: form::whom().into_iter().map(input).collect(),
        what: form::what(carried.section).into_iter().map(input).collect(),
        what_says: words::of_section(carried.section).1,
        raw: carried.is_changed.then(|| draft::raw(&carried.draft.text)),
        expected: carried.draft.expected,
        reason: Said::from(&carried.draft.reason).plain().to_owned(),
        notice,
        title,
    };
    web::page::respond(status, &page, HeaderMap::new())
}
