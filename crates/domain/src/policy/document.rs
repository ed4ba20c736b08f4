//! The policy document as people write it, in TOML. Nine lists, each entry with a name that refusals and records
//! repeat, and the demand to accept the acceptable-use policy; an unknown key is a mistake, never ignored.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::connectors::{Action, Connector};
use crate::model::ModelPattern;
use crate::window::Period;
use crate::words::words;
use crate::{ClientKind, Usd, Version};

/// A whole policy.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Document {
    /// Who may use which models. Without a matching grant nothing is allowed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub grant: Vec<Grant>,
    /// What must hold as well: clients, versions, issuers, networks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub require: Vec<Require>,
    /// Requests, tokens and concurrency per minute.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub limit: Vec<Limit>,
    /// Money per day, week or month.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub budget: Vec<Budget>,
    /// What is looked for in content, and what follows.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub inspect: Vec<Inspect>,
    /// Settings that Claude Code receives.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub managed_settings: Vec<ManagedSettings>,
    /// Settings that Claude Desktop receives.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub desktop_settings: Vec<DesktopSettings>,
    /// What Claude may reach besides models. What is not listed does not exist.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub connector: Vec<Connector>,
    /// What may be done there. Without a matching entry nothing may.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub action: Vec<Action>,
    /// Whether people must accept the acceptable-use policy before they use Claude.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acceptable_use: Option<AcceptableUse>,
    /// What else is stated here instead of being set one by one. Left out, nothing of it is governed by this document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub administration: Option<Administration>,
}

/// Roles of groups and spend limits of groups and of everyone, whole: what stands and is not stated here goes when the document is
/// applied. People and what is theirs are never stated in a document.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Administration {
    /// Roles of groups.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub role: Vec<StatedRole>,
    /// Spend limits.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub spend_limit: Vec<StatedSpendLimit>,
}

/// A role that everyone in a group holds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatedRole {
    /// The role's word.
    pub role: String,
    /// The group, as its issuer names it.
    pub group: String,
    /// The group's issuer, by its configured name.
    pub issuer: String,
}

/// What each member of a group, or everyone, may spend in a period.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatedSpendLimit {
    /// The group, as its issuer names it; everyone when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// The period.
    pub period: Period,
    /// US cents as a decimal text; no cap when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount_cents: Option<String>,
}

/// Demands that people accept the current acceptable-use policy before their first use. Services have nobody to accept it and are
/// exempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AcceptableUse {
    /// Whether it is demanded.
    pub required: bool,
    /// Only of members of any of these groups; of everyone when empty.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub groups: BTreeSet<String>,
}

/// Whom an entry concerns. Every list that is given must match; an empty selector concerns everyone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Who {
    /// People by our id (`per_…`) or by the issuer's stable id (Entra `tid/oid`, elsewhere `sub`). Never by e-mail.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub people: BTreeSet<String>,
    /// Members of any of these groups or app roles.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub groups: BTreeSet<String>,
    /// Services by name or by our id (`svc_…`).
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub services: BTreeSet<String>,
    /// Callers for whom one of these issuers vouched.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub issuers: BTreeSet<String>,
}

/// Lets its callers use models.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// What refusals call it.
    pub name: String,
    /// Whom it concerns.
    #[serde(default)]
    pub who: Who,
    /// Models they may use.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<ModelPattern>,
    /// Models they may not use, whatever another grant says.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deny_models: Vec<ModelPattern>,
    /// Data regions their requests must stay in. Several grants with regions: only what is in all of them.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub regions: BTreeSet<String>,
}

/// Demands more of its callers' requests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Require {
    /// What refusals call it.
    pub name: String,
    /// Whom it concerns.
    #[serde(default)]
    pub who: Who,
    /// Only these programs.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub clients: BTreeSet<ClientKind>,
    /// The oldest version of a program that may be used. A program that states no version fails.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub min_version: BTreeMap<ClientKind, Version>,
    /// Only from these networks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub networks: Vec<IpNet>,
    /// Only with a credential of these issuers.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub issuers: BTreeSet<String>,
}

/// Bounds what each of its callers may do in a minute. Of several, the least counts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// What refusals call it.
    pub name: String,
    /// Whom it concerns.
    #[serde(default)]
    pub who: Who,
    /// Messages requests a minute; `count_tokens` does not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests_per_minute: Option<u32>,
    /// Input tokens a minute, cached ones included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_tokens_per_minute: Option<u64>,
    /// Output tokens a minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_tokens_per_minute: Option<u64>,
    /// Messages requests at the same time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrent_requests: Option<u32>,
}

/// What a budget's money is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BudgetFor {
    /// Each person that `who.people` names, on their own. Closest: it replaces any `member` budget of the same period.
    Person,
    /// Each caller that `who` selects, on their own. With groups the tightest counts; without, it is everyone's default.
    Member,
    /// All callers that `who` selects together.
    Group,
    /// The whole organisation together.
    Org,
    /// Each service that `who` selects, on its own.
    Service,
}

/// Bounds spending in a period.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// What refusals call it. A shared budget's spending is kept under its name.
    pub name: String,
    /// Whom it concerns.
    #[serde(default)]
    pub who: Who,
    /// Whose money it is.
    #[serde(rename = "for")]
    pub scope: BudgetFor,
    /// How much, in dollars.
    pub amount_usd: Usd,
    /// For how long.
    pub period: Period,
    /// Refuse at the cap (the default), or only warn.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub hard: bool,
}

/// What follows when content matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InspectAction {
    /// Record the finding and let the request pass.
    Observe,
    /// Refuse the request.
    Block,
}

/// Looks for something in its callers' requests. Of several, the strictest action counts for each detector.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inspect {
    /// What refusals call it.
    pub name: String,
    /// Whom it concerns.
    #[serde(default)]
    pub who: Who,
    /// Detector ids or classes, `*` for a run of characters: `secret.*`, `payment_card`.
    pub detectors: Vec<String>,
    /// What follows.
    pub action: InspectAction,
    /// Matches below this confidence, in percent, are passed over.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub min_confidence: u8,
}

words! {
    /// Which servers of the Model Context Protocol Claude Code may use.
    Servers ("set of servers") {
        /// Also what people add by hand.
        Any "any",
        /// Those of the company alone: ours, and those that the settings name.
        Company "company",
    }
}

/// Settings for Claude Code; see [`super::settings`] for how several are merged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManagedSettings {
    /// For people to read.
    pub name: String,
    /// Whom it concerns.
    #[serde(default)]
    pub who: Who,
    /// Which servers of the Model Context Protocol their Claude Code may use. Of several entries the last that says it counts; where none
    /// does, nothing is said of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub servers: Option<Servers>,
    /// The settings document, as Claude Code's own `settings.json`.
    pub settings: serde_json::Map<String, serde_json::Value>,
}

/// Settings for Claude Desktop; see [`super::settings`] for how several are merged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DesktopSettings {
    /// For people to read.
    pub name: String,
    /// Whom it concerns.
    #[serde(default)]
    pub who: Who,
    /// The configuration keys that a bootstrap server may set.
    pub settings: serde_json::Map<String, serde_json::Value>,
}

const fn yes() -> bool {
    true
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde's skip_serializing_if passes a reference"
)]
const fn is_true(value: &bool) -> bool {
    *value
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde's skip_serializing_if passes a reference"
)]
const fn is_zero(value: &u8) -> bool {
    *value == 0
}
