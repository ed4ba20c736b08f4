//! Asking for access: a person asks for a model that they may not use, for a higher budget, to be in a group, for a connector, or for an
//! action of one, and somebody with the right answers. An answer never edits the policy and never moves anybody between groups: a grant of
//! a budget sets that person's spend limit in the same step; one of a connector or an action says what is so already, and is refused
//! before it is; one of a model or a group is a promise that somebody keeps by hand. Pages and docs say so. Nobody answers their own.
//! What people write to say why stays in the store; the ledger holds its fingerprint.
//!
//! - [`fit`]: what can be asked for
//! - [`mod@way`]: what a connector or an action that is asked for still lacks

mod fit;
mod way;

use domain::access_request::at_connector;
use domain::window::Period;
use domain::{AccessRequestId, AccessState, AskedKind, BudgetId, Timestamp, Usd};
use ledger::record::{Change, ChangeKind};
pub use store::{AccessEnd, AccessRequest};
use store::{AskedFor, Asking, SpendLimit};

use crate::access::Right;
use crate::connectors::Way;
use crate::dollars::{COMMA, Mistyped, dollars};
use crate::may_use::Question;
use crate::people;
use crate::spend_limits::{self, Scope};
use crate::text::{self, Unusable};
use crate::{ControlError, Operation, fingerprint};
use fit::{fit, money};
pub use way::{require_in_force, way};

/// What the ledger calls a request.
const NOUN: &str = "access_request";

/// What somebody wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// What for.
    pub kind: AskedKind,
    /// Which: a model's id, a budget's period, a group's name, a connector's name or address, `connector/action`.
    pub thing: String,
    /// Of a budget, and of nothing else: how much, US cents as a decimal text.
    pub amount_cents: Option<String>,
    /// Why, in their words: 1 to [`domain::limits::REASON_CHARS_MAX`] characters on one line.
    pub reason: String,
}

/// What somebody answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Yes or no.
    pub grants: bool,
    /// Words for whoever asked: 1 to [`domain::limits::REASON_CHARS_MAX`] characters on one line.
    pub words: String,
    /// Of a budget that is granted: how much, where it is not what was asked for. US cents as a decimal text.
    pub amount_cents: Option<String>,
}

/// How a request stands at a moment.
pub fn standing(request: &AccessRequest, now: Timestamp) -> AccessState {
    request.state.at(request.asked, now)
}

/// Asks. `question` says which models there are and whether the person may use them already: what one has is not asked for.
pub async fn ask(
    operation: &Operation<'_>,
    wish: Wish,
    question: Question<'_>,
) -> Result<AccessRequest, ControlError> {
    operation.require(Right::OwnWrite)?;
    let person = people::own(operation).await?;
    let reason = text::reason("reason", &wish.reason)?;
    let amount_cents = fit(operation, &person, &wish, question).await?;
    let (unix_ms, random) = operation.id_parts();
    let new = AccessRequest {
        id: AccessRequestId::from_parts(unix_ms, random),
        person: person.id,
        label: operation.actor.label().to_owned(),
        kind: wish.kind,
        thing: wish.thing,
        amount_cents,
        reason,
        asked: operation.clock.now(),
        state: AccessState::Open,
        end: None,
    };
    let asking = operation
        .store
        .hold_access_request(operation.org, &new)
        .await?;
    let held = match asking {
        Asking::Held(held) => held,
        Asking::Stands(stands) => return Err(ControlError::AskedAlready(stands)),
        Asking::Out => return Err(ControlError::Forbidden(Right::OwnWrite)),
    };
    let mut change = about(operation, &new, ChangeKind::Created);
    change.reason = Some(format!("asks for {}", recorded(&new)).as_str().into());
    change.after = Some(fingerprint(&described(&new)).as_str().into());
    operation.record(change).await?;
    held.keep().await?;
    Ok(new)
}

/// The period that a budget was asked for.
pub fn period(thing: &str) -> Option<Period> {
    Period::ALL
        .into_iter()
        .find(|period| period.as_str() == thing)
}

