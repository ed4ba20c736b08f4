//! Asking a connector what it lists, now, for whoever sets it up: before that nothing is known of it but its address. Filled in `server`,
//! which reaches connectors; who may is asked of `control` there.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use control::{Actor, ControlError};
use domain::Refusal;

/// Why a connector has not said what it lists.
#[derive(Debug, thiserror::Error)]
pub enum Unheard {
    /// It cannot be reached, or has not answered as it should; or who asked has no account there.
    #[error("the connector has not answered: {}", .0.code())]
    Refused(Refusal),
    /// What is ours cannot do it, or they may not.
    #[error(transparent)]
    Control(#[from] ControlError),
}

/// What [`Asking::ask`] returns: how many definitions it has.
pub type Hearing<'a> = Pin<Box<dyn Future<Output = Result<usize, Unheard>> + Send + 'a>>;

/// Who asks connectors.
pub trait Asking: fmt::Debug + Send + Sync {
    /// Asks a connector what it lists, as the person who acts, and notes it like every list.
    fn ask<'a>(&'a self, actor: &'a Actor, connector: &'a str) -> Hearing<'a>;
}
