//! The connectors that one may reach, what one may do there, and by which entries of the policy: the decision itself, for oneself.

use control::connectors;
use domain::connectors::ActionState;

use crate::pages::parts::{State, Tone, state};
use crate::pages::show::{self, Said};
use crate::pages::visit::Visitor;
use crate::pages::wrong::Wrong;

/// Actions of one connector that are named; the rest is counted.
const ACTIONS_SHOWN: usize = 20;

/// A connector that one may reach.
#[derive(Debug, Clone)]
pub struct ReachLine {
    /// What people call it.
    pub title: Said,
    /// What one may do there, at most [`ACTIONS_SHOWN`] of it: the action, its state, and why.
    pub may: Vec<(Said, State, Said)>,
    /// What is not named.
    pub rest: String,
    /// Where one asks for more; none where one may do everything that it lists.
    pub ask: Option<String>,
}

/// The connectors that one may reach.
pub async fn own(visitor: &Visitor) -> Result<Vec<ReachLine>, Wrong> {
    let issuers = visitor.console().rules.issuers_for_people();
    let found = connectors::own(&visitor.operation(), issuers).await?;
    let line = |connector: connectors::OwnConnector| ReachLine {
        title: Said::from(&connector.title),
        rest: rest(connector.may.len(), connector.not),
        // A connector's name is a part of an address as it is.
        ask: (connector.not > 0).then(|| format!("/me/ask?for=action&thing={}", connector.name)),
        may: connector
            .may
            .iter()
            .take(ACTIONS_SHOWN)
            .map(|action| {
                let why = action.cell.by.join("; ");
                (
                    Said::from(&action.pin.name),
                    word(action.cell.state),
                    Said::from(why),
                )
            })
            .collect(),
    };
    Ok(found.into_iter().map(line).collect())
}

/// The connectors that one may reach: name and title.
pub async fn names(visitor: &Visitor) -> Result<Vec<(String, Said)>, Wrong> {
    let issuers = visitor.console().rules.issuers_for_people();
    let found = connectors::own(&visitor.operation(), issuers).await?;
    let named = |connector: connectors::OwnConnector| {
        let title = Said::from(&connector.title);
        (connector.name, title)
    };
    Ok(found.into_iter().map(named).collect())
}

fn word(of: ActionState) -> State {
    match of {
        ActionState::Allow => state(Tone::Allow, "Always"),
        ActionState::Ask => state(Tone::Ask, "After an approval"),
        ActionState::Blocked => state(Tone::Stop, "Blocked"),
    }
}

fn rest(may: usize, not: usize) -> String {
    let mut says = Vec::new();
    if may > ACTIONS_SHOWN {
        says.push(format!("and {} more", may - ACTIONS_SHOWN));
    }
    if may + not == 0 {
        says.push("it has listed nothing yet".to_owned());
    } else if not > 0 {
        let actions = show::counted(not as u64, "action is", "actions are");
        says.push(format!("{actions} not for you, or not reviewed yet"));
    }
    says.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_named_is_counted() {
        for (may, not, expected) in [
            (0, 0, "it has listed nothing yet"),
            (3, 0, ""),
            (3, 1, "1 action is not for you, or not reviewed yet"),
            (
                25,
                2,
                "and 5 more, 2 actions are not for you, or not reviewed yet",
            ),
        ] {
            assert_eq!(rest(may, not), expected);
        }
    }
}
