//! Drills: that something was tried out, and what came of it, as a record. The trying is the program's own.

use ledger::record::ChangeKind;

use crate::access::Right;
use crate::{ControlError, Operation};

/// Writes down how a drill went.
pub async fn record(
    operation: &Operation<'_>,
    drill: &str,
    said: &str,
) -> Result<(), ControlError> {
    operation.require(Right::TasksWrite)?;
    let mut change = operation.change("drill", drill, ChangeKind::Created);
    change.reason = Some(said.into());
    operation.record(change).await
}
