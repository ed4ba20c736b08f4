//! The store on both engines: every scene runs on a SQLite file and on a PostgreSQL database of its own.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod acceptable_use;
mod access_requests;
mod admin;
mod approvals;
mod bed;
mod browse;
mod changes;
mod claims;
mod codes;
mod connectors;
mod console_sessions;
mod device;
mod directory;
mod faults;
mod grants;
mod leases;
mod ledger;
mod member_checks;
mod migrations;
mod nouns;
mod policies;
mod revocations;
mod rotation;
mod spend_limits;
mod statements;
mod sums;
mod tasks;
mod whole;
