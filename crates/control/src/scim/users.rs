//! Users as a directory makes, reads, changes and takes them away. Whoever is made inactive or deleted is shut out in the same
//! transaction: sessions end, open streams are cut within a second on every replica.

use domain::text::shown;
use domain::{DirectoryUserId, PersonId, Timestamp, limits};
use ledger::record::ChangeKind;
use serde_json::{Value, json};
use store::{DirectoryMember, DirectoryUser, NewUser, Person, UserState, UserWrite};

use super::directory::{Ask, Directory, Kept, Listed, parse};
use super::error::{Result, ScimError, ScimType};
use super::filter::Filter;
use super::patch;
use super::schema::{ENTERPRISE, Resource, USER};
use crate::ControlError;

const NOUN: &str = "directory_user";
/// Users read at once when a filter has to look at all.
const SCAN: u32 = 500;
/// How often a change is made anew when others change the same user.
const TRIES: usize = 5;

/// Makes a user, or brings back the deleted one of the same external id.
pub async fn create(directory: &Directory<'_>, body: Value) -> Result<Kept> {
    let operation = directory.operation;
    let state = Prepared::new(patch::from_body(body)?, true)?;
    check_free(directory, &state, None).await?;
    let (unix_ms, random) = operation.id_parts();
    let user = DirectoryUserId::from_parts(unix_ms, random);
    let (unix_ms, random) = operation.id_parts();
    let new = NewUser {
        user,
        person: PersonId::from_parts(unix_ms, random),
    };
    let id = user.to_string();
    let after = (None, Some(state.body.as_str()));
    directory
        .record(NOUN, &id, ChangeKind::Created, after, "provisioned")
        .await?;
    if let Some(adopted) = known(directory, &state).await?
        && !state.active
    {
        record_shut_out(directory, adopted.id, "provisioned inactive").await?;
    }
    let (store, now) = (operation.store, operation.clock.now());
    let made = store
        .add_directory_user(operation.org, directory.source, new, state.state(), now)
        .await?;
    match made {
        UserWrite::Done(made) => {
            if made.id != user {
                let reason = format!("came back as {}", made.id);
                directory
                    .record(NOUN, &id, ChangeKind::Updated, (None, None), &reason)
                    .await?;
            }
            kept(directory, &made).await
        }
        UserWrite::Taken(field) => {
            directory.record_not_made(NOUN, &id, field).await?;
            Err(ScimError::taken(field))
        }
        UserWrite::Stale | UserWrite::Gone => Err(ScimError::Changed),
    }
}

/// A user.
pub async fn read(directory: &Directory<'_>, id: &str) -> Result<Kept> {
    let user = find(directory, id).await?;
    kept(directory, &user).await
}

/// Makes a user what the body says. What it does not say is gone, but for the external id, which says who the user is, and for
/// `active`: a change of a profile brings nobody back.
pub async fn replace(
    directory: &Directory<'_>,
    id: &str,
    expected: Option<i64>,
    body: Value,
) -> Result<Kept> {
    let says_nothing_of = |name: &str| {
        let keys = body.as_object().map(serde_json::Map::keys);
        !keys.into_iter().flatten().any(|key| {
            let (_, key) = super::path::without_schema(key);
            key.eq_ignore_ascii_case(name)
        })
    };
    let kept: Vec<&str> = ["externalId", "active"]
        .into_iter()
        .filter(|name| says_nothing_of(name))
        .collect();
    let new = patch::from_body(body.clone())?;
    write(directory, id, expected, |before| {
        let mut new = new.clone();
        for name in &kept {
            if let Some(value) = before.get(*name) {
                new[*name] = value.clone();
            }
        }
        Ok(new)
    })
    .await
}

/// Changes what the operations name.
pub async fn patch(
    directory: &Directory<'_>,
    id: &str,
    expected: Option<i64>,
    body: Value,
) -> Result<Kept> {
    let steps = patch::steps(body)?;
    write(directory, id, expected, |before| {
        patch::apply(before, steps.clone())
    })
    .await
}

