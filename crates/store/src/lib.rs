//! The only SQL of Doorward, one file per noun, written once for SQLite and PostgreSQL.
//!
//! Times are Unix milliseconds, ids and hashes are text, documents are JSON text. Every row belongs to an organisation. A write
//! that returned an error has written nothing. Nothing here decides who may do what; callers have decided.

pub mod device;
pub mod ledger;
pub mod migrate;
pub mod people;
pub mod policies;
pub mod revocations;
pub mod secrets;
pub mod services;
pub mod sessions;
pub mod spend_limits;

use domain::{OrgId, Timestamp};
use sqlx::any::{AnyPoolOptions, AnyRow};
use sqlx::{AnyPool, Executor as _, Row as _};

pub use device::{DeviceCode, DevicePoll, DeviceState};
pub use ledger::{LedgerRow, Spending, UsageHour};
pub use people::{Person, Seen};
pub use policies::{PolicyVersion, PutPolicy};
pub use revocations::{Revocation, Target};
pub use services::ServiceKey;
pub use sessions::{Rotation, Session};
pub use spend_limits::{SpendLimit, SpendLimitAudit};

/// Connections to PostgreSQL.
const CONNECTIONS_MAX: u32 = 8;
/// How long a query waits for a connection.
const ACQUIRE_MS: u64 = 5_000;

/// Which database it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// One file, one machine.
    Sqlite,
    /// A server, several replicas.
    Postgres,
}

/// What went wrong; in every case nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be reached or said no; nothing was written.
    #[error("the store cannot be reached or refused; nothing was written")]
    Database(#[source] sqlx::Error),
    /// A row holds what we never wrote.
    #[error("the store holds a value of `{0}` that cannot be")]
    Damaged(&'static str),
    /// The address names no engine we know.
    #[error("the store's address must begin with `sqlite:` or `postgres:`")]
    Address,
    /// A newer Doorward has been here.
    #[error(
        "the store has schema {found}, newer than {known}, the newest this version knows; run the newer version"
    )]
    NewerSchema {
        /// In the database.
        found: i64,
        /// In this program.
        known: i64,
    },
    /// A migration that was applied is not the one this program has.
    #[error(
        "migration {0} was applied in another form; this program and the store do not belong together"
    )]
    ChangedMigration(i64),
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

/// The result of every query.
pub type Result<T> = std::result::Result<T, StoreError>;

/// A handle on the database; cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    pool: AnyPool,
    engine: Engine,
}

type Tx = sqlx::Transaction<'static, sqlx::Any>;

impl Store {
    /// Opens `sqlite:<path>` or `postgres://…` and brings its schema up to date.
    pub async fn open(url: &str) -> Result<Self> {
        sqlx::any::install_default_drivers();
        let engine = match url.split_once(':').map(|(scheme, _)| scheme) {
            Some("sqlite") => Engine::Sqlite,
            Some("postgres" | "postgresql") => Engine::Postgres,
            _ => return Err(StoreError::Address),
        };
        let address = match engine {
            Engine::Sqlite if !url.contains('?') => format!("{url}?mode=rwc"),
            _ => url.to_owned(),
        };
        let pool = AnyPoolOptions::new()
            .max_connections(CONNECTIONS_MAX)
            .acquire_timeout(std::time::Duration::from_millis(ACQUIRE_MS))
            .after_connect(move |connection, _| {
                Box::pin(async move {
                    if engine == Engine::Sqlite {
                        connection
                            .execute(
                                "PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; \
                                 PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;",
                            )
                            .await?;
                    }
                    Ok(())
                })
            })
            .connect(&address)
            .await?;
        let store = Self { pool, engine };
        migrate::run(&store).await?;
        Ok(store)
    }

    /// Which database it is.
    pub const fn engine(&self) -> Engine {
        self.engine
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<()> {
        sqlx::query("SELECT 1").execute(&self.pool).await?;
        Ok(())
    }

    /// Closes every connection.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// The organisation of this name, made with `new` as its id when there is none.
    pub async fn ensure_org(&self, name: &str, new: OrgId) -> Result<OrgId> {
        sqlx::query("INSERT INTO orgs (id, name) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING")
            .bind(new.to_string())
            .bind(name)
            .execute(&self.pool)
            .await?;
        let row = sqlx::query("SELECT id FROM orgs WHERE name = $1")
            .bind(name)
            .fetch_one(&self.pool)
            .await?;
        id(&row, 0, "orgs.id")
    }

    /// Three numbers that change when there is something new for a replica: the latest policy version, a counter of changes to
    /// spend limits, and the last revocation's number.
    pub async fn watermarks(&self, org: OrgId) -> Result<Watermarks> {
        let row = sqlx::query(
            "SELECT COALESCE((SELECT MAX(version) FROM policies WHERE org = $1), 0), \
                    COALESCE((SELECT value FROM counters WHERE org = $1 AND name = 'spend_limits'), 0), \
                    COALESCE((SELECT MAX(seq) FROM revocations WHERE org = $1), 0)",
        )
        .bind(org.to_string())
        .fetch_one(&self.pool)
        .await?;
        Ok(Watermarks {
            policy_version: unsigned(&row, 0, "policies.version")?,
            spend_limits: row.try_get(1)?,
            revocation: row.try_get(2)?,
        })
    }

    /// A transaction that takes the write lock at its beginning, so that it never fails half way for a lock.
    async fn begin(&self) -> Result<Tx> {
        let statement = match self.engine {
            Engine::Sqlite => "BEGIN IMMEDIATE",
            Engine::Postgres => "BEGIN",
        };
        Ok(self.pool.begin_with(statement).await?)
    }

    /// In a transaction: adds one to a counter and returns it. The row stays locked until the end, so numbers become visible in
    /// order.
    async fn next(tx: &mut Tx, org: OrgId, name: &'static str) -> Result<i64> {
        let row = sqlx::query(
            "INSERT INTO counters (org, name, value) VALUES ($1, $2, 1) \
             ON CONFLICT (org, name) DO UPDATE SET value = counters.value + 1 RETURNING value",
        )
        .bind(org.to_string())
        .bind(name)
        .fetch_one(&mut **tx)
        .await?;
        Ok(row.try_get(0)?)
    }
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
