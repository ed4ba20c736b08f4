//! The files that clients receive, read back by parsers of their own: every key of both schemas comes out as it went in.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod golden;
mod readers;
mod round_trip;
mod secrets;
mod setting;
