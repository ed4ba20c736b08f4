//! A directory that repeats itself, deletes out of order and names people nobody knows ends in the right state: everything it does is
//! held against a model, over many seeds.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use control::scim::{Ask, Directory, Listed, Resource, ScimError, ScimType, Wanted, groups, users};
use control::scim_tokens::{self, NewScimToken, Source};
use control::{Actor, Control, ControlError, Entry};
use domain::{Clock, Ids, OrgId, PersonId, Vouching, limits};
use ledger::{ChainId, Ledger, SigningKey};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use store::secrets::SealingKey;
use store::vault_key::VaultKey;
use store::{Seen, Store};
use testkit::{FakeClock, SeededIds};

pub(crate) const BASE: &str = "https://doorward.example/scim/v2";

pub(crate) struct Place {
    pub(crate) control: Control,
    pub(crate) clock: FakeClock,
    pub(crate) source: Source,
    folder: tempfile::TempDir,
}

impl Place {
    pub(crate) async fn new(seed: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        let store = Store::open(&format!("sqlite:{}", path.display()))
            .await
            .unwrap();
        let org = OrgId::from_parts(1, 1);
        let org = store.ensure_org("northwind", org).await.unwrap();
        let clock = FakeClock::new();
        let shared: Arc<dyn Clock> = Arc::new(clock.clone());
        let (key, _) = SigningKey::generate().unwrap();
        let chain: ChainId = "scim.1".parse().unwrap();
        let spool = folder.path().join("ledger");
        let ledger = Ledger::open(&spool, chain, key, Arc::clone(&shared)).unwrap();
        let control = Control {
            org,
            vouching: Arc::new(
                [("entra".to_owned(), BTreeSet::new())]
                    .into_iter()
                    .collect(),
            ),
            store,
            ledger: Arc::new(ledger),
            clock: shared,
            ids: Arc::new(SeededIds::new(seed)),
            vault: VaultKey::new(SealingKey::new([7; 32])),
            parsed: control::ParsedPolicy::default(),
        };
        let source = Source {
            issuer: "entra".to_owned(),
            tenant: None,
        };
        Self {
            control,
            clock,
            source,
            folder,
        }
    }

    async fn disabled(&self, external_id: &str) -> bool {
        let (store, org) = (&self.control.store, self.control.org);
        let person = store
            .person_by_stable(org, "entra", external_id)
            .await
            .unwrap();
        person.unwrap().out_since().is_some()
    }

    /// Reads the ledger from its beginning.
    pub(crate) fn reader(&self) -> ledger::read::Reader {
        let folder = self.folder.path().join("ledger");
        ledger::read::Reader::from(&folder, ledger::Position::default())
    }

    /// Everything that was written into the ledger.
    pub(crate) fn ledger(&self) -> String {
        let mut text = String::new();
        for entry in std::fs::read_dir(self.folder.path().join("ledger")).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                text += &String::from_utf8_lossy(&std::fs::read(path).unwrap());
            }
        }
        text
    }
}

pub(crate) fn directory() -> Actor {
    Actor::directory("entra", "the directory")
}

/// What the directory believes.
#[derive(Debug, Default)]
struct Model {
    /// By external id: our id, whether active, whether it is there.
    users: BTreeMap<String, (String, bool, bool)>,
    /// By id: what was written as members.
    groups: BTreeMap<String, BTreeSet<String>>,
}

struct Dice(SeededIds);

impl Dice {
    fn below(&self, count: usize) -> usize {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        usize::try_from(u64::from_le_bytes(bytes) % count as u64).unwrap()
    }
}

pub(crate) fn user_body(external_id: &str) -> Value {
    json!({"userName": format!("{external_id}@acme.example"), "externalId": external_id})
}

pub(crate) fn operations(operations: &Value) -> Value {
    json!({"Operations": operations})
}

