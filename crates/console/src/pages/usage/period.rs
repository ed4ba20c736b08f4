//! A day, week or month of use, split by one thing; and the same as a file.

use askama::Template;
use axum::response::Response;
use control::Right;
use control::people::{self, PeopleCount};
use control::statements::{self, By, Statement, Wanted};
use control::trend::{self, Forecast, NoForecast};
use control::usage;
use domain::window::Period;
use domain::{ReasonCode, Timestamp};
use serde::Deserialize;
use url::form_urlencoded::Serializer;

use super::lines::Lines;
use super::{Tab, as_file, first, groups, may, missing, word};
use crate::pages::answer;
use crate::pages::asked::{self, Asked};
use crate::pages::chart::Chart;
use crate::pages::parts::{self, Empty, Figure, Source};
use crate::pages::shell::{Place, Shell};
use crate::pages::show;
use crate::pages::trend::{FarLines, Trend, forecast, method, of_people};
use crate::pages::visit::Visitor;
use crate::pages::wrong::Wrong;

/// What the address says.
#[derive(Debug, Deserialize)]
pub(super) struct Which {
    period: Option<String>,
    at: Option<String>,
    by: Option<String>,
    groups: Option<String>,
}

/// What is looked at.
#[derive(Debug, Clone)]
struct View {
    period: Period,
    window: (Timestamp, Timestamp),
    now: Timestamp,
    by: By,
    groups: String,
}

impl View {
    fn of(visitor: &Visitor, which: &Which) -> Result<Self, Wrong> {
        let operation = visitor.operation();
        operation.require(Right::BudgetsRead)?;
        let now = operation.clock.now();
        let period = match asked::given(which.period.as_ref()) {
            "day" => Period::Daily,
            "week" => Period::Weekly,
            _ => Period::Monthly,
        };
        let unusable = |error| Wrong::from(control::ControlError::Invalid(error));
        let at = match asked::given(which.at.as_ref()) {
            "" => now,
            text => statements::moment("at", text).map_err(unusable)?,
        };
        if at > now {
            let detail = "Nothing was used yet in a time to come.";
            return Err(Wrong::new(ReasonCode::ParameterInvalid, detail));
        }
        let by = match asked::given(which.by.as_ref()) {
            "" => first(visitor),
            text => text.parse().map_err(unusable)?,
        };
        Ok(Self {
            period,
            window: period.window(at),
            now,
            by,
            groups: asked::sought("Groups", which.groups.as_ref())?.to_owned(),
        })
    }

    /// The same view with other choices, at a path.
    fn address(&self, path: &str, period: Period, at: Option<Timestamp>, by: By) -> String {
        let mut query = Serializer::new(String::new());
        let word = match period {
            Period::Daily => "day",
            Period::Weekly => "week",
            Period::Monthly => "month",
        };
        query.append_pair("period", word);
        if let Some(at) = at {
            query.append_pair("at", &show::iso_day(at));
        }
        query.append_pair("by", by.as_str());
        if by == By::Group && !self.groups.is_empty() {
            query.append_pair("groups", &self.groups);
        }
        format!("{path}?{}", query.finish())
    }

    /// The day of the address; none while the period is under way.
    fn at(&self) -> Option<Timestamp> {
        (self.now >= self.window.1).then_some(self.window.0)
    }

    fn to(&self, period: Period, at: Option<Timestamp>) -> String {
        self.address("/console/usage", period, at, self.by)
    }

    /// The chargeback statement of the same time.
    fn statement_page(&self) -> String {
        let mut query = Serializer::new(String::new());
        query.append_pair("from", &show::iso_day(self.window.0));
        query.append_pair("to", &show::iso_day(self.window.1));
        query.append_pair("by", self.by.as_str());
        if self.by == By::Group && !self.groups.is_empty() {
            query.append_pair("groups", &self.groups);
        }
        format!("/console/statements?{}", query.finish())
    }

    fn name(&self) -> String {
        let from = self.window.0;
        let year = &show::iso_day(from)[..4];
        match self.period {
            Period::Daily => format!("{} {}", show::weekday(from), show::day(from)),
            Period::Weekly => format!("Week of {}", show::day(from)),
            Period::Monthly => format!("{} {year}", show::month(from)),
        }
    }

    async fn statement(&self, visitor: &Visitor) -> Result<(Statement, bool), Wrong> {
        let range = self.window;
        let (groups, are_named) = groups(visitor, self.by, &self.groups, range).await?;
        let (from, to) = range;
        let wanted = Wanted {
            from,
            to,
            by: self.by,
            groups,
        };
        let statement = statements::make(&visitor.operation(), wanted).await?;
        Ok((statement, are_named))
    }
}

#[derive(Template)]
#[template(path = "usage.html")]
struct Page {
    shell: Shell,
    name: String,
    lead: String,
    choices: Vec<Tab>,
    earlier: String,
    later: Option<String>,
    file: String,
    statement: String,
    tabs: Vec<Tab>,
    missing: String,
    is_by_group: bool,
    period: &'static str,
    at: String,
    groups: String,
    figures: Vec<Figure>,
    lines: Lines,
    none: Empty,
    money: Chart,
    calls: Chart,
    far: Option<FarLines>,
    method: Source,
    source: Source,
}

