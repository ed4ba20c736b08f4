//! What was approved of connectors' actions, out of the store, for the connectors' door; and noting what they list. A list that brings
//! nothing new costs one read. What is new or different goes into the ledger before it is kept, so that a change of an upstream is on
//! record even when nobody ever reviews it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use actions::canonical;
use actions::catalogue::Catalogue;
use actions::classify::{Known, classify};
use actions::definition::Definition;
use actions::findings::{Neighbour, findings};
use actions::pin::place;
use connectors::pins::{Held, HeldAction, Holding, Listed, Pins, Unknown};
use domain::connectors::ActionClass;
use domain::policy::connectors::{Connector, Credentials, Definitions};
use domain::policy::{ActionAsk, ActionStates, CallerPolicy};
use domain::{Clock, OrgId, Timestamp, limits};
use gateway::contract::settings::Actions;
use ledger::record::{Change, ChangeKind};
use ledger::{Ledger, Record};
use store::{ActionSeen, ConnectorAction, ConnectorListing, Store};
use tokio::sync::Semaphore;

/// The real one.
#[derive(Debug)]
pub struct StoredPins {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    org: OrgId,
    store: Store,
    ledger: Arc<Ledger>,
    clock: Arc<dyn Clock>,
    catalogue: Catalogue,
    held: Mutex<HashMap<String, (Timestamp, Arc<Held>)>>,
    notes: Arc<Semaphore>,
    /// One list at a time: two of the same must not both find something new.
    noting: tokio::sync::Mutex<()>,
}

impl StoredPins {
    /// Of this organisation.
    pub fn new(org: OrgId, store: Store, ledger: Arc<Ledger>, clock: Arc<dyn Clock>) -> Self {
        Self {
            inner: Arc::new(Inner {
                org,
                store,
                ledger,
                clock,
                catalogue: Catalogue::shipped(),
                held: Mutex::default(),
                notes: Arc::new(Semaphore::new(limits::PINS_NOTES_MAX)),
                noting: tokio::sync::Mutex::new(()),
            }),
        }
    }
}

impl StoredPins {
    /// Notes what a connector listed, and waits until it is noted.
    pub async fn noted(&self, connector: &Connector, listed: Listed) -> anyhow::Result<()> {
        self.inner.note(connector, listed).await
    }
}

impl Pins for StoredPins {
    fn held<'p>(&'p self, connector: &'p Connector) -> Holding<'p> {
        Box::pin(self.inner.held(connector))
    }

    fn note(&self, connector: &Connector, listed: Listed) {
        let Ok(turn) = Arc::clone(&self.inner.notes).try_acquire_owned() else {
            tracing::warn!(
                connector = connector.name,
                "a list of actions is not noted: too many are"
            );
            return;
        };
        let (inner, connector) = (Arc::clone(&self.inner), connector.clone());
        tokio::spawn(async move {
            let _turn = turn;
            if let Err(error) = inner.note(&connector, listed).await {
                tracing::error!(
                    connector = connector.name,
                    error = &*error as &dyn std::error::Error,
                    "a list of actions cannot be noted"
                );
            }
        });
    }
}

impl Actions for StoredPins {
    fn states<'s>(
        &'s self,
        policy: &'s CallerPolicy,
    ) -> Pin<Box<dyn Future<Output = ActionStates> + Send + 's>> {
        Box::pin(async {
            let mut states = ActionStates::new();
            for connector in policy.reachable() {
                let Ok(held) = self.inner.held(connector).await else {
                    continue;
                };
                let callable = held.actions.iter().filter(|(name, _)| held.may_call(name));
                let standing = callable.map(|(name, known)| {
                    let standing = policy.standing(&ActionAsk {
                        connector,
                        action: name,
                        class: known.class,
                        meets: None,
                    });
                    (name.clone(), standing.state)
                });
                states.insert(connector.name.clone(), standing.collect());
            }
            states
        })
    }
}