async fn step(directory: &Directory<'_>, model: &mut Model, dice: &Dice) {
    let external_id = format!("oid-{}", dice.below(12));
    let known = model.users.get(&external_id).cloned();
    match (dice.below(10), known) {
        (0..=2, known) => {
            let made = users::create(directory, user_body(&external_id)).await;
            match (made, known) {
                (Err(ScimError::Bad(ScimType::Uniqueness, _)), Some((_, _, true))) => {}
                (Ok(made), known) => {
                    let id = made.resource["id"].as_str().unwrap().to_owned();
                    if let Some((old, _, there)) = known {
                        assert!(!there);
                        assert_eq!(id, old, "who comes back has their old id");
                    }
                    model.users.insert(external_id, (id, true, true));
                }
                other => panic!("{other:?}"),
            }
        }
        (3 | 4, Some((id, _, there))) => {
            let gone = users::delete(directory, &id, None).await;
            assert_eq!(gone.is_ok(), there);
            for members in model.groups.values_mut().filter(|_| there) {
                members.remove(&id);
            }
            model.users.insert(external_id, (id, false, false));
        }
        (5 | 6, Some((id, _, there))) => {
            let active = dice.below(2) == 0;
            let word = if active { "True" } else { "False" };
            let body = operations(&json!([{"op": "Replace", "path": "active", "value": word}]));
            let changed = users::patch(directory, &id, None, body).await;
            assert_eq!(changed.is_ok(), there);
            if there {
                model.users.insert(external_id, (id, active, true));
            }
        }
        (7, _) if model.groups.len() < 4 => {
            let name = format!("group {}", model.groups.len());
            let made = groups::create(directory, json!({"displayName": name}))
                .await
                .unwrap();
            let id = made.resource["id"].as_str().unwrap().to_owned();
            model.groups.insert(id, BTreeSet::new());
        }
        _ => change_members(directory, model, dice).await,
    }
}

async fn change_members(directory: &Directory<'_>, model: &mut Model, dice: &Dice) {
    let ids: Vec<String> = model.users.values().map(|(id, _, _)| id.clone()).collect();
    let count = model.groups.len();
    let Some((group, members)) = model.groups.iter_mut().nth(dice.below(count.max(1))) else {
        return;
    };
    let mut named: BTreeSet<String> = (0..dice.below(4))
        .filter_map(|_| ids.get(dice.below(ids.len().max(1))).cloned())
        .collect();
    named.insert(format!("unknown-{}", dice.below(3)));
    let value: Vec<Value> = named
        .iter()
        .map(|id| json!({"$ref": null, "value": id}))
        .collect();
    let operation = match dice.below(5) {
        0 => {
            members.clone_from(&named);
            json!({"op": "replace", "path": "members", "value": value})
        }
        1 => {
            members.retain(|id| !named.contains(id));
            json!({"op": "Remove", "path": "members", "value": value})
        }
        2 => {
            let one = named.first().unwrap();
            members.remove(one);
            json!({"op": "remove", "path": format!("members[value eq \"{one}\"]")})
        }
        _ => {
            members.extend(named);
            json!({"op": "Add", "path": "members", "value": value})
        }
    };
    let group = group.clone();
    let body = operations(&json!([operation]));
    groups::patch(directory, &group, None, body).await.unwrap();
}

async fn compare(place: &Place, directory: &Directory<'_>, model: &Model) {
    let ask = Ask::new(None, None, None, Wanted::default());
    let listed = users::list(directory, &ask).await.unwrap();
    let found: BTreeMap<&str, bool> = listed
        .resources
        .iter()
        .map(|user| (user["id"].as_str().unwrap(), user["active"] == true))
        .collect();
    let live = model.users.values().filter(|(_, _, there)| *there);
    let expected: BTreeMap<&str, bool> = live.map(|(id, active, _)| (&**id, *active)).collect();
    assert_eq!(found, expected);
    assert_eq!(listed.total, expected.len() as u64);
    for (external_id, (_, active, _)) in &model.users {
        assert_eq!(place.disabled(external_id).await, !active, "{external_id}");
    }
    for (group, members) in &model.groups {
        let group = groups::read(directory, group, true).await.unwrap();
        let found = group.resource["members"].as_array().unwrap().iter();
        let found: BTreeSet<&str> = found.map(|one| one["value"].as_str().unwrap()).collect();
        let there = members.iter().map(String::as_str);
        let there: BTreeSet<&str> = there.filter(|id| expected.contains_key(id)).collect();
        assert_eq!(found, there);
    }
}

#[tokio::test]
async fn repeats_deletes_out_of_order_and_unknown_members_end_in_the_right_state() {
    for seed in 0..4 {
        let place = Place::new(seed).await;
        let actor = directory();
        let operation = place.control.operation(&actor);
        let directory = Directory::new(&operation, &place.source, BASE).unwrap();
        let (mut model, dice) = (Model::default(), Dice(SeededIds::new(seed + 100)));
        for _ in 0..150 {
            place.clock.advance_ms(10);
            step(&directory, &mut model, &dice).await;
        }
        compare(&place, &directory, &model).await;
    }
}

