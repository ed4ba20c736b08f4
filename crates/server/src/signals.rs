//! The order to stop: SIGTERM or SIGINT. Whoever serves listens for it before the first answer: until then the order would end the
//! process at once, with nothing drained.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Hears the order from when it is made.
#[derive(Debug)]
pub struct Stop(Option<(Signal, Signal)>);

impl Stop {
    /// Begins to listen.
    pub fn listen() -> Self {
        let heard = [SignalKind::terminate(), SignalKind::interrupt()].map(signal);
        let [Ok(term), Ok(int)] = heard else {
            // Without signals the process can still be killed, and the ledger survives that.
            return Self(None);
        };
        Self(Some((term, int)))
    }

    /// Waits for it; at once when it came before.
    pub async fn asked(&mut self) {
        let Some((term, int)) = &mut self.0 else {
            return std::future::pending().await;
        };
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
        }
    }
}
