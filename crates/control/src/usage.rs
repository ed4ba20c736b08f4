//! What was used and spent, from the sums that shipping keeps.

use domain::policy::BudgetFor;
use domain::window::{DAY_MS, Period};
use domain::{PersonId, Policy, Timestamp, Usd};
pub use store::{HourSum, RefusalSum, UsageSum};

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

/// What each hour saw, oldest first, from the hour of one moment up to another; hours without a call are left out.
pub async fn by_hour(
    operation: &Operation<'_>,
    (since, until): (Timestamp, Timestamp),
) -> Result<Vec<HourSum>, ControlError> {
    operation.require(Right::BudgetsRead)?;
    let (store, org) = (operation.store, operation.org);
    Ok(store.usage_by_hour(org, since, until).await?)
}

/// How many people, and how many services, made a call in the same range.
pub async fn callers(
    operation: &Operation<'_>,
    (since, until): (Timestamp, Timestamp),
) -> Result<(u64, u64), ControlError> {
    operation.require(Right::BudgetsRead)?;
    let (store, org) = (operation.store, operation.org);
    Ok(store.callers(org, since, until).await?)
}

/// Why requests were refused in the same range, most often first. A refusal counts for each of its reasons.
pub async fn refusals(
    operation: &Operation<'_>,
    (since, until): (Timestamp, Timestamp),
) -> Result<Vec<RefusalSum>, ControlError> {
    operation.require(Right::BudgetsRead)?;
    let (store, org) = (operation.store, operation.org);
    Ok(store.refusals(org, since, until).await?)
}

/// How much the organisation together may spend in a period, by the policy in force: the least where several budgets say it.
pub async fn budget_together(
    operation: &Operation<'_>,
    period: Period,
) -> Result<Option<Usd>, ControlError> {
    operation.require(Right::BudgetsRead)?;
    let Some(latest) = operation.store.latest_policy(operation.org).await? else {
        return Ok(None);
    };
    let policy = Policy::parse(latest.version, &latest.text)?;
    let budgets = policy.document().budget.iter();
    let together =
        budgets.filter(|budget| budget.scope == BudgetFor::Org && budget.period == period);
    Ok(together.map(|budget| budget.amount_usd).min())
}

/// What one person used in the same range, by model, most money first; refused calls stand under no model.
pub async fn of_person(
    operation: &Operation<'_>,
    person: PersonId,
    (since, until): (Timestamp, Timestamp),
) -> Result<Vec<UsageSum>, ControlError> {
    operation.require(Right::BudgetsRead)?;
    operation.require(Right::PeopleRead)?;
    of(operation, person, (since, until)).await
}

/// As [`of_person`], of oneself.
pub async fn own(
    operation: &Operation<'_>,
    (since, until): (Timestamp, Timestamp),
) -> Result<Vec<UsageSum>, ControlError> {
    operation.require(Right::OwnRead)?;
    let person = operation.actor.person_id();
    let person = person.ok_or(ControlError::Forbidden(Right::OwnRead))?;
    of(operation, person, (since, until)).await
}

async fn of(
    operation: &Operation<'_>,
    person: PersonId,
    range: (Timestamp, Timestamp),
) -> Result<Vec<UsageSum>, ControlError> {
    let (store, org) = (operation.store, operation.org);
    Ok(store.usage_of(org, &person.to_string(), range).await?)
}
