//! Connectors as an administrator sees them: what each lists, what of it was approved, what is suspicious, and what was found about the
//! connector as a whole. What is approved here is a definition; who may do what is the policy's alone. A connector that the shipped
//! catalogue does not know needs a review before the first of its actions can be approved.

mod bulk;
mod decide;
mod look;
mod reach;

use actions::catalogue::Catalogue;
use actions::pin;
use domain::Policy;
use domain::policy::connectors::Connector;
pub use store::{ConnectorListing, ConnectorReview};

use crate::access::Right;
use crate::{ControlError, Operation};

pub use bulk::{BulkUse, in_bulk};
pub use decide::{Decision, Risk, Wish, decide, review, say_class};
pub use look::{Counts, Pin, Seen, Summary, list, read};
pub use reach::{Cell, Matrix, OwnAction, OwnConnector, matrix, own};

/// What the ledger calls an action's definition.
const DEFINITION: &str = "connector_action";
/// What the ledger calls a connector's review.
const REVIEW: &str = "connector_review";

/// The policy in force; without one there is no connector.
pub(crate) async fn policy(operation: &Operation<'_>) -> Result<Policy, ControlError> {
    match operation.store.latest_policy(operation.org).await? {
        Some(latest) => Ok(Policy::parse(latest.version, &latest.text)?),
        None => Ok(Policy::empty()),
    }
}

/// A connector of the policy in force, and its place.
async fn find(operation: &Operation<'_>, name: &str) -> Result<(Connector, String), ControlError> {
    let policy = policy(operation).await?;
    let mut all = policy.document().connector.iter();
    let found = all.find(|connector| connector.name == name);
    let connector = found.ok_or(ControlError::NoSuch("connector"))?.clone();
    let place = pin::place(&connector);
    Ok((connector, place))
}

/// The shipped catalogue.
pub fn catalogue(operation: &Operation<'_>) -> Result<Catalogue, ControlError> {
    operation.require(Right::PolicyRead)?;
    Ok(Catalogue::shipped())
}
