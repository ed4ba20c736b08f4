//! What another policy would change for whom: both are decided for everybody who is known, and what differs is told with the number of
//! those it concerns, out of how many, and the first of them by name. Pure: the same policies and people give the same answer, and
//! nothing is guessed. Used by [`super::rehearse`].

use std::collections::{BTreeMap, BTreeSet};

use domain::connectors::ActionState;
use domain::policy::{Budget, BudgetFor, CallerPolicy, InspectAction, Limit, Require, Who};
use domain::window::Period;
use domain::{Policy, Subject, Usd};

use super::everyone::{Everyone, Known};
use super::reached::{Listed, Reached};

/// People or services that are named; the rest are counted.
pub const NAMED_MAX: usize = 5;
/// Groups that are named.
const GROUPS_NAMED_MAX: usize = 3;

/// A cap of one's own in a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cap {
    /// How much.
    pub amount: Usd,
    /// Whether it refuses, or only warns.
    pub is_hard: bool,
}

/// The least of each limit that concerns somebody; none where nothing bounds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Pace {
    /// Requests a minute.
    pub requests: Option<u64>,
    /// Input tokens a minute.
    pub input_tokens: Option<u64>,
    /// Output tokens a minute.
    pub output_tokens: Option<u64>,
    /// Requests at the same time.
    pub at_once: Option<u64>,
}

/// One thing that becomes otherwise for somebody. In the order in which it is told: what is lost first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// Models that are theirs no more.
    Loses(Vec<String>),
    /// Models that become theirs.
    Gains(Vec<String>),
    /// Their own budget of a period.
    Budget {
        /// The period.
        period: Period,
        /// What bounds it now.
        before: Option<Cap>,
        /// What would.
        after: Option<Cap>,
    },
    /// How much they may do in a minute.
    Pace {
        /// Now.
        before: Pace,
        /// Then.
        after: Pace,
    },
    /// The regions that their data must stay in; none for any.
    Regions {
        /// Now.
        before: Option<BTreeSet<String>>,
        /// Then.
        after: Option<BTreeSet<String>>,
    },
    /// What is demanded of their programs, networks and issuers.
    Demands,
    /// What is looked for in what they send.
    Inspection,
    /// They must accept the acceptable-use policy, or need not any more.
    AcceptableUse {
        /// Whether it would be demanded.
        demanded: bool,
    },
    /// What Claude Code receives.
    ManagedSettings,
    /// What Claude Desktop receives.
    DesktopSettings,
    /// Connectors that are theirs no more.
    LosesConnectors(Vec<String>),
    /// Connectors that become theirs.
    GainsConnectors(Vec<String>),
    /// Actions of a connector that stand otherwise.
    Actions {
        /// The connector.
        connector: String,
        /// How they stand now.
        before: ActionState,
        /// And then.
        after: ActionState,
        /// The actions.
        actions: Vec<String>,
    },
    /// What is said of arguments and approvers at their connectors, of actions that are not listed, or how these are reached.
    AtConnectors,
}

/// Whether somebody is better off, worse off, or only otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// They lose something.
    Worse,
    /// They gain something.
    Better,
    /// Neither can be said.
    Otherwise,
}

impl Effect {
    /// Which way it turns.
    pub fn turn(&self) -> Turn {
        match self {
            Self::Loses(_) | Self::LosesConnectors(_) | Self::AcceptableUse { demanded: true } => {
                Turn::Worse
            }
            Self::Gains(_) | Self::GainsConnectors(_) | Self::AcceptableUse { demanded: false } => {
                Turn::Better
            }
            Self::Budget { before, after, .. } => {
                if is_tighter(*before, *after) {
                    Turn::Worse
                } else {
                    Turn::Better
                }
            }
            Self::Actions { before, after, .. } if after > before => Turn::Worse,
            Self::Actions { .. } => Turn::Better,
            Self::Pace { .. }
            | Self::Regions { .. }
            | Self::Demands
            | Self::Inspection
            | Self::ManagedSettings
            | Self::DesktopSettings
            | Self::AtConnectors => Turn::Otherwise,
        }
    }
}

/// Whether the second of two caps that differ leaves less than the first.
fn is_tighter(before: Option<Cap>, after: Option<Cap>) -> bool {
    match (before, after) {
        (_, None) => false,
        (None, Some(_)) => true,
        (Some(before), Some(after)) if before.is_hard == after.is_hard => {
            after.amount < before.amount
        }
        (Some(_), Some(after)) => after.is_hard,
    }
}

/// Whom something concerns.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Whom {
    /// How many.
    pub count: u64,
    /// The first of them: id and name.
    pub first: Vec<(String, String)>,
    /// The groups with most of them: name, how many of it, and how many are in it.
    pub groups: Vec<(String, u64, u64)>,
}

