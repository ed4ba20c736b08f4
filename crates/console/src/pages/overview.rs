//! The first page: what happened in a period, with what each number is out of and how old it is, and what needs somebody. Sums come
//! from roll-ups, never from records. Whoever has no place of the console sees their own page here.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::response::Response;
use axum::routing::get;
use control::overview::Needs;
use control::people::PeopleCount;
use control::records::Copied;
use control::sensors::{self, Heard, Sensor};
use control::trend::{Forecast, NoForecast};
use control::usage::{HourSum, RefusalSum};
use control::{Right, usage};
use domain::window::{DAY_MS, Period};
use domain::{ReasonCode, Timestamp, Usd};
use serde::Deserialize;

use super::answer;
use super::asked::{Asked, given};
use super::chart::{Bar, Chart, Ink, Series, Share, Unit};
use super::needs::{NeedLine, line};
use super::parts::{self, Empty, Figure, Notice, Source, State, Tone, state};
use super::shell::{Place, Shell};
use super::show::{self, Said};
use super::trend::{self, FarLines, Trend};
use super::visit::Visitor;
use super::wrong::Wrong;
use crate::Console;

const HOUR_MS: i64 = 3_600_000;

/// Things of each sort that need somebody.
const NEEDS_SHOWN: usize = 5;

/// `GET /console`.
pub fn routes() -> Router<Arc<Console>> {
    Router::new().route("/console", get(read))
}

#[derive(Debug, Deserialize)]
struct Which {
    period: Option<String>,
}

/// One period of the switch.
#[derive(Debug, Clone, Copy)]
struct Choice {
    word: &'static str,
    to: &'static str,
    is_on: bool,
}

/// How often one reason refused something.
#[derive(Debug, Clone)]
struct RefusalLine {
    what: String,
    code: String,
    times: String,
    share: Share,
}

#[derive(Template)]
#[template(path = "overview.html")]
struct Page {
    shell: Shell,
    title: String,
    lead: String,
    choices: Vec<Choice>,
    figures: Vec<Figure>,
    first_steps: Option<Notice>,
    needs: Vec<NeedLine>,
    needs_say: String,
    /// Where the open tasks are, for whoever sees them.
    tasks: Option<&'static str>,
    calls: Chart,
    spend: Option<Chart>,
    spend_name: &'static str,
    spend_says: String,
    refusals: Vec<RefusalLine>,
    refusals_say: String,
    is_ledger_shown: bool,
    none_refused: Empty,
    far: Option<FarLines>,
    silent: Vec<SensorLine>,
    sensors: Vec<SensorLine>,
    method: Source,
    source: Source,
}

/// A sensor as a line.
#[derive(Debug, Clone)]
struct SensorLine {
    name: Said,
    state: State,
    last: String,
    says: Said,
    silence: &'static str,
}

async fn read(visitor: Visitor, Asked(which): Asked<Which>) -> Result<Response, Wrong> {
    if !visitor.actor().may(Right::OrgRead) {
        // Whoever has nothing to look after has their own page.
        return super::me::page::page(&visitor, "").await;
    }
    let period = match given(which.period.as_ref()) {
        "week" => Period::Weekly,
        "month" => Period::Monthly,
        _ => Period::Daily,
    };
    let seen = Seen::read(&visitor, period).await?;
    let first_steps = super::start::left(&visitor, &seen.month).await?;
    let page = seen.page(&visitor);
    Ok(answer(&Page {
        first_steps,
        ..page
    }))
}

/// Everything the page is made of, as one moment has it.
struct Seen {
    now: Timestamp,
    period: Period,
    from: Timestamp,
    hours: Vec<HourSum>,
    month: Vec<HourSum>,
    callers: (u64, u64),
    people: PeopleCount,
    refusals: Vec<RefusalSum>,
    budget: Option<Usd>,
    needs: Needs,
    copied: Copied,
    sensors: Vec<Sensor>,
    far: Option<FarLines>,
}

