//! What sums of use say: how they went day by day, where the period will end if it goes on so, and who used far more than the others.
//! Pure arithmetic over [`store::HourSum`] and [`store::UsageSum`]: no clock, no store. Says nothing where there is too little to say it
//! from. Called by the overview and by the pages of use.

use domain::window::DAY_MS;
use domain::{Timestamp, Usd};
use store::HourSum;

/// Working days that must be over before a forecast is made.
pub const DAYS_MIN: u32 = 3;
/// How many times the mean is far more than the others.
pub const FAR: i64 = 5;

/// What the days of a period that are over were like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pace {
    /// How many of them there were.
    pub days: u32,
    /// Their mean; nothing while there were none.
    pub mean: Usd,
    /// How many are still to come, today among them.
    pub left: u32,
}

/// Where a period ends if it goes on as it went: the days that are over, and for each one to come the mean of its kind. Today counts as a
/// day to come, with what was spent already where that is more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forecast {
    /// Spent at the end of the period.
    pub total: Usd,
    /// Mondays to Fridays, UTC.
    pub working: Pace,
    /// Saturdays and Sundays.
    pub weekend: Pace,
}

/// Why there is no forecast.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoForecast {
    /// Too few working days are over; so many.
    TooSoon(u32),
    /// The period is over.
    Over,
}

/// The forecast of a period whose hours are told, as of a moment in it.
pub fn forecast(
    hours: &[HourSum],
    (from, until): (Timestamp, Timestamp),
    now: Timestamp,
) -> Result<Forecast, NoForecast> {
    if now >= until {
        return Err(NoForecast::Over);
    }
    let today = day_of(now).max(from);
    let (mut working, mut weekend) = (Pace::default(), Pace::default());
    let (mut of_working, mut of_weekend) = (Usd::ZERO, Usd::ZERO);
    let mut day = from;
    while day < until {
        let next = day.plus_ms(DAY_MS);
        let (pace, sum) = if is_weekend(day) {
            (&mut weekend, &mut of_weekend)
        } else {
            (&mut working, &mut of_working)
        };
        if day < today {
            pace.days += 1;
            *sum = sum.plus(spent(hours, (day, next)));
        } else {
            pace.left += 1;
        }
        day = next;
    }
    if working.days < DAYS_MIN {
        return Err(NoForecast::TooSoon(working.days));
    }
    working.mean = mean(of_working, working.days);
    weekend.mean = mean(of_weekend, weekend.days);
    let so_far = spent(hours, (today, until));
    let of_today = if is_weekend(today) {
        &weekend
    } else {
        &working
    }
    .mean;
    let to_come = times(working.mean, working.left).plus(times(weekend.mean, weekend.left));
    let more_today = so_far.minus(of_today).max(Usd::ZERO);
    let total = of_working.plus(of_weekend).plus(to_come).plus(more_today);
    Ok(Forecast {
        total,
        working,
        weekend,
    })
}

fn day_of(at: Timestamp) -> Timestamp {
    Timestamp::from_unix_ms(at.unix_ms().div_euclid(DAY_MS) * DAY_MS)
}

/// Saturday or Sunday. 1970-01-01 was a Thursday.
fn is_weekend(day: Timestamp) -> bool {
    (day.unix_ms().div_euclid(DAY_MS) + 3).rem_euclid(7) >= 5
}

fn spent(hours: &[HourSum], (from, until): (Timestamp, Timestamp)) -> Usd {
    let within = hours
        .iter()
        .filter(|hour| from <= hour.hour && hour.hour < until);
    within.fold(Usd::ZERO, |sum, hour| sum.plus(hour.cost))
}

fn mean(sum: Usd, days: u32) -> Usd {
    Usd::from_nanos(sum.nanos() / i64::from(days.max(1)))
}

fn times(mean: Usd, days: u32) -> Usd {
    Usd::from_nanos(mean.nanos().saturating_mul(i64::from(days)))
}

/// Somebody who used far more than the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Far {
    /// Whose id.
    pub of: String,
    /// How much.
    pub value: i64,
    /// Tenths of how many times the mean that is.
    pub tenths: i64,
}

/// A quantity among those who used anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spread {
    /// How many there are.
    pub of: usize,
    /// Their mean, rounded down.
    pub mean: i64,
    /// Their median; of an even number the mean of the two in the middle.
    pub median: i64,
    /// Those above [`FAR`] times the mean, the greatest first.
    pub far: Vec<Far>,
}

impl Spread {
    /// Of these values; none without any. Of [`FAR`] or fewer nobody can be above so many times the mean, whatever they used.
    pub fn of(values: impl IntoIterator<Item = (String, i64)>) -> Option<Self> {
        let mut values: Vec<(String, i64)> = values.into_iter().collect();
        values.sort_by(|(a, one), (b, other)| other.cmp(one).then_with(|| a.cmp(b)));
        let of = values.len();
        let count = i128::try_from(of).ok().filter(|count| *count > 0)?;
        let sum: i128 = values.iter().map(|(_, value)| i128::from(*value)).sum();
        let small = |number: i128| i64::try_from(number).unwrap_or(i64::MAX);
        let middle = |place: usize| values.get(place).map_or(0, |(_, value)| i128::from(*value));
        let median = i128::midpoint(middle((of - 1) / 2), middle(of / 2));
        let is_far = |value: i64| i128::from(value) * count > i128::from(FAR) * sum;
        let far = values.iter().take_while(|(_, value)| is_far(*value));
        let far = far.map(|(whose, value)| Far {
            of: whose.clone(),
            value: *value,
            tenths: small(i128::from(*value) * count * 10 / sum.max(1)),
        });
        Some(Self {
            of,
            mean: small(sum / count),
            median: small(median),
            far: far.collect(),
        })
    }

