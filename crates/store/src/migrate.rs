//! The schema's versions: forward only, each in its own transaction, under a lock that lets one process migrate while others
//! wait. A database that a newer program has migrated is refused, and so is one whose history differs from ours.

use aws_lc_rs::digest;
use domain::limits;
use sqlx::{Row as _, query};

use crate::connection::{Pools, Tx};
use crate::{Engine, Result, Schema, StoreError};

/// Every migration, oldest first; its place is its number. Never changed once released.
const MIGRATIONS: &[&str] = &[
    include_str!("../migrations/0001_spine.sql"),
    include_str!("../migrations/0002_service_keys.sql"),
    include_str!("../migrations/0003_services_by_issuer.sql"),
    include_str!("../migrations/0004_refresh_once_more.sql"),
    include_str!("../migrations/0005_directory.sql"),
    include_str!("../migrations/0006_leases.sql"),
    include_str!("../migrations/0007_roles_and_tokens.sql"),
    include_str!("../migrations/0008_acceptable_use.sql"),
    include_str!("../migrations/0009_tasks.sql"),
    include_str!("../migrations/0010_checkpoints_in_order.sql"),
    include_str!("../migrations/0011_searches.sql"),
    include_str!("../migrations/0012_certainty_of_usage.sql"),
    include_str!("../migrations/0013_former_names.sql"),
    include_str!("../migrations/0014_use_drafts.sql"),
    include_str!("../migrations/0015_member_checks_and_drills.sql"),
    include_str!("../migrations/0016_console_sessions.sql"),
    include_str!("../migrations/0017_chain_claims.sql"),
    include_str!("../migrations/0018_refusals.sql"),
    include_str!("../migrations/0019_who_is_new.sql"),
    include_str!("../migrations/0020_users_counted.sql"),
    include_str!("../migrations/0021_use_of_service_keys.sql"),
    include_str!("../migrations/0022_access_requests.sql"),
    include_str!("../migrations/0023_sensor_words.sql"),
    include_str!("../migrations/0024_tasks_by_deadline.sql"),
    include_str!("../migrations/0025_evidence.sql"),
    include_str!("../migrations/0026_break_glass.sql"),
    include_str!("../migrations/0027_connector_actions.sql"),
    include_str!("../migrations/0028_approvals.sql"),
    include_str!("../migrations/0029_oauth_clients.sql"),
    include_str!("../migrations/0030_grants.sql"),
    include_str!("../migrations/0031_connector_minutes.sql"),
    include_str!("../migrations/0032_grant_wants.sql"),
    include_str!("../migrations/0033_reviews_in_order.sql"),
    include_str!("../migrations/0034_changed_calls.sql"),
    include_str!("../migrations/0035_shaped_answers.sql"),
    include_str!("../migrations/0036_notices_of_requests.sql"),
    include_str!("../migrations/0037_definitions_by_kind.sql"),
];

/// Any fixed number, the same for every Doorward.
const POSTGRES_LOCK: i64 = 7_206_154_991;

/// Brings the schema up to date, one migration after the other.
pub(crate) async fn run(pools: &Pools) -> Result<()> {
    run_to(pools, number_of(MIGRATIONS.len()) - 1).await?;
    Ok(())
}

/// Brings the schema up to this number and returns the one it has, which may be a later one.
pub(crate) async fn run_to(pools: &Pools, schema: i64) -> Result<i64> {
    loop {
        if let Some(found) = step(pools, schema).await? {
            return Ok(found);
        }
    }
}

/// Whether this program has the schema of this number.
pub(crate) fn known(schema: i64) -> Result<()> {
    let known = number_of(MIGRATIONS.len()) - 1;
    if schema > known {
        return Err(StoreError::NewerSchema {
            found: schema,
            known,
        });
    }
    Ok(())
}

/// Applies the first migration that is missing up to this number; the schema's number when none is.
async fn step(pools: &Pools, schema: i64) -> Result<Option<i64>> {
    let mut tx = pools.begin().await?;
    lock(&mut tx).await?;
    tx.run(query(
        "CREATE TABLE IF NOT EXISTS migrations (number BIGINT PRIMARY KEY, checksum TEXT NOT NULL)",
    ))
    .await?;
    let rows = tx
        .rows(query(
            "SELECT number, checksum FROM migrations ORDER BY number",
        ))
        .await?;
    let mut applied = Vec::with_capacity(rows.len());
    for row in &rows {
        applied.push((row.try_get(0)?, row.try_get(1)?));
    }
    check(&applied)?;
    let number = number_of(applied.len());
    let Some(sql) = MIGRATIONS.get(applied.len()).filter(|_| number <= schema) else {
        return Ok(Some(number - 1));
    };
    tx.script(sql).await?;
    tx.run(
        query("INSERT INTO migrations (number, checksum) VALUES ($1, $2)")
            .bind(number)
            .bind(checksum(sql)),
    )
    .await?;
    tx.commit().await?;
    tracing::info!(number, "store migrated");
    Ok(None)
}

