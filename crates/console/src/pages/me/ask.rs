//! Asking for access: for a model that one may not use, for a higher budget, or to be in a group; one form each, which keeps what was typed
//! and says beside the field what is wrong. Taking a request back is on one's own page.

use askama::Template;
use axum::response::Response;
use control::access_requests::{self, Wish};
use control::{ControlError, people};
use domain::window::Period;
use domain::{AccessRequestId, AskedKind, limits};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use super::parts;
use crate::pages::asked::{self, Asked, Form, Meant, Named};
use crate::pages::budgets::BudgetLine;
use crate::pages::models::{ModelLine, model_lines};
use crate::pages::parts::{Empty, Field};
use crate::pages::shell::Shell;
use crate::pages::show::Said;
use crate::pages::visit::Visitor;
use crate::pages::wrong::{Wrong, of_field};

/// What is asked for, and what is chosen already.
#[derive(Debug, Deserialize)]
pub struct Which {
    r#for: Option<String>,
    thing: Option<String>,
}

/// A request as it was typed.
#[derive(Debug, Default, Deserialize)]
pub struct Typed {
    csrf: String,
    #[serde(default)]
    r#for: String,
    #[serde(default)]
    thing: String,
    #[serde(default)]
    amount: String,
    #[serde(default)]
    reason: String,
}

/// What is wrong with it.
#[derive(Debug, Default)]
struct Mistakes {
    thing: Option<String>,
    amount: Option<String>,
    reason: Option<String>,
}

