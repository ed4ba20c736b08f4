//! Calls of connectors' actions that wait for somebody's approval, and what became of them. A yes is given in a browser, by somebody who has
//! just proved who they are, and by nothing that holds a token; so there is no operation for it.

use axum::Json;
use control::approvals::{self, Shown};
use domain::{ApprovalId, ReasonCode};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::call::{Asked, Body, Call, Id};
use super::page::{self, Page};
use crate::Problem;

/// A call that somebody has to approve.
#[derive(Debug, Serialize, ToSchema)]
pub struct ApprovalView {
    /// Its id.
    #[schema(example = "apr_01kbcdefghjkmnpqrstvwxyz01")]
    id: String,
    /// Who asks: our id of the person.
    person: String,
    /// Who that is, for reading.
    label: String,
    /// The connector, by its name in the policy.
    #[schema(example = "crm")]
    connector: String,
    /// The action, by the connector's own name for it.
    #[schema(example = "update_contact")]
    action: String,
    /// `read`, `write`, `destructive` or `generic`.
    class: String,
    /// SHA-256 of the arguments in their canonical form, in hexadecimal.
    arguments_sha256: String,
    /// The arguments in their canonical form; none where you did not ask and cannot approve, in lists, and a day after the end.
    arguments: Option<String>,
    /// The hash of the definition that was reviewed.
    definition: String,
    /// The version of the policy that asks.
    policy_version: u64,
    /// The entry of it that asks.
    rule: String,
    /// Who may approve: `self`, `second`, or a list of groups as JSON.
    approver: String,
    /// When it was asked for.
    asked: String,
    /// Until when it can be decided; once approved, until when it can be used.
    expires: String,
    /// `pending`, `approved`, `denied`, `expired` or `consumed`, by the clock at this moment.
    state: &'static str,
    /// When somebody decided.
    decided_at: Option<String>,
    /// Who.
    decided_by: Option<String>,
    /// Why, in their words.
    reason: Option<String>,
}

fn view(shown: Shown) -> ApprovalView {
    let Shown {
        approval,
        state,
        arguments,
        ..
    } = shown;
    let decision = approval.decision;
    ApprovalView {
        id: approval.id.to_string(),
        person: approval.binding.person.to_string(),
        label: approval.label,
        connector: approval.binding.connector,
        action: approval.binding.action,
        class: approval.about.class,
        arguments_sha256: approval.binding.arguments_sha256,
        arguments: arguments.and_then(|arguments| String::from_utf8(arguments).ok()),
        definition: approval.binding.definition,
        policy_version: approval.binding.policy_version,
        rule: approval.about.rule,
        approver: approval.binding.approver.to_text(),
        asked: approval.asked.to_string(),
        expires: approval.expires.to_string(),
        state: state.as_str(),
        decided_at: decision.as_ref().map(|decision| decision.at.to_string()),
        decided_by: decision.as_ref().map(|decision| decision.label.clone()),
        reason: decision
            .map(|decision| decision.reason)
            .filter(|reason| !reason.is_empty()),
    }
}

fn listed((found, more): (Vec<Shown>, bool)) -> Json<Page<ApprovalView>> {
    let items = found.into_iter().map(view).collect();
    Json(Page::new(items, more, |last: &ApprovalView| {
        last.id.clone()
    }))
}

/// What your own calls asked for, the newest 50.
#[utoipa::path(get, path = "/me/approvals", operation_id = "me_approvals_list", tag = "me",
    responses((status = 200, body = Page<ApprovalView>)))]
pub async fn list_own(call: Call) -> Result<Json<Page<ApprovalView>>, Problem> {
    let (found, _) = approvals::list_own(&call.operation(), 50).await?;
    Ok(listed((found, false)))
}

/// Which to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Which {
    /// `pending` (what waits for a decision, oldest first; the default) or `all` (newest first).
    #[param(max_length = 16)]
    state: Option<String>,
    /// Rows at most, 1 to 1000; 50 when not given.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// `next` of the page before.
    #[param(max_length = 128)]
    after: Option<String>,
}

/// Calls that wait for approval, or all of them. Without arguments.
#[utoipa::path(get, path = "/approvals", operation_id = "approvals_list", tag = "approvals", params(Which),
    responses((status = 200, body = Page<ApprovalView>)))]
pub async fn list(
    call: Call,
    Asked(which): Asked<Which>,
) -> Result<Json<Page<ApprovalView>>, Problem> {
    let is_pending = match which.state.as_deref() {
        None | Some("pending") => true,
        Some("all") => false,
        Some(_) => {
            let detail = "`state` must be pending or all.";
            return Err(Problem::new(ReasonCode::ParameterInvalid, detail));
        }
    };
    let rows = page::rows(which.limit)?;
    let after = page::after(which.after.as_deref())?;
    let found = approvals::list(&call.operation(), is_pending, after, rows).await?;
    Ok(listed(found))
}

/// One of them, for whoever asked, may decide, or may see all; with its arguments for the first two.
#[utoipa::path(get, path = "/approvals/{id}", operation_id = "approvals_read", tag = "approvals",
    params(("id" = String, Path)), responses((status = 200, body = ApprovalView)))]
pub async fn read(call: Call, Id(id): Id<ApprovalId>) -> Result<Json<ApprovalView>, Problem> {
    let shown = approvals::read(&call.operation(), id).await?;
    Ok(Json(view(shown)))
}

/// A no.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DenialToGive {
    /// Why, for whoever asked and their program; the ledger holds it too: 1 to 500 characters on one line.
    #[schema(
        min_length = 1,
        max_length = 500,
        example = "the member asked to be left alone"
    )]
    reason: String,
}

/// Deny a call, also one that was approved and not made yet. Exactly this call is then refused until the approval would have expired. A yes
/// is given at `/approvals/{id}` in a browser, after a new proof of who it is, and by no token.
#[utoipa::path(post, path = "/approvals/{id}/deny", operation_id = "approvals_deny", tag = "approvals",
    params(("id" = String, Path)), request_body = DenialToGive, responses((status = 200, body = ApprovalView)))]
pub async fn deny(
    call: Call,
    Id(id): Id<ApprovalId>,
    Body(given): Body<DenialToGive>,
) -> Result<Json<ApprovalView>, Problem> {
    let operation = call.operation();
    approvals::deny(&operation, id, &given.reason).await?;
    Ok(Json(view(approvals::read(&operation, id).await?)))
}
