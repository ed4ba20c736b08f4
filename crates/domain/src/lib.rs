//! The words of Doorward and its pure rules: ids, callers, clients, models, money, policy decisions, reasons.
//!
//! Nothing here does I/O, waits, reads a clock, draws a random number or knows SQL: time and randomness are passed in. Every
//! other crate may depend on this one; it depends on none of ours.

pub mod acceptable_use;
pub mod access_request;
pub mod approval;
pub mod break_glass;
pub mod caller;
pub mod client;
pub mod clock;
pub mod connectors;
pub mod console;
pub mod groups;
pub mod ids;
pub mod lease;
pub mod limits;
pub mod model;
pub mod money;
pub mod opaque;
pub mod policy;
pub mod price;
pub mod reason;
pub mod role;
pub mod spend_scope;
pub mod task;
pub mod text;
pub mod usage;
pub mod vouching;
pub mod window;
pub mod words;
pub mod written;

pub use access_request::{AccessState, AskedKind};
pub use approval::ApprovalState;
pub use caller::{Caller, Credential, OWN_ISSUER, Subject};
pub use client::{Client, ClientKind, Version};
pub use clock::{Clock, Ids, Timestamp};
pub use connectors::{ActionClass, ActionState, ConnectorName};
pub use groups::PersonGroups;
pub use ids::{
    AccessRequestId, ApprovalId, AuditId, BindingId, BudgetId, ConnectorReviewId, DirectoryGroupId,
    DirectoryUserId, DrillId, EvidenceId, OrgId, PersonId, RequestId, ServiceId, SessionId, TaskId,
    TokenId,
};
pub use model::ModelId;
pub use money::Usd;
pub use opaque::Opaque;
pub use policy::Policy;
pub use reason::{Fault, Reason, ReasonCode, Refusal};
pub use role::Role;
pub use spend_scope::SpendScope;
pub use usage::{Terms, Usage};
pub use vouching::Vouching;
