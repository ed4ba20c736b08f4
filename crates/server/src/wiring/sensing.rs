//! What this process knows by itself of the sensors around it: the keys of its issuers, and how far its sink is. Called by the console
//! through `control::sensors`.

use std::sync::Arc;

use control::sensors::{Sensed, Sensing, SinkSeen};
use ledger::Ledger;
use ledger::sinks::StatusHandle;
use pipeline::identity::Identity;

use super::Wired;
use super::machine::issuer_keys;

/// The parts that know.
#[derive(Debug)]
pub(super) struct Senses {
    identity: Arc<Identity>,
    ledger: Arc<Ledger>,
    /// The sink's host and its status.
    sink: Option<(String, StatusHandle)>,
}

impl Senses {
    pub(super) fn of(wired: &Wired) -> Self {
        let sink = wired.otlp.as_ref().map(|(receiver, status)| {
            let host = receiver.url.host_str().unwrap_or_default();
            (host.to_owned(), status.clone())
        });
        Self {
            identity: Arc::clone(&wired.pipeline.identity),
            ledger: Arc::clone(&wired.pipeline.ledger),
            sink,
        }
    }
}

impl Sensing for Senses {
    fn sense(&self) -> Sensed {
        let durable = self.ledger.status().durable.seq;
        let sink = self.sink.as_ref().map(|(host, status)| {
            let status = status.status();
            SinkSeen {
                host: host.clone(),
                // By the ledger's own end: the sink looks at it only when it tries.
                behind: status.behind(durable),
                told: status.sent_time,
                failures: status.failures,
            }
        });
        Sensed {
            keys: issuer_keys(&self.identity),
            sink,
        }
    }
}
