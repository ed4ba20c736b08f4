//! A draft held against the version in force, before anybody is affected: what would go and come in the text, who would gain or lose
//! what, which programs of lately would be refused; and one decision by both, with the lines of the rules that decided. Called by the
//! console's pages. Changes nothing.

use std::sync::Arc;

use actions::pin::place;
use domain::connectors::{ActionClass, DefinitionKind};
use domain::policy::{ActionAsk, Budget, Connector, Determined, Permit, Standing};
use domain::{Policy, Reason, ReasonCode, Refusal, limits};
use store::SpendLimit;
use tokio::sync::Semaphore;

use super::effects::{Blast, effects};
use super::everyone::{Known, everyone};
use super::places::{self, Place, Section};
use super::programs::{Programs, programs};
use super::reached::Listed;
use super::{Examine, Plan, plan};
use crate::access::Right;
use crate::connectors::as_reviewed;
use crate::may_use::{self, Tried};
use crate::{ControlError, Operation, people};

/// Values of a policy's text that weigh as much as one entry more.
const VALUES_OF_A_LOOK: usize = 8;

/// Rules that are told of one decision.
pub const RULES_MAX: usize = 50;

/// What a draft would do.
#[derive(Debug, Clone)]
pub struct Rehearsal {
    /// The texts.
    pub plan: Plan,
    /// Who gains or loses what.
    pub blast: Blast,
    /// Programs of lately; none where who asks may not read the ledger.
    pub programs: Option<Programs>,
    /// How many people who may come in it was decided for.
    pub people: u64,
    /// How many services; none where who asks may not see them.
    pub services: Option<u64>,
    /// How many actions of connectors.
    pub actions: usize,
    /// Whether there are more of either than were looked at.
    pub is_cut: bool,
}

/// What is known of this installation.
#[derive(Debug, Clone, Copy)]
pub struct Here<'h> {
    /// What would keep a policy from doing what it says.
    pub examine: &'h dyn Examine,
    /// How many issuers vouch for people.
    pub issuers_for_people: usize,
    /// The models that are configured.
    pub models: &'h [String],
    /// Turns of deciding for everybody, [`limits::REHEARSALS_AT_ONCE`].
    pub turns: &'h Arc<Semaphore>,
}

/// Plans a text and decides it for everybody, beside the spend limits that stand.
pub async fn rehearse(
    operation: &Operation<'_>,
    text: &str,
    here: Here<'_>,
) -> Result<Rehearsal, ControlError> {
    operation.require(Right::PolicyRead)?;
    operation.require(Right::PeopleRead)?;
    let taken = |_| ControlError::Busy("other drafts are being looked at; try again in a moment");
    let turn = Arc::clone(here.turns).try_acquire_owned().map_err(taken)?;
    let plan = plan(operation, text, here.examine).await?;
    let limits = operation.store.spend_limits(operation.org).await?;
    let limits: Vec<Budget> = limits.iter().flat_map(SpendLimit::budgets).collect();
    let stands = |policy: Policy| {
        let policy = policy.among_issuers(here.issuers_for_people);
        policy.with_spend_limits(limits.clone())
    };
    let (text, before) = in_force(operation).await?;
    let before = stands(before);
    let after = stands(Policy::parse(plan.current + 1, &plan.text)?);
    let looks = looks(&before, &text) + looks(&after, &plan.text);
    let everyone = everyone(operation, looks).await?;
    let models = here.models.to_vec();
    let actions = listed(operation, &before, &after).await?;
    let listed = actions.len();
    // Beside the requests of others: it may take a second, and anybody who reads the policy may ask for it.
    let decided = tokio::task::spawn_blocking(move || {
        // Until it is decided, also when whoever asked has left.
        let _turn = turn;
        let blast = effects(&before, &after, &everyone, &models, &actions);
        (blast, before, after, everyone)
    });
    let decided = decided.await;
    let broken = |_| ControlError::Busy("it could not be decided for everybody; look again");
    let (blast, before, after, everyone) = decided.map_err(broken)?;
    Ok(Rehearsal {
        blast,
        programs: programs(operation, (&before, &after), &everyone).await?,
        people: everyone.people_count(),
        services: everyone
            .services
            .is_some()
            .then(|| everyone.services_count()),
        is_cut: everyone.is_cut,
        actions: listed,
        plan,
    })
}

/// What the connectors of both were last seen to list.
async fn listed(
    operation: &Operation<'_>,
    before: &Policy,
    after: &Policy,
) -> Result<Vec<Listed>, ControlError> {
    let mut found = Vec::new();
    let stays = |one: &&Connector| {
        let mut those = after.document().connector.iter();
        those.any(|other| other.name == one.name)
    };
    for connector in before.document().connector.iter().filter(stays) {
        let (name, place) = (&*connector.name, place(connector));
        let rows = operation.store.connector_definitions(
            operation.org,
            (name, &place),
            DefinitionKind::Tool,
        );
        let rows = rows.await?.into_iter().filter(|row| row.listed);
        found.extend(rows.map(|row| Listed {
            connector: name.to_owned(),
            action: row.seen.name,
            class: row.seen.class,
        }));
        if found.len() > limits::POLICY_ACTIONS_MAX {
            found.truncate(limits::POLICY_ACTIONS_MAX);
            break;
        }
    }
    Ok(found)
}

