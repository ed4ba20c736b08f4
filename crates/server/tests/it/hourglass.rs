//! Time at our command: the runtime's clock stands still until a test lets it pass, so that minutes of waiting cost nothing. Needs
//! the current-thread runtime (`#[tokio::test]` without a flavour).

use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

/// The clock stands still until this is dropped.
#[derive(Debug)]
pub(crate) struct Hourglass {
    /// Ends the thread that keeps the runtime from moving its clock whenever it has nothing to do.
    _held: Sender<()>,
}

impl Hourglass {
    /// Stops the clock.
    pub(crate) fn stop() -> Self {
        tokio::time::pause();
        let (sender, held) = channel();
        tokio::task::spawn_blocking(move || held.recv());
        Self { _held: sender }
    }

    /// Lets so many milliseconds pass at once, and a little more: timers round up.
    pub(crate) async fn pass_ms(&self, ms: u64) {
        tokio::time::advance(Duration::from_millis(ms + 5)).await;
    }
}

impl Drop for Hourglass {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            tokio::time::resume();
        }
    }
}
