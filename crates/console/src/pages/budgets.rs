//! Somebody's budgets and what they used, as rows: how much of each period's cap is spent, against an even pace, and the sums by model.
//! Used by a person's page and by one's own.

use control::usage::UsageSum;
use domain::window::Period;
use domain::{Timestamp, Usd};

use super::chart::Meter;
use super::show::{self, Said};
use crate::Standing;

/// The budget of one period.
#[derive(Debug, Clone)]
pub struct BudgetLine {
    /// `This month`.
    pub name: &'static str,
    /// `62 %`, or what was spent where nothing bounds it.
    pub value: String,
    /// Of how much.
    pub of: String,
    /// How full it is; none without a cap.
    pub meter: Option<Meter>,
    /// How that compares with an even pace, and when it begins anew.
    pub says: String,
}

impl BudgetLine {
    /// How a period stands at a moment.
    pub fn of(standing: &Standing, now: Timestamp) -> Self {
        let period = Period::ALL
            .into_iter()
            .find(|period| period.as_str() == standing.period);
        let (name, period) = match period {
            Some(Period::Weekly) => ("This week", Period::Weekly),
            Some(Period::Monthly) => ("This month", Period::Monthly),
            _ => ("Today", Period::Daily),
        };
        let (from, until) = period.window(now);
        let anew = format!("Begins anew on {}, 00:00 UTC.", show::short_day(until));
        let spent = cents(&standing.spent_cents);
        let Some(cap) = standing.cap_cents.as_deref().map(cents) else {
            return Self {
                name,
                value: show::usd(spent),
                of: "spent; no budget bounds it".to_owned(),
                meter: None,
                says: anew,
            };
        };
        let full = show::tenths_of_percent(spent.nanos(), cap.nanos());
        let pace = show::tenths_of_percent(now.ms_since(from), until.ms_since(from));
        let compared = match (full, pace) {
            (Some(full), _) if full >= 1_000 => "It is used up.",
            (Some(full), Some(pace)) if full > pace => "That is above an even pace (the mark).",
            _ => "That is not above an even pace (the mark).",
        };
        Self {
            name,
            value: show::percent(spent.nanos(), cap.nanos()).unwrap_or_else(|| show::usd(spent)),
            of: format!("{} of {}", show::usd(spent), show::usd(cap)),
            meter: full.map(|full| Meter { full, pace }),
            says: format!("{compared} {anew}"),
        }
    }
}

/// US cents as the API writes them; nothing for a text that is none.
pub(super) fn cents(text: &str) -> Usd {
    Usd::of_cents_text(text).unwrap_or(Usd::ZERO)
}

/// What one model took.
#[derive(Debug, Clone)]
pub struct UseLine {
    /// The model.
    pub model: Said,
    /// Calls.
    pub requests: String,
    /// Tokens, in and out.
    pub tokens: String,
    /// Money.
    pub cost: String,
}

/// What somebody used in the last 30 days.
#[derive(Debug, Clone)]
pub struct UseTable {
    /// By model, most money first.
    pub lines: Vec<UseLine>,
    /// Calls in all, refused ones included.
    pub requests: String,
    /// Refused calls.
    pub refused: String,
    /// Tokens in all, in and out.
    pub tokens: String,
    /// Money in all.
    pub cost: String,
    /// What of it is not certain.
    pub certainty: String,
}

impl UseTable {
    /// The sums of somebody.
    pub fn of(sums: &[UsageSum]) -> Self {
        let mut total = UsageSum::default();
        for sum in sums {
            total.add(sum);
        }
        let tokens = |sum: &UsageSum| {
            let kinds = [
                sum.input_tokens,
                sum.cache_read_tokens,
                sum.cache_write_tokens,
                sum.output_tokens,
            ];
            show::count(kinds.into_iter().fold(0, u64::saturating_add))
        };
        let line = |sum: &UsageSum| UseLine {
            model: Said::from(&sum.of),
            requests: show::count(sum.requests),
            tokens: tokens(sum),
            cost: show::usd(sum.cost),
        };
        Self {
            lines: sums
                .iter()
                .filter(|sum| !sum.of.is_empty())
                .map(line)
                .collect(),
            requests: show::count(total.requests),
            refused: show::count(total.refused),
            tokens: tokens(&total),
            cost: show::usd(total.cost),
            certainty: certainty(&total),
        }
    }
}

/// How far a sum is certain, in words.
pub(super) fn certainty(sum: &UsageSum) -> String {
    let calls = |number, what| format!("{} {what}", show::counted(number, "call is", "calls are"));
    match (sum.estimated_requests, sum.unpriced_requests) {
        (0, 0) => "every call counted and priced".to_owned(),
        (estimated, 0) => calls(estimated, "estimated"),
        (0, unpriced) => calls(unpriced, "without a known price"),
        (estimated, unpriced) => format!("{estimated} estimated, {unpriced} without a known price"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(cap: Option<&str>, spent: &str) -> Standing {
        Standing {
            period: "monthly",
            resets_at: String::new(),
            cap_cents: cap.map(str::to_owned),
            spent_cents: spent.to_owned(),
        }
    }

    #[test]
    fn a_budget_says_how_much_is_spent_and_how_that_compares() {
        // The 16th of a month of 30 days, at noon.
        let now: Timestamp = "2026-11-16T12:00:00Z".parse().unwrap();
        let line = BudgetLine::of(&standing(Some("6000"), "3720.5"), now);
        assert_eq!(
            (line.value.as_str(), line.of.as_str()),
            ("62 %", "$37.21 of $60.00")
        );
        assert!(
            line.says.starts_with("That is above an even pace"),
            "{}",
            line.says
        );
        assert!(
            line.says.ends_with("1 December, 00:00 UTC."),
            "{}",
            line.says
        );
        let over = BudgetLine::of(&standing(Some("100"), "250"), now);
        assert!(over.says.starts_with("It is used up."));
        let free = BudgetLine::of(&standing(None, "5"), now);
        assert!(free.meter.is_none() && free.of.contains("no budget"));
    }
}
