//! Reading what connectors list and how it stands.

use actions::catalogue::{Applied, Catalogue, Entry, proposed};
use actions::definition::{Definition, Difference, Part, differences};
use actions::pin::{PinState, Served, place, served};
use domain::Timestamp;
use domain::connectors::{ActionClass, ActionState, DefinitionKind};
use domain::policy::connectors::{Connector, Credentials};
use store::{Approved, ConnectorDefinition, ConnectorListing, ConnectorReview, Kept};

use super::find;
use crate::access::Right;
use crate::{ControlError, Operation};

/// How many of a connector's definitions stand how.
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
    fn of<'p>(pins: impl Iterator<Item = &'p Pin>) -> Self {
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

/// Why a connector is not asked what it lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unasked {
    /// Its newest review says no.
    #[error("its newest review says that it may not be used, so it is not asked either")]
    Forbidden,
    /// Nobody has reviewed it, and to ask it would be to use something.
    #[error(
        "nobody has reviewed it, and to ask it would start a program here or bring it a credential; review it first"
    )]
    NotReviewed,
}

impl Unasked {
    /// Before a review an address is asked with nothing of anybody: who knocks is all that it learns.
    /// Some addresses are credentials themselves, by what stands behind their `?`.
    pub(super) fn of(connector: &Connector, reviewed: Option<bool>) -> Option<Self> {
        let is_plain = |url: &String| !url.contains('?');
        let brings_nothing = connector.credential == Credentials::None
            && connector.url.as_ref().is_some_and(is_plain);
        match reviewed {
            _ if Catalogue::shipped().may_be_used(connector, reviewed) => None,
            Some(_) => Some(Self::Forbidden),
            None => (!brings_nothing).then_some(Self::NotReviewed),
        }
    }
}

/// A connector of the policy, at a glance.
#[derive(Debug, Clone)]
pub struct Summary {
    /// As the policy has it.
    pub connector: Connector,
    /// When it was last asked; none before the first time at this address.
    pub listing: Option<ConnectorListing>,
    /// Its definitions, of every kind.
    pub counts: Counts,
    /// Whether the shipped catalogue knows its address.
    pub is_known: bool,
    /// The newest review, if there is one.
    pub review: Option<ConnectorReview>,
    may_be_used: bool,
}

impl Summary {
    /// Whether it is there for nobody: nobody has reviewed it, or the newest review says no.
    pub fn is_held_back(&self) -> bool {
        !self.may_be_used
    }

    /// Why it is not asked what it lists; none where whoever may change the policy can have it asked.
    pub fn why_unasked(&self) -> Option<Unasked> {
        let word = self.review.as_ref().map(|review| review.enabled);
        Unasked::of(&self.connector, word)
    }

    /// Whether it is there for nobody until somebody reviews it.
    pub fn needs_review(&self) -> bool {
        self.is_held_back() && self.review.is_none()
    }
}

/// Something that Claude reads of a connector, and how its definition stands.
#[derive(Debug, Clone)]
pub struct Pin {
    /// What it is.
    pub kind: DefinitionKind,
    /// Its name.
    pub name: String,
    /// How it stands against what was approved.
    pub state: PinState,
    /// What of it is served, where the policy permits it.
    pub served: Served,
    /// What a tool does to the world. Like what follows up to what we propose, of a tool alone.
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
    /// What else Claude reads of it, its instructions and its prompts, in the same order. Nobody calls those, and no policy is about them.
    pub texts: Vec<Pin>,
    /// Its reviews, newest first.
    pub reviews: Vec<ConnectorReview>,
    /// What the shipped catalogue says of it.
    pub known: Option<Entry>,
}

impl Seen {
    /// What it lists now, each with its place among its actions.
    pub fn listed(&self) -> impl Iterator<Item = (usize, &Pin)> {
        let all = self.actions.iter().enumerate();
        all.filter(|(_, pin)| pin.state != PinState::Removed)
    }

