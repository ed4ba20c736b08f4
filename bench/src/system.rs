//! The real clock and the system's randomness, for the identity provider of the run. Used by `scene` alone.

use std::fs::File;
use std::io::Read as _;

use domain::{Clock, Ids, Timestamp};

/// The machine's clock.
#[derive(Debug)]
pub(crate) struct RealClock;

impl Clock for RealClock {
    fn now(&self) -> Timestamp {
        let since = std::time::SystemTime::UNIX_EPOCH
            .elapsed()
            .expect("the epoch has passed");
        let ms = i64::try_from(since.as_millis()).expect("this millennium");
        Timestamp::from_unix_ms(ms)
    }
}

/// The system's randomness.
#[derive(Debug)]
pub(crate) struct RealIds;

impl Ids for RealIds {
    fn fill(&self, bytes: &mut [u8]) {
        File::open("/dev/urandom")
            .and_then(|mut source| source.read_exact(bytes))
            .expect("the system has randomness");
    }
}
