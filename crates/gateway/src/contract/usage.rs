//! `GET /api/oauth/usage`: how the caller's budgets stand, in cents, as Claude Code's `/usage` shows it.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use domain::Usd;
use domain::window::Period;
use pipeline::quota::Standing;
use serde_json::{Value, json};

use super::Contract;

/// Handles the request.
pub async fn usage(State(state): State<Arc<Contract>>, request: Request) -> Response {
    let facts = state.door.facts(&request, "usage");
    let headers = request.into_parts().0.headers;
    let (who, policy, _) = match state.caller(facts, &headers).await {
        Ok(caller) => caller,
        Err(refused) => return refused,
    };
    state
        .learn_from_others(Some(who.caller.subject), facts.began)
        .await;
    let standing = state
        .door
        .pipeline
        .quota
        .standing(who.caller.subject, &policy, facts.began);
    Json(shape(&standing)).into_response()
}

fn shape(standing: &[Standing]) -> Value {
    let of = |period: Period| standing.iter().find(|budget| budget.period == period);
    let one = |budget: &Standing| {
        json!({
            "limit": budget.cap.map(cents),
            "used_credits": cents(budget.spent),
            "utilization": percent(budget),
            "resets_at": budget.resets_at.to_string(),
        })
    };
    let monthly = of(Period::Monthly);
    let limits: Vec<Value> = standing
        .iter()
        .filter(|budget| budget.cap.is_some())
        .map(|budget| {
            let percent = percent(budget);
            let severity = if percent >= 95 {
                "critical"
            } else if percent >= 75 {
                "warning"
            } else {
                "normal"
            };
            json!({
                "kind": "spend",
                "group": budget.period.as_str(),
                "percent": percent,
                "resets_at": budget.resets_at.to_string(),
                "severity": severity,
                "is_active": true,
            })
        })
        .collect();
    json!({
        "extra_usage": {
            "is_enabled": true,
            "monthly_limit": monthly.and_then(|budget| budget.cap).map(cents),
            "used_credits": monthly.map_or(json!(0), |budget| cents(budget.spent)),
            "utilization": monthly.map_or(0, percent),
            "currency": "USD",
            "daily": of(Period::Daily).map(one),
            "weekly": of(Period::Weekly).map(one),
        },
        "limits": limits,
    })
}

/// Cents as a JSON number with its decimals.
fn cents(amount: Usd) -> Value {
    serde_json::from_str(&amount.cents_text()).unwrap_or(Value::Null)
}

fn percent(budget: &Standing) -> i64 {
    let Some(cap) = budget.cap.filter(|cap| *cap > Usd::ZERO) else {
        return i64::from(budget.cap.is_some()) * 100;
    };
    let share = i128::from(budget.spent.nanos()) * 100 / i128::from(cap.nanos());
    i64::try_from(share).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::Timestamp;

    #[test]
    fn a_budget_is_shown_in_cents_and_whole_percents() {
        let standing = [Standing {
            period: Period::Monthly,
            resets_at: Timestamp::from_unix_s(1_796_083_200),
            cap: Some("500".parse().unwrap()),
            spent: "271.406".parse().unwrap(),
        }];
        let shape = shape(&standing);
        assert_eq!(shape["extra_usage"]["monthly_limit"], json!(50000));
        assert_eq!(shape["extra_usage"]["used_credits"].to_string(), "27140.6");
        assert_eq!(shape["limits"][0]["percent"], 54);
        assert_eq!(shape["limits"][0]["group"], "monthly");
    }

    #[test]
    fn a_caller_without_a_budget_sees_what_was_spent_and_no_limits() {
        let standing = [Standing {
            period: Period::Monthly,
            resets_at: Timestamp::default(),
            cap: None,
            spent: Usd::ZERO,
        }];
        let shape = shape(&standing);
        assert_eq!(
            (
                shape["limits"].as_array().unwrap().len(),
                &shape["extra_usage"]["monthly_limit"]
            ),
            (0, &Value::Null)
        );
    }
}
