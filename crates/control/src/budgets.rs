//! How the money of budgets stands: those of the policy in force with what was spent of each, who spent most of their own, and what a spend
//! limit finds spent already. Sums come from the store, which every replica tells; what a call is held against is each replica's own
//! count of the same. Only reads; limits are changed by [`crate::spend_limits`].

use std::collections::BTreeMap;

use domain::policy::BudgetFor;
use domain::window::Period;
use domain::{PersonId, Timestamp, Usd, limits};
use store::SpendLimit;

use crate::access::Right;
use crate::models::whom;
use crate::people::Person;
use crate::spend_limits::Scope;
use crate::{ControlError, Operation};

/// A budget that the policy states.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stated {
    /// Its name.
    pub name: String,
    /// Whom it concerns, in words.
    pub who: String,
    /// Whose money it is.
    pub scope: BudgetFor,
    /// How much.
    pub amount: Usd,
    /// For how long.
    pub period: Period,
    /// Whether a call is refused at the cap.
    pub is_hard: bool,
    /// What was spent of it in the period under way, where it is one purse; each caller's own otherwise.
    pub spent: Option<Usd>,
}

/// The budgets of the policy in force.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OfPolicy {
    /// The version; 0 before the first.
    pub version: u64,
    /// The budgets, as they stand in it.
    pub budgets: Vec<Stated>,
    /// Whether it states the spend limits of groups and of everyone as well: what is not stated goes when it is next applied.
    pub states_limits: bool,
}

/// The budgets of the policy in force, with what was spent of those that are shared.
pub async fn of_policy(operation: &Operation<'_>) -> Result<OfPolicy, ControlError> {
    operation.require(Right::BudgetsRead)?;
    let (store, org, now) = (operation.store, operation.org, operation.clock.now());
    let policy = operation.policy().await?;
    let mut budgets = Vec::new();
    for budget in &policy.document().budget {
        let purse = match budget.scope {
            BudgetFor::Org => Some("org".to_owned()),
            BudgetFor::Group => Some(format!("shared:{}", budget.name)),
            BudgetFor::Person | BudgetFor::Member | BudgetFor::Service => None,
        };
        let spent = match purse {
            Some(purse) => Some(store.spent_by(org, &purse, budget.period, now).await?),
            None => None,
        };
        budgets.push(Stated {
            name: budget.name.clone(),
            who: whom(&budget.who),
            scope: budget.scope,
            amount: budget.amount_usd,
            period: budget.period,
            is_hard: budget.hard,
            spent,
        });
    }
    Ok(OfPolicy {
        version: policy.version,
        budgets,
        states_limits: policy.document().administration.is_some(),
    })
}

/// Somebody and what they spent in a period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spender {
    /// Who, with the groups that hold.
    pub person: Person,
    /// How much of their own, by every replica.
    pub spent: Usd,
}

/// The people who spent most in the window of a period that is under way, most money first, at most `limit`.
pub async fn spenders(
    operation: &Operation<'_>,
    period: Period,
    limit: u32,
) -> Result<Vec<Spender>, ControlError> {
    operation.require(Right::BudgetsRead)?;
    operation.require(Right::PeopleRead)?;
    let (store, org, now) = (operation.store, operation.org, operation.clock.now());
    let most = store.most_spent(org, period, now, limit).await?;
    let ids: Vec<PersonId> = most
        .iter()
        .filter_map(|(purse, _)| purse.parse().ok())
        .collect();
    let people = store.people_of(org, &ids).await?;
    let people = store.with_groups(org, people).await?;
    let mut people: BTreeMap<String, Person> = people
        .into_iter()
        .map(|person| (person.id.to_string(), person))
        .collect();
    let spender = |(purse, spent): (String, Usd)| {
        Some(Spender {
            person: people.remove(&purse)?,
            spent,
        })
    };
    Ok(most.into_iter().filter_map(spender).collect())
}

/// Whom among these a limit of this scope concerns.
fn concerns(scope: &Scope, person: &Person) -> bool {
    match scope {
        Scope::User(stable_id) => person.stable_id == *stable_id,
        Scope::Group(group) => person.groups.contains(group),
        Scope::Organization => true,
    }
}

/// The people whom a limit would find at or above its amount already, among the [`limits::STORE_PAGE_MAX`] who spent most.
pub async fn above(
    operation: &Operation<'_>,
    scope: &Scope,
    period: Period,
    amount: Usd,
) -> Result<Vec<Spender>, ControlError> {
    let mut found = spenders(operation, period, limits::STORE_PAGE_MAX).await?;
    found.retain(|one| one.spent >= amount && concerns(scope, &one.person));
    Ok(found)
}

/// Whom a limit of one person means, and what they spent in its period; none for a limit of others, and for a person nobody knows here.
pub async fn of_limit(
    operation: &Operation<'_>,
    limit: &SpendLimit,
) -> Result<Option<Spender>, ControlError> {
    operation.require(Right::BudgetsRead)?;
    operation.require(Right::PeopleRead)?;
    let Scope::User(stable_id) = &limit.scope else {
        return Ok(None);
    };
    let (store, org, now) = (operation.store, operation.org, operation.clock.now());
    let found = store.find_people(org, stable_id).await?;
    let Some(person) = found
        .into_iter()
        .find(|person| person.stable_id == *stable_id)
    else {
        return Ok(None);
    };
    let spent = store
        .spent_by(org, &person.id.to_string(), limit.period, now)
        .await?;
    Ok(Some(Spender { person, spent }))
}

/// When the period that is under way begins anew.
pub fn anew(period: Period, now: Timestamp) -> Timestamp {
    period.window(now).1
}
