//! The people an identity provider knows.

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::{Map, Value};

use crate::token::hex;

/// One person in the fake directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// What is pressed or posted to sign in as them: `ada`.
    pub login: String,
    /// The `sub` of a plain provider.
    pub sub: String,
    /// Display name.
    pub name: String,
    /// E-mail address.
    pub email: String,
    /// Group names, or GUIDs in an Entra look-alike.
    pub groups: Vec<String>,
    /// App roles.
    pub roles: Vec<String>,
    /// Entra's object id; always issued by an Entra look-alike, by a plain provider never.
    pub oid: String,
    /// Entra's tenant, when another than the provider's own.
    pub tid: Option<String>,
    /// Too many groups for a token: an Entra look-alike sends the overage claims instead. Also so above 200 groups.
    pub overage: bool,
    /// Claims added to every token, over all others.
    pub extra: Map<String, Value>,
    /// Whether they may no longer sign in or refresh.
    pub disabled: bool,
}

impl Person {
    /// A person without groups. `sub` and `oid` follow from `login` and stay the same from run to run.
    pub fn new(login: &str, name: &str, email: &str) -> Self {
        Self {
            login: login.to_owned(),
            sub: format!("{login}-{}", &stable_guid(login)[..8]),
            name: name.to_owned(),
            email: email.to_owned(),
            groups: Vec::new(),
            roles: Vec::new(),
            oid: stable_guid(login),
            tid: None,
            overage: false,
            extra: Map::new(),
            disabled: false,
        }
    }

    /// Adds a group.
    #[must_use]
    pub fn group(mut self, group: &str) -> Self {
        self.groups.push(group.to_owned());
        self
    }

    /// Adds an app role.
    #[must_use]
    pub fn role(mut self, role: &str) -> Self {
        self.roles.push(role.to_owned());
        self
    }

    /// Makes them a guest of another tenant.
    #[must_use]
    pub fn of_tenant(mut self, tid: &str) -> Self {
        self.tid = Some(tid.to_owned());
        self
    }

    /// Gives them more groups than a token holds.
    #[must_use]
    pub const fn with_overage(mut self) -> Self {
        self.overage = true;
        self
    }

    /// Adds a claim to all their tokens.
    #[must_use]
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.extra.insert(name.to_owned(), value.into());
        self
    }

    pub(crate) fn is(&self, who: &str) -> bool {
        [&self.login, &self.sub, &self.email, &self.oid]
            .iter()
            .any(|name| *name == who)
    }
}

/// The people of `doorward demo` and of most tests: an engineer, an administrator and one who is about to leave.
pub fn demo_people() -> Vec<Person> {
    vec![
        Person::new("ada", "Ada Lovelace", "ada@northwind.example").group("engineering"),
        Person::new("grace", "Grace Hopper", "grace@northwind.example")
            .group("engineering")
            .group("doorward-admins"),
        Person::new("alan", "Alan Turing", "alan@northwind.example").group("contractors"),
    ]
}

/// A GUID that follows from a text.
pub fn stable_guid(text: &str) -> String {
    let hash = digest(&SHA256, text.as_bytes());
    let hex = hex(&hash.as_ref()[..16]);
    format!(
        "{}-{}-4{}-8{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[13..16],
        &hex[17..20],
        &hex[20..32]
    )
}
