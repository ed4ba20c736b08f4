//! Service keys: make one for a machine that has no OpenID provider, list them, take them away. A key is returned once, to be
//! shown, and kept as its hash alone.

use std::collections::{BTreeMap, BTreeSet};

use domain::opaque::hex;
use domain::window::DAY_MS;
use domain::{Opaque, ServiceId, Timestamp, limits};
use ledger::record::{Change, ChangeKind};
use secrecy::SecretString;
use store::Target;
pub use store::services::{OpenKeys, Service, ServiceKey};

use crate::access::Right;
use crate::text::{self, Unusable};
use crate::{ControlError, Operation, fingerprint};

/// How every service key begins; no service may be called so, or a name could pass for a key.
const KEY_START: &str = "dwk_";

/// A key to make.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// The service's name; policy selects by it. One that is not there is made.
    pub name: String,
    /// What the service is a member of when it comes with this key.
    pub groups: BTreeSet<String>,
    /// After how many days it ends; never when left out.
    pub days: Option<u32>,
}

/// Makes a key. It opens as soon as this returns, on every replica.
pub async fn create(
    operation: &Operation<'_>,
    new: NewKey,
) -> Result<(ServiceKey, SecretString), ControlError> {
    operation.require(Right::ServicesWrite)?;
    check(&new)?;
    let created = operation.clock.now();
    let secret = Opaque::ServiceKey.mint(operation.ids);
    let (unix_ms, random) = operation.id_parts();
    let key = ServiceKey {
        expires: lifetime(new.days)?.map(|ms| created.plus_ms(ms)),
        key_hash: hex(&Opaque::ServiceKey.sha256_of(&secret)),
        service: ServiceId::from_parts(unix_ms, random),
        prefix: Opaque::ServiceKey.shown_of(&secret),
        groups: new.groups,
        made_by: operation.actor.label().to_owned(),
        created,
        revoked_at: None,
        used_at: None,
        service_name: new.name,
    };
    let mut change = about(operation, &key, ChangeKind::Created);
    change.after = Some(fingerprint(&rights(&key)).as_str().into());
    let adding = operation.store.add_service_key(operation.org, &key);
    let kept = operation.make(change, adding).await?;
    Ok((kept, secret))
}

/// Every key, those that were not revoked first, then newest first. What opens nothing is kept for
/// [`limits::CREDENTIALS_KEPT_MS`].
pub async fn list(operation: &Operation<'_>) -> Result<Vec<ServiceKey>, ControlError> {
    let (mut all, mut after) = (Vec::new(), String::new());
    loop {
        let (found, more) = page(operation, &after, limits::STORE_PAGE_MAX).await?;
        if let Some(last) = found.last() {
            after.clone_from(&last.key_hash);
        }
        all.extend(found);
        if !more {
            break;
        }
    }
    all.sort_by_key(|key| (key.revoked_at.is_some(), std::cmp::Reverse(key.created)));
    Ok(all)
}

/// Keys after one of them, ordered by hash, and whether there are more.
pub async fn page(
    operation: &Operation<'_>,
    after: &str,
    limit: u32,
) -> Result<(Vec<ServiceKey>, bool), ControlError> {
    operation.require(Right::ServicesRead)?;
    let store = operation.store;
    Ok(store.service_keys_page(operation.org, after, limit).await?)
}

/// Services after one of them, those alone in whose name a text stands, and whether there are more.
pub async fn services(
    operation: &Operation<'_>,
    part: &str,
    after: Option<ServiceId>,
    limit: u32,
) -> Result<(Vec<Service>, bool), ControlError> {
    operation.require(Right::ServicesRead)?;
    let (store, org) = (operation.store, operation.org);
    Ok(store.services_page(org, part, after, limit).await?)
}

/// How a service stands, for a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Glance {
    /// Its keys that open.
    pub keys: OpenKeys,
    /// The latest hour since the moment that was asked about in which it made a call.
    pub last_hour: Option<Timestamp>,
}

/// How each of these services stands, which follow one another in the order of their ids; calls are looked for since a moment.
pub async fn glance(
    operation: &Operation<'_>,
    services: &[Service],
    since: Timestamp,
) -> Result<BTreeMap<ServiceId, Glance>, ControlError> {
    operation.require(Right::ServicesRead)?;
    let (Some(first), Some(last)) = (services.first(), services.last()) else {
        return Ok(BTreeMap::new());
    };
    let (store, org, range) = (operation.store, operation.org, (first.id, last.id));
    let now = operation.clock.now();
    let keys = store.open_service_keys(org, range, now).await?;
    let hours = store.last_hours_of_services(org, range, since).await?;
    let of = |service: &Service| Glance {
        keys: keys.get(&service.id).copied().unwrap_or_default(),
        last_hour: hours.get(&service.id).copied(),
    };
    let all = services.iter().map(|service| (service.id, of(service)));
    Ok(all.collect())
}

/// The service of this id.
pub async fn service(
    operation: &Operation<'_>,
    service: ServiceId,
) -> Result<Service, ControlError> {
    operation.require(Right::ServicesRead)?;
    let found = operation.store.service(operation.org, service).await?;
    found.ok_or(ControlError::NoSuch("service"))
}

