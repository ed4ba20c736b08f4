//! Connectors: what each lists and says of itself, how it stands against what was approved, and what was found about it. Which connectors there are and who
//! may do what there is the policy's; what is decided here is whether a definition may be served at all.

use actions::definition::Difference;
use axum::Json;
use control::connectors::{self, ConnectorReview, Decision, Pin, Seen, Summary, Wish};
use domain::connectors::{ActionClass, DefinitionKind};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::call::{Body, Call, Id};
use super::page::Page;
use crate::Problem;

/// How many of a connector's definitions stand how: of its actions, its prompts and its instructions.
#[derive(Debug, Serialize, ToSchema)]
pub struct ActionCounts {
    /// Offered as they were approved.
    approved: usize,
    /// Never approved.
    new: usize,
    /// Offered otherwise than they were approved.
    changed: usize,
    /// Looked at and left blocked.
    kept_blocked: usize,
    /// Listed no more.
    removed: usize,
    /// With findings.
    suspicious: usize,
}

/// A connector.
#[derive(Debug, Serialize, ToSchema)]
pub struct ConnectorView {
    /// Its name in the policy.
    name: String,
    /// What people call it.
    title: String,
    /// Its address; none for a program.
    url: Option<String>,
    /// What follows when a definition is not the one approved: `block`, `serve_pinned` or `warn`.
    definitions: &'static str,
    /// Whether the shipped catalogue knows its address.
    in_catalogue: bool,
    /// Whether it is there for nobody until somebody reviews it.
    needs_review: bool,
    /// When it last listed its actions; none before the first time at this address.
    listed_at: Option<String>,
    /// How its definitions stand, of every kind.
    actions: ActionCounts,
}

impl From<&Summary> for ConnectorView {
    fn from(summary: &Summary) -> Self {
        let (connector, counts) = (&summary.connector, summary.counts);
        Self {
            name: connector.name.clone(),
            title: connector.title().to_owned(),
            url: connector.url.clone(),
            definitions: connector.definitions.as_str(),
            in_catalogue: summary.is_known,
            needs_review: summary.needs_review(),
            listed_at: summary.listing.map(|listing| listing.at.to_string()),
            actions: ActionCounts {
                approved: counts.approved,
                new: counts.new,
                changed: counts.changed,
                kept_blocked: counts.kept,
                removed: counts.removed,
                suspicious: counts.suspicious,
            },
        }
    }
}

/// What of a definition is offered otherwise than it was approved.
#[derive(Debug, Serialize, ToSchema)]
pub struct DifferenceView {
    /// `name`, `description`, `input`, `output`, `annotations`, `execution`, `icons`, `meta` or `others`.
    part: &'static str,
    /// Lines that stand no more.
    gone: Vec<String>,
    /// Lines that are new.
    came: Vec<String>,
}

/// Something suspicious.
#[derive(Debug, Serialize, ToSchema)]
pub struct SuspicionView {
    /// `hidden_characters`, `turned_text`, `instruction`, `mentions`, `look_alike` or `renamed`.
    kind: String,
    /// What it is.
    what: String,
}

/// An action of a connector.
#[derive(Debug, Serialize, ToSchema)]
pub struct ActionView {
    /// Its name.
    name: String,
    /// `new`, `changed`, `approved` or `removed`.
    state: &'static str,
    /// Whether somebody looked at what is offered and left it blocked.
    kept_blocked: bool,
    /// What it does to the world: `read`, `write`, `destructive` or `generic`.
    class: &'static str,
    /// By what that was found: `catalogue`, `administrator`, `annotations`, `name` or `nothing`.
    class_by: String,
    /// What state we propose for it: `allow`, `ask` or `blocked`.
    proposed: &'static str,
    /// What is suspicious about it.
    findings: Vec<SuspicionView>,
    /// The hash of what is offered, which a decision names.
    hash: String,
    /// Since when it is offered so.
    offered_at: String,
    /// Why it cannot be read, and so never approved.
    unfit: Option<String>,
    /// The hash that was approved.
    approved_hash: Option<String>,
    /// By whom.
    approved_by: Option<String>,
    /// When.
    approved_at: Option<String>,
    /// What is offered otherwise than it was approved.
    differences: Vec<DifferenceView>,
    /// What is offered, as canonical JSON in a text.
    offered: Option<String>,
}

