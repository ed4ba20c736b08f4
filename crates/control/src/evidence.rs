//! Evidence: what a check found, kept with its hash, its time and its end. A record in the ledger names the hash before the row is there, so
//! that whoever reads one later can see whether it is still what was found. What is checked is for others: [`crate::rollout`] is one.

use domain::{EvidenceId, limits};
use ledger::record::ChangeKind;
use serde::{Deserialize, Serialize};

pub use store::Evidence;

use crate::access::Right;
use crate::{ControlError, Operation, fingerprint};

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    /// What: `header`, `decision`.
    pub name: String,
    /// How it was; never a credential.
    pub value: String,
}

impl Fact {
    /// With name and value.
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            value: value.into(),
        }
    }
}

/// What was found, in the order of finding.
pub fn facts(evidence: &Evidence) -> Vec<Fact> {
    serde_json::from_str(&evidence.facts).unwrap_or_default()
}

/// Whether a row is what was kept.
pub fn is_whole(evidence: &Evidence) -> bool {
    hash(evidence) == evidence.hash
}

fn hash(evidence: &Evidence) -> String {
    let Evidence {
        id,
        kind,
        passed,
        at,
        expires,
        by,
        facts,
        hash: _,
    } = evidence;
    // Lengths in front, so that no two pieces of evidence make the same text.
    let text = format!(
        "{id}\n{kind}\n{passed}\n{}\n{}\n{}:{by}\n{}:{facts}",
        at.unix_ms(),
        expires.unix_ms(),
        by.len(),
        facts.len()
    );
    fingerprint(&text)
}

/// Keeps what a check of this kind found.
pub async fn keep(
    operation: &Operation<'_>,
    kind: &str,
    passed: bool,
    found: &[Fact],
) -> Result<Evidence, ControlError> {
    operation.require(Right::EvidenceWrite)?;
    let bounded: Vec<Fact> = found
        .iter()
        .take(limits::EVIDENCE_FACTS_MAX)
        .map(shown)
        .collect();
    let (unix_ms, random) = operation.id_parts();
    let at = operation.clock.now();
    let mut evidence = Evidence {
        id: EvidenceId::from_parts(unix_ms, random),
        kind: kind.to_owned(),
        passed,
        at,
        expires: at.plus_ms(limits::EVIDENCE_MS),
        by: operation.actor.label().to_owned(),
        facts: serde_json::to_string(&bounded).unwrap_or_default(),
        hash: String::new(),
    };
    evidence.hash = hash(&evidence);
    let mut change = operation.change("evidence", &evidence.id.to_string(), ChangeKind::Created);
    change.after = Some(evidence.hash.as_str().into());
    let word = if passed { "passed" } else { "failed" };
    change.reason = Some(format!("{kind} {word}").as_str().into());
    operation.record(change).await?;
    let (store, org) = (operation.store, operation.org);
    store.add_evidence(org, &evidence).await?;
    Ok(evidence)
}

/// One bounded line without what commands a screen: parts of it come from other servers.
fn shown(fact: &Fact) -> Fact {
    let line = |text: &str| {
        let plain = |c: char| if crate::text::is_hostile(c) { ' ' } else { c };
        let letters = text.chars().take(limits::REASON_CHARS_MAX);
        letters.map(plain).collect::<String>()
    };
    Fact::new(line(&fact.name), line(&fact.value))
}

/// Evidence of a kind before one piece of it, newest first.
pub async fn list(
    operation: &Operation<'_>,
    kind: &str,
    before: Option<EvidenceId>,
    limit: u32,
) -> Result<Vec<Evidence>, ControlError> {
    operation.require(Right::EvidenceRead)?;
    let (store, org) = (operation.store, operation.org);
    Ok(store.evidence_page(org, kind, before, limit).await?)
}

/// The newest piece of evidence of a kind.
pub async fn newest(
    operation: &Operation<'_>,
    kind: &str,
) -> Result<Option<Evidence>, ControlError> {
    Ok(list(operation, kind, None, 1).await?.into_iter().next())
}

/// Whether a piece of evidence still says that all is well.
pub fn holds(operation: &Operation<'_>, evidence: &Evidence) -> bool {
    evidence.passed && operation.clock.now() < evidence.expires && is_whole(evidence)
}

#[cfg(test)]
mod tests {
    use domain::Timestamp;

    use super::*;

    fn sample() -> Evidence {
        let mut evidence = Evidence {
            id: EvidenceId::from_parts(1, 2),
            kind: "rollout_identity".to_owned(),
            passed: false,
            at: Timestamp::from_unix_ms(1),
            expires: Timestamp::from_unix_ms(2),
            by: "ada".to_owned(),
            facts: "[]".to_owned(),
            hash: String::new(),
        };
        evidence.hash = hash(&evidence);
        evidence
    }

    #[test]
    fn whatever_is_changed_of_a_piece_of_evidence_is_seen() {
        assert!(is_whole(&sample()));
        let changes: [fn(&mut Evidence); 6] = [
            |evidence| evidence.passed = true,
            |evidence| evidence.kind.push('x'),
            |evidence| evidence.at = Timestamp::from_unix_ms(5),
            |evidence| evidence.expires = Timestamp::from_unix_ms(5),
            |evidence| evidence.by = "grace".to_owned(),
            |evidence| evidence.facts = "[{}]".to_owned(),
        ];
        for change in changes {
            let mut altered = sample();
            change(&mut altered);
            assert!(!is_whole(&altered), "{altered:?}");
        }
    }

    #[test]
    fn a_fact_is_one_bounded_line() {
        let fact = shown(&Fact::new("a\nb", "x\u{1b}[2J".repeat(1_000)));
        assert_eq!(fact.name, "a b");
        assert_eq!(fact.value.chars().count(), limits::REASON_CHARS_MAX);
        assert!(!fact.value.contains('\u{1b}'));
    }
}
