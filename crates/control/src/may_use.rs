//! What somebody may use and why: the decision itself for each model, by the policy in force, and never a guess at it. Whoever reads
//! policies asks it of anybody, and everyone of themselves.

use std::net::IpAddr;

use domain::policy::{Ask, Permit};
use domain::{
    Caller, Client, ClientKind, Credential, Policy, ReasonCode, Refusal, Subject, Version,
};

use crate::access::Right;
use crate::people::{self, Person};
use crate::{ControlError, Operation};

/// For what a decision is tried.
#[derive(Debug, Clone, Copy)]
pub struct Tried {
    /// The program.
    pub client: Client,
    /// From where; none when that is not said.
    pub address: Option<IpAddr>,
}

impl Tried {
    /// A program that no demand for a newer one refuses, from nowhere in particular.
    pub const fn newest(kind: ClientKind) -> Self {
        Self {
            client: Client {
                kind,
                version: Some(Version([u32::MAX; 3])),
            },
            address: None,
        }
    }
}

/// What is asked about.
#[derive(Debug, Clone, Copy)]
pub struct Question<'q> {
    /// Models, by id.
    pub models: &'q [String],
    /// How many issuers vouch for people here.
    pub issuers_for_people: usize,
    /// With what, and from where.
    pub tried: Tried,
}

/// The decision for one model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The model.
    pub model: String,
    /// The grants that say yes, or every reason against it.
    pub decided: Result<Permit, Refusal>,
}

impl Answer {
    /// Whether everything that speaks against it is where the request came from: another program or network would do.
    pub fn depends(&self) -> bool {
        let Err(refusal) = &self.decided else {
            return false;
        };
        refusal.reasons().all(|reason| {
            matches!(
                reason.code,
                ReasonCode::ClientNotAllowed
                    | ReasonCode::ClientTooOld
                    | ReasonCode::NetworkNotAllowed
                    | ReasonCode::IssuerNotAllowed
            )
        })
    }
}

/// What a person may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MayUse {
    /// The policy version that says so; 0 before the first.
    pub version: u64,
    /// A decision for each model, in their order.
    pub answers: Vec<Answer>,
}

/// What a person may use now.
pub async fn of_person(
    operation: &Operation<'_>,
    person: &Person,
    question: Question<'_>,
) -> Result<MayUse, ControlError> {
    operation.require(Right::PolicyRead)?;
    operation.require(Right::PeopleRead)?;
    decide(operation, person, question).await
}

/// What one may use oneself.
pub async fn own(
    operation: &Operation<'_>,
    question: Question<'_>,
) -> Result<MayUse, ControlError> {
    let person = people::own(operation).await?;
    decide(operation, &person, question).await
}

async fn decide(
    operation: &Operation<'_>,
    person: &Person,
    question: Question<'_>,
) -> Result<MayUse, ControlError> {
    let latest = operation.store.latest_policy(operation.org).await?;
    let policy = match &latest {
        Some(latest) => Policy::parse(latest.version, &latest.text)?,
        None => Policy::empty(),
    };
    let policy = policy.among_issuers(question.issuers_for_people);
    let caller = caller_of(person);
    let rules = policy.for_caller(&caller);
    let answer = |model: &String| Answer {
        model: model.clone(),
        decided: rules.decide(
            &caller,
            &Ask {
                model: Some(model),
                client: question.tried.client,
                address: question.tried.address,
            },
        ),
    };
    Ok(MayUse {
        version: policy.version,
        answers: question.models.iter().map(answer).collect(),
    })
}

/// The person as their next call would be decided.
fn caller_of(person: &Person) -> Caller {
    Caller {
        org: person.org,
        subject: Subject::Person(person.id),
        stable_id: person.stable_id.as_str().into(),
        issuer: person.issuer.as_str().into(),
        email: None,
        name: None,
        groups: person.groups.clone(),
        session: None,
        credential: Credential::Session,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::Reason;

    #[test]
    fn a_no_that_another_network_turns_into_a_yes_is_told_apart() {
        let answer = |codes: &[ReasonCode]| Answer {
            model: "m".to_owned(),
            decided: Err(Refusal::from_reasons(
                codes.iter().map(|code| Reason::plain(*code)).collect(),
            )
            .unwrap()),
        };
        assert!(answer(&[ReasonCode::NetworkNotAllowed, ReasonCode::ClientTooOld]).depends());
        assert!(!answer(&[ReasonCode::NetworkNotAllowed, ReasonCode::ModelNotAllowed]).depends());
    }
}
