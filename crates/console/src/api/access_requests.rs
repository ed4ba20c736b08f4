//! Asking for access beyond what one may use, and answering those who ask. An answer never edits the policy: a grant of a budget sets the
//! person's spend limit in the same step, one of a connector or an action is given once it is so, and the others are kept by hand.

use axum::Json;
use control::access_requests::{self, AccessRequest, Answer, Wish};
use control::may_use::{Question, Tried};
use domain::{AccessRequestId, AskedKind, ClientKind, ReasonCode, Timestamp};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::call::{Asked, Body, Call, Id};
use super::page::{self, Page, Pages};
use crate::Problem;

/// What somebody asked for.
#[derive(Debug, Serialize, ToSchema)]
pub struct AccessRequestView {
    /// Its id.
    #[schema(example = "ask_01kbcdefghjkmnpqrstvwxyz01")]
    id: String,
    /// Who asked: our id of the person.
    person: String,
    /// Who that is, for reading.
    label: String,
    /// `model`, `budget`, `group`, `connector` or `action`.
    kind: &'static str,
    /// Which: a model's id, a budget's period (`daily`, `weekly`, `monthly`), a group's name, a connector's name, title or https address, or
    /// `connector/action`.
    thing: String,
    /// Of a budget: how much was asked for, US cents as a decimal text.
    amount_cents: Option<String>,
    /// Why, in the words of whoever asked.
    reason: String,
    /// When.
    asked: String,
    /// When it expires, if nobody answers.
    expires: String,
    /// `open`, `granted`, `declined`, `withdrawn` or `expired`, by the clock at this moment.
    state: &'static str,
    /// When it was answered or taken back.
    closed_at: Option<String>,
    /// By whom.
    closed_by: Option<String>,
    /// What was answered.
    answer: Option<String>,
    /// Of a budget that was granted: the spend limit that was set, US cents as a decimal text.
    granted_cents: Option<String>,
}

fn view(request: AccessRequest, now: Timestamp) -> AccessRequestView {
    let state = access_requests::standing(&request, now).as_str();
    let end = request.end;
    AccessRequestView {
        id: request.id.to_string(),
        person: request.person.to_string(),
        label: request.label,
        kind: request.kind.as_str(),
        thing: request.thing,
        amount_cents: request.amount_cents,
        reason: request.reason,
        asked: request.asked.to_string(),
        expires: domain::access_request::expires(request.asked).to_string(),
        state,
        closed_at: end.as_ref().map(|end| end.at.to_string()),
        closed_by: end.as_ref().map(|end| end.by.clone()),
        answer: end
            .as_ref()
            .map(|end| end.answer.clone())
            .filter(|answer| !answer.is_empty()),
        granted_cents: end.and_then(|end| end.granted_cents),
    }
}

fn shown(call: &Call, (found, more): (Vec<AccessRequest>, bool)) -> Json<Page<AccessRequestView>> {
    let now = call.operation().clock.now();
    let items = found.into_iter().map(|request| view(request, now));
    Json(Page::new(
        items.collect(),
        more,
        |last: &AccessRequestView| last.id.clone(),
    ))
}

/// What you ask for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AccessToAsk {
    /// `model`, `budget`, `group`, `connector` or `action`.
    #[schema(value_type = String, example = "budget")]
    kind: AskedKind,
    /// Which: a model's id, a budget's period (`daily`, `weekly`, `monthly`), a group's name, a connector's name, title or https address of
    /// at most 128 characters, or `connector/action`: the name of a connector that you have, and of an action as it lists it.
    #[schema(max_length = 161, example = "monthly")]
    thing: String,
    /// Of a budget, and of nothing else: how much, US cents as a decimal text.
    #[schema(max_length = 32, example = "12000")]
    amount_cents: Option<String>,
    /// Why: 1 to 500 characters on one line. Whoever answers reads it; the ledger does not hold it.
    #[schema(min_length = 1, max_length = 500, example = "the annual report")]
    reason: String,
}

/// What you have asked for, newest first.
#[utoipa::path(get, path = "/me/access-requests", operation_id = "me_access_requests_list", tag = "me", params(Pages),
    responses((status = 200, body = Page<AccessRequestView>)))]
pub async fn list_own(
    call: Call,
    Asked(pages): Asked<Pages>,
) -> Result<Json<Page<AccessRequestView>>, Problem> {
    let (rows, after) = pages.read()?;
    let found = access_requests::list_own(&call.operation(), after, rows).await?;
    Ok(shown(&call, found))
}

/// Ask for a model that you may not use, for a budget of your own, to be in a group, for a connector, or for an action of a connector that
/// you have. What is hidden from you is asked for as what is not there. Of each there is one open request; it expires after 30 days.
#[utoipa::path(post, path = "/me/access-requests", operation_id = "me_access_requests_ask", tag = "me",
    request_body = AccessToAsk, responses((status = 201, body = AccessRequestView)))]
