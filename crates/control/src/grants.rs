//! People's own authorisations at connectors: given by the person in their browser, used by the door for that person alone, and taken away
//! by them, by leaving, and by a policy that has the connector no more. Giving, taking away and every end is a record; what is secret is
//! sealed under a name that holds the organisation, the person, the connector and its address, so that it opens as nobody else's. What
//! one is at the authorization server, and how it is renewed there, is not known here.

pub mod everyones;

use std::collections::BTreeMap;

use actions::canonical::fingerprint;
use domain::policy::Connector;
use domain::policy::own::is_of_key;
use domain::{Ids, OrgId, PersonId, Timestamp, limits};
use ledger::record::ChangeKind;
use secrecy::{ExposeSecret as _, SecretString};
pub use store::Grant;
use store::vault_key::VaultKey;
use store::{KeepingGrant, Renewed};

use crate::access::{Right, Who};
use crate::may_use::caller_of;
use crate::text::Unusable;
use crate::{ControlError, Operation, connectors, people};

/// What the ledger calls one.
const NOUN: &str = "grant";

/// One that somebody gives.
#[derive(Debug, Clone, Copy)]
pub struct New<'n> {
    /// At which connector.
    pub connector: &'n str,
    /// The connector's address that it is good for.
    pub address: &'n str,
    /// Who gave it: the authorization server's issuer.
    pub issuer: &'n str,
    /// What it covers.
    pub scope: &'n str,
    /// What is secret.
    pub secret: &'n SecretString,
    /// When its access token ends, where that is known.
    pub expires: Option<Timestamp>,
}

/// One, and what is secret of it.
#[derive(Debug, Clone)]
pub struct Opened {
    /// The grant.
    pub grant: Grant,
    /// What is secret; none where no key that is here opens it.
    pub secret: Option<SecretString>,
}

/// A connector of one's own, with what one has there.
#[derive(Debug, Clone)]
pub struct Own {
    /// The connector's name.
    pub connector: String,
    /// What people call it.
    pub title: String,
    /// What the policy has of it.
    pub entry: Connector,
    /// The grant, where there is one.
    pub grant: Option<Grant>,
}

/// A connector that who acts may reach and has to authorise themselves.
pub async fn connector(
    operation: &Operation<'_>,
    issuers_for_people: usize,
    name: &str,
) -> Result<Connector, ControlError> {
    operation.require(Right::OwnRead)?;
    let all = reachable(operation, issuers_for_people).await?;
    let found = all.into_iter().find(|connector| connector.name == name);
    found.ok_or(ControlError::NoSuch("connector"))
}

/// The connectors that who acts may reach and has to authorise themselves, and what they have there.
pub async fn own(
    operation: &Operation<'_>,
    issuers_for_people: usize,
) -> Result<Vec<Own>, ControlError> {
    operation.require(Right::OwnRead)?;
    let all = reachable(operation, issuers_for_people).await?;
    if all.is_empty() {
        return Ok(Vec::new());
    }
    let person = person(operation)?;
    let grants = operation.store.grants_of(operation.org, person).await?;
    let mut grants: BTreeMap<String, Grant> = grants
        .into_iter()
        .map(|grant| (grant.connector.clone(), grant))
        .collect();
    let own = all.into_iter().map(|connector| Own {
        grant: grants
            .remove(&connector.name)
            .filter(|grant| connector.own_place().as_ref() == Some(&grant.address)),
        title: connector.title().to_owned(),
        connector: connector.name.clone(),
        entry: connector,
    });
    Ok(own.collect())
}

async fn reachable(
    operation: &Operation<'_>,
    issuers_for_people: usize,
) -> Result<Vec<Connector>, ControlError> {
    let person = people::own(operation).await?;
    let policy = connectors::reviewed_policy(operation).await?;
    let policy = policy.among_issuers(issuers_for_people);
    let rules = policy.for_caller(&caller_of(&person));
    let reachable = rules.reachable().map(|connector| &**connector);
    let own = |connector: &&Connector| connector.own_place().is_some();
    Ok(reachable.filter(own).cloned().collect())
}

