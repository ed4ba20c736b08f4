//! Taking in a whole list: read, compared beside the requests of others, one at a time, and then [`check`]ed. A list with one bad row is
//! not taken at all. Called by the API and the console.

use std::sync::Arc;

use domain::opaque::{hex, sha256};
use tokio::sync::Semaphore;

use super::check::{Checked, Given, check, everyone};
use super::read::{self, BadList, Columns, Member};
use super::{Expected, Finding, compare};
use crate::access::Right;
use crate::{ControlError, Operation};

/// A list, and what is asked of it.
#[derive(Debug)]
pub struct ToCheck {
    /// Where it comes from, in the words of whoever gives it.
    pub source: String,
    /// Whether nothing is to be done about what is found.
    pub look_only: bool,
    /// Which column holds what.
    pub columns: Columns,
    /// What is expected of it.
    pub expected: Expected,
    /// The list itself.
    pub csv: Vec<u8>,
}

/// Why a list was not taken.
#[derive(Debug, thiserror::Error)]
pub enum NotTaken {
    /// Another one is being checked.
    #[error("another member list is being checked")]
    Busy,
    /// It cannot be one.
    #[error(transparent)]
    Bad(#[from] BadList),
    /// It may not be, or could not be kept.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// Comparing it broke.
    #[error("the list could not be compared")]
    Broken,
}

/// Compares a list, keeps what it found and acts on it.
pub async fn take(
    operation: &Operation<'_>,
    turns: &Arc<Semaphore>,
    wanted: ToCheck,
) -> Result<(Checked, Vec<Finding>), NotTaken> {
    operation.require(Right::TasksWrite)?;
    let turn = Arc::clone(turns).try_acquire_owned();
    let turn = turn.map_err(|_| NotTaken::Busy)?;
    let people = everyone(operation).await?;
    let work = tokio::task::spawn_blocking(move || {
        let list: Vec<Member> = read::read(&wanted.csv, &wanted.columns)?;
        let compared = compare(&list, &people, &wanted.expected);
        let hash = hex(&sha256(&wanted.csv));
        // The turn goes with the work, also when whoever sent the list has left meanwhile.
        Ok::<_, BadList>((wanted.source, wanted.look_only, list, compared, hash, turn))
    });
    let done = work.await.map_err(|_| NotTaken::Broken)?;
    let (source, look_only, list, compared, hash, _turn) = done?;
    let given = Given {
        source: &source,
        hash: &hash,
        look_only,
    };
    let checked = check(operation, &list, &compared, given).await?;
    Ok((checked, compared.findings))
}