/// Which schema a database has and which this program knows, without touching it. A newer one, or one that is not ours, is an
/// error as it is when opening.
pub(crate) async fn look(pools: &Pools) -> Result<Schema> {
    look_in(&mut pools.begin_looking().await?).await
}

/// The same in a transaction.
pub(crate) async fn look_in(tx: &mut Tx) -> Result<Schema> {
    let there = tx
        .row(query(match tx.engine() {
            Engine::Sqlite => "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'migrations'",
            Engine::Postgres => {
                "SELECT 1 FROM information_schema.tables WHERE table_schema = current_schema() AND table_name = 'migrations'"
            }
        }))
        .await?;
    let mut applied = Vec::new();
    if there.is_some() {
        for row in tx
            .rows(query(
                "SELECT number, checksum FROM migrations ORDER BY number",
            ))
            .await?
        {
            applied.push((row.try_get(0)?, row.try_get(1)?));
        }
    }
    check(&applied)?;
    Ok(Schema {
        found: number_of(applied.len()) - 1,
        known: number_of(MIGRATIONS.len()) - 1,
    })
}

/// Until the transaction's end. On SQLite its beginning has taken the only write lock already.
async fn lock(tx: &mut Tx) -> Result<()> {
    if tx.engine() == Engine::Sqlite {
        return Ok(());
    }
    // Indexes on large tables take long, and so does another replica that makes them.
    let wait_ms = limits::STORE_MIGRATION_MS;
    tx.settings(&format!(
        "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = {wait_ms}"
    ))
    .await?;
    tx.slow(query("SELECT pg_advisory_xact_lock($1)").bind(POSTGRES_LOCK))
        .await
}

/// The history must be ours from its first to its last entry.
fn check(applied: &[(i64, String)]) -> Result<()> {
    let known = number_of(MIGRATIONS.len()) - 1;
    if let Some(&(found, _)) = applied.last().filter(|(last, _)| *last > known) {
        return Err(StoreError::NewerSchema { found, known });
    }
    for (index, (number, found)) in applied.iter().enumerate() {
        let ours = MIGRATIONS.get(index).map(|sql| checksum(sql));
        if *number != number_of(index) || ours.as_ref() != Some(found) {
            return Err(StoreError::ChangedMigration(*number));
        }
    }
    Ok(())
}

fn number_of(index: usize) -> i64 {
    i64::try_from(index + 1).expect("there are few migrations")
}

const HEX: [char; 16] = [
    '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f',
];

fn checksum(sql: &str) -> String {
    let hash = digest::digest(&digest::SHA256, sql.as_bytes());
    hash.as_ref().iter().fold(String::new(), |mut text, byte| {
        text.push(HEX[usize::from(byte >> 4)]);
        text.push(HEX[usize::from(byte & 15)]);
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(applied: &[(i64, &str)]) -> String {
        let applied: Vec<_> = applied
            .iter()
            .map(|(n, sum)| (*n, (*sum).to_owned()))
            .collect();
        check(&applied).map_or_else(|error| error.to_string(), |()| "fine".to_owned())
    }

    #[test]
    fn only_a_history_that_is_ours_from_first_to_last_is_taken() {
        let ours = checksum(MIGRATIONS[0]);
        assert_eq!(verdict(&[]), "fine");
        assert_eq!(verdict(&[(1, &ours)]), "fine");
        assert!(verdict(&[(1, "other")]).starts_with("migration 1 was applied in another form"));
        assert!(verdict(&[(0, &ours)]).starts_with("migration 0 was applied in another form"));
        let second = checksum(MIGRATIONS[1]);
        assert_eq!(verdict(&[(1, &ours), (2, &second)]), "fine");
        let newer = verdict(&[(1, &ours), (2, "x"), (1_000, "y")]);
        assert!(
            newer.starts_with("the store has schema 1000, newer than"),
            "{newer}"
        );
    }
}