/// `GET /console/usage`.
pub(super) async fn read(visitor: Visitor, Asked(which): Asked<Which>) -> Result<Response, Wrong> {
    let view = View::of(&visitor, &which)?;
    let operation = visitor.operation();
    // side by side: each is a sum over the period
    let others = async {
        let sums = tokio::try_join!(
            usage::by_hour(&operation, view.window),
            usage::callers(&operation, view.window),
            usage::spread(&operation, view.window),
            control::records::copied(&operation),
        );
        Ok(sums?)
    };
    let ((statement, are_named), (hours, callers, spreads, copied)) =
        tokio::try_join!(view.statement(&visitor), others)?;
    let known = people_known(&visitor).await?;
    let trend = Trend {
        hours: &hours,
        period: view.period,
        window: view.window,
    };
    let forecast = match view.period {
        Period::Daily => Err(NoForecast::Over),
        _ => trend::forecast(&hours, view.window, view.now),
    };
    Ok(answer(&Page {
        method: Source(method(&forecast)),
        shell: Shell::new(&visitor, Place::Usage, "Usage"),
        name: view.name(),
        lead: lead(&view, &statement),
        choices: choices(&view),
        earlier: view.to(view.period, Some(view.window.0.plus_ms(-1))),
        later: view.at().map(|_| view.to(view.period, later(&view))),
        file: view.address("/console/usage.csv", view.period, view.at(), view.by),
        statement: view.statement_page(),
        tabs: tabs(&visitor, &view),
        missing: missing(&visitor),
        is_by_group: view.by == By::Group,
        period: choice(view.period).0,
        at: view.at().map(show::iso_day).unwrap_or_default(),
        groups: view.groups.clone(),
        figures: figures(&view, &statement, (callers, known), &forecast),
        lines: Lines::of(&visitor, &statement, are_named),
        none: Empty::new(
            "stream",
            "Nothing was used",
            "Each call of Claude through the gateway counts here within a second of its end, under whoever made it and with what.",
        ),
        money: trend.money(),
        calls: trend.calls(),
        far: FarLines::of(&visitor, &spreads).await?,
        source: Source(crate::pages::trend::age(&copied, view.now)),
    }))
}

/// `GET /console/usage.csv`: the same statement, whole.
pub(super) async fn file(visitor: Visitor, Asked(which): Asked<Which>) -> Result<Response, Wrong> {
    let view = View::of(&visitor, &which)?;
    Ok(as_file(&view.statement(&visitor).await?.0))
}

async fn people_known(visitor: &Visitor) -> Result<Option<PeopleCount>, Wrong> {
    if !visitor.actor().may(Right::PeopleRead) {
        return Ok(None);
    }
    Ok(Some(people::count(&visitor.operation()).await?))
}

/// The period after this one, unless that is the one under way, which the address leaves out.
fn later(view: &View) -> Option<Timestamp> {
    let next = view.period.window(view.window.1);
    (view.now >= next.1).then_some(next.0)
}

fn lead(view: &View, statement: &Statement) -> String {
    if statement.is_over() {
        let copied = "a call belongs to the hour in which it ended";
        return format!("The whole time, UTC; {copied}.");
    }
    format!("So far, as of {} UTC.", show::clock(view.now))
}

const fn choice(period: Period) -> (&'static str, &'static str) {
    match period {
        Period::Daily => ("day", "Day"),
        Period::Weekly => ("week", "Week"),
        Period::Monthly => ("month", "Month"),
    }
}

fn choices(view: &View) -> Vec<Tab> {
    let tab = |period: Period| Tab {
        word: choice(period).1,
        to: view.to(period, view.at()),
        is_on: view.period == period,
    };
    Period::ALL.into_iter().map(tab).collect()
}

fn tabs(visitor: &Visitor, view: &View) -> Vec<Tab> {
    let tab = |by: By| Tab {
        word: word(by),
        to: view.address("/console/usage", view.period, view.at(), by),
        is_on: view.by == by,
    };
    By::ALL
        .into_iter()
        .filter(|by| may(visitor, *by))
        .map(tab)
        .collect()
}

fn figures(
    view: &View,
    statement: &Statement,
    ((people, services), known): ((u64, u64), Option<PeopleCount>),
    foretold: &Result<Forecast, NoForecast>,
) -> Vec<Figure> {
    let total = &statement.total;
    let figure = |name: &str, value: String, of: String, source: Vec<String>| Figure {
        name: name.to_owned(),
        value,
        of,
        source,
    };
    let of_known = known.map_or_else(String::new, |known| of_people(people, known));
    let mut figures = vec![
        figure(
            "Spent",
            show::usd(total.cost),
            String::new(),
            vec![crate::pages::budgets::certainty(total)],
        ),
        figure(
            "Requests",
            show::count(total.requests),
            String::new(),
            vec![format!("{} refused", show::count(total.refused))],
        ),
        figure(
            "People who used it",
            show::count(people),
            of_known,
            vec![show::counted(services, "service too", "services too")],
        ),
    ];
    let end = show::short_day(view.window.1.plus_ms(-1));
    figures.extend(forecast(foretold, &end));
    figures
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(period: Period, at: &str, now: &str) -> View {
        View {
            period,
            window: period.window(at.parse().unwrap()),
            now: now.parse().unwrap(),
            by: By::Group,
            groups: "a&b,c".to_owned(),
        }
    }

    #[test]
    fn the_way_to_the_next_period_ends_at_the_one_under_way() {
        let now = "2026-11-21T12:00:00Z";
        let check = |at: &str, expected: &str| {
            let view = view(Period::Monthly, at, now);
            assert_eq!(view.to(view.period, later(&view)), expected, "{at}");
        };
        check(
            "2026-09-05T00:00:00Z",
            "/console/usage?period=month&at=2026-10-01&by=group&groups=a%26b%2Cc",
        );
        check(
            "2026-10-05T00:00:00Z",
            "/console/usage?period=month&by=group&groups=a%26b%2Cc",
        );
        let now = view(Period::Monthly, now, now);
        assert_eq!(now.at(), None);
        assert_eq!(now.name(), "November 2026");
        assert_eq!(
            now.address("/x", Period::Daily, None, By::Model),
            "/x?period=day&by=model"
        );
    }
}
