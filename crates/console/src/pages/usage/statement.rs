//! The chargeback statement of any time, as a page that prints and as a file.

use askama::Template;
use axum::response::Response;
use control::statements::{self, By, Statement, Wanted};
use control::{ControlError, Right};
use domain::Timestamp;
use domain::window::Period;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use url::form_urlencoded::Serializer;

use super::lines::Lines;
use super::{as_file, first, groups, may, missing, word};
use crate::pages::answer;
use crate::pages::asked::{self, Asked};
use crate::pages::parts::{self, Empty, Source};
use crate::pages::shell::{Place, Shell};
use crate::pages::show::{self, Said, When};
use crate::pages::visit::Visitor;
use crate::pages::wrong::Wrong;

/// What the address says.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Which {
    from: Option<String>,
    to: Option<String>,
    by: Option<String>,
    groups: Option<String>,
}

/// What was typed, with what is wrong with it beside each field.
#[derive(Debug, Clone, Default)]
struct Typed {
    from: String,
    to: String,
    by: String,
    groups: String,
    wrong_from: Option<String>,
    wrong_to: Option<String>,
    wrong_groups: Option<String>,
    wrong_by: Option<String>,
}

impl Typed {
    /// As typed; the month before this one where no time is said.
    fn of(visitor: &Visitor, which: &Which) -> Self {
        let now = visitor.operation().clock.now();
        let this = Period::Monthly.window(now).0;
        let last = Period::Monthly.window(this.plus_ms(-1)).0;
        let or = |text: Option<&String>, otherwise: &dyn Fn() -> String| match asked::given(text) {
            "" => otherwise(),
            text => text.to_owned(),
        };
        Self {
            from: or(which.from.as_ref(), &|| show::iso_day(last)),
            to: or(which.to.as_ref(), &|| show::iso_day(this)),
            by: or(which.by.as_ref(), &|| first(visitor).to_string()),
            groups: asked::given(which.groups.as_ref()).to_owned(),
            ..Self::default()
        }
    }

    /// A field for days shows nothing of what is none: what was typed is kept in a field of text.
    #[expect(clippy::unused_self, reason = "templates call it so")]
    fn kind(&self, text: &str) -> &'static str {
        let is_day = text.len() == 10 && statements::moment("from", text).is_ok();
        if is_day { "date" } else { "text" }
    }

    /// Notes what is wrong beside its field; what is no field's is given back.
    fn note(&mut self, error: ControlError) -> Result<(), Wrong> {
        let ControlError::Invalid(unusable) = error else {
            return Err(error.into());
        };
        let place = match unusable.field {
            "from" => &mut self.wrong_from,
            "to" => &mut self.wrong_to,
            "group" => &mut self.wrong_groups,
            "by" => &mut self.wrong_by,
            _ => return Err(ControlError::Invalid(unusable).into()),
        };
        *place = Some(unusable.why);
        Ok(())
    }

    fn wanted(&self) -> Result<(Timestamp, Timestamp, By), ControlError> {
        Ok((
            statements::moment("from", &self.from)?,
            statements::moment("to", &self.to)?,
            self.by.parse()?,
        ))
    }

    fn address(&self) -> String {
        let mut query = Serializer::new(String::new());
        for (name, value) in [("from", &self.from), ("to", &self.to), ("by", &self.by)] {
            query.append_pair(name, value);
        }
        if !self.groups.is_empty() {
            query.append_pair("groups", &self.groups);
        }
        format!("/console/statements.csv?{}", query.finish())
    }
}

/// A choice of the select.
struct Choice {
    value: &'static str,
    word: &'static str,
    is_on: bool,
}

/// A statement as its page shows it.
struct Shown {
    title: String,
    made: When,
    state: &'static str,
    lines: Lines,
    order: Vec<Said>,
    file: String,
}

