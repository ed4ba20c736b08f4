//! People: find one, take their access away, give it back.

use domain::Timestamp;
use ledger::record::ChangeKind;
pub use store::Person;
use store::Target;

use crate::access::Right;
use crate::{ControlError, Operation};

/// The one person of this id, stable id, e-mail or name.
pub async fn find(operation: &Operation<'_>, text: &str) -> Result<Person, ControlError> {
    operation.require(Right::PeopleRead)?;
    let mut found = operation.store.find_people(operation.org, text).await?;
    match found.len() {
        0 => Err(ControlError::NoSuchPerson),
        1 => Ok(found.remove(0)),
        many => Err(ControlError::Ambiguous(many)),
    }
}

/// Takes a person's access away: their sessions end, open streams are cut and new requests refused within a second on every
/// replica.
pub async fn revoke(
    operation: &Operation<'_>,
    text: &str,
    why: &str,
) -> Result<Person, ControlError> {
    operation.require(Right::PeopleWrite)?;
    let person = find(operation, text).await?;
    let now = operation.clock.now();
    let mut change = operation.change("person", &person.id.to_string(), ChangeKind::Updated);
    change.reason = Some(format!("revoked: {why}").as_str().into());
    operation.record(change).await?;
    disable(operation, &person, Some(now)).await?;
    operation
        .store
        .revoke(operation.org, &Target::Person(person.id), now, why)
        .await?;
    Ok(person)
}

/// Lets a person sign in again. What was revoked stays revoked.
pub async fn restore(
    operation: &Operation<'_>,
    text: &str,
    why: &str,
) -> Result<Person, ControlError> {
    operation.require(Right::PeopleWrite)?;
    let person = find(operation, text).await?;
    let mut change = operation.change("person", &person.id.to_string(), ChangeKind::Updated);
    change.reason = Some(format!("restored: {why}").as_str().into());
    operation.record(change).await?;
    disable(operation, &person, None).await?;
    Ok(person)
}

async fn disable(
    operation: &Operation<'_>,
    person: &Person,
    at: Option<Timestamp>,
) -> Result<(), ControlError> {
    operation
        .store
        .set_person_disabled(operation.org, person.id, at)
        .await?;
    Ok(())
}
