//! What somebody may use and why: the decision itself for each model, by the policy in force, and never a guess at it. Whoever reads
//! policies asks it of anybody, and everyone of themselves.

use std::collections::BTreeSet;
use std::net::IpAddr;

use domain::policy::{Ask, Permit};
use domain::{
    Caller, Client, ClientKind, Credential, OWN_ISSUER, OrgId, PersonId, Policy, ReasonCode,
    Refusal, Subject, Version,
};

use crate::access::Right;
use crate::groups::GroupSeen;
use crate::people::{self, Person};
use crate::service_keys::Service;
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

    pub(crate) const fn ask(self, model: Option<&str>) -> Ask<'_> {
        Ask {
            model,
            client: self.client,
            address: self.address,
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
    decide(operation, &caller_of(person), question).await
}

/// What a service may use now with one of its credentials, which says which groups it is in.
pub async fn of_service(
    operation: &Operation<'_>,
    service: &Service,
    groups: &BTreeSet<String>,
    question: Question<'_>,
) -> Result<MayUse, ControlError> {
    operation.require(Right::PolicyRead)?;
    operation.require(Right::ServicesRead)?;
    let caller = caller_of_service(operation.org, service, groups.clone());
    decide(operation, &caller, question).await
}

/// What a person may use who is in this group and in no other.
pub async fn of_group(
    operation: &Operation<'_>,
    group: &GroupSeen,
    question: Question<'_>,
) -> Result<MayUse, ControlError> {
    operation.require(Right::PolicyRead)?;
    operation.require(Right::GroupsRead)?;
    let names = [Some(&group.display_name), group.external_id.as_ref()];
    let groups = names.into_iter().flatten().cloned().collect();
    let caller = somebody(operation.org, "", &group.source.issuer, groups);
    decide(operation, &caller, question).await
}

/// What one may use oneself.
pub async fn own(
    operation: &Operation<'_>,
    question: Question<'_>,
) -> Result<MayUse, ControlError> {
    let person = people::own(operation).await?;
    decide(operation, &caller_of(&person), question).await
}

async fn decide(
    operation: &Operation<'_>,
    caller: &Caller,
    question: Question<'_>,
) -> Result<MayUse, ControlError> {
    let policy = operation
        .policy()
        .await?
        .among_issuers(question.issuers_for_people);
    let answer = |model: &String| Answer {
        model: model.clone(),
        decided: decided(&policy, caller, model, question.tried),
    };
    Ok(MayUse {
        version: policy.version,
        answers: question.models.iter().map(answer).collect(),
    })
}

/// The service as its next call with one of its credentials would be decided.
pub(crate) fn caller_of_service(org: OrgId, service: &Service, groups: BTreeSet<String>) -> Caller {
    Caller {
        subject: Subject::Service(service.id),
        credential: if service.issuer == OWN_ISSUER {
            Credential::ServiceKey
        } else {
            Credential::Workload
        },
        ..somebody(org, &service.name, &service.issuer, groups)
    }
}

/// The person as their next call would be decided.
pub(crate) fn caller_of(person: &Person) -> Caller {
    Caller {
        subject: Subject::Person(person.id),
        ..somebody(
            person.org,
            &person.stable_id,
            &person.issuer,
            person.groups.clone(),
        )
    }
}

/// A person of no id.
pub(crate) fn somebody(
    org: OrgId,
    stable_id: &str,
    issuer: &str,
    groups: BTreeSet<String>,
) -> Caller {
    Caller {
        org,
        subject: Subject::Person(PersonId::from_parts(0, 0)),
        stable_id: stable_id.into(),
        issuer: issuer.into(),
        email: None,
        name: None,
        groups,
        session: None,
        credential: Credential::Session,
    }
}

/// The decision for one model: what every page, preview and trial shows, and what a call meets.
pub fn decided(
    policy: &Policy,
    caller: &Caller,
    model: &str,
    tried: Tried,
) -> Result<Permit, Refusal> {
    let ask = tried.ask(Some(model));
    policy.for_caller(caller).decide(caller, &ask)
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
