//! Telling of somebody who will leave, or who is new: ahead of time, or of somebody the directory does not know, or did not tell us of. Their
//! tasks are opened now, and nobody's access changes.

use axum::response::Response;
use control::{ControlError, Right, tasks};
use domain::task::Occasion;
use domain::{Timestamp, limits};
use http::HeaderMap;
use serde::Deserialize;

use crate::pages::asked::{self, Form};
use crate::pages::confirm::Confirm;
use crate::pages::parts::Field;
use crate::pages::shell::{Place, Shell};
use crate::pages::show;
use crate::pages::visit::Visitor;
use crate::pages::wrong::{Wrong, of_field};

/// A leaver, as it was typed.
#[derive(Debug, Default, Deserialize)]
pub struct Typed {
    csrf: String,
    #[serde(default)]
    who: String,
    #[serde(default)]
    day: String,
    #[serde(default)]
    source: String,
}

/// What is wrong with it.
#[derive(Debug, Default)]
struct Mistakes {
    who: Option<String>,
    day: Option<String>,
    source: Option<String>,
}

/// What stands around the question, for each occasion.
struct Words {
    title: &'static str,
    does: [&'static str; 2],
    day: &'static str,
    path: &'static str,
}

const fn words(occasion: Occasion) -> Words {
    match occasion {
        Occasion::Leaving => Words {
            title: "Who will leave",
            does: [
                "Opens the six tasks of a leaver now, each with its deadline. Where they are open already nothing is added.",
                "It ends nobody's access: that is the directory's to do, or yours, on the person's page.",
            ],
            day: "Their last day",
            path: "/console/tasks/leaver",
        },
        Occasion::Joining => Words {
            title: "Who is new",
            does: [
                "Opens the tasks of somebody new now, each with its deadline. Where they are open already nothing is added.",
                "It lets nobody in. Whom a directory brings in its first week is not taken for new, so tell of those who are here.",
            ],
            day: "Their first day",
            path: "/console/tasks/joiner",
        },
    }
}

fn page(visitor: &Visitor, occasion: Occasion, typed: Typed, wrong: Mistakes) -> Response {
    let field = |name, label: &str, value, hint: &str, wrong, chars_max| Field {
        name,
        label: label.to_owned(),
        value,
        hint: hint.to_owned(),
        wrong,
        is_required: true,
        is_long: false,
        chars_max,
    };
    let words = words(occasion);
    let asked = Confirm {
        verb: words.title.to_owned(),
        whom: None,
        does: words.does.map(str::to_owned).to_vec(),
        action: words.path.to_owned(),
        button: "Open their tasks".to_owned(),
        is_risk: false,
        back: "/console/tasks".to_owned(),
        fields: vec![
            field(
                "who",
                "Who",
                typed.who,
                "An e-mail address or an id; of somebody the directory does not know the e-mail address.",
                wrong.who,
                limits::CLAIM_CHARS_MAX,
            ),
            field(
                "day",
                words.day,
                typed.day,
                "Year, month, day: 2026-11-30. The day ends at midnight UTC.",
                wrong.day,
                10,
            ),
            field(
                "source",
                "Who says so",
                typed.source,
                "HR, a ticket, the person. The ledger keeps it.",
                wrong.source,
                limits::REASON_CHARS_MAX,
            ),
        ],
    };
    asked.page(Shell::new(visitor, Place::Tasks, words.title).within(words.title))
}

/// `GET /console/tasks/leaver`.
pub async fn ask_leaver(visitor: Visitor) -> Result<Response, Wrong> {
    ask(&visitor, Occasion::Leaving)
}

/// `POST /console/tasks/leaver`.
pub async fn leaver(
    visitor: Visitor,
    headers: HeaderMap,
    Form(typed): Form<Typed>,
) -> Result<Response, Wrong> {
    tell(visitor, headers, (Occasion::Leaving, typed)).await
}

/// `GET /console/tasks/joiner`.
pub async fn ask_joiner(visitor: Visitor) -> Result<Response, Wrong> {
    ask(&visitor, Occasion::Joining)
}

/// `POST /console/tasks/joiner`.
pub async fn joiner(
    visitor: Visitor,
    headers: HeaderMap,
    Form(typed): Form<Typed>,
) -> Result<Response, Wrong> {
    tell(visitor, headers, (Occasion::Joining, typed)).await
}

fn ask(visitor: &Visitor, occasion: Occasion) -> Result<Response, Wrong> {
    visitor.operation().require(Right::TasksWrite)?;
    let day = show::iso_day(visitor.operation().clock.now());
    let typed = Typed {
        day,
        ..Typed::default()
    };
    Ok(page(visitor, occasion, typed, Mistakes::default()))
}

/// The middle of a day as a field holds it, so that whoever reads its date reads this one.
fn noon(day: &str) -> Option<Timestamp> {
    let at: Timestamp = format!("{}T12:00:00.000Z", day.trim()).parse().ok()?;
    (show::iso_day(at) == day.trim()).then_some(at)
}

async fn tell(
    visitor: Visitor,
    headers: HeaderMap,
    (occasion, typed): (Occasion, Typed),
) -> Result<Response, Wrong> {
    visitor.changing(&headers, &typed.csrf)?;
    let operation = visitor.operation();
    operation.require(Right::TasksWrite)?;
    let (who, source) = (typed.who.trim(), typed.source.trim());
    let at = noon(&typed.day);
    let wrong = Mistakes {
        who: match tasks::meant(&operation, who).await {
            Ok(_) => None,
            Err(error) => Some(of_who(error)?),
        },
        day: at
            .is_none()
            .then(|| "must be a day such as 2026-11-30".to_owned()),
        source: control::text::reason("source", source)
            .err()
            .map(|unusable| unusable.why),
    };
    let Some(at) = at.filter(|_| wrong.who.is_none() && wrong.source.is_none()) else {
        return Ok(page(&visitor, occasion, typed, wrong));
    };
    match occasion {
        Occasion::Leaving => tasks::tell_leaver(&operation, who, at, source).await?,
        Occasion::Joining => tasks::tell_joiner(&operation, who, at, source).await?,
    };
    Ok(asked::done("/console/tasks", "opened"))
}

/// Why nobody is meant, beside the field; or the error that is about no field.
fn of_who(error: ControlError) -> Result<String, Wrong> {
    match &error {
        ControlError::Ambiguous(many) => {
            Ok(format!("is what {many} people are called; name one by id"))
        }
        other => match of_field(other, "who") {
            Some(why) => Ok(why),
            None => Err(error.into()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_a_day_of_the_calendar() {
        assert_eq!(
            noon(" 2026-11-30 ").unwrap().to_string(),
            "2026-11-30T12:00:00.000Z"
        );
        for wrong in [
            "",
            "2026-02-30",
            "30.11.2026",
            "2026-11-30T05:00:00Z",
            "2026-1-3",
        ] {
            assert!(noon(wrong).is_none(), "{wrong}");
        }
    }
}
