//! A small HTTP client for tests and the demo, its event-stream reader, and a mini browser on top.
//!
//! Plain HTTP/1.1; it follows no redirect of itself and waits for nothing longer than [`crate::limits::PATIENCE`].

pub mod browser;
mod cookies;
pub mod events;
pub mod html;
pub mod request;

pub use browser::{Browser, Page};
pub use events::{Event, Events};
pub use request::{Answer, Asking, Http, Open};

/// Why a request of the test client came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The address, a header or the method cannot be sent.
    #[error("the request cannot be sent: {0}")]
    Unsendable(String),
    /// No connection, or it broke before the answer's head.
    #[error("no answer came")]
    NoAnswer(#[source] hyper_util::client::legacy::Error),
    /// The answer broke off.
    #[error("the answer broke off")]
    BrokeOff(#[source] hyper::Error),
    /// Nothing came for [`crate::limits::PATIENCE`].
    #[error("waited too long for {0}")]
    TooLong(&'static str),
    /// More came than a test should need.
    #[error("the answer is too large")]
    TooLarge,
    /// The answer is not what the caller needs.
    #[error("expected {expected}, got status {status}: {body}")]
    Unexpected {
        /// What was needed.
        expected: String,
        /// The status that came.
        status: u16,
        /// The start of the body that came.
        body: String,
    },
}

impl ClientError {
    /// Whether the peer refused the connection, as a service that is down.
    pub fn is_refused(&self) -> bool {
        matches!(self, Self::NoAnswer(cause) if cause.is_connect())
    }
}
