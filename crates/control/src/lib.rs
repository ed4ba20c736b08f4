//! What an administrator can do, as functions: one file per noun. Each takes an [`Operation`] first, which says who acts and for
//! which organisation, asks [`Operation::require`] before it reads anything, and writes its change into the ledger before it makes
//! it. The console, the API and the command line are faces of these functions; nothing here speaks HTTP or reads the environment.

pub mod access;
pub mod access_requests;
pub mod approvals;
pub mod artefacts;
pub mod budgets;
pub mod checkpoints;
pub mod connectors;
mod entry;
pub mod grants;
pub mod groups;
pub mod idempotency;
pub mod acceptable_use;
pub mod break_glass;
pub mod keys;
pub mod diff;
pub mod dollars;
pub mod drills;
pub mod evidence;
pub mod may_use;
pub mod machine;
pub mod members;
pub mod models;
mod in_force;
pub mod installation;
pub mod notices;
pub mod overview;
pub mod people;
pub mod policies;
pub mod records;
pub mod roles;
pub mod rollout;
pub mod scim;
pub mod scim_tokens;
pub mod sensors;
pub mod service_keys;
pub mod tasks;
pub mod sessions;
pub mod spend_limits;
pub mod stated;
pub mod statements;
pub mod text;
pub mod tokens;
pub mod trend;
pub mod upstreams;
pub mod usage;

use std::sync::Arc;

use domain::{Clock, Ids, OrgId, ReasonCode, Timestamp, Vouching};
use ledger::Ledger;
use ledger::record::{Change, ChangeKind};
use store::vault_key::VaultKey;
use store::{Store, StoreError};

pub use access::{Actor, Right, Role, Who};
pub use entry::{Entry, Visit};
pub use in_force::ParsedPolicy;

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
    /// What seals a call's arguments and people's grants.
    pub vault: VaultKey,
    /// The policy as it was last parsed.
    pub parsed: ParsedPolicy,
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
            vault: &self.vault,
            parsed: &self.parsed,
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
    /// What seals a call's arguments and people's grants.
    pub vault: &'o VaultKey,
    /// The policy as it was last parsed.
    pub parsed: &'o ParsedPolicy,
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
    /// Files for clients cannot be written from the policy.
    #[error("the files cannot be written: {}", .0.join("; "))]
    Unwritable(Vec<String>),
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
    /// The same was asked for already, and nobody has answered.
    #[error("you have asked for this already ({0}), and it waits for an answer")]
    AskedAlready(domain::AccessRequestId),
    /// The request is not open any more.
    #[error("this request was {state} by {by} on {at}; it stays as it was")]
    RequestClosed {
        /// What became of it.
        state: domain::AccessState,
        /// Through whom.
        by: String,
        /// When.
        at: Timestamp,
    },
    /// Nobody answered the request in time.
    #[error("this request expired; whoever still wants it asks anew")]
    RequestExpired,
    /// The approval was decided, used, or not decided in time.
    #[error("{}", approval_over(*.state, .by.as_deref()))]
    ApprovalOver {
        /// How it stands.
        state: domain::ApprovalState,
        /// Who decided, where somebody did.
        by: Option<String>,
    },
    /// What it would approve could not be called any more.
    #[error(
        "the rules changed since this was asked for, or whoever asked may not come in any more; a yes would be for nothing, and the call has to be made again"
    )]
    ApprovalVoid,
    /// Somebody else has to say yes to what one asks for.
    #[error("nobody is the second person of their own request; somebody else decides")]
    OwnApproval,
    /// Only who asked, or somebody of certain groups, can say yes.
    #[error("you can deny this, and not approve it; its page says who can")]
    OthersApproval,
    /// Somebody else is at it.
    #[error("{0}")]
    Busy(&'static str),
    /// The action is offered otherwise than whoever decided saw it.
    #[error("the action is offered otherwise by now; look at it again")]
    DefinitionChanged,
    /// The policy sends a person's key elsewhere, or otherwise, than they saw.
    #[error(
        "the policy sends this key elsewhere by now, so it was not kept; look where it goes, and bring it again"
    )]
    GoesElsewhere,
    /// Nobody has reviewed the connector, or the newest review says no.
    #[error("nothing of this connector can be approved before a review says that it may be used")]
    NotReviewed,
    /// The connector is not asked what it lists.
    #[error(transparent)]
    Unasked(#[from] connectors::Unasked),
    /// Who asked has not got it, so that a yes would say what is not so.
    #[error("this cannot be granted before it is so: {0}")]
    NotSoYet(String),
    /// Who acts asked for their own access.
    #[error("nobody gives themselves access; somebody else with the right can")]
    Oneself,
    /// The role is that of the only owner.
    #[error(
        "the only owner's role is not taken away here, because nobody could give a role any more; give it to somebody else first"
    )]
    LastOwner,
    /// The person is another user's of the directory.
    #[error("another user of the directory is linked to this person; nothing was changed")]
    Linked,
    /// What only the running process can tell cannot be told now.
    #[error(transparent)]
    Unseen(#[from] machine::Unseen),
    /// More than one such person.
    #[error("{0} people match; name one by id")]
    Ambiguous(usize),
}