/// Takes a user away; the person is shut out.
pub async fn delete(directory: &Directory<'_>, id: &str, expected: Option<i64>) -> Result<()> {
    let operation = directory.operation;
    let before = find(directory, id).await?;
    if expected.is_some_and(|expected| expected != before.version) {
        return Err(ScimError::Changed);
    }
    let texts = (Some(before.body.as_str()), None);
    directory
        .record(NOUN, id, ChangeKind::Deleted, texts, "deleted")
        .await?;
    record_shut_out(directory, before.person, "deleted").await?;
    let (store, now) = (operation.store, operation.clock.now());
    store
        .remove_directory_user(operation.org, directory.source, before.id, now)
        .await?
        .map(drop)
        .ok_or(ScimError::NotFound)
}

/// Users, in an order that stays: oldest first.
pub async fn list(directory: &Directory<'_>, ask: &Ask) -> Result<Listed> {
    let (operation, source) = (directory.operation, directory.source);
    let (store, org) = (operation.store, operation.org);
    let Some(filter) = parse(ask, Resource::User)? else {
        let total = store.count_directory_users(org, source).await?;
        let users = match ask.limit() {
            0 => Vec::new(),
            limit => {
                store
                    .directory_users_page(org, source, ask.skip(), limit)
                    .await?
            }
        };
        let all = represent_all(directory, &users, ask.wanted.holds("groups")).await?;
        let resources = all.into_iter().map(|one| ask.wanted.of(one)).collect();
        return Ok(Listed { total, resources });
    };
    let with_groups = filter.mentions("groups") || ask.wanted.holds("groups");
    if let Some(candidate) = by_key(directory, &filter).await? {
        let users: Vec<_> = candidate.into_iter().collect();
        let all = represent_all(directory, &users, with_groups).await?;
        let found = all.into_iter().filter(|one| filter.meets(one));
        return Ok(ask.part_of(found.collect()));
    }
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let users = store
            .directory_users_after(org, source, after, SCAN)
            .await?;
        let all = represent_all(directory, &users, with_groups).await?;
        found.extend(all.into_iter().filter(|one| filter.meets(one)));
        if found.len() > limits::SCIM_FOUND_MAX {
            let why = "the filter finds too many users; narrow it down".to_owned();
            return Err(ScimError::Bad(ScimType::TooMany, why));
        }
        match users.last() {
            Some(last) if users.len() == SCAN as usize => after = Some(last.id),
            _ => return Ok(ask.part_of(found)),
        }
    }
}

/// The one user a filter can be about, where it says so: none of the outer kind when all must be looked at.
async fn by_key(
    directory: &Directory<'_>,
    filter: &Filter,
) -> Result<Option<Option<DirectoryUser>>> {
    let (operation, source) = (directory.operation, directory.source);
    let (store, org) = (operation.store, operation.org);
    if let Some(name) = filter.required("userName") {
        let name = name.to_lowercase();
        return Ok(Some(store.directory_user_named(org, source, &name).await?));
    }
    if let Some(external_id) = filter.required("externalId") {
        let user = store.directory_user_of(org, source, external_id).await?;
        return Ok(Some(user));
    }
    if let Some(id) = filter.required("id") {
        return match find(directory, id).await {
            Ok(user) => Ok(Some(Some(user))),
            Err(ScimError::NotFound) => Ok(Some(None)),
            Err(error) => Err(error),
        };
    }
    Ok(None)
}

/// Changes a user and keeps trying while others change it too.
async fn write(
    directory: &Directory<'_>,
    id: &str,
    expected: Option<i64>,
    change: impl Fn(&Value) -> Result<Value>,
) -> Result<Kept> {
    let operation = directory.operation;
    for _ in 0..TRIES {
        let before = find(directory, id).await?;
        if expected.is_some_and(|expected| expected != before.version) {
            return Err(ScimError::Changed);
        }
        let document = read_body(&before)?;
        let state = Prepared::new(change(&document)?, before.active)?;
        if state.document == document {
            return kept(directory, &before).await;
        }
        check_free(directory, &state, Some(before.id)).await?;
        let texts = (Some(before.body.as_str()), Some(state.body.as_str()));
        let reason = match (before.active, state.active) {
            (true, false) => "made inactive",
            (false, true) => "made active",
            _ => "changed",
        };
        directory
            .record(NOUN, id, ChangeKind::Updated, texts, reason)
            .await?;
        for (person, why) in shut_out_by(directory, &before, &state).await? {
            record_shut_out(directory, person, why).await?;
        }
        let (unix_ms, random) = operation.id_parts();
        let new = PersonId::from_parts(unix_ms, random);
        let place = (before.id, before.version);
        let (store, now) = (operation.store, operation.clock.now());
        let written = store
            .put_directory_user(
                operation.org,
                directory.source,
                place,
                (state.state(), new),
                now,
            )
            .await?;
        match written {
            UserWrite::Done(user) => return kept(directory, &user).await,
            UserWrite::Stale => {
                let why = "it was changed in between";
                directory.record_not_made(NOUN, id, why).await?;
            }
            UserWrite::Taken(field) => {
                directory.record_not_made(NOUN, id, field).await?;
                return Err(ScimError::taken(field));
            }
            UserWrite::Gone => return Err(ScimError::NotFound),
        }
    }
    Err(ScimError::Changed)
}

