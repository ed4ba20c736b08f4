//! Connections, transactions and their time limits: the one place that talks to the driver. Every write is a transaction, so that
//! an error before its commit means that nothing was written; only a connection lost during the commit leaves that open, and
//! has an error of its own. SQLite gets one connection that writes, whose turn is taken in order, and several that can only read.

use std::future::Future;
use std::path::Path;
use std::time::Duration;

use domain::limits;
use sqlx::any::{AnyArguments, AnyPoolOptions, AnyRow};
use sqlx::{Any, AnyConnection, AnyPool, AssertSqlSafe, Connection as _, Executor as _};

use crate::{Engine, Result, StoreError};

/// A statement with its values.
pub(crate) type Query<'q> = sqlx::query::Query<'q, Any, AnyArguments>;

/// The server, too, ends what we have given up on (milliseconds).
const POSTGRES_SESSION: &str = "SET statement_timeout = 10000; SET lock_timeout = 10000; \
     SET idle_in_transaction_session_timeout = 20000";
const SQLITE_WRITER: &str = "PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; \
     PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON";
const SQLITE_READER: &str = "PRAGMA busy_timeout = 5000; PRAGMA query_only = ON";

/// For whoever only looks: the database refuses every change.
const POSTGRES_LOOK: &str = "SET statement_timeout = 10000; SET lock_timeout = 10000; \
     SET default_transaction_read_only = on";

/// The two pools; one and the same on PostgreSQL.
#[derive(Debug, Clone)]
pub(crate) struct Pools {
    read: AnyPool,
    write: AnyPool,
    engine: Engine,
}

impl Pools {
    /// Connects and sets up every connection.
    pub(crate) async fn open(url: &str) -> Result<Self> {
        sqlx::any::install_default_drivers();
        match url.split_once(':') {
            Some(("sqlite", rest)) => Self::open_sqlite(rest).await,
            Some(("postgres" | "postgresql", _)) => Self::open_postgres(url).await,
            _ => Err(StoreError::Address),
        }
    }

    /// Connects to a database that is there, makes nothing and can change nothing.
    pub(crate) async fn look(url: &str) -> Result<Self> {
        sqlx::any::install_default_drivers();
        let (address, setup, engine) = match url.split_once(':') {
            Some(("sqlite", rest)) => {
                let path = sqlite_path(rest)?;
                std::fs::metadata(path).map_err(|error| StoreError::File(path.into(), error))?;
                (sqlite_address(path), SQLITE_READER, Engine::Sqlite)
            }
            Some(("postgres" | "postgresql", _)) => {
                (url.to_owned(), POSTGRES_LOOK, Engine::Postgres)
            }
            _ => return Err(StoreError::Address),
        };
        if engine == Engine::Postgres {
            knock(&address).await?;
        }
        let pool = pool(&address, 1, setup).await?;
        Ok(Self {
            read: pool.clone(),
            write: pool,
            engine,
        })
    }

    async fn open_sqlite(rest: &str) -> Result<Self> {
        let path = sqlite_path(rest)?;
        make_private(Path::new(path)).map_err(|error| StoreError::File(path.into(), error))?;
        let address = sqlite_address(path);
        let write = pool(&address, 1, SQLITE_WRITER).await?;
        let read = pool(&address, limits::STORE_CONNECTIONS_MAX, SQLITE_READER).await?;
        Ok(Self {
            read,
            write,
            engine: Engine::Sqlite,
        })
    }

    async fn open_postgres(url: &str) -> Result<Self> {
        knock(url).await?;
        let pool = pool(url, limits::STORE_CONNECTIONS_MAX, POSTGRES_SESSION).await?;
        Ok(Self {
            read: pool.clone(),
            write: pool,
            engine: Engine::Postgres,
        })
    }

    pub(crate) const fn engine(&self) -> Engine {
        self.engine
    }

    pub(crate) async fn close(&self) {
        self.read.close().await;
        self.write.close().await;
    }

    /// The first row of a query, if it has one.
    pub(crate) async fn row(&self, query: Query<'_>) -> Result<Option<AnyRow>> {
        answer(query.fetch_optional(&self.read)).await
    }

    /// Every row of a query that is bounded by itself.
    pub(crate) async fn rows(&self, query: Query<'_>) -> Result<Vec<AnyRow>> {
        answer(query.fetch_all(&self.read)).await
    }