impl From<Pin> for ActionView {
    fn from(pin: Pin) -> Self {
        let (differences, findings) = (differences(&pin), suspicions(&pin));
        let kept_blocked = pin.is_kept();
        let (approved_hash, approved_by, approved_at) = match pin.approved {
            Some(approved) => (
                Some(approved.hash),
                Some(approved.by),
                Some(approved.at.to_string()),
            ),
            None => (None, None, None),
        };
        Self {
            name: pin.name,
            state: pin.state.as_str(),
            kept_blocked,
            class: pin.class.as_str(),
            class_by: pin.basis,
            proposed: pin.proposed.as_str(),
            findings,
            hash: pin.hash,
            offered_at: pin.offered_at.to_string(),
            unfit: pin.unfit,
            approved_hash,
            approved_by,
            approved_at,
            differences,
            offered: pin.offered,
        }
    }
}

fn differences(pin: &Pin) -> Vec<DifferenceView> {
    let view = |difference: Difference| DifferenceView {
        part: difference.part.as_str(),
        gone: difference.gone,
        came: difference.came,
    };
    pin.differences().into_iter().map(view).collect()
}

fn suspicions(pin: &Pin) -> Vec<SuspicionView> {
    let view = |(kind, what): &(String, String)| SuspicionView {
        kind: kind.clone(),
        what: what.clone(),
    };
    pin.findings.iter().map(view).collect()
}

/// What else Claude reads of a connector: its instructions, or a prompt.
#[derive(Debug, Serialize, ToSchema)]
pub struct SaidView {
    /// `instructions` or `prompt`.
    kind: &'static str,
    /// Its name; that of instructions is `instructions`.
    name: String,
    /// `new`, `changed`, `approved` or `removed`.
    state: &'static str,
    /// Whether somebody looked at what is offered and left it blocked.
    kept_blocked: bool,
    /// What is suspicious about it.
    findings: Vec<SuspicionView>,
    /// The hash of what is offered, which a decision names.
    hash: String,
    /// Since when it is offered so.
    offered_at: String,
    /// Why it cannot be read, and so never approved.
    unfit: Option<String>,
    /// The hash that was approved.
    approved_hash: Option<String>,
    /// By whom.
    approved_by: Option<String>,
    /// When.
    approved_at: Option<String>,
    /// What is offered otherwise than it was approved.
    differences: Vec<DifferenceView>,
    /// What is offered, as canonical JSON in a text; instructions are the description there.
    offered: Option<String>,
}

impl From<Pin> for SaidView {
    fn from(pin: Pin) -> Self {
        let approved = pin.approved.as_ref();
        Self {
            kind: pin.kind.as_str(),
            state: pin.state.as_str(),
            kept_blocked: pin.is_kept(),
            findings: suspicions(&pin),
            offered_at: pin.offered_at.to_string(),
            approved_hash: approved.map(|approved| approved.hash.clone()),
            approved_by: approved.map(|approved| approved.by.clone()),
            approved_at: approved.map(|approved| approved.at.to_string()),
            differences: differences(&pin),
            name: pin.name,
            hash: pin.hash,
            unfit: pin.unfit,
            offered: pin.offered,
        }
    }
}

/// What somebody found about a connector.
#[derive(Debug, Serialize, ToSchema)]
pub struct ConnectorReviewView {
    /// Its id.
    #[schema(example = "crv_01kbcdefghjkmnpqrstvwxyz01")]
    id: String,
    /// When.
    at: String,
    /// By whom.
    by: String,
    /// Whether it may be used, as far as the policy lets it; otherwise it is there for nobody.
    enabled: bool,
    /// `low`, `medium` or `high`.
    risk: String,
    /// Who runs it.
    vendor: String,
    /// Why.
    reason: String,
}

impl From<ConnectorReview> for ConnectorReviewView {
    fn from(review: ConnectorReview) -> Self {
        Self {
            id: review.id.to_string(),
            at: review.at.to_string(),
            by: review.by,
            enabled: review.enabled,
            risk: review.risk,
            vendor: review.vendor,
            reason: review.reason,
        }
    }
}