/// Takes a request of one's own back. Somebody else's is not there.
pub async fn withdraw(
    operation: &Operation<'_>,
    id: AccessRequestId,
) -> Result<AccessRequest, ControlError> {
    operation.require(Right::OwnWrite)?;
    let request = find(operation, id).await?;
    if Some(request.person) != operation.actor.person_id() {
        return Err(ControlError::NoSuch("request"));
    }
    let end = AccessEnd {
        at: operation.clock.now(),
        by: operation.actor.label().to_owned(),
        answer: String::new(),
        granted_cents: None,
    };
    let held = operation
        .store
        .hold_access_end(operation.org, id, AccessState::Withdrawn, &end)
        .await?;
    let Some(held) = held else {
        return Err(closed(operation, id).await?);
    };
    let mut change = about(operation, &request, ChangeKind::Updated);
    change.reason = Some("withdrawn".into());
    operation.record(change).await?;
    held.keep().await?;
    Ok(ended(request, AccessState::Withdrawn, end))
}

/// One's own requests after one of them, newest first, and whether there are more.
pub async fn list_own(
    operation: &Operation<'_>,
    after: Option<AccessRequestId>,
    limit: u32,
) -> Result<(Vec<AccessRequest>, bool), ControlError> {
    operation.require(Right::OwnRead)?;
    let person = operation.actor.person_id();
    let person = person.ok_or(ControlError::Forbidden(Right::OwnRead))?;
    let wanted = AskedFor {
        person: Some(person),
        open_at: None,
    };
    page(operation, wanted, after, limit).await
}

/// Everybody's requests after one of them, oldest first, those alone that are open where that is wanted, and whether there are more.
pub async fn list(
    operation: &Operation<'_>,
    open_only: bool,
    after: Option<AccessRequestId>,
    limit: u32,
) -> Result<(Vec<AccessRequest>, bool), ControlError> {
    operation.require(Right::AccessRequestsRead)?;
    let wanted = AskedFor {
        person: None,
        open_at: open_only.then(|| operation.clock.now()),
    };
    page(operation, wanted, after, limit).await
}

async fn page(
    operation: &Operation<'_>,
    wanted: AskedFor,
    after: Option<AccessRequestId>,
    limit: u32,
) -> Result<(Vec<AccessRequest>, bool), ControlError> {
    let (store, org) = (operation.store, operation.org);
    Ok(store
        .access_requests_page(org, wanted, after, limit)
        .await?)
}

/// Anybody's request.
pub async fn read(
    operation: &Operation<'_>,
    id: AccessRequestId,
) -> Result<AccessRequest, ControlError> {
    operation.require(Right::AccessRequestsRead)?;
    find(operation, id).await
}

async fn find(
    operation: &Operation<'_>,
    id: AccessRequestId,
) -> Result<AccessRequest, ControlError> {
    let found = operation.store.access_request(operation.org, id).await?;
    found.ok_or(ControlError::NoSuch("request"))
}

/// How many requests of others wait for an answer, and since when the oldest does.
pub async fn waiting(operation: &Operation<'_>) -> Result<(u64, Option<Timestamp>), ControlError> {
    operation.require(Right::AccessRequestsRead)?;
    let (but, now) = (operation.actor.person_id(), operation.clock.now());
    Ok(operation
        .store
        .access_requests_waiting(operation.org, but, now)
        .await?)
}

/// Goes on only when who acts may answer this request: with the right, about money with the right over money too, and never their own.
pub fn require_to_answer(
    operation: &Operation<'_>,
    request: &AccessRequest,
) -> Result<(), ControlError> {
    operation.require(Right::AccessRequestsWrite)?;
    if request.kind == AskedKind::Budget {
        operation.require(Right::BudgetsWrite)?;
    }
    if operation.actor.person_id() == Some(request.person) {
        return Err(ControlError::Oneself);
    }
    Ok(())
}

