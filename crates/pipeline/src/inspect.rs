//! Inspection: what a request's texts hold, and whether the rules let it leave.

use detect::{Engine, Findings, Scanner, Selection};
use domain::policy::{CallerPolicy, InspectAction};
use domain::{Reason, ReasonCode, Refusal};

/// The engine and the selection of all its detectors: what a rule asks for is decided on what was found, which is rare, and not
/// on what is looked for.
#[derive(Debug)]
pub struct Inspector {
    engine: Engine,
    everything: Selection,
}

impl Inspector {
    /// An inspector with every detector of the engine.
    pub fn new(engine: Engine) -> Self {
        let everything = engine.select([("*", 0)]);
        Self { engine, everything }
    }

    /// Begins one request's inspection; nothing is looked at for callers whom no rule inspects.
    pub fn begin(&self, policy: &CallerPolicy) -> Inspection {
        Inspection((!policy.inspects.is_empty()).then(|| self.engine.scanner(&self.everything)))
    }

    /// Says which findings the rules keep from leaving.
    pub fn judge(&self, policy: &CallerPolicy, findings: &Findings) -> Result<(), Refusal> {
        let reasons = findings
            .iter()
            .filter_map(|finding| self.blocked(policy, finding))
            .collect();
        Refusal::from_reasons(reasons).map_or(Ok(()), Err)
    }

    fn blocked(&self, policy: &CallerPolicy, finding: &detect::Finding) -> Option<Reason> {
        let rule = policy.inspects.iter().find(|rule| {
            rule.action == InspectAction::Block
                && finding.confidence >= rule.min_confidence
                && rule
                    .detectors
                    .iter()
                    .any(|pattern| finding.is_named_by(pattern))
        })?;
        let title = self
            .engine
            .detectors()
            .find(|known| *known.id == *finding.detector)
            .map_or("", |known| known.title);
        let times = if finding.count == 1 {
            String::new()
        } else {
            format!(" ({} times)", finding.count)
        };
        let text = format!(
            "The request holds {title}{times}, which \"{}\" keeps from leaving.",
            rule.name
        );
        Some(Reason::new(ReasonCode::ContentBlocked, text).by(&rule.name))
    }
}

/// One request's inspection, while its body is being read.
#[derive(Debug)]
pub struct Inspection(Option<Scanner>);

impl Inspection {
    /// Whether the body's texts are wanted.
    pub const fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Looks at one text.
    pub fn text(&mut self, text: &str) {
        if let Some(scanner) = &mut self.0 {
            scanner.text(text);
        }
    }

    pub(crate) fn finish(self) -> Findings {
        self.0.map(Scanner::finish).unwrap_or_default()
    }
}
