//! The first page: what happened in a period, with what each number is out of and how old it is, and what needs somebody. Sums come
//! from roll-ups, never from records. Whoever has no place of the console sees their own page here.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::response::Response;
use axum::routing::get;
use control::overview::{Need, Needs};
use control::people::PeopleCount;
use control::records::Copied;
use control::usage::{HourSum, RefusalSum};
use control::{Right, tasks, usage};
use domain::window::{DAY_MS, Period};
use domain::{ReasonCode, Timestamp, Usd};
use serde::Deserialize;

use super::answer;
use super::asked::{Asked, given};
use super::chart::{Bar, Chart, Ink, Series, Share, Unit};
use super::parts::{self, Badge, Empty, Figure, Icon, Source, Tone, badge, icon, tag};
use super::shell::{Place, Shell};
use super::show::{self, Said};
use super::visit::Visitor;
use super::wrong::Wrong;
use crate::Console;

/// Things of each sort that need somebody.
const NEEDS_SHOWN: usize = 5;
const HOUR_MS: i64 = 3_600_000;

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

/// Something that needs somebody, as a line.
#[derive(Debug, Clone)]
struct NeedLine {
    drawing: Icon,
    what: Said,
    sub: Said,
    to: Option<String>,
    badge: Badge,
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
    needs: Vec<NeedLine>,
    needs_say: String,
    calls: Chart,
    spend: Option<Chart>,
    spend_name: &'static str,
    spend_says: String,
    refusals: Vec<RefusalLine>,
    refusals_say: String,
    is_ledger_shown: bool,
    none_refused: Empty,
    source: Source,
}

async fn read(visitor: Visitor, Asked(which): Asked<Which>) -> Result<Response, Wrong> {
    if !visitor.actor().may(Right::OrgRead) {
        // Whoever has nothing to look after has their own page.
        return super::me::page(&visitor, "").await;
    }
    let period = match given(which.period.as_ref()) {
        "week" => Period::Weekly,
        "month" => Period::Monthly,
        _ => Period::Daily,
    };
    let seen = Seen::read(&visitor, period).await?;
    Ok(answer(&seen.page(&visitor)))
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
}

impl Seen {
    async fn read(visitor: &Visitor, period: Period) -> Result<Self, Wrong> {
        let (operation, console) = (visitor.operation(), visitor.console());
        let now = operation.clock.now();
        let from = period.window(now).0;
        let range = (from, now.plus_ms(1));
        let month = (Period::Monthly.window(now).0, now.plus_ms(1));
        let needs =
            control::overview::needs(&operation, &console.installation.recorded, NEEDS_SHOWN);
        Ok(Self {
            now,
            period,
            from,
            hours: usage::by_hour(&operation, range).await?,
            month: usage::by_hour(&operation, month).await?,
            callers: usage::callers(&operation, range).await?,
            people: control::people::count(&operation).await?,
            refusals: usage::refusals(&operation, range).await?,
            budget: usage::budget_together(&operation, Period::Monthly).await?,
            needs: needs.await?,
            copied: control::records::copied(&operation).await?,
        })
    }

    fn page(&self, visitor: &Visitor) -> Page {
        let requests: u64 = self.hours.iter().map(|hour| hour.requests).sum();
        let refused: u64 = self.hours.iter().map(|hour| hour.refused).sum();
        Page {
            shell: Shell::new(visitor, Place::Overview, "Overview"),
            title: self.title(),
            lead: self.lead(),
            choices: self.choices(),
            figures: self.figures(requests, refused),
            needs: self
                .needs
                .first
                .iter()
                .map(|need| self.need(visitor, need))
                .collect(),
            needs_say: self.needs_say(),
            calls: self.calls(requests),
            spend: self.spend(),
            spend_name: if self.budget.is_some() {
                "Spend against the budget"
            } else {
                "Spent this month"
            },
            spend_says: self.month_says(),
            refusals: refusal_lines(&self.refusals),
            refusals_say: refused_of(refused, requests),
            is_ledger_shown: visitor.actor().may(Right::LedgerRead),
            none_refused: Empty::new(
                "shield",
                "Nothing was refused",
                "When the rules, a budget or inspection say no, each reason stands here with how often it did.",
            ),
            source: Source(self.source()),
        }
    }

