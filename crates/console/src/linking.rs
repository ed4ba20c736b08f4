//! Connecting a person's own account at a connector, as the console asks for it: the way there, and what comes back. Filled in `server`,
//! which can ask authorization servers; who may is asked of `control` there.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use control::{Actor, ControlError};
use domain::{PersonId, SessionId};
use secrecy::SecretString;
use url::Url;

/// What a browser brought back from an authorization server.
#[derive(Debug, Clone, Copy)]
pub struct Came<'c> {
    /// What it was sent with.
    pub state: &'c str,
    /// The code; none where the person or the server said no.
    pub code: Option<&'c str>,
    /// Who says to have answered (RFC 9207).
    pub issuer: Option<&'c str>,
}

/// Why nothing is connected.
#[derive(Debug, thiserror::Error)]
pub enum Linked {
    /// Nothing of the kind was begun by this person in this browser, or it was too long ago.
    #[error("nothing was begun here that this could end")]
    Begin,
    /// The person, or the server for them, said no, at this connector.
    #[error("the authorization was not given")]
    Denied(String),
    /// They have begun too often.
    #[error("too many were begun in the last minutes")]
    TooOften,
    /// The authorization server cannot be used; why, as a sentence.
    #[error("{0}")]
    Unlinked(String),
    /// What is ours cannot do it, or they may not.
    #[error(transparent)]
    Control(#[from] ControlError),
}

/// What the functions of [`Linking`] return.
pub type Leading<'l, T> = Pin<Box<dyn Future<Output = Result<T, Linked>> + Send + 'l>>;

/// What [`Linking::end_of`] returns.
pub type Ending<'l> = Pin<Box<dyn Future<Output = Result<(), ControlError>> + Send + 'l>>;

/// Who leads people to connectors' authorization servers and back.
pub trait Linking: fmt::Debug + Send + Sync {
    /// Where the person's browser goes to authorise Doorward at a connector. It must come back in the same session.
    fn begin<'l>(
        &'l self,
        actor: &'l Actor,
        session: SessionId,
        connector: &'l str,
    ) -> Leading<'l, Url>;

    /// Keeps what a browser came back with; the connector's name.
    fn finish<'l>(
        &'l self,
        actor: &'l Actor,
        session: SessionId,
        came: Came<'l>,
    ) -> Leading<'l, String>;

    /// Keeps an API key of the person's own for a connector that wants one, where it goes to what they saw ([`control::grants::fingerprint_of_place`]).
    fn bring<'l>(
        &'l self,
        actor: &'l Actor,
        connector: &'l str,
        key: &'l SecretString,
        saw: &'l str,
    ) -> Leading<'l, ()>;

    /// Takes away what the person has at a connector; false when there was nothing.
    fn disconnect<'l>(&'l self, actor: &'l Actor, connector: &'l str) -> Leading<'l, bool>;

    /// Takes away what this person has at a connector, for a reason, and ends it where it was given.
    fn end_of<'l>(
        &'l self,
        actor: &'l Actor,
        whose: (PersonId, &'l str),
        reason: &'l str,
    ) -> Ending<'l>;
}
