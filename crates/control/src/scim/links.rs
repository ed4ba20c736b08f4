//! Whom a user of the directory hangs on, said by an administrator: for a directory that cannot be made to send the stable ids which its
//! issuer's tokens state. A link by hand is stronger than what the directory says later.

use domain::{DirectoryUserId, PersonId};
use ledger::record::ChangeKind;
use store::{DirectoryUser, Person, UserWrite};

use crate::access::Right;
use crate::{ControlError, Operation, people, text};

/// Hangs a user on the person of this id, stable id or e-mail, who must be of the same issuer. The person the user hung on before is
/// shut out, unless it is the same; so is the new one when the directory has the user inactive.
pub async fn link(
    operation: &Operation<'_>,
    user: DirectoryUserId,
    person: &str,
    why: &str,
) -> Result<(DirectoryUser, Person), ControlError> {
    operation.require(Right::DirectoryWrite)?;
    let why = &text::reason("reason", why)?;
    let store = operation.store;
    let source = store.source_of_directory_user(operation.org, user).await?;
    let source = source.ok_or(ControlError::NoSuch("user of a directory"))?;
    let person = people::find(operation, person).await?;
    let before = store.directory_user(operation.org, &source, user).await?;
    let before = before.ok_or(ControlError::NoSuch("user of a directory"))?;
    let mut change = operation.change("directory_user", &user.to_string(), ChangeKind::Updated);
    change.reason = Some(format!("linked to {}: {why}", person.id).as_str().into());
    operation.record(change).await?;
    let mut out = Vec::new();
    if before.person != person.id {
        out.push((before.person, format!("no longer meant: {why}")));
    }
    if !before.active {
        let why = format!("the directory has {user} inactive: {why}");
        out.push((person.id, why));
    }
    for (person, why) in &out {
        record_shut_out(operation, *person, why).await?;
    }
    let now = operation.clock.now();
    let linked = store
        .link_directory_user(operation.org, &source, user, person.id, now)
        .await?;
    let (refused, because) = match linked {
        UserWrite::Done(user) => return Ok((user, person)),
        UserWrite::Taken(_) => (ControlError::Linked, "another user is linked to the person"),
        UserWrite::Gone | UserWrite::Stale => (
            ControlError::NoSuch("person of this issuer"),
            "the person is none of this issuer's, or the user is gone",
        ),
    };
    let id = user.to_string();
    operation
        .record_not_made("directory_user", &id, because)
        .await?;
    for (person, _) in &out {
        let id = person.to_string();
        operation.record_not_made("person", &id, because).await?;
    }
    Err(refused)
}

/// The record that lists of what happened to a person show.
async fn record_shut_out(
    operation: &Operation<'_>,
    person: PersonId,
    why: &str,
) -> Result<(), ControlError> {
    let mut change = operation.change("person", &person.to_string(), ChangeKind::Updated);
    change.reason = Some(format!("revoked: {why}").as_str().into());
    operation.record(change).await
}
