//! The two records of a request: what was decided, and how it ended.

use domain::limits::FINDINGS_MAX;
use domain::{
    ClientKind, ModelId, OrgId, Reason, Refusal, RequestId, Subject, Timestamp, Usage, Usd,
};
use serde::{Deserialize, Serialize};

use super::{Actor, Name, Origin, Text, bound_names};

/// Rules, reasons and ids that one record names; further ones are counted in the last entry.
const NAMES_MAX: usize = 32;

/// Through which door a request came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Door {
    /// Inference, sign-in and settings of Claude clients.
    Inference,
    /// Connectors (MCP).
    Connectors,
    /// The egress proxy.
    Egress,
    /// Claude's inference hooks.
    Hooks,
    /// The admin API and the console.
    Console,
}

/// A reason as the ledger keeps it: code and rule, without the sentence that was shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedReason {
    /// The stable code, a [`domain::ReasonCode`].
    pub code: Text<64>,
    /// The rule, budget or limit that decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<Name>,
}

impl From<&Reason> for RecordedReason {
    fn from(reason: &Reason) -> Self {
        Self {
            code: reason.code.as_str().into(),
            rule: reason.rule.as_deref().map(Name::from),
        }
    }
}

/// Allowed, or refused with every reason. The two cannot contradict each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    allowed: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    reasons: Vec<RecordedReason>,
}

impl Verdict {
    /// Nothing spoke against it.
    pub const fn allowed() -> Self {
        Self {
            allowed: true,
            reasons: Vec::new(),
        }
    }

    /// Refused, with every reason, the deciding one first.
    pub fn refused(refusal: &Refusal) -> Self {
        Self {
            allowed: false,
            reasons: refusal.reasons().map(RecordedReason::from).collect(),
        }
    }

    /// Whether the request could go on.
    pub const fn is_allowed(&self) -> bool {
        self.allowed
    }

    /// Every reason against it; none when it was allowed.
    pub fn reasons(&self) -> &[RecordedReason] {
        &self.reasons
    }

    pub(super) fn bound(&mut self) {
        if self.reasons.len() > NAMES_MAX {
            let missing = self.reasons.len() - NAMES_MAX + 1;
            self.reasons.truncate(NAMES_MAX - 1);
            self.reasons.push(RecordedReason {
                code: format!("… and {missing} more").into(),
                rule: None,
            });
        }
    }
}

/// A class of sensitive content that was found; never the content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The detector's id.
    pub detector: Text<64>,
    /// How many places.
    pub count: u32,
    /// How sure, from 0 to 100.
    pub confidence: u8,
    /// Keyed fingerprint of the value, to tell repeats apart; cannot be turned back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<Text<80>>,
}

/// What a call of a connector's action is, beside its name; never its arguments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectorCall {
    /// The connector.
    pub connector: Name,
    /// What the action does to the world, a [`domain::ActionClass`].
    pub class: Text<16>,
    /// Where it stood, a [`domain::ActionState`].
    pub state: Text<16>,
    /// SHA-256 of the arguments in their canonical form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arguments: Option<Text<80>>,
    /// SHA-256 of the definition it was decided on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub definition: Option<Text<80>>,
    /// The approval that let it go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<Name>,
}

/// What was decided about a request, durable before the upstream sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// The request, as the answer's `x-request-id` names it.
    pub request: RequestId,
    /// Who; none when no credential could be verified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<Actor>,
    /// From which program and address.
    pub origin: Origin,
    /// Through which door.
    pub door: Door,
    /// The endpoint or action: `messages`, `count_tokens`, `github.create_issue`.
    pub action: Name,
    /// The model asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<Name>,
    /// Allowed, or refused with every reason.
    pub verdict: Verdict,
    /// The policy version that decided; none when it was refused before policy was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_version: Option<u64>,
    /// The grants that said yes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub granted_by: Vec<Name>,
    /// What inspection found, at most [`FINDINGS_MAX`] classes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    /// Further findings that are not named.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub findings_more: u64,
    /// Money set aside for the call.
    pub reserved: Usd,
    /// Shared budgets it is paid from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paid_from: Vec<Name>,
    /// The upstream chosen, if known already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream: Option<Name>,
    /// Size of the request body.
    pub body_bytes: u64,
    /// What it is, where it is a call of a connector's action.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connector: Option<Box<ConnectorCall>>,
}

