//! The break-glass account: for when the identity provider is away and somebody must come in. Off until it is sealed; its code is shown once, for
//! an envelope, and opens once, for an hour. What it may is an owner's but for whatever would outlive it.

use domain::{OWN_ISSUER, Timestamp, break_glass, limits};
use ledger::record::ChangeKind;
use secrecy::{ExposeSecret as _, SecretString};
use store::Person;

pub use store::BreakGlass;

use crate::access::Right;
use crate::{ControlError, Operation, sessions, text};

/// Seals it with a new code, which is returned and kept nowhere. What an earlier code opened ends.
pub async fn seal(operation: &Operation<'_>, reason: &str) -> Result<SecretString, ControlError> {
    operation.require(Right::RolesWrite)?;
    let reason = text::reason("reason", reason)?;
    let before = end_open(operation, &reason).await?;
    let code = break_glass::mint(operation.ids);
    let hash = break_glass::hash(code.expose_secret());
    let hash = hash.ok_or(ControlError::NoSuch("code"))?;
    let kind = match before {
        Some(_) => ChangeKind::Updated,
        None => ChangeKind::Created,
    };
    let mut change = operation.change("break_glass", "sealed", kind);
    change.reason = Some(reason.as_str().into());
    let (at, by) = (operation.clock.now(), operation.actor.label());
    let (store, org) = (operation.store, operation.org);
    let sealing = store.seal_break_glass(org, &hash, (at, by));
    operation.make(change, sealing).await?;
    Ok(code)
}

/// Takes it away, with whatever its code opened.
pub async fn remove(operation: &Operation<'_>, reason: &str) -> Result<(), ControlError> {
    operation.require(Right::RolesWrite)?;
    let reason = text::reason("reason", reason)?;
    if end_open(operation, &reason).await?.is_none() {
        return Err(ControlError::NoSuch("break-glass account"));
    }
    let mut change = operation.change("break_glass", "taken away", ChangeKind::Deleted);
    change.reason = Some(reason.as_str().into());
    let (store, org) = (operation.store, operation.org);
    let removing = store.remove_break_glass(org);
    operation.make(change, removing).await?;
    Ok(())
}

/// How it stands; none where there is none.
pub async fn read(operation: &Operation<'_>) -> Result<Option<BreakGlass>, ControlError> {
    operation.require(Right::RolesRead)?;
    Ok(operation.store.break_glass(operation.org).await?)
}

/// Ends the session that a code opened, and tells how the account stood.
async fn end_open(
    operation: &Operation<'_>,
    reason: &str,
) -> Result<Option<BreakGlass>, ControlError> {
    let stands = operation.store.break_glass(operation.org).await?;
    if let Some(session) = stands.as_ref().and_then(|stands| stands.session) {
        match sessions::end(operation, session, reason).await {
            Ok(_) | Err(ControlError::NoSuch(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(stands)
}

/// Whether this person is the account, and not somebody of an identity provider.
pub(crate) fn is_account(person: &Person) -> bool {
    person.issuer == OWN_ISSUER && person.stable_id.starts_with(break_glass::STABLE_ID)
}

/// Whether a session of the account that began then still opens anything: it is the one that the last code opened, and not an hour old.
pub(crate) fn stands(
    account: Option<&BreakGlass>,
    session: domain::SessionId,
    (created, now): (Timestamp, Timestamp),
) -> bool {
    let is_open = account.and_then(|account| account.session) == Some(session);
    is_open && (0..limits::BREAK_GLASS_MS).contains(&now.ms_since(created))
}

#[cfg(test)]
mod tests {
    use domain::SessionId;

    use super::*;

    #[test]
    fn a_session_of_the_account_opens_for_an_hour_and_only_while_it_is_the_last_one() {
        let session = SessionId::from_parts(1, 1);
        let opened_at = Timestamp::from_unix_ms(1_000);
        let account = BreakGlass {
            sealed_at: Timestamp::from_unix_ms(0),
            sealed_by: "ada".to_owned(),
            opened_at: Some(opened_at),
            session: Some(session),
        };
        let check = |account: Option<&BreakGlass>, session, after_ms, expected: bool| {
            let ages = (opened_at, opened_at.plus_ms(after_ms));
            assert_eq!(stands(account, session, ages), expected, "{after_ms}");
        };
        check(Some(&account), session, 0, true);
        check(Some(&account), session, limits::BREAK_GLASS_MS - 1, true);
        check(Some(&account), session, limits::BREAK_GLASS_MS, false);
        check(Some(&account), session, -1, false);
        check(Some(&account), SessionId::from_parts(2, 2), 0, false);
        let sealed = BreakGlass {
            opened_at: None,
            session: None,
            ..account
        };
        check(Some(&sealed), session, 0, false);
        check(None, session, 0, false);
    }
}
