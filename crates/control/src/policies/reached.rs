//! What another policy would change at the connectors of somebody: which become theirs or cease to be, and which actions of those that
//! stay stand otherwise. Pure. Used by [`super::effects`].

use std::collections::{BTreeMap, BTreeSet};

use domain::connectors::{ActionClass, ActionState};
use domain::limits;
use domain::policy::{Action, ActionAsk, Approver, CallerAction, CallerPolicy, Connector, Who};

use super::effects::Effect;

/// An action that a connector was last seen to list.
#[derive(Debug, Clone)]
pub struct Listed {
    /// The connector.
    pub connector: String,
    /// Its name there.
    pub action: String,
    /// What it does to the world.
    pub class: ActionClass,
}

/// What rules say of connectors, without the names of who says it: how each is reached, and what is said of actions.
type Said = (Vec<Connector>, Vec<CallerAction>);

/// The listed actions, and what became otherwise for those who were looked at: most of them have the rules of somebody before them.
#[derive(Debug)]
pub(super) struct Reached<'l> {
    listed: &'l [Listed],
    known: Vec<(Said, Said, Vec<Effect>)>,
}

impl<'l> Reached<'l> {
    pub(super) fn new(listed: &'l [Listed]) -> Self {
        let known = Vec::new();
        Self { listed, known }
    }

    /// Which connectors become theirs or cease to be, and what else about them differs.
    pub(super) fn differences(
        &mut self,
        old: &CallerPolicy,
        new: &CallerPolicy,
        found: &mut Vec<Effect>,
    ) {
        let names = |rules: &CallerPolicy| -> BTreeSet<String> {
            rules.reachable().map(|known| known.name.clone()).collect()
        };
        let (had, has) = (names(old), names(new));
        let only = |some: &BTreeSet<String>, others: &BTreeSet<String>| -> Vec<String> {
            some.difference(others).cloned().collect()
        };
        let (lost, gained) = (only(&had, &has), only(&has, &had));
        let stays = |name: &String| had.contains(name) && has.contains(name);
        let (before, after) = (said(old, &stays), said(new, &stays));
        if before != after {
            found.extend(self.of_those_that_stay((old, before), (new, after)));
        }
        if !lost.is_empty() {
            found.push(Effect::LosesConnectors(lost));
        }
        if !gained.is_empty() {
            found.push(Effect::GainsConnectors(gained));
        }
    }

    fn of_those_that_stay(
        &mut self,
        (old, before): (&CallerPolicy, Said),
        (new, after): (&CallerPolicy, Said),
    ) -> Vec<Effect> {
        let mut known = self.known.iter();
        if let Some((.., effects)) = known.find(|(b, a, _)| (b, a) == (&before, &after)) {
            return effects.clone();
        }
        if self.known.len() >= limits::POLICY_RULE_SETS_MAX {
            return vec![Effect::AtConnectors];
        }
        let mut effects = Vec::new();
        for connector in &before.0 {
            self.at((old, new), &connector.name, &mut effects);
        }
        if effects.is_empty() || beside_states(&before) != beside_states(&after) {
            effects.push(Effect::AtConnectors);
        }
        self.known.push((before, after, effects.clone()));
        effects
    }

    /// The listed actions of one connector that stand otherwise, those together that do in the same way.
    fn at(&self, rules: (&CallerPolicy, &CallerPolicy), connector: &str, to: &mut Vec<Effect>) {
        let state = |rules: &CallerPolicy, listed: &Listed| {
            rules
                .connector(connector)
                .map_or(ActionState::Blocked, |connector| {
                    let ask = ActionAsk {
                        connector,
                        action: &listed.action,
                        class: listed.class,
                        meets: None,
                    };
                    rules.standing(&ask).state
                })
        };
        let mut turned: BTreeMap<(ActionState, ActionState), Vec<String>> = BTreeMap::new();
        for one in self.listed.iter().filter(|one| one.connector == connector) {
            let (before, after) = (state(rules.0, one), state(rules.1, one));
            if before != after {
                let actions = turned.entry((before, after)).or_default();
                actions.push(one.action.clone());
            }
        }
        to.extend(turned.into_iter().map(|((before, after), actions)| {
            let connector = connector.to_owned();
            Effect::Actions {
                connector,
                before,
                after,
                actions,
            }
        }));
    }
}

/// How the connectors that stay are reached, and what is said of their actions.
fn said(rules: &CallerPolicy, stays: &dyn Fn(&String) -> bool) -> Said {
    let reached = rules.connectors.iter().filter(|known| stays(&known.name));
    let reached: Vec<Connector> = reached
        .map(|known| Connector {
            who: Who::default(),
            ..Connector::clone(known)
        })
        .collect();
    let about = rules.actions.iter().filter(|known| {
        reached
            .iter()
            .any(|connector| known.entry.is_at(&connector.name))
    });
    let about = about.map(|known| CallerAction {
        entry: Action {
            name: String::new(),
            who: Who::default(),
            ..known.entry.clone()
        },
        permits: known.permits,
    });
    let about = about.collect();
    (reached, about)
}

/// What of it no state of an action shows.
fn beside_states((reached, about): &Said) -> (&[Connector], Vec<&CallerAction>) {
    let more = about.iter().filter(|known| {
        let entry = &known.entry;
        !entry.argument.is_empty() || entry.approver != Approver::default()
    });
    (reached, more.collect())
}