impl Seen {
    async fn read(visitor: &Visitor, period: Period) -> Result<Self, Wrong> {
        let (operation, console) = (visitor.operation(), visitor.console());
        let now = operation.clock.now();
        let from = window(period, now).0;
        let range = (from, now.plus_ms(1));
        let month = (Period::Monthly.window(now).0, now.plus_ms(1));
        // the first day of a week may be of the month before
        let since = from.min(month.0);
        // side by side: what takes long are sums over a month
        let (hours, spreads, refusals, needs) = tokio::try_join!(
            usage::by_hour(&operation, (since, range.1)),
            usage::spread(&operation, month),
            usage::refusals(&operation, range),
            control::overview::needs(&operation, &console.installation.recorded, NEEDS_SHOWN),
        )?;
        let hours_since = |first| hours.iter().filter(move |sum| sum.hour >= first).cloned();
        Ok(Self {
            now,
            period,
            from,
            hours: hours_since(from).collect(),
            month: hours_since(month.0).collect(),
            callers: usage::callers(&operation, range).await?,
            people: control::people::count(&operation).await?,
            refusals,
            budget: usage::budget_together(&operation, Period::Monthly).await?,
            needs,
            copied: control::records::copied(&operation).await?,
            sensors: sensors::read(&operation, &console.installation, &*console.sensing).await?,
            far: FarLines::of(visitor, &spreads).await?,
        })
    }

    fn page(self, visitor: &Visitor) -> Page {
        let foretold =
            control::trend::forecast(&self.month, Period::Monthly.window(self.now), self.now);
        let lines = |silent: bool| {
            let of = self.sensors.iter();
            let of = of.filter(|sensor| (sensor.heard == Heard::Silent) == silent);
            of.map(|sensor| sensor_line(sensor, self.now)).collect()
        };
        let requests: u64 = self.hours.iter().map(|hour| hour.requests).sum();
        let refused: u64 = self.hours.iter().map(|hour| hour.refused).sum();
        Page {
            shell: Shell::new(visitor, Place::Overview, "Overview"),
            title: self.title(),
            lead: self.lead(),
            choices: self.choices(),
            silent: lines(true),
            sensors: lines(false),
            method: Source(trend::method(&foretold)),
            figures: self.figures((requests, refused), &foretold),
            first_steps: None,
            needs: self
                .needs
                .first
                .iter()
                .map(|need| line(need, self.now))
                .collect(),
            needs_say: self.needs_say(),
            tasks: self.needs.open_tasks.map(|_| Place::Tasks.path()),
            calls: Trend {
                hours: &self.hours,
                period: self.period,
                window: window(self.period, self.now),
            }
            .calls(),
            spend: self.spend(),
            spend_name: if self.budget.is_some() {
                "Spend against the budget"
            } else {
                "Spent this month"
            },
            spend_says: self.month_says(),
            refusals: refusal_lines(&self.refusals),
            refusals_say: refused_of(refused, requests, &self.refusals),
            is_ledger_shown: visitor.actor().may(Right::LedgerRead),
            none_refused: Empty::new(
                "shield",
                "Nothing was refused",
                "When the rules, a budget or inspection say no, each reason stands here with how often it did.",
            ),
            source: Source(trend::age(&self.copied, self.now)),
            far: self.far,
        }
    }

    fn title(&self) -> String {
        match self.period {
            Period::Daily => "The last 24 hours".to_owned(),
            Period::Weekly => format!("The week since {}", show::short_day(self.from)),
            Period::Monthly => show::month(self.now).to_owned(),
        }
    }

    fn lead(&self) -> String {
        let since = match self.period {
            Period::Daily => {
                let (day, clock) = (show::weekday(self.from), show::clock(self.from));
                format!("{day}, {} UTC", &clock[..5])
            }
            Period::Weekly => format!("Monday {}", show::short_day(self.from)),
            Period::Monthly => show::short_day(self.from),
        };
        let silent = self
            .sensors
            .iter()
            .filter(|sensor| sensor.heard == Heard::Silent);
        let named: Vec<String> = silent.map(|sensor| since_when(sensor, self.now)).collect();
        let heard = if named.is_empty() {
            String::new()
        } else {
            let sensors = show::counted(named.len() as u64, "sensor is", "sensors are");
            format!(" {sensors} silent: {}.", named.join("; "))
        };
        format!(
            "Since {since}, as of {}, {} UTC.{heard}",
            show::short_day(self.now),
            show::clock(self.now)
        )
    }

    fn choices(&self) -> Vec<Choice> {
        let choice = |word, to, period| Choice {
            word,
            to,
            is_on: self.period == period,
        };
        vec![
            choice("24 hours", "/console", Period::Daily),
            choice("Week", "/console?period=week", Period::Weekly),
            choice("Month", "/console?period=month", Period::Monthly),
        ]
    }

