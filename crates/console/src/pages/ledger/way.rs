//! How far a request came: the stages it passed, where it was stopped, and that it is written down. Drawn from the decision's code; a
//! stage is never claimed that the record does not speak of.

use std::fmt;

use askama::filters::HtmlSafe;
use control::records::{Decision, Ended, Outcome};
use domain::ReasonCode;

use crate::pages::parts::icon;
use crate::pages::show::{counted, escape, usd_of_a_call};

/// The stages, in the order of a request.
const STAGES: [&str; 8] = [
    "Listener", "Identity", "Policy", "Inspect", "Quota", "Upstream", "Meter", "Ledger",
];

/// What is known of one stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    /// It let the request on.
    Passed,
    /// It said no, or the answer broke off there.
    Shut,
    /// The request did not come so far.
    NotReached,
    /// No record speaks of it yet.
    NotYet,
    /// It wrote this down.
    Wrote,
}

impl Known {
    const fn class(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Shut => "shut",
            Self::NotReached | Self::NotYet => "never",
            Self::Wrote => "wrote",
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Shut => "stopped",
            Self::NotReached => "not reached",
            Self::NotYet => "not known yet",
            Self::Wrote => "written",
        }
    }
}

const INSPECT: usize = 3;
const UPSTREAM: usize = 5;
const METER: usize = 6;
const LEDGER: usize = 7;

/// The way of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    known: [Known; 8],
    notes: [String; 8],
}

impl Way {
    /// The way that a decision and its outcome tell of.
    pub fn of(decision: &Decision, outcome: Option<&Outcome>) -> Self {
        let mut way = Self {
            known: [Known::Passed; 8],
            notes: Default::default(),
        };
        way.known[LEDGER] = Known::Wrote;
        let reasons = decision.verdict.reasons();
        if let Some(reason) = reasons.first() {
            let code = super::line::known(reason.code.as_str());
            let many = counted(reasons.len() as u64, "reason", "reasons");
            way.shut(code.map_or(0, stage_of), format!("refused, {many}"));
        } else {
            way.went_on(decision, outcome);
        }
        if !decision.findings.is_empty() && way.known[INSPECT] == Known::Passed {
            way.notes[INSPECT] = counted(decision.findings.len() as u64, "finding", "findings");
        }
        way
    }

    /// Nothing behind this stage was reached, except the ledger.
    fn shut(&mut self, stage: usize, note: String) {
        self.known[stage..LEDGER].fill(Known::NotReached);
        self.known[stage] = Known::Shut;
        self.notes[stage] = note;
    }

    /// What came of an allowed request: what is said of it after its decision is about sending and answering, whatever its code.
    fn went_on(&mut self, decision: &Decision, outcome: Option<&Outcome>) {
        let Some(outcome) = outcome else {
            self.known[UPSTREAM..=METER].fill(Known::NotYet);
            return;
        };
        let code = outcome.code.as_ref();
        let code = code.and_then(|code| super::line::known(code.as_str()));
        if outcome.ended == Ended::Refused || (outcome.upstream.is_none() && code.is_some()) {
            self.shut(code.map_or(UPSTREAM, stage_of), "refused".to_owned());
            return;
        }
        let upstream = outcome.upstream.as_ref().map_or("", |name| name.as_str());
        if outcome.ended == Ended::Complete {
            upstream.clone_into(&mut self.notes[UPSTREAM]);
        } else {
            self.known[UPSTREAM] = Known::Shut;
            let how = super::line::ended(decision, Some(outcome)).1;
            format!("{upstream} {how}")
                .trim_start()
                .clone_into(&mut self.notes[UPSTREAM]);
        }
        self.notes[METER] = usd_of_a_call(outcome.cost);
    }

    /// Where it was stopped, from 1; none when it was not, or nobody knows yet.
    pub fn stopped_at(&self) -> Option<usize> {
        let shut = self.known.iter().position(|known| *known == Known::Shut);
        shut.map(|stage| stage + 1)
    }

    /// How far it came, in words.
    pub fn says(&self) -> String {
        match self.stopped_at() {
            Some(stage) => format!("stopped at stage {stage} of 8"),
            None if self.known.contains(&Known::NotYet) => {
                "sent on; its end is not written yet".to_owned()
            }
            None => "passed every stage".to_owned(),
        }
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
        | Code::ConnectorNotAvailable
        | Code::ActionNotAvailable
        | Code::ArgumentsNotAllowed
        | Code::ApprovalNeeded
        | Code::GrantNeeded
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
        for ((name, known), note) in STAGES.iter().zip(&self.known).zip(&self.notes) {
            let class = known.class();
            write!(
                out,
                r#"<li class="{class}"><b>{name}</b><span class="gate">"#
            )?;
            if *known == Known::Shut {
                write!(out, "{}", icon("cross"))?;
            }
            out.write_str("</span><span></span><span>")?;
            let said = if note.is_empty() { known.word() } else { note };
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

    fn outcome(ended: Ended, upstream: Option<&str>, code: Option<ReasonCode>) -> Outcome {
        let mut outcome = Outcome::new(RequestId::from_parts(1, 1), ended);
        outcome.upstream = upstream.map(Into::into);
        outcome.code = code.map(|code| code.as_str().into());
        outcome
    }

    #[test]
    fn nothing_is_claimed_that_no_record_speaks_of() {
        let allowed = decision(None);
        let check = |outcome: Option<Outcome>, says: &str, passed: usize, upstream: &str| {
            let way = Way::of(&allowed, outcome.as_ref());
            let shown = way.to_string();
            assert_eq!(way.says(), says, "{outcome:?}");
            assert_eq!(
                shown.matches(r#"class="passed""#).count(),
                passed,
                "{shown}"
            );
            assert!(shown.contains(upstream), "{shown}");
        };
        let (through, cut) = ("passed every stage", "stopped at stage 6 of 8");
        check(
            None,
            "sent on; its end is not written yet",
            5,
            "not known yet",
        );
        let complete = outcome(Ended::Complete, Some("first"), None);
        check(Some(complete), through, 7, "first");
        // They were known and allowed, it was sent and is paid for: the stream was cut, not the sign-in refused.
        let revoked = outcome(
            Ended::Revoked,
            Some("first"),
            Some(ReasonCode::PersonRevoked),
        );
        check(Some(revoked), cut, 6, "first access taken away");
        let failed = outcome(Ended::Error, None, Some(ReasonCode::UpstreamUnavailable));
        check(Some(failed), cut, 5, "refused");
        let spent = outcome(Ended::Refused, None, Some(ReasonCode::BudgetSpent));
        check(Some(spent), "stopped at stage 5 of 8", 4, "not reached");
    }
}
