//! The stages tested as the doors use them: a real store in a temporary folder, a fake identity provider on loopback, a clock that
//! stands still until a test moves it.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod budgets;
mod copy;
mod identity;
mod leases;
mod rules;
mod strangers;
