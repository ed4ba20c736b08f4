//! Spend limits: what a person, a member of a group, or everyone may spend in a period. The same rows as the reference gateway's
//! endpoints edit. A change says which version it starts from; whoever comes second is told what stands now, and nothing is lost.

pub use domain::SpendScope as Scope;
use domain::window::Period;
use domain::{AuditId, BudgetId, Usd};
use ledger::record::ChangeKind;
pub use store::SpendLimit;
use store::spend_limits::{Added, Replaced};
use store::{Page, SpendLimitAudit};

use crate::access::Right;
use crate::text::Unusable;
use crate::{ControlError, Operation, fingerprint, text};

/// The scope of a limit to make, whose id is a name.
fn checked(scope: &Scope) -> Result<Scope, Unusable> {
    Ok(match scope {
        Scope::User(user) => Scope::User(text::name("scope.id", user)?),
        Scope::Group(group) => Scope::Group(text::name("scope.id", group)?),
        Scope::Organization => Scope::Organization,
    })
}

/// Limits after one of them, and whether there are more.
pub async fn list(
    operation: &Operation<'_>,
    after: Option<BudgetId>,
    limit: u32,
) -> Result<(Vec<SpendLimit>, bool), ControlError> {
    operation.require(Right::BudgetsRead)?;
    let page = after.map_or(Page::First, Page::After);
    let store = operation.store;
    Ok(store
        .spend_limits_page(operation.org, None, page, limit)
        .await?)
}

/// Every limit; their number is limited when they are made.
pub(crate) async fn all(operation: &Operation<'_>) -> Result<Vec<SpendLimit>, ControlError> {
    operation.require(Right::BudgetsRead)?;
    Ok(operation.store.spend_limits(operation.org).await?)
}

/// One limit.
pub async fn read(operation: &Operation<'_>, id: BudgetId) -> Result<SpendLimit, ControlError> {
    operation.require(Right::BudgetsRead)?;
    let found = operation.store.spend_limit(operation.org, id).await?;
    found.ok_or(ControlError::NoSuch("spend limit"))
}

/// What a limit's version is: different after each change.
pub fn version(limit: &SpendLimit) -> String {
    fingerprint(&described(limit))[..16].to_owned()
}

/// Makes the limit of a scope and period, of which there is one; none may stand. No amount means no cap.
pub async fn create(
    operation: &Operation<'_>,
    scope: &Scope,
    period: Period,
    amount_cents: Option<&str>,
) -> Result<SpendLimit, ControlError> {
    operation.require(Right::BudgetsWrite)?;
    let scope = checked(scope)?;
    let (unix_ms, random) = operation.id_parts();
    let now = operation.clock.now();
    let new = SpendLimit {
        id: BudgetId::from_parts(unix_ms, random),
        scope,
        period,
        amount_cents: amount_cents.map(cents).transpose()?,
        pooled_json: None,
        created: now,
        updated: now,
    };
    let all = operation.store.spend_limits(operation.org).await?;
    if let Some(stands) = all.into_iter().find(|other| other.is_for_the_same(&new)) {
        return Err(ControlError::LimitStands(Box::new(stands)));
    }
    let mut change = operation.change("spend_limit", &new.id.to_string(), ChangeKind::Created);
    change.after = Some(fingerprint(&described(&new)).as_str().into());
    let whose = whose(operation, &new.scope).await?;
    change.reason = Some(changed(&whose, None, Some(&new)).as_str().into());
    let entry = audit(operation, "spend_limit.upsert", None, Some(&new));
    let adding = operation.store.add_spend_limit(operation.org, &new, entry);
    match operation.make(change, adding).await? {
        Added::Made(made) => Ok(made),
        Added::Stands(stands) => {
            let why = "another was made for the same in between";
            not_made(operation, &new.id.to_string(), why).await?;
            Err(ControlError::LimitStands(Box::new(stands)))
        }
    }
}

/// Changes a limit's amount, if it still is the version that was read.
pub async fn change(
    operation: &Operation<'_>,
    id: BudgetId,
    expected: &str,
    amount_cents: Option<&str>,
) -> Result<SpendLimit, ControlError> {
    operation.require(Right::BudgetsWrite)?;
    let stands = read(operation, id).await?;
    let new = SpendLimit {
        amount_cents: amount_cents.map(cents).transpose()?,
        updated: operation.clock.now(),
        ..stands.clone()
    };
    replace(operation, expected, stands, Some(&new)).await?;
    Ok(new)
}

/// Takes a limit away, if it still is the version that was read.
pub async fn remove(
    operation: &Operation<'_>,
    id: BudgetId,
    expected: &str,
) -> Result<(), ControlError> {
    operation.require(Right::BudgetsWrite)?;
    let stands = read(operation, id).await?;
    replace(operation, expected, stands, None).await
}

