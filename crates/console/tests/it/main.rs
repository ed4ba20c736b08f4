//! The description of the admin API, held to its checked-in copy.

#![expect(clippy::unwrap_used, reason = "tests")]

mod breaking;
mod description;
