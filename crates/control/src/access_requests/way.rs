//! What a connector or an action that somebody asks for still lacks before it is theirs, for whoever answers: a grant of it says what is
//! so, and is refused before it is.

use domain::AskedKind;

use super::AccessRequest;
use super::fit;
use crate::access::Right;
use crate::connectors::Way;
use crate::connectors::wanted::{self, Lack};
use crate::{ControlError, Operation, people};

/// How far the person is from what they ask for; none where that is no connector and no action.
pub async fn way(
    operation: &Operation<'_>,
    request: &AccessRequest,
    issuers_for_people: usize,
) -> Result<Option<Way>, ControlError> {
    operation.require(Right::AccessRequestsRead)?;
    if !matches!(request.kind, AskedKind::Connector | AskedKind::Action) {
        return Ok(None);
    }
    let wanted = fit::wanted(request.kind, &request.thing)?;
    let (store, org) = (operation.store, operation.org);
    let person = store.person(org, request.person).await?;
    let person = person.ok_or(ControlError::NoSuch("person"))?;
    let person = people::as_now(store, person).await?;
    let way = wanted::way(operation, &person, wanted, issuers_for_people).await?;
    Ok(Some(way))
}

/// The same, only where nothing lacks.
pub async fn require_in_force(
    operation: &Operation<'_>,
    request: &AccessRequest,
    issuers_for_people: usize,
) -> Result<Option<Way>, ControlError> {
    let way = way(operation, request, issuers_for_people).await?;
    let lacks = way.iter().flat_map(|way| &way.lacks);
    let says: Vec<&str> = lacks.map(Lack::says).collect();
    if says.is_empty() {
        return Ok(way);
    }
    Err(ControlError::NotSoYet(says.join(" ")))
}
