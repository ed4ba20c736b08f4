//! Fakes and actors: an identity provider, a Claude provider, Azure's metadata service, an OTLP receiver, and the people and
//! machines that use Doorward.
//!
//! Everything here speaks real HTTP on loopback and nowhere else, holds no global state, and ends when its handle is dropped.
//! Called by the tests of every crate, by `doorward demo` and by `bench/`. It must never be reachable from `doorward serve`.

pub mod azure;
pub mod client;
pub mod clock;
pub mod ids;
pub mod idp;
pub mod limits;
pub mod net;
pub mod otlp;
pub mod token;

pub use azure::Imds;
pub use client::{Answer, Browser, ClientError, Http};
pub use clock::FakeClock;
pub use idp::{Idp, Person};
pub use ids::SeededIds;
pub use otlp::OtlpReceiver;
pub use token::{Key, Keys};
