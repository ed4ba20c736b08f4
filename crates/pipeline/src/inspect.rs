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
            .map_or("secret", |known| known.title);
        let times = if finding.count == 1 {
            String::new()
        } else {
            format!(" ({} times)", finding.count)
        };
        let text = format!(
            "The request holds {}{times}, which \"{}\" keeps from leaving.",
            with_article(title),
            rule.name
        );
        Some(Reason::new(ReasonCode::ContentBlocked, text).by(&rule.name))
    }
}

/// A detector's title as it stands in a sentence: `an AWS access key id`, `a private key (age)`.
fn with_article(title: &str) -> String {
    let first = title.split(' ').next().unwrap_or_default();
    // Spelled out letter by letter: en-pee-em, ex-ay-eye.
    let spelled = matches!(first, "NVIDIA" | "npm" | "xAI");
    let article = if spelled || first.starts_with(['A', 'E', 'I', 'O', 'a', 'e', 'i', 'o']) {
        "an"
    } else {
        "a"
    };
    match first {
        "Payment" | "Private" => format!("{article} p{}", &title[1..]),
        _ => format!("{article} {title}"),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_found_is_named_with_its_article() {
        for (title, said) in [
            (
                "Anthropic API or admin key",
                "an Anthropic API or admin key",
            ),
            ("xAI API key", "an xAI API key"),
            ("npm token", "an npm token"),
            ("GitHub token", "a GitHub token"),
            ("JSON Web Token", "a JSON Web Token"),
            ("Payment card number", "a payment card number"),
            ("Private key (PuTTY)", "a private key (PuTTY)"),
        ] {
            assert_eq!(with_article(title), said);
        }
        let engine = Engine::new(b"key");
        assert!(engine.detectors().all(|known| !known.title.is_empty()));
    }
}