/// The person whom the external id means, where there is one already.
async fn known(directory: &Directory<'_>, state: &Prepared) -> Result<Option<Person>> {
    let (operation, source) = (directory.operation, directory.source);
    let Some(external_id) = &state.external_id else {
        return Ok(None);
    };
    let stable_id = source.stable_id(external_id);
    let (store, org) = (operation.store, operation.org);
    let known = store.person_by_stable(org, &source.issuer, &stable_id);
    Ok(known.await?)
}

/// Whom a change of a user shuts out, and why: the person they stood for when the directory now means another, and whoever they stand for
/// when they become inactive. As `store` decides it, which alone shuts out.
async fn shut_out_by(
    directory: &Directory<'_>,
    before: &DirectoryUser,
    state: &Prepared,
) -> Result<Vec<(PersonId, &'static str)>> {
    const INACTIVE: &str = "made inactive";
    let stays = || {
        let ended = before.active && !state.active;
        ended.then_some((before.person, INACTIVE))
    };
    let same_id = read_body(before)?["externalId"].as_str() == state.external_id.as_deref();
    if before.by_hand || same_id || state.external_id.is_none() {
        return Ok(stays().into_iter().collect());
    }
    let next = known(directory, state).await?;
    let moves = if let Some(next) = &next {
        next.id != before.person
    } else {
        // One who never signed in is corrected, and stays who they are.
        let (store, org) = (directory.operation.store, directory.operation.org);
        let person = store.person(org, before.person).await?;
        person.is_some_and(|person| person.stated != Timestamp::default())
    };
    if !moves {
        return Ok(stays().into_iter().collect());
    }
    let next = next.filter(|_| !state.active);
    let former = (before.person, "no longer meant");
    let next = next.map(|next| (next.id, INACTIVE));
    Ok([Some(former), next].into_iter().flatten().collect())
}

/// The record that lists of what happened to a person show.
async fn record_shut_out(directory: &Directory<'_>, person: PersonId, why: &str) -> Result<()> {
    let reason = format!("revoked: {why} by the directory");
    let person = person.to_string();
    directory
        .record(
            "person",
            &person,
            ChangeKind::Updated,
            (None, None),
            &reason,
        )
        .await
}

async fn find(directory: &Directory<'_>, id: &str) -> Result<DirectoryUser> {
    let id = id.parse().map_err(|_| ScimError::NotFound)?;
    let (operation, source) = (directory.operation, directory.source);
    let user = operation.store.directory_user(operation.org, source, id);
    user.await?.ok_or(ScimError::NotFound)
}

/// Whether nobody else has the name or external id, before anything is written down.
async fn check_free(
    directory: &Directory<'_>,
    state: &Prepared,
    own: Option<DirectoryUserId>,
) -> Result<()> {
    let (operation, source) = (directory.operation, directory.source);
    let (store, org) = (operation.store, operation.org);
    let named = store
        .directory_user_named(org, source, &state.user_name)
        .await?;
    if named.is_some_and(|user| Some(user.id) != own) {
        return Err(ScimError::taken("userName"));
    }
    if let Some(external_id) = &state.external_id {
        let user = store.directory_user_of(org, source, external_id).await?;
        if user.is_some_and(|user| Some(user.id) != own) {
            return Err(ScimError::taken("externalId"));
        }
    }
    Ok(())
}

/// A user's attributes, checked, and what the store needs of them.
#[derive(Debug)]
struct Prepared {
    document: Value,
    body: String,
    user_name: String,
    external_id: Option<String>,
    active: bool,
    email: Option<String>,
    name: Option<String>,
}