impl ControlError {
    /// The stable code, from which each face makes its answer.
    pub fn code(&self) -> ReasonCode {
        match self {
            Self::Partly { cause, .. } => cause.code(),
            Self::Forbidden(_) | Self::Oneself | Self::OwnApproval | Self::OthersApproval => {
                ReasonCode::RoleMissing
            }
            Self::OutOfScope(_) => ReasonCode::ScopeMissing,
            Self::LimitStands(_) | Self::AskedAlready(_) => ReasonCode::ThingExists,
            Self::Busy(_) => ReasonCode::ConcurrencyLimit,
            Self::NoSuch(_) | Self::NoSuchPerson | Self::NoSuchKey => ReasonCode::ThingUnknown,
            Self::Invalid(_)
            | Self::Policy(_)
            | Self::Meaningless(_)
            | Self::Unwritable(_)
            | Self::Yaml(_)
            | Self::AcceptableUse(_)
            | Self::NothingPublished
            | Self::NoDraft
            | Self::LastOwner
            | Self::NotReviewed
            | Self::Unasked(_)
            | Self::NotSoYet(_)
            | Self::Linked
            | Self::Ambiguous(_)
            | Self::Store(StoreError::Nul) => ReasonCode::ParameterInvalid,
            Self::Conflict { .. }
            | Self::Changed(_)
            | Self::DraftChanged
            | Self::DefinitionChanged
            | Self::GoesElsewhere
            | Self::RequestClosed { .. }
            | Self::RequestExpired
            | Self::ApprovalOver { .. }
            | Self::ApprovalVoid
            | Self::AlreadyClosed { .. } => ReasonCode::VersionConflict,
            Self::Ledger(_) => ReasonCode::LedgerUnavailable,
            Self::Store(StoreError::Full(_)) => ReasonCode::LimitReached,
            Self::Store(StoreError::Damaged(_)) | Self::Unseen(_) => ReasonCode::Internal,
            Self::Store(_) => ReasonCode::StoreUnavailable,
        }
    }

    /// What happened, for whoever asked: with what became of the change when the store failed, and nothing of its cause.
    pub fn detail(&self) -> String {
        match self {
            Self::Store(error) => error.to_string(),
            // Which are told apart, one by one.
            Self::Meaningless(_) => "The policy would not do here what it says.".to_owned(),
            Self::Unwritable(_) => {
                "The files cannot be written from the policy in force.".to_owned()
            }
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
            Self::Meaningless(mistakes) | Self::Unwritable(mistakes) => mistakes.clone(),
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

/// How an approval stands that cannot be decided any more.
fn approval_over(state: domain::ApprovalState, by: Option<&str>) -> String {
    use domain::ApprovalState::{Approved, Consumed, Denied, Expired, Pending};
    let by = by.map_or_else(String::new, |by| format!(" by {by}"));
    match state {
        Pending => "this waits for an answer".to_owned(),
        Approved => format!("this was approved{by}, and waits for the call"),
        Denied => format!("this was denied{by}; whoever still wants it asks anew"),
        Consumed => format!("this was approved{by} and used; an approval is good for one call"),
        Expired => {
            "this expired: nobody decided, or nobody called, in time; whoever still wants it asks anew".to_owned()
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
