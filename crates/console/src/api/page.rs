//! Lists come page by page, in the order of their ids: `?limit=` of them after the one that `?after=` names. A page is what stands
//! at the moment of asking; what is added or goes meanwhile makes no page repeat or skip another row.

use domain::{ReasonCode, limits};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::Problem;

/// Rows of a page when the request does not say.
const ROWS: u32 = 50;

/// Which page.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Pages {
    /// Rows at most, 1 to 1000; 50 when not given.
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// `next` of the page before.
    #[param(max_length = 128)]
    pub after: Option<String>,
}

impl Pages {
    /// How many rows, and after which.
    pub fn read<T: std::str::FromStr>(&self) -> Result<(u32, Option<T>), Problem> {
        Ok((rows(self.limit)?, after(self.after.as_deref())?))
    }
}

/// How many rows.
pub fn rows(limit: Option<u32>) -> Result<u32, Problem> {
    let rows = limit.unwrap_or(ROWS);
    if (1..=limits::STORE_PAGE_MAX).contains(&rows) {
        return Ok(rows);
    }
    let detail = format!("`limit` must be 1 to {}.", limits::STORE_PAGE_MAX);
    Err(Problem::new(ReasonCode::ParameterInvalid, detail))
}

/// After which.
pub fn after<T: std::str::FromStr>(after: Option<&str>) -> Result<Option<T>, Problem> {
    let parsed = after.map(str::parse).transpose();
    parsed.map_err(|_| {
        let detail = "`after` must be the `next` of the page before.";
        Problem::new(ReasonCode::ParameterInvalid, detail)
    })
}

/// A parameter that is an id or a moment.
pub fn named<T: std::str::FromStr>(field: &str, text: Option<&str>) -> Result<Option<T>, Problem> {
    let parsed = text.map(str::parse).transpose();
    parsed.map_err(|_| {
        let detail = format!("`{field}` has a value that cannot be.");
        Problem::new(ReasonCode::ParameterInvalid, detail)
    })
}

/// A parameter that is a short text on one line.
pub fn short<'t>(field: &str, text: &'t str) -> Result<&'t str, Problem> {
    let hostile = text.chars().any(control::text::is_hostile);
    if text.chars().count() <= limits::NAME_CHARS_MAX && !hostile {
        return Ok(text);
    }
    let detail = format!(
        "`{field}` must be at most {} characters on one line.",
        limits::NAME_CHARS_MAX
    );
    Err(Problem::new(ReasonCode::ParameterInvalid, detail))
}

/// One page.
#[derive(Debug, Serialize, ToSchema)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// What to send as `after` for the next page; none when this is the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// A page, and whether there is more after its last row.
    pub fn new(items: Vec<T>, more: bool, id: impl Fn(&T) -> String) -> Self {
        let next = items.last().filter(|_| more).map(id);
        Self { items, next }
    }

    /// A list that is bounded by itself.
    pub fn whole(items: Vec<T>) -> Self {
        Self { items, next: None }
    }
}
