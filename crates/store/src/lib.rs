//! The only SQL of Doorward, one file per noun, written once for SQLite and PostgreSQL.
//!
//! Times are Unix milliseconds, ids and hashes are text, documents are JSON text. Every row belongs to an organisation and no query
//! reaches into another one, but for what belongs to the installation: sealed secrets, the ledger's cursors and who writes its chains. A write happens
//! as a whole or not at all, and [`StoreError::nothing_written`] says which; a call that is dropped before it returned may do
//! either. Nothing here decides who may do what; callers have decided.

pub mod break_glass;
mod changes;
pub mod acceptable_use;
pub mod access_requests;
pub mod approvals;
mod checkpoints;
pub mod codes;
pub mod claims;
mod connection;
pub mod connector_minutes;
mod connectors;
pub mod console_sessions;
pub mod device;
pub mod directory;
pub mod drills;
pub mod evidence;
mod error;
mod grants;
mod held;
mod labels;
pub mod leases;
pub mod idempotency;
pub mod ledger;
pub mod logins;
pub mod oauth_clients;
pub mod member_checks;
mod migrate;
pub mod people;
pub mod policies;
mod refresh;
pub mod refusals;
pub mod revocations;
pub mod scim_tokens;
pub mod roles;
pub mod search;
pub mod secrets;
pub mod sensors;
pub mod services;
pub mod sessions;
pub mod spend_limits;
pub mod spending;
pub mod statements;
pub mod tasks;
pub mod tokens;
pub mod usage;
pub mod use_drafts;
pub mod vault_key;
pub mod whole;

use std::sync::Arc;

use domain::window::Period;
use domain::{OrgId, Timestamp};
use sqlx::any::AnyRow;
use sqlx::{Row as _, query};

use crate::changes::Bell;
use crate::connection::{Pools, Tx};

pub use acceptable_use::{Acceptance, PutUse, UseVersion};
pub use access_requests::{AccessEnd, AccessRequest, AskedFor, Asking, Granting};
pub use approvals::{Approval, ApprovalDecision, ApprovalStep, ApprovalsWanted, AskingApproval};
pub use break_glass::{BreakGlass, Opening};
pub use changes::Changes;
pub use claims::{OtherChain, OtherClaim, Writer};
pub use codes::{Asserted, AssertionTaken, AuthorizationCode, Redeem, Redeemed};
pub use connection::sqlite_file;
pub use connector_minutes::{ConnectorMinute, ConnectorUse, ShapedOf};
pub use connectors::{
    Approved, ConnectorDefinition, ConnectorListing, ConnectorReview, DefinitionAt, DefinitionSeen,
    Kept, Neighbour,
};
pub use console_sessions::{ConsoleHolder, ConsoleSession, Proof};
pub use device::{DeviceAsk, DeviceCode, DevicePoll, DeviceState};
pub use directory::browse::{GroupName, GroupSeen, MemberSeen, Provisioned};
pub use directory::groups::{DirectoryGroup, GroupChange, GroupWrite};
pub use directory::members::{DirectoryMember, MemberStep};
pub use directory::users::{DirectoryUser, NewUser, UserState, UserWrite};
pub use directory::{DirectoryChange, Source};
pub use drills::Drill;
pub use error::{Result, StoreError};
pub use evidence::Evidence;
pub use grants::{Grant, KeepingGrant, Renewed};
pub use held::Held;
pub use leases::{LeaseAsk, Leased, Purse};
pub use ledger::{Certainty, LedgerRow, RefusalHour, Spending, UsageHour};
pub use member_checks::MemberCheck;
pub use oauth_clients::OauthClient;
pub use people::{PeopleCount, Person, Seen};
pub use policies::{PolicyVersion, PutPolicy};
pub use refusals::RefusalSum;
pub use revocations::{Revocation, Target};
pub use roles::{Holder, RoleBinding, RoleRemoved};
pub use scim_tokens::ScimToken;
pub use services::{OpenKeys, ServiceKey};
pub use sessions::{Began, Bound, Rotation, Session, SessionsCount};
pub use spend_limits::{Page, SpendLimit, SpendLimitAudit};
pub use spending::Spent;
pub use statements::PersonWhoUsed;
pub use tasks::{Cause, Closed, Closing, Mover, Task, Wanted};
pub use tokens::PersonalToken;
pub use usage::{HourSum, UsageBy, UsageSum};
pub use use_drafts::UseDraft;

/// The names of the counters, which are also what replicas watch.
const POLICIES: &str = "policies";
const SPEND_LIMITS: &str = "spend_limits";
const REVOCATIONS: &str = "revocations";
const DIRECTORY: &str = "directory";
const LEASES: &str = "leases";
const ROLES: &str = "roles";
const ACCEPTABLE_USE: &str = "acceptable_use";
const REVIEWS: &str = "connector_reviews";

/// Which database it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// One file, one machine.
    Sqlite,
    /// A server, several replicas.
    Postgres,
}

/// How far a database's schema is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schema {
    /// The database's; 0 when nobody has opened it yet.
    pub found: i64,
    /// The newest that this program knows.
    pub known: i64,
}

/// A handle on the database; cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    pools: Pools,
    bell: Arc<Bell>,
}

impl Store {
    /// Opens `sqlite:<path>` or `postgres://…` and brings its schema up to date.
    pub async fn open(url: &str) -> Result<Self> {
        let pools = Pools::open(url).await?;
        migrate::run(&pools).await?;
        let bell = Arc::new(Bell::new(url));
        Ok(Self { pools, bell })
    }

