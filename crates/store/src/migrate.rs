//! The schema's versions: forward only, each in its own transaction, under a lock that lets one process migrate while others
//! wait. A database that a newer program has migrated is refused, and so is one whose history differs from ours.

use aws_lc_rs::digest;
use sqlx::{AssertSqlSafe, Row as _};

use crate::{Engine, Result, Store, StoreError, Tx};

/// Every migration, oldest first; its place is its number. Never changed once released.
const MIGRATIONS: &[&str] = &[include_str!("../migrations/0001_spine.sql")];

/// Any fixed number, the same for every Doorward.
const POSTGRES_LOCK: i64 = 7_206_154_991;

/// Brings the schema up to date.
pub(crate) async fn run(store: &Store) -> Result<()> {
    let mut tx = store.begin().await?;
    if store.engine == Engine::Postgres {
        sqlx::query("SELECT pg_advisory_xact_lock($1)")
            .bind(POSTGRES_LOCK)
            .execute(&mut *tx)
            .await?;
    }
    sqlx::query(
        "CREATE TABLE IF NOT EXISTS migrations (number BIGINT PRIMARY KEY, checksum TEXT NOT NULL)",
    )
    .execute(&mut *tx)
    .await?;
    let rows = sqlx::query("SELECT number, checksum FROM migrations ORDER BY number")
        .fetch_all(&mut *tx)
        .await?;
    for row in &rows {
        check(row.try_get(0)?, &row.try_get::<String, _>(1)?)?;
    }
    for (number, sql) in (1i64..).zip(MIGRATIONS).skip(rows.len()) {
        apply(&mut tx, number, sql).await?;
    }
    tx.commit().await?;
    Ok(())
}

fn check(number: i64, found: &str) -> Result<()> {
    let known = i64::try_from(MIGRATIONS.len()).expect("few migrations");
    let ours = usize::try_from(number - 1)
        .ok()
        .and_then(|index| MIGRATIONS.get(index));
    match ours {
        None => Err(StoreError::NewerSchema {
            found: number,
            known,
        }),
        Some(sql) if checksum(sql) != found => Err(StoreError::ChangedMigration(number)),
        Some(_) => Ok(()),
    }
}

async fn apply(tx: &mut Tx, number: i64, sql: &'static str) -> Result<()> {
    for statement in sql
        .split(';')
        .map(str::trim)
        .filter(|statement| !statement.is_empty())
    {
        sqlx::query(AssertSqlSafe(statement))
            .execute(&mut **tx)
            .await?;
    }
    sqlx::query("INSERT INTO migrations (number, checksum) VALUES ($1, $2)")
        .bind(number)
        .bind(checksum(sql))
        .execute(&mut **tx)
        .await?;
    tracing::info!(number, "store migrated");
    Ok(())
}

fn checksum(sql: &str) -> String {
    let hash = digest::digest(&digest::SHA256, sql.as_bytes());
    hash.as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
