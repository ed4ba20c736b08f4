//! What needs somebody: calls that wait for an approval of who looks, tasks that are due, people who ask for access, connectors and
//! definitions that nobody has approved, connectors used in bulk, an acceptable-use policy that no longer says what is so, too many owners or none, and keys
//! and tokens that end soon. Everyone sees what their rights show them and nothing else. Only reads.

use domain::Timestamp;
use domain::acceptable_use::Installation;
use domain::window::DAY_MS;

use crate::access::Right;
use crate::tasks::{self, Task};
use crate::{
    ControlError, Operation, acceptable_use, access_requests, approvals, connectors, roles,
    scim_tokens, service_keys,
};

/// How long before its end a key or token is told of.
const SOON_MS: i64 = 14 * DAY_MS;

/// Something that needs somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Need {
    /// Calls wait for a yes or no of who looks.
    Approvals {
        /// How many.
        open: u64,
        /// When the oldest was asked for.
        since: Timestamp,
    },
    /// A task that is not done.
    Task(Box<Task>),
    /// People ask for access, and nobody has answered.
    Requests {
        /// How many, those of who looks left out.
        open: u64,
        /// When the oldest was asked.
        since: Timestamp,
    },
    /// Definitions of a connector's actions wait for somebody to read them, or the connector itself does.
    Definitions {
        /// The connector's name in the policy.
        connector: String,
        /// What people call it.
        title: String,
        /// What of it waits.
        waiting: Waiting,
    },
    /// Somebody used a connector in bulk.
    Bulk(connectors::BulkUse),
    /// Answers of a connector held text that is shaped like orders.
    Shaped(connectors::ShapedAnswers),
    /// The acceptable-use policy in force says something of the recording that is not so any more.
    UseOutdated {
        /// The version in force.
        version: u64,
    },
    /// What is wrong with the number of owners.
    Owners(String),
    /// A key or token that ends soon.
    Ends {
        /// What it is.
        what: &'static str,
        /// What it is called.
        name: String,
        /// When it ends.
        at: Timestamp,
    },
}

/// What of a connector waits for a review.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    /// Whether nobody has reviewed the connector itself, without which it is there for nobody.
    pub is_whole: bool,
    /// Definitions that nobody has approved.
    pub new: usize,
    /// Definitions that changed since they were approved.
    pub changed: usize,
    /// Of both, those in which something suspicious was found.
    pub suspicious: usize,
}

/// What needs somebody, and how many tasks are open.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Needs {
    /// The first of it, the most pressing first.
    pub first: Vec<Need>,
    /// Open tasks; none for whoever does not see tasks.
    pub open_tasks: Option<u64>,
}

/// What needs somebody: at most `limit` of each sort.
pub async fn needs(
    operation: &Operation<'_>,
    installation: &Installation,
    limit: usize,
) -> Result<Needs, ControlError> {
    operation.require(Right::OrgRead)?;
    let may = |right| operation.actor.may(right);
    let mut needs = Needs::default();
    if may(Right::OwnRead) && operation.actor.person_id().is_some() {
        let open = approvals::list_to_decide(operation).await?;
        if let Some(oldest) = open.first() {
            needs.first.push(Need::Approvals {
                open: open.len() as u64,
                since: oldest.approval.asked,
            });
        }
    }
    if may(Right::TasksRead) {
        due(operation, limit, &mut needs).await?;
    }
    if may(Right::AccessRequestsWrite)
        && let (open, Some(since)) = access_requests::waiting(operation).await?
    {
        needs.first.push(Need::Requests { open, since });
    }
    if may(Right::PolicyWrite) {
        let found = connectors::list(operation).await?.into_iter();
        needs.first.extend(found.filter_map(to_review).take(limit));
    }
    if may(Right::LedgerRead) {
        let found = connectors::in_bulk(operation).await?.into_iter();
        needs.first.extend(found.map(Need::Bulk).take(limit));
        let found = connectors::shaped(operation, limit).await?;
        needs.first.extend(found.into_iter().map(Need::Shaped));
    }
    if may(Right::AcceptableUseRead) {
        match acceptable_use::show(operation, None, installation).await {
            Ok(shown) if shown.outdated.is_some() => needs.first.push(Need::UseOutdated {
                version: shown.version.version,
            }),
            Ok(_) | Err(ControlError::NothingPublished) => {}
            Err(error) => return Err(error),
        }
    }
    if may(Right::RolesRead)
        && let (_, Some(warning)) = roles::list(operation).await?
    {
        needs.first.push(Need::Owners(warning));
    }
    let mut ends = ending(operation).await?;
    ends.sort_by_key(|(at, _)| *at);
    needs
        .first
        .extend(ends.into_iter().take(limit).map(|(_, need)| need));
    Ok(needs)
}

/// What of a connector waits for somebody, if something does.
fn to_review(summary: connectors::Summary) -> Option<Need> {
    let waiting = Waiting {
        is_whole: summary.needs_review(),
        new: summary.counts.new,
        changed: summary.counts.changed,
        suspicious: summary.counts.suspicious_waiting,
    };
    let is_some = waiting.is_whole || summary.counts.waiting() > 0;
    is_some.then(|| Need::Definitions {
        title: summary.connector.title().to_owned(),
        connector: summary.connector.name,
        waiting,
    })
}

async fn due(
    operation: &Operation<'_>,
    limit: usize,
    needs: &mut Needs,
) -> Result<(), ControlError> {
    let limit = u32::try_from(limit).unwrap_or(u32::MAX);
    let (first, open) = tasks::due(operation, limit).await?;
    needs.open_tasks = Some(open);
    let first = first.into_iter();
    needs
        .first
        .extend(first.map(|task| Need::Task(Box::new(task))));
    Ok(())
}

async fn ending(operation: &Operation<'_>) -> Result<Vec<(Timestamp, Need)>, ControlError> {
    let now = operation.clock.now();
    let is_soon = |at: &Timestamp| *at > now && at.ms_since(now) <= SOON_MS;
    let need = |what, name: String, at| (at, Need::Ends { what, name, at });
    let mut found = Vec::new();
    if operation.actor.may(Right::DirectoryRead) {
        let tokens = scim_tokens::list(operation).await?.into_iter();
        let tokens = tokens.filter(|token| token.revoked_at.is_none());
        let soon = tokens.filter_map(|token| {
            let at = token.expires.filter(is_soon)?;
            Some(need("directory token", token.name, at))
        });
        found.extend(soon);
    }
    if operation.actor.may(Right::ServicesRead) {
        let keys = service_keys::list(operation).await?.into_iter();
        let keys = keys.filter(|key| key.revoked_at.is_none());
        let soon = keys.filter_map(|key| {
            let at = key.expires.filter(is_soon)?;
            let name = format!("{} ({})", key.service_name, key.prefix);
            Some(need("service key", name, at))
        });
        found.extend(soon);
    }
    Ok(found)
}
