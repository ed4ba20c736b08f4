//! Setting, changing and removing a spend limit. Each is two steps: the form, and a page that says what it does and to whom before it does
//! it. What was typed is kept when something is wrong with it. Whoever does it proved lately who they are.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::response::Response;
use axum::routing::get;
use control::dollars::{COMMA, Mistyped, dollars};
use control::spend_limits::{self, Scope, SpendLimit};
use control::{ControlError, Right, budgets, people};
use domain::window::Period;
use domain::{BudgetId, Usd, limits};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use super::{whose, word};
use crate::Console;
use crate::pages::answer;
use crate::pages::asked::{self, Form, Named};
use crate::pages::budgets::cents;
use crate::pages::parts;
use crate::pages::people::name_of;
use crate::pages::shell::{Place, Shell};
use crate::pages::show::{self, Said};
use crate::pages::visit::Visitor;
use crate::pages::wrong::{Wrong, of_field};

pub(super) fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/console/budgets/limits/new", get(ask_new).post(set))
        .route("/console/budgets/limits/{id}", get(ask_change).post(change))
        .route(
            "/console/budgets/limits/{id}/remove",
            get(ask_remove).post(remove),
        )
}

/// People who are named before a limit is set; the rest are counted.
const NAMED: usize = 5;

/// What was typed.
#[derive(Debug, Clone, Default, Deserialize)]
struct Typed {
    csrf: String,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    who: String,
    #[serde(default)]
    period: String,
    #[serde(default)]
    amount: String,
    #[serde(default)]
    version: String,
    /// Whether the page that says what it does was seen.
    #[serde(default)]
    sure: String,
}

/// What is wrong with what was typed.
#[derive(Debug, Clone, Default)]
struct Mistakes {
    who: Option<String>,
    amount: Option<String>,
}

impl Mistakes {
    fn none(&self) -> bool {
        self.who.is_none() && self.amount.is_none()
    }
}

/// A choice of a select or radio: its value, its words, whether it is taken.
type Choice = (&'static str, &'static str, bool);

#[derive(Template)]
#[template(path = "limit.html")]
struct FormPage {
    shell: Shell,
    title: String,
    /// Whose limit it is; none while that is still to be said.
    whose: Option<Said>,
    typed: Typed,
    wrong: Mistakes,
    kinds: Vec<Choice>,
    periods: Vec<Choice>,
    action: String,
}

#[derive(Template)]
#[template(path = "limit_sure.html")]
struct SurePage {
    shell: Shell,
    verb: &'static str,
    whose: Said,
    does: Vec<String>,
    named: Vec<Said>,
    typed: Typed,
    action: String,
    back: String,
    button: &'static str,
    is_risk: bool,
}

fn shell(visitor: &Visitor, title: &'static str) -> Shell {
    Shell::new(visitor, Place::Budgets, title).within(title)
}

/// Only for whoever may, and proved lately who they are.
fn allowed(visitor: &Visitor) -> Result<(), Wrong> {
    visitor.operation().require(Right::BudgetsWrite)?;
    Ok(visitor.fresh()?)
}

