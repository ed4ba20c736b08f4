//! Granting and declining: each asks first, says what it does, and takes words for whoever asked. What moves money needs a fresh proof of
//! who does it. Who may is `control`'s to say; whoever comes second is told who was quicker.

use axum::response::Response;
use control::access_requests::{self, AccessRequest, Answer};
use control::{ControlError, people};
use domain::{AccessRequestId, AccessState, AskedKind, limits};
use http::HeaderMap;
use serde::Deserialize;

use super::one::shell;
use super::{a_budget, does, money, what};
use crate::pages::asked::{self, Form, Named};
use crate::pages::confirm::Confirm;
use crate::pages::parts::Field;
use crate::pages::people::name_of;
use crate::pages::show::Said;
use crate::pages::visit::Visitor;
use crate::pages::wrong::{Words, Wrong, of_field};

/// An answer as it was typed.
#[derive(Debug, Default, Deserialize)]
pub struct Typed {
    csrf: String,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    amount: String,
}

/// What is wrong with it.
#[derive(Debug, Default)]
struct Mistakes {
    reason: Option<String>,
    amount: Option<String>,
}

fn confirm(
    request: &AccessRequest,
    whose: &Said,
    grants: bool,
    (typed, wrong): (Typed, Mistakes),
) -> Confirm {
    let path = format!("/console/requests/{}", request.id);
    let mut fields = Vec::new();
    if grants && request.kind == AskedKind::Budget {
        fields.push(Field {
            name: "amount",
            label: format!("How much, US dollars {}", request.thing),
            value: typed.amount,
            hint: format!(
                "They asked for {} of {}.",
                a_budget(&request.thing),
                money(request.amount_cents.as_deref())
            ),
            wrong: wrong.amount,
            is_required: true,
            is_long: false,
            chars_max: 16,
        });
    }
    fields.push(Field {
        name: "reason",
        label: "Your answer".to_owned(),
        value: typed.reason,
        hint: "They read it on their own page, and the ledger keeps it.".to_owned(),
        wrong: wrong.reason,
        is_required: true,
        is_long: false,
        chars_max: limits::REASON_CHARS_MAX,
    });
    let (verb, word) = if grants {
        ("Grant", "grant")
    } else {
        ("Decline", "decline")
    };
    let does = if grants {
        does(request).to_vec()
    } else {
        vec!["They have what they had before, read your answer, and may ask anew.".to_owned()]
    };
    Confirm {
        verb: verb.to_owned(),
        whom: Some(Said::from(format!(
            "{} {}",
            whose.plain(),
            what(request).plain()
        ))),
        does,
        action: format!("{path}/{word}"),
        button: verb.to_owned(),
        is_risk: false,
        back: path,
        fields,
    }
}

/// What can be answered now: whoever may not, or comes too late, is told so before they type.
async fn open(visitor: &Visitor, id: AccessRequestId) -> Result<(AccessRequest, Said), Wrong> {
    let operation = visitor.operation();
    let request = access_requests::read(&operation, id).await?;
    access_requests::require_to_answer(&operation, &request)?;
    let now = operation.clock.now();
    if access_requests::standing(&request, now) != AccessState::Open {
        return Err(too_late(closed(&request), id));
    }
    let person = people::read(&operation, request.person).await?;
    Ok((request, name_of(&person)))
}

fn closed(request: &AccessRequest) -> ControlError {
    match &request.end {
        Some(end) => ControlError::RequestClosed {
            state: request.state,
            by: end.by.clone(),
            at: end.at,
        },
        None => ControlError::RequestExpired,
    }
}

fn too_late(error: ControlError, id: AccessRequestId) -> Wrong {
    Wrong::from(error).leading_to("See the request", format!("/console/requests/{id}"))
}

/// What is said where a grant would say what is not so.
static NOT_SO_YET: Words = Words {
    title: "It cannot be granted yet",
    help: "See the request: it says what is missing, and leads whoever may write the policy to the page of each.",
    fault: "Nobody's: a grant of a connector or an action says what is so already.",
};

fn too_early(error: ControlError, id: AccessRequestId) -> Wrong {
    let is_early = matches!(error, ControlError::NotSoYet(_));
    let wrong = too_late(error, id);
    if is_early {
        wrong.in_words(&NOT_SO_YET)
    } else {
        wrong
    }
}