impl Inner {
    async fn held(&self, connector: &Connector) -> Result<Arc<Held>, Unknown> {
        let place = place(connector);
        let (way, credential) = (connector.definitions, connector.credential);
        let key = format!("{} {place} {way} {credential}", connector.name);
        let now = self.clock.now();
        if let Some((at, held)) = self.lock().get(&key)
            && now < at.plus_ms(limits::PINS_FRESH_MS)
            && *at <= now
        {
            return Ok(Arc::clone(held));
        }
        let rows = self
            .store
            .connector_actions(self.org, &connector.name, &place)
            .await;
        let rows = rows.map_err(|error| {
            tracing::error!(
                connector = connector.name,
                error = &error as &dyn std::error::Error,
                "what was approved of a connector cannot be read"
            );
            Unknown
        })?;
        let held = Arc::new(Held {
            way: connector.definitions,
            actions: rows.into_iter().map(|row| known(row, connector)).collect(),
        });
        let mut all = self.lock();
        if all.len() >= limits::PINS_HELD_MAX {
            all.clear();
        }
        all.insert(key, (now, Arc::clone(&held)));
        Ok(held)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, (Timestamp, Arc<Held>)>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn note(&self, connector: &Connector, mut listed: Listed) -> anyhow::Result<()> {
        // With each person's own grant lists differ from person to person: what one does not see is not gone.
        listed.is_whole &= connector.credential != Credentials::Grant;
        let _alone = self.noting.lock().await;
        let (org, name, place) = (self.org, &connector.name, place(connector));
        let known = self.store.connector_actions(org, name, &place).await;
        let known = known?;
        let last = self.store.connector_listing(org, name, &place).await;
        let last = last?;
        let news = news(&known, &listed);
        let listing = ConnectorListing {
            at: self.clock.now(),
            actions: u64::try_from(listed.actions.len()).unwrap_or(u64::MAX),
            dropped: news.dropped,
        };
        if news.is_nothing() && last.is_some_and(|last| is_as_good(last, listing)) {
            return Ok(());
        }
        let mut seen = Vec::new();
        if !news.fresh.is_empty() {
            let others = self.store.action_neighbours(org).await;
            let others = others?;
            for (action, text) in &news.fresh {
                let said = known
                    .iter()
                    .find(|row| row.seen.action == *action)
                    .and_then(|row| row.said);
                seen.push(self.examined(connector, (action, text), said, &others, &listed));
            }
        }
        for (before, after) in news.told(&known, &seen) {
            let change = self.change(connector, before, after);
            let appended = self.ledger.append(Record::Change(change)).await;
            appended?;
        }
        let noted = (&*seen, &*news.gone, &*news.back);
        let noted = self
            .store
            .note_actions(org, (name, &place), listing, noted)
            .await;
        noted?;
        self.lock().clear();
        Ok(())
    }

    fn examined(
        &self,
        connector: &Connector,
        (action, text): (&str, &str),
        said: Option<ActionClass>,
        others: &[store::Neighbour],
        listed: &Listed,
    ) -> ActionSeen {
        let read = Definition::read(text.as_bytes());
        let too_long =
            |definition: &Definition| definition.canonical().len() > limits::ACTION_KEPT_BYTES_MAX;
        let definition = match read {
            Ok(definition) if too_long(&definition) => Err(canonical::Unfit::TooLong),
            read => read,
        };
        let definition = match definition {
            Ok(definition) => definition,
            Err(unfit) => return unread(action, text, unfit),
        };
        let entry = connector
            .url
            .as_deref()
            .and_then(|url| self.catalogue.at(url));
        let (class, basis) = classify(
            &definition,
            Known {
                curated: entry.and_then(|entry| entry.class(action)),
                said,
                trusts_annotations: connector.trusted_annotations,
            },
        );
        let now: BTreeSet<&str> = listed.actions.iter().map(|(name, _)| &**name).collect();
        let neighbours: Vec<Neighbour<'_>> = others
            .iter()
            .map(|other| {
                let is_own = other.connector == connector.name;
                Neighbour {
                    name: &other.action,
                    is_own,
                    is_listed: if is_own {
                        now.contains(&*other.action)
                    } else {
                        other.listed
                    },
                }
            })
            .chain(now.iter().map(|name| Neighbour {
                name,
                is_own: true,
                is_listed: true,
            }))
            .collect();
        let found: Vec<(&str, String)> = findings(&definition, &neighbours)
            .iter()
            .take(limits::ACTION_FINDINGS_MAX)
            .map(|finding| (finding.kind(), finding.sentence()))
            .collect();
        ActionSeen {
            action: action.to_owned(),
            hash: definition.hash(),
            offered: Some(definition.canonical()),
            unfit: None,
            class,
            basis: basis.as_str().to_owned(),
            findings: serde_json::to_string(&found).unwrap_or_default(),
        }
    }

    /// An action that a connector offers otherwise than before, or no more, as the ledger keeps it: hashes, never a word of its own.
    fn change(
        &self,
        connector: &Connector,
        before: Option<&ConnectorAction>,
        after: Option<&ActionSeen>,
    ) -> Change {
        let action = before
            .map(|row| &row.seen.action)
            .or(after.map(|seen| &seen.action));
        let named = format!("{}/{}", connector.name, action.map_or("", |action| action));
        Change {
            org: Some(self.org),
            by: None,
            by_label: "doorward".into(),
            address: None,
            noun: "connector_action".into(),
            name: named.as_str().into(),
            done: match (before, after) {
                (None, _) => ChangeKind::Created,
                (Some(_), Some(_)) => ChangeKind::Updated,
                (Some(_), None) => ChangeKind::Deleted,
            },
            version: None,
            before: before.map(|row| row.seen.hash.as_str().into()),
            after: after.map(|seen| seen.hash.as_str().into()),
            reason: Some("as the connector lists it".into()),
        }
    }
}

fn known(row: ConnectorAction, connector: &Connector) -> (String, HeldAction) {
    let (approved, way) = (row.approved, connector.definitions);
    let held = HeldAction {
        definition: approved
            .as_ref()
            .filter(|_| way == Definitions::ServePinned)
            .map(|approved| approved.definition.clone()),
        approved: approved.map(|approved| approved.hash),
        offered: row.seen.hash,
        // what cannot be read in one way is as good as not listed
        is_listed: row.listed && row.seen.offered.is_some(),
        class: row.seen.class,
        // Whoever has no grant there is shown what others were.
        text: row
            .seen
            .offered
            .filter(|_| connector.credential == Credentials::Grant),
    };
    (row.seen.action, held)
}

/// What cannot be read in one way: noted with the hash of its bytes, and blocked for good.
fn unread(action: &str, text: &str, unfit: canonical::Unfit) -> ActionSeen {
    ActionSeen {
        action: action.to_owned(),
        hash: canonical::fingerprint(text),
        offered: None,
        unfit: Some(unfit.to_string()),
        class: ActionClass::Destructive,
        basis: "nothing".to_owned(),
        findings: "[]".to_owned(),
    }
}

/// Whether a listing that brings nothing new is worth no writing.
fn is_as_good(last: ConnectorListing, now: ConnectorListing) -> bool {
    now.at < last.at.plus_ms(limits::SENSOR_NOTED_MS)
        && (last.actions, last.dropped) == (now.actions, now.dropped)
}

/// What a list brings that is not known.
struct News<'l> {
    /// New or offered otherwise.
    fresh: Vec<(&'l str, &'l str)>,
    gone: Vec<String>,
    back: Vec<String>,
    dropped: u64,
}

