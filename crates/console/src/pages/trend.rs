//! How use went, as charts of a period by hour or day; where it leads, as a figure; and who used far more than the others, as a list. Pure
//! but for names: made of what `control::usage` and `control::trend` say. Used by the overview and by the pages of use.

use std::collections::BTreeMap;

use control::records::Copied;
use control::trend::{FAR, Forecast, NoForecast, Spread};
use control::usage::{HourSum, Spreads};
use control::{Right, people, trend};
use domain::window::{DAY_MS, Period};
use domain::{Timestamp, Usd};

use super::chart::{Bar, Chart, Ink, Series, Unit};
use super::parts::{Badge, Figure, Link, Tone, badge};
use super::show::{self, Said};
use super::visit::Visitor;
use super::wrong::Wrong;

const HOUR_MS: i64 = 3_600_000;

/// The hours of a period.
#[derive(Debug, Clone, Copy)]
pub struct Trend<'t> {
    /// What its hours saw.
    pub hours: &'t [HourSum],
    /// The period.
    pub period: Period,
    /// Its first moment, and the first after it.
    pub window: (Timestamp, Timestamp),
}

impl Trend<'_> {
    /// The beginning of each bar, and how long it is.
    fn slots(&self) -> (Vec<Timestamp>, i64) {
        let long = if self.period == Period::Daily {
            HOUR_MS
        } else {
            DAY_MS
        };
        let (from, until) = (self.window.0.unix_ms(), self.window.1.unix_ms());
        let starts = (from..until).step_by(usize::try_from(long).unwrap_or(1));
        (starts.map(Timestamp::from_unix_ms).collect(), long)
    }

    fn bars(&self, mut values: impl FnMut(&[&HourSum]) -> Vec<u64>) -> Vec<Bar> {
        let (slots, long) = self.slots();
        let bar = |start: &Timestamp| {
            let is_in = |hour: &&HourSum| (0..long).contains(&hour.hour.ms_since(*start));
            let within: Vec<&HourSum> = self.hours.iter().filter(is_in).collect();
            let (name, label) = self.named(*start, long);
            Bar {
                name,
                label,
                values: values(&within),
            }
        };
        slots.iter().map(bar).collect()
    }

    fn named(&self, start: Timestamp, long: i64) -> (String, Option<String>) {
        let (name, label) = if long == HOUR_MS {
            let clock = show::clock(start);
            (clock[..5].to_owned(), clock[..2].to_owned())
        } else {
            let day = show::short_day(start);
            let number = day.split(' ').next().unwrap_or_default().to_owned();
            (day, number)
        };
        let every = match self.period {
            Period::Daily => 6,
            Period::Weekly => 1,
            Period::Monthly => 7,
        };
        let place = start.ms_since(self.window.0) / long;
        (name, (place % every == 0).then_some(label))
    }

    const fn by(&self) -> &'static str {
        match self.period {
            Period::Daily => "Hour",
            Period::Weekly | Period::Monthly => "Day",
        }
    }

    fn chart(&self, of: &str, series: &[(&str, Ink)], bars: Vec<Bar>, unit: Unit) -> Chart {
        let of_bar = |bar: &Bar| bar.values.iter().sum::<u64>();
        let total: u64 = bars.iter().map(of_bar).sum();
        let most = bars.iter().max_by_key(|bar| of_bar(bar));
        let most = most.filter(|bar| of_bar(bar) > 0);
        let says = most.map_or_else(
            || format!("{of}: nothing."),
            |bar| {
                let (all, there) = (unit.write(total), unit.write(of_bar(bar)));
                format!("{of}: {all} in all. Most at {}: {there}.", bar.name)
            },
        );
        let series = series.iter().map(|(name, ink)| Series {
            name: (*name).to_owned(),
            ink: *ink,
        });
        Chart {
            says,
            caption: format!("{of} by {}", self.by().to_lowercase()),
            of: self.by().to_owned(),
            series: series.collect(),
            bars,
            limit: None,
            unit,
            height: 128,
            is_running: false,
        }
    }

    /// Calls, allowed and refused.
    pub fn calls(&self) -> Chart {
        let bars = self.bars(|hours| {
            let refused: u64 = hours.iter().map(|hour| hour.refused).sum();
            let all: u64 = hours.iter().map(|hour| hour.requests).sum();
            vec![all.saturating_sub(refused), refused]
        });
        let series = [("allowed", Ink::First), ("refused", Ink::Stop)];
        self.chart("Requests", &series, bars, Unit::Count)
    }

    /// Money.
    pub fn money(&self) -> Chart {
        // Rounded where each bar ends, so that the bars add up to what is spent in all.
        let (mut so_far, mut told) = (Usd::ZERO, 0);
        let bars = self.bars(|hours| {
            so_far = so_far.plus(sum(hours.iter().copied()));
            let more = cents(so_far).saturating_sub(told);
            told += more;
            vec![more]
        });
        self.chart("Spent", &[("spent", Ink::First)], bars, Unit::Cents)
    }
}

