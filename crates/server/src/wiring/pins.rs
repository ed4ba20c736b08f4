//! What was approved of what connectors say, out of the store, for the connectors' door; and noting what they list. A list that brings
//! nothing new costs one read. What is new or different goes into the ledger before it is kept, so that a change of an upstream is on
//! record even when nobody ever reviews it. What goes on changing is noted now and then only: [`super::noting`].

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use actions::canonical;
use actions::catalogue::Catalogue;
use actions::classify::{Known, classify};
use actions::definition::{Definition, INSTRUCTIONS};
use actions::findings::{Neighbour, findings};
use actions::pin::place;
use connectors::pins::{Held, HeldDefinition, Holding, Listed, Pins, Unknown};
use control::connectors::noun;
use domain::connectors::{ActionClass, DefinitionKind};
use domain::policy::connectors::{Connector, Definitions};
use domain::policy::{ActionAsk, ActionStates, CallerPolicy};
use domain::{Clock, OrgId, Timestamp, limits};
use gateway::contract::settings::Actions;
use ledger::record::{Change, ChangeKind};
use ledger::{Ledger, Record};
use store::{ConnectorDefinition, ConnectorListing, DefinitionSeen, Store};

use super::noting::{Queue, Queues};

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
    /// By the connectors' names.
    held: Mutex<HashMap<String, Fresh>>,
    queues: Queues,
}

/// Why a list is noted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    /// An administrator asked for it: at any time.
    Asked,
    /// It came by, as often as clients ask and as the connector likes.
    Passed,
}

/// By what a class was found that says nothing.
const NO_BASIS: &str = "nothing";

/// What was held of a connector a moment ago, and what the policy had it as: of any other nothing is known.
#[derive(Debug)]
struct Fresh {
    of: Connector,
    at: Timestamp,
    held: Arc<Held>,
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
                queues: Queues::default(),
            }),
        }
    }
}

impl StoredPins {
    /// Notes what a connector listed, and waits until it is noted.
    pub async fn noted(&self, connector: &Connector, listed: Listed) -> anyhow::Result<()> {
        let queue = self.inner.queues.of(&connector.name);
        self.inner
            .note((connector, &queue), listed, Why::Asked)
            .await
    }
}

impl Pins for StoredPins {
    fn held<'p>(&'p self, connector: &'p Connector) -> Holding<'p> {
        Box::pin(self.inner.held(connector))
    }

