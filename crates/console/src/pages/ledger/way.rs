//! How far a request came: the stages it passed, where it was stopped, and that it is written down. Drawn from the decision's code; a
//! stage is never claimed that the record does not speak of.

use std::fmt;

use askama::filters::HtmlSafe;
use control::records::{Decision, Outcome};
use domain::ReasonCode;

use crate::pages::parts::icon;
use crate::pages::show::{counted, escape};

/// The stages, in the order of a request.
const STAGES: [&str; 8] = [
    "Listener", "Identity", "Policy", "Inspect", "Quota", "Upstream", "Meter", "Ledger",
];

/// The way of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    stopped_at: Option<usize>,
    notes: [String; 8],
}

impl Way {
    /// The way that a decision and its outcome tell of.
    pub fn of(decision: &Decision, outcome: Option<&Outcome>) -> Self {
        let reasons = decision.verdict.reasons();
        let code = reasons
            .first()
            .and_then(|reason| super::line::known(reason.code.as_str()));
        let after = outcome.and_then(|outcome| super::line::known(outcome.code.as_ref()?.as_str()));
        let stopped_at = code.map(stage_of).or_else(|| after.map(stage_of));
        let mut notes: [String; 8] = Default::default();
        if let Some(stage) = stopped_at {
            notes[stage] = if reasons.is_empty() {
                "stopped".to_owned()
            } else {
                format!(
                    "refused, {}",
                    counted(reasons.len() as u64, "reason", "reasons")
                )
            };
        }
        if !decision.findings.is_empty() && stopped_at.is_none_or(|stage| stage > 3) {
            notes[3] = counted(decision.findings.len() as u64, "finding", "findings");
        }
        if let (Some(outcome), None) = (outcome, stopped_at) {
            notes[5] = outcome
                .upstream
                .as_ref()
                .map_or_else(String::new, |name| name.as_str().to_owned());
            notes[6] = crate::pages::show::usd_of_a_call(outcome.cost);
        }
        "written".clone_into(&mut notes[7]);
        Self { stopped_at, notes }
    }

    /// Where it was stopped, from 1; none when it was not.
    pub fn stopped_at(&self) -> Option<usize> {
        self.stopped_at.map(|stage| stage + 1)
    }
}

/// Where a code says no.
const fn stage_of(code: ReasonCode) -> usize {
    use ReasonCode as Code;
    match code {
        Code::CredentialMissing
        | Code::CredentialMalformed
        | Code::CredentialConflict
        | Code::TokenAlgorithm
        | Code::TokenSignature
        | Code::TokenKeyUnknown
        | Code::TokenExpired
        | Code::TokenNotYetValid
        | Code::TokenIssuer
        | Code::TokenTenant
        | Code::TokenAudience
        | Code::TokenClaims
        | Code::TokenLifetime
        | Code::GroupsUnresolved
        | Code::WorkloadUnknown
        | Code::ServiceKeyUnknown
        | Code::SessionEnded
        | Code::PersonRevoked
        | Code::IssuerUnreachable
        | Code::AccessTokenUnknown
        | Code::PersonNeeded => 1,
        Code::NotGranted
        | Code::ModelNotAllowed
        | Code::ClientNotAllowed
        | Code::ClientTooOld
        | Code::IssuerNotAllowed
        | Code::NetworkNotAllowed
        | Code::RegionNotAvailable
        | Code::EndpointNotOffered
        | Code::AcceptableUseRequired
        | Code::RoleMissing
        | Code::ScopeMissing => 2,
        Code::ContentBlocked | Code::ContentUnreadable => 3,
        Code::RequestRate | Code::TokenRate | Code::ConcurrencyLimit | Code::BudgetSpent => 4,
        Code::UpstreamUnavailable
        | Code::UpstreamTimeout
        | Code::UpstreamCredential
        | Code::UpstreamGarbled
        | Code::ModelUnserved => 5,
        Code::LedgerUnavailable => 7,
        _ => 0,
    }
}

impl fmt::Display for Way {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(r#"<div class="way-box"><ol class="way">"#)?;
        for (place, (name, note)) in STAGES.iter().zip(&self.notes).enumerate() {
            let class = match self.stopped_at {
                Some(stage) if place == stage => "shut",
                _ if place == 7 => "wrote",
                Some(stage) if place > stage => "never",
                _ => "passed",
            };
            write!(
                out,
                r#"<li class="{class}"><b>{name}</b><span class="gate">"#
            )?;
            if class == "shut" {
                write!(out, "{}", icon("cross"))?;
            }
            out.write_str("</span><span></span><span>")?;
            let said = match (class, note.as_str()) {
                ("never", "") => "not reached",
                ("passed", "") => "passed",
                (_, said) => said,
            };
            escape(said, out)?;
            out.write_str("</span></li>")?;
        }
        out.write_str("</ol></div>")
    }
}

impl HtmlSafe for Way {}

#[cfg(test)]
mod tests {
    use super::*;
    use control::records::{Door, Origin};
    use domain::{Client, ClientKind, Refusal, RequestId};

    fn decision(code: Option<ReasonCode>) -> Decision {
        let client = Client {
            kind: ClientKind::ClaudeCode,
            version: None,
        };
        let origin = Origin::new(client, None);
        let mut decision = Decision::new(
            RequestId::from_parts(1, 1),
            origin,
            Door::Inference,
            "messages",
        );
        if let Some(code) = code {
            decision.verdict = control::records::Verdict::refused(&Refusal::plain(code));
        }
        decision
    }

    #[test]
    fn what_comes_after_the_stop_was_not_reached() {
        let way = Way::of(&decision(Some(ReasonCode::ModelNotAllowed)), None);
        assert_eq!(way.stopped_at(), Some(3));
        let shown = way.to_string();
        assert!(
            shown.contains(r#"<li class="shut"><b>Policy</b>"#),
            "{shown}"
        );
        assert_eq!(shown.matches("not reached").count(), 4);
        assert!(shown.contains(r#"<li class="wrote"><b>Ledger</b>"#));
    }

    #[test]
    fn what_was_not_stopped_passed_everything() {
        let shown = Way::of(&decision(None), None).to_string();
        assert_eq!(shown.matches(r#"class="passed""#).count(), 7);
        assert!(!shown.contains("shut"));
    }
}
