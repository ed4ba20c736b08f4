//! The company's rules: the document people write, what of it concerns one caller, and the decision on one request.
//!
//! [`document`] is the text's shape, [`compile`] checks it and finds what concerns a caller, [`decide`] answers one request with
//! a [`Permit`] or with every reason against it, [`reach`] where an action of a connector stands, [`settings`] merges what clients receive. All of it is pure: the same document,
//! caller and ask give the same answer, so a preview is the decision itself.

pub mod compile;
pub mod connectors;
pub mod decide;
pub mod document;
pub mod own;
pub mod reach;
pub mod settings;
pub mod text;

pub use compile::{CallerPolicy, InvalidPolicy, Policy};
pub use connectors::{Action, Approver, ArgumentRule, Connector};
pub use decide::{Ask, Permit};
pub use document::{
    AcceptableUse, Administration, Budget, BudgetFor, DesktopSettings, Document, Grant, Inspect,
    InspectAction, Limit, ManagedSettings, Require, Servers, StatedRole, StatedSpendLimit, Who,
};
pub use reach::{ActionAsk, CallerAction, Determined, Standing};
pub use settings::ActionStates;
pub use text::UnreadablePolicy;
