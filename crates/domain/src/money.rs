//! Money as a whole number of nano-dollars: exact, ordered, and added without rounding. Costs of a call are rounded up to a
//! nano-dollar once, when the call is priced; every sum after that equals the sum of the ledger's records.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

const NANOS: i64 = 1_000_000_000;

/// United States dollars, in billionths. Holds up to nine billion dollars either way; sums saturate there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Usd(i64);

impl Usd {
    /// No money.
    pub const ZERO: Self = Self(0);
    /// More than any budget.
    pub const MAX: Self = Self(i64::MAX);

    /// From nano-dollars.
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// From whole cents.
    pub const fn from_cents(cents: i64) -> Self {
        Self(cents.saturating_mul(NANOS / 100))
    }

    /// Nano-dollars.
    pub const fn nanos(self) -> i64 {
        self.0
    }

    /// The sum, held at the greatest amount.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// The difference, held at the least amount.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// Cents as a decimal text without trailing zeros (`"0.067"`), the form of the spend-limit endpoints.
    pub fn cents_text(self) -> String {
        trim_decimal(i128::from(self.0), 7)
    }

    /// What [`Usd::cents_text`] writes, read again; none where the text is no such amount.
    pub fn of_cents_text(text: &str) -> Option<Self> {
        decimal(text, 7).map(Self)
    }

    /// Dollars with two decimals, for people (`$12.34`); halves round away from zero.
    pub fn display_dollars(self) -> String {
        let sign = if self.0 < 0 { "-" } else { "" };
        let cents = (i128::from(self.0).abs() + 5_000_000) / 10_000_000;
        format!("{sign}${}.{:02}", cents / 100, cents % 100)
    }
}

/// `value` of 10^-`places` as a decimal text without trailing zeros.
fn trim_decimal(value: i128, places: u32) -> String {
    let sign = if value < 0 { "-" } else { "" };
    let unit = 10i128.pow(places);
    let (whole, rest) = (value.abs() / unit, value.abs() % unit);
    if rest == 0 {
        return format!("{sign}{whole}");
    }
    let digits = format!("{rest:0width$}", width = places as usize);
    format!("{sign}{whole}.{}", digits.trim_end_matches('0'))
}

impl fmt::Display for Usd {
    /// Dollars as an exact decimal without trailing zeros: `0.000144`.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&trim_decimal(i128::from(self.0), 9))
    }
}

/// A text that is not an amount of dollars.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an amount of dollars: expected digits with at most nine decimals, such as \"60.00\"")]
pub struct InvalidUsd;

impl FromStr for Usd {
    type Err = InvalidUsd;

    fn from_str(text: &str) -> Result<Self, InvalidUsd> {
        decimal(text, 9).map(Self).ok_or(InvalidUsd)
    }
}

/// The reverse of [`trim_decimal`]: digits with at most `places` decimals; none where it is anything else, or too much.
fn decimal(text: &str, places: usize) -> Option<i64> {
    let (negative, digits) = text
        .strip_prefix('-')
        .map_or((false, text), |rest| (true, rest));
    let (whole, decimals) = digits.split_once('.').unwrap_or((digits, "0"));
    let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !all_digits(whole) || !all_digits(decimals) || decimals.len() > places {
        return None;
    }
    let value: i64 = format!("{whole}{decimals:0<places$}").parse().ok()?;
    Some(if negative { -value } else { value })
}

impl Serialize for Usd {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Usd {
    /// Accepts the decimal text only: a floating-point number could not say which amount it means.
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = crate::written::Written::<'de>::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn amounts_read_and_print_exactly() {
        for (text, nanos, printed) in [
            ("60.00", 60_000_000_000, "60"),
            ("0.000144", 144_000, "0.000144"),
            ("-1.5", -1_500_000_000, "-1.5"),
            ("0.000000001", 1, "0.000000001"),
        ] {
            let amount: Usd = text.parse().unwrap();
            assert_eq!(
                (amount.nanos(), amount.to_string().as_str()),
                (nanos, printed)
            );
        }
    }

    #[test]
    fn what_is_not_an_amount_is_refused() {
        for text in [
            "",
            ".",
            "1.",
            ".5",
            "1e3",
            "1,000",
            "0.0000000001",
            "$5",
            " 5",
            "99999999999",
        ] {
            assert!(text.parse::<Usd>().is_err(), "{text}");
            let few = text != "0.0000000001" && text != "99999999999";
            assert!(!few || Usd::of_cents_text(text).is_none(), "{text}");
        }
    }

    #[test]
    fn people_and_endpoints_get_their_own_forms() {
        let amount = Usd::from_nanos(670_000);
        assert_eq!(amount.cents_text(), "0.067");
        assert_eq!(Usd::from_cents(6_000).cents_text(), "6000");
        assert_eq!(Usd::from_nanos(12_345_000_000).display_dollars(), "$12.35");
    }

    proptest! {
        #[test]
        fn every_amount_survives_a_round_trip(nanos in -9_000_000_000_000_000_000i64..9_000_000_000_000_000_000) {
            let amount = Usd::from_nanos(nanos);
            prop_assert_eq!(amount.to_string().parse::<Usd>().unwrap(), amount);
            prop_assert_eq!(Usd::of_cents_text(&amount.cents_text()), Some(amount));
        }
    }
}
