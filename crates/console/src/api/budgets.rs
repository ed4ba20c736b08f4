//! Spend limits, how budgets stand, and what was used.

use axum::Json;
use axum::response::{IntoResponse as _, Response};
use control::spend_limits::{self, Scope, SpendLimit};
use control::usage::{self, By};
use control::{ControlError, people};
use domain::window::Period;
use domain::{BudgetId, ReasonCode};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::call::{Asked, Body, Call, Id, Version, etag};
use super::page::{self, Page, Pages};
use crate::Problem;
use crate::problem::Conflict;

/// Whose spending a limit bounds.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ScopeView {
    /// `user`, `group` (each of its members) or `organization` (everyone).
    #[serde(rename = "type")]
    #[schema(max_length = 16)]
    kind: String,
    /// The user's stable id or the group, as their issuer names them; none for the organisation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 128)]
    id: Option<String>,
}

/// A limit.
#[derive(Debug, Serialize, ToSchema)]
pub struct LimitView {
    /// Its id.
    id: String,
    /// Whose spending it bounds.
    scope: ScopeView,
    /// `daily`, `weekly` or `monthly`.
    period: &'static str,
    /// US cents as a decimal text; none means no cap.
    amount_cents: Option<String>,
    /// When it was made.
    created: String,
    /// When it was last changed.
    updated: String,
}

impl From<SpendLimit> for LimitView {
    fn from(limit: SpendLimit) -> Self {
        let (kind, id) = match limit.scope {
            Scope::User(user) => ("user", Some(user)),
            Scope::Group(group) => ("group", Some(group)),
            Scope::Organization => ("organization", None),
        };
        Self {
            id: limit.id.to_string(),
            scope: ScopeView {
                kind: kind.to_owned(),
                id,
            },
            period: limit.period.as_str(),
            amount_cents: limit.amount_cents,
            created: limit.created.to_string(),
            updated: limit.updated.to_string(),
        }
    }
}

/// A limit to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LimitToMake {
    /// Whose spending it bounds.
    scope: ScopeView,
    /// `daily`, `weekly` or `monthly`.
    #[schema(value_type = String)]
    period: Period,
    /// US cents as a decimal text; none means no cap.
    #[schema(max_length = 32, example = "6000")]
    amount_cents: Option<String>,
}

/// A limit's new amount.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAmount {
    /// US cents as a decimal text; none means no cap.
    #[schema(max_length = 32, example = "6000")]
    amount_cents: Option<String>,
}

fn scope(view: ScopeView) -> Result<Scope, Problem> {
    match (view.kind.as_str(), view.id) {
        ("user", Some(id)) => Ok(Scope::User(id)),
        ("group", Some(id)) => Ok(Scope::Group(id)),
        ("organization", None) => Ok(Scope::Organization),
        _ => Err(Problem::new(
            ReasonCode::ParameterInvalid,
            "`scope` must be a `user` or `group` with an `id`, or the `organization` without one.",
        )),
    }
}

/// What stands, for whoever came second.
fn told(error: ControlError, wanted: &str) -> Problem {
    let (ControlError::Changed(stands) | ControlError::LimitStands(stands)) = &error else {
        return error.into();
    };
    let amount = |cents: &str| format!("amount_cents = {cents}\n");
    let before = amount(stands.amount_cents.as_deref().unwrap_or("none"));
    let conflict = Conflict {
        id: Some(stands.id.to_string()),
        etag: format!("\"{}\"", spend_limits::version(stands)),
        diff: control::diff::unified(&before, &amount(wanted)),
    };
    Problem::from(error).with_conflict(conflict)
}

fn with_etag(status: StatusCode, limit: SpendLimit) -> Response {
    let version = spend_limits::version(&limit);
    (status, etag(version), Json(LimitView::from(limit))).into_response()
}

/// Limits, in the order they were made.
#[utoipa::path(get, path = "/spend-limits", operation_id = "spend_limits_list", tag = "budgets", params(Pages),
    responses((status = 200, body = Page<LimitView>)))]
pub async fn list(
    call: Call,
    Asked(pages): Asked<Pages>,
) -> Result<Json<Page<LimitView>>, Problem> {
    let (rows, after) = pages.read()?;
    let (found, more) = spend_limits::list(&call.operation(), after, rows).await?;
    let items = found.into_iter().map(LimitView::from).collect();
    Ok(Json(Page::new(items, more, |last| last.id.clone())))
}

/// One limit. Its `ETag` is what a change must name.
#[utoipa::path(get, path = "/spend-limits/{id}", operation_id = "spend_limits_read", tag = "budgets",
    params(("id" = String, Path)), responses((status = 200, body = LimitView, headers(("ETag" = String)))))]
pub async fn read(call: Call, Id(id): Id<BudgetId>) -> Result<Response, Problem> {
    let limit = spend_limits::read(&call.operation(), id).await?;
    Ok(with_etag(StatusCode::OK, limit))
}

/// Make a limit. Of one scope and period there is one; when it stands, the answer is a conflict that names it.
#[utoipa::path(post, path = "/spend-limits", operation_id = "spend_limits_create", tag = "budgets",
    request_body = LimitToMake, responses((status = 201, body = LimitView, headers(("ETag" = String)))))]
