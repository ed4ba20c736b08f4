//! The fakes tested as their users meet them: over HTTP.
#![expect(clippy::unwrap_used, reason = "tests")]

mod azure;
mod idp;

use std::sync::Arc;

use testkit::idp::IdpBuilder;
use testkit::{FakeClock, Idp, SeededIds};

/// A quick plain provider's builder, and its clock.
fn idp() -> (IdpBuilder, FakeClock) {
    let clock = FakeClock::new();
    let builder = Idp::builder(Arc::new(clock.clone()), Arc::new(SeededIds::new(1)));
    (builder.es256().people(testkit::idp::demo_people()), clock)
}
