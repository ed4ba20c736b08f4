//! What multiplies the price of tokens: exact factors in thousandths, by model and date.

use std::str::FromStr;

use serde::Deserialize;

use crate::model::ModelPattern;

/// One dated line of multipliers; the longest pattern in force wins, then the newest date.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Multiplier {
    /// What makes the call dearer.
    pub what: What,
    /// Which models the line covers.
    pub model: ModelPattern,
    /// The first day the line holds, `YYYY-MM-DD` UTC.
    pub from: String,
    /// By how much.
    pub times: Times,
    /// Where the figure comes from.
    pub source: String,
}

/// What can make a call dearer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// Answered in fast mode.
    Fast,
    /// Answered in the United States alone.
    Us,
}

/// A factor of at least one, in thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Times(u32);

/// A text that is no factor.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a multiplier: expected 1 to 1000 with at most three decimals, such as \"1.1\"")]
pub struct InvalidTimes;

const ONE: u32 = 1_000;
const MOST: u32 = 1_000 * ONE;

impl Times {
    /// No change.
    pub const ONE: Self = Self(ONE);
}

impl FromStr for Times {
    type Err = InvalidTimes;

    fn from_str(text: &str) -> Result<Self, InvalidTimes> {
        let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
        let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !all_digits(whole) || !all_digits(decimals) || decimals.len() > 3 {
            return Err(InvalidTimes);
        }
        let thousandths = format!("{whole}{decimals:0<3}");
        match thousandths.parse() {
            // Less than one would hand out budget.
            Ok(thousandths) if (ONE..=MOST).contains(&thousandths) => Ok(Self(thousandths)),
            _ => Err(InvalidTimes),
        }
    }
}

impl<'de> Deserialize<'de> for Times {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = crate::written::Written::<'de>::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Femto-dollars times both factors in nano-dollars, a fraction rounded up. What does not fit is the greatest amount.
pub(super) fn rounded_up(femto: i128, one: Times, other: Times) -> i128 {
    let per_nano = 1_000_000 * i128::from(ONE) * i128::from(ONE);
    femto
        .saturating_mul(i128::from(one.0))
        .saturating_mul(i128::from(other.0))
        .saturating_add(per_nano - 1)
        .div_euclid(per_nano)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_factor_is_read_exactly_and_is_never_less_than_one() {
        for (text, expected) in [
            ("1", Some(1_000)),
            ("1.1", Some(1_100)),
            ("1.125", Some(1_125)),
            ("6.0", Some(6_000)),
            ("1000", Some(1_000_000)),
            ("1000.001", None),
            ("0.5", None),
            ("0", None),
            ("-2", None),
            ("1.0001", None),
            ("1e3", None),
            ("", None),
            (".5", None),
            ("2.", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(text.parse().ok(), expected.map(Times), "{text}");
        }
    }

    #[test]
    fn what_is_too_much_for_numbers_is_the_most_and_does_not_wrap() {
        let dear = Times(MOST);
        assert!(rounded_up(i128::MAX, dear, dear) >= i128::from(i64::MAX));
        assert_eq!(rounded_up(0, dear, dear), 0);
        assert_eq!(rounded_up(1, Times::ONE, Times::ONE), 1);
        assert_eq!(rounded_up(1_000_000, Times(1_100), Times::ONE), 2);
    }
}
