//! The faces of `control` to the outside: [`api`], JSON under `/api/v1` with its description at `/openapi.json`, and [`scim`] for a company's directory. Each handler reads
//! a request, calls one function of `control`, and writes its answer; none decides who may do what, and none sees the store.
//! What needs the pipeline, which proves who is calling, is injected as [`Authenticate`]. Mounted by `server`.

pub mod api;
pub mod problem;
pub mod scim;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use axum::Router;
use control::Control;
use control::installation::Installation;
use control::people::Person;
use control::policies::Examine;
use domain::{Caller, Refusal, Timestamp};
use http::HeaderMap;

pub use api::budgets::Standing;
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

/// What the faces stand on.
#[derive(Debug, Clone)]
pub struct Console {
    /// What can be done.
    pub control: Arc<Control>,
    /// Who is calling.
    pub gate: Arc<dyn Authenticate>,
    /// The rules in force.
    pub rules: Arc<dyn Rules>,
    /// What is configured.
    pub installation: Installation,
}

/// Everything the console answers.
pub fn router(console: Arc<Console>) -> Router {
    api::router(Arc::clone(&console)).merge(scim::router(console))
}
