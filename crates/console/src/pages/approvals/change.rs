//! The same call with other arguments: what whoever decides would rather have made. It is a call of its own, which waits and is decided like
//! every other; nothing is approved here.

use askama::Template;
use axum::extract::Request;
use axum::response::{IntoResponse as _, Redirect, Response};
use control::ControlError;
use control::approvals::{self, Shown};
use domain::{ApprovalId, ApprovalState, limits};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::Value;

use super::one::is_hidden;
use super::{path, what};
use crate::pages::answer;
use crate::pages::asked::{self, Named};
use crate::pages::parts::{self, Field};
use crate::pages::shell::Shell;
use crate::pages::show::Said;
use crate::pages::visit::Visitor;
use crate::pages::wrong::{Wrong, of_field};

/// Other arguments, as they were typed.
#[derive(Debug, Deserialize)]
pub struct Typed {
    csrf: String,
    #[serde(default)]
    arguments: String,
    #[serde(default)]
    reason: String,
}

#[derive(Template)]
#[template(path = "approval_change.html")]
struct Page {
    shell: Shell,
    what: Said,
    who: Said,
    back: String,
    action: String,
    arguments: String,
    rows: usize,
    wrong: Option<String>,
    reason: Field,
}

/// `GET /approvals/{id}/change`. Of one that was decided meanwhile, or whose time is over, its page.
pub async fn ask(visitor: Visitor, Named(id): Named<ApprovalId>) -> Result<Response, Wrong> {
    let shown = theirs(&visitor, id).await?;
    if shown.state != ApprovalState::Pending || shown.arguments.is_none() {
        return Ok(Redirect::to(&path(&shown.approval)).into_response());
    }
    let arguments = shown.arguments.as_deref().map(written).unwrap_or_default();
    Ok(answer(&page(
        &visitor,
        &shown,
        (arguments, None),
        (String::new(), None),
    )))
}

/// `POST /approvals/{id}/change`.
pub async fn change(
    visitor: Visitor,
    Named(id): Named<ApprovalId>,
    request: Request,
) -> Result<Response, Wrong> {
    let shown = open(&visitor, id).await?;
    let most = limits::APPROVAL_FORM_BYTES_MAX;
    let (headers, typed) = asked::large::<Typed>(request, most).await?;
    visitor.changing(&headers, &typed.csrf)?;
    let (arguments, reason) = (typed.arguments, typed.reason);
    let error = match approvals::change(&visitor.operation(), id, &arguments, &reason).await {
        Ok(new) => return Ok(asked::done(&path(&new), "changed")),
        Err(error) => error,
    };
    let wrong = (of_field(&error, "arguments"), of_field(&error, "reason"));
    if wrong == (None, None) {
        return Err(over(error, id));
    }
    let page = page(&visitor, &shown, (arguments, wrong.0), (reason, wrong.1));
    let status = StatusCode::UNPROCESSABLE_ENTITY;
    Ok(web::page::respond(status, &page, HeaderMap::new()))
}

/// One that who looks may say yes to.
async fn theirs(visitor: &Visitor, id: ApprovalId) -> Result<Shown, Wrong> {
    let shown = approvals::read(&visitor.operation(), id).await?;
    if shown.may_approve {
        return Ok(shown);
    }
    Err(ControlError::NoSuch("approval").into())
}

/// The same, as long as it waits and its arguments are still there.
async fn open(visitor: &Visitor, id: ApprovalId) -> Result<Shown, Wrong> {
    let shown = theirs(visitor, id).await?;
    if shown.state == ApprovalState::Pending && shown.arguments.is_some() {
        return Ok(shown);
    }
    let state = shown.state;
    let by = shown.approval.decision.map(|decision| decision.label);
    Err(over(ControlError::ApprovalOver { state, by }, id))
}

pub(super) fn over(error: ControlError, id: ApprovalId) -> Wrong {
    match error {
        ControlError::ApprovalOver { .. } | ControlError::ApprovalVoid => {
            Wrong::from(error).leading_to("See how it stands", format!("/approvals/{id}"))
        }
        other => other.into(),
    }
}

fn page(
    visitor: &Visitor,
    shown: &Shown,
    (arguments, wrong): (String, Option<String>),
    (reason, reason_wrong): (String, Option<String>),
) -> Page {
    let here = path(&shown.approval);
    let lines = arguments.lines().count();
    Page {
        shell: Shell::apart(visitor, "Change the arguments"),
        what: what(&shown.approval),
        who: Said::from(&shown.approval.label),
        action: format!("{here}/change"),
        back: here,
        rows: lines.clamp(6, 30),
        arguments,
        wrong,
        reason: Field {
            hint: "Why not as it was asked for. Whoever asked reads it, and the ledger keeps it."
                .to_owned(),
            ..Field::reason(reason, reason_wrong)
        },
    }
}

/// Arguments as they can be typed: JSON with a line for each, and with what cannot be seen written out.
fn written(canonical: &[u8]) -> String {
    let value = serde_json::from_slice::<Value>(canonical);
    let text = value.and_then(|value| serde_json::to_string_pretty(&value));
    let text = text.unwrap_or_default();
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        if is_hidden(letter) {
            let mut units = [0; 2];
            let units = letter.encode_utf16(&mut units).iter();
            out.extend(units.map(|unit| format!("\\u{unit:04x}")));
        } else {
            out.push(letter);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_seen_is_written_so_that_it_means_the_same() {
        let value = serde_json::json!({"a": "x\u{200b}\u{e0041}\u{a0}\n", "b": [1, {"c": "ü"}]});
        let text = written(value.to_string().as_bytes());
        assert!(text.contains(r#""x\u200b\udb40\udc41\u00a0\n""#), "{text}");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
    }
}
