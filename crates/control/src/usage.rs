//! What was used and spent, from the sums that shipping keeps.

use domain::policy::BudgetFor;
use domain::window::{DAY_MS, Period};
use domain::{PersonId, ServiceId, Timestamp, Usd, limits};
use store::{GroupSeen, UsageBy};
pub use store::{HourSum, RefusalSum, UsageSum};

use crate::access::Right;
use crate::trend::Spread;
use crate::{ControlError, Operation};

/// How two quantities spread over the people who made a call; none where nobody did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Spreads {
    /// Nano-dollars.
    pub money: Option<Spread>,
    /// Calls, refused ones included.
    pub requests: Option<Spread>,
}

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

/// How people's money, and how their calls, spread over those who made any in the same range. Services are no people.
pub async fn spread(
    operation: &Operation<'_>,
    (since, until): (Timestamp, Timestamp),
) -> Result<Spreads, ControlError> {
    operation.require(Right::BudgetsRead)?;
    let (store, org) = (operation.store, operation.org);
    let most = limits::STATEMENT_LINES_MAX;
    let sums = store.usage_sums(org, UsageBy::Subject, (since, until), most);
    let mut sums = sums.await?;
    sums.retain(|sum| sum.of.parse::<PersonId>().is_ok());
    let of = |value: fn(&UsageSum) -> i64| {
        Spread::of(sums.iter().map(|sum| (sum.of.clone(), value(sum))))
    };
    Ok(Spreads {
        money: of(|sum| sum.cost.nanos()),
        requests: of(|sum| i64::try_from(sum.requests).unwrap_or(i64::MAX)),
    })
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
    let policy = operation.policy().await?;
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

/// As [`of_person`], of one service.
pub async fn of_service(
    operation: &Operation<'_>,
    service: ServiceId,
    (since, until): (Timestamp, Timestamp),
) -> Result<Vec<UsageSum>, ControlError> {
    operation.require(Right::BudgetsRead)?;
    operation.require(Right::ServicesRead)?;
    let (store, org) = (operation.store, operation.org);
    let range = (since, until);
    Ok(store.usage_of(org, &service.to_string(), range).await?)
}

/// As [`of_person`], of all who are in a group now together.
pub async fn of_group(
    operation: &Operation<'_>,
    group: &GroupSeen,
    (since, until): (Timestamp, Timestamp),
) -> Result<Vec<UsageSum>, ControlError> {
    operation.require(Right::BudgetsRead)?;
    operation.require(Right::GroupsRead)?;
    let (store, org) = (operation.store, operation.org);
    Ok(store.usage_of_group(org, group, (since, until)).await?)
}

async fn of(
    operation: &Operation<'_>,
    person: PersonId,
    range: (Timestamp, Timestamp),
) -> Result<Vec<UsageSum>, ControlError> {
    let (store, org) = (operation.store, operation.org);
    Ok(store.usage_of(org, &person.to_string(), range).await?)
}
