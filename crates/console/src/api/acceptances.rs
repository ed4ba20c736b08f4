//! Who has accepted the acceptable-use policy: the count with its denominator, people page by page, and one's own yes. A yes is a
//! person's own act: no token of a script gives it, and it names the version that was read.

use axum::Json;
use control::Right;
use control::acceptable_use::{self as policy, Acceptance, Standing};
use domain::{PersonId, ReasonCode};
use http::Extensions;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::acceptable_use::absent;
use super::call::{Asked, Body, Call};
use super::page::{self, Page};
use crate::{Problem, Yes};

/// How many have accepted.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReportView {
    /// The version in force.
    version: u64,
    /// The oldest version whose acceptance counts.
    accept_from: u64,
    /// Whether the rules refuse those who have not.
    demanded: bool,
    /// Of how many people it is asked: who may come in and, where the rules name groups, is in one of them.
    people: u64,
    /// How many of these have accepted a version that counts.
    accepted: u64,
    /// How many have not.
    missing: u64,
    /// When this was so.
    at: String,
}

/// How many have accepted the version in force, of how many.
#[utoipa::path(get, path = "/acceptable-use/report", operation_id = "acceptable_use_report", tag = "acceptable use",
    responses((status = 200, body = ReportView)))]
pub async fn report(call: Call) -> Result<Json<ReportView>, Problem> {
    let report = policy::report(&call.operation()).await.map_err(absent)?;
    Ok(Json(ReportView {
        version: report.version,
        accept_from: report.accept_from,
        demanded: report.is_demanded,
        people: report.people,
        accepted: report.signed,
        missing: report.people.saturating_sub(report.signed),
        at: report.at.to_string(),
    }))
}

/// An acceptance.
#[derive(Debug, Serialize, ToSchema)]
pub struct AcceptanceView {
    /// The version.
    version: u64,
    /// When.
    at: String,
    /// How: `device`, `link`, `api`, or `drill` for a made-up person.
    way: &'static str,
}

fn acceptance(accepted: &Acceptance) -> AcceptanceView {
    AcceptanceView {
        version: accepted.version,
        at: accepted.at.to_string(),
        way: accepted.way.as_str(),
    }
}

/// One person of whom it is asked.
#[derive(Debug, Serialize, ToSchema)]
pub struct PersonStanding {
    /// The person's id.
    person: String,
    /// For reading.
    email: Option<String>,
    /// For reading.
    name: Option<String>,
    /// The latest version they accepted; none when they accepted none.
    accepted: Option<AcceptanceView>,
    /// Whether it counts for the version in force.
    counts: bool,
}

fn standing(standing: Standing) -> PersonStanding {
    PersonStanding {
        person: standing.person.id.to_string(),
        email: standing.person.email,
        name: standing.person.name,
        accepted: standing.accepted.as_ref().map(acceptance),
        counts: standing.counts,
    }
}

/// Whom to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Whom {
    /// Only those who have accepted a version that counts, or only those who have not.
    accepted: Option<bool>,
    /// Rows at most, 1 to 1000; 50 when not given.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// `next` of the page before.
    #[param(max_length = 128)]
    after: Option<String>,
}

/// The people of whom it is asked, in the order they were first seen.
#[utoipa::path(get, path = "/acceptable-use/acceptances", operation_id = "acceptances_list", tag = "acceptable use",
    params(Whom), responses((status = 200, body = Page<PersonStanding>)))]
pub async fn list(
    call: Call,
    Asked(whom): Asked<Whom>,
) -> Result<Json<Page<PersonStanding>>, Problem> {
    let rows = page::rows(whom.limit)?;
    let after: Option<PersonId> = page::after(whom.after.as_deref())?;
    let found = policy::of_people(&call.operation(), whom.accepted, after, rows).await;
    let (found, next) = found.map_err(absent)?;
    Ok(Json(Page {
        items: found.into_iter().map(standing).collect(),
        next: next.map(|next| next.to_string()),
    }))
}

/// The policy as it concerns oneself.
#[derive(Debug, Serialize, ToSchema)]
pub struct OwnUse {
    /// The version in force.
    version: u64,
    /// The tag of its language.
    language: String,
    /// Its text. Nothing in it is markup.
    text: String,
    /// When it was published.
    published: String,
    /// Whether one is refused the use of Claude without having accepted it.
    demanded: bool,
    /// The latest version one accepted; none when one accepted none.
    accepted: Option<AcceptanceView>,
    /// Whether it counts for the version in force.
    counts: bool,
    /// What is recorded by now, where that is not what the text says any more.
    recorded_now: Option<String>,
}

/// The version in force, and whether one has accepted it.
#[utoipa::path(get, path = "/me/acceptable-use", operation_id = "me_acceptable_use", tag = "me",
    responses((status = 200, body = OwnUse)))]
pub async fn own(call: Call) -> Result<Json<OwnUse>, Problem> {
    let recorded = &call.installation().recorded;
    let own = policy::own(&call.operation(), recorded).await;
    let own = own.map_err(absent)?;
    Ok(Json(OwnUse {
        version: own.version.version,
        language: own.version.language,
        text: own.version.text,
        published: own.version.created.to_string(),
        demanded: own.is_demanded,
        accepted: own.accepted.as_ref().map(acceptance),
        counts: own.counts,
        recorded_now: own.recorded_now,
    }))
}

/// One's yes.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ToAccept {
    /// The version whose text one has read.
    #[schema(minimum = 1)]
    version: u64,
}

/// Accept the version in force. Another version than the one that was read is a conflict, and nothing is accepted.
#[utoipa::path(post, path = "/me/acceptable-use/accept", operation_id = "me_acceptable_use_accept", tag = "me",
    request_body = ToAccept, responses((status = 200, body = OwnUse)))]
pub async fn accept(
    call: Call,
    extensions: Extensions,
    Body(wanted): Body<ToAccept>,
) -> Result<Json<OwnUse>, Problem> {
    let operation = call.operation();
    operation.require(Right::OwnWrite)?;
    let person = control::people::own(&operation).await?;
    let yes = Yes {
        person: person.id,
        label: call.actor().label().to_owned(),
        version: wanted.version,
    };
    if !call.consent().accept(yes, &extensions).await? {
        let detail = "Another version is in force by now; nothing was accepted. Read it, and accept that one.";
        return Err(Problem::new(ReasonCode::VersionConflict, detail));
    }
    own(call).await
}