    fn title(&self) -> String {
        match self.period {
            Period::Daily => format!("{} {}", show::weekday(self.now), show::short_day(self.now)),
            Period::Weekly => format!("The week since {}", show::short_day(self.from)),
            Period::Monthly => show::month(self.now).to_owned(),
        }
    }

    fn lead(&self) -> String {
        let since = match self.period {
            Period::Daily => "midnight UTC".to_owned(),
            Period::Weekly => format!("Monday {}, UTC", show::short_day(self.from)),
            Period::Monthly => format!("{}, UTC", show::short_day(self.from)),
        };
        format!(
            "Since {since}, as of {}. {}",
            show::clock(self.now),
            self.sensor()
        )
    }

    /// How far what is counted here reaches.
    fn sensor(&self) -> String {
        match self.copied.missing {
            0 => "Every record that was written is counted.".to_owned(),
            missing => format!(
                "{} not counted yet.",
                show::counted(missing, "record is", "records are")
            ),
        }
    }

    fn source(&self) -> Vec<String> {
        let newest = self.copied.newest.map_or_else(
            || "no record yet".to_owned(),
            |at| format!("newest record {} old", show::length(self.now.ms_since(at))),
        );
        vec![
            "sums of whole hours, calls that have ended and refusals".to_owned(),
            newest,
            self.sensor().trim_end_matches('.').to_lowercase(),
        ]
    }

    fn choices(&self) -> Vec<Choice> {
        let choice = |word, to, period| Choice {
            word,
            to,
            is_on: self.period == period,
        };
        vec![
            choice("Day", "/console", Period::Daily),
            choice("Week", "/console?period=week", Period::Weekly),
            choice("Month", "/console?period=month", Period::Monthly),
        ]
    }

