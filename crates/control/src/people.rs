//! People: find one, take their access away, give it back.

use std::collections::BTreeMap;

use domain::vouching::groups_words;
use domain::{PersonId, Vouching};
use ledger::record::ChangeKind;
use store::Store;
pub use store::{PeopleCount, Person};

use crate::access::{Actor, Right, Role};
use crate::{ControlError, Operation, roles, text as words};

/// The one person of this id, stable id or e-mail. An id of ours is nobody else's, whatever they call themselves.
pub async fn find(operation: &Operation<'_>, text: &str) -> Result<Person, ControlError> {
    operation.require(Right::PeopleRead)?;
    if let Ok(id) = text.parse() {
        let known = operation.store.person(operation.org, id).await?;
        let known = known.ok_or(ControlError::NoSuchPerson)?;
        return Ok(as_now(operation.store, known).await?);
    }
    let mut found = operation.store.find_people(operation.org, text).await?;
    match found.len() {
        0 => Err(ControlError::NoSuchPerson),
        1 => Ok(as_now(operation.store, found.remove(0)).await?),
        many => Err(ControlError::Ambiguous(many)),
    }
}

/// The person of this id.
pub async fn read(operation: &Operation<'_>, person: PersonId) -> Result<Person, ControlError> {
    operation.require(Right::PeopleRead)?;
    let found = operation.store.person(operation.org, person).await?;
    let found = found.ok_or(ControlError::NoSuch("person"))?;
    Ok(as_now(operation.store, found).await?)
}

/// The person of this id, whose budgets are asked after.
pub async fn spending(operation: &Operation<'_>, person: PersonId) -> Result<Person, ControlError> {
    operation.require(Right::BudgetsRead)?;
    read(operation, person).await
}

/// Who asks, with roles and rights: also somebody whom no issuer vouches for.
pub fn oneself<'o>(operation: &Operation<'o>) -> Result<&'o Actor, ControlError> {
    operation.require(Right::OwnRead)?;
    Ok(operation.actor)
}

/// Oneself.
pub async fn own(operation: &Operation<'_>) -> Result<Person, ControlError> {
    operation.require(Right::OwnRead)?;
    let person = operation.actor.person_id();
    let person = person.ok_or(ControlError::Forbidden(Right::OwnRead))?;
    let found = operation.store.person(operation.org, person).await?;
    let found = found.ok_or(ControlError::NoSuch("person"))?;
    Ok(as_now(operation.store, found).await?)
}

/// People after one of them, those alone in whose e-mail or name a text stands, and whether there are more.
pub async fn list(
    operation: &Operation<'_>,
    part: &str,
    after: Option<PersonId>,
    limit: u32,
) -> Result<(Vec<Person>, bool), ControlError> {
    operation.require(Right::PeopleRead)?;
    let (store, org) = (operation.store, operation.org);
    let (people, more) = store.people_page(org, part, after, limit).await?;
    Ok((store.with_groups(org, people).await?, more))
}

/// As [`list`], who was seen last first: people before one of them.
pub async fn list_back(
    operation: &Operation<'_>,
    part: &str,
    before: Option<PersonId>,
    limit: u32,
) -> Result<(Vec<Person>, bool), ControlError> {
    operation.require(Right::PeopleRead)?;
    let (store, org) = (operation.store, operation.org);
    let (people, more) = store.people_page_back(org, part, before, limit).await?;
    Ok((store.with_groups(org, people).await?, more))
}

/// How many people there are.
pub async fn count(operation: &Operation<'_>) -> Result<PeopleCount, ControlError> {
    operation.require(Right::PeopleRead)?;
    Ok(operation.store.people_count(operation.org).await?)
}

/// What these people and services are called, by id; those that are not here are left out.
pub async fn labels(
    operation: &Operation<'_>,
    ids: &[String],
) -> Result<BTreeMap<String, String>, ControlError> {
    operation.require(Right::PeopleRead)?;
    Ok(operation.store.labels(operation.org, ids).await?)
}

/// The roles a person holds now, and through what: their own bindings and those of their groups.
pub async fn bindings(
    operation: &Operation<'_>,
    vouching: &Vouching,
    person: &Person,
) -> Result<Vec<store::RoleBinding>, ControlError> {
    operation.require(Right::RolesRead)?;
    let of = vouching.groups_words(&person.issuer, &person.stable_id);
    let bindings = operation.store.roles(operation.org).await?;
    Ok(roles::of(bindings, person.id, &of, &person.groups).collect())
}

/// Takes a person's access away: their sessions end, open streams are cut and new requests refused within a second on every
/// replica.
pub async fn revoke(
    operation: &Operation<'_>,
    person: PersonId,
    why: &str,
) -> Result<Person, ControlError> {
    operation.require(Right::PeopleWrite)?;
    let why = &words::reason("reason", why)?;
    let person = read(operation, person).await?;
    guard_owner(operation, &person).await?;
    let now = operation.clock.now();
    let mut change = operation.change("person", &person.id.to_string(), ChangeKind::Updated);
    change.reason = Some(format!("revoked: {why}").as_str().into());
    operation.record(change).await?;
    operation
        .store
        .shut_out(operation.org, person.id, now, why)
        .await?;
    Ok(Person {
        shut_out_at: Some(now),
        ..person
    })
}

/// Lets a person sign in again, as far as administrators are concerned. What was revoked stays revoked, and whom the directory shuts out
/// stays out: [`Person::left_at`] says so, and only the directory takes that back. Nobody lets themselves in.
pub async fn restore(
    operation: &Operation<'_>,
    person: PersonId,
    why: &str,
) -> Result<Person, ControlError> {
    operation.require(Right::PeopleWrite)?;
    let why = &words::reason("reason", why)?;
    let person = read(operation, person).await?;
    let by = operation.actor.person_id();
    if by == Some(person.id) {
        return Err(ControlError::Oneself);
    }
    guard_owner(operation, &person).await?;
    let mut change = operation.change("person", &person.id.to_string(), ChangeKind::Updated);
    change.reason = Some(format!("restored: {why}").as_str().into());
    operation.record(change).await?;
    let (store, org) = (operation.store, operation.org);
    if !store.let_in(org, person.id, by).await? {
        let why = "who asked for it was shut out in between";
        let id = person.id.to_string();
        operation.record_not_made("person", &id, why).await?;
        return Err(ControlError::Forbidden(Right::PeopleWrite));
    }
    read(operation, person.id).await
}

/// The person with the groups that hold for them now.
pub(crate) async fn as_now(store: &Store, person: Person) -> store::Result<Person> {
    let found = store.with_groups(person.org, vec![person.clone()]).await?;
    Ok(found.into_iter().next().unwrap_or(person))
}

/// Only an owner shuts an owner out: an administrator who could would be the last word. Their groups must be those that hold now.
pub(crate) async fn guard_owner(
    operation: &Operation<'_>,
    person: &Person,
) -> Result<(), ControlError> {
    let (store, org) = (operation.store, operation.org);
    let of = groups_words(&person.issuer, &person.stable_id);
    let held = roles::held_by(store, org, person.id, &of, &person.groups).await?;
    if held.contains(&Role::Owner) {
        operation.require(Right::RolesWrite)?;
    }
    Ok(())
}
