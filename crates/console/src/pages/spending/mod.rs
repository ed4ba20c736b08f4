//! The budgets there are: the policy's and the spend limits, how much of each is spent, and who is near their own cap. Limits are set,
//! changed and removed in `form`. A person's own lines are those of [`super::budgets`].

mod form;

pub(super) use self::form::cap;

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::response::Response;
use axum::routing::get;
use control::Right;
use control::access_requests::{self, AccessRequest};
use control::budgets::{self, OfPolicy, Spender, Stated};
use control::spend_limits::{self, Scope, SpendLimit};
use domain::policy::BudgetFor;
use domain::window::Period;
use domain::{AskedKind, BudgetId, Timestamp, Usd};
use serde::Deserialize;

use super::answer;
use super::asked::{self, Asked};
use super::budgets::cents;
use super::chart::Meter;
use super::parts::{self, Badge, Empty, Link, Notice, Source, Tone, badge, tag};
use super::people::name_of;
use super::requests::what;
use super::shell::{Place, Shell};
use super::show::{self, Said, When};
use super::table::{Filters, Pager, ROWS};
use super::visit::Visitor;
use super::wrong::Wrong;
use crate::Console;

/// Everything under `/console/budgets`.
pub fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/console/budgets", get(read))
        .merge(form::routes())
}

/// How many who spent most in each period are held against their caps.
const LOOKED_AT: u32 = 200;
/// From how much of a cap on somebody is near it, in tenths of a percent.
const NEAR: i64 = 800;
/// People near their caps that are shown.
const NEAR_SHOWN: usize = 20;

#[derive(Debug, Deserialize)]
struct Which {
    after: Option<String>,
    done: Option<String>,
}

/// A budget of the policy as a row.
#[derive(Debug, Clone)]
struct BudgetRow {
    name: Said,
    who: Said,
    each: &'static str,
    period: &'static str,
    cap: String,
    badge: Badge,
    spent: Option<(String, Option<Meter>)>,
    anew: String,
}

/// A spend limit as a row.
#[derive(Debug, Clone)]
struct LimitRow {
    whose: Whose,
    period: &'static str,
    cap: String,
    spent: Option<(String, Option<Meter>)>,
    changed: When,
    path: String,
    label: String,
}

/// Whose a limit is.
#[derive(Debug, Clone)]
enum Whose {
    Person(Link),
    Words(Said),
}

/// Somebody near their cap.
#[derive(Debug, Clone)]
struct NearRow {
    who: Link,
    says: String,
    badge: Badge,
    meter: Meter,
}

/// Somebody who asks for more.
#[derive(Debug, Clone)]
struct AskedRow {
    to: String,
    what: Said,
    sub: Said,
}

#[derive(Template)]
#[template(path = "spending.html")]
struct Page {
    shell: Shell,
    version: u64,
    budgets: Vec<BudgetRow>,
    no_budgets: Empty,
    limits: Vec<LimitRow>,
    no_limits: Empty,
    states_limits: bool,
    pager: Pager,
    may_set: bool,
    near: Option<Vec<NearRow>>,
    near_says: String,
    asked: Option<Vec<AskedRow>>,
    source: Source,
}

async fn read(visitor: Visitor, Asked(which): Asked<Which>) -> Result<Response, Wrong> {
    let operation = visitor.operation();
    let now = operation.clock.now();
    let after: Option<BudgetId> = asked::after(which.after.as_ref())?;
    let of_policy = budgets::of_policy(&operation).await?;
    let (limits, more) = spend_limits::list(&operation, after, ROWS).await?;
    let next = limits
        .last()
        .filter(|_| more)
        .map(|last| last.id.to_string());
    let says = format!(
        "{} shown, in the order they were made",
        show::counted(limits.len() as u64, "limit", "limits")
    );
    let near = near(&visitor).await?;
    let filters = Filters::of("/console/budgets");
    let copied = control::records::copied(&operation).await?;
    Ok(answer(&Page {
        shell: Shell::new(&visitor, Place::Budgets, "Budgets")
            .telling(told(asked::given(which.done.as_ref()))),
        version: of_policy.version,
        budgets: budget_rows(&of_policy, now),
        no_budgets: Empty::new(
            "budget",
            "The policy states no budget",
            "A budget bounds what each person, a group together, the organisation or a service may spend in a day, week or month.",
        ),
        limits: limit_rows(&visitor, &limits).await?,
        no_limits: Empty::new(
            "budget",
            "No spend limit",
            "A limit bounds one person, each member of a group, or everyone, without a new version of the policy. The closest counts: a person's own before a group's, a group's before everyone's.",
        ),
        states_limits: of_policy.states_limits,
        pager: Pager::new(&filters, says, after.is_some(), next.as_deref()),
        may_set: visitor.actor().may(Right::BudgetsWrite),
        near_says: format!(
            "from {} % of a cap on, of the {LOOKED_AT} who spent most in each period",
            NEAR / 10
        ),
        near,
        asked: asked_for(&visitor, now).await?,
        source: Source(super::trend::age(&copied, now)),
    }))
}

