//! What `doctor` found, line by line, for people and for machines. A line's evidence never holds a credential or a token.

use std::fmt::Write as _;

use serde::Serialize;

/// Longest evidence, in characters; the rest is cut off.
const EVIDENCE_CHARS_MAX: usize = 2_000;

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It is as it must be.
    Pass,
    /// It works, and somebody should think about it all the same.
    Warn,
    /// It is not.
    Fail,
    /// It could not be looked at; the evidence says why.
    Skipped,
}

impl Status {
    /// Its word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pass => "PASS",
            Self::Warn => "WARN",
            Self::Fail => "FAIL",
            Self::Skipped => "SKIPPED",
        }
    }
}

/// Who has to act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Whose {
    /// Whoever runs Doorward.
    Operator,
    /// Whoever runs the network between.
    Network,
    /// The identity provider.
    IdentityProvider,
    /// The provider of Claude.
    Provider,
    /// Whoever the token is of.
    Caller,
    /// Doorward itself: a bug.
    Doorward,
}

impl Whose {
    /// In words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Operator => "whoever runs Doorward",
            Self::Network => "whoever runs the network",
            Self::IdentityProvider => "the identity provider",
            Self::Provider => "the provider of Claude",
            Self::Caller => "whose token it is",
            Self::Doorward => "Doorward itself; please report it",
        }
    }
}

/// One check and its outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// What was checked.
    pub check: String,
    /// How it ended.
    pub status: Status,
    /// What was seen.
    pub evidence: String,
    /// For a failure or a warning: who has to act.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub whose: Option<Whose>,
    /// For a failure or a warning: what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

impl Line {
    /// A check that held.
    pub fn pass(check: impl Into<String>, evidence: impl Into<String>) -> Self {
        Self::new(check, Status::Pass, evidence)
    }

    /// A check that could not be made, and why.
    pub fn skipped(check: impl Into<String>, why: impl Into<String>) -> Self {
        Self::new(check, Status::Skipped, why)
    }

    /// A check that holds, but for something that somebody should think about.
    pub fn warn(
        check: impl Into<String>,
        evidence: impl Into<String>,
        whose: Whose,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            status: Status::Warn,
            ..Self::fail(check, evidence, whose, remedy)
        }
    }

    /// A check that did not hold, whose it is, and what helps.
    pub fn fail(
        check: impl Into<String>,
        evidence: impl Into<String>,
        whose: Whose,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            whose: Some(whose),
            remedy: Some(remedy.into()),
            ..Self::new(check, Status::Fail, evidence)
        }
    }

    fn new(check: impl Into<String>, status: Status, evidence: impl Into<String>) -> Self {
        Self {
            check: check.into(),
            status,
            evidence: one_line(&evidence.into()),
            whose: None,
            remedy: None,
        }
    }
}

/// Parts of an evidence come from tokens and from servers that may not be ours: nothing in it may steer a terminal.
fn one_line(text: &str) -> String {
    text.chars()
        .take(EVIDENCE_CHARS_MAX)
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

/// Whether nothing failed.
pub fn holds(lines: &[Line]) -> bool {
    lines.iter().all(|line| line.status != Status::Fail)
}

/// The lines for people, with a closing one.
pub fn to_text(lines: &[Line]) -> String {
    let width = lines
        .iter()
        .map(|line| line.check.chars().count())
        .max()
        .unwrap_or(0);
    let mut text = String::new();
    for line in lines {
        let status = line.status.word();
        let _ = writeln!(text, "{status:8} {:width$}  {}", line.check, line.evidence);
        if let (Some(whose), Some(remedy)) = (line.whose, &line.remedy) {
            let _ = writeln!(
                text,
                "         {:width$}  whose: {}; do: {remedy}",
                "",
                whose.words()
            );
        }
    }
    let count = |status| lines.iter().filter(|line| line.status == status).count();
    let _ = write!(
        text,
        "\n{} passed, {} warned, {} failed, {} skipped",
        count(Status::Pass),
        count(Status::Warn),
        count(Status::Fail),
        count(Status::Skipped)
    );
    text
}

/// The lines for machines: `{"ok": …, "checks": […]}`.
pub fn to_json(lines: &[Line]) -> String {
    let report = serde_json::json!({"ok": holds(lines), "checks": lines});
    serde_json::to_string_pretty(&report).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_said_cannot_steer_a_terminal_or_fill_it() {
        let line = Line::pass("public address", "Doorward \u{1b}[2J\nPASS forged");
        assert_eq!(line.evidence, "Doorward \u{fffd}[2J\u{fffd}PASS forged");
        let long = Line::pass("public address", "x".repeat(100_000));
        assert_eq!(long.evidence.len(), EVIDENCE_CHARS_MAX);
    }

    #[test]
    fn a_failure_says_whose_it_is_and_what_to_do_and_decides_the_end() {
        let fine = Line::pass("store", "schema 2 of 2");
        let left_out = Line::skipped("certificate", "no TLS here");
        let failed = Line::fail("policy", "no version", Whose::Operator, "apply one");
        let warned = Line::warn("owners", "nobody", Whose::Operator, "make one");
        assert!(holds(&[fine.clone(), left_out.clone(), warned.clone()]));
        let all = [fine, left_out, failed, warned];
        assert!(!holds(&all));
        let text = to_text(&all);
        assert_eq!(
            text,
            "PASS     store        schema 2 of 2\n\
             SKIPPED  certificate  no TLS here\n\
             FAIL     policy       no version\n                      \
             whose: whoever runs Doorward; do: apply one\n\
             WARN     owners       nobody\n                      \
             whose: whoever runs Doorward; do: make one\n\n\
             1 passed, 1 warned, 1 failed, 1 skipped"
        );
        let json: serde_json::Value = serde_json::from_str(&to_json(&all)).unwrap();
        assert_eq!(json["ok"], false);
        assert_eq!(json["checks"][2]["whose"], "operator");
        assert_eq!(json["checks"][0].get("remedy"), None);
    }
}
