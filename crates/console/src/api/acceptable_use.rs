//! The acceptable-use policy: what is in force and whether it is still true, its versions, the draft that several write, what it would be,
//! and publishing it. Two who save at once: the second gets what stands now and how their text differs, and nothing is lost.

use std::collections::BTreeMap;

use axum::Json;
use axum::response::{IntoResponse as _, Response};
use control::acceptable_use::draft::{self, NewDraft, Preview, Publishing, Tag, preview, save};
use control::acceptable_use::{self as policy, Draft, Published, Shown, UseVersion};
use control::{ControlError, Operation, Right};
use domain::ReasonCode;
use domain::acceptable_use::text::VARIABLES;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::call::{Asked, Body, Call, Id, Version, etag};
use super::page::{Page, Pages};
use crate::Problem;
use crate::problem::Conflict;

/// A version, without its text.
#[derive(Debug, Serialize, ToSchema)]
pub struct UseVersionView {
    /// Its number, from 1.
    version: u64,
    /// The tag of its language.
    language: String,
    /// SHA-256 of the text, in hexadecimal, as acceptances in the ledger name it.
    fingerprint: String,
    /// The oldest version whose acceptance counts for this one.
    accept_from: u64,
    /// Who published it.
    author: String,
    /// Why.
    reason: String,
    /// When.
    created: String,
}

impl UseVersionView {
    fn of(version: &UseVersion) -> Self {
        Self {
            version: version.version,
            language: version.language.clone(),
            fingerprint: version.fingerprint.clone(),
            accept_from: version.accept_from,
            author: version.author.clone(),
            reason: version.reason.clone(),
            created: version.created.to_string(),
        }
    }
}

/// A version with its text.
#[derive(Debug, Serialize, ToSchema)]
pub struct UseText {
    /// Which.
    version: UseVersionView,
    /// The text as people read it. Nothing in it is markup.
    text: String,
    /// For the version in force: whether what it says of recording is no longer so.
    outdated: bool,
    /// The lines on recording that would go (`-`) and come (`+`) if it were published anew.
    outdated_because: Option<String>,
    /// Lines that went and came since the version that `since` names.
    changes: Option<String>,
}

fn text(shown: Shown, changes: Option<String>) -> Json<UseText> {
    Json(UseText {
        version: UseVersionView::of(&shown.version),
        text: shown.version.text,
        outdated: shown.outdated.is_some(),
        outdated_because: shown.outdated,
        changes,
    })
}

/// What nobody has published is not there.
pub(super) fn absent(error: ControlError) -> Problem {
    match error {
        ControlError::NothingPublished => {
            let detail = "No acceptable-use policy is published yet.";
            Problem::new(ReasonCode::ThingUnknown, detail)
        }
        other => other.into(),
    }
}

/// The version in force, and whether what it says is still so.
#[utoipa::path(get, path = "/acceptable-use", operation_id = "acceptable_use_read", tag = "acceptable use",
    responses((status = 200, body = UseText)))]
pub async fn read(call: Call) -> Result<Json<UseText>, Problem> {
    let recorded = &call.installation().recorded;
    let shown = policy::show(&call.operation(), None, recorded).await;
    Ok(text(shown.map_err(absent)?, None))
}

/// Versions, newest first, without their texts.
#[utoipa::path(get, path = "/acceptable-use/versions", operation_id = "acceptable_use_versions",
    tag = "acceptable use", params(Pages), responses((status = 200, body = Page<UseVersionView>)))]
pub async fn versions(
    call: Call,
    Asked(pages): Asked<Pages>,
) -> Result<Json<Page<UseVersionView>>, Problem> {
    let (rows, before) = pages.read()?;
    let found = policy::versions(&call.operation(), before, rows).await?;
    let more = found.len() >= rows as usize && found.last().is_some_and(|last| last.version > 1);
    let items = found.iter().map(UseVersionView::of).collect();
    Ok(Json(Page::new(items, more, |last: &UseVersionView| {
        last.version.to_string()
    })))
}

/// Against what.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Since {
    /// Another version: what changed since it is told as well.
    #[param(minimum = 1)]
    since: Option<u64>,
}

/// One version.
#[utoipa::path(get, path = "/acceptable-use/versions/{version}", operation_id = "acceptable_use_version",
    tag = "acceptable use", params(("version" = u64, Path), Since), responses((status = 200, body = UseText)))]