    /// Opens a database that is there, only to look: nothing is made, migrated or locked, and every change is refused by the
    /// database. For `doctor`, beside a server that runs.
    pub async fn look(url: &str) -> Result<(Self, Schema)> {
        let pools = Pools::look(url).await?;
        let schema = migrate::look(&pools).await?;
        let bell = Arc::new(Bell::new(url));
        Ok((Self { pools, bell }, schema))
    }

    /// Which database it is.
    pub const fn engine(&self) -> Engine {
        self.pools.engine()
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<()> {
        self.pools.row(query("SELECT 1")).await?;
        Ok(())
    }

    /// Closes every connection.
    pub async fn close(&self) {
        self.pools.close().await;
    }

    /// The organisation of this name, made with `new` as its id when there is none.
    pub async fn ensure_org(&self, name: &str, new: OrgId) -> Result<OrgId> {
        let mut tx = self.pools.begin().await?;
        tx.run(
            query("INSERT INTO orgs (id, name) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING")
                .bind(new.to_string())
                .bind(name),
        )
        .await?;
        let row = tx
            .row(query("SELECT id FROM orgs WHERE name = $1").bind(name))
            .await?
            .ok_or(StoreError::Damaged("orgs.name"))?;
        let org = id(&row, 0, "orgs.id")?;
        tx.commit().await?;
        Ok(org)
    }

    /// The organisation of this name, if there is one.
    pub async fn org_named(&self, name: &str) -> Result<Option<OrgId>> {
        let row = self
            .pools
            .row(query("SELECT id FROM orgs WHERE name = $1").bind(name))
            .await?;
        row.as_ref().map(|row| id(row, 0, "orgs.id")).transpose()
    }

    /// Numbers that change when there is something new for a replica. One look at a few rows, cheap enough for several a second.
    pub async fn watermarks(&self, org: OrgId) -> Result<Watermarks> {
        let counters = query("SELECT name, value FROM counters WHERE org = $1 LIMIT 16");
        let mut marks = Watermarks::default();
        for row in self.pools.rows(counters.bind(org.to_string())).await? {
            match row.try_get::<&str, _>(0)? {
                POLICIES => marks.policy_version = unsigned(&row, 1, "counters.value")?,
                SPEND_LIMITS => marks.spend_limits = row.try_get(1)?,
                REVOCATIONS => marks.revocation = row.try_get(1)?,
                DIRECTORY => marks.directory = row.try_get(1)?,
                REVIEWS => marks.reviews = row.try_get(1)?,
                ACCEPTABLE_USE => marks.acceptable_use = unsigned(&row, 1, "counters.value")?,
                // Of no concern here, or of a program that is newer than this one.
                _ => {}
            }
        }
        Ok(marks)
    }
}

/// In a transaction: adds one to a counter and returns it. The row stays locked until the end, so numbers become visible in
/// order and without a hole, and whoever listens is told at the commit. Whoever takes it takes it before any row that another holder of it may want.
async fn next(tx: &mut Tx, org: OrgId, name: &'static str) -> Result<i64> {
    next_of(tx, org, name, 1).await
}

/// As [`next`], so many numbers in one step; the last of them.
async fn next_of(tx: &mut Tx, org: OrgId, name: &'static str, count: i64) -> Result<i64> {
    let row = tx
        .row(
            query(
                "INSERT INTO counters (org, name, value) VALUES ($1, $2, $3) \
                 ON CONFLICT (org, name) DO UPDATE SET value = counters.value + $3 RETURNING value",
            )
            .bind(org.to_string())
            .bind(name)
            .bind(count),
        )
        .await?
        .ok_or(StoreError::Damaged("counters.value"))?;
    changes::tell(tx).await?;
    Ok(row.try_get(0)?)
}

/// What [`Store::watermarks`] returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Watermarks {
    /// The latest policy version; 0 before the first.
    pub policy_version: u64,
    /// Grows with every change of a spend limit.
    pub spend_limits: i64,
    /// The number of the last revocation.
    pub revocation: i64,
    /// The number of the last change that a directory made.
    pub directory: i64,
    /// The latest version of the acceptable-use policy; 0 before the first.
    pub acceptable_use: u64,
    /// Grows with every review of a connector.
    pub reviews: i64,
}

/// A typed id out of a text column.
fn id<T: std::str::FromStr>(row: &AnyRow, column: usize, name: &'static str) -> Result<T> {
    let text: String = row.try_get(column)?;
    text.parse().map_err(|_| StoreError::Damaged(name))
}

/// A typed id out of a text column that may be null.
fn maybe_id<T: std::str::FromStr>(
    row: &AnyRow,
    column: usize,
    name: &'static str,
) -> Result<Option<T>> {
    let text: Option<String> = row.try_get(column)?;
    text.map(|text| text.parse().map_err(|_| StoreError::Damaged(name)))
        .transpose()
}

fn period_of(word: &str) -> Option<Period> {
    Period::ALL.into_iter().find(|known| known.as_str() == word)
}

fn unsigned(row: &AnyRow, column: usize, name: &'static str) -> Result<u64> {
    u64::try_from(row.try_get::<i64, _>(column)?).map_err(|_| StoreError::Damaged(name))
}

fn time(row: &AnyRow, column: usize) -> Result<Timestamp> {
    Ok(Timestamp::from_unix_ms(row.try_get(column)?))
}

fn maybe_time(row: &AnyRow, column: usize) -> Result<Option<Timestamp>> {
    Ok(row
        .try_get::<Option<i64>, _>(column)?
        .map(Timestamp::from_unix_ms))
}
