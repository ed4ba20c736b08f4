//! The calendar windows of budgets: UTC days, weeks that begin on Monday, months.

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// A day of UTC, in milliseconds.
pub const DAY_MS: i64 = 86_400_000;

/// How long a budget lasts before it begins anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Period {
    /// From midnight UTC.
    Daily,
    /// From Monday, midnight UTC.
    Weekly,
    /// From the first of the month, midnight UTC.
    Monthly,
}

impl Period {
    /// Every period, shortest first.
    pub const ALL: [Self; 3] = [Self::Daily, Self::Weekly, Self::Monthly];

    /// The word for it on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Daily => "daily",
            Self::Weekly => "weekly",
            Self::Monthly => "monthly",
        }
    }

    /// The window around `at`: its first moment, and the first moment after it.
    pub fn window(self, at: Timestamp) -> (Timestamp, Timestamp) {
        let day = at.unix_ms().div_euclid(DAY_MS);
        let (first, next) = match self {
            Self::Daily => (day, day + 1),
            Self::Weekly => {
                // 1970-01-01 was a Thursday, three days after a Monday.
                let monday = day - (day + 3).rem_euclid(7);
                (monday, monday + 7)
            }
            Self::Monthly => {
                let (year, month) = year_and_month(day);
                let (next_year, next_month) = if month == 12 {
                    (year + 1, 1)
                } else {
                    (year, month + 1)
                };
                (
                    first_of_month(year, month),
                    first_of_month(next_year, next_month),
                )
            }
        };
        (
            Timestamp::from_unix_ms(first * DAY_MS),
            Timestamp::from_unix_ms(next * DAY_MS),
        )
    }
}

/// Days from 1970-01-01 to the first of a month of the proleptic Gregorian calendar (H. Hinnant, "chrono-compatible low-level
/// date algorithms", `days_from_civil`, with the day fixed at 1).
fn first_of_month(year: i64, month: i64) -> i64 {
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let year_of_era = y.rem_euclid(400);
    let shifted = (month + 9) % 12;
    let day_of_year = (153 * shifted + 2) / 5;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

fn year_and_month(day: i64) -> (i64, i64) {
    let shifted = day + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let month = if month_index < 10 {
        month_index + 3
    } else {
        month_index - 9
    };
    (year_of_era + era * 400 + i64::from(month <= 2), month)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(period: Period, at: &str, first: &str, next: &str) {
        let parse = |text: &str| {
            Timestamp::from_unix_ms(text.parse::<jiff::Timestamp>().unwrap().as_millisecond())
        };
        assert_eq!(
            period.window(parse(at)),
            (parse(first), parse(next)),
            "{period:?} around {at}"
        );
    }

    #[test]
    fn windows_begin_at_midnight_on_mondays_and_on_the_first() {
        check(
            Period::Daily,
            "2026-11-21T03:45:15Z",
            "2026-11-21T00:00:00Z",
            "2026-11-22T00:00:00Z",
        );
        check(
            Period::Weekly,
            "2026-11-21T03:45:15Z",
            "2026-11-16T00:00:00Z",
            "2026-11-23T00:00:00Z",
        );
        check(
            Period::Weekly,
            "2026-11-16T00:00:00Z",
            "2026-11-16T00:00:00Z",
            "2026-11-23T00:00:00Z",
        );
        check(
            Period::Monthly,
            "2026-12-31T23:59:59Z",
            "2026-12-01T00:00:00Z",
            "2027-01-01T00:00:00Z",
        );
        check(
            Period::Monthly,
            "2028-02-29T12:00:00Z",
            "2028-02-01T00:00:00Z",
            "2028-03-01T00:00:00Z",
        );
    }

    proptest! {
        #[test]
        fn every_moment_lies_in_its_window_and_the_next_begins_where_it_ends(ms in 0i64..4_102_444_800_000) {
            for period in Period::ALL {
                let at = Timestamp::from_unix_ms(ms);
                let (first, next) = period.window(at);
                prop_assert!(first <= at && at < next);
                prop_assert_eq!(period.window(next).0, next);
            }
        }
    }
}
