//! The faces of `control` to the outside: [`api`], JSON under `/api/v1` with its description at `/openapi.json`, [`scim`] for a company's directory, and [`pages`] for people. Each handler reads
//! a request, calls one function of `control`, and writes its answer; none decides who may do what, and none sees the store.
//! What needs the pipeline, which proves who is calling, is injected as [`Authenticate`]. Mounted by `server`.

pub mod api;
mod asking;
mod linking;
pub mod pages;
pub mod problem;
mod saved;
pub mod scim;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use axum::Router;
use control::Control;
use control::installation::Installation;
use control::machine::Machine;
use control::people::Person;
use control::policies::Examine;
use control::rollout::Departures;
use control::sensors::Sensing;
use control::upstreams::Providers;
use domain::{Caller, PersonId, Refusal, Timestamp};
use http::{Extensions, HeaderMap};

pub use api::budgets::Standing;
pub use asking::{Asking, Hearing, Unheard};
pub use linking::{Came, Ending, Leading, Linked, Linking};
pub use problem::Problem;

/// Proves who is calling. Implemented in `server` over the pipeline's identity stage.
pub trait Authenticate: fmt::Debug + Send + Sync {
    /// The one credential of a request, not looked into, or why there is none that counts.
    fn credential<'h>(&self, headers: &'h HeaderMap) -> Result<&'h str, Refusal>;

    /// Who a session token or a token of the company's own identity provider proves, or why it is not believed.
    fn identify<'h>(&'h self, headers: &'h HeaderMap) -> Identifying<'h>;
}

/// Who was proved to call.
#[derive(Debug, Clone)]
pub struct Proved {
    /// Who.
    pub caller: Arc<Caller>,
    /// When the credential was made, for revocations to be held against.
    pub made: Timestamp,
}

/// What [`Authenticate::identify`] returns.
pub type Identifying<'h> = Pin<Box<dyn Future<Output = Result<Proved, Refusal>> + Send + 'h>>;

/// What is asked of the rules in force, and of what a policy would mean here. Implemented in `server` over the pipeline.
pub trait Rules: Examine {
    /// How many issuers vouch for people.
    fn issuers_for_people(&self) -> usize;

    /// How a person's budgets stand on this replica, one for each period.
    fn standing(&self, person: &Person) -> Vec<Standing>;
}

/// A person's yes to the acceptable-use policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Yes {
    /// Who says it.
    pub person: PersonId,
    /// For people to read.
    pub label: String,
    /// The version they have read.
    pub version: u64,
}

/// Keeps people's yes to the acceptable-use policy. Implemented in `server` over the pipeline, which asks for it.
pub trait Consent: fmt::Debug + Send + Sync {
    /// Keeps it, once; false, and nothing is kept, when another version is in force. The extensions of the request say from where.
    fn accept<'c>(&'c self, yes: Yes, extensions: &'c Extensions) -> Accepting<'c>;
}

/// What [`Consent::accept`] returns.
pub type Accepting<'c> = Pin<Box<dyn Future<Output = Result<bool, Refusal>> + Send + 'c>>;

/// What the faces stand on.
#[derive(Debug, Clone)]
pub struct Console {
    /// What can be done.
    pub control: Arc<Control>,
    /// Who is calling.
    pub gate: Arc<dyn Authenticate>,
    /// The rules in force.
    pub rules: Arc<dyn Rules>,
    /// The providers of Claude, as the router has them.
    pub providers: Arc<dyn Providers>,
    /// What this process knows of its own sensors.
    pub sensing: Arc<dyn Sensing>,
    /// Who keeps people's yes to the acceptable-use policy.
    pub consent: Arc<dyn Consent>,
    /// Who looks at what leaves for the providers.
    pub departures: Arc<dyn Departures>,
    /// Turns of checking a member list, [`domain::limits::MEMBER_CHECKS_AT_ONCE`].
    pub member_checks: Arc<tokio::sync::Semaphore>,
    /// Turns of holding a draft of the policy against everybody, [`domain::limits::REHEARSALS_AT_ONCE`].
    pub rehearsals: Arc<tokio::sync::Semaphore>,
    /// What is configured.
    pub installation: Installation,
    /// The running process.
    pub machine: Arc<dyn Machine>,
    /// Who leads people to connectors' authorization servers and back.
    pub linking: Arc<dyn Linking>,
    /// Who asks connectors what they list.
    pub asking: Arc<dyn Asking>,
}

/// Everything the console answers.
pub fn router(console: Arc<Console>) -> Router {
    api::router(Arc::clone(&console))
        .merge(scim::router(Arc::clone(&console)))
        .merge(pages::router(console))
}
