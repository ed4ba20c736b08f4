//! Reading what connectors list and how it stands.

use actions::catalogue::{Applied, Catalogue, Entry, proposed};
use actions::definition::{Definition, Difference, Part, differences};
use actions::pin::{PinState, Served, place, served};
use domain::Timestamp;
use domain::connectors::{ActionClass, ActionState};
use domain::policy::connectors::Connector;
use store::{Approved, ConnectorAction, ConnectorListing, ConnectorReview, Kept};

use super::{find, policy};
use crate::access::Right;
use crate::{ControlError, Operation};

/// How many of a connector's actions stand how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Offered as they were approved.
    pub approved: usize,
    /// Never approved, and waiting for somebody.
    pub new: usize,
    /// Offered otherwise, and waiting for somebody.
    pub changed: usize,
    /// Looked at and left blocked.
    pub kept: usize,
    /// Listed no more.
    pub removed: usize,
    /// With something suspicious.
    pub suspicious: usize,
    /// Those of them that wait for somebody.
    pub suspicious_waiting: usize,
}

impl Counts {
    fn of(pins: &[Pin]) -> Self {
        let mut counts = Self::default();
        for pin in pins {
            match pin.state {
                PinState::Removed => counts.removed += 1,
                _ if pin.is_kept() => counts.kept += 1,
                PinState::New => counts.new += 1,
                PinState::Changed => counts.changed += 1,
                PinState::Approved => counts.approved += 1,
            }
            if pin.state != PinState::Removed && !pin.findings.is_empty() {
                counts.suspicious += 1;
                counts.suspicious_waiting += usize::from(pin.is_waiting());
            }
        }
        counts
    }

    /// Those that wait for somebody to look.
    pub const fn waiting(&self) -> usize {
        self.new + self.changed
    }

    /// Those that are listed.
    pub const fn listed(&self) -> usize {
        self.approved + self.new + self.changed + self.kept
    }
}

/// A connector of the policy, at a glance.
#[derive(Debug, Clone)]
pub struct Summary {
    /// As the policy has it.
    pub connector: Connector,
    /// When it was last asked; none before the first time at this address.
    pub listing: Option<ConnectorListing>,
    /// Its actions.
    pub counts: Counts,
    /// Whether the shipped catalogue knows its address.
    pub is_known: bool,
    /// The newest review, if there is one.
    pub review: Option<ConnectorReview>,
}

impl Summary {
    /// Whether a review is missing without which nothing of it can be approved.
    pub fn needs_review(&self) -> bool {
        !self.is_known && !self.review.as_ref().is_some_and(|review| review.enabled)
    }
}

/// An action and how it stands.
#[derive(Debug, Clone)]
pub struct Pin {
    /// Its name.
    pub name: String,
    /// How it stands against what was approved.
    pub state: PinState,
    /// What of it is served, where the policy permits it.
    pub served: Served,
    /// What it does to the world.
    pub class: ActionClass,
    /// By what that was found.
    pub basis: String,
    /// What an administrator said that it does.
    pub said: Option<ActionClass>,
    /// What state we propose for it.
    pub proposed: ActionState,
    /// What is suspicious about it: a word and a sentence each.
    pub findings: Vec<(String, String)>,
    /// The hash of what is offered: what a decision must name.
    pub hash: String,
    /// Since when it is offered so.
    pub offered_at: Timestamp,
    /// When it was first listed.
    pub first_seen: Timestamp,
    /// Why it cannot be read, and so never approved.
    pub unfit: Option<String>,
    /// What is offered, in one spelling.
    pub offered: Option<String>,
    /// What was approved.
    pub approved: Option<Approved>,
    /// What was left blocked.
    pub kept: Option<Kept>,
}

impl Pin {
    /// Whether somebody looked at what is offered and left it blocked.
    pub fn is_kept(&self) -> bool {
        self.kept
            .as_ref()
            .is_some_and(|kept| kept.hash == self.hash)
    }

    /// Whether it waits for somebody to look at it.
    pub fn is_waiting(&self) -> bool {
        matches!(self.state, PinState::New | PinState::Changed) && !self.is_kept()
    }

    /// What Claude reads of it, in the offered definition.
    pub fn description(&self) -> String {
        let read = self.offered.as_ref().and_then(|text| definition(text));
        read.map(|definition| definition.description().to_owned())
            .unwrap_or_default()
    }

