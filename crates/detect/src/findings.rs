//! What an inspection found: per detector a count, the best confidence and keyed fingerprints. Never the text itself, so a
//! finding may be logged, stored and shown.

use std::fmt;
use std::sync::Arc;

use domain::limits::{FINDING_CHECKS_MAX, FINGERPRINTS_MAX};

/// The first 16 bytes of an HMAC-SHA-256 over detector and value: equal for equal values under one key, and useless without it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; 16]);

impl Fingerprint {
    pub(crate) const fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for Fingerprint {
    /// 32 hexadecimal digits.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

/// Everything one detector found in one inspection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The detector's id, such as `secret.anthropic_api_key`.
    pub detector: Arc<str>,
    /// What was found, such as `secret`.
    pub class: Arc<str>,
    /// How many matches reached the selected confidence.
    pub count: u64,
    /// The highest confidence among them, in percent.
    pub confidence: u8,
    /// Their different values in the order of appearance, at most [`FINGERPRINTS_MAX`].
    pub fingerprints: Vec<Fingerprint>,
}

impl Finding {
    /// Whether a policy's pattern (`secret.*`, `payment_card`, `*`) names this finding by its detector or its class.
    pub fn is_named_by(&self, pattern: &str) -> bool {
        names(pattern, &self.detector, &self.class)
    }

    pub(crate) const fn checks_left(&self) -> bool {
        self.count < FINDING_CHECKS_MAX
    }

    pub(crate) fn remember(&mut self, fingerprint: Fingerprint) {
        if self.fingerprints.len() < FINGERPRINTS_MAX && !self.fingerprints.contains(&fingerprint) {
            self.fingerprints.push(fingerprint);
        }
    }
}

/// The one rule by which a pattern selects detectors.
pub(crate) fn names(pattern: &str, detector: &str, class: &str) -> bool {
    domain::model::glob(pattern, detector) || domain::model::glob(pattern, class)
}

/// What an inspection found: at most one entry per detector, so its size is bounded by the pack. No flood of one kind can push
/// another out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    pub(crate) list: Vec<Finding>,
}

impl FromIterator<Finding> for Findings {
    fn from_iter<I: IntoIterator<Item = Finding>>(all: I) -> Self {
        let mut findings = Self {
            list: all.into_iter().collect(),
        };
        findings.sort();
        findings
    }
}

impl Findings {
    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// How many detectors found something.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// The findings, the most confident first, then by detector id. A record names the first [`domain::limits::FINDINGS_MAX`].
    pub fn iter(&self) -> std::slice::Iter<'_, Finding> {
        self.list.iter()
    }

    /// The findings of one request whose parts were inspected apart.
    pub fn merge(&mut self, other: Self) {
        for finding in other.list {
            match self
                .list
                .iter_mut()
                .find(|mine| mine.detector == finding.detector)
            {
                Some(mine) => {
                    mine.count = mine.count.saturating_add(finding.count);
                    mine.confidence = mine.confidence.max(finding.confidence);
                    finding
                        .fingerprints
                        .into_iter()
                        .for_each(|one| mine.remember(one));
                }
                None => self.list.push(finding),
            }
        }
        self.sort();
    }

    pub(crate) fn sort(&mut self) {
        self.list.sort_by(|a, b| {
            b.confidence
                .cmp(&a.confidence)
                .then_with(|| a.detector.cmp(&b.detector))
        });
    }
}

impl<'f> IntoIterator for &'f Findings {
    type Item = &'f Finding;
    type IntoIter = std::slice::Iter<'f, Finding>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(detector: &str, count: u64, confidence: u8, mark: u8) -> Finding {
        Finding {
            detector: detector.into(),
            class: "secret".into(),
            count,
            confidence,
            fingerprints: vec![Fingerprint::new([mark; 16])],
        }
    }

    #[test]
    fn merging_adds_counts_and_keeps_the_best_confidence_first() {
        let mut all = Findings {
            list: vec![finding("secret.a", 1, 60, 1)],
        };
        all.merge(Findings {
            list: vec![finding("secret.b", 2, 70, 2), finding("secret.a", 3, 90, 3)],
        });
        let told: Vec<_> = all
            .iter()
            .map(|f| (&*f.detector, f.count, f.confidence, f.fingerprints.len()))
            .collect();
        assert_eq!(told, [("secret.a", 4, 90, 2), ("secret.b", 2, 70, 1)]);
    }

    #[test]
    fn a_pattern_names_detectors_and_classes() {
        let finding = finding("secret.jwt", 1, 80, 0);
        for (pattern, named) in [
            ("*", true),
            ("secret.*", true),
            ("secret", true),
            ("secret.j", false),
            ("payment_card", false),
        ] {
            assert_eq!(finding.is_named_by(pattern), named, "{pattern}");
        }
    }

    #[test]
    fn a_fingerprint_prints_as_hexadecimal() {
        assert_eq!(Fingerprint::new([0xab; 16]).to_string(), "ab".repeat(16));
    }
}