async fn replace(
    operation: &Operation<'_>,
    expected: &str,
    stands: SpendLimit,
    new: Option<&SpendLimit>,
) -> Result<(), ControlError> {
    if version(&stands) != expected {
        return Err(ControlError::Changed(Box::new(stands)));
    }
    let done = new.map_or(ChangeKind::Deleted, |_| ChangeKind::Updated);
    let id = stands.id.to_string();
    let mut change = operation.change("spend_limit", &id, done);
    change.before = Some(fingerprint(&described(&stands)).as_str().into());
    change.after = new.map(|new| fingerprint(&described(new)).as_str().into());
    let whose = whose(operation, &stands.scope).await?;
    change.reason = Some(changed(&whose, Some(&stands), new).as_str().into());
    operation.record(change).await?;
    let action = new.map_or("spend_limit.delete", |_| "spend_limit.upsert");
    let entry = |before: &SpendLimit| audit(operation, action, Some(before), new);
    let is_expected = |now: &SpendLimit| version(now) == expected;
    let store = operation.store;
    let replaced = store.replace_spend_limit(operation.org, stands.id, new, is_expected, entry);
    match replaced.await? {
        Replaced::Done(_) => Ok(()),
        Replaced::Another(now) => {
            not_made(operation, &id, "it was changed in between").await?;
            Err(ControlError::Changed(Box::new(now)))
        }
        Replaced::Unknown => {
            not_made(operation, &id, "it was removed in between").await?;
            Err(ControlError::NoSuch("spend limit"))
        }
    }
}

async fn not_made(operation: &Operation<'_>, id: &str, why: &str) -> Result<(), ControlError> {
    operation.record_not_made("spend_limit", id, why).await
}

/// Whose a limit is, as records say it: a person by what lists call them, else by the id that the limit names.
async fn whose(operation: &Operation<'_>, scope: &Scope) -> Result<String, ControlError> {
    Ok(match scope {
        Scope::User(stable_id) => {
            let found = operation
                .store
                .find_people(operation.org, stable_id)
                .await?;
            let person = found.iter().find(|one| one.stable_id == *stable_id);
            person
                .map_or(stable_id.as_str(), |person| person.label())
                .to_owned()
        }
        Scope::Group(group) => format!("each of {group}"),
        Scope::Organization => "everyone".to_owned(),
    })
}

/// What becomes of somebody's limit, in words for the record: `ada@example.org: none → $77.00 a month`.
pub(crate) fn changed(
    whose: &str,
    before: Option<&SpendLimit>,
    after: Option<&SpendLimit>,
) -> String {
    format!(
        "{}: {} → {}",
        domain::text::shown(whose),
        amount(before),
        amount(after)
    )
}

fn amount(limit: Option<&SpendLimit>) -> String {
    let Some(limit) = limit else {
        return "none".to_owned();
    };
    let cap = limit.amount_cents.as_deref().and_then(Usd::of_cents_text);
    let Some(cap) = cap else {
        return "no cap".to_owned();
    };
    let period = match limit.period {
        Period::Daily => "a day",
        Period::Weekly => "a week",
        Period::Monthly => "a month",
    };
    format!("{} {period}", cap.display_dollars())
}

/// A limit as one line for each thing that can change, for diffs and fingerprints.
pub fn described(limit: &SpendLimit) -> String {
    let scope = format!("{} {}", limit.scope.word(), limit.scope.id());
    format!(
        "scope = {}\nperiod = {}\namount_cents = {}\npooled = {}\n",
        scope.trim_end(),
        limit.period.as_str(),
        limit.amount_cents.as_deref().unwrap_or("none"),
        limit.pooled_json.as_deref().unwrap_or("none"),
    )
}

pub(crate) fn audit(
    operation: &Operation<'_>,
    action: &str,
    before: Option<&SpendLimit>,
    after: Option<&SpendLimit>,
) -> SpendLimitAudit {
    let (unix_ms, random) = operation.id_parts();
    SpendLimitAudit {
        id: AuditId::from_parts(unix_ms, random),
        created: operation.clock.now(),
        actor: operation.actor.key(),
        action: action.to_owned(),
        target: String::new(),
        before_json: before.map(as_json),
        after_json: after.map(as_json),
    }
}

fn as_json(limit: &SpendLimit) -> String {
    serde_json::json!({
        "id": limit.id,
        "scope": {"type": limit.scope.word(), "id": limit.scope.id()},
        "period": limit.period,
        "amount": limit.amount_cents,
        "currency": "USD",
    })
    .to_string()
}

/// Cents in their shortest form, down to a hundred-thousandth of a cent.
pub(crate) fn cents(text: &str) -> Result<String, Unusable> {
    let wrong = || {
        Unusable::new(
            "amount_cents",
            "must be cents as a decimal text, zero or more",
        )
    };
    let amount: Usd = text.parse().map_err(|_| wrong())?;
    let fine = amount >= Usd::ZERO && amount.nanos() % 100 == 0;
    fine.then(|| amount.to_string()).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::Timestamp;

    #[test]
    fn a_record_says_whose_limit_it_is_and_what_becomes_of_it() {
        let limit = |amount: Option<&str>, period| SpendLimit {
            id: BudgetId::from_parts(1, 1),
            scope: Scope::Organization,
            period,
            amount_cents: amount.map(str::to_owned),
            pooled_json: None,
            created: Timestamp::from_unix_ms(0),
            updated: Timestamp::from_unix_ms(0),
        };
        let month = limit(Some("7700"), Period::Monthly);
        let open = limit(None, Period::Monthly);
        for (before, after, expected) in [
            (None, Some(&month), "ada: none → $77.00 a month"),
            (Some(&month), Some(&open), "ada: $77.00 a month → no cap"),
            (Some(&month), None, "ada: $77.00 a month → none"),
        ] {
            assert_eq!(changed("ada", before, after), expected);
        }
    }

    #[test]
    fn an_amount_is_cents_and_never_less_than_nothing() {
        assert_eq!(cents("6000.0").as_deref(), Ok("6000"));
        assert_eq!(cents("0").as_deref(), Ok("0"));
        for wrong in ["", "-1", "1e3", "NaN", "12 USD"] {
            assert!(cents(wrong).is_err(), "{wrong}");
        }
    }
}