/// Keeps one that who acts has just given. The one whose place it takes is returned, to be ended where it was given.
pub async fn keep(operation: &Operation<'_>, new: New<'_>) -> Result<Option<Opened>, ControlError> {
    operation.require(Right::OwnWrite)?;
    let person = person(operation)?;
    let now = operation.clock.now();
    let grant = Grant {
        person,
        connector: new.connector.to_owned(),
        address: new.address.to_owned(),
        issuer: new.issuer.to_owned(),
        scope: new.scope.to_owned(),
        sealed: Whose {
            org: operation.org,
            person,
            connector: new.connector,
            address: new.address,
        }
        .seal(operation.vault, new.secret, operation.ids),
        version: now.unix_ms(),
        connected: now,
        renewed: now,
        expires: new.expires,
        dead_since: None,
        wants: String::new(),
    };
    let (held, before) = match operation.store.hold_grant(operation.org, &grant).await? {
        KeepingGrant::Held(held, before) => (held, before),
        KeepingGrant::Out => return Err(ControlError::Forbidden(Right::OwnWrite)),
    };
    let done = match before {
        Some(_) => ChangeKind::Updated,
        None => ChangeKind::Created,
    };
    let words = match new.scope {
        _ if is_of_key(new.address) => "connected, by an API key of their own".to_owned(),
        "" => format!("connected, by {}", new.issuer),
        scope => format!("connected, by {}, for {scope}", new.issuer),
    };
    record(operation, &grant, done, &words).await?;
    held.keep().await?;
    Ok(before.map(|before| opened(operation, *before)))
}

/// A fingerprint of where what a person brings goes, and in what: whoever brings a key has seen that, and nothing else is meant.
pub fn fingerprint_of_place(connector: &Connector) -> String {
    fingerprint(&connector.own_place().unwrap_or_default())
}

/// Keeps an API key of who acts at a connector that wants one, where it still goes to what they saw ([`fingerprint_of_place`]). What it takes the place of
/// is returned, to be ended where it was given.
pub async fn keep_key(
    operation: &Operation<'_>,
    connector: &Connector,
    key: &SecretString,
    saw: &str,
) -> Result<Option<Opened>, ControlError> {
    if saw != fingerprint_of_place(connector) {
        return Err(ControlError::GoesElsewhere);
    }
    let place = connector.own_place().filter(|place| is_of_key(place));
    let place = place.ok_or(ControlError::NoSuch("connector"))?;
    let text = key.expose_secret();
    if !is_key(text) {
        let why = format!(
            "must be 1 to {} letters, digits and signs of ASCII, without blanks and on one line",
            limits::API_KEY_BYTES_MAX
        );
        return Err(Unusable::new("key", why).into());
    }
    let new = New {
        connector: &connector.name,
        address: &place,
        issuer: "",
        scope: "",
        secret: key,
        expires: None,
    };
    keep(operation, new).await
}

fn is_key(text: &str) -> bool {
    let is_visible = |byte: u8| byte.is_ascii_graphic();
    (1..=limits::API_KEY_BYTES_MAX).contains(&text.len()) && text.bytes().all(is_visible)
}

/// What who acts has at a connector, for this address alone.
pub async fn find(
    operation: &Operation<'_>,
    connector: &str,
    address: &str,
) -> Result<Option<Opened>, ControlError> {
    operation.require(Right::OwnRead)?;
    let person = person(operation)?;
    let found = operation.store.grant(operation.org, person, connector);
    let found = found.await?.filter(|grant| grant.address == address);
    Ok(found.map(|grant| opened(operation, grant)))
}

/// Takes away what who acts has at a connector; returned, to be ended where it was given. None when they have nothing there.
pub async fn disconnect(
    operation: &Operation<'_>,
    connector: &str,
) -> Result<Option<Opened>, ControlError> {
    operation.require(Right::OwnWrite)?;
    let (store, org, person) = (operation.store, operation.org, person(operation)?);
    let Some((held, grant)) = store.hold_grant_end(org, person, connector).await? else {
        return Ok(None);
    };
    let words = "disconnected by whose it was";
    record(operation, &grant, ChangeKind::Deleted, words).await?;
    held.keep().await?;
    Ok(Some(opened(operation, grant)))
}

/// Takes the turn to renew one; false when somebody else has it, or has had it.
pub async fn take_turn(operation: &Operation<'_>, grant: &Grant) -> Result<bool, ControlError> {
    let now = operation.clock.now();
    let until = now.plus_ms(limits::GRANT_TURN_MS);
    let (store, org) = (operation.store, operation.org);
    Ok(store.take_grant_turn(org, grant, now, until).await?)
}

/// Gives the turn back where nothing came of it.
pub async fn leave_turn(operation: &Operation<'_>, grant: &Grant) -> Result<(), ControlError> {
    let (store, org) = (operation.store, operation.org);
    Ok(store.leave_grant_turn(org, grant).await?)
}