impl News<'_> {
    fn is_nothing(&self) -> bool {
        self.fresh.is_empty() && self.gone.is_empty() && self.back.is_empty()
    }

    /// What the ledger is told: each action as it was, and as it is.
    fn told<'t>(
        &self,
        known: &'t [ConnectorAction],
        seen: &'t [ActionSeen],
    ) -> Vec<(Option<&'t ConnectorAction>, Option<&'t ActionSeen>)> {
        let row = |name: &str| known.iter().find(|row| row.seen.action == name);
        let fresh = seen.iter().map(|seen| (row(&seen.action), Some(seen)));
        let gone = self.gone.iter().map(|name| (row(name), None));
        fresh.chain(gone).collect()
    }
}

fn news<'l>(known: &[ConnectorAction], listed: &'l Listed) -> News<'l> {
    let known: BTreeMap<&str, &ConnectorAction> =
        known.iter().map(|row| (&*row.seen.action, row)).collect();
    let mut named = BTreeSet::new();
    let (mut fresh, mut back, mut dropped) = (Vec::new(), Vec::new(), 0);
    for (name, text) in &listed.actions {
        let is_too_much = named.len() >= limits::ACTIONS_NOTED_MAX
            || name.len() > limits::ACTION_NOTED_NAME_BYTES_MAX;
        if is_too_much || !named.insert(&**name) {
            dropped += 1;
            continue;
        }
        let read = Definition::read(text.as_bytes());
        let hash = read.map_or_else(|_| canonical::fingerprint(text), |read| read.hash());
        match known.get(&**name) {
            Some(row) if row.seen.hash != hash => fresh.push((&**name, &**text)),
            Some(row) if !row.listed => back.push(name.clone()),
            Some(_) => {}
            None => fresh.push((&**name, &**text)),
        }
    }
    let is_gone = |row: &&&ConnectorAction| row.listed && !named.contains(&*row.seen.action);
    let gone = known
        .values()
        .filter(is_gone)
        .map(|row| row.seen.action.clone());
    News {
        gone: if listed.is_whole {
            gone.collect()
        } else {
            Vec::new()
        },
        fresh,
        back,
        dropped,
    }
}
