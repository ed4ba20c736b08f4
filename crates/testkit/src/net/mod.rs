//! The plumbing under every fake: a loopback listener whose connections can be refused, cut or reset on demand, and the little
//! that is needed to read requests and write answers.
//!
//! Knows nothing of what the fakes say. It never listens on anything but 127.0.0.1.

pub mod ask;
pub mod body;
pub mod port;
pub mod reply;
pub mod server;
pub mod socket;

pub use ask::Ask;
pub use body::{Body, Feed};
pub use port::free_port;
pub use server::{Answers, Bound, Hangup, Server};
pub use socket::ResetSwitch;
