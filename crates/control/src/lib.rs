//! What an administrator can do, as functions: one file per noun. Each takes an [`Operation`] first, which says who acts and for
//! which organisation, asks [`Operation::require`] before it reads anything, and writes its change into the ledger before it makes
//! it. The console, the API and the command line are faces of these functions; nothing here speaks HTTP or reads the environment.

pub mod access;
pub mod checkpoints;
mod entry;
pub mod groups;
pub mod idempotency;
pub mod acceptable_use;
pub mod keys;
pub mod diff;
pub mod drills;
pub mod may_use;
pub mod members;
pub mod installation;
pub mod overview;
pub mod people;
pub mod policies;
pub mod records;
pub mod roles;
pub mod scim;
pub mod scim_tokens;
pub mod service_keys;
pub mod tasks;
pub mod sessions;
pub mod spend_limits;
mod stated;
pub mod statements;
pub mod text;
pub mod tokens;
pub mod usage;

use std::sync::Arc;

use domain::{Clock, Ids, OrgId, ReasonCode, Timestamp, Vouching};
use ledger::Ledger;
use ledger::record::{Change, ChangeKind};
use store::{Store, StoreError};

pub use access::{Actor, Right, Role, Who};
pub use entry::{Entry, Visit};

/// What every operation stands on, for as long as the process lives.
#[derive(Debug, Clone)]
pub struct Control {
    /// The organisation.
    pub org: OrgId,
    /// Whose people and directories come in.
    pub vouching: Arc<Vouching>,
    /// Rows.
    pub store: Store,
    /// Where changes are written down.
    pub ledger: Arc<Ledger>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness for new ids and secrets.
    pub ids: Arc<dyn Ids>,
}

impl Control {
    /// One operation of somebody.
    pub fn operation<'o>(&'o self, actor: &'o Actor) -> Operation<'o> {
        Operation {
            org: self.org,
            actor,
            store: &self.store,
            ledger: &self.ledger,
            clock: &*self.clock,
            ids: &*self.ids,
        }
    }
}

/// Who acts, for whom, with what at hand.
#[derive(Debug, Clone, Copy)]
pub struct Operation<'o> {
    /// The organisation.
    pub org: OrgId,
    /// Who acts, and what they may.
    pub actor: &'o Actor,
    /// Rows.
    pub store: &'o Store,
    /// Where changes are written down.
    pub ledger: &'o Ledger,
    /// The time.
    pub clock: &'o dyn Clock,
    /// Randomness for new ids and secrets.
    pub ids: &'o dyn Ids,
}

/// Why something could not be done.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Who acts may not.
    #[error("this needs the right {0}, which {holders}", holders = holders(*.0))]
    Forbidden(Right),
    /// Who acts may, but not with this token.
    #[error("{}", out_of_scope(*.0))]
    OutOfScope(Right),
    /// There is no such thing, or who acts may not know that there is.
    #[error("there is no such {0} here")]
    NoSuch(&'static str),
    /// What was given cannot be taken.
    #[error("{0}")]
    Invalid(#[from] text::Unusable),
    /// The store cannot do it, and says in its own words what became of the change.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The ledger cannot be written; nothing was changed.
    #[error("the ledger cannot be written; nothing was changed")]
    Ledger(#[from] ledger::LedgerError),
    /// The text is no policy.
    #[error("the policy cannot be used")]
    Policy(#[from] domain::policy::UnreadablePolicy),
    /// The policy would not do here what it says.
    #[error("the policy would not do here what it says: {}", .0.join("; "))]
    Meaningless(Vec<String>),
    /// The YAML is none.
    #[error("the YAML cannot be read: {0}")]
    Yaml(String),
    /// A version came in between.
    #[error(
        "version {current} came in between and is in force; read it, lay your change over it, and send that"
    )]
    Conflict {
        /// The latest version now.
        current: u64,
    },
    /// The version is in force; not everything that it states beside its rules was done.
    #[error(
        "version {version} is in force, but not everything that its [administration] states was done; apply the same text again to do the rest ({})", cause.code()
    )]
    Partly {
        /// The version.
        version: u64,
        /// Why the rest was not done.
        cause: Box<ControlError>,
    },
    /// Somebody else changed a spend limit in between; this stands now.
    #[error("somebody else changed this in between; nothing was written")]
    Changed(Box<store::SpendLimit>),
    /// There is a spend limit of this scope and period already.
    #[error("{} bounds this already; nothing was written", .0.id)]
    LimitStands(Box<store::SpendLimit>),
    /// Somebody else changed the draft of the acceptable-use policy, or published, in between.
    #[error("the draft or the version in force changed in between; nothing was written")]
    DraftChanged,
    /// There is no draft to publish.
    #[error("nothing was saved as a draft yet")]
    NoDraft,
    /// The text of an acceptable-use policy cannot be published.
    #[error("the acceptable-use policy cannot be published:\n{}", acceptable_use::mistakes(.0))]
    AcceptableUse(Vec<domain::acceptable_use::Mistake>),
    /// There is no acceptable-use policy yet.
    #[error(
        "no acceptable-use policy is published yet; `doorward acceptable-use draft` begins one"
    )]
    NothingPublished,
    /// No such person.
    #[error("nobody here has this id, stable id or e-mail address")]
    NoSuchPerson,
    /// No such key.
    #[error("no service key that still opens has this id, and no service of this name has one")]
    NoSuchKey,
    /// The task is closed, with other words.
    #[error("this task was closed {at} by {by}; it stays as it was")]
    AlreadyClosed {
        /// Who closed it.
        by: String,
        /// When.
        at: Timestamp,
    },
    /// Who acts asked for their own access.
    #[error("nobody gives themselves access again; somebody else with the right can")]
    Oneself,
    /// The person is another user's of the directory.
    #[error("another user of the directory is linked to this person; nothing was changed")]
    Linked,
    /// More than one such person.
    #[error("{0} people match; name one by id")]
    Ambiguous(usize),
}

