//! Fakes and actors: an identity provider, a Claude provider, a server of the Model Context Protocol, Azure's metadata service, an OTLP receiver, and the people and
//! machines that use Doorward.
//!
//! Everything here speaks real HTTP on loopback and nowhere else, holds no global state, and ends when its handle is dropped.
//! Called by the tests of every crate, by `doorward demo` and by `bench/`. It must never be reachable from `doorward serve`.

pub mod actor;
pub mod azure;
pub mod client;
pub mod clock;
pub mod corpus;
pub mod ids;
pub mod directory;
pub mod idp;
pub mod limits;
pub mod mcp;
pub mod net;
pub mod otlp;
pub mod provider;
pub mod sign_in;
pub mod token;

pub use actor::Actor;
pub use azure::Imds;
pub use client::{Answer, Browser, ClientError, Http};
pub use clock::FakeClock;
pub use corpus::Corpus;
pub use directory::Directory;
pub use idp::{Idp, Person};
pub use ids::SeededIds;
pub use mcp::{GuardedMcp, McpServer};
pub use otlp::OtlpReceiver;
pub use provider::{BenchProvider, Fault, Provider};
pub use sign_in::{CodeFlow, Session, code_sign_in, device_sign_in};
pub use token::{Key, Keys};
