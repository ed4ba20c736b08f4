//! The append-only record of Doorward: what was decided, for whom, by which rule, and how it ended.
//!
//! A [`Record`] is durable before its effect: [`Ledger::append`] resolves when the line is on the disk. Each replica writes its
//! own SHA-256 [`chain`] into segment files; Ed25519 [`checkpoint`]s sign its head; [`verify`](mod@verify) finds and names any
//! edit, deletion, reordering, insertion, truncation and fork from the files alone. [`read`] follows a spool, [`export`] copies a
//! range of it, [`sinks`] ship it. Nothing here holds content or a credential, and no field could.
//!
//! Called by the stages that decide and meter, by `control` for changes, by `server` for life-cycle, shipping and verification.

pub mod chain;
pub mod checkpoint;
pub mod copy;
pub mod disk;
pub mod export;
pub mod key_change;
pub mod private;
mod queue;
pub mod read;
pub mod record;
mod recover;
pub mod signing;
pub mod sinks;
mod spool;
pub mod verify;
mod writer;

pub use chain::{ChainId, Hash, Line};
pub use checkpoint::Checkpoint;
pub use key_change::{KeyChange, Keyring};
pub use record::Record;
pub use signing::{PublicKey, SigningKey};
pub use spool::{Brake, Ledger, LedgerError, OpenError, Options, Position, Receipt};
