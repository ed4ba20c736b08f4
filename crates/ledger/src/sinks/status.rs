//! How far a sink is, for metrics and the console.

use std::sync::{Arc, Mutex, PoisonError};

use domain::Timestamp;

/// How far a sink is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SinkStatus {
    /// The last record that arrived, or was refused for good.
    pub sent_seq: u64,
    /// The last durable record, when the sink last looked.
    pub durable_seq: u64,
    /// When the last record that arrived was written; with a lag, how old the news at the sink is.
    pub sent_time: Option<Timestamp>,
    /// Records that arrived since the start.
    pub sent_records: u64,
    /// Records that the sink refused for good since the start.
    pub refused_records: u64,
    /// Tries that failed since the last success.
    pub failures: u32,
    /// What the last failure was.
    pub last_error: Option<String>,
}

impl SinkStatus {
    /// Records that have not arrived, of a ledger whose last durable one has this number.
    pub const fn behind(&self, durable: u64) -> u64 {
        durable.saturating_sub(self.sent_seq)
    }
}

/// Shared view of a sink's status.
#[derive(Debug, Clone, Default)]
pub struct StatusHandle(Arc<Mutex<SinkStatus>>);

impl StatusHandle {
    /// The status now.
    pub fn status(&self) -> SinkStatus {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(super) fn update(&self, change: impl FnOnce(&mut SinkStatus)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}