/// Answers an open request, once. Of several who do so at the same time one does; the others are told who, and how. A connector or an
/// action is granted once the person has it, and not before.
pub async fn answer(
    operation: &Operation<'_>,
    id: AccessRequestId,
    answer: &Answer,
    issuers_for_people: usize,
) -> Result<AccessRequest, ControlError> {
    operation.require(Right::AccessRequestsWrite)?;
    let request = find(operation, id).await?;
    require_to_answer(operation, &request)?;
    let words = text::reason("reason", &answer.words)?;
    let sets_limit = answer.grants && request.kind == AskedKind::Budget;
    if answer.amount_cents.is_some() && !sets_limit {
        let why = "is for a budget that is granted alone";
        return Err(Unusable::new("amount_cents", why).into());
    }
    let amount = answer
        .amount_cents
        .as_ref()
        .or(request.amount_cents.as_ref());
    let end = AccessEnd {
        at: operation.clock.now(),
        by: operation.actor.label().to_owned(),
        answer: words,
        granted_cents: match amount {
            Some(amount) if sets_limit => Some(money(amount)?),
            _ => None,
        },
    };
    if sets_limit {
        return grant_budget(operation, request, end).await;
    }
    if standing(&request, end.at) != AccessState::Open {
        return Err(closed(operation, id).await?);
    }
    let (state, way) = if answer.grants {
        let way = require_in_force(operation, &request, issuers_for_people).await?;
        (AccessState::Granted, way)
    } else {
        (AccessState::Declined, None)
    };
    let (store, org) = (operation.store, operation.org);
    let Some(held) = store.hold_access_end(org, id, state, &end).await? else {
        return Err(closed(operation, id).await?);
    };
    let mut change = answered(operation, &request, state, &end);
    if let Some(way) = way {
        change.version = Some(way.version);
        change.reason = Some(
            said(&recorded_as_found(&request, &way), &request, state, &end)
                .as_str()
                .into(),
        );
    }
    operation.record(change).await?;
    held.keep().await?;
    Ok(ended(request, state, end))
}

/// A grant of money and the spend limit that it sets are one: both are written down, and then both hold.
async fn grant_budget(
    operation: &Operation<'_>,
    request: AccessRequest,
    end: AccessEnd,
) -> Result<AccessRequest, ControlError> {
    let (store, org) = (operation.store, operation.org);
    let person = store.person(org, request.person).await?;
    let person = person.ok_or(ControlError::NoSuch("person"))?;
    let period = period(&request.thing).ok_or(ControlError::NoSuch("period"))?;
    let whose = person.label().to_owned();
    let (unix_ms, random) = operation.id_parts();
    let new = SpendLimit {
        id: BudgetId::from_parts(unix_ms, random),
        scope: Scope::User(person.stable_id),
        period,
        amount_cents: end.granted_cents.clone(),
        pooled_json: None,
        created: end.at,
        updated: end.at,
    };
    let entry = |before: Option<&SpendLimit>, after: &SpendLimit| {
        spend_limits::audit(operation, "spend_limit.upsert", before, Some(after))
    };
    let held = store.hold_access_grant(org, request.id, &end, &new, entry);
    let Some(granting) = held.await? else {
        return Err(closed(operation, request.id).await?);
    };
    let done = match granting.before {
        Some(_) => ChangeKind::Updated,
        None => ChangeKind::Created,
    };
    let print = |limit: &SpendLimit| fingerprint(&spend_limits::described(limit));
    let mut limit = operation.change("spend_limit", &granting.after.id.to_string(), done);
    limit.before = granting.before.as_ref().map(|limit| print(limit).into());
    limit.after = Some(print(&granting.after).into());
    let changed = spend_limits::changed(&whose, granting.before.as_ref(), Some(&granting.after));
    limit.reason = Some(format!("grants {}: {changed}", request.id).as_str().into());
    let state = AccessState::Granted;
    operation
        .record(answered(operation, &request, state, &end))
        .await?;
    operation.record(limit).await?;
    granting.held.keep().await?;
    Ok(ended(request, state, end))
}