/// The money of hours together.
pub fn sum<'h>(hours: impl IntoIterator<Item = &'h HourSum>) -> Usd {
    let add = |sum: Usd, hour: &HourSum| sum.plus(hour.cost);
    hours.into_iter().fold(Usd::ZERO, add)
}

/// Whole cents, for charts: rounded, so that what is shown under a bar is what the table says.
pub fn cents(amount: Usd) -> u64 {
    u64::try_from((amount.nanos() + 5_000_000) / 10_000_000).unwrap_or(0)
}

/// How far what is counted reaches: its newest record, and what is known to be missing. What other replicas hold back nobody here knows.
pub fn age(copied: &Copied, now: Timestamp) -> Vec<String> {
    let newest = copied.newest.map_or_else(
        || "no record yet".to_owned(),
        |at| format!("newest record {} old", show::length(now.ms_since(at))),
    );
    let here = match copied.missing {
        0 if copied.others.is_empty() => "every record is counted".to_owned(),
        0 => "every record of this replica is counted".to_owned(),
        missing => format!(
            "{} of this replica not counted yet",
            show::counted(missing, "record", "records")
        ),
    };
    let mut says = vec!["sums of whole hours, UTC".to_owned(), newest, here];
    let oldest = copied.others.iter().map(|other| other.newest).min();
    if let Some(oldest) = oldest {
        says.push(format!(
            "of {} as far as they have told, the last of them {} ago",
            show::counted(
                copied.others.len() as u64,
                "other replica",
                "other replicas"
            ),
            show::length(now.ms_since(oldest))
        ));
    }
    says
}

/// Out of how many so many people are: who may come in now; everybody who is known where more were active, since some have left since.
pub fn of_people(active: u64, known: people::PeopleCount) -> String {
    if active > known.may_come_in {
        format!("of {} known", show::count(known.all))
    } else {
        format!("of {} who may come in", show::count(known.may_come_in))
    }
}

/// Where the period ends if it goes on so, with how that is reckoned; nothing where the period is over.
pub fn forecast(forecast: &Result<Forecast, NoForecast>, end: &str) -> Option<Figure> {
    let figure = |value: String, of: &str, source: Vec<String>| Figure {
        name: format!("Forecast to {end}"),
        value,
        of: of.to_owned(),
        source,
    };
    match forecast {
        Err(NoForecast::Over) => None,
        Err(NoForecast::TooSoon(days)) => Some(figure(
            "not yet".to_owned(),
            "",
            vec![format!(
                "needs {} whole working days, {days} so far",
                trend::DAYS_MIN
            )],
        )),
        Ok(forecast) => {
            let days = u64::from(forecast.working.days);
            let says = format!(
                "goes by {} so far",
                show::counted(days, "working day", "working days")
            );
            Some(figure(show::usd(forecast.total), "", vec![says]))
        }
    }
}

/// How a forecast is reckoned, in words; nothing without one.
pub fn method(forecast: &Result<Forecast, NoForecast>) -> Vec<String> {
    let Ok(forecast) = forecast else {
        return Vec::new();
    };
    let (working, weekend) = (forecast.working, forecast.weekend);
    let days = |number: u32| show::counted(u64::from(number), "working day", "working days");
    let mut says = vec![format!(
        "forecast: mean of {} so far {}, {} to come",
        days(working.days),
        show::usd(working.mean),
        working.left
    )];
    if weekend.days > 0 {
        says.push(format!(
            "weekend days likewise, mean of {} {}",
            weekend.days,
            show::usd(weekend.mean)
        ));
    } else if weekend.left > 0 {
        says.push("weekend days as nothing: none was seen yet".to_owned());
    }
    says.push("Monday to Friday by UTC, holidays not known".to_owned());
    says
}

