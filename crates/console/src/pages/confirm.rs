//! The page before a dangerous action: what it does, to whom, what it leaves, a reason, and a way out. It works without scripts, keeps
//! what was typed when something is wrong with it, and does nothing by being looked at.

use askama::Template;
use axum::response::Response;
use http::{HeaderMap, StatusCode};

use super::parts::{self, Field};
use super::shell::Shell;
use super::show::Said;

/// What is about to be done.
#[derive(Debug, Clone)]
pub struct Confirm {
    /// The question: `Shut out`.
    pub verb: String,
    /// Whom or what it is done to; nothing where the verb says it.
    pub whom: Option<Said>,
    /// What it does, a sentence each.
    pub does: Vec<String>,
    /// The address that does it.
    pub action: String,
    /// What the button says.
    pub button: String,
    /// Whether it takes something away.
    pub is_risk: bool,
    /// Where not doing it leads.
    pub back: String,
    /// Fields of the form, the reason last.
    pub fields: Vec<Field>,
}

impl Confirm {
    /// Its page; with a mistake beside a field, its status says so.
    pub fn page(self, shell: Shell) -> Response {
        let is_wrong = self.fields.iter().any(|field| field.wrong.is_some());
        let status = if is_wrong {
            StatusCode::UNPROCESSABLE_ENTITY
        } else {
            StatusCode::OK
        };
        let page = ConfirmPage { shell, asked: self };
        web::page::respond(status, &page, HeaderMap::new())
    }
}

#[derive(Template)]
#[template(path = "confirm.html")]
struct ConfirmPage {
    shell: Shell,
    asked: Confirm,
}