pub async fn version(
    call: Call,
    Id(number): Id<u64>,
    Asked(since): Asked<Since>,
) -> Result<Json<UseText>, Problem> {
    let (operation, recorded) = (call.operation(), &call.installation().recorded);
    let shown = policy::show(&operation, Some(number), recorded).await;
    let shown = shown.map_err(absent)?;
    let changes = match since.since {
        Some(since) => Some(policy::compare(&operation, since, number).await?),
        None => None,
    };
    Ok(text(shown, changes))
}

/// A variable.
#[derive(Debug, Serialize, ToSchema)]
pub struct VariableView {
    /// As it stands between the braces.
    name: String,
    /// What to fill in.
    what: &'static str,
    /// What is filled in, if anything is.
    value: Option<String>,
}

/// The draft.
#[derive(Debug, Serialize, ToSchema)]
pub struct DraftView {
    /// The text with its variables. `{{monitoring}}` stands on a line of its own where the paragraph on what is recorded goes.
    text: String,
    /// Values by variable.
    values: BTreeMap<String, String>,
    /// The tag of its language.
    language: String,
    /// The variables that a company fills in.
    variables: Vec<VariableView>,
    /// What keeps it from being published, a sentence each, with its line; none when nothing does.
    mistakes: Vec<String>,
    /// Who saved it last; none for the template.
    author: Option<String>,
    /// When.
    saved: Option<String>,
}

async fn shown(call: &Call, found: Draft) -> Result<DraftView, Problem> {
    let recorded = &call.installation().recorded;
    let would = preview(&call.operation(), (&found.text, &found.values), recorded).await?;
    let variable = |(name, what): &(&str, &'static str)| VariableView {
        name: (*name).to_owned(),
        what,
        value: found.values.get(*name).cloned(),
    };
    let (author, saved) = found.saved.unzip();
    Ok(DraftView {
        variables: VARIABLES.iter().map(variable).collect(),
        text: found.text,
        values: found.values,
        language: found.language,
        mistakes: sentences(&would),
        author,
        saved: saved.map(|at| at.to_string()),
    })
}

fn sentences(preview: &Preview) -> Vec<String> {
    preview.mistakes.iter().map(ToString::to_string).collect()
}

/// The text that every company begins with.
#[utoipa::path(get, path = "/acceptable-use/template", operation_id = "acceptable_use_template",
    tag = "acceptable use", responses((status = 200, body = DraftView)))]
pub async fn template(call: Call) -> Result<Json<DraftView>, Problem> {
    call.operation().require(Right::AcceptableUseRead)?;
    let template = Draft {
        tag: Tag::default(),
        text: policy::template(&BTreeMap::new()),
        values: BTreeMap::new(),
        language: "en".to_owned(),
        saved: None,
    };
    Ok(Json(shown(&call, template).await?))
}

/// The draft; before anybody saved one the template, with the organisation's name. Its `ETag` is what a change must name.
#[utoipa::path(get, path = "/acceptable-use/draft", operation_id = "acceptable_use_draft_read",
    tag = "acceptable use", responses((status = 200, body = DraftView, headers(("ETag" = String)))))]
pub async fn read_draft(call: Call) -> Result<Response, Problem> {
    let found = draft::read(&call.operation(), &call.installation().org_name).await?;
    let tag = found.tag;
    Ok((etag(tag), Json(shown(&call, found).await?)).into_response())
}

/// A draft to save, or a text to look at.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DraftToSave {
    /// The text with its variables, at most 64 KiB.
    text: String,
    /// Values by variable: at most 20 of at most 200 characters on one line.
    #[serde(default)]
    values: BTreeMap<String, String>,
    /// The tag of its language.
    #[serde(default = "english")]
    #[schema(max_length = 35, default = "en")]
    language: String,
}

fn english() -> String {
    "en".to_owned()
}

/// Save the draft, if the one that `If-Match` names still stands. It may be unfinished.
#[utoipa::path(put, path = "/acceptable-use/draft", operation_id = "acceptable_use_draft_save", tag = "acceptable use",
    request_body = DraftToSave,
    params(("If-Match" = String, Header, description = "The ETag of the draft that was read", example = "\"3-2\"")),
    responses((status = 200, body = DraftView, headers(("ETag" = String)))))]
pub async fn save_draft(
    call: Call,
    version: Result<Version, Problem>,
    Body(wanted): Body<DraftToSave>,
) -> Result<Response, Problem> {
    let operation = call.operation();
    operation.require(Right::AcceptableUseWrite)?;
    let expected = tag(&version?)?;
    let new = NewDraft {
        text: wanted.text,
        values: wanted.values,
        language: wanted.language,
    };
    match save(&operation, expected, new.clone()).await {
        Ok(saved) => {
            let tag = saved.tag;
            Ok((etag(tag), Json(shown(&call, saved).await?)).into_response())
        }
        Err(ControlError::DraftChanged) => Err(conflict(&operation, Some(&new.text)).await),
        Err(other) => Err(other.into()),
    }
}

