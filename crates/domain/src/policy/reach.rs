//! The decision on one action of one connector: allowed, after an approval, or blocked, with everything that determined it.
//!
//! Default deny: an action that no entry permits is blocked. Of all entries that concern it the most restrictive counts, rules on
//! arguments only narrow, and nothing lifts an action above the ceiling of the connector's data.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::compile::CallerPolicy;
use super::connectors::{Action, Approver, ArgumentRule, Connector};
use super::decide::{Ask, unmet};
use crate::connectors::{ActionClass, ActionState, DataClass, is_action_name};
use crate::{Caller, Reason, ReasonCode, Refusal};

/// An entry about actions that concerns a caller.
#[derive(Debug, Clone, PartialEq)]
pub struct CallerAction {
    /// The entry.
    pub entry: Action,
    /// Whether it may permit anything, or only restrict: one that goes by names that two issuers could give permits nothing.
    pub permits: bool,
}

/// One action, as somebody would do it.
#[derive(Clone, Copy)]
pub struct ActionAsk<'a> {
    /// The connector.
    pub connector: &'a Connector,
    /// The action's name, as the connector itself has it.
    pub action: &'a str,
    /// What it does to the world.
    pub class: ActionClass,
    /// Whether the arguments of the call meet a rule; none where there are no arguments yet, as in a list.
    pub meets: Option<&'a dyn Fn(&ArgumentRule) -> bool>,
}

impl std::fmt::Debug for ActionAsk<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("ActionAsk")
            .field("connector", &self.connector.name)
            .field("action", &self.action)
            .field("class", &self.class)
            .finish_non_exhaustive()
    }
}

/// What had a say in a decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Determined {
    /// An entry, by its name.
    Entry(String),
    /// A rule of an entry on the argument at a place.
    Argument {
        /// The entry.
        entry: String,
        /// The place.
        at: String,
    },
    /// The ceiling of a class of data behind the connector.
    Ceiling {
        /// The connector.
        connector: String,
        /// The class of data.
        data: DataClass,
    },
    /// Nothing permits it.
    Default,
}

/// Where an action stands for a caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Whether it may be done.
    pub state: ActionState,
    /// Who approves, where it is asked.
    pub approver: Approver,
    /// Everything that determined the state, in the order of the document.
    pub by: Vec<Determined>,
    /// The policy version that says so.
    pub policy_version: u64,
}

impl CallerPolicy {
    /// The connector of this name, if it exists for the caller and something there is permitted.
    pub fn connector(&self, name: &str) -> Option<&Arc<Connector>> {
        let found = self.connectors.iter().find(|known| known.name == name)?;
        self.permits_anything_at(found).then_some(found)
    }

    /// The connectors of which something is permitted, in the order of the document.
    pub fn reachable(&self) -> impl Iterator<Item = &Arc<Connector>> {
        let all = self.connectors.iter();
        all.filter(|connector| self.permits_anything_at(connector))
    }

    fn permits_anything_at(&self, connector: &Connector) -> bool {
        self.actions.iter().any(|known| {
            known.permits
                && known.entry.state != ActionState::Blocked
                && known.entry.is_at(&connector.name)
        })
    }

    /// Whether the caller may speak to connectors at all: what is demanded of every request.
    pub fn admit_to_any(&self, caller: &Caller, ask: &Ask<'_>) -> Result<(), Refusal> {
        Refusal::from_reasons(self.unmet(caller, ask)).map_or(Ok(()), Err)
    }

    fn unmet(&self, caller: &Caller, ask: &Ask<'_>) -> Vec<Reason> {
        let mut reasons = Vec::new();
        for require in &self.requires {
            unmet(require, caller, ask, &mut reasons);
        }
        reasons
    }

    /// Whether the caller may speak to a connector at all: what is demanded of every request, and that there is such a connector for
    /// them. One that there is not and one that is not for them are the same answer.
    pub fn admit(
        &self,
        caller: &Caller,
        ask: &Ask<'_>,
        connector: &str,
    ) -> Result<&Arc<Connector>, Refusal> {
        let mut reasons = self.unmet(caller, ask);
        let found = self.connector(connector);
        if found.is_none() {
            reasons.insert(0, Reason::plain(ReasonCode::ConnectorNotAvailable));
        }
        match (Refusal::from_reasons(reasons), found) {
            (None, Some(found)) => Ok(found),
            (Some(refusal), _) => Err(refusal),
            (None, None) => Err(Refusal::plain(ReasonCode::ConnectorNotAvailable)),
        }
    }

