//! The policy: read it and its versions, see what a text would change, put it in force, and try a decision. Two who save at once: the
//! second gets what stands now and how their text differs from it, and nothing is lost.

use std::collections::BTreeSet;
use std::net::IpAddr;

use axum::Json;
use axum::response::{IntoResponse as _, Response};
use control::policies::{self, Applied, PolicyVersion, Someone};
use control::{ControlError, Operation};
use domain::{Client, ClientKind, Policy, ReasonCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::call::{Asked, Body, Call, Id, Version, etag};
use super::page::{Page, Pages};
use crate::Problem;
use crate::problem::Conflict;

/// A version.
#[derive(Debug, Serialize, ToSchema)]
pub struct VersionView {
    /// Its number; 0 when nothing was ever applied.
    version: u64,
    /// The text as it was written, comments included.
    text: String,
    /// Who applied it.
    author: String,
    /// Why.
    reason: String,
    /// When; none for version 0.
    created: Option<String>,
}

fn view(found: PolicyVersion) -> VersionView {
    VersionView {
        version: found.version,
        text: found.text,
        author: found.author,
        reason: found.reason,
        created: Some(found.created.to_string()),
    }
}

fn nothing_yet() -> VersionView {
    VersionView {
        version: 0,
        text: String::new(),
        author: String::new(),
        reason: String::new(),
        created: None,
    }
}

/// The policy in force. Its `ETag` is what a change must name.
#[utoipa::path(get, path = "/policy", operation_id = "policy_read", tag = "policy",
    responses((status = 200, body = VersionView, headers(("ETag" = String)))))]
pub async fn read(call: Call) -> Result<Response, Problem> {
    let latest = policies::latest(&call.operation()).await?;
    let latest = latest.map_or_else(nothing_yet, view);
    Ok((etag(latest.version), Json(latest)).into_response())
}

/// Versions, newest first.
#[utoipa::path(get, path = "/policy/versions", operation_id = "policy_versions", tag = "policy", params(Pages),
    responses((status = 200, body = Page<VersionView>)))]
pub async fn versions(
    call: Call,
    Asked(pages): Asked<Pages>,
) -> Result<Json<Page<VersionView>>, Problem> {
    let (rows, before) = pages.read()?;
    let found = policies::versions(&call.operation(), before, rows).await?;
    let more = found.len() >= rows as usize && found.last().is_some_and(|last| last.version > 1);
    let items = found.into_iter().map(view).collect();
    Ok(Json(Page::new(items, more, |last: &VersionView| {
        last.version.to_string()
    })))
}

/// One version.
#[utoipa::path(get, path = "/policy/versions/{version}", operation_id = "policy_version", tag = "policy",
    params(("version" = u64, Path)), responses((status = 200, body = VersionView)))]
pub async fn version(call: Call, Id(number): Id<u64>) -> Result<Json<VersionView>, Problem> {
    Ok(Json(view(
        policies::version(&call.operation(), number).await?,
    )))
}

/// A text to look at.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TextToPlan {
    /// The policy, TOML or YAML.
    text: String,
}

/// What applying a text would do.
#[derive(Debug, Serialize, ToSchema)]
pub struct PlanView {
    /// The version in force.
    current: u64,
    /// Lines that would go (`-`) and come (`+`); empty when nothing would change.
    diff: String,
    /// What stands otherwise than the text's `[administration]` states, in the same form.
    drift: String,
}

/// See what a text would change, and change nothing.
#[utoipa::path(post, path = "/policy/plan", operation_id = "policy_plan", tag = "policy", request_body = TextToPlan,
    responses((status = 200, body = PlanView)))]
pub async fn plan(call: Call, Body(wanted): Body<TextToPlan>) -> Result<Json<PlanView>, Problem> {
    let plan = policies::plan(&call.operation(), &wanted.text, call.rules()).await?;
    Ok(Json(PlanView {
        current: plan.current,
        diff: plan.diff,
        drift: plan.drift,
    }))
}

/// A text to put in force.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TextToApply {
    /// The policy, TOML or YAML.
    text: String,
    /// Why, for whoever reads the ledger.
    #[schema(max_length = 500)]
    reason: String,
}

/// What became of it.
#[derive(Debug, Serialize, ToSchema)]
pub struct AppliedView {
    /// The version in force now.
    version: u64,
    /// Whether anything was written; a text that is in force already changes nothing.
    changed: bool,
}

/// Put a text in force, if the version that `If-Match` names still is.
#[utoipa::path(put, path = "/policy", operation_id = "policy_apply", tag = "policy", request_body = TextToApply,
    params(("If-Match" = String, Header, description = "The ETag of the policy that was read", example = "\"7\"")),
    responses((status = 200, body = AppliedView, headers(("ETag" = String)))))]
