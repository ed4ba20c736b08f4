//! What a spend limit looks like: as it is asked for, checked, and as it is shown.

use domain::window::Period;
use domain::{BudgetId, SpendScope, Usd};
use serde::Deserialize;
use serde_json::{Value, json};
use store::SpendLimit;

/// What to upsert.
#[derive(Debug, Deserialize)]
pub(super) struct Wanted {
    scope: Scope,
    #[serde(default)]
    amount: Option<String>,
    #[serde(default)]
    period: Option<Period>,
    #[serde(default)]
    currency: Option<String>,
    #[serde(default)]
    pooled_budget: Option<Value>,
}

#[derive(Debug, Deserialize)]
struct Scope {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    user_id: Option<String>,
    #[serde(default)]
    rbac_group_id: Option<String>,
}

impl Wanted {
    /// The limit that is asked for, or what is wrong with it.
    pub(super) fn check(self, id: BudgetId, now: domain::Timestamp) -> Result<SpendLimit, String> {
        let scope = match (
            self.scope.kind.as_str(),
            self.scope.user_id,
            self.scope.rbac_group_id,
        ) {
            ("user", Some(user), None) if !user.is_empty() => SpendScope::User(user),
            ("rbac_group", None, Some(group)) if !group.is_empty() => SpendScope::Group(group),
            ("organization", None, None) => SpendScope::Organization,
            ("user", ..) => return Err("scope.user_id: is needed for a user".into()),
            ("rbac_group", ..) => return Err("scope.rbac_group_id: is needed for a group".into()),
            ("organization", ..) => return Err("scope: an organization has no other id".into()),
            _ => return Err("scope.type: must be user, rbac_group or organization".into()),
        };
        if scope.id().len() > 256 || scope.id().chars().any(char::is_control) {
            return Err("scope: the id is too long or holds control characters".into());
        }
        if self
            .currency
            .as_deref()
            .is_some_and(|currency| currency != "USD")
        {
            return Err("currency: must be USD".into());
        }
        let amount = self
            .amount
            .map(|text| cents(&text).ok_or("amount: must be cents as a decimal text"))
            .transpose()?;
        let pooled = self
            .pooled_budget
            .map(|pool| {
                let amount = pool.get("amount").and_then(Value::as_str).and_then(cents);
                let amount =
                    amount.ok_or("pooled_budget.amount: must be cents as a decimal text")?;
                let paused = pool.get("paused").and_then(Value::as_bool).unwrap_or(false);
                Ok::<_, &str>(
                    json!({"amount": amount, "paused": paused, "currency": "USD"}).to_string(),
                )
            })
            .transpose()?;
        let period = self.period.unwrap_or(Period::Monthly);
        if pooled.is_some() && (!matches!(scope, SpendScope::Group(_)) || period != Period::Monthly)
        {
            return Err("pooled_budget: only monthly limits of groups have one".into());
        }
        Ok(SpendLimit {
            id,
            scope,
            period,
            amount_cents: amount,
            pooled_json: pooled,
            created: now,
            updated: now,
        })
    }
}

/// Cents in their shortest form; none for what is no amount.
fn cents(text: &str) -> Option<String> {
    let amount: Usd = text.parse().ok()?;
    (amount >= Usd::ZERO && amount.nanos() % 100 == 0).then(|| amount.to_string())
}

/// A limit as the endpoints show it.
pub(super) fn shape(limit: &SpendLimit) -> Value {
    let mut shape = json!({
        "type": "spend_limit",
        "id": limit.id,
        "created_at": limit.created.to_string(),
        "updated_at": limit.updated.to_string(),
        "scope": scope(limit),
        "amount": limit.amount_cents,
        "currency": "USD",
        "period": limit.period,
    });
    if let Some(pool) = limit
        .pooled_json
        .as_deref()
        .and_then(|json| serde_json::from_str::<Value>(json).ok())
    {
        shape["pooled_budget"] = pool;
    }
    shape
}

fn scope(limit: &SpendLimit) -> Value {
    match &limit.scope {
        SpendScope::User(user) => json!({"type": "user", "user_id": user}),
        SpendScope::Group(group) => json!({"type": "rbac_group", "rbac_group_id": group}),
        SpendScope::Organization => json!({"type": "organization"}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: Value) -> Result<SpendLimit, String> {
        let wanted: Wanted = serde_json::from_value(body).map_err(|error| error.to_string())?;
        wanted.check(BudgetId::from_parts(1, 1), domain::Timestamp::default())
    }

    #[test]
    fn a_limit_says_whose_and_how_much() {
        let limit =
            check(json!({"scope": {"type": "user", "user_id": "u1"}, "amount": "6000.0"})).unwrap();
        assert_eq!(
            (limit.amount_cents.as_deref(), limit.period),
            (Some("6000"), Period::Monthly)
        );
        for wrong in [
            json!({"scope": {"type": "user"}, "amount": "1"}),
            json!({"scope": {"type": "team", "user_id": "u"}, "amount": "1"}),
            json!({"scope": {"type": "organization"}, "amount": "-1"}),
            json!({"scope": {"type": "organization"}, "amount": 1}),
            json!({"scope": {"type": "organization"}, "amount": "1", "currency": "EUR"}),
            json!({"scope": {"type": "organization"}, "amount": "1", "pooled_budget": {"amount": "5"}}),
            json!({"scope": {"type": "rbac_group", "rbac_group_id": "eng"}, "pooled_budget": {"amount": "x"}}),
            json!({"scope": {"type": "user", "user_id": "a\nb"}, "amount": "1"}),
        ] {
            assert!(check(wrong.clone()).is_err(), "{wrong}");
        }
    }
}
