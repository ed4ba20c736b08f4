//! Chargeback statements: what a time cost, split by one thing, as JSON or for a spreadsheet.

use axum::Json;
use axum::response::{IntoResponse as _, Response};
use control::statements::{self, By, Line, Statement, Wanted};
use control::{ControlError, Right};
use http::header::{ACCEPT, VARY};
use http::{HeaderMap, HeaderValue};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::call::{Asked, Call};
use super::page;
use crate::{Problem, saved};

/// Which time, split by what.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Which {
    /// From here on: a day, which begins at midnight UTC, or the beginning of an hour in RFC 3339.
    #[param(max_length = 64, example = "2026-11-01")]
    from: String,
    /// Before this, at most 400 days later.
    #[param(max_length = 64, example = "2026-12-01")]
    to: String,
    /// `person`, `service`, `group`, `model`, `client` or `upstream`.
    #[param(max_length = 16)]
    by: String,
    /// By group: which, separated by commas, at most 100. Somebody who is in several counts to the first.
    #[param(max_length = 4096, example = "sales,engineering")]
    groups: Option<String>,
    /// `json` or `csv`; without it, `Accept: text/csv` asks for the second.
    #[param(max_length = 16)]
    format: Option<String>,
}

/// What was used.
#[derive(Debug, Serialize, ToSchema)]
pub struct SumView {
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
    /// US dollars, exact.
    #[schema(example = "1234.000567")]
    cost_usd: String,
    /// Calls of which not all was seen.
    estimated_requests: u64,
    /// Their part of the cost, which is a bound.
    estimated_usd: String,
    /// Calls of a model without a known price, estimated or not.
    unpriced_requests: u64,
    /// Their part of the cost, which is not the real one.
    unpriced_usd: String,
}

impl From<&statements::Sum> for SumView {
    fn from(sum: &statements::Sum) -> Self {
        Self {
            requests: sum.requests,
            refused: sum.refused,
            input_tokens: sum.input_tokens,
            output_tokens: sum.output_tokens,
            cache_write_tokens: sum.cache_write_tokens,
            cache_read_tokens: sum.cache_read_tokens,
            cost_usd: sum.cost.to_string(),
            estimated_requests: sum.estimated_requests,
            estimated_usd: sum.estimated.to_string(),
            unpriced_requests: sum.unpriced_requests,
            unpriced_usd: sum.unpriced.to_string(),
        }
    }
}

/// One line.
#[derive(Debug, Serialize, ToSchema)]
pub struct LineView {
    /// Whose: an id, a group, a model, a program, a provider. Null on the last line, for what is nobody's.
    of: Option<String>,
    /// What people call it, where that is something else.
    name: Option<String>,
    /// What was used.
    #[serde(flatten)]
    sum: SumView,
}

impl From<&Line> for LineView {
    fn from(line: &Line) -> Self {
        Self {
            of: line.of.clone(),
            name: line.name.clone(),
            sum: SumView::from(&line.sum),
        }
    }
}

/// A statement.
#[derive(Debug, Serialize, ToSchema)]
pub struct StatementView {
    /// From here on.
    from: String,
    /// Before this.
    to: String,
    /// Split by what.
    by: &'static str,
    /// When it was made.
    made: String,
    /// Whether its time is over; until then calls come to it.
    is_over: bool,
    /// Every call is on exactly one of them.
    lines: Vec<LineView>,
    /// All lines together: all that the ledger has of this time.
    total: SumView,
}

impl From<&Statement> for StatementView {
    fn from(statement: &Statement) -> Self {
        Self {
            from: statement.wanted.from.to_string(),
            to: statement.wanted.to.to_string(),
            by: statement.wanted.by.as_str(),
            made: statement.made.to_string(),
            is_over: statement.is_over(),
            lines: statement.lines.iter().map(LineView::from).collect(),
            total: SumView::from(&statement.total),
        }
    }
}

/// What a time cost, split by one thing. Every call is on exactly one line; the lines add up to the total, and the total is the ledger's,
/// to the last digit. A call belongs to the hour in which it ended.
#[utoipa::path(get, path = "/statements", operation_id = "statements_make", tag = "budgets", params(Which),
    responses((status = 200, content((StatementView = "application/json"), (String = "text/csv")))))]
pub async fn make(
    call: Call,
    headers: HeaderMap,
    Asked(which): Asked<Which>,
) -> Result<Response, Problem> {
    let operation = call.operation();
    operation.require(Right::BudgetsRead)?;
    let as_csv = wants_csv(which.format.as_deref(), &headers)?;
    let wanted = wanted(&which)?;
    let statement = statements::make(&operation, wanted).await?;
    let mut response = if as_csv {
        let text = statements::as_csv(&statement);
        saved::file("statement.csv", saved::CSV, text)
    } else {
        Json(StatementView::from(&statement)).into_response()
    };
    response
        .headers_mut()
        .insert(VARY, HeaderValue::from_static("accept"));
    Ok(response)
}

fn wanted(which: &Which) -> Result<Wanted, Problem> {
    let unusable = |error| Problem::from(ControlError::Invalid(error));
    let groups = which.groups.as_deref().unwrap_or_default();
    let groups = groups.split(',').filter(|group| !group.is_empty());
    Ok(Wanted {
        from: statements::moment("from", page::short("from", &which.from)?).map_err(unusable)?,
        to: statements::moment("to", page::short("to", &which.to)?).map_err(unusable)?,
        by: which.by.parse::<By>().map_err(unusable)?,
        groups: groups.map(str::to_owned).collect(),
    })
}

fn wants_csv(format: Option<&str>, headers: &HeaderMap) -> Result<bool, Problem> {
    match format {
        Some("json") => Ok(false),
        Some("csv") => Ok(true),
        Some(_) => {
            let detail = "`format` must be json or csv.";
            Err(Problem::new(domain::ReasonCode::ParameterInvalid, detail))
        }
        None => {
            let accepted = headers.get(ACCEPT).and_then(|value| value.to_str().ok());
            let first = accepted.and_then(|kinds| kinds.split([',', ';']).next());
            Ok(first.is_some_and(|kind| kind.trim().eq_ignore_ascii_case("text/csv")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(format: Option<&str>, accept: &'static str, expected: Option<bool>) {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static(accept));
        assert_eq!(
            wants_csv(format, &headers).ok(),
            expected,
            "{format:?} {accept}"
        );
    }

    #[test]
    fn a_spreadsheet_is_given_to_whom_asks_for_one() {
        check(None, "*/*", Some(false));
        check(None, "text/csv", Some(true));
        check(
            None,
            "text/csv; header=present, application/json",
            Some(true),
        );
        check(None, "text/html, text/csv", Some(false));
        check(Some("json"), "text/csv", Some(false));
        check(Some("csv"), "application/json", Some(true));
        check(Some("xlsx"), "*/*", None);
    }
}
