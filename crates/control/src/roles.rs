//! Roles: give one to a person or a group, take it away, list them, and find out which somebody holds. How many owners there are is
//! told after each change, because one alone is a risk and many are another.

use std::collections::BTreeSet;

use domain::{BindingId, PersonId};
use ledger::record::ChangeKind;
use store::RoleRemoved;
pub use store::{Holder, RoleBinding};

use crate::access::{Right, Role, Who};
use crate::{ControlError, Operation, text};

/// Owners there should be.
const OWNERS: std::ops::RangeInclusive<usize> = 1..=2;

/// What became of giving a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// The binding.
    pub binding: RoleBinding,
    /// Whether it is new; otherwise nothing was written.
    pub is_new: bool,
    /// What to think about, for people to read.
    pub warning: Option<String>,
}

/// Gives a role. A person must be known here; a group need not, because it may come with a later sign-in.
pub async fn grant(
    operation: &Operation<'_>,
    role: Role,
    holder: Holder,
    reason: &str,
) -> Result<Given, ControlError> {
    operation.require(Right::RolesWrite)?;
    let reason = text::reason("reason", reason)?;
    if role == Role::Member {
        return Err(text::Unusable::new("role", "need not be given: everyone is a member").into());
    }
    match &holder {
        Holder::Person(person) => {
            let known = operation.store.person(operation.org, *person).await?;
            known.ok_or(ControlError::NoSuch("person"))?;
        }
        Holder::Group { issuer, group } => {
            text::name("issuer", issuer)?;
            text::name("group", group)?;
        }
    }
    let there = operation.store.roles(operation.org).await?;
    let same = |known: &&RoleBinding| known.role == role && known.holder == holder;
    if let Some(binding) = there.iter().find(same).cloned() {
        return Ok(Given {
            binding,
            is_new: false,
            warning: warning(&there),
        });
    }
    let (unix_ms, random) = operation.id_parts();
    let new = RoleBinding {
        id: BindingId::from_parts(unix_ms, random),
        role,
        holder,
        made_by: operation.actor.label().to_owned(),
        created: operation.clock.now(),
    };
    let mut change = operation.change("role", &described(&new), ChangeKind::Created);
    change.reason = Some(reason.as_str().into());
    let adding = operation.store.add_role(operation.org, &new);
    let (binding, is_new) = operation.make(change, adding).await?;
    if !is_new {
        let (name, why) = (described(&new), "it was given in between");
        operation.record_not_made("role", &name, why).await?;
    }
    Ok(Given {
        binding,
        is_new,
        warning: warning(&operation.store.roles(operation.org).await?),
    })
}

/// Takes a role away; from the next request on it is gone. That of the only owner is taken on the machine alone.
pub async fn revoke(
    operation: &Operation<'_>,
    binding: BindingId,
    reason: &str,
) -> Result<(RoleBinding, Option<String>), ControlError> {
    operation.require(Right::RolesWrite)?;
    let reason = text::reason("reason", reason)?;
    let there = operation.store.roles(operation.org).await?;
    let known = there.iter().find(|known| known.id == binding);
    let known = known.ok_or(ControlError::NoSuch("role binding"))?;
    // Whoever is on the machine can make an owner again.
    let keeps_an_owner = *operation.actor.who() != Who::CommandLine;
    if keeps_an_owner && only_owner(&there) == Some(binding) {
        return Err(ControlError::LastOwner);
    }
    let mut change = operation.change("role", &described(known), ChangeKind::Deleted);
    change.reason = Some(reason.as_str().into());
    operation.record(change).await?;
    let (store, org) = (operation.store, operation.org);
    let (why, error) = match store.remove_role(org, binding, keeps_an_owner).await? {
        RoleRemoved::Gone(gone) => {
            let left = operation.store.roles(operation.org).await?;
            return Ok((gone, warning(&left)));
        }
        RoleRemoved::Unknown => (
            "it was taken away in between",
            ControlError::NoSuch("role binding"),
        ),
        RoleRemoved::LastOwner => (
            "the other owners' roles were taken away in between",
            ControlError::LastOwner,
        ),
    };
    operation
        .record_not_made("role", &described(known), why)
        .await?;
    Err(error)
}