/// A connector with everything about it.
#[derive(Debug, Serialize, ToSchema)]
pub struct ConnectorWhole {
    /// At a glance.
    connector: ConnectorView,
    /// Its actions: first those that wait for somebody, then by name.
    actions: Vec<ActionView>,
    /// Its instructions and its prompts, in the same order.
    texts: Vec<SaidView>,
    /// Its reviews, newest first.
    reviews: Vec<ConnectorReviewView>,
}

impl From<Seen> for ConnectorWhole {
    fn from(seen: Seen) -> Self {
        Self {
            connector: ConnectorView::from(&seen.summary),
            actions: seen.actions.into_iter().map(ActionView::from).collect(),
            texts: seen.texts.into_iter().map(SaidView::from).collect(),
            reviews: seen
                .reviews
                .into_iter()
                .map(ConnectorReviewView::from)
                .collect(),
        }
    }
}

/// The connectors of the policy in force, with how their actions stand.
#[utoipa::path(get, path = "/connectors", operation_id = "connectors_list", tag = "connectors",
    responses((status = 200, body = Page<ConnectorView>)))]
pub async fn list(call: Call) -> Result<Json<Page<ConnectorView>>, Problem> {
    let found = connectors::list(&call.operation()).await?;
    let items = found.iter().map(ConnectorView::from).collect();
    Ok(Json(Page::new(items, false, |last: &ConnectorView| {
        last.name.clone()
    })))
}

/// One connector: its actions and whatever else Claude reads of it, with what changed of each, and its reviews.
#[utoipa::path(get, path = "/connectors/{name}", operation_id = "connectors_read", tag = "connectors",
    params(("name" = String, Path)), responses((status = 200, body = ConnectorWhole)))]
pub async fn read(call: Call, Id(name): Id<String>) -> Result<Json<ConnectorWhole>, Problem> {
    let found = connectors::read(&call.operation(), &name).await?;
    Ok(Json(found.into()))
}

/// Yes or no to a definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ServeOrNot {
    /// It may be served.
    Approve,
    /// It stays blocked.
    KeepBlocked,
}

/// A decision about one definition.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DefinitionDecision {
    /// What the definition is of: `tool`, `prompt` or `instructions`. Left out, a tool.
    #[serde(default = "tool")]
    #[schema(value_type = String, example = "tool")]
    kind: DefinitionKind,
    /// The action, or the name of the prompt or of the instructions.
    #[schema(max_length = 256, example = "members.export")]
    action: String,
    /// The hash of the definition you looked at; another one is not touched.
    #[schema(max_length = 64)]
    hash: String,
    /// `approve` or `keep_blocked`.
    #[schema(value_type = String, example = "approve")]
    decision: ServeOrNot,
    /// Why, which the ledger holds too: 1 to 500 characters on one line.
    #[schema(
        min_length = 1,
        max_length = 500,
        example = "read the difference; it still reads one member"
    )]
    reason: String,
}

const fn tool() -> DefinitionKind {
    DefinitionKind::Tool
}

/// Approve a definition, or leave it blocked. Names the hash you looked at: when the connector offers another by then, nothing is
/// done (412).
#[utoipa::path(post, path = "/connectors/{name}/decisions", operation_id = "connectors_decide", tag = "connectors",
    params(("name" = String, Path)), request_body = DefinitionDecision, responses((status = 204)))]