impl ControlError {
    /// The stable code, from which each face makes its answer.
    pub fn code(&self) -> ReasonCode {
        match self {
            Self::Partly { cause, .. } => cause.code(),
            Self::Forbidden(_) | Self::Oneself => ReasonCode::RoleMissing,
            Self::OutOfScope(_) => ReasonCode::ScopeMissing,
            Self::LimitStands(_) => ReasonCode::ThingExists,
            Self::NoSuch(_) | Self::NoSuchPerson | Self::NoSuchKey => ReasonCode::ThingUnknown,
            Self::Invalid(_)
            | Self::Policy(_)
            | Self::Meaningless(_)
            | Self::Yaml(_)
            | Self::AcceptableUse(_)
            | Self::NothingPublished
            | Self::NoDraft
            | Self::Linked
            | Self::Ambiguous(_)
            | Self::Store(StoreError::Nul) => ReasonCode::ParameterInvalid,
            Self::Conflict { .. }
            | Self::Changed(_)
            | Self::DraftChanged
            | Self::AlreadyClosed { .. } => ReasonCode::VersionConflict,
            Self::Ledger(_) => ReasonCode::LedgerUnavailable,
            Self::Store(StoreError::Full(_)) => ReasonCode::LimitReached,
            Self::Store(StoreError::Damaged(_)) => ReasonCode::Internal,
            Self::Store(_) => ReasonCode::StoreUnavailable,
        }
    }

    /// What happened, for whoever asked: with what became of the change when the store failed, and nothing of its cause.
    pub fn detail(&self) -> String {
        match self {
            Self::Store(error) => error.to_string(),
            // Which are told apart, one by one.
            Self::Meaningless(_) => "The policy would not do here what it says.".to_owned(),
            other => other.to_string(),
        }
    }

    /// What is wrong with a policy, a sentence each.
    pub fn mistakes(&self) -> Vec<String> {
        match self {
            Self::Policy(domain::policy::UnreadablePolicy::Invalid(mistakes)) => {
                mistakes.iter().map(ToString::to_string).collect()
            }
            Self::Policy(other) => vec![other.to_string()],
            Self::Meaningless(mistakes) => mistakes.clone(),
            Self::AcceptableUse(mistakes) => mistakes.iter().map(ToString::to_string).collect(),
            _ => Vec::new(),
        }
    }

    /// Whether it is certain that nothing was written.
    pub const fn nothing_written(&self) -> bool {
        match self {
            Self::Store(error) => error.nothing_written(),
            Self::Partly { .. } => false,
            _ => true,
        }
    }
}

/// Who has a right, for the sentence that refuses it.
fn holders(right: Right) -> String {
    let roles: Vec<&str> = right.roles().iter().map(|role| role.as_str()).collect();
    match roles.as_slice() {
        [] => "no role has".to_owned(),
        [one] => format!("only the role {one} has"),
        [first @ .., last] => format!("the roles {} and {last} have", first.join(", ")),
    }
}

/// What a token's owner can do about what the token may not.
fn out_of_scope(right: Right) -> String {
    if access::may_be_scope(right) {
        format!("this token was not given the scope {right}, which its owner could give one")
    } else {
        format!("this needs the right {right}, which no token is given: its owner must sign in")
    }
}

impl Operation<'_> {
    /// Goes on only when who acts has this right. The first line of every function that reads or changes anything.
    pub fn require(&self, right: Right) -> Result<(), ControlError> {
        if self.actor.may(right) {
            Ok(())
        } else if self.actor.is_kept_from(right) {
            Err(ControlError::OutOfScope(right))
        } else {
            Err(ControlError::Forbidden(right))
        }
    }

    /// Writes a change down and waits until it is durable.
    pub(crate) async fn record(&self, change: Change) -> Result<(), ControlError> {
        self.ledger.append(ledger::Record::Change(change)).await?;
        Ok(())
    }

    /// Writes down that what was written down did not happen after all, because somebody else was quicker.
    pub(crate) async fn record_not_made(
        &self,
        noun: &str,
        name: &str,
        why: &str,
    ) -> Result<(), ControlError> {
        let mut change = self.change(noun, name, ChangeKind::Updated);
        change.reason = Some(format!("not made: {why}").as_str().into());
        self.record(change).await
    }

    /// Writes a change down and makes it. One that there is no room for is written down as not made.
    pub(crate) async fn make<T>(
        &self,
        change: Change,
        making: impl Future<Output = store::Result<T>>,
    ) -> Result<T, ControlError> {
        let (noun, name) = (change.noun.clone(), change.name.clone());
        self.record(change).await?;
        let made = making.await;
        if matches!(made, Err(StoreError::Full(_))) {
            let why = "there are as many as there may be";
            self.record_not_made(noun.as_str(), name.as_str(), why)
                .await?;
        }
        Ok(made?)
    }

    pub(crate) fn change(&self, noun: &str, name: &str, done: ChangeKind) -> Change {
        Change {
            org: Some(self.org),
            by: self.actor.subject(),
            by_label: self.actor.label().into(),
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

    /// What a new id is made of.
    pub(crate) fn id_parts(&self) -> (u64, u128) {
        let unix_ms = self.clock.now().unix_ms().unsigned_abs();
        (unix_ms, self.ids.random_bits())
    }
}

/// SHA-256 in hexadecimal, as changes name texts.
pub(crate) fn fingerprint(text: &str) -> String {
    domain::opaque::hex(&domain::opaque::sha256(text.as_bytes()))
}
