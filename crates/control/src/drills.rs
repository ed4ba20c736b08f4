//! Drills: that something was tried out, how long each step took, and what came of it, also when it failed. The trying is the program's
//! own; here it becomes a record, and then a row that can be listed.

use std::fmt;

use domain::{DrillId, limits};
use ledger::record::ChangeKind;
use serde::{Deserialize, Serialize};

pub use store::Drill;

use crate::access::Right;
use crate::{ControlError, Operation};

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// What happened.
    pub what: String,
    /// After how many milliseconds, where that was measured.
    pub ms: Option<u64>,
}

impl Step {
    /// Something that happened.
    pub fn plain(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            ms: None,
        }
    }

    /// Something that happened after so long.
    pub fn after(what: impl Into<String>, ms: u128) -> Self {
        Self {
            what: what.into(),
            ms: u64::try_from(ms).ok(),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ms {
            Some(ms) => write!(out, "{} after {ms} ms", self.what),
            None => out.write_str(&self.what),
        }
    }
}

/// The steps of a drill.
pub fn steps(drill: &Drill) -> Vec<Step> {
    serde_json::from_str(&drill.steps).unwrap_or_default()
}

/// Writes down how a drill went.
pub async fn record(
    operation: &Operation<'_>,
    drill: &str,
    passed: bool,
    steps: &[Step],
) -> Result<(), ControlError> {
    operation.require(Right::TasksWrite)?;
    let steps: Vec<Step> = steps.iter().map(shown).collect();
    let said: Vec<String> = steps.iter().map(ToString::to_string).collect();
    let mut change = operation.change("drill", drill, ChangeKind::Created);
    change.reason = Some(said.join("; ").into());
    operation.record(change).await?;
    let (unix_ms, random) = operation.id_parts();
    let row = Drill {
        id: DrillId::from_parts(unix_ms, random),
        drill: drill.to_owned(),
        at: operation.clock.now(),
        by: operation.actor.label().to_owned(),
        passed,
        steps: serde_json::to_string(&steps).unwrap_or_default(),
    };
    Ok(operation.store.add_drill(operation.org, &row).await?)
}

/// A step may tell what a server that was asked had answered: one bounded line of it.
fn shown(step: &Step) -> Step {
    let plain = |c: char| if crate::text::is_hostile(c) { ' ' } else { c };
    let what = step.what.chars().take(limits::REASON_CHARS_MAX).map(plain);
    Step {
        what: what.collect(),
        ms: step.ms,
    }
}

/// Drills before one of them, newest first.
pub async fn list(
    operation: &Operation<'_>,
    before: Option<DrillId>,
    limit: u32,
) -> Result<Vec<Drill>, ControlError> {
    operation.require(Right::TasksRead)?;
    let (store, org) = (operation.store, operation.org);
    Ok(store.drills_page(org, before, limit).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_says_what_happened_and_after_how_long_on_one_bounded_line() {
        let step = Step::after("shut out in the store", 35);
        assert_eq!(step.to_string(), "shut out in the store after 35 ms");
        assert_eq!(Step::plain("no stream").to_string(), "no stream");
        let long = shown(&Step::plain("a\u{1b}[2J\n".to_owned() + &"x".repeat(9_000)));
        assert!(long.what.starts_with("a [2J x"));
        assert_eq!(long.what.chars().count(), limits::REASON_CHARS_MAX);
    }
}