pub async fn create(call: Call, Body(wanted): Body<LimitToMake>) -> Result<Response, Problem> {
    let operation = call.operation();
    let (scope, amount) = (scope(wanted.scope)?, wanted.amount_cents.as_deref());
    let made = spend_limits::create(&operation, &scope, wanted.period, amount).await;
    let made = made.map_err(|error| told(error, amount.unwrap_or("none")))?;
    Ok(with_etag(StatusCode::CREATED, made))
}

/// Change a limit's amount, if it still is the version that `If-Match` names.
#[utoipa::path(put, path = "/spend-limits/{id}", operation_id = "spend_limits_change", tag = "budgets",
    params(("id" = String, Path), ("If-Match" = String, Header)), request_body = NewAmount,
    responses((status = 200, body = LimitView, headers(("ETag" = String)))))]
pub async fn change(
    call: Call,
    Id(id): Id<BudgetId>,
    version: Result<Version, Problem>,
    Body(wanted): Body<NewAmount>,
) -> Result<Response, Problem> {
    let operation = call.operation();
    let amount = wanted.amount_cents.as_deref();
    let changed = spend_limits::change(&operation, id, &version?.0, amount).await;
    let changed = changed.map_err(|error| told(error, amount.unwrap_or("none")))?;
    Ok(with_etag(StatusCode::OK, changed))
}

/// Take a limit away, if it still is the version that `If-Match` names.
#[utoipa::path(delete, path = "/spend-limits/{id}", operation_id = "spend_limits_remove", tag = "budgets",
    params(("id" = String, Path), ("If-Match" = String, Header)),
    responses((status = 204)))]
pub async fn remove(
    call: Call,
    Id(id): Id<BudgetId>,
    version: Result<Version, Problem>,
) -> Result<StatusCode, Problem> {
    let operation = call.operation();
    let removed = spend_limits::remove(&operation, id, &version?.0).await;
    removed.map_err(|error| told(error, "none"))?;
    Ok(StatusCode::NO_CONTENT)
}

/// How a person's budget of one period stands.
#[derive(Debug, Serialize, ToSchema)]
pub struct Standing {
    /// `daily`, `weekly` or `monthly`.
    pub period: &'static str,
    /// When the period begins anew.
    pub resets_at: String,
    /// The cap in US cents; none when there is none of one's own.
    pub cap_cents: Option<String>,
    /// Spent and settled, in US cents.
    pub spent_cents: String,
}

/// How one's own budgets stand on this replica.
#[utoipa::path(get, path = "/me/budgets", operation_id = "me_budgets", tag = "me",
    responses((status = 200, body = Page<Standing>)))]
pub async fn own(call: Call) -> Result<Json<Page<Standing>>, Problem> {
    let person = people::own(&call.operation()).await?;
    Ok(Json(Page::whole(call.standing(&person))))
}

/// Which time, and summed by what.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Range {
    /// `person` (and service) or `model`; `person` when not given.
    #[param(max_length = 16)]
    by: Option<String>,
    /// From the hour of this moment on, RFC 3339; a day ago when not given.
    #[param(max_length = 64)]
    since: Option<String>,
    /// Before this moment, RFC 3339; now when not given.
    #[param(max_length = 64)]
    until: Option<String>,
    /// Rows at most, 1 to 1000; 50 when not given.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

/// What one person, service or model used.
#[derive(Debug, Serialize, ToSchema)]
pub struct UsageView {
    /// The person's or service's id, or the model.
    of: String,
    /// Calls, refused ones included.
    requests: u64,
    /// Refused calls.
    refused: u64,
    /// Tokens.
    input_tokens: u64,
    /// Tokens.
    output_tokens: u64,
    /// Tokens.
    cache_write_tokens: u64,
    /// Tokens.
    cache_read_tokens: u64,
    /// US cents.
    cost_cents: String,
}

/// What was used, most money first; the sums of whole hours.
#[utoipa::path(get, path = "/usage", operation_id = "usage", tag = "budgets", params(Range),
    responses((status = 200, body = Page<UsageView>)))]
pub async fn used(
    call: Call,
    Asked(range): Asked<Range>,
) -> Result<Json<Page<UsageView>>, Problem> {
    let by = match range.by.as_deref() {
        None | Some("person") => By::Person,
        Some("model") => By::Model,
        Some(_) => {
            let detail = "`by` must be person or model.";
            return Err(Problem::new(ReasonCode::ParameterInvalid, detail));
        }
    };
    let since = page::named("since", range.since.as_deref())?;
    let until = page::named("until", range.until.as_deref())?;
    let rows = page::rows(range.limit)?;
    let found = usage::sums(&call.operation(), by, (since, until), rows).await?;
    let items = found.into_iter().map(|sum| UsageView {
        of: sum.of,
        requests: sum.requests,
        refused: sum.refused,
        input_tokens: sum.input_tokens,
        output_tokens: sum.output_tokens,
        cache_write_tokens: sum.cache_write_tokens,
        cache_read_tokens: sum.cache_read_tokens,
        cost_cents: sum.cost.cents_text(),
    });
    Ok(Json(Page::whole(items.collect())))
}
