//! The stages of a call to a connector: may they speak to it, and may they do this there? What comes after is the way of every call.
//! Nothing that acts leaves without [`Pipeline::permit_action`]; called by the connectors' door.

use std::sync::Arc;

use domain::policy::{ActionAsk, ArgumentRule, Ask, Connector, Determined, Permit, Standing};
use domain::{ActionClass, ActionState, Reason, ReasonCode, Refusal};
use ledger::record::{ConnectorCall, Name};

use crate::acceptance;
use crate::call::{Call, Identified, Permitted};
use crate::identity::Verified;
use crate::{Inspection, Pipeline};

/// They may speak to a connector; nothing was permitted there yet.
#[derive(Debug)]
pub struct Admitted {
    identified: Identified,
    connector: Arc<Connector>,
}

/// An action that somebody would do.
pub struct ActionCall<'a> {
    /// Its name, as the connector has it.
    pub action: &'a str,
    /// What it does to the world.
    pub class: ActionClass,
    /// SHA-256 of its arguments in their canonical form, in hexadecimal.
    pub arguments: Option<&'a str>,
    /// SHA-256 of the definition it is decided on, in hexadecimal.
    pub definition: Option<&'a str>,
    /// Whether its arguments meet a rule.
    pub meets: &'a dyn Fn(&ArgumentRule) -> bool,
    /// The approval of this very call, if there is one, which its giver has checked and used up.
    pub approval: Option<&'a str>,
}

impl std::fmt::Debug for ActionCall<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("ActionCall")
            .field("action", &self.action)
            .field("class", &self.class)
            .finish_non_exhaustive()
    }
}

impl Pipeline {
    /// May they speak to this connector, and have they agreed to what they must?
    pub async fn admit(
        &self,
        mut call: Call<Identified>,
        connector: &str,
    ) -> Result<Call<Admitted>, Refusal> {
        if let Some(decision) = &mut call.draft.decision
            && domain::ConnectorName::new(connector).is_ok()
        {
            decision.action = Name::from(format!("{connector}.{}", call.draft.facts.action));
        }
        let ask = Ask {
            model: None,
            client: call.draft.facts.client,
            address: call.draft.facts.address,
        };
        let policy = Arc::clone(&call.stage.policy);
        let admitted = policy.admit(&call.stage.who.caller, &ask, connector);
        let agreed = self
            .acceptable_use
            .missing(&call.stage.who, policy.acceptable_use)
            .await;
        match acceptance::together(admitted, agreed) {
            Ok(found) => {
                let connector = Arc::clone(found);
                let Call { draft, stage } = call;
                let stage = Admitted {
                    identified: stage,
                    connector,
                };
                Ok(Call { draft, stage })
            }
            Err(refusal) => Err(call.refuse(refusal)),
        }
    }

    /// May they speak to connectors, whichever a message is for, and have they agreed to what they must?
    pub async fn admit_to_any(&self, call: Call<Identified>) -> Result<Call<Identified>, Refusal> {
        let ask = Ask {
            model: None,
            client: call.draft.facts.client,
            address: call.draft.facts.address,
        };
        let policy = call.policy();
        let admitted = policy.admit_to_any(&call.who().caller, &ask);
        let agreed = self
            .acceptable_use
            .missing(call.who(), policy.acceptable_use)
            .await;
        match acceptance::together(admitted, agreed) {
            Ok(()) => Ok(call),
            Err(refusal) => Err(call.refuse(refusal)),
        }
    }

    /// Where an action stands for whoever calls. The record names it from here on, whatever becomes of it.
    pub fn weigh_action(&self, call: &mut Call<Admitted>, action: &ActionCall<'_>) -> Standing {
        let connector = &call.stage.connector;
        let standing = call.stage.identified.policy.standing(&ActionAsk {
            connector,
            action: action.action,
            class: action.class,
            meets: Some(action.meets),
        });
        if let Some(decision) = &mut call.draft.decision {
            decision.action = Name::from(format!("{}.{}", connector.name, action.action));
            decision.connector = Some(Box::new(ConnectorCall {
                connector: connector.name.as_str().into(),
                class: action.class.as_str().into(),
                state: standing.state.as_str().into(),
                arguments: action.arguments.map(Into::into),
                definition: action.definition.map(Into::into),
                approval: action.approval.map(Into::into),
            }));
        }
        standing
    }

    /// May they do this there?
    pub fn permit_action(
        &self,
        mut call: Call<Admitted>,
        action: &ActionCall<'_>,
    ) -> Result<Call<Permitted>, Refusal> {
        let standing = self.weigh_action(&mut call, action);
        let is_approved = standing.state == ActionState::Ask && action.approval.is_some();
        if standing.state != ActionState::Allow && !is_approved {
            return Err(call.refuse(refusal_of(&standing)));
        }
        if let Some(decision) = &mut call.draft.decision {
            decision.granted_by = names(&standing);
        }
        let Call { draft, stage } = call;
        let permit = Permit {
            policy_version: standing.policy_version,
            granted_by: Vec::new(),
            regions: None,
        };
        let stage = Permitted {
            identified: stage.identified,
            permit,
            model: None,
        };
        Ok(Call { draft, stage })
    }

