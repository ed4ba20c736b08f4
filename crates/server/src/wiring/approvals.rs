//! Approvals as the connectors' door asks for them: over `control`, as the person who calls, and as nobody else.

use std::collections::BTreeSet;

use ::connectors::approval::{Approvals, Seeking, Sought, Wanted};
use control::approvals::{self, Call};
use control::{Actor, Control, ControlError};
use domain::approval::{About, Approver};
use domain::policy::connectors::Approver as Written;
use domain::{ReasonCode, Refusal, Subject};

/// The store's approvals.
#[derive(Debug)]
pub(super) struct Kept(pub(super) Control);

impl Approvals for Kept {
    fn seek<'a>(&'a self, wanted: &'a Wanted) -> Seeking<'a> {
        Box::pin(async move {
            let caller = &wanted.caller;
            let Subject::Person(person) = caller.subject else {
                let text = "This call needs a person's approval, and a service cannot ask for one.";
                return Err(Refusal::new(ReasonCode::ApprovalNeeded, text));
            };
            let actor = Actor::person(person, caller.label(), BTreeSet::new());
            let approver = approver(&wanted.standing.approver);
            let about = about(wanted);
            let call = Call {
                connector: wanted.connector.name.as_str(),
                action: &wanted.action,
                arguments: wanted.arguments.as_bytes(),
                definition: &wanted.definition,
                policy_version: wanted.standing.policy_version,
                approver: &approver,
                about: &about,
            };
            let sought = approvals::seek(&self.0.operation(&actor), call).await;
            sought.map(told).map_err(|error| refused(&error))
        })
    }
}

fn told(sought: approvals::Sought) -> Sought {
    match sought {
        approvals::Sought::Granted(approval) => Sought::Granted(approval.id),
        approvals::Sought::Waits(approval) => Sought::Waits {
            id: approval.id,
            until: approval.expires,
        },
        approvals::Sought::Changed {
            approval,
            by,
            arguments,
        } => Sought::Changed {
            id: approval.id,
            until: approval.expires,
            by,
            arguments,
        },
        approvals::Sought::Denied(approval) => {
            let decision = approval.decision;
            Sought::Denied {
                id: approval.id,
                by: decision
                    .as_ref()
                    .map_or_else(String::new, |made| made.label.clone()),
                reason: decision.map_or_else(String::new, |made| made.reason),
            }
        }
    }
}

/// What cannot be asked for is refused as what it is: an outage of ours never looks like a no.
fn refused(error: &ControlError) -> Refusal {
    match error.code() {
        ReasonCode::LimitReached | ReasonCode::ParameterInvalid | ReasonCode::RoleMissing => {
            Refusal::new(
                ReasonCode::ApprovalNeeded,
                format!("It cannot be asked for: {}.", error.detail()),
            )
        }
        code => {
            tracing::warn!(
                error = error as &dyn std::error::Error,
                "an approval cannot be asked for"
            );
            Refusal::plain(code)
        }
    }
}

fn approver(written: &Written) -> Approver {
    match written {
        Written::Own => Approver::Oneself,
        Written::Second => Approver::Second,
        Written::Groups(groups) => Approver::Groups(groups.clone()),
    }
}

fn about(wanted: &Wanted) -> About {
    About {
        connector_title: wanted.connector.title().to_owned(),
        action_title: String::new(),
        class: wanted.class.as_str().to_owned(),
        rule: wanted.rule(),
        client: wanted.client.clone(),
    }
}