/// Somebody who used far more than the others, as a row.
#[derive(Debug, Clone)]
pub struct FarLine {
    /// Who.
    pub who: Link,
    /// How much of what.
    pub sub: String,
    /// How many times the mean.
    pub badge: Badge,
}

/// Who used far more than the others.
#[derive(Debug, Clone, Default)]
pub struct FarLines {
    /// What it is held against: a sentence for each quantity.
    pub says: Vec<String>,
    /// Whoever is far above, once for each quantity.
    pub rows: Vec<FarLine>,
}

/// Rows that are shown of each quantity.
const FAR_SHOWN: usize = 5;

impl FarLines {
    /// With names; nothing for whoever may not see people.
    pub async fn of(visitor: &Visitor, spreads: &Spreads) -> Result<Option<Self>, Wrong> {
        if !visitor.actor().may(Right::PeopleRead) {
            return Ok(None);
        }
        let all = [spreads.money.as_ref(), spreads.requests.as_ref()];
        let far = all
            .into_iter()
            .flatten()
            .flat_map(|spread| spread.far.iter().take(FAR_SHOWN));
        let mut ids: Vec<String> = far.map(|far| far.of.clone()).collect();
        ids.sort_unstable();
        ids.dedup();
        let labels = people::labels(&visitor.operation(), &ids).await?;
        Ok(Some(Self::told(spreads, &labels)))
    }

    fn told(spreads: &Spreads, labels: &BTreeMap<String, String>) -> Self {
        let money = |nanos: i64| show::usd(Usd::from_nanos(nanos));
        let count = |number: i64| show::count(number.unsigned_abs());
        let mut lines = Self::default();
        if let Some(spread) = &spreads.money {
            lines.add(spread, labels, ("Money", " spent"), money);
        }
        if let Some(spread) = &spreads.requests {
            lines.add(spread, labels, ("Requests", " requests"), count);
        }
        lines
    }