/// An effect and whom it concerns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Touched {
    /// What becomes otherwise.
    pub effect: Effect,
    /// For which people.
    pub people: Whom,
    /// For which services.
    pub services: Whom,
}

/// A budget that several share, which becomes otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shared {
    /// Its name.
    pub name: String,
    /// Its period.
    pub period: Period,
    /// What it is now; none where it is new.
    pub before: Option<Cap>,
    /// What it would be; none where it goes.
    pub after: Option<Cap>,
}

/// Everything that would become otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Blast {
    /// For each effect, whom it concerns; what is lost first.
    pub touched: Vec<Touched>,
    /// People for whom anything changes.
    pub people: u64,
    /// Those of them who lose something.
    pub worse: u64,
    /// Those of them who gain something.
    pub better: u64,
    /// Services for which anything changes.
    pub services: u64,
    /// Budgets that several share.
    pub shared: Vec<Shared>,
}

/// Decides both for everybody, and tells what differs. Models are those that are known here, actions those that connectors were last seen
/// to list; a pattern may cover more.
pub fn effects(
    before: &Policy,
    after: &Policy,
    everyone: &Everyone,
    models: &[String],
    actions: &[Listed],
) -> Blast {
    let mut reached = Reached::new(actions);
    let mut blast = Blast {
        shared: shared(before, after),
        ..Blast::default()
    };
    let mut sums: BTreeMap<Effect, (Gathered, Gathered)> = BTreeMap::new();
    for (number, known) in everyone.all().enumerate() {
        let found = differences((before, after), known, models, &mut reached);
        if found.is_empty() {
            continue;
        }
        let is_person = matches!(known.caller.subject, Subject::Person(_));
        if is_person {
            let turns = |turn| u64::from(found.iter().any(|effect| effect.turn() == turn));
            blast.people += 1;
            blast.worse += turns(Turn::Worse);
            blast.better += turns(Turn::Better);
        } else {
            blast.services += 1;
        }
        for effect in found {
            let (people, services) = sums.entry(effect).or_default();
            (if is_person { people } else { services }).add(number, known);
        }
    }
    let sizes = group_sizes(&everyone.people);
    let touched = together_for_the_same(sums)
        .into_iter()
        .map(|(effect, (people, services))| Touched {
            effect,
            people: people.whom(&sizes),
            services: services.whom(&BTreeMap::new()),
        });
    blast.touched = touched.collect();
    blast
}

/// Models that the same people and services lose, or gain, are told at once.
fn together_for_the_same(
    sums: BTreeMap<Effect, (Gathered, Gathered)>,
) -> Vec<(Effect, (Gathered, Gathered))> {
    let mut told: Vec<(Effect, (Gathered, Gathered))> = Vec::new();
    for (effect, whom) in sums {
        let same = told.iter_mut().find(|(_, known)| {
            known.0.members == whom.0.members && known.1.members == whom.1.members
        });
        match (same.map(|(known, _)| known), &effect) {
            (Some(Effect::Loses(known)), Effect::Loses(models))
            | (Some(Effect::Gains(known)), Effect::Gains(models)) => {
                known.extend(models.iter().cloned());
            }
            _ => told.push((effect, whom)),
        }
    }
    told
}

/// Those whom one effect concerns, while they are counted.
#[derive(Debug, Default)]
struct Gathered {
    /// Their numbers in the order in which everybody is looked at.
    members: Vec<usize>,
    count: u64,
    first: Vec<(String, String)>,
    groups: BTreeMap<String, u64>,
}

impl Gathered {
    fn add(&mut self, number: usize, known: &Known) {
        self.members.push(number);
        self.count += 1;
        if self.first.len() < NAMED_MAX {
            self.first.push((known.id(), known.name.clone()));
        }
        for group in &known.caller.groups {
            *self.groups.entry(group.clone()).or_default() += 1;
        }
    }

    fn whom(self, sizes: &BTreeMap<&str, u64>) -> Whom {
        let mut groups: Vec<(String, u64, u64)> = self
            .groups
            .into_iter()
            .filter_map(|(name, count)| {
                let size = *sizes.get(name.as_str())?;
                Some((name, count, size))
            })
            .collect();
        groups.sort_by_key(|(_, count, size)| (std::cmp::Reverse(*count), *size));
        groups.truncate(GROUPS_NAMED_MAX);
        Whom {
            count: self.count,
            first: self.first,
            groups,
        }
    }
}

fn group_sizes(people: &[Known]) -> BTreeMap<&str, u64> {
    let mut sizes = BTreeMap::new();
    for group in people.iter().flat_map(|known| &known.caller.groups) {
        *sizes.entry(group.as_str()).or_default() += 1;
    }
    sizes
}

