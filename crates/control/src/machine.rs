//! What only the running process can tell: how the keys of issuers stand on this replica, which keys of its own it has and what each
//! still does, and whether the end of its ledger holds. The server implements [`Machine`]; here is who may ask. Nothing of it ever is a
//! key, and nothing of it changes one: whoever can open a sealed key can do everything, so that is for the machine's own command line.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use domain::Timestamp;
pub use ledger::PublicKey;
pub use ledger::verify::Latest;

use crate::access::Right;
use crate::installation::SettingSection;
use crate::{ControlError, Operation};

/// How the keys of an issuer stand on this replica.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuerKeys {
    /// The issuer, by its configured name.
    pub name: String,
    /// Whether its tokens can be verified now.
    pub is_usable: bool,
    /// When its keys were last fetched.
    pub fetched: Option<Timestamp>,
    /// How many there are.
    pub keys: usize,
    /// Their kinds: `RS256`.
    pub algorithms: Vec<String>,
    /// What went wrong at the last attempt.
    pub problem: Option<String>,
}

/// What one of our own keys does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyUse {
    /// It signs.
    Signs,
    /// It signs from a moment on, and verifies already.
    SignsFrom(Timestamp),
    /// It verifies until a moment.
    VerifiesUntil(Timestamp),
    /// It verifies what it signed.
    Verifies,
    /// Nothing it signed is good any more.
    HasEnded,
    /// It makes fingerprints of findings.
    MakesFingerprints,
    /// It seals arguments of calls and people's grants.
    SealsRows,
    /// It opens what it sealed of them, and seals nothing.
    OpensRows,
    /// It seals so many secrets of the store.
    Seals {
        /// Those that it sealed.
        sealed: usize,
        /// Those that another one sealed.
        with_another: usize,
    },
}

/// One of our own keys, never the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnKey {
    /// Which ring it belongs to: `session`, `ledger`, `fingerprint`, `vault`, `sealing`.
    pub ring: &'static str,
    /// What tells it from others.
    pub fingerprint: String,
    /// When it was made; unknown for keys from before that was kept, and for one that is configured.
    pub made: Option<Timestamp>,
    /// What it does.
    pub does: KeyUse,
}

/// What could not be looked at.
#[derive(Debug, thiserror::Error)]
#[error("it cannot be looked at now")]
pub struct Unseen(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// What looking takes.
pub type Looking<'m, T> = Pin<Box<dyn Future<Output = Result<T, Unseen>> + Send + 'm>>;

/// The running process, as far as it can be asked about itself.
pub trait Machine: fmt::Debug + Send + Sync {
    /// How the keys of every issuer stand.
    fn issuers(&self) -> Vec<IssuerKeys>;

    /// The keys of its own, by ring, newest first.
    fn keys(&self) -> Looking<'_, Vec<OwnKey>>;

    /// Every public key that checkpoints of its ledger are signed with, newest first.
    fn public_keys(&self) -> Looking<'_, Vec<PublicKey>>;

    /// Verifies the end of its ledger; none while another look is under way.
    fn verify_latest(&self) -> Looking<'_, Option<Latest>>;

    /// The configuration as it is in force, secrets by class alone.
    fn settings(&self) -> &[SettingSection];
}

/// How the keys of every issuer stand on this replica.
pub fn issuers(
    operation: &Operation<'_>,
    machine: &dyn Machine,
) -> Result<Vec<IssuerKeys>, ControlError> {
    operation.require(Right::ConfigRead)?;
    Ok(machine.issuers())
}

/// The configuration as it is in force on this replica.
pub fn settings<'m>(
    operation: &Operation<'_>,
    machine: &'m dyn Machine,
) -> Result<&'m [SettingSection], ControlError> {
    operation.require(Right::ConfigRead)?;
    Ok(machine.settings())
}

/// This installation's own keys, by ring, newest first.
pub async fn keys(
    operation: &Operation<'_>,
    machine: &dyn Machine,
) -> Result<Vec<OwnKey>, ControlError> {
    operation.require(Right::ConfigRead)?;
    Ok(machine.keys().await?)
}

/// Every public key of the ledger's checkpoints, newest first.
pub async fn public_keys(
    operation: &Operation<'_>,
    machine: &dyn Machine,
) -> Result<Vec<PublicKey>, ControlError> {
    operation.require(Right::LedgerRead)?;
    Ok(machine.public_keys().await?)
}

/// Verifies the end of this replica's ledger; none while another look is under way.
pub async fn verify_latest(
    operation: &Operation<'_>,
    machine: &dyn Machine,
) -> Result<Option<Latest>, ControlError> {
    operation.require(Right::LedgerRead)?;
    Ok(machine.verify_latest().await?)
}
