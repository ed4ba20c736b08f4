//! What an administrator can do, as functions: one file per noun. Each takes an [`Operation`] first, which says who acts and for
//! which organisation, and writes its change into the ledger before it returns. The console, the API and the command line are
//! faces of these functions; nothing here speaks HTTP or reads the environment.

pub mod people;
pub mod policies;
pub mod service_keys;

use domain::{Clock, OrgId};
use ledger::Ledger;
use ledger::record::{Change, ChangeKind};
use store::Store;

/// Who acts, for whom, with what at hand.
#[derive(Debug, Clone, Copy)]
pub struct Operation<'o> {
    /// The organisation.
    pub org: OrgId,
    /// Who acts, for people to read: `command line (ada)`.
    pub by: &'o str,
    /// Rows.
    pub store: &'o Store,
    /// Where changes are written down.
    pub ledger: &'o Ledger,
    /// The time.
    pub clock: &'o dyn Clock,
}

/// Why something could not be done.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The store cannot be reached; nothing was written.
    #[error("the store cannot be reached; nothing was written")]
    Store(#[from] store::StoreError),
    /// The ledger cannot be written; nothing was changed.
    #[error("the ledger cannot be written; nothing was changed")]
    Ledger(#[from] ledger::LedgerError),
    /// The text is no policy.
    #[error("the policy cannot be used")]
    Policy(#[from] domain::policy::UnreadablePolicy),
    /// The YAML is none.
    #[error("the YAML cannot be read: {0}")]
    Yaml(String),
    /// Somebody else applied a version in between.
    #[error(
        "version {current} was applied in between; read it, lay your change over it, and apply again"
    )]
    Conflict {
        /// The latest version now.
        current: u64,
    },
    /// No such person.
    #[error("no person of this id, stable id, e-mail or name has signed in")]
    NoSuchPerson,
    /// What was given for a new service key cannot be taken.
    #[error("{0}")]
    ServiceKey(#[from] service_keys::Unusable),
    /// No such key.
    #[error("no service key that still opens has this id, and no service of this name has one")]
    NoSuchKey,
    /// More than one such person.
    #[error("{0} people match; name one by id")]
    Ambiguous(usize),
}

impl Operation<'_> {
    /// Writes a change down and waits until it is durable.
    pub(crate) async fn record(&self, change: Change) -> Result<(), ControlError> {
        self.ledger.append(ledger::Record::Change(change)).await?;
        Ok(())
    }

    pub(crate) fn change(&self, noun: &str, name: &str, done: ChangeKind) -> Change {
        Change {
            org: Some(self.org),
            by: None,
            by_label: self.by.into(),
            address: None,
            noun: noun.into(),
            name: name.into(),
            done,
            version: None,
            before: None,
            after: None,
            reason: None,
        }
    }
}

/// SHA-256 in hexadecimal, as changes name texts.
pub(crate) fn fingerprint(text: &str) -> String {
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
    hash.as_ref()
        .iter()
        .fold(String::with_capacity(64), |mut text, byte| {
            use std::fmt::Write as _;
            let _ = write!(text, "{byte:02x}");
            text
        })
}
