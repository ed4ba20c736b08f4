//! Everybody's grants, for those who look after them: who is connected at a connector, where somebody is connected, and ending one that is
//! not one's own. What is sealed stays in the store: no type here has a field for it.

use std::collections::BTreeMap;

use domain::{PersonId, Timestamp};
use ledger::record::ChangeKind;
use store::Grant;

use super::{Opened, opened, record};
use crate::access::Right;
use crate::{ControlError, Operation, text};

/// How one stands, as far as the calls since have shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Calls go out with it.
    Works,
    /// Calls go out with it, and one was refused because it needs more than it covers.
    WantsMore,
    /// It is not accepted any more: its person has to connect anew.
    Refused,
}

impl Standing {
    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Works => "works",
            Self::WantsMore => "wants_more",
            Self::Refused => "refused",
        }
    }
}

/// Somebody's connection at a connector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// Whose.
    pub person: PersonId,
    /// The connector's name.
    pub connector: String,
    /// What people call it; none where the policy in force no longer has it so, and the connection is about to be wiped.
    pub title: Option<String>,
    /// Who gave it: the authorization server's issuer; empty for a key of their own.
    pub issuer: String,
    /// What it covers, in that server's words.
    pub scope: String,
    /// What the connector wanted since beyond that.
    pub wants: String,
    /// Since when.
    pub since: Timestamp,
    /// When it was last renewed.
    pub renewed: Timestamp,
    /// Since when it is refused.
    pub refused_since: Option<Timestamp>,
}

impl Connection {
    fn of(grant: Grant, title: Option<String>) -> Self {
        Self {
            person: grant.person,
            connector: grant.connector,
            title,
            issuer: grant.issuer,
            scope: grant.scope,
            wants: grant.wants,
            since: grant.connected,
            renewed: grant.renewed,
            refused_since: grant.dead_since,
        }
    }

    /// How it stands.
    pub const fn standing(&self) -> Standing {
        match (self.refused_since, self.wants.is_empty()) {
            (Some(_), _) => Standing::Refused,
            (None, false) => Standing::WantsMore,
            (None, true) => Standing::Works,
        }
    }
}

/// Who is connected at a connector of the policy in force, by person: at most `limit` after one of them, and whether there are more.
/// Where nobody connects an account of their own, nobody is.
pub async fn at(
    operation: &Operation<'_>,
    connector: &str,
    after: Option<PersonId>,
    limit: u32,
) -> Result<(Vec<Connection>, bool), ControlError> {
    operation.require(Right::GrantsRead)?;
    let policy = operation.policy().await?;
    let mut all = policy.document().connector.iter();
    let found = all.find(|stands| stands.name == connector);
    let found = found.ok_or(ControlError::NoSuch("connector"))?;
    let Some(address) = found.own_place() else {
        return Ok((Vec::new(), false));
    };
    let (store, org) = (operation.store, operation.org);
    let (grants, more) = store
        .grants_page(org, (connector, &*address), after, limit)
        .await?;
    let title = found.title();
    let grants = grants.into_iter();
    Ok((
        grants
            .map(|grant| Connection::of(grant, Some(title.to_owned())))
            .collect(),
        more,
    ))
}

/// Where a person is connected, by connector.
pub async fn of_person(
    operation: &Operation<'_>,
    person: PersonId,
) -> Result<Vec<Connection>, ControlError> {
    operation.require(Right::GrantsRead)?;
    let known = operation.store.person(operation.org, person).await?;
    known.ok_or(ControlError::NoSuch("person"))?;
    let grants = operation.store.grants_of(operation.org, person).await?;
    if grants.is_empty() {
        return Ok(Vec::new());
    }
    let policy = operation.policy().await?;
    let stand = policy.document().connector.iter();
    let stand = stand.filter_map(|one| Some(((one.name.clone(), one.own_place()?), one.title())));
    let titles: BTreeMap<_, _> = stand.collect();
    let connection = |grant: Grant| {
        let title = titles.get(&(grant.connector.clone(), grant.address.clone()));
        let title = title.map(|title| (*title).to_owned());
        Connection::of(grant, title)
    };
    Ok(grants.into_iter().map(connection).collect())
}

/// Where a person is connected at a connector.
pub async fn read(
    operation: &Operation<'_>,
    (person, connector): (PersonId, &str),
) -> Result<Connection, ControlError> {
    let mut all = of_person(operation, person).await?.into_iter();
    let found = all.find(|connection| connection.connector == connector);
    found.ok_or(ControlError::NoSuch("connection"))
}

/// Takes away what a person has at a connector; returned, to be ended where it was given. Whoever has nothing there is not touched: a
/// second end finds none.
pub async fn end(
    operation: &Operation<'_>,
    (person, connector): (PersonId, &str),
    reason: &str,
) -> Result<Opened, ControlError> {
    operation.require(Right::GrantsWrite)?;
    let reason = text::reason("reason", reason)?;
    let (store, org) = (operation.store, operation.org);
    let known = store.person(org, person).await?;
    known.ok_or(ControlError::NoSuch("person"))?;
    let ended = store.hold_grant_end(org, person, connector).await?;
    let (held, grant) = ended.ok_or(ControlError::NoSuch("connection"))?;
    record(operation, &grant, ChangeKind::Deleted, &reason).await?;
    held.keep().await?;
    Ok(opened(operation, grant))
}
