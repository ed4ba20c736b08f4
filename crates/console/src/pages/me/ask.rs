//! Asking for access: for a model that one may not use, for a higher budget, to be in a group, for a connector, or for an action of one; one
//! form each, which keeps what was typed and says beside the field what is wrong. It names connectors that one has and those that the
//! shipped catalogue knows, and says nothing of any other. Taking a request back is on one's own page.

use actions::catalogue::Catalogue;
use askama::Template;
use axum::response::Response;
use control::access_requests::{self, Wish};
use control::{ControlError, people};
use domain::access_request::at_connector;
use domain::window::Period;
use domain::{AccessRequestId, AskedKind, limits};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use super::{parts, reach};
use crate::pages::asked::{self, Asked, Form, Meant, Named};
use crate::pages::budgets::BudgetLine;
use crate::pages::form::{Pick, Way};
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
    action: String,
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
    tabs: [(&'static str, String, bool); 5],
    thing: String,
    wrong: Option<String>,
    models: Vec<ModelLine>,
    /// In the place of a form where there is nothing to ask for.
    none: Option<Empty>,
    periods: [(&'static str, &'static str); 3],
    budgets: Vec<BudgetLine>,
    groups: Vec<Said>,
    /// Those that one has: name and title.
    connectors: Vec<(String, Said)>,
    /// What the catalogue knows, by title, without those.
    known: Vec<String>,
    /// Of which connector one asks for an action.
    pick: Option<Pick>,
    name_chars_max: usize,
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
    let connectors = reach::names(visitor).await?;
    let tab = |word, of: AskedKind| (word, format!("/me/ask?for={of}"), of == kind);
    let page = Page {
        shell: Shell::apart(visitor, "Ask for access"),
        kind,
        tabs: [
            tab("A model", AskedKind::Model),
            tab("A higher budget", AskedKind::Budget),
            tab("A group", AskedKind::Group),
            tab("A connector", AskedKind::Connector),
            tab("An action", AskedKind::Action),
        ],
        none: nothing_to_ask(kind, models.is_empty(), connectors.is_empty()),
        models,
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
        known: known_beside(&connectors),
        pick: (kind == AskedKind::Action).then(|| pick(&connectors, &typed.thing)),
        connectors,
        name_chars_max: limits::NAME_CHARS_MAX,
        does: does(kind),
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

/// What a yes does.
const fn does(kind: AskedKind) -> &'static str {
    match kind {
        AskedKind::Model => {
            "A yes is a promise: you can use the model as soon as somebody has changed the rules."
        }
        AskedKind::Budget => {
            "A yes sets your own limit at once, to the amount that whoever answers gives."
        }
        AskedKind::Group => {
            "A yes is a promise: you are in the group as soon as the company's directory says so."
        }
        AskedKind::Connector | AskedKind::Action => {
            "Somebody looks at what is at risk first. A yes comes once Claude may reach it for you."
        }
    }
}

/// What stands in the place of the form where there is nothing of a kind to ask for.
fn nothing_to_ask(kind: AskedKind, has_every_model: bool, has_no_connector: bool) -> Option<Empty> {
    match kind {
        AskedKind::Model if has_every_model => Some(Empty::new(
            "model",
            "No model is kept from you",
            "The rules let you use every model there is here. A higher budget, being in a group, or a connector is asked for beside.",
        )),
        AskedKind::Action if has_no_connector => Some(
            Empty::new(
                "connector",
                "Claude reaches no connector for you",
                "An action is asked for at a connector that you have.",
            )
            .linked("Ask for a connector", "/me/ask?for=connector"),
        ),
        _ => None,
    }
}

/// Connectors of the shipped catalogue that one has not, by what people call them.
fn known_beside(connectors: &[(String, Said)]) -> Vec<String> {
    let is_had = |title: &String| {
        let mut titles = connectors.iter().map(|(_, title)| title.plain());
        titles.any(|had| had.eq_ignore_ascii_case(title))
    };
    let entries = Catalogue::shipped().entries;
    let titles = entries.into_iter().map(|entry| entry.title);
    titles.filter(|title| !is_had(title)).collect()
}

fn pick(connectors: &[(String, Said)], chosen: &str) -> Pick {
    let way = |(name, title): &(String, Said)| Way {
        value: name.clone(),
        word: title.clone(),
        says: String::new(),
        is_on: name == chosen,
    };
    Pick {
        name: "thing",
        label: "Of which connector".to_owned(),
        ways: connectors.iter().map(way).collect(),
        hint: "Those that Claude may reach for you.".to_owned(),
        wrong: None,
    }
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
    if kind == AskedKind::Action {
        fields.push(Field {
            name: "action",
            label: "Which action".to_owned(),
            value: typed.action.clone(),
            hint: "By its name, as the connector's own pages have it, such as create_page."
                .to_owned(),
            wrong: wrong.thing.clone(),
            is_required: true,
            is_long: false,
            chars_max: limits::ACTION_NAME_BYTES_MAX,
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
        _ => None,
    };
    let thing = typed.thing.trim();
    let wish = Wish {
        kind,
        thing: match kind {
            AskedKind::Action => format!("{thing}/{}", typed.action.trim()),
            _ => thing.to_owned(),
        },
        amount_cents,
        // A field of several lines brings their ends; the words are one.
        reason: typed
            .reason
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" "),
    };
    let asked_for = wish.thing.clone();
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
                    _ if kind == AskedKind::Action && at_connector(&asked_for).is_none() => {
                        Some("must be an action's name: letters, digits and _ - . / alone".to_owned())
                    }
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
