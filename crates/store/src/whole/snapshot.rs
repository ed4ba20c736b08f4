//! One consistent look at every row, beside whoever writes: a repeatable read on PostgreSQL, a read of the log's present end on
//! SQLite. Nothing is locked and nothing can be changed.

use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row as _, query};

use super::{Column, Kind, Table, Value, listed, quoted, tables};
use crate::connection::{Pools, Tx};
use crate::{Engine, Result, Schema, migrate};

/// Rows read at once. The largest are policies; the most are the ledger's.
const ROWS_AT_ONCE: i64 = 200;

/// Every row as it is at one moment.
pub struct Snapshot {
    tx: Tx,
    tables: Vec<Table>,
    schema: Schema,
    // the connection lives as long as its pool
    pools: Pools,
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Snapshot")
            .field("schema", &self.schema)
            .field("tables", &self.tables.len())
            .finish_non_exhaustive()
    }
}

impl Snapshot {
    /// Looks at a database that is there. All that is read later is as it is now.
    pub async fn take(url: &str) -> Result<Self> {
        let pools = Pools::look(url).await?;
        let mut tx = pools.begin_looking().await?;
        if tx.engine() == Engine::Postgres {
            // whoever writes the rows away may wait for a slow disk
            tx.settings("SET LOCAL idle_in_transaction_session_timeout = 0")
                .await?;
        }
        let schema = migrate::look_in(&mut tx).await?;
        let tables = tables(&mut tx).await?;
        Ok(Self {
            tx,
            tables,
            schema,
            pools,
        })
    }

    /// How far the schema is.
    pub const fn schema(&self) -> Schema {
        self.schema
    }

    /// Which database it is.
    pub const fn engine(&self) -> Engine {
        self.tx.engine()
    }

    /// Every table.
    pub fn tables(&self) -> &[Table] {
        &self.tables
    }

    /// Begins to read a table; one at a time.
    pub async fn read(&mut self, table: usize) -> Result<Reading<'_>> {
        let table = &self.tables[table];
        let columns = listed(&table.columns);
        let name = quoted(&table.name);
        let next = match self.tx.engine() {
            // a row's place in the file is the cheapest order there is
            Engine::Sqlite => format!(
                "SELECT {columns}, rowid FROM {name} WHERE rowid > $1 ORDER BY rowid LIMIT {ROWS_AT_ONCE}"
            ),
            Engine::Postgres => {
                let cursor = quoted(&format!("rows_of_{}", table.name));
                self.tx
                    .run(query(AssertSqlSafe(format!(
                        "DECLARE {cursor} NO SCROLL CURSOR FOR SELECT {columns} FROM {name}"
                    ))))
                    .await?;
                format!("FETCH {ROWS_AT_ONCE} FROM {cursor}")
            }
        };
        Ok(Reading {
            tx: &mut self.tx,
            columns: &table.columns,
            next,
            after: i64::MIN,
        })
    }

    /// Lets the database go.
    pub async fn close(self) {
        drop(self.tx);
        self.pools.close().await;
    }
}

/// A table that is being read.
pub struct Reading<'s> {
    tx: &'s mut Tx,
    columns: &'s [Column],
    next: String,
    after: i64,
}

impl std::fmt::Debug for Reading<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Reading").finish_non_exhaustive()
    }
}

impl Reading<'_> {
    /// The next rows; none at the end.
    pub async fn next(&mut self) -> Result<Vec<Vec<Value>>> {
        let statement = query(AssertSqlSafe(self.next.clone()));
        let statement = match self.tx.engine() {
            Engine::Sqlite => statement.bind(self.after),
            Engine::Postgres => statement,
        };
        let rows = self.tx.rows(statement).await?;
        if let (Engine::Sqlite, Some(last)) = (self.tx.engine(), rows.last()) {
            self.after = last.try_get(self.columns.len())?;
        }
        rows.iter().map(|row| values(row, self.columns)).collect()
    }
}

fn values(row: &AnyRow, columns: &[Column]) -> Result<Vec<Value>> {
    let value = |(at, column): (usize, &Column)| {
        let value = match column.kind {
            Kind::Integer => row.try_get::<Option<i64>, _>(at)?.map(Value::Integer),
            Kind::Text => row.try_get::<Option<String>, _>(at)?.map(Value::Text),
            Kind::Bytes => row.try_get::<Option<Vec<u8>>, _>(at)?.map(Value::Bytes),
        };
        Ok(value.unwrap_or(Value::Null))
    };
    columns.iter().enumerate().map(value).collect()
}