pub async fn apply(
    call: Call,
    version: Result<Version, Problem>,
    Body(wanted): Body<TextToApply>,
) -> Result<Response, Problem> {
    let operation = call.operation();
    operation.require(control::Right::PolicyWrite)?;
    let expected = version?.0.parse::<u64>();
    let expected = expected.map_err(|_| Problem::plain(ReasonCode::VersionMissing))?;
    let (text, reason, rules) = (&wanted.text, &wanted.reason, call.rules());
    let planned = policies::plan(&operation, text, rules).await?;
    let applied = match policies::apply(&operation, text, reason, Some(expected), rules).await {
        Ok(applied) => applied,
        Err(ControlError::Conflict { current }) => {
            return Err(conflict(&operation, current, &planned.text).await);
        }
        Err(error) => return Err(error.into()),
    };
    let view = match applied {
        Applied::Version(version) | Applied::SetRight(version) => AppliedView {
            version,
            changed: true,
        },
        Applied::Unchanged(version) => AppliedView {
            version,
            changed: false,
        },
    };
    Ok((etag(view.version), Json(view)).into_response())
}

/// What stands now, and how the text that was sent differs from it.
async fn conflict(operation: &Operation<'_>, current: u64, text: &str) -> Problem {
    let problem = Problem::from(ControlError::Conflict { current });
    match policies::latest(operation).await {
        Ok(latest) => {
            let stands = latest.map(|latest| (latest.version, latest.text));
            let (number, stands) = stands.unwrap_or_default();
            problem.with_conflict(Conflict {
                id: None,
                etag: format!("\"{number}\""),
                diff: control::diff::unified(&stands, text),
            })
        }
        Err(_) => problem,
    }
}

/// Whom and what to try.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ToTry {
    /// A policy instead of the one in force.
    text: Option<String>,
    /// The issuer that vouches, by its configured name.
    #[schema(max_length = 128)]
    issuer: String,
    /// The issuer's stable id of the person.
    #[schema(max_length = 320)]
    stable_id: String,
    /// Groups.
    #[serde(default)]
    groups: BTreeSet<String>,
    /// The model.
    #[schema(max_length = 128)]
    model: String,
    /// The program: `claude_code`, `claude_desktop`, `office`, `sdk` or `other`.
    #[schema(value_type = Option<String>)]
    client: Option<ClientKind>,
    /// Its version.
    #[schema(max_length = 64)]
    client_version: Option<String>,
    /// Where from.
    #[schema(value_type = Option<String>)]
    address: Option<IpAddr>,
}

/// The decision.
#[derive(Debug, Serialize, ToSchema)]
pub struct Tried {
    /// Whether it would be allowed.
    allowed: bool,
    /// The policy version that says so; 0 for a text that was sent.
    version: u64,
    /// The grants that allow it.
    granted_by: Vec<String>,
    /// Every reason against it.
    reasons: Vec<ReasonView>,
}

/// One reason.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReasonView {
    /// The stable code; docs/errors.md lists them.
    code: &'static str,
    /// The rule that decided, by its name in the policy.
    rule: Option<String>,
    /// A sentence.
    message: String,
}

/// Try a decision: the decision itself, not a guess at it.
#[utoipa::path(post, path = "/policy/try", operation_id = "policy_try", tag = "policy", request_body = ToTry,
    responses((status = 200, body = Tried)))]
pub async fn try_it(call: Call, Body(asked): Body<ToTry>) -> Result<Json<Tried>, Problem> {
    let latest = policies::latest(&call.operation()).await?;
    let policy = match (&asked.text, latest) {
        (Some(text), _) => Policy::parse(0, text).map_err(ControlError::from)?,
        (None, Some(latest)) => {
            Policy::parse(latest.version, &latest.text).map_err(ControlError::from)?
        }
        (None, None) => Policy::empty(),
    };
    let policy = policy.among_issuers(call.rules().issuers_for_people());
    let version = asked.client_version.as_deref().map(str::parse).transpose();
    let client = Client {
        kind: asked.client.unwrap_or(ClientKind::ClaudeCode),
        version: version.map_err(|_| {
            let detail = "`client_version` is no version.";
            Problem::new(ReasonCode::ParameterInvalid, detail)
        })?,
    };
    let someone = Someone {
        issuer: asked.issuer,
        stable_id: asked.stable_id,
        groups: asked.groups,
    };
    let decided = policies::preview(&policy, &someone, &asked.model, client, asked.address);
    Ok(Json(match decided {
        Ok(permit) => Tried {
            allowed: true,
            version: permit.policy_version,
            granted_by: permit.granted_by,
            reasons: Vec::new(),
        },
        Err(refusal) => Tried {
            allowed: false,
            version: policy.version,
            granted_by: Vec::new(),
            reasons: refusal.reasons().map(reason).collect(),
        },
    }))
}

fn reason(reason: &domain::Reason) -> ReasonView {
    ReasonView {
        code: reason.code.as_str(),
        rule: reason.rule.clone(),
        message: reason.message.clone(),
    }
}
