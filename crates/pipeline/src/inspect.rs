//! Inspection: what a request's texts hold, and whether the rules let it leave.

use std::fmt;

use actions::injection::{Sign, Signs};
use detect::{Engine, Finding, Findings, Scanner, Selection};
use domain::policy::{CallerPolicy, InspectAction};
use domain::{Policy, Reason, ReasonCode, Refusal};

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

    /// The patterns of a policy that name no detector: what such a rule should find leaves.
    pub fn idle<'p>(&self, policy: &'p Policy) -> Vec<Idle<'p>> {
        let rules = policy.document().inspect.iter();
        rules
            .flat_map(|rule| rule.detectors.iter().map(move |pattern| (rule, pattern)))
            .filter(|(_, pattern)| !self.engine.knows(pattern))
            .map(|(rule, pattern)| Idle {
                rule: &rule.name,
                pattern,
                nearest: self.engine.nearest(pattern),
            })
            .collect()
    }

    /// Begins one request's inspection; nothing is looked at for callers whom no rule inspects.
    pub fn begin(&self, policy: &CallerPolicy) -> Inspection {
        Inspection {
            scanner: (!policy.inspects.is_empty()).then(|| self.engine.scanner(&self.everything)),
            signs: Signs::default(),
        }
    }

    /// Says which findings the rules keep from leaving.
    pub fn judge(&self, policy: &CallerPolicy, findings: &Findings) -> Result<(), Refusal> {
        let reasons = findings
            .iter()
            .filter_map(|finding| self.blocked(policy, finding))
            .collect();
        Refusal::from_reasons(reasons).map_or(Ok(()), Err)
    }

    fn blocked(&self, policy: &CallerPolicy, finding: &Finding) -> Option<Reason> {
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

/// A pattern that looks on and is off. Displayed as a sentence for an administrator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idle<'p> {
    /// The rule's name in the policy.
    pub rule: &'p str,
    /// The pattern, as the policy writes it.
    pub pattern: &'p str,
    /// What may be meant.
    pub nearest: Option<String>,
}

impl fmt::Display for Idle<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "[[inspect]] \"{}\" looks for `{}`, which no detector is called",
            self.rule, self.pattern
        )?;
        match &self.nearest {
            Some(nearest) => write!(out, "; is `{nearest}` meant?"),
            None => out.write_str("; crates/detect/data/detectors.toml is the list"),
        }
    }
}

/// One inspection of a request or an answer, while its body is being read.
#[derive(Debug)]
pub struct Inspection {
    scanner: Option<Scanner>,
    signs: Signs,
}

impl Inspection {
    /// Whether the body's texts are wanted.
    pub const fn is_on(&self) -> bool {
        self.scanner.is_some()
    }

    /// Looks at one text.
    pub fn text(&mut self, text: &str) {
        if let Some(scanner) = &mut self.scanner {
            scanner.text(text);
        }
    }

    /// Notes what of an answer is shaped like an order. No rule turns this on or off: what comes from outside is outside for everybody.
    pub const fn shaped(&mut self, signs: Signs) {
        self.signs = signs;
    }

    pub(crate) fn finish(self) -> Findings {
        let mut findings = self.scanner.map(Scanner::finish).unwrap_or_default();
        findings.merge(self.signs.found().map(as_finding).collect());
        findings
    }
}

fn as_finding((sign, texts): (Sign, u32)) -> Finding {
    Finding {
        detector: sign.as_str().into(),
        class: "injection".into(),
        count: texts.into(),
        confidence: sign.confidence(),
        fingerprints: Vec::new(),
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

    #[test]
    fn every_pattern_that_finds_nothing_is_told_with_its_rule_and_what_may_be_meant() {
        let text = r#"
            [[inspect]]
            name = "fine"
            detectors = ["secret.*", "payment_card"]
            action = "block"

            [[inspect]]
            name = "keys"
            detectors = ["secret.jwt", "secrets.*", "zzz"]
            action = "block"
        "#;
        let policy = Policy::parse(1, text).unwrap();
        let told: Vec<String> = Inspector::new(Engine::new(b"key"))
            .idle(&policy)
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            told,
            [
                "[[inspect]] \"keys\" looks for `secrets.*`, which no detector is called; is `secret.*` meant?",
                "[[inspect]] \"keys\" looks for `zzz`, which no detector is called; crates/detect/data/detectors.toml is the list",
            ]
        );
    }
}