    fn figures(
        &self,
        (requests, refused): (u64, u64),
        foretold: &Result<Forecast, NoForecast>,
    ) -> Vec<Figure> {
        let (people, services) = self.callers;
        let figure = |name: &str, value: String, of: String, source: Vec<String>| Figure {
            name: name.to_owned(),
            value,
            of,
            source,
        };
        let open = match self.needs.open_tasks {
            Some(open) => figure(
                "Open tasks",
                show::count(open),
                String::new(),
                vec!["for people who come and go".to_owned()],
            ),
            None => figure(
                "Refused",
                show::count(refused),
                refused_of(refused, requests, &self.refusals),
                Vec::new(),
            ),
        };
        let mut figures = vec![
            figure(
                "Requests",
                show::count(requests),
                String::new(),
                vec![refused_of(refused, requests, &self.refusals)],
            ),
            figure(
                "People active",
                show::count(people),
                trend::of_people(people, self.people),
                vec![
                    format!("{} known", show::count(self.people.all)),
                    show::counted(services, "service too", "services too"),
                ],
            ),
            figure(
                &format!("Spent in {}", show::month(self.now)),
                show::usd(self.spent()),
                self.budget
                    .map(|budget| format!("of {}", show::usd(budget)))
                    .unwrap_or_default(),
                vec![self.month_says()],
            ),
        ];
        let end = show::short_day(Period::Monthly.window(self.now).1.plus_ms(-1));
        figures.extend(trend::forecast(foretold, &end));
        figures.push(open);
        figures
    }

    fn spent(&self) -> Usd {
        trend::sum(&self.month)
    }

    fn month_says(&self) -> String {
        match self.budget {
            None => "no budget for the organisation together".to_owned(),
            Some(budget) => {
                let share = show::percent(self.spent().nanos(), budget.nanos());
                let anew = show::short_day(Period::Monthly.window(self.now).1);
                format!(
                    "{} of the budget, anew on {anew}",
                    share.unwrap_or_default()
                )
            }
        }
    }

    /// What was spent in all since the month began, day by day, against the budget; nothing while nothing was.
    fn spend(&self) -> Option<Chart> {
        if self.spent() == Usd::ZERO && self.budget.is_none() {
            return None;
        }
        let (from, until) = Period::Monthly.window(self.now);
        let days = (until.ms_since(from) / DAY_MS).max(1);
        let mut bars = Vec::new();
        for day in 0..days {
            let end = from.plus_ms((day + 1) * DAY_MS);
            let is_over = from.plus_ms(day * DAY_MS) > self.now;
            let spent = self.month.iter().filter(|hour| hour.hour < end);
            let cents = trend::cents(trend::sum(spent));
            bars.push(Bar {
                name: show::short_day(from.plus_ms(day * DAY_MS)),
                label: (day == 0 || (day + 1) % 5 == 0).then(|| (day + 1).to_string()),
                values: vec![if is_over { 0 } else { cents }],
            });
        }
        Some(Chart {
            says: format!(
                "Spent in {} so far: {}; {}.",
                show::month(self.now),
                show::usd(self.spent()),
                self.month_says()
            ),
            caption: format!("Spent in {} in all, day by day", show::month(self.now)),
            of: "Day".to_owned(),
            series: vec![Series {
                name: "spent in all".to_owned(),
                ink: Ink::First,
            }],
            bars,
            limit: self.budget.map(|budget| {
                (
                    trend::cents(budget),
                    format!("Budget {}", show::usd(budget)),
                )
            }),
            unit: Unit::Cents,
            height: 188,
            is_running: true,
        })
    }

    fn needs_say(&self) -> String {
        match self.needs.open_tasks {
            Some(open) => show::counted(open, "open task", "open tasks"),
            None => String::new(),
        }
    }
}

/// The first moment of what a period shows, and the first after it. Of a day the last 24 whole hours, the one under way among them: after
/// midnight a calendar day would show nothing.
fn window(period: Period, now: Timestamp) -> (Timestamp, Timestamp) {
    if period != Period::Daily {
        return period.window(now);
    }
    let hour = Timestamp::from_unix_ms(now.unix_ms().div_euclid(HOUR_MS) * HOUR_MS);
    let next = hour.plus_ms(HOUR_MS);
    (next.plus_ms(-DAY_MS), next)
}