#[derive(Template)]
#[template(path = "me_ask.html")]
struct Page {
    shell: Shell,
    kind: AskedKind,
    tabs: [(&'static str, String, bool); 3],
    thing: String,
    wrong: Option<String>,
    models: Vec<ModelLine>,
    none: Empty,
    periods: [(&'static str, &'static str); 3],
    budgets: Vec<BudgetLine>,
    groups: Vec<Said>,
    fields: Vec<Field>,
    does: &'static str,
}

/// `GET /me/ask`.
pub async fn read(visitor: Visitor, Asked(which): Asked<Which>) -> Result<Response, Wrong> {
    let typed = Typed {
        r#for: asked::given(which.r#for.as_ref()).to_owned(),
        thing: asked::given(which.thing.as_ref()).to_owned(),
        ..Typed::default()
    };
    page(&visitor, typed, Mistakes::default(), StatusCode::OK).await
}

fn kind_of(word: &str) -> AskedKind {
    word.parse().unwrap_or(AskedKind::Model)
}

async fn page(
    visitor: &Visitor,
    typed: Typed,
    wrong: Mistakes,
    status: StatusCode,
) -> Result<Response, Wrong> {
    let operation = visitor.operation();
    let person = people::own(&operation).await?;
    let now = operation.clock.now();
    let kind = kind_of(&typed.r#for);
    let mut models = model_lines(&super::may_use(visitor).await?);
    models.retain(|model| model.is_refused);
    let standing = visitor.console().rules.standing(&person);
    let tab = |word, of: AskedKind| (word, format!("/me/ask?for={of}"), of == kind);
    let page = Page {
        shell: Shell::apart(visitor, "Ask for access"),
        kind,
        tabs: [
            tab("A model", AskedKind::Model),
            tab("A higher budget", AskedKind::Budget),
            tab("A group", AskedKind::Group),
        ],
        models,
        none: Empty::new(
            "model",
            "No model is kept from you",
            "The rules let you use every model there is here. A higher budget, or being in a group, is asked for beside.",
        ),
        periods: [Period::Daily, Period::Weekly, Period::Monthly].map(|period| {
            let word = match period {
                Period::Daily => "each day",
                Period::Weekly => "each week",
                Period::Monthly => "each month",
            };
            (period.as_str(), word)
        }),
        budgets: standing
            .iter()
            .map(|standing| BudgetLine::of(standing, now))
            .collect(),
        groups: person.groups.iter().map(Said::from).collect(),
        does: match kind {
            AskedKind::Model => {
                "A yes is a promise: you can use the model as soon as somebody has changed the rules."
            }
            AskedKind::Budget => {
                "A yes sets your own limit at once, to the amount that whoever answers gives."
            }
            AskedKind::Group => {
                "A yes is a promise: you are in the group as soon as the company's directory says so."
            }
        },
        fields: fields(kind, &typed, &wrong),
        wrong: wrong.thing,
        thing: if kind == AskedKind::Budget && typed.thing.is_empty() {
            Period::Monthly.as_str().to_owned()
        } else {
            typed.thing
        },
    };
    Ok(web::page::respond(status, &page, HeaderMap::new()))
}

/// The fields that are lines of text, the reason last.
fn fields(kind: AskedKind, typed: &Typed, wrong: &Mistakes) -> Vec<Field> {
    let mut fields = Vec::new();
    if kind == AskedKind::Group {
        fields.push(Field {
            name: "thing",
            label: "Which group".to_owned(),
            value: typed.thing.clone(),
            hint: "As the people in it call it.".to_owned(),
            wrong: wrong.thing.clone(),
            is_required: true,
            is_long: false,
            chars_max: limits::NAME_CHARS_MAX,
        });
    }
    if kind == AskedKind::Budget {
        fields.push(Field {
            name: "amount",
            label: "How much, US dollars".to_owned(),
            value: typed.amount.clone(),
            hint: "The whole of what you need in that time, not what is to be added.".to_owned(),
            wrong: wrong.amount.clone(),
            is_required: true,
            is_long: false,
            chars_max: 16,
        });
    }
    fields.push(Field {
        name: "reason",
        label: "What for".to_owned(),
        value: typed.reason.clone(),
        hint: "One sentence is enough. Whoever answers reads it; it is kept for 400 days, and not in the ledger."
            .to_owned(),
        wrong: wrong.reason.clone(),
        is_required: true,
        is_long: true,
        chars_max: limits::REASON_CHARS_MAX,
    });
    fields
}

/// `POST /me/ask`.
pub async fn send(
    visitor: Visitor,
    headers: HeaderMap,
    Form(typed): Form<Typed>,
) -> Result<Response, Wrong> {
    visitor.changing(&headers, &typed.csrf)?;
    let kind = kind_of(&typed.r#for);
    let wrong = StatusCode::UNPROCESSABLE_ENTITY;
    let amount_cents = match kind {
        AskedKind::Budget => match access_requests::cents_of_dollars("amount", &typed.amount) {
            Ok(cents) => Some(cents),
            Err(unusable) => {
                let mistakes = Mistakes {
                    amount: Some(unusable.why),
                    ..Mistakes::default()
                };
                return page(&visitor, typed, mistakes, wrong).await;
            }
        },
        AskedKind::Model | AskedKind::Group => None,
    };
    let wish = Wish {
        kind,
        thing: typed.thing.trim().to_owned(),
        amount_cents,
        // A field of several lines brings their ends; the words are one.
        reason: typed
            .reason
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" "),
    };
    let models = super::models(&visitor);
    let question = super::question(&visitor, &models);
    match access_requests::ask(&visitor.operation(), wish, question).await {
        Ok(_) => Ok(asked::done("/me", "asked")),
        Err(error) => {
            let mistakes = Mistakes {
                thing: match &error {
                    ControlError::AskedAlready(_) => Some(
                        "is what you have asked for already; take that back, or wait for the answer"
                            .to_owned(),
                    ),
                    other => of_field(other, "thing"),
                },
                amount: of_field(&error, "amount_cents"),
                reason: of_field(&error, "reason"),
            };
            let is_told =
                mistakes.thing.is_some() || mistakes.amount.is_some() || mistakes.reason.is_some();
            if !is_told {
                return Err(error.into());
            }
            page(&visitor, typed, mistakes, wrong).await
        }
    }
}

/// `POST /me/asked/{id}/withdraw`. Without a question first: it can be asked for anew.
pub async fn withdraw(
    visitor: Visitor,
    Named(id): Named<AccessRequestId>,
    headers: HeaderMap,
    Form(form): Form<Meant>,
) -> Result<Response, Wrong> {
    visitor.changing(&headers, &form.csrf)?;
    access_requests::withdraw(&visitor.operation(), id).await?;
    Ok(asked::done("/me", "withdrawn"))
}
