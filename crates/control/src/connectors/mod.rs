//! Connectors as an administrator sees them: what each lists and says of itself, what of it was approved, what is suspicious, and what was
//! found about the connector as a whole. What is approved here is a definition; who may do what is the policy's alone. A connector that the shipped
//! catalogue does not know needs a review before the first of its actions can be approved.

mod bulk;
mod decide;
mod look;
mod reach;
mod shaped;
pub(crate) mod wanted;

use actions::catalogue::Catalogue;
use actions::pin;
use domain::connectors::DefinitionKind;
use domain::policy::connectors::Connector;
use domain::{Caller, Policy};
use ledger::record::ChangeKind;
pub use store::{ConnectorListing, ConnectorReview};

use crate::access::Right;
use crate::may_use::caller_of;
use crate::{ControlError, Operation, people};

pub use bulk::{BulkUse, in_bulk};
pub use decide::{Decision, Risk, Wish, decide, review, say_class};
pub use look::{Counts, Pin, Seen, Summary, Unasked, list, read};
pub use reach::{Cell, Matrix, OwnAction, OwnConnector, matrix, of_group, own};
pub use shaped::{ShapedAnswers, shaped};
pub use wanted::{Lack, Way, in_catalogue};

/// What the ledger calls a definition of this kind.
pub const fn noun(kind: DefinitionKind) -> &'static str {
    match kind {
        DefinitionKind::Tool => "connector_action",
        DefinitionKind::Prompt => "connector_prompt",
        DefinitionKind::Instructions => "connector_instructions",
    }
}

/// What the ledger calls a connector's review.
const REVIEW: &str = "connector_review";

/// The policy in force as the doors have it: without the connectors that nobody has reviewed.
pub(crate) async fn reviewed_policy(operation: &Operation<'_>) -> Result<Policy, ControlError> {
    as_reviewed(operation, operation.policy().await?).await
}

/// The same of any other.
pub(crate) async fn as_reviewed(
    operation: &Operation<'_>,
    policy: Policy,
) -> Result<Policy, ControlError> {
    let reviewed = operation.store.reviewed(operation.org).await?;
    let held_back = Catalogue::shipped().held_back(&policy.document().connector, &reviewed);
    Ok(policy.holding_back(held_back))
}

/// A connector of the policy in force, and its place.
async fn find(operation: &Operation<'_>, name: &str) -> Result<(Connector, String), ControlError> {
    let policy = operation.policy().await?;
    let mut all = policy.document().connector.iter();
    let found = all.find(|connector| connector.name == name);
    let connector = found.ok_or(ControlError::NoSuch("connector"))?.clone();
    let place = pin::place(&connector);
    Ok((connector, place))
}

/// A connector that whoever acts has asked what it lists, and as whom it is asked. That somebody does is written down before anything
/// leaves. Before its review only an address is asked, and with nothing of anybody; after one that says no, none is.
pub async fn to_ask(
    operation: &Operation<'_>,
    name: &str,
) -> Result<(Connector, Caller), ControlError> {
    operation.require(Right::PolicyWrite)?;
    let (connector, place) = find(operation, name).await?;
    let reviews = operation
        .store
        .connector_reviews(operation.org, name, &place);
    let word = reviews.await?.first().map(|review| review.enabled);
    if let Some(why) = Unasked::of(&connector, word) {
        return Err(why.into());
    }
    let person = people::own(operation).await?;
    let mut change = operation.change("connector_question", name, ChangeKind::Created);
    change.after = Some(place.as_str().into());
    change.reason = Some("asked by hand what it lists".into());
    operation.record(change).await?;
    Ok((connector, caller_of(&person)))
}

/// The shipped catalogue.
pub fn catalogue(operation: &Operation<'_>) -> Result<Catalogue, ControlError> {
    operation.require(Right::PolicyRead)?;
    Ok(Catalogue::shipped())
}