/// What becomes otherwise for one of them.
fn differences(
    (before, after): (&Policy, &Policy),
    known: &Known,
    models: &[String],
    reached: &mut Reached<'_>,
) -> Vec<Effect> {
    let caller = &known.caller;
    let (old, new) = (before.for_caller(caller), after.for_caller(caller));
    let mut found = Vec::new();
    for model in models {
        match (old.grants_model(model), new.grants_model(model)) {
            (true, false) => found.push(Effect::Loses(vec![model.clone()])),
            (false, true) => found.push(Effect::Gains(vec![model.clone()])),
            _ => {}
        }
    }
    for period in Period::ALL {
        let (before, after) = (cap(&old, period), cap(&new, period));
        if before != after {
            found.push(Effect::Budget {
                period,
                before,
                after,
            });
        }
    }
    let (paced, pace) = (least(&old.limits), least(&new.limits));
    if paced != pace {
        found.push(Effect::Pace {
            before: paced,
            after: pace,
        });
    }
    let (kept, keeps) = (old.regions(), new.regions());
    if kept != keeps {
        found.push(Effect::Regions {
            before: kept,
            after: keeps,
        });
    }
    let is_demanded = |rules: &CallerPolicy| rules.acceptable_use.is_some();
    if is_demanded(&old) != is_demanded(&new) {
        found.push(Effect::AcceptableUse {
            demanded: is_demanded(&new),
        });
    }
    for (differs, effect) in [
        (demands(&old) != demands(&new), Effect::Demands),
        (inspections(&old) != inspections(&new), Effect::Inspection),
        (
            before.managed_settings(caller) != after.managed_settings(caller)
                || before.is_closed(caller) != after.is_closed(caller),
            Effect::ManagedSettings,
        ),
        (
            before.desktop_settings(caller) != after.desktop_settings(caller),
            Effect::DesktopSettings,
        ),
    ] {
        if differs {
            found.push(effect);
        }
    }
    reached.differences(&old, &new, &mut found);
    found
}

fn cap(rules: &CallerPolicy, period: Period) -> Option<Cap> {
    rules.own_budget(period).map(cap_of)
}

fn cap_of(budget: &Budget) -> Cap {
    Cap {
        amount: budget.amount_usd,
        is_hard: budget.hard,
    }
}

fn least(limits: &[Limit]) -> Pace {
    let of = |part: fn(&Limit) -> Option<u64>| limits.iter().filter_map(part).min();
    Pace {
        requests: of(|limit| limit.requests_per_minute.map(u64::from)),
        input_tokens: of(|limit| limit.input_tokens_per_minute),
        output_tokens: of(|limit| limit.output_tokens_per_minute),
        at_once: of(|limit| limit.concurrent_requests.map(u64::from)),
    }
}

/// What is demanded, without the names of who demands it; what demands nothing is left out.
fn demands(rules: &CallerPolicy) -> Vec<Require> {
    let nameless = rules.requires.iter().map(|require| Require {
        name: String::new(),
        who: Who::default(),
        ..require.clone()
    });
    nameless
        .filter(|require| {
            !(require.clients.is_empty()
                && require.min_version.is_empty()
                && require.networks.is_empty()
                && require.issuers.is_empty())
        })
        .collect()
}

/// What is looked for, what follows, and from which confidence on.
fn inspections(rules: &CallerPolicy) -> BTreeSet<(&str, InspectAction, u8)> {
    let mut found = BTreeSet::new();
    for inspect in &rules.inspects {
        for detector in &inspect.detectors {
            found.insert((detector.as_str(), inspect.action, inspect.min_confidence));
        }
    }
    found
}

/// Budgets for several together that come, go, or become otherwise.
fn shared(before: &Policy, after: &Policy) -> Vec<Shared> {
    type Key<'p> = (&'p str, Period, BudgetFor);
    let mut found: BTreeMap<Key<'_>, (Option<Cap>, Option<Cap>)> = BTreeMap::new();
    for budget in together(before) {
        let key = (budget.name.as_str(), budget.period, budget.scope);
        found.entry(key).or_default().0 = Some(cap_of(budget));
    }
    for budget in together(after) {
        let key = (budget.name.as_str(), budget.period, budget.scope);
        found.entry(key).or_default().1 = Some(cap_of(budget));
    }
    found
        .into_iter()
        .filter(|(_, (before, after))| before != after)
        .map(|((name, period, _), (before, after))| Shared {
            name: name.to_owned(),
            period,
            before,
            after,
        })
        .collect()
}

fn together(policy: &Policy) -> impl Iterator<Item = &Budget> {
    let budgets = policy.document().budget.iter();
    budgets.filter(|budget| !budget.is_own())
}

#[cfg(test)]
#[path = "effects_tests.rs"]
mod tests;