/// What deciding by a policy for one person costs: its entries, and a share of everything that is listed in them, which is looked
/// through and copied for each.
fn looks(policy: &Policy, text: &str) -> usize {
    let document = policy.document();
    let entries = document.grant.len()
        + document.require.len()
        + document.limit.len()
        + document.budget.len()
        + document.inspect.len()
        + document.managed_settings.len()
        + document.desktop_settings.len()
        + document.connector.len()
        + document.action.len();
    let table: Result<toml::Value, _> = toml::from_str(text);
    entries + table.map_or(text.len(), |table| values(&table)) / VALUES_OF_A_LOOK
}

fn values(value: &toml::Value) -> usize {
    match value {
        toml::Value::Array(list) => list.iter().map(values).sum(),
        toml::Value::Table(table) => table.values().map(values).sum(),
        _ => 1,
    }
}

/// The text and the rules of the version in force.
pub(crate) async fn in_force(operation: &Operation<'_>) -> Result<(String, Policy), ControlError> {
    match operation.store.latest_policy(operation.org).await? {
        Some(latest) => {
            let policy = Policy::parse(latest.version, &latest.text)?;
            Ok((latest.text, policy))
        }
        None => Ok((String::new(), Policy::empty())),
    }
}

/// The person of this id, stable id or e-mail address, or else the service of this name or id.
pub async fn somebody(operation: &Operation<'_>, text: &str) -> Result<Known, ControlError> {
    operation.require(Right::PolicyRead)?;
    match people::find(operation, text).await {
        Ok(person) => return Ok(Known::person(&person)),
        Err(ControlError::NoSuchPerson) => {}
        Err(error) => return Err(error),
    }
    let everyone = if operation.actor.may(Right::ServicesRead) {
        super::everyone::services(operation).await?.0
    } else {
        Vec::new()
    };
    let mut services = everyone.into_iter();
    let found = services.find(|known| known.name == text || known.id() == text);
    found.ok_or(ControlError::NoSuchPerson)
}

/// What is tried.
#[derive(Debug, Clone, Copy)]
pub enum Wanted<'q> {
    /// A model.
    Model(&'q str),
    /// An action of a connector, before anybody has looked at arguments.
    Action {
        /// The connector.
        connector: &'q str,
        /// The action.
        action: &'q str,
    },
}

/// What somebody may do.
#[derive(Debug, Clone)]
pub enum Allowed {
    /// They may use the model.
    Model(Permit),
    /// How the action stands, by what it does to the world; none of that where it is not listed.
    Action(Standing, Option<ActionClass>),
}

/// One decision, and what decided.
#[derive(Debug, Clone)]
pub struct Trial {
    /// The decision itself.
    pub decided: Result<Allowed, Refusal>,
    /// The entries that decided, as they are written.
    pub rules: Vec<Rule>,
}

/// An entry that decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Its list.
    pub section: Section,
    /// Its name.
    pub name: String,
    /// The line of its heading; none where it has no heading of its own.
    pub line: Option<usize>,
    /// Its text with the remark above it.
    pub text: String,
}

