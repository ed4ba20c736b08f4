//! Whether something can be asked for: a thing there is, or might be, that the person has not. Whoever asks for a connector or an action
//! that is hidden from them is told the same as for one that is not there.

use domain::access_request::{at_connector, is_askable_address};
use domain::{AskedKind, Usd};

use super::{Wish, period};
use crate::connectors::wanted::{Has, Wanted, has};
use crate::may_use::{self, Question};
use crate::people::Person;
use crate::spend_limits;
use crate::text::{self, Unusable};
use crate::{ControlError, Operation};

/// Whether this can be asked for. The amount of a budget in its shortest form.
pub(super) async fn fit(
    operation: &Operation<'_>,
    person: &Person,
    wish: &Wish,
    question: Question<'_>,
) -> Result<Option<String>, ControlError> {
    let wrong = |field, why: &str| Err(Unusable::new(field, why).into());
    if wish.kind != AskedKind::Budget && wish.amount_cents.is_some() {
        return wrong("amount_cents", "is for a budget alone");
    }
    match wish.kind {
        AskedKind::Model => {
            if !question.models.contains(&wish.thing) {
                return wrong("thing", "must be the id of a model there is");
            }
            let models = std::slice::from_ref(&wish.thing);
            let may = may_use::own(operation, Question { models, ..question }).await?;
            if may.answers.iter().any(|answer| answer.decided.is_ok()) {
                return wrong("thing", "is a model that you may use already");
            }
        }
        AskedKind::Group => {
            let name = text::name("thing", &wish.thing)?;
            if person.groups.contains(&name) {
                return wrong("thing", "is a group that you are in already");
            }
        }
        AskedKind::Budget => {
            if period(&wish.thing).is_none() {
                return wrong("thing", "must be daily, weekly or monthly");
            }
            let Some(amount) = wish.amount_cents.as_deref() else {
                return wrong("amount_cents", "must say how much");
            };
            return Ok(Some(money(amount)?));
        }
        AskedKind::Connector | AskedKind::Action => {
            let wanted = wanted(wish.kind, &wish.thing)?;
            let issuers = question.issuers_for_people;
            let has = has(operation, person, wanted, issuers).await?;
            if let Some(why) = unfit(wish.kind, has) {
                return wrong("thing", why);
            }
        }
    }
    Ok(None)
}

/// What is wanted, from how it is written.
pub(super) fn wanted(kind: AskedKind, thing: &str) -> Result<Wanted<'_>, Unusable> {
    if kind == AskedKind::Action {
        let Some((connector, action)) = at_connector(thing) else {
            let why = "must be a connector's name, a slash, and an action's name of letters, digits, `_`, `-`, `.` and `/`";
            return Err(Unusable::new("thing", why));
        };
        let action = Some(action);
        return Ok(Wanted { connector, action });
    }
    text::name("thing", thing)?;
    if thing.contains("://") && !is_askable_address(thing) {
        let why = "must be a name, or an address that begins with https:// and has no user, `?` or `#` in it";
        return Err(Unusable::new("thing", why));
    }
    Ok(Wanted {
        connector: thing,
        action: None,
    })
}

/// Why what somebody has keeps them from asking.
const fn unfit(kind: AskedKind, has: Has) -> Option<&'static str> {
    match (kind, has) {
        (AskedKind::Action, Has::All) => Some("is an action that you may use already"),
        (AskedKind::Action, Has::NoConnector) => {
            Some("must be an action of a connector that you have; ask for the connector first")
        }
        (AskedKind::Connector, Has::All) => Some("is a connector that you have already"),
        _ => None,
    }
}

/// Cents in their shortest form, of which there are some.
pub(super) fn money(cents: &str) -> Result<String, Unusable> {
    let cents = spend_limits::cents(cents)?;
    if cents.parse() == Ok(Usd::ZERO) {
        return Err(Unusable::new("amount_cents", "must be more than nothing"));
    }
    Ok(cents)
}
