//! Approving definitions or leaving them blocked, saying what an action does, and reviewing a connector as a whole. Each change is in the
//! ledger before it holds.

use actions::catalogue::Catalogue;
use actions::classify::{Known, classify};
use actions::definition::Definition;
use domain::ConnectorReviewId;
use domain::connectors::{ActionClass, DefinitionKind};
use ledger::record::ChangeKind;
use store::ConnectorReview;

use super::{REVIEW, find, noun};
use crate::access::Right;
use crate::text::{self, Unusable};
use crate::{ControlError, Operation};

/// What somebody decides about one definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// What it is of.
    pub kind: DefinitionKind,
    /// The name of what it is of.
    pub name: String,
    /// The hash of the definition they looked at: another one is not touched.
    pub hash: String,
    /// Whether it may be served; otherwise it stays blocked.
    pub approves: bool,
    /// Why: 1 to [`domain::limits::REASON_CHARS_MAX`] characters on one line.
    pub reason: String,
}

/// How much is at risk with a connector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Risk {
    /// Little.
    Low,
    /// Some.
    Medium,
    /// Much.
    High,
}

impl Risk {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Low, Self::Medium, Self::High];

    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

/// What somebody found about a connector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// Whether it may be used, and its actions approved.
    pub enables: bool,
    /// `low`, `medium` or `high`.
    pub risk: String,
    /// Who runs it: 1 to [`domain::limits::NAME_CHARS_MAX`] characters on one line.
    pub vendor: String,
    /// Why: 1 to [`domain::limits::REASON_CHARS_MAX`] characters on one line.
    pub reason: String,
}

/// What a caller names when they name something of this kind.
const fn thing(kind: DefinitionKind) -> &'static str {
    match kind {
        DefinitionKind::Tool => "action",
        DefinitionKind::Prompt => "prompt",
        DefinitionKind::Instructions => "instructions",
    }
}

/// Approves a definition, or leaves it blocked.
pub async fn decide(
    operation: &Operation<'_>,
    connector: &str,
    decision: &Decision,
) -> Result<(), ControlError> {
    operation.require(Right::PolicyWrite)?;
    let reason = text::reason("reason", &decision.reason)?;
    let (found, place) = find(operation, connector).await?;
    let (store, org) = (operation.store, operation.org);
    let named = (connector, &*place, decision.kind, &*decision.name);
    let row = store.connector_definition(org, named).await?;
    let row = row.ok_or(ControlError::NoSuch(thing(decision.kind)))?;
    if row.seen.hash != decision.hash {
        return Err(ControlError::DefinitionChanged);
    }
    if decision.approves {
        if let Some(why) = row.seen.unfit {
            let why = format!("cannot be approved: {why}");
            return Err(Unusable::new(thing(decision.kind), why).into());
        }
        let reviews = store.connector_reviews(org, connector, &place).await?;
        let word = reviews.first().map(|review| review.enabled);
        if !Catalogue::shipped().may_be_used(&found, word) {
            return Err(ControlError::NotReviewed);
        }
    }
    let name = format!("{connector}/{}", decision.name);
    let noun = noun(decision.kind);
    let mut change = operation.change(noun, &name, ChangeKind::Updated);
    change.before = row.approved.map(|approved| approved.hash.as_str().into());
    change.after = Some(decision.hash.as_str().into());
    let word = if decision.approves {
        "approved"
    } else {
        "left blocked"
    };
    change.reason = Some(format!("{word}: {reason}").as_str().into());
    operation.record(change).await?;
    let by = (operation.actor.label(), operation.clock.now());
    let done = if decision.approves {
        store
            .approve_definition(org, named, &decision.hash, by)
            .await?
    } else {
        store
            .keep_definition(org, named, &decision.hash, by)
            .await?
    };
    if !done {
        let why = "another definition was offered by then";
        operation.record_not_made(noun, &name, why).await?;
        return Err(ControlError::DefinitionChanged);
    }
    Ok(())
}

/// Says what an action does, or leaves it to what is found again. What the catalogue says stays where it is stricter.
pub async fn say_class(
    operation: &Operation<'_>,
    connector: &str,
    (action, said): (&str, Option<ActionClass>),
    reason: &str,
) -> Result<ActionClass, ControlError> {
    operation.require(Right::PolicyWrite)?;
    let reason = text::reason("reason", reason)?;
    let (found, place) = find(operation, connector).await?;
    let (store, org) = (operation.store, operation.org);
    let tool = (connector, &*place, DefinitionKind::Tool, action);
    let row = store.connector_definition(org, tool).await?;
    let row = row.ok_or(ControlError::NoSuch("action"))?;
    let offered = row.seen.offered.as_deref().unwrap_or_default();
    let definition = Definition::read(offered.as_bytes());
    let definition =
        definition.map_err(|why| Unusable::new("action", format!("cannot be classed: {why}")))?;
    let catalogue = Catalogue::shipped();
    let entry = found.url.as_deref().and_then(|url| catalogue.at(url));
    let known = Known {
        curated: entry.and_then(|entry| entry.class(action)),
        said,
        trusts_annotations: found.trusted_annotations,
    };
    let (class, basis) = classify(&definition, known);
    let name = format!("{connector}/{action}");
    let mut change = operation.change(noun(DefinitionKind::Tool), &name, ChangeKind::Updated);
    let said_word = said.map_or("nothing", ActionClass::as_str);
    let line = format!(
        "said to be {said_word}, counts as {class} (was {}): {reason}",
        row.seen.class
    );
    change.reason = Some(line.as_str().into());
    let making = store.say_class(
        org,
        (connector, &place, action),
        said,
        (class, basis.as_str()),
    );
    operation.make(change, making).await?;
    Ok(class)
}

/// Keeps what was found about a connector. One that may not be used is there for nobody from then on; what was approved of it is kept.
pub async fn review(
    operation: &Operation<'_>,
    connector: &str,
    wish: &Wish,
) -> Result<ConnectorReview, ControlError> {
    operation.require(Right::PolicyWrite)?;
    let reason = text::reason("reason", &wish.reason)?;
    let vendor = text::name("vendor", &wish.vendor)?;
    if !Risk::ALL.iter().any(|risk| risk.as_str() == wish.risk) {
        return Err(Unusable::new("risk", "must be low, medium or high").into());
    }
    let (_, place) = find(operation, connector).await?;
    let (unix_ms, random) = operation.id_parts();
    let review = ConnectorReview {
        id: ConnectorReviewId::from_parts(unix_ms, random),
        at: operation.clock.now(),
        by: operation.actor.label().to_owned(),
        enabled: wish.enables,
        risk: wish.risk.clone(),
        vendor,
        reason,
    };
    let mut change = operation.change(REVIEW, &review.id.to_string(), ChangeKind::Created);
    let word = if wish.enables {
        "may be used"
    } else {
        "may not be used"
    };
    let line = format!(
        "{connector} {word}, risk {}: {}",
        review.risk, review.reason
    );
    change.reason = Some(line.as_str().into());
    change.after = Some(place.as_str().into());
    let (store, org) = (operation.store, operation.org);
    let making = store.add_connector_review(org, (connector, &place), &review);
    operation.make(change, making).await?;
    Ok(review)
}
