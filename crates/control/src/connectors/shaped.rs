//! Whose Claude was given what looks like orders by what a connector answered. A sign is no proof, and nothing was held back; it is something that somebody
//! should look at.

use domain::Timestamp;
use domain::window::DAY_MS;

use crate::access::Right;
use crate::{ControlError, Operation};

/// Answers of one connector to one person, or one service, that held text shaped like an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShapedAnswers {
    /// What people call the connector; its name where it is in no policy any more.
    pub title: String,
    /// Whose id.
    pub subject: String,
    /// What they are called.
    pub label: String,
    /// How many.
    pub answers: u64,
    /// When the last one came, by the whole minute.
    pub last: Timestamp,
}

/// Those of the last day, the newest first, at most `limit`.
pub async fn shaped(
    operation: &Operation<'_>,
    limit: usize,
) -> Result<Vec<ShapedAnswers>, ControlError> {
    operation.require(Right::LedgerRead)?;
    let (store, org) = (operation.store, operation.org);
    let since = operation.clock.now().plus_ms(-DAY_MS);
    let mut found = store.shaped_answers(org, since).await?;
    if found.is_empty() {
        return Ok(Vec::new());
    }
    found.truncate(limit);
    let policy = operation.policy().await?;
    let ids: Vec<String> = found.iter().map(|one| one.subject.clone()).collect();
    let labels = store.labels(org, &ids).await?;
    let told = found.into_iter().map(|one| {
        let known = policy.document().connector.iter();
        let connector = known.into_iter().find(|known| known.name == one.connector);
        let title = connector.map_or(&*one.connector, |connector| connector.title());
        ShapedAnswers {
            title: title.to_owned(),
            label: labels.get(&one.subject).unwrap_or(&one.subject).clone(),
            subject: one.subject,
            answers: one.answers,
            last: one.last,
        }
    });
    Ok(told.collect())
}
