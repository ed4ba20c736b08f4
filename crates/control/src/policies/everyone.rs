//! Everybody for whom a policy decides something: the people who may come in and the services that were seen, as their next call would
//! be decided. Read page by page and bounded, and says how far it came, so that no count stands without what it is out of. Decides
//! nothing. Used by the counts beside a policy's entries and by [`super::rehearse`].

use std::collections::{BTreeMap, BTreeSet};

use domain::{Caller, limits};
use store::services::Service;

use crate::access::Right;
use crate::may_use::{caller_of, caller_of_service};
use crate::people::{self, Person};
use crate::{ControlError, Operation};

/// Somebody whom rules concern.
#[derive(Debug, Clone)]
pub struct Known {
    /// As their next call would be decided.
    pub caller: Caller,
    /// What people call them.
    pub name: String,
}

impl Known {
    /// A person with the groups that hold for them.
    pub fn person(person: &Person) -> Self {
        let name = person.name.as_deref().or(person.email.as_deref());
        Self {
            caller: caller_of(person),
            name: name.unwrap_or(&person.stable_id).to_owned(),
        }
    }

    /// A service with the groups of its keys. One that another issuer vouches for is in none.
    pub fn service(operation: &Operation<'_>, service: &Service, groups: BTreeSet<String>) -> Self {
        Self {
            caller: caller_of_service(operation.org, service, groups),
            name: service.name.clone(),
        }
    }

    /// Their id.
    pub fn id(&self) -> String {
        self.caller.subject.to_string()
    }
}

/// Whoever was looked at.
#[derive(Debug, Clone, Default)]
pub struct Everyone {
    /// People who may come in.
    pub people: Vec<Known>,
    /// Services; none when who asks may not see them.
    pub services: Option<Vec<Known>>,
    /// Whether there are more people or services than were looked at.
    pub is_cut: bool,
}

impl Everyone {
    /// How many people were looked at.
    pub fn people_count(&self) -> u64 {
        self.people.len() as u64
    }

    /// How many services were looked at.
    pub fn services_count(&self) -> u64 {
        self.services.as_ref().map_or(0, |found| found.len() as u64)
    }

    /// How many people, and how many services, something concerns.
    pub fn concerned(&self, concerns: impl Fn(&Caller) -> bool) -> (u64, u64) {
        let of = |known: &[Known]| {
            let concerned = known.iter().filter(|known| concerns(&known.caller));
            concerned.count() as u64
        };
        let services = self.services.as_deref().map_or(0, of);
        (of(&self.people), services)
    }

    /// People first.
    pub fn all(&self) -> impl Iterator<Item = &Known> {
        self.people.iter().chain(self.services.iter().flatten())
    }
}

/// Everybody, at most [`limits::POLICY_PEOPLE_MAX`] people, and fewer where a policy has so many entries that deciding for that many
/// would take too long ([`limits::POLICY_LOOKS_MAX`]).
pub async fn everyone(operation: &Operation<'_>, entries: usize) -> Result<Everyone, ControlError> {
    operation.require(Right::PolicyRead)?;
    operation.require(Right::PeopleRead)?;
    let most = limits::POLICY_PEOPLE_MAX.min(limits::POLICY_LOOKS_MAX / entries.max(1));
    let mut found = Everyone::default();
    let mut after = None;
    loop {
        let (page, more) = people::list(operation, "", after, limits::STORE_PAGE_MAX).await?;
        after = page.last().map(|last| last.id);
        let may_come_in = page.iter().filter(|person| person.out_since().is_none());
        found.people.extend(may_come_in.map(Known::person));
        if found.people.len() > most {
            found.people.truncate(most);
            found.is_cut = true;
        }
        if !more || found.is_cut {
            break;
        }
    }
    if operation.actor.may(Right::ServicesRead) {
        let (services, more) = services(operation).await?;
        found.services = Some(services);
        found.is_cut |= more;
    }
    Ok(found)
}

/// At most [`limits::STORE_PAGE_MAX`] services, and whether there are more.
pub(super) async fn services(
    operation: &Operation<'_>,
) -> Result<(Vec<Known>, bool), ControlError> {
    let (store, org) = (operation.store, operation.org);
    let most = limits::STORE_PAGE_MAX;
    let (services, more) = store.services_page(org, "", None, most).await?;
    let mut groups: BTreeMap<_, BTreeSet<String>> = BTreeMap::new();
    for key in store.service_keys_page(org, "", most).await?.0 {
        if key.revoked_at.is_none() {
            groups.entry(key.service).or_default().extend(key.groups);
        }
    }
    let known = |service: &Service| {
        let groups = groups.get(&service.id).cloned().unwrap_or_default();
        Known::service(operation, service, groups)
    };
    Ok((services.iter().map(known).collect(), more))
}
