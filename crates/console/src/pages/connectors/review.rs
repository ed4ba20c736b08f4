//! What somebody found about a connector as a whole. It is kept with its risk, and with whether it may be used; without one that says so,
//! a connector that the catalogue does not know is there for nobody.

use askama::Template;
use axum::response::Response;
use control::Right;
use control::connectors::{self, Risk, Wish};
use domain::limits;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use super::path;
use crate::pages::asked::{self, Form, Named};
use crate::pages::parts::{self, Field};
use crate::pages::shell::{Place, Shell};
use crate::pages::show::Said;
use crate::pages::visit::Visitor;
use crate::pages::wrong::{Wrong, of_field};

/// A review as it was typed.
#[derive(Debug, Default, Deserialize)]
pub struct Typed {
    #[serde(default)]
    csrf: String,
    #[serde(default)]
    vendor: String,
    #[serde(default)]
    risk: String,
    #[serde(default)]
    decision: String,
    #[serde(default)]
    reason: String,
}

#[derive(Template)]
#[template(path = "connector_review.html")]
struct Page {
    shell: Shell,
    back: String,
    action: String,
    title: Said,
    address: Said,
    vendor: Field,
    reason: Field,
    risks: Vec<(&'static str, bool)>,
    risk_wrong: Option<String>,
    enables: bool,
    refuses: bool,
    decision_wrong: Option<&'static str>,
}

/// `GET /console/connectors/{name}/review`.
pub async fn ask(visitor: Visitor, Named(name): Named<String>) -> Result<Response, Wrong> {
    visitor.operation().require(Right::PolicyWrite)?;
    visitor.fresh()?;
    page(&visitor, &name, Typed::default(), Mistakes::default()).await
}

#[derive(Debug, Default)]
struct Mistakes {
    vendor: Option<String>,
    reason: Option<String>,
    risk: Option<String>,
    decision: Option<&'static str>,
}

impl Mistakes {
    /// Everything that was left empty, at once.
    fn left_out(typed: &Typed) -> Self {
        let unless = |is_there: bool, says: &str| (!is_there).then(|| says.to_owned());
        let is_decided = matches!(&*typed.decision, "enable" | "refuse");
        Self {
            vendor: unless(!typed.vendor.trim().is_empty(), "Say who runs it."),
            reason: unless(!typed.reason.trim().is_empty(), "Say what you found."),
            risk: unless(!typed.risk.is_empty(), "Choose one."),
            decision: (!is_decided).then_some("Say whether it may be used."),
        }
    }

    const fn are_any(&self) -> bool {
        self.vendor.is_some()
            || self.reason.is_some()
            || self.risk.is_some()
            || self.decision.is_some()
    }
}

async fn page(
    visitor: &Visitor,
    name: &str,
    typed: Typed,
    wrong: Mistakes,
) -> Result<Response, Wrong> {
    let seen = connectors::read(&visitor.operation(), name).await?;
    let connector = &seen.summary.connector;
    let command = connector.command.join(" ");
    let status = if wrong.are_any() {
        StatusCode::UNPROCESSABLE_ENTITY
    } else {
        StatusCode::OK
    };
    let field =
        |field: &'static str, label: &str, hint: &str, value: String, wrong, chars_max| Field {
            name: field,
            label: label.to_owned(),
            value,
            hint: hint.to_owned(),
            wrong,
            is_required: true,
            is_long: false,
            chars_max,
        };
    let page = Page {
        shell: Shell::new(visitor, Place::Connectors, "Review a connector").within("Review"),
        back: path(name),
        action: format!("{}/review", path(name)),
        title: Said::from(connector.title()),
        address: Said::from(connector.url.as_deref().unwrap_or(&command)),
        risks: Risk::ALL
            .map(|risk| (risk.as_str(), risk.as_str() == typed.risk))
            .to_vec(),
        risk_wrong: wrong.risk,
        enables: typed.decision == "enable",
        refuses: typed.decision == "refuse",
        decision_wrong: wrong.decision,
        vendor: field(
            "vendor",
            "Who runs it",
            "A company, a team of yours, nobody in particular.",
            typed.vendor,
            wrong.vendor,
            limits::NAME_CHARS_MAX,
        ),
        reason: field(
            "reason",
            "What you found",
            "What it can reach, who sees what is sent there. The ledger keeps it.",
            typed.reason,
            wrong.reason,
            limits::REASON_CHARS_MAX,
        ),
    };
    Ok(web::page::respond(status, &page, HeaderMap::new()))
}

/// `POST /console/connectors/{name}/review`.
pub async fn keep(
    visitor: Visitor,
    Named(name): Named<String>,
    headers: HeaderMap,
    Form(typed): Form<Typed>,
) -> Result<Response, Wrong> {
    visitor.changing(&headers, &typed.csrf)?;
    visitor.operation().require(Right::PolicyWrite)?;
    visitor.fresh()?;
    let left_out = Mistakes::left_out(&typed);
    if left_out.are_any() {
        return page(&visitor, &name, typed, left_out).await;
    }
    let wish = Wish {
        enables: typed.decision == "enable",
        risk: typed.risk.clone(),
        vendor: typed.vendor.trim().to_owned(),
        reason: typed.reason.trim().to_owned(),
    };
    match connectors::review(&visitor.operation(), &name, &wish).await {
        Ok(_) => Ok(asked::done(&path(&name), "reviewed")),
        Err(error) => {
            let wrong = Mistakes {
                vendor: of_field(&error, "vendor"),
                reason: of_field(&error, "reason"),
                risk: of_field(&error, "risk"),
                decision: None,
            };
            if wrong.are_any() {
                page(&visitor, &name, typed, wrong).await
            } else {
                Err(error.into())
            }
        }
    }
}
