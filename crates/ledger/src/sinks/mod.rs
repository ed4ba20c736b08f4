//! Sending records elsewhere: each sink follows the spool with its own cursor, at its own pace. A sink that is slow or down holds
//! nobody up and loses nothing; it falls behind, and its [`Status`] says by how much.
//!
//! A record can arrive twice (after a crash, or when an answer was lost): `chain` and `seq` name it, so a repeat does no harm.

mod file;
pub mod otlp;
mod runner;
mod status;

use std::future::Future;
use std::time::Duration;

pub use file::FileSink;
pub use otlp::{OtlpSink, Post, PostError, Posted};
pub use runner::run;
pub use status::{SinkStatus, StatusHandle};

use crate::read::Batch;

/// Why a batch was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SinkError {
    /// It may be taken later: the sink is down, busy, or does not accept our credential.
    #[error("the sink cannot take records now: {0}")]
    Later(String, Option<Duration>),
    /// These very records will never be taken.
    #[error("the sink refuses these records: {0}")]
    Refused(String),
}

/// Where records go.
pub trait Sink: Send + Sync {
    /// A short name, for the cursor's file, metrics and logs.
    fn name(&self) -> &str;

    /// Sends a batch; on success all of it has arrived for good.
    fn send(&self, batch: &Batch) -> impl Future<Output = Result<(), SinkError>> + Send;
}
