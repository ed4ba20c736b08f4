//! Tests of the ledger as its callers use it: one spool in a temporary folder each, real files, a clock that stands still.

#![expect(clippy::unwrap_used, reason = "tests")]

mod append;
mod attack;
mod crash;
mod exporting;
mod faults;
mod keys;
mod reading;
mod sinks;
mod spool;
mod verifying;
