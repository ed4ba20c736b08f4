//! What people see when a client does not work, what it comes from, and what puts it right.

use artefacts::symptoms::{self, MODEL_LIST, Symptom};
use askama::Template;
use axum::response::Response;
use control::artefacts as rings;
use serde::Deserialize;

use super::{Tab, tabs};
use crate::pages::answer;
use crate::pages::asked::{self, Asked};
use crate::pages::parts::{self, Empty};
use crate::pages::shell::{Place, Shell};
use crate::pages::show;
use crate::pages::visit::Visitor;
use crate::pages::wrong::Wrong;

/// What is looked for.
#[derive(Debug, Deserialize)]
pub struct Sought {
    q: Option<String>,
}

/// A symptom, and whether a ring's files answer it.
#[derive(Debug, Clone)]
struct Line {
    symptom: &'static Symptom,
    is_of_models: bool,
}

#[derive(Template)]
#[template(path = "client_symptoms.html")]
struct Page {
    shell: Shell,
    tabs: Vec<Tab>,
    q: String,
    says: String,
    found: Vec<Line>,
    none: Empty,
}

/// `GET /console/clients/symptoms`.
pub async fn read(visitor: Visitor, Asked(sought): Asked<Sought>) -> Result<Response, Wrong> {
    rings::may_lint(&visitor.operation())?;
    let q = asked::sought("The text to look for", sought.q.as_ref())?;
    let found = symptoms::about(q);
    Ok(answer(&Page {
        shell: Shell::new(&visitor, Place::Clients, "When a client does not work")
            .within("When a client does not work"),
        tabs: tabs("/console/clients/symptoms"),
        says: format!(
            "{} of {} shown",
            show::count(found.len() as u64),
            show::count(symptoms::ALL.len() as u64)
        ),
        q: q.to_owned(),
        found: found
            .into_iter()
            .map(|symptom| Line {
                symptom,
                is_of_models: symptom.word == MODEL_LIST,
            })
            .collect(),
        none: Empty::new(
            "search",
            "Nothing known looks like that",
            "Try one word of the message, or a code such as AADSTS50011.",
        )
        .linked("Show everything", "/console/clients/symptoms"),
    }))
}