fn told(word: &str) -> Option<Notice> {
    let text = match word {
        "set" | "changed" => {
            "What holds now stands below; every replica goes by it within a second."
        }
        "removed" => "The limit is gone; what else bounds those it concerned goes on.",
        _ => return None,
    };
    Some(Notice::done(text))
}

/// A period, as a row says it.
pub(super) const fn word(period: Period) -> &'static str {
    match period {
        Period::Daily => "a day",
        Period::Weekly => "a week",
        Period::Monthly => "a month",
    }
}

/// Spent of a cap, with a bar that marks an even pace.
fn full(spent: Usd, cap: Option<Usd>, period: Period, now: Timestamp) -> (String, Option<Meter>) {
    let Some(cap) = cap else {
        return (show::usd(spent), None);
    };
    let (from, until) = period.window(now);
    let meter = show::tenths_of_percent(spent.nanos(), cap.nanos()).map(|full| Meter {
        full,
        pace: show::tenths_of_percent(now.ms_since(from), until.ms_since(from)),
    });
    let share = show::percent(spent.nanos(), cap.nanos()).unwrap_or_default();
    (format!("{} ({share})", show::usd(spent)), meter)
}

fn budget_rows(of_policy: &OfPolicy, now: Timestamp) -> Vec<BudgetRow> {
    let row = |budget: &Stated| BudgetRow {
        name: Said::from(&budget.name),
        who: Said::from(&budget.who),
        each: match budget.scope {
            BudgetFor::Person => "each of them, before any other of the period",
            BudgetFor::Member => "each of them",
            BudgetFor::Group => "together",
            BudgetFor::Org => "the organisation together",
            BudgetFor::Service => "each service",
        },
        period: word(budget.period),
        cap: show::usd(budget.amount),
        badge: if budget.is_hard {
            tag("refuses")
        } else {
            tag("warns")
        },
        spent: budget
            .spent
            .map(|spent| full(spent, Some(budget.amount), budget.period, now)),
        anew: show::short_day(budgets::anew(budget.period, now)),
    };
    of_policy.budgets.iter().map(row).collect()
}

/// Whose a limit is, in words.
pub(super) fn whose(scope: &Scope) -> Said {
    match scope {
        Scope::User(stable_id) => Said::from(stable_id),
        Scope::Group(group) => Said::from(format!("Each member of {group}")),
        Scope::Organization => "Everyone, each on their own".into(),
    }
}

async fn limit_rows(visitor: &Visitor, limits: &[SpendLimit]) -> Result<Vec<LimitRow>, Wrong> {
    let operation = visitor.operation();
    let now = operation.clock.now();
    let may_people = visitor.actor().may(Right::PeopleRead);
    let mut rows = Vec::with_capacity(limits.len());
    for limit in limits {
        let of = if may_people {
            budgets::of_limit(&operation, limit).await?
        } else {
            None
        };
        let cap = limit.amount_cents.as_deref().map(cents);
        let words = of
            .as_ref()
            .map_or_else(|| whose(&limit.scope), |of| name_of(&of.person));
        rows.push(LimitRow {
            period: word(limit.period),
            cap: cap.map_or_else(|| "no cap".to_owned(), show::usd),
            spent: of.as_ref().map(|of| full(of.spent, cap, limit.period, now)),
            changed: When::day(limit.updated),
            path: format!("/console/budgets/limits/{}", limit.id),
            label: format!("{} {}", words.plain(), word(limit.period)),
            whose: match of {
                Some(of) => Whose::Person(Link {
                    to: format!("/console/people/{}", of.person.id),
                    word: words,
                }),
                None => Whose::Words(words),
            },
        });
    }
    Ok(rows)
}