pub async fn decide(
    call: Call,
    Id(name): Id<String>,
    Body(given): Body<DefinitionDecision>,
) -> Result<StatusCode, Problem> {
    let decision = Decision {
        kind: given.kind,
        name: given.action,
        hash: given.hash,
        approves: given.decision == ServeOrNot::Approve,
        reason: given.reason,
    };
    connectors::decide(&call.operation(), &name, &decision).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What an action does, as somebody says.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ClassToSay {
    /// The action.
    #[schema(max_length = 256, example = "members.export")]
    action: String,
    /// `read`, `write`, `destructive` or `generic`; left out, what is found counts again.
    #[schema(value_type = Option<String>, example = "destructive")]
    class: Option<ActionClass>,
    /// Why, which the ledger holds too: 1 to 500 characters on one line.
    #[schema(min_length = 1, max_length = 500, example = "it sends a file out")]
    reason: String,
}

/// What an action counts as.
#[derive(Debug, Serialize, ToSchema)]
pub struct ClassView {
    /// `read`, `write`, `destructive` or `generic`. Where the shipped catalogue is stricter than what was said, it counts.
    class: &'static str,
}

/// Say what an action does to the world.
#[utoipa::path(post, path = "/connectors/{name}/classes", operation_id = "connectors_say_class", tag = "connectors",
    params(("name" = String, Path)), request_body = ClassToSay, responses((status = 200, body = ClassView)))]
pub async fn say_class(
    call: Call,
    Id(name): Id<String>,
    Body(given): Body<ClassToSay>,
) -> Result<Json<ClassView>, Problem> {
    let said = (&*given.action, given.class);
    let class = connectors::say_class(&call.operation(), &name, said, &given.reason).await?;
    Ok(Json(ClassView {
        class: class.as_str(),
    }))
}

/// A review of a connector.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConnectorReviewToKeep {
    /// Whether its actions may be approved.
    enabled: bool,
    /// `low`, `medium` or `high`.
    #[schema(max_length = 16, example = "medium")]
    risk: String,
    /// Who runs it: 1 to 128 characters on one line.
    #[schema(min_length = 1, max_length = 128, example = "our own team")]
    vendor: String,
    /// Why, which the ledger holds too: 1 to 500 characters on one line.
    #[schema(
        min_length = 1,
        max_length = 500,
        example = "read its source; it only reads the wiki"
    )]
    reason: String,
}

/// Keep what you found about a connector at its present address. One that the shipped catalogue does not know is there
/// for nobody before.
#[utoipa::path(post, path = "/connectors/{name}/reviews", operation_id = "connectors_review", tag = "connectors",
    params(("name" = String, Path)), request_body = ConnectorReviewToKeep, responses((status = 201, body = ConnectorReviewView)))]
pub async fn review(
    call: Call,
    Id(name): Id<String>,
    Body(given): Body<ConnectorReviewToKeep>,
) -> Result<(StatusCode, Json<ConnectorReviewView>), Problem> {
    let wish = Wish {
        enables: given.enabled,
        risk: given.risk,
        vendor: given.vendor,
        reason: given.reason,
    };
    let review = connectors::review(&call.operation(), &name, &wish).await?;
    Ok((StatusCode::CREATED, Json(review.into())))
}

/// An action that you may do.
#[derive(Debug, Serialize, ToSchema)]
pub struct OwnActionView {
    /// Its name.
    name: String,
    /// `allow` or `ask`.
    state: &'static str,
    /// What the policy says so by.
    by: Vec<String>,
}

/// A connector that you may reach.
#[derive(Debug, Serialize, ToSchema)]
pub struct OwnConnectorView {
    /// Its name.
    name: String,
    /// What people call it.
    title: String,
    /// What you may do there.
    actions: Vec<OwnActionView>,
    /// How many of its listed actions you may not do.
    blocked: usize,
}

/// The connectors that you may reach, what you may do there, and by which entries of the policy.
#[utoipa::path(get, path = "/me/connectors", operation_id = "me_connectors", tag = "me",
    responses((status = 200, body = Page<OwnConnectorView>)))]
pub async fn own(call: Call) -> Result<Json<Page<OwnConnectorView>>, Problem> {
    let issuers = call.rules().issuers_for_people();
    let found = connectors::own(&call.operation(), issuers).await?;
    let items = found.into_iter().map(|connector| OwnConnectorView {
        name: connector.name,
        title: connector.title,
        blocked: connector.not,
        actions: connector
            .may
            .into_iter()
            .map(|action| OwnActionView {
                name: action.pin.name,
                state: action.cell.state.as_str(),
                by: action.cell.by,
            })
            .collect(),
    });
    Ok(Json(Page::new(
        items.collect(),
        false,
        |last: &OwnConnectorView| last.name.clone(),
    )))
}
