//! Who is calling: the person or service that a verified credential stands for. Made by the identity stage alone; it holds no
//! credential, only what was proved by one.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{OrgId, PersonId, ServiceId, SessionId};

/// The name of the issuer of our own service keys. No configured issuer may have it.
pub const OWN_ISSUER: &str = "doorward";

/// The one who acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// A human being.
    Person(PersonId),
    /// A machine or CI identity.
    Service(ServiceId),
}

impl std::fmt::Display for Subject {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Person(id) => id.fmt(out),
            Self::Service(id) => id.fmt(out),
        }
    }
}

/// The kind of credential that proved the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Credential {
    /// A session token that we issued after a sign-in.
    Session,
    /// The company identity provider's ID token.
    IdToken,
    /// The company identity provider's access token.
    AccessToken,
    /// A workload token: CI, Kubernetes or another machine issuer with claim rules.
    Workload,
    /// A hashed service key, `dwk_…`.
    ServiceKey,
}

impl Credential {
    /// The word for it in records and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::IdToken => "id_token",
            Self::AccessToken => "access_token",
            Self::Workload => "workload",
            Self::ServiceKey => "service_key",
        }
    }
}

/// A verified caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The organisation the caller belongs to.
    pub org: OrgId,
    /// Who it is, by our id.
    pub subject: Subject,
    /// The stable id the issuer gives: Entra `tid/oid`, elsewhere `sub`; for a service its name. Never an e-mail address.
    pub stable_id: Arc<str>,
    /// The configured name of the issuer that vouched for the caller (`doorward` for service keys).
    pub issuer: Arc<str>,
    /// For people to read; never used to decide who someone is.
    pub email: Option<Arc<str>>,
    /// For people to read.
    pub name: Option<Arc<str>>,
    /// Directory groups and app roles, as the issuer named them.
    pub groups: BTreeSet<String>,
    /// The session, when the credential belongs to one.
    pub session: Option<SessionId>,
    /// What proved it.
    pub credential: Credential,
}

impl Caller {
    /// What a person would recognise: the e-mail, else the name, else the stable id.
    pub fn label(&self) -> &str {
        self.email
            .as_deref()
            .or(self.name.as_deref())
            .unwrap_or(&self.stable_id)
    }
}
