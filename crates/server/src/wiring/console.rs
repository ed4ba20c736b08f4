//! The console on the wired parts: what it needs of the pipeline, which it may not see itself.

use std::sync::Arc;

use console::{Authenticate, Console, Identifying};
use control::Control;
use domain::Refusal;
use http::HeaderMap;
use pipeline::identity::{self, Identity};

use super::Wired;

/// The identity stage as the console's gate.
#[derive(Debug)]
struct Gate(Arc<Identity>);

impl Authenticate for Gate {
    fn credential<'h>(&self, headers: &'h HeaderMap) -> Result<&'h str, Refusal> {
        identity::bearer_of(headers)
    }

    fn identify<'h>(&'h self, headers: &'h HeaderMap) -> Identifying<'h> {
        Box::pin(async move {
            let verified = self.0.identify(headers).await?;
            Ok(Arc::clone(&verified.caller))
        })
    }
}

impl Wired {
    /// What the console stands on.
    pub(super) fn console(&self) -> Arc<Console> {
        let pipeline = &self.pipeline;
        Arc::new(Console {
            control: Arc::new(Control {
                org: self.org,
                store: self.store.clone(),
                ledger: Arc::clone(&pipeline.ledger),
                clock: Arc::clone(&pipeline.clock),
                ids: Arc::clone(&pipeline.ids),
            }),
            gate: Arc::new(Gate(Arc::clone(&pipeline.identity))),
        })
    }
}