    fn figures(&self, requests: u64, refused: u64) -> Vec<Figure> {
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
                show::count(open as u64) + if self.needs.more_tasks { "+" } else { "" },
                String::new(),
                vec!["for people who come and go".to_owned()],
            ),
            None => figure(
                "Refused",
                show::count(refused),
                refused_of(refused, requests),
                Vec::new(),
            ),
        };
        vec![
            figure(
                "Requests",
                show::count(requests),
                String::new(),
                vec![refused_of(refused, requests)],
            ),
            figure(
                "People active",
                show::count(people),
                format!(
                    "of {} who may come in",
                    show::count(self.people.may_come_in)
                ),
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
            open,
        ]
    }

    fn spent(&self) -> Usd {
        self.month
            .iter()
            .fold(Usd::ZERO, |sum, hour| sum.plus(hour.cost))
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

    /// The beginning of each bar, and how long it is.
    fn slots(&self) -> (Vec<Timestamp>, i64) {
        let (from, until) = self.period.window(self.now);
        let long = if self.period == Period::Daily {
            HOUR_MS
        } else {
            DAY_MS
        };
        let starts = (from.unix_ms()..until.unix_ms()).step_by(usize::try_from(long).unwrap_or(1));
        (starts.map(Timestamp::from_unix_ms).collect(), long)
    }

    fn calls(&self, requests: u64) -> Chart {
        let (slots, long) = self.slots();
        let bars: Vec<Bar> = slots
            .iter()
            .map(|start| self.call_bar(*start, long))
            .collect();
        let most = bars.iter().max_by_key(|bar| bar.values.iter().sum::<u64>());
        let most = most.filter(|bar| bar.values.iter().any(|value| *value > 0));
        let says = most.map_or_else(
            || "No requests.".to_owned(),
            |bar| {
                let sum = bar.values.iter().sum();
                format!(
                    "{}. Most at {}: {}.",
                    show::counted(requests, "request", "requests"),
                    bar.name,
                    show::count(sum)
                )
            },
        );
        let by = if long == HOUR_MS { "Hour" } else { "Day" };
        Chart {
            says,
            caption: format!("Requests by {}", by.to_lowercase()),
            of: by.to_owned(),
            series: vec![
                Series {
                    name: "allowed".to_owned(),
                    ink: Ink::First,
                },
                Series {
                    name: "refused".to_owned(),
                    ink: Ink::Stop,
                },
            ],
            bars,
            limit: None,
            unit: Unit::Count,
            height: 128,
            is_running: false,
        }
    }

    fn call_bar(&self, start: Timestamp, long: i64) -> Bar {
        let is_in = |hour: &&HourSum| (0..long).contains(&hour.hour.ms_since(start));
        let within = self.hours.iter().filter(is_in);
        let (mut all, mut refused) = (0, 0);
        for hour in within {
            all += hour.requests;
            refused += hour.refused;
        }
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
        let place = start.ms_since(self.from) / long;
        Bar {
            name,
            label: (place % every == 0).then_some(label),
            values: vec![all - refused, refused],
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
            let spent = spent.fold(Usd::ZERO, |sum, hour| sum.plus(hour.cost));
            let cents = u64::try_from(spent.nanos() / 10_000_000).unwrap_or(0);
            bars.push(Bar {
                name: show::short_day(from.plus_ms(day * DAY_MS)),
                label: (day == 0 || (day + 1) % 5 == 0).then(|| (day + 1).to_string()),
                values: vec![if is_over { 0 } else { cents }],
            });
        }
        let cents = |amount: Usd| u64::try_from(amount.nanos() / 10_000_000).unwrap_or(0);
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
            limit: self
                .budget
                .map(|budget| (cents(budget), format!("Budget {}", show::usd(budget)))),
            unit: Unit::Cents,
            height: 188,
            is_running: true,
        })
    }

    fn needs_say(&self) -> String {
        match self.needs.open_tasks {
            Some(open) if self.needs.more_tasks => {
                format!("of {}+ open tasks", show::count(open as u64))
            }
            Some(open) => show::counted(open as u64, "open task", "open tasks"),
            None => String::new(),
        }
    }

    fn need(&self, visitor: &Visitor, need: &Need) -> NeedLine {
        match need {
            Need::Task(task) => {
                let person = task.about.parse::<domain::PersonId>().ok();
                let person = person.filter(|_| visitor.actor().may(Right::PeopleRead));
                NeedLine {
                    drawing: icon("task"),
                    what: Said::from(task.kind.title()),
                    sub: Said::from(&task.label),
                    to: person.map(|person| format!("/console/people/{person}")),
                    badge: due(tasks::standing(task, self.now), task.due),
                }
            }
            Need::UseOutdated { version } => NeedLine {
                drawing: icon("policy"),
                what: "The acceptable-use policy no longer says what is recorded".into(),
                sub: Said::from(format!("Version {version} is in force. Publish a new one.")),
                to: None,
                badge: badge(Tone::Ask, "outdated"),
            },
            Need::Owners(warning) => NeedLine {
                drawing: icon("key"),
                what: "The number of owners".into(),
                sub: Said::from(warning),
                to: None,
                badge: badge(Tone::Ask, "owners"),
            },
            Need::Ends { what, name, at } => NeedLine {
                drawing: icon("key"),
                what: Said::from(format!("A {what} ends on {}", show::short_day(*at))),
                sub: Said::from(name),
                to: None,
                badge: badge(Tone::Ask, show::length(at.ms_since(self.now))),
            },
        }
    }
}

/// How a task stands, as a badge.
pub(super) fn due(standing: tasks::Standing, due: Timestamp) -> Badge {
    match standing {
        tasks::Standing::Open => tag(format!("due {}", show::short_day(due))),
        tasks::Standing::Overdue { days } => badge(
            Tone::Stop,
            format!("{} late", show::counted(days.unsigned_abs(), "day", "days")),
        ),
        tasks::Standing::Done => badge(Tone::Allow, "done"),
        tasks::Standing::Late { .. } => badge(Tone::Ask, "done late"),
        tasks::Standing::NotNeeded => badge(Tone::None, "not needed"),
    }
}

fn refused_of(refused: u64, requests: u64) -> String {
    let tenths = show::tenths_of_percent(
        i64::try_from(refused).unwrap_or(i64::MAX),
        i64::try_from(requests).unwrap_or(i64::MAX),
    );
    match tenths {
        None => "none refused".to_owned(),
        Some(tenths) => format!(
            "{} refused ({}.{} %)",
            show::count(refused),
            tenths / 10,
            tenths % 10
        ),
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
