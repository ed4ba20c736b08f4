//! SCIM 2.0 (RFC 7643, 7644) as a company's directory speaks it: what it provisions decides who may come in and who is in which group.
//!
//! | file | what |
//! |---|---|
//! | [`directory`], [`users`], [`groups`] | who provisions, and what they do |
//! | [`links`] | whom a user hangs on, said by an administrator |
//! | [`schema`] | the attributes we keep, as one table |
//! | [`path`], [`filter`] | where something stands, and which resources are meant |
//! | [`patch`], [`group_patch`] | changes in the dialects of Entra and Okta |
//! | `body` | values as the table wants them |
//! | [`project`] | what of a resource an answer holds |
//! | [`error`] | what a directory is told when something cannot be done |
//!
//! It must never decide who somebody is by e-mail address or name, keep a password, or write back a list of members that it read.
//! Nothing here speaks HTTP: the console's `scim` is the face of it.

mod body;
pub mod directory;
pub mod error;
pub mod filter;
pub mod group_patch;
pub mod groups;
pub mod links;
pub mod patch;
pub mod path;
pub mod project;
pub mod schema;
pub mod users;

#[cfg(test)]
mod tests;

pub use directory::{Ask, Directory, Kept, Listed};
pub use error::{ScimError, ScimType};
pub use filter::Filter;
pub use project::Wanted;
pub use schema::Resource;