/// The owner's role that is the only one; a group's counts as one.
pub fn only_owner(bindings: &[RoleBinding]) -> Option<BindingId> {
    let mut owners = bindings
        .iter()
        .filter(|binding| binding.role == Role::Owner);
    match (owners.next(), owners.next()) {
        (Some(only), None) => Some(only.id),
        _ => None,
    }
}

/// Every binding, oldest first, and what to think about.
pub async fn list(
    operation: &Operation<'_>,
) -> Result<(Vec<RoleBinding>, Option<String>), ControlError> {
    operation.require(Right::RolesRead)?;
    let there = operation.store.roles(operation.org).await?;
    let warning = warning(&there);
    Ok((there, warning))
}

/// The roles of somebody with these groups, whose issuer, and tenant where it has several, is called by one of these words. Asked at each
/// entrance, so that a change holds from the next request on.
pub(crate) async fn held_by(
    store: &store::Store,
    org: domain::OrgId,
    person: PersonId,
    issuers: &[String],
    groups: &BTreeSet<String>,
) -> Result<BTreeSet<Role>, ControlError> {
    let bindings = store.roles(org).await?;
    let theirs = of(bindings, person, issuers, groups);
    Ok(theirs.map(|held| held.role).collect())
}

/// The bindings through which [`held_by`] has its roles.
pub(crate) fn of(
    bindings: Vec<RoleBinding>,
    person: PersonId,
    issuers: &[String],
    groups: &BTreeSet<String>,
) -> impl Iterator<Item = RoleBinding> {
    let is_theirs = move |binding: &RoleBinding| match &binding.holder {
        Holder::Person(holder) => *holder == person,
        Holder::Group { issuer, group } => issuers.contains(issuer) && groups.contains(group),
    };
    bindings.into_iter().filter(is_theirs)
}

/// `owner for per_…`, `auditor for the group audit of northwind`.
pub fn described(binding: &RoleBinding) -> String {
    given_to(binding.role, &binding.holder)
}

pub(crate) fn given_to(role: Role, holder: &Holder) -> String {
    match holder {
        Holder::Person(person) => format!("{role} for {person}"),
        Holder::Group { issuer, group } => format!("{role} for the group {group} of {issuer}"),
    }
}

/// What is wrong with the number of owners, for people to read. Groups count as one, because their members are the directory's.
pub fn warning(bindings: &[RoleBinding]) -> Option<String> {
    let is_owner = |binding: &&RoleBinding| binding.role == Role::Owner;
    let owners = bindings.iter().filter(is_owner).count();
    if OWNERS.contains(&owners) {
        return None;
    }
    Some(if owners == 0 {
        "nobody is an owner: roles can be given on the machine alone, with `doorward role grant owner`"
            .to_owned()
    } else {
        format!(
            "there are {owners} owners; one or two are enough, and each can do what cannot be undone"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::Timestamp;

    fn owner(number: u128) -> RoleBinding {
        RoleBinding {
            id: BindingId::from_parts(1, number),
            role: Role::Owner,
            holder: Holder::Person(PersonId::from_parts(1, number)),
            made_by: String::new(),
            created: Timestamp::from_unix_ms(0),
        }
    }

    #[test]
    fn one_or_two_owners_are_fine_and_none_or_three_are_told() {
        assert!(warning(&[]).unwrap().starts_with("nobody is an owner"));
        assert_eq!(warning(&[owner(1)]), None);
        assert_eq!(warning(&[owner(1), owner(2)]), None);
        assert_eq!(only_owner(&[]), None);
        assert_eq!(only_owner(&[owner(1)]), Some(owner(1).id));
        assert_eq!(only_owner(&[owner(1), owner(2)]), None);
        let three = [owner(1), owner(2), owner(3)];
        assert!(warning(&three).unwrap().starts_with("there are 3 owners"));
    }
}
