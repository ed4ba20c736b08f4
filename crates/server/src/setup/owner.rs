//! The third step: who signed in, and that they become the first owner.

use std::collections::BTreeSet;

use domain::text::shown;

use super::known::Kind;
use super::pages::{Frame, OwnerPage};

/// Who signed in.
#[derive(Debug, Clone)]
pub struct Owner {
    /// The issuer's configured name.
    pub issuer: String,
    /// What they are known by there.
    pub stable_id: String,
    /// For people to read.
    pub name: Option<String>,
    /// For people to read.
    pub email: Option<String>,
    /// Their groups, as the token states them.
    pub groups: BTreeSet<String>,
    /// The names of its claims.
    pub claims: Vec<String>,
    /// Whether it says when they signed in.
    pub has_auth_time: bool,
    /// Whether they were made the owner.
    pub is_taken: bool,
}

impl Owner {
    /// What to call them.
    pub fn label(&self) -> &str {
        let known = self.name.as_deref().or(self.email.as_deref());
        known.unwrap_or(&self.stable_id)
    }

    /// The page.
    pub fn page(&self, frame: Frame, kind: Kind, lines: Option<String>) -> OwnerPage {
        let groups = self.groups.iter();
        OwnerPage {
            frame,
            lines,
            name: shown(self.label()).into_owned(),
            email: shown(self.email.as_deref().unwrap_or_default()).into_owned(),
            stable_id: shown(&self.stable_id).into_owned(),
            issuer: self.issuer.clone(),
            groups: groups.map(|group| shown(group).into_owned()).collect(),
            no_groups: if kind.states_groups() {
                "Add the groups claim to the application and sign in again, or let the directory provision groups (SCIM) later. Until then the first rule can only be for everyone."
            } else {
                "Google states none. Let the directory provision groups (SCIM) later; until then the first rule can only be for everyone."
            },
            claims: self.claims.clone(),
            has_auth_time: self.has_auth_time,
            no_auth_time: "What is dangerous in the console asks for a fresh sign-in, and without auth_time nobody can prove one. Add the claim, or do such things on the command line.",
        }
    }

    /// One for tests.
    #[cfg(test)]
    pub fn sample() -> Self {
        Self {
            issuer: "company".to_owned(),
            stable_id: "ada-1".to_owned(),
            name: Some("Ada".to_owned()),
            email: Some("ada@northwind.example".to_owned()),
            groups: BTreeSet::from(["engineering".to_owned()]),
            claims: Vec::new(),
            has_auth_time: true,
            is_taken: false,
        }
    }
}
