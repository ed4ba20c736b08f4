//! The two checks of a rollout. The first asks what the ledger says of somebody's latest request, which the identity stage has let
//! through or not. The second asks what leaves for the providers, which `server` can tell through [`Departures`]. What is a PASS is
//! decided here for both, and both leave [`crate::evidence`].

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use domain::{Credential, Timestamp};
use store::Person;

use crate::access::Right;
use crate::evidence::{self, Evidence, Fact};
use crate::installation::Installation;
use crate::records::{self, Decision, FoundRecord, Kind, Record, Sought};
use crate::{ControlError, Operation, people};

/// The first check: a token was validated and yields the person's stable id.
pub const IDENTITY: &str = "rollout_identity";
/// The second: what left for a provider carried its credential and nothing of the caller's.
pub const CREDENTIALS: &str = "rollout_credentials";

/// Every kind of evidence that a rollout leaves.
pub const KINDS: [&str; 2] = [IDENTITY, CREDENTIALS];

/// What left for one provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Departed {
    /// What was checked, with the provider's name.
    pub check: String,
    /// Whether it was as it must be.
    pub passed: bool,
    /// What was seen: names and fingerprints, never a credential.
    pub evidence: String,
    /// What to do, where it was not.
    pub remedy: Option<String>,
}

/// Sends an invented caller's request through the real pipeline, with a recorder in each provider's place. Implemented in `server`.
pub trait Departures: fmt::Debug + Send + Sync {
    /// What left for each provider; none while it is being looked at for somebody else.
    fn examine(&self) -> Examining<'_>;
}

/// What [`Departures::examine`] returns.
pub type Examining<'d> = Pin<Box<dyn Future<Output = Option<Vec<Departed>>> + Send + 'd>>;

/// Makes the first check for somebody, who is named by id, stable id or e-mail, and keeps what it finds.
pub async fn identity(
    operation: &Operation<'_>,
    installation: &Installation,
    whom: &str,
) -> Result<Evidence, ControlError> {
    operation.require(Right::EvidenceWrite)?;
    operation.require(Right::LedgerRead)?;
    let person = people::find(operation, whom).await?;
    let sought = Sought {
        subject: Some(person.id.to_string()),
        kind: Some(Kind::Decision.as_str().to_owned()),
        ..Sought::default()
    };
    let found = records::search(operation, &sought, 1).await?.0;
    let newest = found
        .first()
        .and_then(|found| Some((found, decision(found)?)));
    let mut issuers = installation.issuers.iter();
    let kind = issuers.find(|issuer| issuer.name == person.issuer);
    let kind = kind.map(|issuer| issuer.kind.as_str());
    let (passed, facts) = judge(&person, kind, newest.as_ref().map(|(row, d)| (*row, d)));
    evidence::keep(operation, IDENTITY, passed, &facts).await
}

/// Makes the second check for every provider, and keeps what it finds. Nothing that could have left proves nothing.
pub async fn credentials(
    operation: &Operation<'_>,
    departures: &dyn Departures,
) -> Result<Evidence, ControlError> {
    operation.require(Right::EvidenceWrite)?;
    let found = departures.examine().await;
    let found = found.ok_or(ControlError::Busy(
        "this check is under way already; look again in a moment",
    ))?;
    let passed = !found.is_empty() && found.iter().all(|one| one.passed);
    let facts: Vec<Fact> = found.iter().map(fact).collect();
    evidence::keep(operation, CREDENTIALS, passed, &facts).await
}

fn fact(found: &Departed) -> Fact {
    let word = if found.passed { "PASS" } else { "FAIL" };
    let remedy = found.remedy.as_deref();
    let remedy = remedy.map(|remedy| format!("; do: {remedy}"));
    let value = format!("{word}: {}{}", found.evidence, remedy.unwrap_or_default());
    Fact::new(&found.check, value)
}

fn decision(found: &FoundRecord) -> Option<Decision> {
    match records::decoded(found)? {
        Record::Decision(decision) => Some(decision),
        _ => None,
    }
}

/// What the latest request of somebody proves. Whether the rules let it through is told and decides nothing: it is their sign-in that is
/// checked.
fn judge(
    person: &Person,
    kind: Option<&str>,
    newest: Option<(&FoundRecord, &Decision)>,
) -> (bool, Vec<Fact>) {
    let mut facts = vec![
        Fact::new("person", person.id.to_string()),
        Fact::new("stable id", &person.stable_id),
    ];
    let Some((row, decision)) = newest else {
        facts.push(Fact::new(
            "request",
            "none of this person is in the ledger yet; let them ask Claude something first",
        ));
        return (false, facts);
    };
    let Some(actor) = &decision.actor else {
        facts.push(Fact::new("caller", "the request names nobody"));
        return (false, facts);
    };
    let proved = match actor.credential {
        Credential::Session => "a session of Doorward's own, begun by a sign-in at the issuer",
        Credential::IdToken => "an ID token of the issuer",
        Credential::AccessToken => "an access token of the issuer",
        Credential::ServiceKey | Credential::Workload => "no token of a person",
    };
    let is_a_persons = !matches!(
        actor.credential,
        Credential::ServiceKey | Credential::Workload
    );
    let claims = match kind {
        Some("entra") => "iss, aud, exp, tid, oid",
        Some(_) => "iss, aud, exp, sub",
        None => "none: no such issuer is configured any more",
    };
    facts.extend([
        Fact::new("record", row.place.to_string()),
        Fact::new("request", decision.request.to_string()),
        Fact::new("at", Timestamp::to_string(&row.place.at)),
        Fact::new("issuer", actor.issuer.to_string()),
        Fact::new("id in the request", actor.stable_id.to_string()),
        Fact::new("proved by", proved),
        Fact::new("claims that were checked", claims),
        Fact::new("decision", told(decision)),
    ]);
    let is_theirs =
        actor.stable_id.as_str() == person.stable_id && actor.issuer.as_str() == person.issuer;
    (is_theirs && is_a_persons && kind.is_some(), facts)
}

fn told(decision: &Decision) -> String {
    let reasons = decision.verdict.reasons().iter();
    let reasons: Vec<String> = reasons.map(|reason| reason.code.to_string()).collect();
    if decision.verdict.is_allowed() {
        let grants: Vec<String> = decision
            .granted_by
            .iter()
            .map(ToString::to_string)
            .collect();
        format!("allowed by {}", grants.join(", "))
    } else {
        format!("refused: {}", reasons.join(", "))
    }
}