pub async fn ask(
    call: Call,
    Body(wanted): Body<AccessToAsk>,
) -> Result<(StatusCode, Json<AccessRequestView>), Problem> {
    let operation = call.operation();
    let models: Vec<String> = call
        .installation()
        .models
        .iter()
        .map(|model| model.id.clone())
        .collect();
    let question = Question {
        models: &models,
        issuers_for_people: call.rules().issuers_for_people(),
        tried: Tried::newest(ClientKind::ClaudeCode),
    };
    let wish = Wish {
        kind: wanted.kind,
        thing: wanted.thing,
        amount_cents: wanted.amount_cents,
        reason: wanted.reason,
    };
    let asked = access_requests::ask(&operation, wish, question).await?;
    let now = operation.clock.now();
    Ok((StatusCode::CREATED, Json(view(asked, now))))
}

/// Take a request of your own back, while it is open.
#[utoipa::path(delete, path = "/me/access-requests/{id}", operation_id = "me_access_requests_withdraw", tag = "me",
    params(("id" = String, Path)), responses((status = 200, body = AccessRequestView)))]
pub async fn withdraw(
    call: Call,
    Id(id): Id<AccessRequestId>,
) -> Result<Json<AccessRequestView>, Problem> {
    let operation = call.operation();
    let request = access_requests::withdraw(&operation, id).await?;
    Ok(Json(view(request, operation.clock.now())))
}

/// Which to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Which {
    /// `open` (what waits for an answer, which is also the default) or `all`.
    #[param(max_length = 16)]
    state: Option<String>,
    /// Rows at most, 1 to 1000; 50 when not given.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// `next` of the page before.
    #[param(max_length = 128)]
    after: Option<String>,
}

/// What people ask for, oldest first.
#[utoipa::path(get, path = "/access-requests", operation_id = "access_requests_list", tag = "access requests", params(Which),
    responses((status = 200, body = Page<AccessRequestView>)))]
pub async fn list(
    call: Call,
    Asked(which): Asked<Which>,
) -> Result<Json<Page<AccessRequestView>>, Problem> {
    let is_open = match which.state.as_deref() {
        None | Some("open") => true,
        Some("all") => false,
        Some(_) => {
            let detail = "`state` must be open or all.";
            return Err(Problem::new(ReasonCode::ParameterInvalid, detail));
        }
    };
    let rows = page::rows(which.limit)?;
    let after = page::after(which.after.as_deref())?;
    let found = access_requests::list(&call.operation(), is_open, after, rows).await?;
    Ok(shown(&call, found))
}

/// One request.
#[utoipa::path(get, path = "/access-requests/{id}", operation_id = "access_requests_read", tag = "access requests",
    params(("id" = String, Path)), responses((status = 200, body = AccessRequestView)))]
pub async fn read(
    call: Call,
    Id(id): Id<AccessRequestId>,
) -> Result<Json<AccessRequestView>, Problem> {
    let operation = call.operation();
    let request = access_requests::read(&operation, id).await?;
    Ok(Json(view(request, operation.clock.now())))
}

/// Yes or no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum YesOrNo {
    /// Yes.
    Grant,
    /// No.
    Decline,
}

/// An answer.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AnswerToGive {
    /// `grant` or `decline`.
    #[schema(value_type = String, example = "grant")]
    decision: YesOrNo,
    /// Words for whoever asked, which the ledger holds too: 1 to 500 characters on one line.
    #[schema(min_length = 1, max_length = 500, example = "until the report is out")]
    reason: String,
    /// Of a budget that is granted: how much, where it is not what was asked for. US cents as a decimal text.
    #[schema(max_length = 32, example = "10000")]
    amount_cents: Option<String>,
}

/// Answer a request, once. A grant of a budget sets the person's spend limit in the same step; no other grant changes what they may use:
/// the policy, or the directory's group, is for somebody to change. A connector or an action is granted once they have it, by the policy,
/// the reviews and the approved definitions; before that a grant is refused, with what is missing. Nobody answers their own.
#[utoipa::path(post, path = "/access-requests/{id}/answer", operation_id = "access_requests_answer", tag = "access requests",
    params(("id" = String, Path)), request_body = AnswerToGive, responses((status = 200, body = AccessRequestView)))]
pub async fn answer(
    call: Call,
    Id(id): Id<AccessRequestId>,
    Body(given): Body<AnswerToGive>,
) -> Result<Json<AccessRequestView>, Problem> {
    let operation = call.operation();
    let answer = Answer {
        grants: given.decision == YesOrNo::Grant,
        words: given.reason,
        amount_cents: given.amount_cents,
    };
    let issuers = call.rules().issuers_for_people();
    let request = access_requests::answer(&operation, id, &answer, issuers).await?;
    Ok(Json(view(request, operation.clock.now())))
}
