//! The keys that the store seals: each change of one is a record before it is made. What a key is, how it is made and who follows the
//! change is the server's; here it is a name and two fingerprints. Only for whoever is on the machine itself: whoever can open a
//! sealed key can do everything.

use ledger::record::{Change, ChangeKind};

use crate::{ControlError, Operation, Who};

/// One change of a key.
#[derive(Debug, Clone, Copy)]
pub struct Rotation<'r> {
    /// Which: `session`, `ledger`, `fingerprint`, `vault`, `sealing`.
    pub name: &'r str,
    /// What tells the old one from others.
    pub before: &'r str,
    /// What tells the new one from others.
    pub after: &'r str,
    /// Why, for whoever reads the ledger.
    pub reason: Option<&'r str>,
}

/// Writes down that a key is changed.
pub async fn announce(
    operation: &Operation<'_>,
    rotation: Rotation<'_>,
) -> Result<(), ControlError> {
    if *operation.actor.who() != Who::CommandLine {
        return Err(ControlError::NoSuch("key"));
    }
    let change = operation.change("key", rotation.name, ChangeKind::Updated);
    operation
        .record(Change {
            before: Some(rotation.before.into()),
            after: Some(rotation.after.into()),
            reason: rotation.reason.map(Into::into),
            ..change
        })
        .await
}

/// Writes the change down and puts the new sealed key in the place of the one that was read; false when another is there by now.
pub async fn rotate(
    operation: &Operation<'_>,
    rotation: Rotation<'_>,
    secret: &str,
    read: &[u8],
    sealed: &[u8],
) -> Result<bool, ControlError> {
    announce(operation, rotation).await?;
    let store = operation.store;
    let is_done = store.swap_secret(secret, read, sealed).await?;
    if !is_done {
        let why = "another was put there in between";
        operation.record_not_made("key", rotation.name, why).await?;
    }
    Ok(is_done)
}