    /// Every definition: first what is no action, which Claude reads before anything is called.
    pub fn definitions(&self) -> impl Iterator<Item = &Pin> {
        self.texts.iter().chain(&self.actions)
    }

    /// The baseline of the deployment plan laid over what it lists: each action's state, where a row is about it, and the rows that are
    /// about nothing it lists.
    pub fn baseline<'s>(&'s self, baseline: &'s actions::catalogue::Baseline) -> Applied<'s> {
        let names: Vec<&str> = self.listed().map(|(_, pin)| pin.name.as_str()).collect();
        baseline.apply(&names)
    }
}

/// Every connector of the policy in force, in its order.
pub async fn list(operation: &Operation<'_>) -> Result<Vec<Summary>, ControlError> {
    operation.require(Right::PolicyRead)?;
    let policy = operation.policy().await?;
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
    let reviews = store.connector_reviews(org, name, &place).await?;
    let listing = store.connector_listing(org, name, &place).await?;
    let known = connector.url.as_deref().and_then(|url| catalogue.at(url));
    let (mut actions, mut texts) = (Vec::new(), Vec::new());
    for kind in DefinitionKind::ALL {
        let rows = store.connector_definitions(org, (name, &place), *kind);
        let rows = rows.await?.into_iter();
        let pins = rows.map(|row| pin(*kind, row, &connector, known));
        match kind {
            DefinitionKind::Tool => actions.extend(pins),
            DefinitionKind::Prompt | DefinitionKind::Instructions => texts.extend(pins),
        }
    }
    let order = |a: &Pin, b: &Pin| (!a.is_waiting(), &a.name).cmp(&(!b.is_waiting(), &b.name));
    actions.sort_by(order);
    texts.sort_by(order);
    Ok(Seen {
        summary: Summary {
            counts: Counts::of(texts.iter().chain(&actions)),
            listing,
            is_known: known.is_some(),
            may_be_used: catalogue.may_be_used(&connector, reviews.first().map(|r| r.enabled)),
            review: reviews.first().cloned(),
            connector,
        },
        actions,
        texts,
        reviews,
        known: known.cloned(),
    })
}

fn pin(
    kind: DefinitionKind,
    row: ConnectorDefinition,
    connector: &Connector,
    known: Option<&Entry>,
) -> Pin {
    let approved = row.approved.as_ref().map(|approved| &*approved.hash);
    let state = PinState::of(approved, &row.seen.hash, row.listed);
    let (name, class) = (row.seen.name, row.seen.class);
    Pin {
        kind,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn before_a_review_only_an_address_is_asked_and_with_nothing_of_anybody() {
        use Unasked::{Forbidden, NotReviewed};
        let check = |entry: &str, expected: [Option<Unasked>; 3]| {
            let text = format!("[[connector]]\nname = \"crm\"\n{entry}\n");
            let policy = domain::Policy::parse(1, &text).unwrap();
            let connector = &policy.document().connector[0];
            let found = [None, Some(true), Some(false)].map(|word| Unasked::of(connector, word));
            assert_eq!(found, expected, "{entry}");
        };
        let at = "url = \"https://crm.example/mcp\"";
        check(at, [None, None, Some(Forbidden)]);
        for entry in [
            "command = [\"/opt/crm\"]".to_owned(),
            format!("{at}\ncredential = \"grant\""),
            format!("{at}\ncredential = \"api-key\"\nheader = \"X-Key\""),
            format!("{at}\ncredential = \"header\"\nsecret = \"crm\""),
            "url = \"https://crm.example/mcp?key=1\"".to_owned(),
        ] {
            check(&entry, [Some(NotReviewed), None, Some(Forbidden)]);
        }
        let known = "url = \"https://mcp.notion.com/mcp\"\ncredential = \"grant\"";
        check(known, [None, None, Some(Forbidden)]);
    }
}
