//! A word now and then for whoever waits at a terminal; nothing for a log.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use crate::system::complain;

const EVERY: Duration = Duration::from_secs(2);

/// What is being done, and how far it is.
#[derive(Debug)]
pub(super) struct Progress {
    shown: bool,
    next: Instant,
}

impl Progress {
    /// Speaks on standard error when that is a terminal.
    pub(super) fn new() -> Self {
        Self {
            shown: std::io::stderr().is_terminal(),
            next: Instant::now() + EVERY,
        }
    }

    /// Something was done; said when the last word is some time ago.
    pub(super) fn at(&mut self, what: &str, done: u64, unit: &str) {
        if self.shown && Instant::now() >= self.next {
            complain(&format!("  {what}: {done} {unit} …"));
            self.next = Instant::now() + EVERY;
        }
    }
}
