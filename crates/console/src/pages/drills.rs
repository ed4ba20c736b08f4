//! Drills: what was tried out on purpose, how long each step took, and what came of it. A drill is started on the machine alone, so this page
//! says how and starts none.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::response::Response;
use axum::routing::get;
use control::drills::{self, Drill};
use domain::{DrillId, Timestamp};
use serde::Deserialize;

use super::answer;
use super::asked::{self, Asked};
use super::parts::{self, Badge, Empty, Figure, Tone, badge};
use super::shell::{Place, Shell};
use super::show::{self, Said, When};
use super::table::{Filters, Pager};
use super::visit::Visitor;
use super::wrong::Wrong;
use crate::Console;

/// Drills of a page; each has its steps below it.
const SHOWN: u32 = 20;

/// `GET /console/drills`.
pub fn routes() -> Router<Arc<Console>> {
    Router::new().route("/console/drills", get(list))
}

#[derive(Debug, Deserialize)]
struct Which {
    after: Option<String>,
}

/// A step.
#[derive(Debug, Clone)]
struct StepLine {
    what: Said,
    took: String,
}

/// A drill.
#[derive(Debug, Clone)]
struct Line {
    drill: Said,
    at: When,
    by: Said,
    badge: Badge,
    steps: Vec<StepLine>,
}

#[derive(Template)]
#[template(path = "drills.html")]
struct Page {
    shell: Shell,
    figures: Vec<Figure>,
    lines: Vec<Line>,
    pager: Pager,
    none: Empty,
}

async fn list(visitor: Visitor, Asked(which): Asked<Which>) -> Result<Response, Wrong> {
    let operation = visitor.operation();
    let before: Option<DrillId> = asked::after(which.after.as_ref())?;
    let mut found = drills::list(&operation, before, SHOWN + 1).await?;
    let more = found.len() > SHOWN as usize;
    found.truncate(SHOWN as usize);
    let now = operation.clock.now();
    let next = found
        .last()
        .filter(|_| more)
        .map(|last| last.id.to_string());
    let shown = show::counted(found.len() as u64, "drill", "drills");
    let figures = match before {
        None => figures(&found, now),
        Some(_) => Vec::new(),
    };
    Ok(answer(&Page {
        shell: Shell::new(&visitor, Place::Drills, "Drills"),
        figures,
        lines: found.iter().map(line).collect(),
        pager: Pager::new(
            &Filters::of("/console/drills"),
            format!("{shown} shown, newest first"),
            before.is_some(),
            next.as_deref(),
        ),
        none: Empty::new(
            "clock",
            "No drill yet",
            "A drill makes a person up, gives them a session and an open stream, shuts them out, and measures how long every replica lets them in still. It is run on the machine, by the command below.",
        ),
    }))
}

/// What the newest drills say together.
fn figures(found: &[Drill], now: Timestamp) -> Vec<Figure> {
    let Some(last) = found.first() else {
        return Vec::new();
    };
    let passed = found.iter().filter(|drill| drill.passed).count() as u64;
    let slowest = drills::steps(last).iter().filter_map(|step| step.ms).max();
    vec![
        Figure {
            name: "Last drill".to_owned(),
            value: if last.passed { "passed" } else { "failed" }.to_owned(),
            of: String::new(),
            source: vec![format!("{} ago", show::length(now.ms_since(last.at)))],
        },
        Figure {
            name: "Its slowest step".to_owned(),
            // Of one that failed the slowest is what never came.
            value: match slowest.filter(|_| last.passed) {
                Some(ms) => show::took(ms),
                None => "not measured".to_owned(),
            },
            of: String::new(),
            source: vec!["a second is what is promised for an end of access".to_owned()],
        },
        Figure {
            name: "Passed".to_owned(),
            value: show::count(passed),
            of: format!(
                "of {}",
                show::counted(found.len() as u64, "drill", "drills")
            ),
            source: vec!["the newest that stand below".to_owned()],
        },
    ]
}

fn line(drill: &Drill) -> Line {
    let steps = drills::steps(drill).into_iter().map(|step| StepLine {
        what: Said::from(&step.what),
        took: step.ms.map(show::took).unwrap_or_default(),
    });
    Line {
        drill: Said::from(&drill.drill),
        at: When::full(drill.at),
        by: Said::from(&drill.by),
        badge: if drill.passed {
            badge(Tone::Allow, "passed")
        } else {
            badge(Tone::Stop, "failed")
        },
        steps: steps.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drill(passed: bool, steps: &str) -> Drill {
        Drill {
            id: DrillId::from_parts(1, 1),
            drill: "leaver".to_owned(),
            at: Timestamp::from_unix_ms(0),
            by: "machine".to_owned(),
            passed,
            steps: steps.to_owned(),
        }
    }

    #[test]
    fn the_figures_are_those_of_the_newest_drill_and_say_out_of_how_many() {
        let now = Timestamp::from_unix_ms(7_200_000);
        let found = [
            drill(
                true,
                r#"[{"what":"a","ms":35},{"what":"b","ms":1440},{"what":"c","ms":null}]"#,
            ),
            drill(false, "not JSON"),
        ];
        let figures = figures(&found, now);
        let said: Vec<_> = figures.iter().map(|f| (&*f.value, &*f.of)).collect();
        assert_eq!(said, [("passed", ""), ("1.4 s", ""), ("1", "of 2 drills")]);
        assert_eq!(figures[0].source, ["2 h ago"]);
    }
}
