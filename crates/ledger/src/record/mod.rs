//! One entry of the ledger: six kinds, each a flat, bounded struct. No field can hold content or a credential: texts are names,
//! ids and fingerprints, are cut at a length, and are withheld when they look like a credential ([`Text`]).
//!
//! # Names in OCSF 1.8
//!
//! | here | OCSF class or attribute |
//! |---|---|
//! | `decision`, `outcome` | `api_activity` 6003 with profiles `ai_operation`, `security_control` |
//! | `sign_in` | `authentication` 3002 |
//! | `session` | `authorize_session` 3003 |
//! | `change` | `entity_management` 3004 |
//! | `system` | `application_lifecycle` 6002 |
//! | a decision's `findings` | `data_security_finding` 2006, one each |
//! | line `time`, `chain`, `seq`, `hash`, `prev` | `time`, `metadata.log_name`, `metadata.sequence`, `attestation.fingerprint`, `attestation.prev_event.fingerprint` |
//! | `request` | `metadata.correlation_uid`, `api.request.uid` |
//! | `actor.org` | `metadata.tenant_uid` |
//! | `actor.subject`, `.stable_id`, `.issuer`, `.credential`, `.session` | `actor.user.uid`, `actor.user.uid_alt`, `actor.idp.name`, `actor.session.credential_uid` kind, `actor.session.uid` |
//! | `origin.client`, `.version`, `.address` | `actor.app_name`, `actor.app_uid` version, `src_endpoint.ip` |
//! | `door`, `action` | `api.service.name`, `api.operation` |
//! | `connector.connector`, `.class`, `.state`, `.arguments`, `.definition`, `.approval` | `api.group.name`, rest `unmapped` |
//! | `model`, `upstream` | `ai_model.name`, `ai_model.ai_provider` |
//! | `verdict.allowed`, `verdict.reasons` | `action_id` (1 allowed, 2 denied), `policy`/`status_detail` |
//! | `policy_version`, `granted_by` | `policy.version`, `policy.name` |
//! | `status`, `ended`, `duration_ms` | `api.response.code`, `status_detail`, `duration` |
//! | `usage.input_tokens`… | `message_context.prompt_tokens`, `.completion_tokens` |
//! | a system record's `refused`, `since`, `address` | `count`, `start_time`, `src_endpoint.ip` |
//! | `cost`, `reserved` | `unmapped` |

mod call;
mod identity;
mod life;
mod text;

use serde::{Deserialize, Serialize};

pub use call::{ConnectorCall, Decision, Door, Ended, Finding, Outcome, RecordedReason, Verdict};
pub use identity::{Actor, Origin, SessionChange, SessionEvent, SignIn};
pub use life::{Change, ChangeKind, System, SystemEvent};
pub use text::Text;

/// A name: of a rule, an issuer, an upstream, an action.
pub type Name = Text<128>;

/// One immutable entry, as it stands under `record` in a line of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Record {
    /// What was decided about a request, before the upstream sees it.
    Decision(Decision),
    /// How a request ended.
    Outcome(Outcome),
    /// Someone signed in, or tried to.
    SignIn(SignIn),
    /// A session was refreshed, ended or misused.
    Session(SessionChange),
    /// Somebody changed the rules, a limit or a key.
    Change(Change),
    /// The gateway's own life.
    System(System),
}

/// A record's kind, without its fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// See [`Record::Decision`].
    Decision,
    /// See [`Record::Outcome`].
    Outcome,
    /// See [`Record::SignIn`].
    SignIn,
    /// See [`Record::Session`].
    Session,
    /// See [`Record::Change`].
    Change,
    /// See [`Record::System`].
    System,
}

impl Kind {
    /// Every kind.
    pub const ALL: &'static [Self] = &[
        Self::Decision,
        Self::Outcome,
        Self::SignIn,
        Self::Session,
        Self::Change,
        Self::System,
    ];

    /// The word that stands under `kind`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Decision => "decision",
            Self::Outcome => "outcome",
            Self::SignIn => "sign_in",
            Self::Session => "session",
            Self::Change => "change",
            Self::System => "system",
        }
    }
}

impl Record {
    /// The record's kind.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Decision(_) => Kind::Decision,
            Self::Outcome(_) => Kind::Outcome,
            Self::SignIn(_) => Kind::SignIn,
            Self::Session(_) => Kind::Session,
            Self::Change(_) => Kind::Change,
            Self::System(_) => Kind::System,
        }
    }

    /// Cuts lists that are too long, each with a mark that says so. Texts are bounded by their type.
    pub(crate) fn bound(&mut self) {
        match self {
            Self::Decision(decision) => decision.bound(),
            Self::Outcome(outcome) => outcome.bound(),
            Self::SignIn(sign_in) => sign_in.verdict.bound(),
            Self::Session(_) | Self::Change(_) | Self::System(_) => {}
        }
    }

    /// The JSON that stands under `record`: field order is the order of declaration, absent fields are left out.
    pub(crate) fn to_json(&self) -> Vec<u8> {
        let mut json = Vec::with_capacity(1024);
        serde_json::to_writer(&mut json, self)
            .expect("records have string keys and write to memory");
        json
    }
}

/// Cuts a list of names to `max` entries, the last of which then says how many are missing.
fn bound_names(names: &mut Vec<Name>, max: usize) {
    if names.len() > max {
        let missing = names.len() - max + 1;
        names.truncate(max - 1);
        names.push(Name::from(format!("… and {missing} more")));
    }
}

#[cfg(test)]
mod tests;
