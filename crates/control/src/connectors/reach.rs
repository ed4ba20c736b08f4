//! Who may do what at a connector: the decision itself for each group that the policy names, and for oneself. Never a guess at it.

use std::collections::BTreeSet;

use actions::catalogue::Catalogue;
use actions::pin::{PinState, Served};
use domain::Policy;
use domain::connectors::{ActionClass, ActionState};
use domain::policy::CallerPolicy;
use domain::policy::reach::{ActionAsk, Determined};

use super::look::{Pin, Seen, of};
use super::reviewed_policy;
use crate::access::Right;
use crate::may_use::{caller_of, somebody};
use crate::{ControlError, Operation, people};

/// What one group may do with one action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    /// The state.
    pub state: ActionState,
    /// What determined it, in words.
    pub by: Vec<String>,
}

/// Each action for each group.
#[derive(Debug, Clone)]
pub struct Matrix {
    /// The policy version; 0 before the first.
    pub version: u64,
    /// Groups that an entry about this connector names, by name; last everybody who is in none of them.
    pub groups: Vec<Option<String>>,
    /// A row for each listed action, in their order: its place in the list of actions, and a cell for each group.
    pub rows: Vec<(usize, Vec<Cell>)>,
}

/// What each group may do. Of groups of several issuers the name alone counts.
pub async fn matrix(
    operation: &Operation<'_>,
    seen: &Seen,
    issuers_for_people: usize,
) -> Result<Matrix, ControlError> {
    operation.require(Right::PolicyRead)?;
    let policy = operation.policy().await?.among_issuers(issuers_for_people);
    let connector = &seen.summary.connector;
    let entries = policy
        .document()
        .action
        .iter()
        .filter(|entry| entry.is_at(&connector.name));
    let whose = entries.map(|entry| &entry.who).chain([&connector.who]);
    let names: BTreeSet<&String> = whose.flat_map(|who| &who.groups).collect();
    let groups: Vec<Option<String>> = names.into_iter().cloned().map(Some).chain([None]).collect();
    let callers = groups
        .iter()
        .map(|group| rules_of(operation, &policy, group.as_ref()));
    let callers: Vec<CallerPolicy> = callers.collect();
    let rows = seen.listed().map(|(at, pin)| {
        let cells = callers
            .iter()
            .map(|rules| cell(rules, &connector.name, &pin.name, pin.class));
        (at, cells.collect())
    });
    Ok(Matrix {
        version: policy.version,
        rows: rows.collect(),
        groups,
    })
}

/// What somebody who is in this group alone may do with each listed action; in none, where none is given.
pub async fn of_group(
    operation: &Operation<'_>,
    seen: &Seen,
    issuers_for_people: usize,
    group: Option<&String>,
) -> Result<Vec<(usize, Cell)>, ControlError> {
    operation.require(Right::PolicyRead)?;
    let policy = operation.policy().await?.among_issuers(issuers_for_people);
    let rules = rules_of(operation, &policy, group);
    let name = &seen.summary.connector.name;
    let cells = seen.listed();
    let cells = cells.map(|(at, pin)| (at, cell(&rules, name, &pin.name, pin.class)));
    Ok(cells.collect())
}

fn rules_of(operation: &Operation<'_>, policy: &Policy, group: Option<&String>) -> CallerPolicy {
    let groups = group.into_iter().cloned().collect();
    policy.for_caller(&somebody(operation.org, "", "", groups))
}

fn cell(rules: &CallerPolicy, connector: &str, action: &str, class: ActionClass) -> Cell {
    let Some(connector) = rules.connector(connector) else {
        return Cell {
            state: ActionState::Blocked,
            by: vec!["nothing permits it".to_owned()],
        };
    };
    let standing = rules.standing(&ActionAsk {
        connector,
        action,
        class,
        meets: None,
    });
    Cell {
        state: standing.state,
        by: standing.by.iter().map(said).collect(),
    }
}

fn said(determined: &Determined) -> String {
    match determined {
        Determined::Entry(name) => name.clone(),
        Determined::Argument { entry, at } => format!("{entry}, by the argument {at}"),
        Determined::Ceiling { data, .. } => format!("the ceiling for {data}"),
        Determined::Default => "nothing permits it".to_owned(),
    }
}

/// One action that somebody may do.
#[derive(Debug, Clone)]
pub struct OwnAction {
    /// The action.
    pub pin: Pin,
    /// Whether at once, or after an approval.
    pub cell: Cell,
}

/// A connector that somebody may reach.
#[derive(Debug, Clone)]
pub struct OwnConnector {
    /// Its name.
    pub name: String,
    /// What people call it.
    pub title: String,
    /// What they may do there.
    pub may: Vec<OwnAction>,
    /// How many of its listed actions they may not do.
    pub not: usize,
}

/// What one may do oneself, and why.
pub async fn own(
    operation: &Operation<'_>,
    issuers_for_people: usize,
) -> Result<Vec<OwnConnector>, ControlError> {
    operation.require(Right::OwnRead)?;
    let person = people::own(operation).await?;
    let policy = reviewed_policy(operation)
        .await?
        .among_issuers(issuers_for_people);
    let rules = policy.for_caller(&caller_of(&person));
    let catalogue = Catalogue::shipped();
    let mut found = Vec::new();
    for connector in rules.reachable() {
        let seen = of(operation, (**connector).clone(), &catalogue).await?;
        let (mut may, mut not) = (Vec::new(), 0);
        for pin in seen.actions {
            let cell = cell(&rules, &connector.name, &pin.name, pin.class);
            match (cell.state, pin.served) {
                _ if pin.state == PinState::Removed => {}
                (ActionState::Blocked, _) | (_, Served::Nothing) => not += 1,
                _ => may.push(OwnAction { pin, cell }),
            }
        }
        found.push(OwnConnector {
            name: connector.name.clone(),
            title: connector.title().to_owned(),
            may,
            not,
        });
    }
    Ok(found)
}