impl Prepared {
    /// `active` is what holds when the document does not say.
    fn new(mut document: Value, active: bool) -> Result<Self> {
        let text = |pointer: &str| {
            let text = document.pointer(pointer).and_then(Value::as_str);
            text.map(str::trim).filter(|text| !text.is_empty())
        };
        let user_name = text("/userName").map(str::to_lowercase);
        let user_name = user_name.ok_or_else(|| ScimError::value("userName must have a value"))?;
        let external_id = text("/externalId").map(str::to_owned);
        let whole_name = || {
            let parts = [text("/name/givenName"), text("/name/familyName")];
            let parts: Vec<&str> = parts.into_iter().flatten().collect();
            (!parts.is_empty()).then(|| parts.join(" "))
        };
        let name = text("/displayName").or_else(|| text("/name/formatted"));
        let name = name.map(str::to_owned).or_else(whole_name);
        // What others read of them; the directory gets back what it sent.
        let name = name.map(|name| shown(&name).into_owned());
        let email = mail(&document).map(|mail| shown(&mail).into_owned());
        let active = document["active"].as_bool().unwrap_or(active);
        document["active"] = active.into();
        let body = document.to_string();
        if body.len() > limits::SCIM_USER_BYTES_MAX {
            return Err(ScimError::value("the user is too large"));
        }
        Ok(Self {
            document,
            body,
            user_name,
            external_id,
            active,
            email,
            name,
        })
    }

    fn state(&self) -> UserState<'_> {
        UserState {
            user_name: &self.user_name,
            external_id: self.external_id.as_deref(),
            active: self.active,
            body: &self.body,
            email: self.email.as_deref(),
            name: self.name.as_deref(),
        }
    }
}

/// The primary address, else the first.
fn mail(document: &Value) -> Option<String> {
    let all = document["emails"].as_array()?;
    let primary = all.iter().find(|mail| mail["primary"] == Value::Bool(true));
    let mail = primary.or(all.first())?["value"].as_str()?;
    Some(mail.chars().take(limits::CLAIM_CHARS_MAX).collect())
}

fn read_body(user: &DirectoryUser) -> Result<Value> {
    let damaged = |_| ControlError::Store(store::StoreError::Damaged("directory_users.body"));
    Ok(serde_json::from_str(&user.body).map_err(damaged)?)
}

async fn kept(directory: &Directory<'_>, user: &DirectoryUser) -> Result<Kept> {
    let mut all = represent_all(directory, std::slice::from_ref(user), true).await?;
    Ok(Kept {
        resource: all.pop().unwrap_or_default(),
        version: user.version,
    })
}

/// Users as resources; they stand in the order of their ids.
async fn represent_all(
    directory: &Directory<'_>,
    users: &[DirectoryUser],
    with_groups: bool,
) -> Result<Vec<Value>> {
    let (operation, source) = (directory.operation, directory.source);
    let groups = match (users.first(), users.last()) {
        (Some(first), Some(last)) if with_groups => {
            let between = (first.id, last.id);
            let groups = operation
                .store
                .directory_groups_of(operation.org, source, between);
            groups.await?
        }
        _ => Vec::new(),
    };
    let of = |user: &DirectoryUser| {
        let mine = groups.iter().filter(|group| group.user == user.id);
        mine.collect::<Vec<_>>()
    };
    users
        .iter()
        .map(|user| represent(directory, user, &of(user)))
        .collect()
}

fn represent(
    directory: &Directory<'_>,
    user: &DirectoryUser,
    groups: &[&DirectoryMember],
) -> Result<Value> {
    let document = read_body(user)?;
    let id = user.id.to_string();
    let mut schemas = vec![USER];
    if document.get(ENTERPRISE).is_some() {
        schemas.push(ENTERPRISE);
    }
    let mut resource = json!({"schemas": schemas, "id": id});
    if let (Value::Object(resource), Value::Object(document)) = (&mut resource, document) {
        resource.extend(document);
        if !groups.is_empty() {
            let groups = groups.iter().map(|group| {
                let group_id = group.group.to_string();
                json!({
                    "value": group_id,
                    "$ref": directory.location("/Groups", &group_id),
                    "display": group.group_name,
                    "type": "direct",
                })
            });
            resource.insert("groups".to_owned(), groups.collect());
        }
    }
    let times = (user.created, user.modified, user.version);
    resource["meta"] = directory.meta(Resource::User, &id, times);
    Ok(resource)
}