#[tokio::test]
async fn whoever_signed_in_before_keeps_their_id_and_every_change_is_written_down() {
    let place = Place::new(1).await;
    let seen = Seen {
        org: place.control.org,
        issuer: "entra",
        stable_id: "oid-1",
        email: Some("ada@acme.example"),
        name: Some("Ada"),
        groups: &BTreeSet::new(),
        stated: place.clock.now(),
        made: place.clock.now(),
        at: place.clock.now(),
    };
    let before = PersonId::from_parts(1, 7);
    let before = place
        .control
        .store
        .upsert_person(seen, before)
        .await
        .unwrap();
    let actor = directory();
    let operation = place.control.operation(&actor);
    let directory = Directory::new(&operation, &place.source, BASE).unwrap();
    let made = users::create(&directory, user_body("oid-1")).await.unwrap();
    let id = made.resource["id"].as_str().unwrap().to_owned();
    let user = place
        .control
        .store
        .directory_user_of(place.control.org, &place.source, "oid-1");
    assert_eq!(user.await.unwrap().unwrap().person, before.id);
    let off = operations(&json!([{"op": "replace", "value": {"active": false}}]));
    users::patch(&directory, &id, None, off).await.unwrap();
    let text = place.ledger();
    assert!(
        text.contains(&id) && text.contains("made inactive"),
        "{text}"
    );
    assert!(text.contains("revoked: made inactive by the directory"));
    assert!(text.contains(&before.id.to_string()), "the person is named");
    assert!(!text.contains("acme.example"), "no name and no address");
}

#[tokio::test]
async fn a_put_of_a_profile_brings_nobody_back_and_changes_nobodys_identity() {
    let place = Place::new(2).await;
    let actor = directory();
    let operation = place.control.operation(&actor);
    let directory = Directory::new(&operation, &place.source, BASE).unwrap();
    let mut body = user_body("oid-1");
    body["active"] = false.into();
    body["title"] = "Dr".into();
    let made = users::create(&directory, body).await.unwrap();
    let id = made.resource["id"].as_str().unwrap().to_owned();
    assert!(place.disabled("oid-1").await);
    let profile = json!({"userName": "other@acme.example", "displayName": "Other"});
    let put = users::replace(&directory, &id, None, profile)
        .await
        .unwrap()
        .resource;
    assert_eq!(
        (&put["active"], &put["externalId"]),
        (&json!(false), &json!("oid-1"))
    );
    assert_eq!(
        (&put["userName"], &put["title"]),
        (&json!("other@acme.example"), &json!(null))
    );
    assert!(place.disabled("oid-1").await);
    let stale = users::replace(&directory, &id, Some(1), json!({"userName": "x"})).await;
    assert!(matches!(stale, Err(ScimError::Changed)), "{stale:?}");
}

#[tokio::test]
async fn only_an_owner_makes_a_directorys_token_and_only_the_token_is_the_directory() {
    let place = Place::new(3).await;
    let vouching = &*place.control.vouching;
    let person = PersonId::from_parts(1, 1);
    let new = NewScimToken {
        issuer: "entra".to_owned(),
        tenant: None,
        name: "entra".to_owned(),
        days: Some(30),
    };
    for role in control::Role::ALL.iter().copied() {
        let actor = Actor::person(person, "somebody", [role].into());
        let operation = place.control.operation(&actor);
        let made = scim_tokens::create(&operation, vouching, new.clone()).await;
        if role == control::Role::Owner {
            assert!(made.is_ok());
        } else {
            assert!(matches!(made, Err(ControlError::Forbidden(_))), "{role}");
        }
        assert!(
            Directory::new(&operation, &place.source, BASE).is_err(),
            "{role}"
        );
    }
    let machine = Actor::command_line("command line");
    let operation = place.control.operation(&machine);
    let first = scim_tokens::list(&operation).await.unwrap().remove(0);
    let (second, secret) = scim_tokens::rotate(&operation, vouching, &first.prefix, 1)
        .await
        .unwrap();
    assert_eq!((second.source, second.name), (first.source, first.name));
    let enter = async || {
        place
            .control
            .enter_by_directory_token(secret.expose_secret())
            .await
    };
    let (actor, source) = enter().await.unwrap();
    assert_eq!(source, place.source);
    let of_another = Source {
        issuer: "okta".to_owned(),
        tenant: None,
    };
    let theirs = place.control.operation(&actor);
    assert!(Directory::new(&theirs, &of_another, BASE).is_err());
    assert!(Directory::new(&theirs, &source, BASE).is_ok());
    let third = scim_tokens::create(&operation, vouching, new.clone()).await;
    assert!(third.is_err(), "two open at once");
    place.clock.advance_ms(3_600_001);
    scim_tokens::create(&operation, vouching, new)
        .await
        .unwrap();
    scim_tokens::revoke(&operation, &second.prefix, "test")
        .await
        .unwrap();
    assert!(matches!(enter().await, Err(Entry::UnknownToken)));
    assert!(!place.ledger().contains(secret.expose_secret()));
}

