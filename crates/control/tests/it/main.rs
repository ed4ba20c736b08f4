//! What administrators and directories do, on a real store and ledger.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod access_requests;
mod approvals;
mod artefacts;
mod connectors;
mod connectors_asked;
mod console;
mod grants;
mod people;
mod policies;
mod rights;
mod scim;
mod sentences;
mod shut_out;
