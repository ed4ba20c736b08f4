//! The promise of a second, told from a machine that stood still: what others' work took of the test's own time does not count against
//! the product. Used by tests of what one replica does and another follows, and of what a directory says.

use std::time::{Duration, Instant};

const SECOND: Duration = Duration::from_secs(1);
/// How often it is seen whether the machine ran.
const TICK: Duration = Duration::from_millis(5);

/// What comes of it; none when this machine has worked a second meanwhile.
pub(crate) async fn within_a_second<T>(what: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        done = what => Some(done),
        () = worked(SECOND) => None,
    }
}

/// Ends when this machine has run for so long: of a tick that came late, so much counts as one that came soon.
async fn worked(mut left: Duration) {
    while !left.is_zero() {
        let began = Instant::now();
        tokio::time::sleep(TICK).await;
        left = left.saturating_sub(began.elapsed().min(TICK * 2));
    }
}