    /// What is offered, part by part, as lines that people read.
    pub fn readable(&self) -> Vec<(Part, Vec<String>)> {
        let read = self.offered.as_ref().and_then(|text| definition(text));
        read.map(|definition| definition.readable())
            .unwrap_or_default()
    }

    /// What of it is offered otherwise than it was approved.
    pub fn differences(&self) -> Vec<Difference> {
        let approved = self
            .approved
            .as_ref()
            .and_then(|approved| definition(&approved.definition));
        let offered = self.offered.as_ref().and_then(|text| definition(text));
        match (approved, offered) {
            (Some(approved), Some(offered)) => differences(&approved, &offered),
            _ => Vec::new(),
        }
    }
}

fn definition(text: &str) -> Option<Definition> {
    Definition::read(text.as_bytes()).ok()
}

/// A connector with everything about it.
#[derive(Debug, Clone)]
pub struct Seen {
    /// At a glance.
    pub summary: Summary,
    /// Its actions: first those that wait, then by name.
    pub actions: Vec<Pin>,
    /// Its reviews, newest first.
    pub reviews: Vec<ConnectorReview>,
    /// What the shipped catalogue says of it.
    pub known: Option<Entry>,
}

impl Seen {
    /// The baseline of the deployment plan laid over what it lists: each action's state, where a row is about it, and the rows that are
    /// about nothing it lists.
    pub fn baseline<'s>(&'s self, baseline: &'s actions::catalogue::Baseline) -> Applied<'s> {
        let listed = self
            .actions
            .iter()
            .filter(|pin| pin.state != PinState::Removed);
        let names: Vec<&str> = listed.map(|pin| pin.name.as_str()).collect();
        baseline.apply(&names)
    }
}

/// Every connector of the policy in force, in its order.
pub async fn list(operation: &Operation<'_>) -> Result<Vec<Summary>, ControlError> {
    operation.require(Right::PolicyRead)?;
    let policy = policy(operation).await?;
    let catalogue = Catalogue::shipped();
    let mut all = Vec::new();
    for connector in &policy.document().connector {
        all.push(of(operation, connector.clone(), &catalogue).await?.summary);
    }
    Ok(all)
}

/// One connector of the policy in force.
pub async fn read(operation: &Operation<'_>, name: &str) -> Result<Seen, ControlError> {
    operation.require(Right::PolicyRead)?;
    let (connector, _) = find(operation, name).await?;
    of(operation, connector, &Catalogue::shipped()).await
}

pub(super) async fn of(
    operation: &Operation<'_>,
    connector: Connector,
    catalogue: &Catalogue,
) -> Result<Seen, ControlError> {
    let (store, org, place) = (operation.store, operation.org, place(&connector));
    let name = &connector.name;
    let rows = store.connector_actions(org, name, &place).await?;
    let reviews = store.connector_reviews(org, name, &place).await?;
    let listing = store.connector_listing(org, name, &place).await?;
    let known = connector.url.as_deref().and_then(|url| catalogue.at(url));
    let mut actions: Vec<Pin> = rows
        .into_iter()
        .map(|row| pin(row, &connector, known))
        .collect();
    actions.sort_by(|a, b| (!a.is_waiting(), &a.name).cmp(&(!b.is_waiting(), &b.name)));
    Ok(Seen {
        summary: Summary {
            counts: Counts::of(&actions),
            listing,
            is_known: known.is_some(),
            review: reviews.first().cloned(),
            connector,
        },
        actions,
        reviews,
        known: known.cloned(),
    })
}

fn pin(row: ConnectorAction, connector: &Connector, known: Option<&Entry>) -> Pin {
    let approved = row.approved.as_ref().map(|approved| &*approved.hash);
    let state = PinState::of(approved, &row.seen.hash, row.listed);
    let (name, class) = (row.seen.action, row.seen.class);
    Pin {
        state,
        served: served(state, connector.definitions),
        proposed: known.map_or_else(|| proposed(class), |entry| entry.proposed(&name, class)),
        name,
        class,
        basis: row.seen.basis,
        said: row.said,
        findings: serde_json::from_str(&row.seen.findings).unwrap_or_default(),
        hash: row.seen.hash,
        offered_at: row.offered_at,
        first_seen: row.first_seen,
        unfit: row.seen.unfit,
        offered: row.seen.offered,
        approved: row.approved,
        kept: row.kept,
    }
}
