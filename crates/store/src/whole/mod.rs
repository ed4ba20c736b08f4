//! Every row of the database, for backup and restore: read in one consistent look, and put into an empty database in one
//! transaction. Tables and columns are read from the database itself, so that a table a migration adds is never forgotten; a
//! column of a type that would not survive the way between the engines is refused. Who may do this, and where the rows go, is for
//! the caller to say; what was ended or sealed is not looked into here.

mod load;
mod snapshot;

use sqlx::{Row as _, query};

use crate::connection::Tx;
use crate::{Engine, Result, StoreError};

pub use load::{Ended, Loading};
pub use snapshot::Snapshot;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A number of 64 bits.
    Integer,
    /// Text.
    Text,
    /// Bytes.
    Bytes,
}

impl Kind {
    /// Its name in a backup.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Integer => "integer",
            Self::Text => "text",
            Self::Bytes => "bytes",
        }
    }

    /// As [`Kind::as_str`] wrote it.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Integer, Self::Text, Self::Bytes]
            .into_iter()
            .find(|kind| kind.as_str() == text)
    }

    /// By the type that a migration declares, as either engine repeats it.
    fn of_type(declared: &str) -> Option<Self> {
        match declared.to_ascii_lowercase().as_str() {
            "bigint" | "integer" | "smallint" => Some(Self::Integer),
            "text" => Some(Self::Text),
            "bytea" | "blob" => Some(Self::Bytes),
            _ => None,
        }
    }
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub kind: Kind,
}

/// A table and its columns, in the database's order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// Its columns.
    pub columns: Vec<Column>,
}

/// One value of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Nothing.
    Null,
    /// A number.
    Integer(i64),
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
}

/// The history of the schema, which a restore writes anew.
const MIGRATIONS: &str = "migrations";

/// Every table but the schema's own history, by name.
async fn tables(tx: &mut Tx) -> Result<Vec<Table>> {
    let rows = tx
        .rows(query(match tx.engine() {
            Engine::Sqlite => {
                "SELECT m.name, c.name, c.type FROM sqlite_master m JOIN pragma_table_info(m.name) c \
                 WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite~_%' ESCAPE '~' ORDER BY m.name, c.cid"
            }
            Engine::Postgres => {
                "SELECT c.relname::text, a.attname::text, format_type(a.atttypid, NULL) \
                 FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid \
                 WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') \
                   AND NOT c.relispartition AND a.attnum > 0 AND NOT a.attisdropped \
                 ORDER BY 1, a.attnum"
            }
        }))
        .await?;
    let mut tables: Vec<Table> = Vec::new();
    for row in &rows {
        let (table, name): (String, String) = (row.try_get(0)?, row.try_get(1)?);
        if table == MIGRATIONS {
            continue;
        }
        let declared: String = row.try_get(2)?;
        let kind = Kind::of_type(&declared)
            .ok_or_else(|| StoreError::ColumnType(format!("{table}.{name}"), declared))?;
        let column = Column { name, kind };
        match tables.last_mut().filter(|last| last.name == table) {
            Some(last) => last.columns.push(column),
            None => tables.push(Table {
                name: table,
                columns: vec![column],
            }),
        }
    }
    Ok(tables)
}

/// A name as it stands in a statement.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The columns' names, as they stand in a statement.
fn listed(columns: &[Column]) -> String {
    let names: Vec<String> = columns.iter().map(|column| quoted(&column.name)).collect();
    names.join(", ")
}