fn form(
    visitor: &Visitor,
    (title, action): (&'static str, String),
    whose: Option<Said>,
    typed: Typed,
    wrong: Mistakes,
) -> Response {
    let status = if wrong.none() {
        StatusCode::OK
    } else {
        StatusCode::UNPROCESSABLE_ENTITY
    };
    let kind = |value: &'static str, says| (value, says, typed.kind == value);
    let period = |period: Period| {
        (
            period.as_str(),
            word(period),
            typed.period == period.as_str(),
        )
    };
    let page = FormPage {
        shell: shell(visitor, title),
        title: title.to_owned(),
        whose,
        kinds: vec![
            kind("person", "One person"),
            kind("group", "Each member of a group"),
            kind("everyone", "Everyone, each on their own"),
        ],
        periods: Period::ALL.into_iter().map(period).collect(),
        typed,
        wrong,
        action,
    };
    web::page::respond(status, &page, HeaderMap::new())
}

const NEW: (&str, &str) = ("Set a limit", "/console/budgets/limits/new");

async fn ask_new(visitor: Visitor) -> Result<Response, Wrong> {
    allowed(&visitor)?;
    let typed = Typed {
        kind: "person".to_owned(),
        period: Period::Monthly.as_str().to_owned(),
        ..Typed::default()
    };
    Ok(form(
        &visitor,
        (NEW.0, NEW.1.to_owned()),
        None,
        typed,
        Mistakes::default(),
    ))
}

/// Whose limit was typed, and what they are called; or what is wrong with it.
async fn scope(visitor: &Visitor, typed: &Typed) -> Result<Result<(Scope, Said), String>, Wrong> {
    let who = typed.who.trim();
    match typed.kind.as_str() {
        "everyone" => Ok(Ok((Scope::Organization, whose(&Scope::Organization)))),
        "group" => Ok(match control::text::name("who", who) {
            Ok(group) => {
                let scope = Scope::Group(group);
                let said = whose(&scope);
                Ok((scope, said))
            }
            Err(unusable) => Err(unusable.why),
        }),
        _ if who.is_empty() || who.chars().count() > limits::CLAIM_CHARS_MAX => Ok(Err(
            "must name one person: an e-mail address, or an id".to_owned(),
        )),
        _ => match people::find(&visitor.operation(), who).await {
            Ok(person) => {
                let said = name_of(&person);
                Ok(Ok((Scope::User(person.stable_id), said)))
            }
            Err(error @ (ControlError::NoSuchPerson | ControlError::Ambiguous(_))) => {
                Ok(Err(error.to_string()))
            }
            Err(error) => Err(error.into()),
        },
    }
}

/// The cap as cents, none for no cap; or what is wrong with it.
pub(in crate::pages) fn cap(amount: &str) -> Result<Option<String>, String> {
    let wrong = || {
        "must be dollars, such as 60 or 12.50; 0 lets nobody spend anything, and `none` is no cap"
            .to_owned()
    };
    let amount = amount.trim().trim_start_matches('$').trim();
    if amount.eq_ignore_ascii_case("none") {
        return Ok(None);
    }
    let amount = dollars(amount).map_err(|mistyped| match mistyped {
        Mistyped::Comma => COMMA.to_owned(),
        Mistyped::Number => wrong(),
    })?;
    let is_whole = amount >= Usd::ZERO && amount.nanos() % 10_000_000 == 0;
    is_whole
        .then(|| Some(amount.cents_text()))
        .ok_or_else(wrong)
}

fn period(typed: &Typed) -> Period {
    let known = Period::ALL
        .into_iter()
        .find(|period| period.as_str() == typed.period);
    known.unwrap_or(Period::Monthly)
}

/// What a limit of this cap does, in sentences, and whom it finds at the cap already.
async fn blast(
    visitor: &Visitor,
    scope: &Scope,
    period: Period,
    cents_text: Option<&str>,
) -> Result<(Vec<String>, Vec<Said>), Wrong> {
    let closest = "The closest counts: a person's own limit before a group's, a group's before everyone's; whom a closer one bounds is not concerned.";
    let Some(cap) = cents_text.map(cents) else {
        let does = "Nothing refuses what they spend of their own; what they spend is still counted, and shared budgets still bound it.";
        return Ok((vec![does.to_owned(), closest.to_owned()], Vec::new()));
    };
    let above = budgets::above(&visitor.operation(), scope, period, cap).await?;
    let mut does = vec![
        format!(
            "Calls are refused once {} {} is spent, on every replica within a second.",
            show::usd(cap),
            word(period)
        ),
        closest.to_owned(),
    ];
    does.push(match above.len() as u64 {
        0 => "Nobody whom it concerns has spent as much in the period under way.".to_owned(),
        some => format!(
            "{} spent as much already in the period under way, and would be refused at once:",
            show::counted(some, "person has", "people have")
        ),
    });
    let mut named: Vec<Said> = above
        .iter()
        .take(NAMED)
        .map(|one| name_of(&one.person))
        .collect();
    if above.len() > NAMED {
        named.push(Said::from(format!("and {} more", above.len() - NAMED)));
    }
    Ok((does, named))
}

async fn set(
    visitor: Visitor,
    headers: HeaderMap,
    Form(typed): Form<Typed>,
) -> Result<Response, Wrong> {
    visitor.changing(&headers, &typed.csrf)?;
    allowed(&visitor)?;
    let (scope, cap) = (scope(&visitor, &typed).await?, cap(&typed.amount));
    let (Ok((scope, said)), Ok(cap)) = (&scope, &cap) else {
        let wrong = Mistakes {
            who: scope.err(),
            amount: cap.err(),
        };
        return Ok(form(
            &visitor,
            (NEW.0, NEW.1.to_owned()),
            None,
            typed,
            wrong,
        ));
    };
    let period = period(&typed);
    if typed.sure != "yes" {
        let (does, named) = blast(&visitor, scope, period, cap.as_deref()).await?;
        return Ok(answer(&SurePage {
            shell: shell(&visitor, "Are you sure?"),
            verb: "Set the limit of",
            whose: said.clone(),
            does,
            named,
            typed,
            action: NEW.1.to_owned(),
            back: "/console/budgets".to_owned(),
            button: "Set it",
            is_risk: false,
        }));
    }
    match spend_limits::create(&visitor.operation(), scope, period, cap.as_deref()).await {
        Ok(_) => Ok(asked::done("/console/budgets", "set")),
        Err(ControlError::LimitStands(stands)) => {
            let to = format!("/console/budgets/limits/{}", stands.id);
            Err(Wrong::from(ControlError::LimitStands(stands)).leading_to("Change that one", to))
        }
        Err(error) => match of_field(&error, "scope.id") {
            Some(why) => {
                let wrong = Mistakes {
                    who: Some(why),
                    amount: None,
                };
                Ok(form(
                    &visitor,
                    (NEW.0, NEW.1.to_owned()),
                    None,
                    typed,
                    wrong,
                ))
            }
            None => Err(error.into()),
        },
    }
}

/// Whose a limit is, by name where it is a person's.
async fn named(visitor: &Visitor, limit: &SpendLimit) -> Result<Said, Wrong> {
    let of = budgets::of_limit(&visitor.operation(), limit).await?;
    Ok(of.map_or_else(|| whose(&limit.scope), |of| name_of(&of.person)))
}

fn address(id: BudgetId) -> String {
    format!("/console/budgets/limits/{id}")
}

async fn ask_change(visitor: Visitor, Named(id): Named<BudgetId>) -> Result<Response, Wrong> {
    allowed(&visitor)?;
    let limit = spend_limits::read(&visitor.operation(), id).await?;
    let amount = limit.amount_cents.as_deref().map(cents);
    let typed = Typed {
        period: limit.period.as_str().to_owned(),
        amount: amount.map_or_else(|| "none".to_owned(), |amount| amount.to_string()),
        version: spend_limits::version(&limit),
        ..Typed::default()
    };
    let said = named(&visitor, &limit).await?;
    Ok(form(
        &visitor,
        ("Change a limit", address(id)),
        Some(said),
        typed,
        Mistakes::default(),
    ))
}

async fn change(
    visitor: Visitor,
    Named(id): Named<BudgetId>,
    headers: HeaderMap,
    Form(typed): Form<Typed>,
) -> Result<Response, Wrong> {
    visitor.changing(&headers, &typed.csrf)?;
    allowed(&visitor)?;
    let limit = spend_limits::read(&visitor.operation(), id).await?;
    let said = named(&visitor, &limit).await?;
    let cap = match cap(&typed.amount) {
        Ok(cap) => cap,
        Err(why) => {
            let wrong = Mistakes {
                who: None,
                amount: Some(why),
            };
            return Ok(form(
                &visitor,
                ("Change a limit", address(id)),
                Some(said),
                typed,
                wrong,
            ));
        }
    };
    if typed.sure != "yes" {
        let before = limit.amount_cents.as_deref().map(cents);
        let before = before.map_or_else(|| "no cap".to_owned(), show::usd);
        let (mut does, named) = blast(&visitor, &limit.scope, limit.period, cap.as_deref()).await?;
        does.insert(0, format!("It is {before} {} now.", word(limit.period)));
        return Ok(answer(&SurePage {
            shell: shell(&visitor, "Are you sure?"),
            verb: "Change the limit of",
            whose: said,
            does,
            named,
            typed,
            action: address(id),
            back: "/console/budgets".to_owned(),
            button: "Change it",
            is_risk: false,
        }));
    }
    let operation = visitor.operation();
    spend_limits::change(&operation, id, &typed.version, cap.as_deref()).await?;
    Ok(asked::done("/console/budgets", "changed"))
}

async fn ask_remove(visitor: Visitor, Named(id): Named<BudgetId>) -> Result<Response, Wrong> {
    allowed(&visitor)?;
    let limit = spend_limits::read(&visitor.operation(), id).await?;
    let cap = limit.amount_cents.as_deref().map(cents);
    let cap = cap.map_or_else(|| "no cap".to_owned(), show::usd);
    let said = named(&visitor, &limit).await?;
    Ok(answer(&SurePage {
        shell: shell(&visitor, "Are you sure?"),
        verb: "Remove the limit of",
        whose: said,
        does: vec![
            format!("{cap} {} no longer bounds them, on every replica within a second.", word(limit.period)),
            "The next closest limit or budget counts in its place; where there is none, nothing bounds what they spend of their own.".to_owned(),
            "What was spent stays counted.".to_owned(),
        ],
        named: Vec::new(),
        typed: Typed {
            version: spend_limits::version(&limit),
            ..Typed::default()
        },
        action: format!("{}/remove", address(id)),
        back: "/console/budgets".to_owned(),
        button: "Remove it",
        is_risk: true,
    }))
}

async fn remove(
    visitor: Visitor,
    Named(id): Named<BudgetId>,
    headers: HeaderMap,
    Form(typed): Form<Typed>,
) -> Result<Response, Wrong> {
    visitor.changing(&headers, &typed.csrf)?;
    allowed(&visitor)?;
    spend_limits::remove(&visitor.operation(), id, &typed.version).await?;
    Ok(asked::done("/console/budgets", "removed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cap_is_whole_cents_or_said_to_be_none() {
        for (text, expected) in [
            ("60", Some("6000")),
            (" $1,250.50 ", Some("125050")),
            ("0", Some("0")),
            ("none", None),
            ("None", None),
        ] {
            assert_eq!(cap(text), Ok(expected.map(str::to_owned)), "{text}");
        }
        for comma in ["12,50", "1,2500", "0,500"] {
            assert_eq!(cap(comma), Err(COMMA.to_owned()), "{comma}");
        }
        for wrong in ["", "-1", "1e3", "12 USD", "0.001", "NaN", "99999999999"] {
            assert!(cap(wrong).is_err(), "{wrong}");
        }
    }
}