/// Keeps what renewing one brought; false when it was taken away meanwhile.
pub async fn renewed(
    operation: &Operation<'_>,
    grant: &Grant,
    (secret, scope): (&SecretString, &str),
    expires: Option<Timestamp>,
) -> Result<bool, ControlError> {
    let whose = Whose {
        org: operation.org,
        person: grant.person,
        connector: &grant.connector,
        address: &grant.address,
    };
    let sealed = whose.seal(operation.vault, secret, operation.ids);
    let renewed = Renewed {
        sealed: &sealed,
        scope,
        at: operation.clock.now(),
        expires,
    };
    let (store, org) = (operation.store, operation.org);
    Ok(store.renew_grant(org, grant, renewed).await?)
}

/// Notes what the connector wants beyond what one covers, for the page on which its person gives more; false when it was taken away meanwhile.
pub async fn wants(
    operation: &Operation<'_>,
    grant: &Grant,
    scope: &str,
) -> Result<bool, ControlError> {
    let (store, org) = (operation.store, operation.org);
    Ok(store.want_of_grant(org, grant, scope).await?)
}

/// Notes that one is refused where it was given: its person has to connect anew.
pub async fn died(operation: &Operation<'_>, grant: &Grant, why: &str) -> Result<(), ControlError> {
    let (store, org, now) = (operation.store, operation.org, operation.clock.now());
    let Some(held) = store.hold_dead_grant(org, grant, now).await? else {
        return Ok(());
    };
    record(operation, grant, ChangeKind::Updated, why).await?;
    Ok(held.keep().await?)
}

/// Whether what who acts gave then for a connector at an address is still theirs, and accepted there. Nothing is opened.
pub async fn stands(
    operation: &Operation<'_>,
    (connector, address): (&str, &str),
    given: Timestamp,
) -> Result<bool, ControlError> {
    operation.require(Right::OwnRead)?;
    let person = person(operation)?;
    let found = operation
        .store
        .grant(operation.org, person, connector)
        .await?;
    Ok(found.is_some_and(|grant| {
        grant.address == address && grant.connected == given && grant.dead_since.is_none()
    }))
}

/// Which of these, each by whose it is, its connector and its version, are their persons' now, and accepted. Only for the running server.
pub async fn standing(
    operation: &Operation<'_>,
    of: &[(PersonId, String, i64)],
) -> Result<Vec<(PersonId, String, i64)>, ControlError> {
    if *operation.actor.who() != Who::Doorward {
        return Err(ControlError::NoSuch("grant"));
    }
    let (store, org) = (operation.store, operation.org);
    Ok(store.standing_grants(org, of).await?)
}

/// Wipes those of people who left or were shut out since, and those of connectors that the policy in force has no more, or at another
/// address; returned, to be ended where they were given. Only for the running server; of replicas that do so at once one wipes each.
pub async fn follow(operation: &Operation<'_>) -> Result<Vec<Opened>, ControlError> {
    if *operation.actor.who() != Who::Doorward {
        return Err(ControlError::NoSuch("grant"));
    }
    let (store, org) = (operation.store, operation.org);
    let mut wiped = Vec::new();
    for grant in store
        .grants_of_leavers(org, limits::GRANTS_LOOKED_AT)
        .await?
    {
        if let Some((held, grant)) = store.hold_leavers_grant_end(org, &grant).await? {
            let words = "wiped: its person may not come in any more, or was shut out since";
            record(operation, &grant, ChangeKind::Deleted, words).await?;
            held.keep().await?;
            wiped.push(opened(operation, grant));
        }
    }
    for (connector, address) in strays(operation).await? {
        let limit = limits::GRANTS_LOOKED_AT;
        let place = (&*connector, &*address);
        for grant in store.grants_at(org, place, limit).await? {
            let ended = store.hold_grant_end(org, grant.person, &connector).await?;
            let Some((held, grant)) = ended.filter(|(_, ended)| ended.address == address) else {
                continue;
            };
            let words = "wiped: the policy in force no longer has the connector at this address with people's own grants or keys";
            record(operation, &grant, ChangeKind::Deleted, words).await?;
            held.keep().await?;
            wiped.push(opened(operation, grant));
        }
    }
    Ok(wiped)
}

/// Places that somebody has a grant for and the policy in force has no connector at.
async fn strays(operation: &Operation<'_>) -> Result<Vec<(String, String)>, ControlError> {
    let mut places = operation.store.granted_places(operation.org).await?;
    if places.is_empty() {
        return Ok(places);
    }
    let policy = operation.policy().await?;
    let stands = |(name, address): &(String, String)| {
        policy.document().connector.iter().any(|connector| {
            connector.name == *name && connector.own_place().as_ref() == Some(address)
        })
    };
    places.retain(|place| !stands(place));
    Ok(places)
}