/// A silent sensor and how long it is so, for a sentence.
fn since_when(sensor: &Sensor, now: Timestamp) -> String {
    let name = sensor.of.name();
    let mut letters = name.chars();
    let first = letters.next().map(|letter| letter.to_ascii_lowercase());
    let name: String = first.into_iter().chain(letters).collect();
    match sensor.last {
        Some(last) => format!("{name} for {}", show::length(now.ms_since(last))),
        None => name,
    }
}

fn sensor_line(sensor: &Sensor, now: Timestamp) -> SensorLine {
    SensorLine {
        name: Said::from(sensor.of.name()),
        state: match sensor.heard {
            Heard::Speaks => state(Tone::Allow, "Live"),
            Heard::Silent => state(Tone::Alert, "Silent"),
            Heard::NotYet => state(Tone::None, "Nothing yet"),
            Heard::Absent => state(Tone::None, "Absent"),
        },
        last: sensor.last.map_or_else(String::new, |last| {
            format!("{} ago", show::length(now.ms_since(last)))
        }),
        says: Said::from(&sensor.says),
        silence: sensor.of.silence(),
    }
}

/// How many were refused of so many, and how many of them only until somebody approves: those were asked about, and most are sent later.
fn refused_of(refused: u64, requests: u64, why: &[RefusalSum]) -> String {
    let tenths = show::tenths_of_percent(
        i64::try_from(refused).unwrap_or(i64::MAX),
        i64::try_from(requests).unwrap_or(i64::MAX),
    );
    match tenths {
        None => "none refused".to_owned(),
        Some(tenths) => {
            let held = why
                .iter()
                .find(|sum| sum.code == ReasonCode::ApprovalNeeded.as_str());
            let held = held.map(|sum| {
                let many = show::count(sum.refusals);
                format!(", {many} of them until an approval")
            });
            format!(
                "{} refused ({}.{} %){}",
                show::count(refused),
                tenths / 10,
                tenths % 10,
                held.unwrap_or_default()
            )
        }
    }
}

fn refusal_lines(sums: &[RefusalSum]) -> Vec<RefusalLine> {
    let most = sums.iter().map(|sum| sum.refusals).max().unwrap_or(0);
    let whole = i64::try_from(most).unwrap_or(i64::MAX);
    let line = |sum: &RefusalSum| {
        let known = ReasonCode::ALL
            .iter()
            .find(|code| code.as_str() == sum.code);
        let times = i64::try_from(sum.refusals).unwrap_or(i64::MAX);
        RefusalLine {
            what: known
                .map_or("A reason of a later version", |code| code.what())
                .to_owned(),
            code: sum.code.clone(),
            times: show::count(sum.refusals),
            share: Share {
                tenths: show::tenths_of_percent(times, whole).unwrap_or(0),
            },
        }
    };
    sums.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_waits_for_an_approval_is_told_apart_from_a_no() {
        let sum = |code: ReasonCode, refusals| RefusalSum {
            code: code.as_str().to_owned(),
            refusals,
        };
        let no = sum(ReasonCode::ModelNotAllowed, 2);
        assert_eq!(
            refused_of(2, 100, std::slice::from_ref(&no)),
            "2 refused (2.0 %)"
        );
        let both = [no, sum(ReasonCode::ApprovalNeeded, 3)];
        assert_eq!(
            refused_of(5, 100, &both),
            "5 refused (5.0 %), 3 of them until an approval"
        );
        assert_eq!(refused_of(0, 0, &[]), "none refused");
    }

    #[test]
    fn after_midnight_the_first_page_shows_the_evening_before() {
        let midnight = 20_775 * DAY_MS;
        for past in [0, 1, HOUR_MS - 1, 13 * HOUR_MS + 5] {
            let now = Timestamp::from_unix_ms(midnight + past);
            let (from, until) = window(Period::Daily, now);
            assert_eq!(until.ms_since(from), DAY_MS);
            assert!(from < now && now < until, "{past}");
            assert_eq!(from.unix_ms() % HOUR_MS, 0, "sums are of whole hours");
        }
        let now = Timestamp::from_unix_ms(midnight);
        assert_eq!(window(Period::Weekly, now), Period::Weekly.window(now));
    }
}