#[derive(Template)]
#[template(path = "statement.html")]
struct Page {
    shell: Shell,
    typed: Typed,
    choices: Vec<Choice>,
    missing: String,
    shown: Option<Shown>,
    none: Empty,
    source: Source,
}

/// `GET /console/statements`.
pub(super) async fn read(visitor: Visitor, Asked(which): Asked<Which>) -> Result<Response, Wrong> {
    visitor.operation().require(Right::BudgetsRead)?;
    let mut typed = Typed::of(&visitor, &which);
    let shown = match make(&visitor, &typed).await {
        Ok((statement, are_named)) => Some(shown(&visitor, &statement, are_named, &typed)),
        Err(Failed::Control(error)) => {
            typed.note(error)?;
            None
        }
        Err(Failed::Page(wrong)) => return Err(wrong),
    };
    let is_wrong = shown.is_none();
    let by = typed.by.clone();
    let choice = |known: By| Choice {
        value: known.as_str(),
        word: word(known),
        is_on: known.as_str() == by,
    };
    let copied = control::records::copied(&visitor.operation()).await?;
    let page = Page {
        shell: Shell::new(&visitor, Place::Usage, "Statement").within("Statement"),
        choices: By::ALL
            .into_iter()
            .filter(|by| may(&visitor, *by))
            .map(choice)
            .collect(),
        missing: missing(&visitor),
        typed,
        shown,
        none: Empty::new(
            "budget",
            "Nothing was used in this time",
            "A statement splits what a time cost, every call on exactly one line; the lines add up to the total, and the total is the ledger's.",
        ),
        source: Source(crate::pages::trend::age(
            &copied,
            visitor.operation().clock.now(),
        )),
    };
    if is_wrong {
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        return Ok(web::page::respond(status, &page, HeaderMap::new()));
    }
    Ok(answer(&page))
}

/// `GET /console/statements.csv`.
pub(super) async fn file(visitor: Visitor, Asked(which): Asked<Which>) -> Result<Response, Wrong> {
    visitor.operation().require(Right::BudgetsRead)?;
    match make(&visitor, &Typed::of(&visitor, &which)).await {
        Ok((statement, _)) => Ok(as_file(&statement)),
        Err(Failed::Control(error)) => Err(error.into()),
        Err(Failed::Page(wrong)) => Err(wrong),
    }
}

/// Why there is no statement: what was asked for, or something else.
enum Failed {
    Control(ControlError),
    Page(Wrong),
}

impl From<ControlError> for Failed {
    fn from(error: ControlError) -> Self {
        Self::Control(error)
    }
}

impl From<Wrong> for Failed {
    fn from(wrong: Wrong) -> Self {
        Self::Page(wrong)
    }
}

async fn make(visitor: &Visitor, typed: &Typed) -> Result<(Statement, bool), Failed> {
    let (from, to, by) = typed.wanted()?;
    let wanted = |groups| Wanted {
        from,
        to,
        by,
        groups,
    };
    // What cannot be is said before anything is looked up.
    statements::check(&wanted(vec![
        "any".to_owned();
        usize::from(by == By::Group)
    ]))
    .map_err(ControlError::from)?;
    let (groups, are_named) = groups(visitor, by, &typed.groups, (from, to)).await?;
    let statement = statements::make(&visitor.operation(), wanted(groups)).await?;
    Ok((statement, are_named))
}

fn shown(visitor: &Visitor, statement: &Statement, are_named: bool, typed: &Typed) -> Shown {
    let wanted = &statement.wanted;
    let last = wanted.to.plus_ms(-1);
    Shown {
        title: format!(
            "{} to {}, by {}",
            show::day(wanted.from),
            show::day(last),
            word(wanted.by).to_lowercase()
        ),
        made: When::full(statement.made),
        state: if statement.is_over() {
            "its time is over"
        } else {
            "calls still come to it"
        },
        lines: Lines::of(visitor, statement, are_named),
        order: wanted.groups.iter().map(Said::from).collect(),
        file: typed.address(),
    }
}
