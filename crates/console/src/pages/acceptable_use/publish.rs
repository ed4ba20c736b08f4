//! Publishing the draft: what it changes, whom it asks anew, a reason; with a fresh proof of who does it. It takes exactly the draft and the
//! version in force that were read, and nothing unfinished.

use askama::Template;
use axum::response::Response;
use control::acceptable_use::draft::{self, Publishing, Tag, preview, publish_draft};
use control::{ControlError, Right};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use super::parts;
use super::terms::{Changed, changed};
use crate::pages::asked::{self, Form};
use crate::pages::parts::{Empty, Field};
use crate::pages::shell::{Place, Shell};
use crate::pages::show::Said;
use crate::pages::visit::Visitor;
use crate::pages::wrong::{Wrong, of_field};

/// What was typed.
#[derive(Debug, Default, Deserialize)]
pub struct Typed {
    csrf: String,
    tag: String,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    keep: String,
}

#[derive(Template)]
#[template(path = "acceptable_use_publish.html")]
struct Page {
    shell: Shell,
    tag: String,
    next: u64,
    /// What keeps it from being published.
    unfinished: Vec<Said>,
    is_draft: bool,
    none: Empty,
    changes: Vec<Changed>,
    reason: Field,
    is_kept: bool,
    is_first: bool,
}

/// `GET /console/acceptable-use/publish`.
pub async fn ask(visitor: Visitor) -> Result<Response, Wrong> {
    visitor.operation().require(Right::AcceptableUseWrite)?;
    visitor.fresh()?;
    page(&visitor, Typed::default(), None, StatusCode::OK).await
}

async fn page(
    visitor: &Visitor,
    typed: Typed,
    wrong: Option<String>,
    status: StatusCode,
) -> Result<Response, Wrong> {
    let operation = visitor.operation();
    let installation = &visitor.console().installation;
    let draft = draft::read(&operation, &installation.org_name).await?;
    let seen = preview(
        &operation,
        (&draft.text, &draft.values),
        &installation.recorded,
    )
    .await?;
    let page = Page {
        shell: Shell::new(visitor, Place::AcceptableUse, "Publish the draft")
            .within("Publish the draft"),
        tag: draft.tag.to_string(),
        next: draft.tag.version + 1,
        is_first: draft.tag.version == 0,
        is_draft: draft.saved.is_some(),
        none: Empty::new(
            "policy",
            "There is no draft",
            "Nothing was saved as a draft yet, so there is nothing to publish.",
        )
        .linked("Write it", "/console/acceptable-use/draft"),
        unfinished: seen
            .mistakes
            .iter()
            .map(|mistake| Said::from(mistake.to_string().replace('`', "")))
            .collect(),
        changes: changed(&seen.diff),
        reason: Field::reason(typed.reason, wrong),
        is_kept: typed.keep == "yes",
    };
    Ok(web::page::respond(status, &page, HeaderMap::new()))
}

/// `POST /console/acceptable-use/publish`.
pub async fn publish(
    visitor: Visitor,
    headers: HeaderMap,
    Form(typed): Form<Typed>,
) -> Result<Response, Wrong> {
    visitor.changing(&headers, &typed.csrf)?;
    visitor.fresh()?;
    let operation = visitor.operation();
    let expected: Tag = typed.tag.parse().map_err(ControlError::from)?;
    let publishing = Publishing {
        expected,
        reason: typed.reason.trim(),
        keeps_acceptances: typed.keep == "yes",
    };
    let recorded = &visitor.console().installation.recorded;
    let published = publish_draft(&operation, publishing, recorded).await;
    match published {
        Ok(_) => Ok(asked::done("/console/acceptable-use", "published")),
        Err(ControlError::AcceptableUse(_) | ControlError::NoDraft) => {
            page(&visitor, typed, None, StatusCode::UNPROCESSABLE_ENTITY).await
        }
        Err(error) => match of_field(&error, "reason") {
            Some(wrong) => {
                page(
                    &visitor,
                    typed,
                    Some(wrong),
                    StatusCode::UNPROCESSABLE_ENTITY,
                )
                .await
            }
            None => {
                Err(Wrong::from(error).leading_to("See the draft", "/console/acceptable-use/draft"))
            }
        },
    }
}
