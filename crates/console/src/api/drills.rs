//! Drills that were run, with how long each step took. Running one is the program's own (`doorward drill`): it makes a person up, opens
//! a session for them, and asks every replica from outside.

use axum::Json;
use control::drills::{self, Drill};
use domain::DrillId;
use serde::Serialize;
use utoipa::ToSchema;

use super::call::{Asked, Call};
use super::page::{Page, Pages};
use crate::Problem;

/// One step.
#[derive(Debug, Serialize, ToSchema)]
pub struct StepView {
    /// What happened.
    what: String,
    /// After how many milliseconds, where that was measured.
    ms: Option<u64>,
}

/// A drill.
#[derive(Debug, Serialize, ToSchema)]
pub struct DrillView {
    /// Its id.
    id: String,
    /// Which: `leaver`.
    drill: String,
    /// When it ended.
    at: String,
    /// Who ran it.
    by: String,
    /// Whether everything went as it must.
    passed: bool,
    /// Its steps, in order; of one that failed the last says why.
    steps: Vec<StepView>,
}

impl From<Drill> for DrillView {
    fn from(drill: Drill) -> Self {
        let steps = drills::steps(&drill).into_iter().map(|step| StepView {
            what: step.what,
            ms: step.ms,
        });
        Self {
            steps: steps.collect(),
            id: drill.id.to_string(),
            drill: drill.drill,
            at: drill.at.to_string(),
            by: drill.by,
            passed: drill.passed,
        }
    }
}

/// Drills, newest first.
#[utoipa::path(get, path = "/drills", operation_id = "drills_list", tag = "tasks", params(Pages),
    responses((status = 200, body = Page<DrillView>)))]
pub async fn list(
    call: Call,
    Asked(pages): Asked<Pages>,
) -> Result<Json<Page<DrillView>>, Problem> {
    let (rows, before): (u32, Option<DrillId>) = pages.read()?;
    let found = drills::list(&call.operation(), before, rows).await?;
    let more = found.len() >= rows as usize;
    let items = found.into_iter().map(DrillView::from).collect();
    Ok(Json(Page::new(items, more, |last: &DrillView| {
        last.id.clone()
    })))
}