    /// One statement as a transaction; the number of rows it changed.
    pub(crate) async fn write(&self, query: Query<'_>) -> Result<u64> {
        let mut tx = self.begin().await?;
        let changed = tx.run(query).await?;
        tx.commit().await?;
        Ok(changed)
    }

    /// One statement as a transaction; the rows it returns.
    pub(crate) async fn write_rows(&self, query: Query<'_>) -> Result<Vec<AnyRow>> {
        let mut tx = self.begin().await?;
        let rows = tx.rows(query).await?;
        tx.commit().await?;
        Ok(rows)
    }

    /// One statement as a transaction; the first row it returns.
    pub(crate) async fn write_row(&self, query: Query<'_>) -> Result<Option<AnyRow>> {
        Ok(self.write_rows(query).await?.into_iter().next())
    }

    /// A transaction in which everything is read as it is at its first look, beside whoever writes.
    pub(crate) async fn begin_looking(&self) -> Result<Tx> {
        let statement = match self.engine {
            Engine::Sqlite => "BEGIN",
            Engine::Postgres => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        };
        Ok(Tx {
            inner: answer(self.read.begin_with(statement)).await?,
            engine: self.engine,
        })
    }

    /// A transaction that takes SQLite's write lock at its beginning, so that it never fails half way for a lock.
    pub(crate) async fn begin(&self) -> Result<Tx> {
        let statement = match self.engine {
            Engine::Sqlite => "BEGIN IMMEDIATE",
            Engine::Postgres => "BEGIN",
        };
        Ok(Tx {
            inner: answer(self.write.begin_with(statement)).await?,
            engine: self.engine,
        })
    }
}

/// A transaction; undone when it is dropped before its commit.
pub(crate) struct Tx {
    inner: sqlx::Transaction<'static, Any>,
    engine: Engine,
}

impl Tx {
    pub(crate) const fn engine(&self) -> Engine {
        self.engine
    }

    pub(crate) async fn run(&mut self, query: Query<'_>) -> Result<u64> {
        Ok(answer(query.execute(&mut *self.inner))
            .await?
            .rows_affected())
    }

    pub(crate) async fn row(&mut self, query: Query<'_>) -> Result<Option<AnyRow>> {
        answer(query.fetch_optional(&mut *self.inner)).await
    }

    pub(crate) async fn rows(&mut self, query: Query<'_>) -> Result<Vec<AnyRow>> {
        answer(query.fetch_all(&mut *self.inner)).await
    }

    /// Settings of this transaction; the text holds nothing from outside.
    pub(crate) async fn settings(&mut self, sql: &str) -> Result<()> {
        answer(sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *self.inner)).await?;
        Ok(())
    }

    /// A statement that may wait for another replica as long as the transaction's settings say.
    pub(crate) async fn slow(&mut self, query: Query<'_>) -> Result<()> {
        query.execute(&mut *self.inner).await?;
        Ok(())
    }

    /// For a transaction that fills a whole database: none of its statements is ended by the server for taking long.
    pub(crate) async fn unhurried(&mut self) -> Result<()> {
        if self.engine == Engine::Sqlite {
            return Ok(());
        }
        self.settings(
            "SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0",
        )
        .await
    }

    /// As [`Tx::commit`], for as long as it takes.
    pub(crate) async fn commit_unhurried(self) -> Result<()> {
        let engine = self.engine;
        match self.inner.commit().await {
            Ok(()) => Ok(()),
            Err(error) if refused(engine, &error) => Err(StoreError::Database(error)),
            Err(error) => Err(StoreError::Uncertain(Some(error))),
        }
    }

    /// Several statements of the program itself, which may take long.
    pub(crate) async fn script(&mut self, sql: &'static str) -> Result<()> {
        sqlx::raw_sql(sql).execute(&mut *self.inner).await?;
        Ok(())
    }

    pub(crate) async fn commit(self) -> Result<()> {
        let engine = self.engine;
        let limit = Duration::from_millis(limits::STORE_ANSWER_MS);
        match tokio::time::timeout(limit, self.inner.commit()).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) if refused(engine, &error) => Err(StoreError::Database(error)),
            Ok(Err(error)) => Err(StoreError::Uncertain(Some(error))),
            Err(_) => Err(StoreError::Uncertain(None)),
        }
    }
}

/// Whether the database itself said that it did not commit. SQLite's I/O errors say only that the disk did not do as told.
fn refused(engine: Engine, error: &sqlx::Error) -> bool {
    const SQLITE_IOERR: i64 = 10;
    let sqlx::Error::Database(said) = error else {
        return false;
    };
    let code = said.code().and_then(|code| code.parse::<i64>().ok());
    engine == Engine::Postgres || code.is_some_and(|code| code & 0xff != SQLITE_IOERR)
}

