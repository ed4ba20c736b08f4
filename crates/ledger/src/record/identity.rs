//! Who acted and from where, and the records of sign-ins and sessions.

use std::net::IpAddr;

use domain::{Caller, Client, ClientKind, Credential, OrgId, SessionId, Subject, Version};
use serde::{Deserialize, Serialize};

use super::{Name, Text, Verdict};

/// A verified caller, as records name them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// The organisation.
    pub org: OrgId,
    /// Our id of the person or service.
    pub subject: Subject,
    /// The issuer's own stable id: Entra `tid/oid`, elsewhere `sub`; for a service its name.
    pub stable_id: Text<256>,
    /// The configured name of the issuer that vouched.
    pub issuer: Name,
    /// The kind of credential; never the credential.
    pub credential: Credential,
    /// The session, when there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
}

impl From<&Caller> for Actor {
    fn from(caller: &Caller) -> Self {
        Self {
            org: caller.org,
            subject: caller.subject,
            stable_id: (&*caller.stable_id).into(),
            issuer: (&*caller.issuer).into(),
            credential: caller.credential,
            session: caller.session,
        }
    }
}

/// The program and address a request came from. The program is what the client states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Which program.
    pub client: ClientKind,
    /// Its version, when it says one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Version>,
    /// The client's own address; none when it could not be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
}

impl Origin {
    /// From what the request showed.
    pub const fn new(client: Client, address: Option<IpAddr>) -> Self {
        Self {
            client: client.kind,
            version: client.version,
            address,
        }
    }
}

/// Someone signed in, or tried to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignIn {
    /// The organisation, when known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub org: Option<OrgId>,
    /// Who, when the sign-in succeeded so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Subject>,
    /// The issuer's own stable id of the person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stable_id: Option<Text<256>>,
    /// The e-mail address, for people to read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<Text<256>>,
    /// The configured name of the issuer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<Name>,
    /// The way: `device`, `code`, `console`, `break_glass`.
    pub method: Text<32>,
    /// From which program and address.
    pub origin: Origin,
    /// The session that began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    /// Let in, or refused with every reason.
    pub verdict: Verdict,
}

/// What happened to a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionEvent {
    /// Its tokens were renewed.
    Refresh,
    /// It ended: sign-out, revocation, expiry.
    End,
    /// A refresh token that had been replaced was used again; the session is ended with it.
    ReuseDetected,
}

/// A session was refreshed, ended or misused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionChange {
    /// What happened.
    pub event: SessionEvent,
    /// The session.
    pub session: SessionId,
    /// The organisation.
    pub org: OrgId,
    /// Whose session.
    pub subject: Subject,
    /// From which program and address; none when we ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// Why it ended: `signed_out`, `signed_in_anew`, `revoked`, `expired`, `reuse`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Text<64>>,
}