impl Decision {
    /// An allowed decision without particulars; set the fields that are known.
    pub fn new(request: RequestId, origin: Origin, door: Door, action: &str) -> Self {
        Self {
            request,
            actor: None,
            origin,
            door,
            action: action.into(),
            model: None,
            verdict: Verdict::allowed(),
            policy_version: None,
            granted_by: Vec::new(),
            findings: Vec::new(),
            findings_more: 0,
            reserved: Usd::ZERO,
            paid_from: Vec::new(),
            upstream: None,
            body_bytes: 0,
            connector: None,
        }
    }

    /// Names the model.
    pub fn name_model(&mut self, model: &ModelId) {
        self.model = Some(model.as_str().into());
    }

    pub(super) fn bound(&mut self) {
        self.verdict.bound();
        bound_names(&mut self.granted_by, NAMES_MAX);
        bound_names(&mut self.paid_from, NAMES_MAX);
        if self.findings.len() > FINDINGS_MAX {
            let missing = u64::try_from(self.findings.len() - FINDINGS_MAX).unwrap_or(u64::MAX);
            self.findings_more = self.findings_more.saturating_add(missing);
            self.findings.truncate(FINDINGS_MAX);
        }
    }
}

/// How a request came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// The whole answer was delivered.
    Complete,
    /// The client left before the end.
    ClientGone,
    /// The upstream's answer stopped before its end.
    UpstreamCut,
    /// The caller was revoked while the answer streamed.
    Revoked,
    /// Something failed, here or upstream.
    Error,
    /// It was refused after its decision record.
    Refused,
    /// The gateway stopped before the end was known; found at the next start.
    Lost,
}

impl Ended {
    /// The word for it in records and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::ClientGone => "client_gone",
            Self::UpstreamCut => "upstream_cut",
            Self::Revoked => "revoked",
            Self::Error => "error",
            Self::Refused => "refused",
            Self::Lost => "lost",
        }
    }
}

/// How a request ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// The request of the decision.
    pub request: RequestId,
    /// The organisation, repeated so that money can be summed without the decision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub org: Option<OrgId>,
    /// The caller, repeated likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Subject>,
    /// The model, repeated likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<Name>,
    /// HTTP status sent to the client; none when nothing was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The upstream that answered, or was tried last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream: Option<Name>,
    /// The upstreams' own request ids, in the order of the tries.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub upstream_requests: Vec<Name>,
    /// What the call used.
    pub usage: Usage,
    /// What it cost.
    pub cost: Usd,
    /// Shared budgets it was paid from, repeated likewise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paid_from: Vec<Name>,
    /// The program, repeated likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<ClientKind>,
    /// When the call was let through, never earlier than any before it: the windows of its budgets that are charged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub began: Option<Timestamp>,
    /// The price of the model was not known; the cost is not the real one.
    #[serde(default, skip_serializing_if = "is_false")]
    pub unpriced: bool,
    /// The usage was not all seen; the cost is a bound.
    #[serde(default, skip_serializing_if = "is_false")]
    pub estimated: bool,
    /// Milliseconds from the request's arrival to the first byte of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_byte_ms: Option<u64>,
    /// Milliseconds from the request's arrival to its end.
    pub duration_ms: u64,
    /// How it ended.
    pub ended: Ended,
    /// The code of what failed, a [`domain::ReasonCode`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<Text<64>>,
    /// What inspection found in what a connector answered, at most [`FINDINGS_MAX`] classes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
}

impl Outcome {
    /// An outcome without particulars; set the fields that are known.
    pub fn new(request: RequestId, ended: Ended) -> Self {
        Self {
            request,
            org: None,
            subject: None,
            model: None,
            status: None,
            upstream: None,
            upstream_requests: Vec::new(),
            usage: Usage::default(),
            cost: Usd::ZERO,
            paid_from: Vec::new(),
            client: None,
            began: None,
            unpriced: false,
            estimated: false,
            first_byte_ms: None,
            duration_ms: 0,
            ended,
            code: None,
            findings: Vec::new(),
        }
    }

    /// An outcome that names the decision's caller and model.
    pub fn of(decision: &Decision, ended: Ended) -> Self {
        let mut outcome = Self::new(decision.request, ended);
        outcome.org = decision.actor.as_ref().map(|actor| actor.org);
        outcome.subject = decision.actor.as_ref().map(|actor| actor.subject);
        outcome.model.clone_from(&decision.model);
        outcome.upstream.clone_from(&decision.upstream);
        outcome.paid_from.clone_from(&decision.paid_from);
        outcome.client = Some(decision.origin.client);
        outcome
    }

    pub(super) fn bound(&mut self) {
        bound_names(&mut self.upstream_requests, NAMES_MAX);
        self.findings.truncate(FINDINGS_MAX);
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde asks for a reference"
)]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde asks for a reference"
)]
const fn is_false(flag: &bool) -> bool {
    !*flag
}