async fn answer<T>(work: impl Future<Output = sqlx::Result<T>>) -> Result<T> {
    let limit = Duration::from_millis(limits::STORE_ANSWER_MS);
    match tokio::time::timeout(limit, work).await {
        Ok(done) => Ok(done?),
        Err(_) => Err(StoreError::Silent),
    }
}

/// Asks once whether PostgreSQL is there and lets us in. A pool would try on in silence, and then only say that its time is over.
async fn knock(url: &str) -> Result<()> {
    let limit = Duration::from_millis(limits::STORE_WAIT_MS);
    let asked = tokio::time::timeout(limit, AnyConnection::connect(url)).await;
    let answer = asked.unwrap_or(Err(sqlx::Error::PoolTimedOut));
    let connection = answer.map_err(|error| StoreError::Unreachable(place(url), error))?;
    Ok(connection.close().await?)
}

/// Host and port of a `postgres:` address, without the user and the password before them.
fn place(url: &str) -> String {
    let rest = url.split_once("://").map_or("", |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    match authority.rsplit_once('@') {
        Some((_, host)) => host.to_owned(),
        // A password that is not escaped may hold a slash, and be cut in two.
        None if rest.contains('@') || authority.is_empty() => "its configured address".to_owned(),
        None => authority.to_owned(),
    }
}

async fn pool(address: &str, connections_max: u32, setup: &'static str) -> Result<AnyPool> {
    let options = AnyPoolOptions::new()
        .max_connections(connections_max)
        .acquire_timeout(Duration::from_millis(limits::STORE_WAIT_MS))
        // SQLite undoes a transaction by itself when the disk fails under its commit; the driver then cannot undo it again, and
        // takes the connection to be inside it for ever
        .before_acquire(|connection, _| {
            let is_fit = !connection.is_in_transaction();
            Box::pin(async move { Ok(is_fit) })
        })
        .after_connect(move |connection, _| {
            Box::pin(async move {
                connection.execute(setup).await?;
                Ok(())
            })
        });
    Ok(options.connect(address).await?)
}

/// The file that an address names behind `sqlite:`.
fn sqlite_path(rest: &str) -> Result<&str> {
    let path = rest.strip_prefix("//").unwrap_or(rest);
    if path.is_empty() || path.contains(":memory:") || path.contains('?') {
        return Err(StoreError::Address);
    }
    Ok(path)
}

/// The database's file, for whoever puts something beside it; none when the address is not SQLite's or cannot be opened.
pub fn sqlite_file(url: &str) -> Option<&Path> {
    let rest = url.strip_prefix("sqlite:")?;
    sqlite_path(rest).ok().map(Path::new)
}

/// The address is percent-decoded by the driver; a path is not an address.
fn sqlite_address(path: &str) -> String {
    format!("sqlite://{}", path.replace('%', "%25").replace('#', "%23"))
}

/// Makes the file so that its owner alone can read it; SQLite gives its companions the same mode.
fn make_private(path: &Path) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_of_a_database_is_said_without_who_asks_and_with_what() {
        for (url, said) in [
            ("postgres://u:p@db.example:5432/x", "db.example:5432"),
            ("postgres://[::1]:5432/x?sslmode=require", "[::1]:5432"),
            ("postgres://u:p%2F@db/x", "db"),
            ("postgres://u:hun/ter2@db/x", "its configured address"),
            ("postgres:///x?host=/run", "its configured address"),
            ("postgresql://u:a@b@db/x", "db"),
        ] {
            assert_eq!(place(url), said, "{url}");
        }
    }

    #[test]
    fn an_address_names_one_file_however_it_is_written() {
        for (url, file) in [
            ("sqlite:doorward.db", Some("doorward.db")),
            ("sqlite://doorward.db", Some("doorward.db")),
            ("sqlite:/var/lib/doorward.db", Some("/var/lib/doorward.db")),
            (
                "sqlite:///var/lib/doorward.db",
                Some("/var/lib/doorward.db"),
            ),
            ("sqlite:a b%20#c.db", Some("a b%20#c.db")),
            ("sqlite::memory:", None),
            ("sqlite:x.db?mode=ro", None),
            ("sqlite:", None),
            ("postgres://db/x", None),
        ] {
            assert_eq!(sqlite_file(url), file.map(Path::new), "{url}");
        }
    }
}
