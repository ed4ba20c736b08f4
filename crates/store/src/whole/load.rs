//! Rows into an empty database, all in one transaction: it holds everything or nothing. What must not come back to life is ended
//! in the same transaction. The schema is made as it was when the rows were read; opening the store afterwards brings it up to date.

use domain::{OrgId, Timestamp};
use sqlx::{AssertSqlSafe, Row as _, query};

use super::{Column, Table, Value, listed, quoted, tables};
use crate::connection::{Pools, Query, Tx};
use crate::revocations::{Target, revoke_in};
use crate::{Engine, Result, StoreError, id, migrate};

/// Rows of one statement; see `ledger::ROWS_AT_ONCE`.
const ROWS_AT_ONCE: usize = 16;

/// A transaction that fills a database; undone when it is dropped before its commit.
pub struct Loading {
    tx: Tx,
    tables: Vec<Table>,
    /// PostgreSQL's references between tables, which are taken off while rows come in any order: table, name, definition.
    references: Vec<(String, String, String)>,
    pools: Pools,
}

impl std::fmt::Debug for Loading {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Loading").finish_non_exhaustive()
    }
}

/// What was ended, so that it does not come back to life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ended {
    /// Open sessions.
    pub sessions: u64,
    /// Refresh tokens.
    pub refresh_tokens: u64,
    /// Sign-ins that were under way.
    pub sign_ins: u64,
    /// People's tokens for the admin API.
    pub personal_tokens: u64,
}

impl Loading {
    /// Makes the schema of this number in a database that holds no row, and begins. [`StoreError::NotEmpty`] when one is there,
    /// [`StoreError::NewerSchema`] when the number is one this program does not know, [`StoreError::OtherSchema`] when the
    /// database is beyond it already.
    pub async fn begin(url: &str, schema: i64) -> Result<Self> {
        migrate::known(schema)?;
        let pools = Pools::open(url).await?;
        let found = migrate::run_to(&pools, schema).await?;
        let mut tx = pools.begin().await?;
        tx.unhurried().await?;
        let tables = tables(&mut tx).await?;
        // rows first: a place that is in use is the likelier mistake
        for table in &tables {
            let any = format!("SELECT 1 FROM {} LIMIT 1", quoted(&table.name));
            if tx.row(query(AssertSqlSafe(any))).await?.is_some() {
                return Err(StoreError::NotEmpty(table.name.clone()));
            }
        }
        if found != schema {
            return Err(StoreError::OtherSchema {
                found,
                wanted: schema,
            });
        }
        let references = let_go(&mut tx).await?;
        Ok(Self {
            tx,
            tables,
            references,
            pools,
        })
    }

    /// Every table that can be filled.
    pub fn tables(&self) -> &[Table] {
        &self.tables
    }

    /// Puts rows with these columns into a table; [`StoreError::OtherColumns`] when it has others.
    pub async fn put(
        &mut self,
        table: &str,
        columns: &[Column],
        rows: &[Vec<Value>],
    ) -> Result<()> {
        let known = self.tables.iter().find(|known| known.name == table);
        let fits = known.is_some_and(|known| {
            known.columns.len() == columns.len()
                && columns.iter().all(|column| known.columns.contains(column))
        });
        if !fits || rows.iter().any(|row| row.len() != columns.len()) {
            return Err(StoreError::OtherColumns(table.to_owned()));
        }
        for rows in rows.chunks(ROWS_AT_ONCE) {
            let mut statement = query(AssertSqlSafe(insert(table, columns, rows.len())));
            for (value, column) in rows.iter().flat_map(|row| row.iter().zip(columns)) {
                statement = bound(statement, value, column);
            }
            self.tx.run(statement).await?;
        }
        Ok(())
    }

    /// Ends what people were signed in with, for every organisation: sessions, refresh tokens, personal tokens, tokens of their
    /// issuers made up to this moment, and sign-ins under way.
    pub async fn end_sign_ins(&mut self, at: Timestamp, why: &str) -> Result<Ended> {
        let mut ended = Ended::default();
        let open = query("SELECT COUNT(*) FROM sessions WHERE ended_at IS NULL");
        if let Some(row) = self.tx.row(open).await? {
            ended.sessions = crate::unsigned(&row, 0, "sessions.id")?;
        }
        ended.refresh_tokens = self.tx.run(query("DELETE FROM refresh_tokens")).await?;
        ended.sign_ins = self.tx.run(query("DELETE FROM device_codes")).await?
            + self.tx.run(query("DELETE FROM login_states")).await?;
        // a table of later than the first schema may not be there yet
        if self.has("console_sessions") {
            self.tx.run(query("DELETE FROM console_sessions")).await?;
            // A code that was used since the backup would open once more.
            self.tx.run(query("DELETE FROM break_glass")).await?;
        }
        // Codes that were used since the backup would open once more, and so would assertions.
        if self.has("authorization_codes") {
            ended.sign_ins += self
                .tx
                .run(query("DELETE FROM authorization_codes"))
                .await?;
        }
        if self.has("personal_tokens") {
            let revoke = "UPDATE personal_tokens SET revoked_at = $1 WHERE revoked_at IS NULL AND expires > $1";
            ended.personal_tokens = self.tx.run(query(revoke).bind(at.unix_ms())).await?;
        }
        let orgs = self.tx.rows(query("SELECT id FROM orgs")).await?;
        for row in &orgs {
            let org: OrgId = id(row, 0, "orgs.id")?;
            revoke_in(&mut self.tx, org, &Target::Everyone, at, why).await?;
        }
        Ok(ended)
    }