/// Decides one question by the rules of a text. Of more rules than people read the first are told.
async fn trial(
    operation: &Operation<'_>,
    (text, policy): (&str, Policy),
    (known, wanted, tried): (&Known, Wanted<'_>, Tried),
) -> Result<Trial, ControlError> {
    let decided = match wanted {
        Wanted::Model(model) => {
            may_use::decided(&policy, &known.caller, model, tried).map(Allowed::Model)
        }
        Wanted::Action { connector, action } => {
            let policy = as_reviewed(operation, policy).await?;
            let rules = policy.for_caller(&known.caller);
            match rules.admit(&known.caller, &tried.ask(None), connector) {
                Ok(connector) => {
                    let class = class_of(operation, connector, action).await?;
                    // What is not known to be less counts as destructive.
                    let ask = ActionAsk {
                        connector,
                        action,
                        class: class.unwrap_or(ActionClass::Destructive),
                        meets: None,
                    };
                    Ok(Allowed::Action(rules.standing(&ask), class))
                }
                Err(refusal) => Err(refusal),
            }
        }
    };
    let rules = rules(text, &decided);
    Ok(Trial { decided, rules })
}

/// What an action does to the world, as it was last seen where this policy has the connector.
async fn class_of(
    operation: &Operation<'_>,
    connector: &Connector,
    action: &str,
) -> Result<Option<ActionClass>, ControlError> {
    let place = place(connector);
    let at = (&*connector.name, &*place, DefinitionKind::Tool, action);
    let found = operation.store.connector_definition(operation.org, at);
    let listed = found.await?.filter(|found| found.listed);
    Ok(listed.map(|found| found.seen.class))
}

fn rules(text: &str, decided: &Result<Allowed, Refusal>) -> Vec<Rule> {
    let mut named: Vec<(Section, &str)> = match decided {
        Ok(Allowed::Model(permit)) => permit
            .granted_by
            .iter()
            .map(|name| (Section::Grant, name.as_str()))
            .collect(),
        Ok(Allowed::Action(standing, _)) => standing.by.iter().filter_map(entry_of).collect(),
        Err(refusal) => refusal.reasons().filter_map(rule_of).collect(),
    };
    named.dedup();
    named.truncate(RULES_MAX);
    let places = places::entries(text);
    let rules = named.into_iter().map(|(section, name)| {
        let is_it = |place: &&Place| place.section == section && place.name == name;
        let place = places.iter().find(is_it);
        Rule {
            section,
            name: name.to_owned(),
            line: place.map(|place| place.line),
            text: place.map_or_else(String::new, |place| {
                text[place.bytes.clone()].trim().to_owned()
            }),
        }
    });
    rules.collect()
}

/// The entry that had a say: of the connector itself where its data is why.
fn entry_of(determined: &Determined) -> Option<(Section, &str)> {
    match determined {
        Determined::Entry(name) | Determined::Argument { entry: name, .. } => {
            Some((Section::Action, name))
        }
        Determined::Ceiling { connector, .. } => Some((Section::Connector, connector)),
        Determined::Default => None,
    }
}

/// The two decisions for one question: by the version in force, and by a draft where there is one.
#[derive(Debug, Clone)]
pub struct Trials {
    /// The version in force; 0 before the first.
    pub version: u64,
    /// By it.
    pub now: Trial,
    /// By the draft.
    pub then: Option<Trial>,
}

/// Tries one question by the version in force and by a draft.
pub async fn tried_by_both(
    operation: &Operation<'_>,
    draft: Option<&str>,
    question: (&Known, Wanted<'_>, Tried),
    issuers_for_people: usize,
) -> Result<Trials, ControlError> {
    operation.require(Right::PolicyRead)?;
    let (text, policy) = in_force(operation).await?;
    let policy = policy.among_issuers(issuers_for_people);
    let then = match draft {
        Some(draft) if draft.len() <= limits::POLICY_BYTES_MAX => {
            let rules = Policy::parse(0, draft)?.among_issuers(issuers_for_people);
            Some(trial(operation, (draft, rules), question).await?)
        }
        _ => None,
    };
    Ok(Trials {
        version: policy.version,
        now: trial(operation, (&text, policy), question).await?,
        then,
    })
}

fn rule_of(reason: &Reason) -> Option<(Section, &str)> {
    let section = match reason.code {
        ReasonCode::ClientNotAllowed
        | ReasonCode::ClientTooOld
        | ReasonCode::NetworkNotAllowed
        | ReasonCode::IssuerNotAllowed => Section::Require,
        _ => Section::Grant,
    };
    Some((section, reason.rule.as_deref()?))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use domain::ClientKind;

    use super::*;
    use crate::policies::Someone;

    #[test]
    fn a_long_list_weighs_like_many_entries_so_that_fewer_people_are_decided_for() {
        let weight = |text: &str| looks(&Policy::parse(0, text).unwrap(), text);
        let grant = |models: usize| {
            let models = vec!["\"claude-*\""; models].join(",");
            format!("[[grant]]\nname = \"a\"\nmodels = [{models}]\n")
        };
        assert_eq!(weight(&grant(1)), 1);
        assert!(weight(&grant(8_000)) > 1_000);
    }

    #[test]
    fn of_more_rules_than_people_read_the_first_are_told() {
        let one = |number: usize| format!("[[grant]]\nname=\"{number}\"\nmodels=[\"*\"]\n");
        let many = limits::POLICY_PAGE_BYTES_MAX / one(9_999).len();
        let text: String = (0..many).map(one).collect();
        let policy = Policy::parse(1, &text).unwrap();
        let someone = Someone {
            issuer: "northwind".to_owned(),
            stable_id: "ada".to_owned(),
            groups: BTreeSet::new(),
        };
        let tried = Tried::newest(ClientKind::ClaudeCode);
        let decided = may_use::decided(&policy, &someone.caller(), "claude-a", tried);
        assert_eq!(decided.as_ref().unwrap().granted_by.len(), many);
        let rules = rules(&text, &decided.map(Allowed::Model));
        assert_eq!(rules.len(), RULES_MAX);
        assert_eq!(rules[1].line, Some(4));
    }
}