/// Whose they are; a service has none.
fn person(operation: &Operation<'_>) -> Result<PersonId, ControlError> {
    let person = operation.actor.person_id();
    person.ok_or(ControlError::Forbidden(Right::OwnWrite))
}

/// Whose a grant is, where, and for which address: the name that it is sealed under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Whose<'w> {
    org: OrgId,
    person: PersonId,
    connector: &'w str,
    address: &'w str,
}

impl Whose<'_> {
    fn seal(&self, vault: &VaultKey, text: &SecretString, ids: &dyn Ids) -> Vec<u8> {
        let (org, person) = (self.org.to_string(), self.person.to_string());
        let row = [NOUN, &org, &person, self.connector, self.address];
        vault.seal(&row, text.expose_secret().as_bytes(), ids)
    }

    fn open(&self, vault: &VaultKey, sealed: &[u8]) -> Option<SecretString> {
        let (org, person) = (self.org.to_string(), self.person.to_string());
        let row = [NOUN, &org, &person, self.connector, self.address];
        let text = vault.open(&row, sealed).ok()?;
        String::from_utf8(text).ok().map(SecretString::from)
    }
}

fn opened(operation: &Operation<'_>, grant: Grant) -> Opened {
    let whose = Whose {
        org: operation.org,
        person: grant.person,
        connector: &grant.connector,
        address: &grant.address,
    };
    let secret = whose.open(operation.vault, &grant.sealed);
    Opened { grant, secret }
}

async fn record(
    operation: &Operation<'_>,
    grant: &Grant,
    done: ChangeKind,
    words: &str,
) -> Result<(), ControlError> {
    let name = format!("{} for {}", grant.connector, grant.person);
    let mut change = operation.change(NOUN, &name, done);
    change.reason = Some(words.into());
    operation.record(change).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use store::secrets::SealingKey;
    use testkit::SeededIds;

    /// Every row's sealed text, of grants and of keys, in every other row's place, before and after the key has changed.
    #[test]
    fn nobody_ever_opens_another_persons_grant() {
        let (ids, first) = (SeededIds::new(7), [1; 32]);
        let vault = VaultKey::new(SealingKey::new(first));
        let mut all = Vec::new();
        for org in 0..2 {
            for person in 0..3 {
                for connector in ["crm", "crm2", "wiki"] {
                    for address in [
                        "https://a.example/mcp",
                        "https://a.example/mcp2",
                        "api-key https://a.example/mcp",
                        "api-key [\"/opt/a\"]",
                    ] {
                        all.push(Whose {
                            org: OrgId::from_parts(1, org),
                            person: PersonId::from_parts(1, person),
                            connector,
                            address,
                        });
                    }
                }
            }
        }
        let text = |whose: &Whose<'_>| format!("{whose:?}");
        let seal = |whose: &Whose<'_>| whose.seal(&vault, &text(whose).into(), &ids);
        let sealed: Vec<Vec<u8>> = all.iter().map(seal).collect();
        let check = || {
            for place in &all {
                for (whose, sealed) in all.iter().zip(&sealed) {
                    let opened = place.open(&vault, sealed);
                    let opened = opened.map(|opened| opened.expose_secret().to_owned());
                    let own = (place == whose).then(|| text(whose));
                    assert_eq!(opened, own, "{whose:?} in the place of {place:?}");
                }
            }
        };
        check();
        vault.replace(SealingKey::new([2; 32]).and_older(first));
        check();
        vault.replace(SealingKey::new([3; 32]));
        assert!(all[0].open(&vault, &sealed[0]).is_none());
    }

    #[test]
    fn a_key_is_visible_on_one_line_and_not_without_end() {
        for (text, is_one) in [
            ("a", true),
            ("sk-live_4711/+=.~", true),
            ("{\"access\":\"x\"}", true),
            ("", false),
            ("a b", false),
            (" a", false),
            ("a\r\nX-Admin: 1", false),
            ("a\n", false),
            ("a\0", false),
            ("a\u{7f}", false),
            ("schlüssel", false),
            ("\u{202e}a", false),
        ] {
            assert_eq!(is_key(text), is_one, "{text:?}");
        }
        let long = "x".repeat(limits::API_KEY_BYTES_MAX);
        assert!(is_key(&long) && !is_key(&format!("{long}x")));
    }
}
