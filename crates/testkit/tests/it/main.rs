//! The fakes tested as their users meet them: over HTTP.
#![expect(clippy::unwrap_used, reason = "tests")]

mod azure;
mod bench;
mod faults;
mod foundry;
mod idp;
mod otlp;
mod provider;
mod sign_in;

use std::sync::Arc;

use testkit::idp::IdpBuilder;
use testkit::{Actor, FakeClock, Idp, Provider, SeededIds};

/// A quick plain provider's builder, and its clock.
fn idp() -> (IdpBuilder, FakeClock) {
    let clock = FakeClock::new();
    let builder = Idp::builder(Arc::new(clock.clone()), Arc::new(SeededIds::new(1)));
    (builder.es256().people(testkit::idp::demo_people()), clock)
}

/// Anthropic's face with bodies kept, and somebody with its key.
fn anthropic() -> (Provider, Actor) {
    let provider = Provider::anthropic(Arc::new(FakeClock::new()))
        .keep_bodies()
        .start()
        .unwrap();
    let actor = Actor::with_api_key(&provider.url(), testkit::provider::DEFAULT_KEY);
    (provider, actor)
}