/// The keys of a service: those that were not revoked first, then newest first.
pub async fn of_service(
    operation: &Operation<'_>,
    service: ServiceId,
) -> Result<Vec<ServiceKey>, ControlError> {
    operation.require(Right::ServicesRead)?;
    let (store, org) = (operation.store, operation.org);
    Ok(store.keys_of_service(org, service).await?)
}

/// The key of this hash, among those of a service.
pub async fn one(
    operation: &Operation<'_>,
    service: ServiceId,
    key_hash: &str,
) -> Result<ServiceKey, ControlError> {
    operation.require(Right::ServicesRead)?;
    let found = operation.store.service_key(operation.org, key_hash).await?;
    let found = found.filter(|key| key.service == service);
    found.ok_or(ControlError::NoSuch("service key"))
}

/// Takes away the key of this id or hash, or every key of the service of this name: open streams are cut and requests refused
/// within a second, on every replica. Returns what was taken.
pub async fn revoke(
    operation: &Operation<'_>,
    which: &str,
    why: &str,
) -> Result<Vec<ServiceKey>, ControlError> {
    operation.require(Right::ServicesWrite)?;
    let why = &*text::reason("reason", why)?;
    let store = operation.store;
    let keys = store.find_service_keys(operation.org, which).await?;
    if keys.is_empty() {
        return Err(ControlError::NoSuchKey);
    }
    for key in &keys {
        let mut change = about(operation, key, ChangeKind::Deleted);
        change.reason = Some(why.into());
        operation.record(change).await?;
    }
    let target = |key: &ServiceKey| Target::ServiceKey(key.key_hash.clone());
    let targets: Vec<Target> = keys.iter().map(target).collect();
    let now = operation.clock.now();
    store.revoke_all(operation.org, &targets, now, why).await?;
    Ok(keys)
}

/// `nightly dwk_3Fq9…`: the name a policy knows, and which of its keys.
fn about(operation: &Operation<'_>, key: &ServiceKey, done: ChangeKind) -> Change {
    let name = format!("{} ({})", key.service_name, key.prefix);
    operation.change("service_key", &name, done)
}

/// What the key allows, as one text, so that the ledger can tell whether the store's row was altered.
fn rights(key: &ServiceKey) -> String {
    let groups: Vec<&str> = key.groups.iter().map(String::as_str).collect();
    let expires = key.expires.map_or_else(String::new, |at| at.to_string());
    format!(
        "{}\n{}\n{}\n{expires}",
        key.key_hash,
        key.service_name,
        groups.join("\n")
    )
}

fn lifetime(days: Option<u32>) -> Result<Option<i64>, Unusable> {
    match days {
        None => Ok(None),
        Some(days) if (1..=limits::SERVICE_KEY_DAYS_MAX).contains(&days) => {
            Ok(Some(i64::from(days) * DAY_MS))
        }
        Some(_) => {
            let why = format!("must be 1 to {}", limits::SERVICE_KEY_DAYS_MAX);
            Err(Unusable::new("expires_in_days", why))
        }
    }
}

fn check(new: &NewKey) -> Result<(), Unusable> {
    let name = text::name("service", &new.name)?;
    if name.starts_with(KEY_START) {
        let why = format!("must not begin with {KEY_START}: it could pass for a key");
        return Err(Unusable::new("service", why));
    }
    if new.groups.len() > limits::SESSION_GROUPS_MAX {
        let why = format!("must be at most {}", limits::SESSION_GROUPS_MAX);
        return Err(Unusable::new("groups", why));
    }
    for group in &new.groups {
        text::name("groups", group)?;
    }
    Ok(())
}

/// Whether a key still opens.
pub fn opens(key: &ServiceKey, now: Timestamp) -> bool {
    key.revoked_at.is_none() && key.expires.is_none_or(|end| now < end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_name(name: &str, groups: &[&str], expected: Result<(), &'static str>) {
        let new = NewKey {
            name: name.to_owned(),
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
            days: None,
        };
        let found = check(&new).map_err(|error| error.field);
        assert_eq!(found, expected, "{name} {groups:?}");
    }

    #[test]
    fn a_name_or_group_is_a_word_on_one_line_that_cannot_pass_for_a_key() {
        check_name("nightly build", &["ci", "Betrieb Süd"], Ok(()));
        for name in [
            "",
            " ci",
            "ci ",
            "a\nb",
            "dwk_abc",
            "a\u{7f}",
            "a\u{202e}b",
            &"x".repeat(129),
        ] {
            check_name(name, &[], Err("service"));
        }
        for group in ["", " x", "a\tb", "\u{2066}x", &"x".repeat(129)] {
            check_name("ci", &["fine", group], Err("groups"));
        }
        let many: Vec<String> = (0..101).map(|number| number.to_string()).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        check_name("ci", &many, Err("groups"));
    }

    #[test]
    fn a_key_lives_for_whole_days_within_reason() {
        assert_eq!(lifetime(None), Ok(None));
        assert_eq!(lifetime(Some(1)), Ok(Some(DAY_MS)));
        assert_eq!(lifetime(Some(3_650)), Ok(Some(3_650 * DAY_MS)));
        for days in [0, 3_651, u32::MAX] {
            let refused = lifetime(Some(days)).unwrap_err();
            assert_eq!(refused.field, "expires_in_days", "{days}");
        }
    }
}
