//! Evidence: what checks have found, each with its hash and until when it counts; and the two checks of a rollout. `control::rollout` has
//! what makes a PASS.

use axum::Json;
use control::evidence::{self, Evidence};
use control::rollout;
use domain::{EvidenceId, ReasonCode};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::call::{Asked, Body, Call};
use super::page::{self, Page};
use crate::Problem;

/// One thing that was found.
#[derive(Debug, Serialize, ToSchema)]
pub struct FactView {
    /// What.
    #[schema(example = "proved by")]
    name: String,
    /// How it was; never a credential.
    #[schema(example = "an ID token of the issuer")]
    value: String,
}

/// What a check found.
#[derive(Debug, Serialize, ToSchema)]
pub struct KeptEvidence {
    /// Its id.
    id: String,
    /// Of which check.
    #[schema(example = "rollout_identity")]
    kind: String,
    /// Whether it was as it must be.
    passed: bool,
    /// Whether that still counts: it passed, its time is not over, and the row is what was kept.
    holds: bool,
    /// When it was found.
    at: String,
    /// Until when it counts.
    expires: String,
    /// Who made the check.
    by: String,
    /// What was found, in the order of finding.
    facts: Vec<FactView>,
    /// SHA-256 of all that, which the ledger's record names as well.
    sha256: String,
    /// Whether the row is what was kept; if not, it was altered.
    is_whole: bool,
}

fn view(call: &Call, found: &Evidence) -> KeptEvidence {
    let facts = evidence::facts(found).into_iter().map(|fact| FactView {
        name: fact.name,
        value: fact.value,
    });
    KeptEvidence {
        id: found.id.to_string(),
        kind: found.kind.clone(),
        passed: found.passed,
        holds: evidence::holds(&call.operation(), found),
        at: found.at.to_string(),
        expires: found.expires.to_string(),
        by: found.by.clone(),
        facts: facts.collect(),
        sha256: found.hash.clone(),
        is_whole: evidence::is_whole(found),
    }
}

/// Of which check.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Which {
    /// `rollout_identity` or `rollout_credentials`.
    #[param(max_length = 64)]
    kind: String,
    /// Rows at most, 1 to 1000; 50 when not given.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// `next` of the page before.
    #[param(max_length = 128)]
    after: Option<String>,
}

/// What a check has found, newest first.
#[utoipa::path(get, path = "/evidence", operation_id = "evidence_list", tag = "evidence", params(Which),
    responses((status = 200, body = Page<KeptEvidence>)))]
pub async fn list(
    call: Call,
    Asked(which): Asked<Which>,
) -> Result<Json<Page<KeptEvidence>>, Problem> {
    let rows = page::rows(which.limit)?;
    let before: Option<EvidenceId> = page::after(which.after.as_deref())?;
    if !rollout::KINDS.contains(&&*which.kind) {
        let detail = format!("`kind` must be one of {}.", rollout::KINDS.join(", "));
        return Err(Problem::new(ReasonCode::ParameterInvalid, detail));
    }
    let found = evidence::list(&call.operation(), &which.kind, before, rows).await?;
    let more = found.len() >= rows as usize;
    let items = found.iter().map(|found| view(&call, found)).collect();
    Ok(Json(Page::new(items, more, |last: &KeptEvidence| {
        last.id.clone()
    })))
}

/// Whose request is looked at.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Whom {
    /// The id, the stable id or the e-mail address of somebody who has asked Claude something.
    #[schema(max_length = 500, example = "ada@example.org")]
    person: String,
}

/// Make the first check of a rollout: whom somebody's latest request was proved to be from. What it finds is kept, a FAIL too.
#[utoipa::path(post, path = "/evidence/rollout-identity", operation_id = "evidence_rollout_identity", tag = "evidence",
    request_body = Whom, responses((status = 201, body = KeptEvidence)))]
pub async fn identity(
    call: Call,
    Body(whom): Body<Whom>,
) -> Result<(StatusCode, Json<KeptEvidence>), Problem> {
    let person = whom.person.trim();
    let found = rollout::identity(&call.operation(), call.installation(), person).await?;
    Ok((StatusCode::CREATED, Json(view(&call, &found))))
}

/// Make the second check of a rollout: what leaves for each provider carries its credential and nothing of the caller's. What it finds is
/// kept, a FAIL too.
#[utoipa::path(post, path = "/evidence/rollout-credentials", operation_id = "evidence_rollout_credentials", tag = "evidence",
    responses((status = 201, body = KeptEvidence)))]
pub async fn credentials(call: Call) -> Result<(StatusCode, Json<KeptEvidence>), Problem> {
    let found = rollout::credentials(&call.operation(), call.departures()).await?;
    Ok((StatusCode::CREATED, Json(view(&call, &found))))
}
