//! What stands between somebody and a connector, or an action of one, that they want: by the decision itself, the reviews and the
//! approved definitions, with everything that still lacks. It tells what there is whoever may see it or not, so it is for those who answer
//! requests alone; whoever asks learns of [`Has`] and nothing else, which goes by what they can see already.

use actions::catalogue::{Catalogue, Entry, comparable};
use actions::pin::{PinState, Served};
use domain::connectors::ActionState;
use domain::policy::CallerPolicy;
use domain::policy::connectors::Connector;
use domain::policy::reach::{ActionAsk, Determined};

use super::look::of;
use super::reviewed_policy;
use crate::may_use::caller_of;
use crate::people::Person;
use crate::{ControlError, Operation};

/// What somebody wants: a connector by what people call it, or an action of the connector of this name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wanted<'w> {
    /// The connector.
    pub connector: &'w str,
    /// The action, where it is one.
    pub action: Option<&'w str>,
}

/// Something that is missing before they have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lack {
    /// The policy in force has no such connector.
    Connector,
    /// Nobody has reviewed it.
    Review,
    /// Its newest review says that it may not be used.
    Yes,
    /// Its entry in the policy is for others.
    Entry,
    /// It has listed no action of this name.
    Listing,
    /// Nobody has approved what it says of the action.
    Definition,
    /// No entry permits it.
    Permission,
    /// These block it, whatever else permits it: entries, or a ceiling.
    Release(Vec<Determined>),
}

impl Lack {
    /// What is missing, as a sentence.
    pub const fn says(&self) -> &'static str {
        match self {
            Self::Connector => {
                "The policy in force has no connector of that name, title or address."
            }
            Self::Review => "Nobody has reviewed it, so it is there for nobody.",
            Self::Yes => {
                "Its newest review says that it may not be used, so it is there for nobody."
            }
            Self::Entry => "The policy has it for others, and not for them.",
            Self::Listing => "It has listed no action of that name.",
            Self::Definition => "Nobody has approved what it says of that action.",
            Self::Permission => "No entry of the policy permits it to them.",
            Self::Release(_) => "An entry of the policy, or a ceiling, blocks it for them.",
        }
    }
}

/// How far somebody is from what they want.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    /// The policy version that says so; 0 before the first.
    pub version: u64,
    /// The connector of the policy that is meant, its name and what people call it; none where there is none.
    pub connector: Option<(String, String)>,
    /// What is missing; nothing where they have it.
    pub lacks: Vec<Lack>,
}

/// How far somebody is from what they want, by the policy in force. Of several connectors that are called so, the one they have, or the
/// first.
pub(crate) async fn way(
    operation: &Operation<'_>,
    person: &Person,
    wanted: Wanted<'_>,
    issuers_for_people: usize,
) -> Result<Way, ControlError> {
    let policy = operation.policy().await?.among_issuers(issuers_for_people);
    let rules = policy.for_caller(&caller_of(person));
    let catalogue = Catalogue::shipped();
    let mut first = None;
    for connector in &policy.document().connector {
        if !is_meant(connector, &catalogue, wanted) {
            continue;
        }
        let way = Way {
            version: policy.version,
            connector: Some((connector.name.clone(), connector.title().to_owned())),
            lacks: lacks(operation, (&rules, connector), wanted.action, &catalogue).await?,
        };
        if way.lacks.is_empty() {
            return Ok(way);
        }
        first.get_or_insert(way);
    }
    Ok(first.unwrap_or(Way {
        version: policy.version,
        connector: None,
        lacks: vec![Lack::Connector],
    }))
}

async fn lacks(
    operation: &Operation<'_>,
    (rules, connector): (&CallerPolicy, &Connector),
    action: Option<&str>,
    catalogue: &Catalogue,
) -> Result<Vec<Lack>, ControlError> {
    let seen = of(operation, connector.clone(), catalogue).await?;
    let mut lacks = Vec::new();
    if seen.summary.needs_review() {
        lacks.push(Lack::Review);
    } else if seen.summary.is_held_back() {
        lacks.push(Lack::Yes);
    }
    let is_theirs = |known: &std::sync::Arc<Connector>| known.name == connector.name;
    if !rules.connectors.iter().any(is_theirs) {
        lacks.push(Lack::Entry);
    }
    let Some(action) = action else {
        if !lacks.contains(&Lack::Entry) && rules.connector(&connector.name).is_none() {
            lacks.push(Lack::Permission);
        }
        return Ok(lacks);
    };
    let mut listed = seen.actions.iter();
    let listed = listed.find(|pin| pin.name == action && pin.state != PinState::Removed);
    let Some(pin) = listed else {
        lacks.push(Lack::Listing);
        return Ok(lacks);
    };
    if pin.served == Served::Nothing {
        lacks.push(Lack::Definition);
    }
    let standing = rules.standing(&ActionAsk {
        connector,
        action,
        class: pin.class,
        meets: None,
    });
    if standing.state == ActionState::Blocked {
        let (open, closed): (Vec<_>, Vec<_>) = standing
            .by
            .into_iter()
            .partition(|by| *by == Determined::Default);
        if !open.is_empty() {
            lacks.push(Lack::Permission);
        }
        if !closed.is_empty() {
            lacks.push(Lack::Release(closed));
        }
    }
    Ok(lacks)
}

/// What somebody has of what they want, as far as they can see it themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Has {
    /// All of it.
    All,
    /// Not that; whether there is such a thing is not said.
    NotThat,
    /// Not even the connector; whether there is one is not said.
    NoConnector,
}

/// What somebody has of what they want. What they cannot see and what is not there come to the same.
pub(crate) async fn has(
    operation: &Operation<'_>,
    person: &Person,
    wanted: Wanted<'_>,
    issuers_for_people: usize,
) -> Result<Has, ControlError> {
    let policy = reviewed_policy(operation)
        .await?
        .among_issuers(issuers_for_people);
    let rules = policy.for_caller(&caller_of(person));
    let catalogue = Catalogue::shipped();
    let mut reachable = rules.reachable();
    let Some(connector) = reachable.find(|connector| is_meant(connector, &catalogue, wanted))
    else {
        return Ok(Has::NoConnector);
    };
    let (action, rules) = (wanted.action, (&rules, &**connector));
    let lacks = lacks(operation, rules, action, &catalogue).await?;
    Ok(if lacks.is_empty() {
        Has::All
    } else {
        Has::NotThat
    })
}

/// An action is asked for at a connector that one has, which has a name; a connector is asked for as people know it.
fn is_meant(connector: &Connector, catalogue: &Catalogue, wanted: Wanted<'_>) -> bool {
    if wanted.action.is_some() {
        return connector.name == wanted.connector;
    }
    let is_same = |text: &str| text.to_lowercase() == wanted.connector.to_lowercase();
    let is_known = |url: &String| {
        let entry = catalogue.at(url);
        comparable(url) == comparable(wanted.connector)
            || entry.is_some_and(|entry| is_same(&entry.name) || is_same(&entry.title))
    };
    is_same(&connector.name)
        || is_same(connector.title())
        || connector.url.as_ref().is_some_and(is_known)
}

/// What the catalogue knows by this name, title or address.
pub fn in_catalogue<'c>(catalogue: &'c Catalogue, thing: &str) -> Option<&'c Entry> {
    let is_same = |text: &str| text.to_lowercase() == thing.to_lowercase();
    let mut entries = catalogue.entries.iter();
    let named = entries.find(|entry| is_same(&entry.name) || is_same(&entry.title));
    named.or_else(|| catalogue.at(thing))
}
