//! How a budget stands, in the headers stock Claude Code reads: a warning on answers, the particulars on a refusal.

use domain::Timestamp;
use domain::reason::BudgetSpent;
use http::{HeaderMap, HeaderName, HeaderValue};
use pipeline::quota::Standing;

const STATUS: HeaderName = HeaderName::from_static("anthropic-ratelimit-unified-status");
const RESET: HeaderName = HeaderName::from_static("anthropic-ratelimit-unified-reset");
const CLAIM: HeaderName =
    HeaderName::from_static("anthropic-ratelimit-unified-representative-claim");
const OVERAGE_STATUS: HeaderName =
    HeaderName::from_static("anthropic-ratelimit-unified-overage-status");
const OVERAGE_RESET: HeaderName =
    HeaderName::from_static("anthropic-ratelimit-unified-overage-reset");
const OVERAGE_UTILIZATION: HeaderName =
    HeaderName::from_static("anthropic-ratelimit-unified-overage-utilization");
const OVERAGE_THRESHOLD: HeaderName =
    HeaderName::from_static("anthropic-ratelimit-unified-overage-surpassed-threshold");
const OVERAGE_PERIOD: HeaderName =
    HeaderName::from_static("anthropic-ratelimit-unified-overage-period");
const OVERAGE_DISABLED: HeaderName =
    HeaderName::from_static("anthropic-ratelimit-unified-overage-disabled-reason");

/// Shares of a budget from which a client warns.
const THRESHOLDS: [(f64, &str); 2] = [(0.95, "0.95"), (0.75, "0.75")];

/// On an answer: the budget that is most used. Nothing for callers without one.
pub fn of_standing(standing: &[Standing], headers: &mut HeaderMap) {
    let capped = standing.iter().filter(|budget| budget.cap.is_some());
    let Some(tightest) = capped.max_by(|a, b| a.utilization().total_cmp(&b.utilization())) else {
        return;
    };
    let utilization = tightest.utilization();
    let passed = THRESHOLDS.iter().find(|(share, _)| utilization >= *share);
    let status = if passed.is_some() {
        "allowed_warning"
    } else {
        "allowed"
    };
    headers.insert(STATUS, HeaderValue::from_static(status));
    headers.insert(CLAIM, HeaderValue::from_static("overage"));
    headers.insert(OVERAGE_STATUS, HeaderValue::from_static(status));
    headers.insert(RESET, seconds(tightest.resets_at));
    headers.insert(OVERAGE_RESET, seconds(tightest.resets_at));
    headers.insert(
        OVERAGE_PERIOD,
        HeaderValue::from_static(tightest.period.as_str()),
    );
    if let Ok(share) = HeaderValue::try_from(format!("{:.2}", utilization.min(9.99))) {
        headers.insert(OVERAGE_UTILIZATION, share);
    }
    if let Some((_, text)) = passed {
        headers.insert(OVERAGE_THRESHOLD, HeaderValue::from_static(text));
    }
}

/// On a refusal. `representative-claim` and `overage-status` stay away, or the client shows its own sentence instead of ours.
pub fn of_spent_budget(spent: BudgetSpent, headers: &mut HeaderMap) {
    headers.insert(STATUS, HeaderValue::from_static("rejected"));
    headers.insert(RESET, seconds(spent.resets_at));
    headers.insert(OVERAGE_RESET, seconds(spent.resets_at));
    headers.insert(OVERAGE_UTILIZATION, HeaderValue::from_static("1"));
    headers.insert(OVERAGE_THRESHOLD, HeaderValue::from_static("1"));
    headers.insert(
        OVERAGE_PERIOD,
        HeaderValue::from_static(spent.period.as_str()),
    );
    headers.insert(
        OVERAGE_DISABLED,
        HeaderValue::from_static("org_spend_cap_reached"),
    );
}

fn seconds(at: Timestamp) -> HeaderValue {
    HeaderValue::from(at.unix_s())
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::Usd;
    use domain::window::Period;

    fn standing(period: Period, cap: Option<&str>, spent: &str) -> Standing {
        Standing {
            period,
            resets_at: Timestamp::from_unix_s(100),
            cap: cap.map(|text| text.parse().unwrap()),
            spent: spent.parse::<Usd>().unwrap(),
        }
    }

    #[test]
    fn the_budget_that_is_most_used_is_shown() {
        let mut headers = HeaderMap::new();
        of_standing(
            &[
                standing(Period::Daily, Some("10"), "1"),
                standing(Period::Monthly, Some("100"), "82"),
            ],
            &mut headers,
        );
        assert_eq!(headers[STATUS], "allowed_warning");
        assert_eq!(headers[OVERAGE_UTILIZATION], "0.82");
        assert_eq!(headers[OVERAGE_THRESHOLD], "0.75");
        assert_eq!(headers[OVERAGE_PERIOD], "monthly");
    }

    #[test]
    fn a_caller_without_a_budget_is_told_nothing() {
        let mut headers = HeaderMap::new();
        of_standing(&[standing(Period::Monthly, None, "500")], &mut headers);
        assert!(headers.is_empty());
    }
}
