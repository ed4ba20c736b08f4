//! What was used and what it cost: a day, week or month split by one thing, with how it went, where it leads and who stands out; and the
//! chargeback statement of any time. Both are `control::statements`, so that a page, its file and the API say the same to the last digit.

mod lines;
mod period;
mod statement;

use std::sync::Arc;

use axum::Router;
use axum::response::Response;
use axum::routing::get;
use control::statements::{self, By, Statement};
use domain::Timestamp;

use super::visit::Visitor;
use super::wrong::Wrong;
use crate::{Console, saved};

/// Everything under `/console/usage` and `/console/statements`.
pub fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/console/usage", get(period::read))
        .route("/console/usage.csv", get(period::file))
        .route("/console/statements", get(statement::read))
        .route("/console/statements.csv", get(statement::file))
}

/// One way to split, as a tab.
#[derive(Debug, Clone)]
struct Tab {
    word: &'static str,
    to: String,
    is_on: bool,
}

const fn word(by: By) -> &'static str {
    match by {
        By::Person => "Person",
        By::Service => "Service",
        By::Group => "Group",
        By::Model => "Model",
        By::Client => "Program",
        By::Upstream => "Upstream",
    }
}

/// Whether somebody may split by this, beside seeing what was spent.
fn may(visitor: &Visitor, by: By) -> bool {
    by.right().is_none_or(|right| visitor.actor().may(right))
}

/// Why some ways to split are not offered; nothing where all are.
fn missing(visitor: &Visitor) -> String {
    let not = By::ALL.into_iter().filter(|by| !may(visitor, *by));
    let not = not.filter_map(|by| Some(format!("by {by} needs the right {}", by.right()?)));
    not.collect::<Vec<_>>().join("; ")
}

/// The first way to split that somebody may see.
fn first(visitor: &Visitor) -> By {
    let mut all = By::ALL.into_iter();
    all.find(|by| may(visitor, *by)).unwrap_or(By::Model)
}

/// The groups that were named, or all that are known; and whether they were named.
async fn groups(
    visitor: &Visitor,
    by: By,
    named: &str,
    range: (Timestamp, Timestamp),
) -> Result<(Vec<String>, bool), Wrong> {
    if by != By::Group {
        return Ok((Vec::new(), false));
    }
    let split = named.split(',').map(str::trim);
    let named: Vec<String> = split
        .filter(|group| !group.is_empty())
        .map(str::to_owned)
        .collect();
    if !named.is_empty() {
        return Ok((named, true));
    }
    let mut known = statements::groups(&visitor.operation(), range).await?;
    if known.is_empty() {
        // A statement needs something to split by; all is then nobody's.
        known.push("no group is known".to_owned());
    }
    Ok((known, false))
}

/// The statement as a file.
fn as_file(statement: &Statement) -> Response {
    let text = statements::as_csv(statement);
    saved::file("doorward-statement.csv", saved::CSV, text)
}
