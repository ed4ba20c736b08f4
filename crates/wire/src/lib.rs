//! Scanners of bytes that strangers send: JSON bodies, event streams, token usage in answers.
//!
//! Pure: no I/O, no clock, no allocation where a borrow serves. They never rewrite what they read; the bytes are forwarded as
//! they came and looked at beside. Called by the inspection engine and by every door.

pub mod envelope;
pub mod json;
pub mod sse;
pub mod usage;

pub use envelope::{Brought, Envelope};
pub use json::{JsonError, JsonFault};