    fn note(&self, connector: &Connector, listed: Listed) {
        let queue = self.inner.queues.of(&connector.name);
        let Some(turn) = self.inner.queues.turn(&queue) else {
            tracing::warn!(
                connector = connector.name,
                "what a connector says is not noted: too much is"
            );
            return;
        };
        let (inner, connector) = (Arc::clone(&self.inner), connector.clone());
        tokio::spawn(async move {
            let _turn = turn;
            let noted = inner.note((&connector, &queue), listed, Why::Passed).await;
            if let Err(error) = noted {
                tracing::error!(
                    connector = connector.name,
                    error = &*error as &dyn std::error::Error,
                    "what a connector says cannot be noted"
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
        let now = self.clock.now();
        if let Some(Fresh { of, at, held }) = self.lock().get(&connector.name)
            && of == connector
            && now < at.plus_ms(limits::PINS_FRESH_MS)
            && *at <= now
        {
            return Ok(Arc::clone(held));
        }
        let read = self.read(connector).await;
        let held = read.map_err(|error| {
            tracing::error!(
                connector = connector.name,
                error = &error as &dyn std::error::Error,
                "what was approved of a connector cannot be read"
            );
            Unknown
        })?;
        let held = Arc::new(held);
        let mut all = self.lock();
        if all.len() >= limits::PINS_HELD_MAX {
            all.clear();
        }
        let fresh = Fresh {
            of: connector.clone(),
            at: now,
            held: Arc::clone(&held),
        };
        all.insert(connector.name.clone(), fresh);
        Ok(held)
    }

    /// What the store has of it, kind by kind: no kind can push another one out.
    async fn read(&self, connector: &Connector) -> store::Result<Held> {
        let place = place(connector);
        let of = async |kind| {
            let at = (&*connector.name, &*place);
            let rows = self.store.connector_definitions(self.org, at, kind).await?;
            let known = rows.into_iter().map(|row| known(row, connector));
            Ok::<BTreeMap<_, _>, store::StoreError>(known.collect())
        };
        Ok(Held {
            way: connector.definitions,
            actions: of(DefinitionKind::Tool).await?,
            prompts: of(DefinitionKind::Prompt).await?,
            instructions: of(DefinitionKind::Instructions).await?.remove(INSTRUCTIONS),
        })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Fresh>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn note(
        &self,
        (connector, queue): (&Connector, &Queue),
        mut listed: Listed,
        why: Why,
    ) -> anyhow::Result<()> {
        // With each person's own grant lists differ from person to person: what one does not see is not gone.
        listed.is_whole &= !connector.is_personal();
        let mut alone = queue.alone.lock().await;
        let (org, name, place) = (self.org, &*connector.name, place(connector));
        let of = (name, &*place);
        let known = self.store.connector_definitions(org, of, listed.kind).await;
        let known = known?;
        let last = self.store.connector_listing(org, name, &place).await;
        let last = last?;
        let news = news(&known, &listed);
        let listing = ConnectorListing {
            at: self.clock.now(),
            actions: u64::try_from(listed.definitions.len()).unwrap_or(u64::MAX),
            dropped: news.dropped,
        };
        // When it was asked is kept of its tools alone.
        let is_old = listed.kind != DefinitionKind::Tool
            || last.is_some_and(|last| is_as_good(last, listing));
        if news.is_nothing() && is_old {
            return Ok(());
        }
        // What is only added comes to an end by itself: a long list is noted whole, page by page.
        if why == Why::Passed && !news.only_adds(&known) {
            let changes = alone.of(listed.kind, !news.is_nothing());
            if !changes.admits(news.count(), listing.at) {
                if changes.tells(listing.at) {
                    tracing::warn!(
                        connector = name,
                        kind = listed.kind.as_str(),
                        "a connector goes on changing what it says, which is noted now and then only"
                    );
                }
                return Ok(());
            }
        }
        let seen = self.seen((connector, &known), &news, &listed).await?;
        for (before, after) in news.told(&known, &seen) {
            let change = self.change(connector, listed.kind, before, after);
            let appended = self.ledger.append(Record::Change(change)).await;
            appended?;
        }
        let noted = (&*seen, &*news.gone, &*news.back);
        let noted = self
            .store
            .note_definitions(org, (name, &place, listed.kind), listing, noted)
            .await;
        noted?;
        self.lock().remove(name);
        Ok(())
    }

    /// What is new or offered otherwise, as it is kept.
    async fn seen(
        &self,
        (connector, known): (&Connector, &[ConnectorDefinition]),
        news: &News<'_>,
        listed: &Listed,
    ) -> store::Result<Vec<DefinitionSeen>> {
        if news.fresh.is_empty() {
            return Ok(Vec::new());
        }
        let others = self.store.definition_neighbours(self.org).await?;
        let seen = news.fresh.iter().map(|(name, text)| {
            let row = known.iter().find(|row| row.seen.name == *name);
            let said = row.and_then(|row| row.said);
            self.examined(connector, (name, text), said, &others, listed)
        });
        Ok(seen.collect())
    }

    fn examined(
        &self,
        connector: &Connector,
        (name, text): (&str, &str),
        said: Option<ActionClass>,
        others: &[store::Neighbour],
        listed: &Listed,
    ) -> DefinitionSeen {
        let read = Definition::read(text.as_bytes());
        let too_long =
            |definition: &Definition| definition.canonical().len() > limits::ACTION_KEPT_BYTES_MAX;
        let definition = match read {
            Ok(definition) if too_long(&definition) => Err(canonical::Unfit::TooLong),
            read => read,
        };
        let definition = match definition {
            Ok(definition) => definition,
            Err(unfit) => return unread(name, text, unfit),
        };
        let entry = connector
            .url
            .as_deref()
            .and_then(|url| self.catalogue.at(url));
        let (class, basis) = match listed.kind {
            DefinitionKind::Tool => {
                let known = Known {
                    curated: entry.and_then(|entry| entry.class(name)),
                    said,
                    trusts_annotations: connector.trusted_annotations,
                };
                let (class, basis) = classify(&definition, known);
                (class, basis.as_str())
            }
            // It does nothing to the world.
            DefinitionKind::Prompt | DefinitionKind::Instructions => (ActionClass::Read, NO_BASIS),
        };
        let kind = listed.kind;
        let now = listed.definitions.iter();
        let now: BTreeSet<&str> = now.map(|(name, _)| &**name).collect();
        let neighbours: Vec<Neighbour<'_>> = others
            .iter()
            .map(|other| {
                let is_own = other.connector == connector.name;
                Neighbour {
                    kind: other.kind,
                    name: &other.name,
                    is_own,
                    is_listed: if is_own && other.kind == kind {
                        now.contains(&*other.name)
                    } else {
                        other.listed
                    },
                }
            })
            .chain(now.iter().map(|name| Neighbour {
                kind,
                name,
                is_own: true,
                is_listed: true,
            }))
            .collect();
        let found: Vec<(&str, String)> = findings(kind, &definition, &neighbours)
            .iter()
            .take(limits::ACTION_FINDINGS_MAX)
            .map(|finding| (finding.kind(), finding.sentence()))
            .collect();
        DefinitionSeen {
            name: name.to_owned(),
            hash: definition.hash(),
            offered: Some(definition.canonical()),
            unfit: None,
            class,
            basis: basis.to_owned(),
            findings: serde_json::to_string(&found).unwrap_or_default(),
        }
    }

    /// What a connector offers otherwise than before, or no more, as the ledger keeps it: hashes, never a word of its own.
    fn change(
        &self,
        connector: &Connector,
        kind: DefinitionKind,
        before: Option<&ConnectorDefinition>,
        after: Option<&DefinitionSeen>,
    ) -> Change {
        let name = before
            .map(|row| &row.seen.name)
            .or(after.map(|seen| &seen.name));
        let named = format!("{}/{}", connector.name, name.map_or("", |name| name));
        Change {
            org: Some(self.org),
            by: None,
            by_label: "doorward".into(),
            address: None,
            noun: noun(kind).into(),
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

fn known(row: ConnectorDefinition, connector: &Connector) -> (String, HeldDefinition) {
    let (approved, way) = (row.approved, connector.definitions);
    let held = HeldDefinition {
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
        text: row.seen.offered.filter(|_| connector.is_personal()),
    };
    (row.seen.name, held)
}

/// What cannot be read in one way: noted with the hash of its bytes, and blocked for good.
fn unread(name: &str, text: &str, unfit: canonical::Unfit) -> DefinitionSeen {
    DefinitionSeen {
        name: name.to_owned(),
        hash: canonical::fingerprint(text),
        offered: None,
        unfit: Some(unfit.to_string()),
        class: ActionClass::Destructive,
        basis: NO_BASIS.to_owned(),
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

    fn count(&self) -> usize {
        self.fresh.len() + self.gone.len() + self.back.len()
    }

    /// Whether it brings only what was never there before, of which there can be so much only.
    fn only_adds(&self, known: &[ConnectorDefinition]) -> bool {
        let is_known = |name: &str| known.iter().any(|row| row.seen.name == name);
        !self.fresh.is_empty()
            && self.gone.is_empty()
            && self.back.is_empty()
            && known.len() + self.fresh.len() <= limits::ACTIONS_NOTED_MAX
            && !self.fresh.iter().any(|(name, _)| is_known(name))
    }

    /// What the ledger is told: each definition as it was, and as it is.
    fn told<'t>(
        &self,
        known: &'t [ConnectorDefinition],
        seen: &'t [DefinitionSeen],
    ) -> Vec<(Option<&'t ConnectorDefinition>, Option<&'t DefinitionSeen>)> {
        let row = |name: &str| known.iter().find(|row| row.seen.name == name);
        let fresh = seen.iter().map(|seen| (row(&seen.name), Some(seen)));
        let gone = self.gone.iter().map(|name| (row(name), None));
        fresh.chain(gone).collect()
    }
}

fn news<'l>(known: &[ConnectorDefinition], listed: &'l Listed) -> News<'l> {
    let known: BTreeMap<&str, &ConnectorDefinition> =
        known.iter().map(|row| (&*row.seen.name, row)).collect();
    let mut named = BTreeSet::new();
    let (mut fresh, mut back, mut dropped) = (Vec::new(), Vec::new(), 0);
    for (name, text) in &listed.definitions {
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
    let is_gone = |row: &&&ConnectorDefinition| row.listed && !named.contains(&*row.seen.name);
    let gone = known
        .values()
        .filter(is_gone)
        .map(|row| row.seen.name.clone());
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
