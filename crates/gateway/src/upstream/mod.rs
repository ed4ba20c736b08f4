//! The providers behind us, and the only place that holds their credentials.
//!
//! A call that carries a reservation is sent to the first upstream that serves its model in a region it may stay in, and to the
//! next when that one fails before its first byte. What the caller proved themselves with never comes this far: the stages
//! before have no field for it.
//!
//! - [`mod@config`] what an operator writes
//! - `attempt` one request at one provider, and what its answer means
//! - [`mod@client`] connections
//! - [`mod@credential`] what we prove ourselves with: a key, or an Entra token
//! - [`mod@health`] what we remember of failures
//! - [`mod@headers`] what goes out and what comes back
//! - [`mod@probe`] one look at a provider that costs nothing
//! - [`mod@query`] what of a request's query goes out
//! - [`mod@route`] the order of trying

mod attempt;
pub mod client;
pub mod config;
pub mod credential;
pub mod headers;
pub mod health;
pub mod probe;
pub mod query;
pub mod route;

pub use config::{AuthConfig, InvalidUpstream, ProviderKind, UpstreamConfig};
pub use route::{Answer, Failure, Outgoing, Upstreams};