    /// Forgets who wrote the chains: none of those processes writes to this database.
    pub async fn forget_claims(&mut self) -> Result<u64> {
        if !self.has("chain_claims") {
            return Ok(0);
        }
        self.tx.run(query("DELETE FROM chain_claims")).await
    }

    fn has(&self, table: &str) -> bool {
        self.tables.iter().any(|known| known.name == table)
    }

    /// Forgets every sealed secret, for whoever has lost the key that opens them.
    pub async fn forget_secrets(&mut self) -> Result<u64> {
        self.tx.run(query("DELETE FROM secrets")).await
    }

    /// Ends every service key and every directory's token that was not revoked; how many there were of each.
    pub async fn end_keys(&mut self, at: Timestamp) -> Result<(u64, u64)> {
        let services = "UPDATE service_keys SET revoked_at = $1 WHERE revoked_at IS NULL";
        let services = self.tx.run(query(services).bind(at.unix_ms())).await?;
        if !self.has("scim_tokens") {
            return Ok((services, 0));
        }
        let directories = "UPDATE scim_tokens SET revoked_at = $1 WHERE revoked_at IS NULL";
        let directories = self.tx.run(query(directories).bind(at.unix_ms())).await?;
        Ok((services, directories))
    }

    /// Makes it durable, once every reference between tables holds.
    pub async fn commit(mut self) -> Result<()> {
        for (table, name, definition) in &self.references {
            let sql = format!("ALTER TABLE {table} ADD CONSTRAINT {name} {definition}");
            self.tx.slow(query(AssertSqlSafe(sql))).await?;
        }
        self.tx.commit_unhurried().await?;
        self.pools.close().await;
        Ok(())
    }

    /// Undoes it and lets the database go.
    pub async fn undo(self) {
        drop(self.tx);
        self.pools.close().await;
    }
}

/// Lets rows come in any order: references are checked at the end.
async fn let_go(tx: &mut Tx) -> Result<Vec<(String, String, String)>> {
    if tx.engine() == Engine::Sqlite {
        tx.settings("PRAGMA defer_foreign_keys = ON").await?;
        return Ok(Vec::new());
    }
    let rows = tx
        .rows(query(
            "SELECT conrelid::regclass::text, quote_ident(conname), pg_get_constraintdef(oid) FROM pg_constraint \
             WHERE contype = 'f' AND conparentid = 0 AND connamespace = current_schema()::regnamespace ORDER BY 1, 2",
        ))
        .await?;
    let mut references: Vec<(String, String, String)> = Vec::with_capacity(rows.len());
    for row in &rows {
        references.push((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?));
    }
    for (table, name, _) in &references {
        let sql = format!("ALTER TABLE {table} DROP CONSTRAINT {name}");
        tx.slow(query(AssertSqlSafe(sql))).await?;
    }
    Ok(references)
}

/// The statement that takes this many rows.
fn insert(table: &str, columns: &[Column], rows: usize) -> String {
    let mut sql = format!(
        "INSERT INTO {} ({}) VALUES ",
        quoted(table),
        listed(columns)
    );
    for row in 0..rows {
        let at = row * columns.len();
        let places: Vec<String> = (1..=columns.len())
            .map(|column| format!("${}", at + column))
            .collect();
        let comma = if row == 0 { "" } else { ", " };
        sql.push_str(comma);
        sql.push('(');
        sql.push_str(&places.join(", "));
        sql.push(')');
    }
    sql
}

fn bound<'q>(statement: Query<'q>, value: &Value, column: &Column) -> Query<'q> {
    use super::Kind;
    match (value, column.kind) {
        (Value::Integer(number), _) => statement.bind(*number),
        (Value::Text(text), _) => statement.bind(text.clone()),
        (Value::Bytes(bytes), _) => statement.bind(bytes.clone()),
        (Value::Null, Kind::Integer) => statement.bind(None::<i64>),
        (Value::Null, Kind::Text) => statement.bind(None::<String>),
        (Value::Null, Kind::Bytes) => statement.bind(None::<Vec<u8>>),
    }
}