/// Why a request that is not open cannot be closed.
async fn closed(
    operation: &Operation<'_>,
    id: AccessRequestId,
) -> Result<ControlError, ControlError> {
    let stands = find(operation, id).await?;
    let state = standing(&stands, operation.clock.now());
    Ok(match stands.end {
        Some(end) => ControlError::RequestClosed {
            state,
            by: end.by,
            at: end.at,
        },
        None => ControlError::RequestExpired,
    })
}

fn ended(request: AccessRequest, state: AccessState, end: AccessEnd) -> AccessRequest {
    AccessRequest {
        state,
        end: Some(end),
        ..request
    }
}

fn about(operation: &Operation<'_>, request: &AccessRequest, done: ChangeKind) -> Change {
    operation.change(NOUN, &request.id.to_string(), done)
}

fn answered(
    operation: &Operation<'_>,
    request: &AccessRequest,
    state: AccessState,
    end: &AccessEnd,
) -> Change {
    let mut change = about(operation, request, ChangeKind::Updated);
    let what = recorded(&AccessRequest {
        amount_cents: end.granted_cents.clone().or(request.amount_cents.clone()),
        ..request.clone()
    });
    change.reason = Some(said(&what, request, state, end).as_str().into());
    change.before = Some(fingerprint(&described(request)).as_str().into());
    change
}

fn said(what: &str, request: &AccessRequest, state: AccessState, end: &AccessEnd) -> String {
    format!("{state}: {what} for {}: {}", request.person, end.answer)
}

/// What was asked for, as the ledger says it: without a word that whoever asked wrote.
pub(crate) fn recorded(request: &AccessRequest) -> String {
    match request.kind {
        AskedKind::Model => format!("the model {}", request.thing),
        AskedKind::Budget => format!(
            "a {} budget of {} cents",
            request.thing,
            request.amount_cents.as_deref().unwrap_or("no")
        ),
        AskedKind::Group => "a group".to_owned(),
        AskedKind::Connector => "a connector".to_owned(),
        AskedKind::Action => "an action of a connector".to_owned(),
    }
}

/// The same where it was found: what the policy calls it.
fn recorded_as_found(request: &AccessRequest, way: &Way) -> String {
    let connector = way.connector.as_ref().map_or("", |(name, _)| name);
    match (request.kind, at_connector(&request.thing)) {
        (AskedKind::Action, Some((_, action))) => {
            format!("the action {action} of the connector {connector}")
        }
        _ => format!("the connector {connector}"),
    }
}

/// A request as one line for each thing it says, for its fingerprint.
fn described(request: &AccessRequest) -> String {
    format!(
        "{}\n{}\n{} {}\n{}\n{}\n{}\n",
        request.id,
        request.person,
        request.kind,
        request.thing,
        request.amount_cents.as_deref().unwrap_or("none"),
        request.reason,
        request.asked,
    )
}

/// Dollars as people type them, `60`, `$60.00` or `1,200`, as cents.
pub fn cents_of_dollars(field: &'static str, text: &str) -> Result<String, Unusable> {
    let amount = match dollars(text) {
        Ok(amount) => amount,
        Err(Mistyped::Comma) => return Err(Unusable::new(field, COMMA)),
        Err(Mistyped::Number) => Usd::ZERO,
    };
    if amount <= Usd::ZERO || amount.nanos() % 10_000_000 != 0 {
        let why = "must be dollars, such as 60 or 60.00, and more than nothing";
        return Err(Unusable::new(field, why));
    }
    Ok(amount.cents_text())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dollars_are_read_as_people_type_them() {
        for (text, cents) in [
            ("60", Some("6000")),
            (" $60.50 ", Some("6050")),
            ("1,200", Some("120000")),
            ("12,50", None),
            ("0.01", Some("1")),
            ("0", None),
            ("-5", None),
            ("0.001", None),
            ("sixty", None),
            ("", None),
            ("99999999999", None),
        ] {
            let read = cents_of_dollars("amount", text).ok();
            assert_eq!(read.as_deref(), cents, "{text}");
        }
    }
}