    fn add(
        &mut self,
        spread: &Spread,
        labels: &BTreeMap<String, String>,
        (what, unit): (&str, &str),
        write: impl Fn(i64) -> String,
    ) {
        let of = show::counted(spread.of as u64, "person", "people");
        let bound = match (spread.is_telling(), spread.far.len()) {
            (false, _) => format!("of so few nobody can be above {FAR} times the mean"),
            (true, 0) => format!("nobody above {FAR} times the mean"),
            (true, far) => format!("{far} above {FAR} times the mean"),
        };
        self.says.push(format!(
            "{what}: mean {}, median {} of the {of} who made a call; {bound}.",
            write(spread.mean),
            write(spread.median)
        ));
        let row = |far: &trend::Far| FarLine {
            who: Link {
                to: format!("/console/people/{}", far.of),
                word: labels
                    .get(&far.of)
                    .map_or_else(|| Said::from(&far.of), Said::from),
            },
            sub: format!("{}{unit}", write(far.value)),
            badge: badge(
                Tone::Ask,
                format!("{}.{} × the mean", far.tenths / 10, far.tenths % 10),
            ),
        };
        self.rows.extend(spread.far.iter().take(FAR_SHOWN).map(row));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_never_more_than_what_they_are_out_of() {
        let known = people::PeopleCount {
            all: 47,
            may_come_in: 45,
        };
        assert_eq!(of_people(10, known), "of 45 who may come in");
        assert_eq!(of_people(46, known), "of 47 known");
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn hour(text: &str, (requests, refused, cents): (u64, u64, i64)) -> HourSum {
        HourSum {
            hour: at(text),
            requests,
            refused,
            cost: Usd::from_cents(cents),
        }
    }

    #[test]
    fn every_hour_stands_in_its_own_bar_and_none_in_two() {
        let hours = [
            hour("2026-11-16T00:00:00Z", (3, 1, 250)),
            hour("2026-11-16T23:00:00Z", (2, 0, 50)),
            hour("2026-11-22T23:00:00Z", (1, 1, 0)),
        ];
        let window = Period::Weekly.window(hours[0].hour);
        let week = Trend {
            hours: &hours,
            period: Period::Weekly,
            window,
        };
        let calls = week.calls();
        assert_eq!(calls.bars.len(), 7);
        assert_eq!(calls.bars[0].values, [4, 1]);
        assert_eq!(calls.bars[6].values, [0, 1]);
        assert!(
            calls.says.contains("6 in all. Most at 16 November: 5"),
            "{}",
            calls.says
        );
        let money: u64 = week
            .money()
            .bars
            .iter()
            .flat_map(|bar| bar.values.clone())
            .sum();
        assert_eq!(money, 300);
        let thirds: Vec<HourSum> = (16..19)
            .map(|day| HourSum {
                cost: Usd::from_nanos(4_000_000),
                ..hour(&format!("2026-11-{day}T09:00:00Z"), (1, 0, 0))
            })
            .collect();
        let of_thirds = Trend {
            hours: &thirds,
            ..week
        };
        let cents: Vec<u64> = of_thirds
            .money()
            .bars
            .iter()
            .map(|bar| bar.values[0])
            .collect();
        assert_eq!(cents, [0, 1, 0, 0, 0, 0, 0], "1.2 cents in all");
        let day = Trend {
            hours: &hours[..1],
            period: Period::Daily,
            window: Period::Daily.window(hours[0].hour),
        };
        assert_eq!(
            (day.calls().bars.len(), day.calls().of.as_str()),
            (24, "Hour")
        );
    }

    #[test]
    fn a_forecast_says_how_it_is_reckoned_and_none_is_made_too_soon() {
        let pace = |days, cents, left| trend::Pace {
            days,
            mean: Usd::from_cents(cents),
            left,
        };
        let made = Forecast {
            total: Usd::from_cents(100_000),
            working: pace(4, 2_000, 9),
            weekend: pace(0, 0, 4),
        };
        let shown = forecast(&Ok(made), "30 November").unwrap();
        assert_eq!(shown.value, "$1,000.00");
        let says = method(&Ok(made)).join("; ");
        for part in [
            "mean of 4 working days so far $20.00, 9 to come",
            "none was seen",
        ] {
            assert!(says.contains(part), "{says}");
        }
        let soon = Err(NoForecast::TooSoon(1));
        assert_eq!(forecast(&soon, "x").unwrap().value, "not yet");
        assert!(method(&soon).is_empty());
        assert!(forecast(&Err(NoForecast::Over), "x").is_none());
    }

    #[test]
    fn nobody_claims_to_count_what_other_replicas_hold_back() {
        let now = at("2026-11-21T12:00:00Z");
        let mut copied = Copied {
            newest: Some(now.plus_ms(-2_000)),
            missing: 0,
            others: Vec::new(),
        };
        assert!(age(&copied, now).contains(&"every record is counted".to_owned()));
        copied.others.push(control::records::OtherChain {
            chain: "gw-2.1".to_owned(),
            newest: now.plus_ms(-180_000),
        });
        let says = age(&copied, now).join(", ");
        assert!(
            says.contains("every record of this replica is counted"),
            "{says}"
        );
        assert!(
            says.ends_with(
                "of 1 other replica as far as they have told, the last of them 3 min ago"
            ),
            "{says}"
        );
    }

    #[test]
    fn whoever_is_far_above_is_named_with_what_they_are_held_against() {
        let mut values: Vec<(String, i64)> = (0..9).map(|n| (format!("per_{n}"), 10)).collect();
        values.push(("per_far".to_owned(), 900));
        let spreads = Spreads {
            money: None,
            requests: Spread::of(values),
        };
        let labels = BTreeMap::from([("per_far".to_owned(), "<b>Far".to_owned())]);
        let lines = FarLines::told(&spreads, &labels);
        assert_eq!(
            lines.says,
            [
                "Requests: mean 99, median 10 of the 10 people who made a call; 1 above 5 times the mean."
            ]
        );
        assert_eq!(lines.rows[0].who.word.plain(), "<b>Far");
        assert!(lines.rows[0].badge.to_string().contains("9.0 × the mean"));
    }
}