/// Who asks for a higher budget and has no answer, among the oldest requests; nothing for whoever may not see them.
async fn asked_for(visitor: &Visitor, now: Timestamp) -> Result<Option<Vec<AskedRow>>, Wrong> {
    if !visitor.actor().may(Right::AccessRequestsRead) {
        return Ok(None);
    }
    let (open, _) = access_requests::list(&visitor.operation(), true, None, LOOKED_AT).await?;
    let budgets = open
        .iter()
        .filter(|request| request.kind == AskedKind::Budget);
    let row = |request: &AccessRequest| AskedRow {
        to: format!("/console/requests/{}", request.id),
        what: what(request),
        sub: Said::from(format!(
            "{}, {} ago",
            request.label,
            show::length(now.ms_since(request.asked))
        )),
    };
    Ok(Some(budgets.take(NEAR_SHOWN).map(row).collect()))
}

/// Who is near their own cap, the nearest first; nothing for whoever may not see people.
async fn near(visitor: &Visitor) -> Result<Option<Vec<NearRow>>, Wrong> {
    if !visitor.actor().may(Right::PeopleRead) {
        return Ok(None);
    }
    let operation = visitor.operation();
    let now = operation.clock.now();
    let mut found: Vec<(i64, NearRow)> = Vec::new();
    for period in Period::ALL {
        for one in budgets::spenders(&operation, period, LOOKED_AT).await? {
            found.extend(near_row(visitor, &one, period, now));
        }
    }
    found.sort_by_key(|(full, _)| std::cmp::Reverse(*full));
    Ok(Some(
        found
            .into_iter()
            .take(NEAR_SHOWN)
            .map(|(_, row)| row)
            .collect(),
    ))
}

fn near_row(
    visitor: &Visitor,
    one: &Spender,
    period: Period,
    now: Timestamp,
) -> Option<(i64, NearRow)> {
    let standing = visitor.console().rules.standing(&one.person);
    let cap = standing
        .iter()
        .find(|standing| standing.period == period.as_str());
    let cap = cents(cap?.cap_cents.as_deref()?);
    let (says, meter) = full(one.spent, Some(cap), period, now);
    let meter = meter?;
    if meter.full < NEAR {
        return None;
    }
    let row = NearRow {
        who: Link {
            to: format!("/console/people/{}", one.person.id),
            word: name_of(&one.person),
        },
        says: format!(
            "{says} of {} {}, anew on {}",
            show::usd(cap),
            word(period),
            show::short_day(budgets::anew(period, now))
        ),
        badge: if meter.full >= 1_000 {
            badge(Tone::Stop, "used up")
        } else {
            badge(Tone::Ask, "near")
        },
        meter,
    };
    Some((meter.full, row))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_says_how_much_is_spent_and_when_it_begins_anew() {
        let now: Timestamp = "2026-11-16T12:00:00Z".parse().unwrap();
        let stated = |scope, is_hard, spent| Stated {
            name: "n".to_owned(),
            who: "everyone".to_owned(),
            scope,
            amount: Usd::from_cents(6_000),
            period: Period::Monthly,
            is_hard,
            spent,
        };
        let of_policy = OfPolicy {
            version: 3,
            budgets: vec![
                stated(BudgetFor::Org, true, Some(Usd::from_cents(3_000))),
                stated(BudgetFor::Member, false, None),
            ],
            states_limits: false,
        };
        let rows = budget_rows(&of_policy, now);
        let (spent, meter) = rows[0].spent.clone().unwrap();
        assert_eq!(spent, "$30.00 (50 %)");
        assert_eq!(meter.unwrap().full, 500);
        assert_eq!(
            (rows[0].anew.as_str(), rows[0].each),
            ("1 December", "the organisation together")
        );
        assert!(rows[1].spent.is_none());
        let none = full(Usd::from_cents(5), None, Period::Daily, now);
        assert_eq!((none.0.as_str(), none.1), ("$0.05", None));
        let nothing = full(Usd::from_cents(5), Some(Usd::ZERO), Period::Daily, now);
        assert_eq!(nothing.1, None);
    }
}