    /// May its content leave? For what is not decided as an action, and before anybody is asked to approve one.
    pub fn may_leave(
        &self,
        call: &mut Call<Admitted>,
        inspection: Inspection,
    ) -> Result<(), Refusal> {
        let findings = inspection.finish();
        if let Some(decision) = &mut call.draft.decision {
            decision.findings = crate::recorded(&findings);
        }
        let policy = &call.stage.identified.policy;
        self.inspector.judge(policy, &findings)
    }

    /// Begins to look at what a connector will answer this caller.
    pub fn inspection_of_answer(&self, call: &Call<crate::Reserved>) -> Inspection {
        self.inspector.begin(&call.stage.policy)
    }

    /// Begins to look at what the caller sends to a connector.
    pub fn inspection_of_action(&self, call: &Call<Admitted>) -> Inspection {
        self.inspector.begin(&call.stage.identified.policy)
    }
}

fn names(standing: &Standing) -> Vec<Name> {
    let names = standing.by.iter().filter_map(|by| match by {
        Determined::Entry(name) | Determined::Argument { entry: name, .. } => Some(&**name),
        Determined::Ceiling { .. } | Determined::Default => None,
    });
    names.map(Name::from).collect()
}

/// Every reason for which an action does not go now.
fn refusal_of(standing: &Standing) -> Refusal {
    let reason = |code: ReasonCode, text: Option<String>, by: Option<&str>| {
        let reason = match text {
            Some(text) => Reason::new(code, text),
            None => Reason::plain(code),
        };
        match by {
            Some(by) => reason.by(by),
            None => reason,
        }
    };
    let asked = standing.state == ActionState::Ask;
    let reasons = standing.by.iter().map(|by| match by {
        _ if asked => {
            let name = match by {
                Determined::Entry(name) | Determined::Argument { entry: name, .. } => Some(&**name),
                Determined::Ceiling { .. } | Determined::Default => None,
            };
            reason(ReasonCode::ApprovalNeeded, None, name)
        }
        Determined::Argument { entry, at } => reason(
            ReasonCode::ArgumentsNotAllowed,
            Some(format!(
                "\"{entry}\" does not allow this action with this value at {}.",
                if at.is_empty() { "the top" } else { at }
            )),
            Some(entry),
        ),
        Determined::Entry(name) => reason(ReasonCode::ActionNotAvailable, None, Some(name)),
        Determined::Ceiling { connector, .. } => {
            reason(ReasonCode::ActionNotAvailable, None, Some(connector))
        }
        Determined::Default => reason(ReasonCode::ActionNotAvailable, None, None),
    });
    // What is not available at all decides, so that its arguments tell nobody anything.
    let mut reasons: Vec<Reason> = reasons.collect();
    reasons.sort_by_key(|reason| reason.code != ReasonCode::ActionNotAvailable);
    let refusal = Refusal::from_reasons(reasons);
    refusal.unwrap_or_else(|| Refusal::plain(ReasonCode::ActionNotAvailable))
}

impl Call<Admitted> {
    /// Who calls.
    pub fn who(&self) -> &Arc<Verified> {
        &self.stage.identified.who
    }

    /// What of the policy concerns them.
    pub fn policy(&self) -> &Arc<domain::policy::CallerPolicy> {
        &self.stage.identified.policy
    }

    /// The connector.
    pub fn connector(&self) -> &Arc<Connector> {
        &self.stage.connector
    }

    /// Ends a call that does nothing: saying hello, listing, answering what the connector asked. It leaves no decision behind.
    pub fn conversed(mut self) -> Arc<Verified> {
        self.draft.decision = None;
        self.stage.identified.who
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::policy::Approver;

    fn codes(state: ActionState, by: Vec<Determined>) -> Vec<(ReasonCode, Option<String>)> {
        let refusal = refusal_of(&Standing {
            state,
            approver: Approver::Own,
            by,
            policy_version: 1,
        });
        let reasons = refusal.reasons();
        reasons
            .map(|reason| (reason.code, reason.rule.as_deref().map(str::to_owned)))
            .collect()
    }

    #[test]
    fn what_is_not_available_decides_before_what_its_arguments_are() {
        let argument = Determined::Argument {
            entry: "a".to_owned(),
            at: "/x".to_owned(),
        };
        assert_eq!(
            codes(
                ActionState::Blocked,
                vec![argument.clone(), Determined::Default]
            ),
            [
                (ReasonCode::ActionNotAvailable, None),
                (ReasonCode::ArgumentsNotAllowed, Some("a".to_owned()))
            ]
        );
        assert_eq!(
            codes(ActionState::Ask, vec![argument]),
            [(ReasonCode::ApprovalNeeded, Some("a".to_owned()))]
        );
        assert_eq!(
            codes(ActionState::Blocked, Vec::new()),
            [(ReasonCode::ActionNotAvailable, None)]
        );
    }
}