    /// Whether there are enough for anybody to stand out.
    pub fn is_telling(&self) -> bool {
        i64::try_from(self.of).is_ok_and(|of| of > FAR)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::window::Period;
    use proptest::prelude::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn hours(days: &[(&str, i64)]) -> Vec<HourSum> {
        let hour = |(day, cents): &(&str, i64)| HourSum {
            hour: at(&format!("{day}T09:00:00Z")),
            requests: 1,
            refused: 0,
            cost: Usd::from_cents(*cents),
        };
        days.iter().map(hour).collect()
    }

    /// The week of Monday, 16 November 2026.
    fn of_week(days: &[(&str, i64)], now: &str) -> Result<Forecast, NoForecast> {
        let now = at(now);
        forecast(&hours(days), Period::Weekly.window(now), now)
    }

    const DAYS: [(&str, i64); 4] = [
        ("2026-11-16", 100),
        ("2026-11-17", 200),
        ("2026-11-18", 300),
        ("2026-11-19", 50),
    ];

    #[test]
    fn a_period_ends_where_its_days_so_far_lead() {
        // Three days are over with a mean of 2 dollars, two working days are to come, and no weekend day was seen.
        let forecast = of_week(&DAYS, "2026-11-19T12:00:00Z").unwrap();
        assert_eq!(forecast.total, Usd::from_cents(600 + 2 * 200));
        assert_eq!((forecast.working.days, forecast.working.left), (3, 2));
        assert_eq!((forecast.weekend.days, forecast.weekend.left), (0, 2));
        assert_eq!(forecast.weekend.mean, Usd::ZERO);
    }

    #[test]
    fn a_day_that_cost_more_than_the_mean_counts_as_it_is() {
        let mut days = DAYS;
        days[3].1 = 900;
        let forecast = of_week(&days, "2026-11-19T12:00:00Z").unwrap();
        assert_eq!(forecast.total, Usd::from_cents(600 + 900 + 200));
    }

    #[test]
    fn weekends_go_by_weekends() {
        let mut days = DAYS.to_vec();
        days.extend([("2026-11-20", 350), ("2026-11-21", 10)]);
        let forecast = of_week(&days, "2026-11-22T01:00:00Z").unwrap();
        assert_eq!(forecast.weekend.mean, Usd::from_cents(10));
        assert_eq!(forecast.total, Usd::from_cents(1_000 + 10 + 10));
    }

    #[test]
    fn nothing_is_foretold_from_two_days_or_of_what_is_over() {
        for (now, expected) in [("2026-11-16T00:00:00Z", 0), ("2026-11-18T23:59:59Z", 2)] {
            assert_eq!(of_week(&DAYS, now), Err(NoForecast::TooSoon(expected)));
        }
        let window = Period::Weekly.window(at("2026-11-16T00:00:00Z"));
        let over = forecast(&hours(&DAYS), window, window.1);
        assert_eq!(over, Err(NoForecast::Over));
    }

    fn spread(values: &[i64]) -> Option<Spread> {
        let named = (0..)
            .zip(values)
            .map(|(n, value)| (format!("per_{n}"), *value));
        Spread::of(named.collect::<Vec<(String, i64)>>())
    }

    #[test]
    fn who_is_above_five_times_the_mean_is_named_with_mean_and_median() {
        let mut values = vec![30; 9];
        values.push(500);
        let spread = spread(&values).unwrap();
        assert_eq!((spread.of, spread.mean, spread.median), (10, 77, 30));
        let far: Vec<_> = spread
            .far
            .iter()
            .map(|far| (far.of.as_str(), far.tenths))
            .collect();
        assert_eq!(far, [("per_9", 64)]);
    }

    #[test]
    fn five_times_the_mean_is_not_above_it_and_of_five_nobody_can_be() {
        let exact = spread(&[0, 0, 0, 0, 50, 10]).unwrap();
        assert_eq!((exact.mean, exact.far.len()), (10, 0));
        let few = spread(&[0, 0, 0, 0, 1_000]).unwrap();
        assert!(few.far.is_empty() && !few.is_telling());
        assert_eq!(spread(&[]), None);
        assert_eq!(spread(&[7]).unwrap().median, 7);
        assert_eq!(spread(&[0; 8]).unwrap().far, []);
    }

    proptest! {
        #[test]
        fn a_forecast_is_never_less_than_what_is_spent(cents in proptest::collection::vec(0i64..1_000_000, 30), day in 4i64..30) {
            let from = at("2026-11-01T00:00:00Z");
            let hours: Vec<HourSum> = (0..day).zip(&cents).map(|(day, cents)| HourSum {
                hour: from.plus_ms(day * DAY_MS),
                requests: 1,
                refused: 0,
                cost: Usd::from_cents(*cents),
            }).collect();
            let now = from.plus_ms((day - 1) * DAY_MS + 7);
            let spent = hours.iter().fold(Usd::ZERO, |sum, hour| sum.plus(hour.cost));
            if let Ok(forecast) = forecast(&hours, Period::Monthly.window(now), now) {
                prop_assert!(forecast.total >= spent, "{:?}", forecast);
            }
        }

        #[test]
        fn nobody_far_is_below_anybody_who_is_not(values in proptest::collection::vec(0i64..1_000_000, 1..60)) {
            let spread = spread(&values).unwrap();
            for far in &spread.far {
                prop_assert!(far.value > FAR * spread.mean && far.tenths >= 50);
            }
            let above = values.iter().filter(|value| **value > FAR * (spread.mean + 1)).count();
            prop_assert!(above <= spread.far.len());
        }
    }
}
