//! The order to stop: SIGTERM or SIGINT.

use tokio::signal::unix::{SignalKind, signal};

/// Waits for it.
pub async fn stop() {
    let (Ok(mut term), Ok(mut int)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) else {
        // Without signals the process can still be killed, and the ledger survives that.
        std::future::pending::<()>().await;
        return;
    };
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
}