#[tokio::test]
async fn a_list_of_groups_ends_where_its_members_would_be_too_many_and_goes_on_from_there() {
    let place = Place::new(31).await;
    let actor = directory();
    let operation = place.control.operation(&actor);
    let directory = Directory::new(&operation, &place.source, BASE).unwrap();
    let mut users = Vec::new();
    for number in 0..100 {
        users.push(json!({"value": place.provisioned(&format!("u{number}")).await}));
    }
    for number in 0..120 {
        let members = match number {
            0 => &users[..1],
            119 => &[],
            _ => &users[..],
        };
        let body = json!({"displayName": format!("G{number}"), "members": members});
        place.clock.advance_ms(1);
        groups::create(&directory, body).await.unwrap();
    }
    let list = async |start: i64, filter: Option<&str>, excluded: &str| {
        let wanted = Wanted::parse("", excluded, Resource::Group);
        let ask = Ask::new(filter, Some(start), Some(200), wanted);
        groups::list(&directory, &ask).await.unwrap()
    };
    let members = |listed: &Listed| -> usize {
        let groups = listed.resources.iter();
        groups
            .map(|group| group["members"].as_array().map_or(0, Vec::len))
            .sum()
    };
    let most = usize::try_from(limits::SCIM_MEMBERS_ANSWERED_MAX).unwrap();
    for filter in [None, Some("displayName sw \"G\"")] {
        let first = list(1, filter, "").await;
        assert_eq!(
            (first.total, first.resources.len()),
            (120, 100),
            "{filter:?}"
        );
        assert!(members(&first) <= most && members(&first) > most - 100);
        let rest = list(101, filter, "").await;
        assert_eq!((rest.total, rest.resources.len()), (120, 20));
        assert_eq!(
            rest.resources[19]["displayName"], "G119",
            "one without members fits"
        );
        let names = list(1, filter, "members").await;
        assert_eq!(
            names.resources.len(),
            120,
            "who wants no members gets them all"
        );
    }
    let with = format!("members.value eq {}", users[7]["value"]);
    let theirs = list(1, Some(&with), "").await;
    assert_eq!((theirs.total, theirs.resources.len()), (118, 100));
}

#[tokio::test]
async fn a_name_that_would_turn_a_line_around_is_given_back_as_sent_and_shown_without_its_effect() {
    let place = Place::new(32).await;
    let actor = directory();
    let operation = place.control.operation(&actor);
    let directory = Directory::new(&operation, &place.source, BASE).unwrap();
    let mut body = user_body("eve");
    body["displayName"] = "Eve\u{202e}adA".into();
    body["emails"] = json!([{"value": "e\u{2066}ve@acme.example", "primary": true}]);
    let made = users::create(&directory, body).await.unwrap().resource;
    assert_eq!(made["displayName"], "Eve\u{202e}adA");
    let (store, org) = (&place.control.store, place.control.org);
    let eve = store.person_by_stable(org, "entra", "eve").await;
    let eve = eve.unwrap().unwrap();
    assert_eq!(eve.name.as_deref(), Some("Eve\u{fffd}adA"));
    assert_eq!(eve.email.as_deref(), Some("e\u{fffd}ve@acme.example"));
}

/// Whom Entra's directory names by `oid` signs in as `tid/oid`: a token without the tenant would shut out nobody.
#[tokio::test]
async fn a_directorys_token_is_of_the_tenant_that_sign_ins_state_or_is_not_made() {
    let place = Place::new(4).await;
    let machine = Actor::command_line("command line");
    let operation = place.control.operation(&machine);
    let tenants = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let make = async |trusted: &[&str], tenant: Option<&str>| {
        let vouching: Vouching = [("entra".to_owned(), tenants(trusted))]
            .into_iter()
            .collect();
        let new = NewScimToken {
            issuer: "entra".to_owned(),
            tenant: tenant.map(str::to_owned),
            name: "entra".to_owned(),
            days: None,
        };
        let made = scim_tokens::create(&operation, &vouching, new).await;
        made.map(|(token, _)| token.source.stable_id("OID-1"))
    };
    assert_eq!(make(&["tid-a"], None).await.unwrap(), "tid-a/oid-1");
    let named = make(&["tid-a", "tid-b"], Some("TID-B")).await.unwrap();
    assert_eq!(named, "tid-b/oid-1");
    for (trusted, tenant) in [
        (&["tid-a", "tid-b"][..], None),
        (&["tid-a"], Some("tid-c")),
        (&[], Some("tid-a")),
    ] {
        let refused = make(trusted, tenant).await;
        let is_refused = matches!(&refused, Err(ControlError::Invalid(it)) if it.field == "tenant");
        assert!(is_refused, "{trusted:?} {tenant:?}: {refused:?}");
    }
}
