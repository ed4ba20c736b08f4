//! What was used and spent, from the sums that shipping keeps.

use domain::Timestamp;
use domain::window::DAY_MS;
use store::UsageSum;

use crate::access::Right;
use crate::{ControlError, Operation};

/// By what to sum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// Each person and service.
    Person,
    /// Each model.
    Model,
}

/// Sums of whole hours from one moment up to another, most money first, at most `limit`.
pub async fn sums(
    operation: &Operation<'_>,
    by: By,
    (since, until): (Option<Timestamp>, Option<Timestamp>),
    limit: u32,
) -> Result<Vec<UsageSum>, ControlError> {
    operation.require(Right::BudgetsRead)?;
    let until = until.unwrap_or_else(|| operation.clock.now());
    let since = since.unwrap_or_else(|| until.plus_ms(-DAY_MS));
    let (store, org) = (operation.store, operation.org);
    let sums = match by {
        By::Person => store.usage_by_person(org, since, until, limit).await?,
        By::Model => store.usage_by_model(org, since, until, limit).await?,
    };
    Ok(sums)
}