fn tag(version: &Version) -> Result<Tag, Problem> {
    let parsed = version.0.parse();
    parsed.map_err(|_| Problem::plain(ReasonCode::VersionMissing))
}

/// What stands now, and how the text that was sent differs from it.
async fn conflict(operation: &Operation<'_>, wanted: Option<&str>) -> Problem {
    let problem = Problem::from(ControlError::DraftChanged);
    match draft::read(operation, "").await {
        Ok(stands) => {
            let wanted = wanted.unwrap_or(&stands.text);
            problem.with_conflict(Conflict {
                id: None,
                etag: format!("\"{}\"", stands.tag),
                diff: control::diff::unified(&stands.text, wanted),
            })
        }
        Err(_) => problem,
    }
}

/// What a text would be.
#[derive(Debug, Serialize, ToSchema)]
pub struct PreviewView {
    /// The text, filled as far as it can be, with the paragraph on what is recorded in its place.
    text: String,
    /// That paragraph: made from the settings in force, and nobody's to write.
    monitoring: String,
    /// What keeps it from being published, a sentence each; none when nothing does.
    mistakes: Vec<String>,
    /// Sentences that are hard to read, cut short.
    long_sentences: Vec<String>,
    /// Lines that would go (`-`) and come (`+`) against the version in force.
    diff: String,
}

/// See what a text would be if it were published now, and change nothing.
#[utoipa::path(post, path = "/acceptable-use/preview", operation_id = "acceptable_use_preview",
    tag = "acceptable use", request_body = DraftToSave, responses((status = 200, body = PreviewView)))]
pub async fn preview_text(
    call: Call,
    Body(wanted): Body<DraftToSave>,
) -> Result<Json<PreviewView>, Problem> {
    let recorded = &call.installation().recorded;
    let of = (&*wanted.text, &wanted.values);
    let found = preview(&call.operation(), of, recorded).await?;
    Ok(Json(PreviewView {
        mistakes: sentences(&found),
        text: found.text,
        monitoring: found.monitoring,
        long_sentences: found.long_sentences,
        diff: found.diff,
    }))
}

/// What goes with publishing.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ToPublish {
    /// Why, for whoever reads the ledger.
    #[schema(max_length = 500)]
    reason: String,
    /// Whether acceptances of the version before count for this one: for corrections that change nobody's duties.
    #[serde(default)]
    keep_acceptances: bool,
}

/// What became of it.
#[derive(Debug, Serialize, ToSchema)]
pub struct PublishedView {
    /// The version in force now.
    version: u64,
    /// Whether anything was written; a draft that is in force already changes nothing.
    changed: bool,
    /// Sentences that are hard to read, cut short.
    long_sentences: Vec<String>,
}

/// Put the draft in force, if it and the version beside it are what `If-Match` names. Whoever must accept is asked within a second.
#[utoipa::path(post, path = "/acceptable-use/publish", operation_id = "acceptable_use_publish", tag = "acceptable use",
    request_body = ToPublish,
    params(("If-Match" = String, Header, description = "The ETag of the draft that was read", example = "\"3-2\"")),
    responses((status = 201, body = PublishedView), (status = 200, body = PublishedView)))]
pub async fn publish(
    call: Call,
    version: Result<Version, Problem>,
    Body(wanted): Body<ToPublish>,
) -> Result<(StatusCode, Json<PublishedView>), Problem> {
    let operation = call.operation();
    operation.require(Right::AcceptableUseWrite)?;
    let publishing = Publishing {
        expected: tag(&version?)?,
        reason: &wanted.reason,
        keeps_acceptances: wanted.keep_acceptances,
    };
    let recorded = &call.installation().recorded;
    match draft::publish_draft(&operation, publishing, recorded).await {
        Ok(Published::Version {
            version,
            long_sentences,
        }) => {
            let view = PublishedView {
                version,
                changed: true,
                long_sentences,
            };
            Ok((StatusCode::CREATED, Json(view)))
        }
        Ok(Published::Unchanged(version)) => {
            let view = PublishedView {
                version,
                changed: false,
                long_sentences: Vec::new(),
            };
            Ok((StatusCode::OK, Json(view)))
        }
        Err(ControlError::DraftChanged | ControlError::Conflict { .. }) => {
            Err(conflict(&operation, None).await)
        }
        Err(other) => Err(other.into()),
    }
}