    /// Where an action stands.
    pub fn standing(&self, ask: &ActionAsk<'_>) -> Standing {
        let mut votes = Votes::default();
        for known in &self.actions {
            if let Some(how) = concerns(&known.entry, ask) {
                votes.hear(known, how, ask);
            }
        }
        if !votes.is_permitted || !is_action_name(ask.action) {
            votes.vote(ActionState::Blocked, Determined::Default);
        }
        if let Some(data) = ask.connector.ceiling(ask.class) {
            let connector = ask.connector.name.clone();
            votes.vote(
                ActionState::Blocked,
                Determined::Ceiling { connector, data },
            );
        }
        votes.counted(self.version)
    }
}

/// How an entry is about an action.
#[derive(Clone, Copy, PartialEq, Eq)]
enum How {
    /// By its name or its class.
    Named,
    /// By a name that only looks otherwise.
    Alike,
}

fn concerns(entry: &Action, ask: &ActionAsk<'_>) -> Option<How> {
    let mut patterns = entry.actions.iter();
    if !entry.is_at(&ask.connector.name) {
        None
    } else if entry.classes.contains(&ask.class) || patterns.clone().any(|p| p.matches(ask.action))
    {
        Some(How::Named)
    } else {
        patterns
            .any(|p| p.resembles(ask.action))
            .then_some(How::Alike)
    }
}

/// What each entry says, gathered.
#[derive(Default)]
struct Votes {
    all: Vec<(ActionState, Determined)>,
    asked: Option<Approver>,
    is_permitted: bool,
}

impl Votes {
    fn vote(&mut self, state: ActionState, by: Determined) {
        self.all.push((state, by));
    }

    fn hear(&mut self, known: &CallerAction, how: How, ask: &ActionAsk<'_>) {
        let entry = &known.entry;
        if entry.state == ActionState::Allow && how == How::Alike && entry.argument.is_empty() {
            return;
        }
        self.is_permitted |=
            known.permits && how == How::Named && entry.state != ActionState::Blocked;
        let before = self.all.len();
        self.vote(entry.state, Determined::Entry(entry.name.clone()));
        if let Some(meets) = ask.meets {
            for (state, at) in narrowed(&entry.argument, meets) {
                let entry = entry.name.clone();
                self.vote(state, Determined::Argument { entry, at });
            }
        }
        if self.all[before..]
            .iter()
            .any(|(state, _)| *state == ActionState::Ask)
        {
            let approver = entry.approver.clone();
            self.asked = Some(match self.asked.take() {
                Some(asked) => asked.and(approver),
                None => approver,
            });
        }
    }

    fn counted(self, policy_version: u64) -> Standing {
        let states = self.all.iter().map(|(state, _)| *state);
        let state = states.max().unwrap_or(ActionState::Blocked);
        let by = self.all.into_iter().filter(|(voted, _)| *voted == state);
        Standing {
            state,
            approver: self.asked.unwrap_or_default(),
            by: by.map(|(_, by)| by).collect(),
            policy_version,
        }
    }
}

/// What the rules on arguments say: those that are met, and each place where something is allowed and nothing is met.
fn narrowed(
    rules: &[ArgumentRule],
    meets: &dyn Fn(&ArgumentRule) -> bool,
) -> Vec<(ActionState, String)> {
    let mut said = Vec::new();
    let (mut listed, mut met) = (BTreeSet::new(), BTreeSet::new());
    for rule in rules {
        if rule.then == ActionState::Allow {
            listed.insert(&*rule.at);
        }
        if meets(rule) {
            met.insert(&*rule.at);
            if rule.then != ActionState::Allow {
                said.push((rule.then, rule.at.clone()));
            }
        }
    }
    for at in listed.difference(&met) {
        said.push((ActionState::Blocked, (*at).to_owned()));
    }
    said
}

#[cfg(test)]
#[path = "reach_tests.rs"]
mod tests;
