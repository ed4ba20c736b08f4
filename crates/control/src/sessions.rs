//! Sessions: who is signed in with which program, and ending that. What ends opens nothing from then on, and its open streams are
//! cut within a second on every replica.

use domain::{PersonId, SessionId};
use ledger::record::ChangeKind;
use store::Target;
pub use store::{Session, SessionsCount};

use crate::access::Right;
use crate::{ControlError, Operation, text};

/// Sessions after one of them, of one person or of everyone, and whether there are more.
pub async fn list(
    operation: &Operation<'_>,
    (person, open): (Option<PersonId>, bool),
    after: Option<SessionId>,
    limit: u32,
) -> Result<(Vec<Session>, bool), ControlError> {
    operation.require(Right::SessionsRead)?;
    let store = operation.store;
    Ok(store
        .sessions_page(operation.org, (person, open), after, limit)
        .await?)
}

/// As [`list`], newest first: sessions before one of them.
pub async fn list_back(
    operation: &Operation<'_>,
    (person, open): (Option<PersonId>, bool),
    before: Option<SessionId>,
    limit: u32,
) -> Result<(Vec<Session>, bool), ControlError> {
    operation.require(Right::SessionsRead)?;
    let store = operation.store;
    Ok(store
        .sessions_page_back(operation.org, (person, open), before, limit)
        .await?)
}

/// How many sessions there are, of one person or of everyone.
pub async fn count(
    operation: &Operation<'_>,
    person: Option<PersonId>,
) -> Result<SessionsCount, ControlError> {
    operation.require(Right::SessionsRead)?;
    let store = operation.store;
    Ok(store.sessions_count(operation.org, person).await?)
}

/// A session.
pub async fn read(operation: &Operation<'_>, session: SessionId) -> Result<Session, ControlError> {
    operation.require(Right::SessionsRead)?;
    find(operation, session).await
}

/// One's own sessions after one of them, and whether there are more.
pub async fn list_own(
    operation: &Operation<'_>,
    after: Option<SessionId>,
    limit: u32,
) -> Result<(Vec<Session>, bool), ControlError> {
    own(operation, false, after, limit).await
}

/// One's own sessions that have not ended, oldest first, and whether there are more.
pub async fn list_own_open(
    operation: &Operation<'_>,
    limit: u32,
) -> Result<(Vec<Session>, bool), ControlError> {
    own(operation, true, None, limit).await
}

async fn own(
    operation: &Operation<'_>,
    open: bool,
    after: Option<SessionId>,
    limit: u32,
) -> Result<(Vec<Session>, bool), ControlError> {
    operation.require(Right::OwnRead)?;
    let person = operation.actor.person_id();
    let person = person.ok_or(ControlError::Forbidden(Right::OwnRead))?;
    let store = operation.store;
    Ok(store
        .sessions_page(operation.org, (Some(person), open), after, limit)
        .await?)
}

/// Ends a session.
pub async fn end(
    operation: &Operation<'_>,
    session: SessionId,
    reason: &str,
) -> Result<Session, ControlError> {
    operation.require(Right::SessionsWrite)?;
    let reason = text::reason("reason", reason)?;
    let found = find(operation, session).await?;
    take(operation, found, &reason).await
}

/// Ends a session of one's own. Somebody else's is not there.
pub async fn end_own(
    operation: &Operation<'_>,
    session: SessionId,
) -> Result<Session, ControlError> {
    operation.require(Right::OwnWrite)?;
    let found = find(operation, session).await?;
    if Some(found.person) != operation.actor.person_id() {
        return Err(ControlError::NoSuch("session"));
    }
    take(operation, found, "ended by its owner").await
}

/// Goes on only when who acts may end all sessions of somebody: their personal tokens go with them.
pub fn require_for_all(operation: &Operation<'_>) -> Result<(), ControlError> {
    operation.require(Right::SessionsWrite)?;
    operation.require(Right::TokensWrite)
}

/// Ends every session of a person, and takes their personal tokens away, which takes the right to; they may sign in again.
pub async fn end_of_person(
    operation: &Operation<'_>,
    person: PersonId,
    reason: &str,
) -> Result<(), ControlError> {
    require_for_all(operation)?;
    let reason = text::reason("reason", reason)?;
    let known = operation.store.person(operation.org, person).await?;
    known.ok_or(ControlError::NoSuch("person"))?;
    let name = format!("every session of {person}");
    take_all(operation, (&name, &Target::Person(person)), &reason).await
}

/// Ends the sessions of everyone, one's own included, and takes all personal tokens away; whoever may, signs in again.
pub async fn end_everyones(operation: &Operation<'_>, reason: &str) -> Result<(), ControlError> {
    require_for_all(operation)?;
    let reason = text::reason("reason", reason)?;
    take_all(operation, ("every session", &Target::Everyone), &reason).await
}

async fn take_all(
    operation: &Operation<'_>,
    (name, target): (&str, &Target),
    reason: &str,
) -> Result<(), ControlError> {
    let now = operation.clock.now();
    let mut change = operation.change("session", name, ChangeKind::Deleted);
    change.reason = Some(reason.into());
    operation.record(change).await?;
    let store = operation.store;
    store.revoke(operation.org, target, now, reason).await?;
    Ok(())
}

async fn find(operation: &Operation<'_>, session: SessionId) -> Result<Session, ControlError> {
    let found = operation.store.session(operation.org, session).await?;
    found.ok_or(ControlError::NoSuch("session"))
}

async fn take(
    operation: &Operation<'_>,
    session: Session,
    reason: &str,
) -> Result<Session, ControlError> {
    if session.ended_at.is_some() {
        return Ok(session);
    }
    let now = operation.clock.now();
    let name = format!("{} of {}", session.id, session.person);
    let mut change = operation.change("session", &name, ChangeKind::Deleted);
    change.reason = Some(reason.into());
    operation.record(change).await?;
    let target = Target::Session(session.id);
    operation
        .store
        .revoke(operation.org, &target, now, reason)
        .await?;
    Ok(Session {
        ended_at: Some(now),
        ..session
    })
}