async fn ask(visitor: Visitor, id: AccessRequestId, grants: bool) -> Result<Response, Wrong> {
    let (request, whose) = open(&visitor, id).await?;
    step_up(&visitor, &request, grants)?;
    if grants {
        let issuers = visitor.console().rules.issuers_for_people();
        access_requests::require_in_force(&visitor.operation(), &request, issuers)
            .await
            .map_err(|error| too_early(error, id))?;
    }
    let typed = Typed {
        amount: dollars(request.amount_cents.as_deref()),
        ..Typed::default()
    };
    let page = confirm(&request, &whose, grants, (typed, Mistakes::default()));
    Ok(page.page(shell(&visitor, "Are you sure?")))
}

/// Granting money needs a fresh proof of who does it.
fn step_up(visitor: &Visitor, request: &AccessRequest, grants: bool) -> Result<(), Wrong> {
    if grants && request.kind == AskedKind::Budget {
        visitor.fresh()?;
    }
    Ok(())
}

/// `$1,200.00` as a field holds it: `1200.00`.
fn dollars(cents: Option<&str>) -> String {
    money(cents)
        .chars()
        .filter(|letter| !matches!(letter, '$' | ','))
        .collect()
}

async fn act(
    visitor: Visitor,
    id: AccessRequestId,
    headers: HeaderMap,
    (grants, typed): (bool, Typed),
) -> Result<Response, Wrong> {
    visitor.changing(&headers, &typed.csrf)?;
    let (request, whose) = open(&visitor, id).await?;
    step_up(&visitor, &request, grants)?;
    let again =
        |typed: Typed, wrong: Mistakes| {
            Ok(confirm(&request, &whose, grants, (typed, wrong))
                .page(shell(&visitor, "Are you sure?")))
        };
    let amount_cents = if grants && request.kind == AskedKind::Budget {
        match access_requests::cents_of_dollars("amount", &typed.amount) {
            Ok(cents) => Some(cents),
            Err(wrong) => {
                let amount = Some(wrong.why);
                return again(
                    typed,
                    Mistakes {
                        amount,
                        reason: None,
                    },
                );
            }
        }
    } else {
        None
    };
    let answer = Answer {
        grants,
        words: typed.reason.trim().to_owned(),
        amount_cents,
    };
    let issuers = visitor.console().rules.issuers_for_people();
    match access_requests::answer(&visitor.operation(), id, &answer, issuers).await {
        Ok(_) => Ok(asked::done(&format!("/console/requests/{id}"), "answered")),
        Err(error @ (ControlError::RequestClosed { .. } | ControlError::RequestExpired)) => {
            Err(too_late(error, id))
        }
        Err(error @ ControlError::NotSoYet(_)) => Err(too_early(error, id)),
        Err(error) => match (of_field(&error, "reason"), of_field(&error, "amount_cents")) {
            (None, None) => Err(error.into()),
            (reason, amount) => again(typed, Mistakes { reason, amount }),
        },
    }
}

/// `GET /console/requests/{id}/grant`.
pub async fn ask_grant(
    visitor: Visitor,
    Named(id): Named<AccessRequestId>,
) -> Result<Response, Wrong> {
    ask(visitor, id, true).await
}

/// `POST /console/requests/{id}/grant`.
pub async fn grant(
    visitor: Visitor,
    Named(id): Named<AccessRequestId>,
    headers: HeaderMap,
    Form(typed): Form<Typed>,
) -> Result<Response, Wrong> {
    act(visitor, id, headers, (true, typed)).await
}

/// `GET /console/requests/{id}/decline`.
pub async fn ask_decline(
    visitor: Visitor,
    Named(id): Named<AccessRequestId>,
) -> Result<Response, Wrong> {
    ask(visitor, id, false).await
}

/// `POST /console/requests/{id}/decline`.
pub async fn decline(
    visitor: Visitor,
    Named(id): Named<AccessRequestId>,
    headers: HeaderMap,
    Form(typed): Form<Typed>,
) -> Result<Response, Wrong> {
    act(visitor, id, headers, (false, typed)).await
}
