//! What can go wrong between us and the database, told apart by what a caller must know: was something written or not. Never
//! holds a value that was to be stored.

use sqlx::error::DatabaseError;

/// Why a query did not do what it should.
#[derive(thiserror::Error)]
pub enum StoreError {
    /// The database cannot be reached or said no; nothing was written. May be tried again.
    #[error("the store cannot be reached or refused; nothing was written")]
    Database(#[source] sqlx::Error),
    /// The database did not answer in time; the transaction was not committed. May be tried again.
    #[error("the store did not answer in time; nothing was written")]
    Silent,
    /// The connection was lost while the commit was under way. Reading tells which it was.
    #[error("the store was lost during a commit; the change was written as a whole or not at all")]
    Uncertain(#[source] Option<sqlx::Error>),
    /// A text to be stored or looked for holds a NUL, which PostgreSQL takes in none; nothing was written.
    #[error("a text holds a NUL character, which cannot be stored or looked for")]
    Nul,
    /// A row holds what we never wrote.
    #[error("the store holds a value of `{0}` that cannot be")]
    Damaged(&'static str),
    /// There are as many as there may be; nothing was written.
    #[error("there may be no more {0}; nothing was written")]
    Full(&'static str),
    /// A batch of the ledger that does not begin where its chain's copy ends; nothing was written. The caller cuts it there.
    #[error(
        "the ledger's copy continues at record {next}, not where the batch begins; nothing was written"
    )]
    Cursor {
        /// The number of the first record that is not in the copy.
        next: u64,
    },
    /// A batch of the ledger with a record outside the numbers it says it covers; nothing was written.
    #[error("a batch holds record {0}, which lies outside it; nothing was written")]
    OutsideBatch(u64),
    /// Another record was shipped under this number of the chain: two ledgers use one name. Nothing was written.
    #[error("record {0} of this chain was shipped with another content; nothing was written")]
    Fork(u64),
    /// Another process has claimed the chain, or nobody has. Nothing was written.
    #[error("another process writes this chain of the ledger; nothing was written")]
    NotWriter,
    /// The address names no engine we know, or a database in memory, which would be lost.
    #[error("the store's address must begin with `sqlite:` and name a file, or with `postgres:`")]
    Address,
    /// The database cannot be reached, or does not let us in. Names its address, never who asks or with what.
    #[error("the store at {0} cannot be reached, or does not let us in")]
    Unreachable(String, #[source] sqlx::Error),
    /// The database's file cannot be made or read.
    #[error(
        "the store's file {} cannot be made or read; its folder must be there and belong to the account that runs this",
        .0.display()
    )]
    File(std::path::PathBuf, #[source] std::io::Error),
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
    /// A row is where none may be: a backup is restored into an empty place only.
    #[error("the database is not empty: `{0}` holds rows; nothing was written")]
    NotEmpty(String),
    /// The database is further than the rows that shall be put into it.
    #[error(
        "the database has schema {found} and the rows have {wanted}; use a new database, which is brought up to date afterwards"
    )]
    OtherSchema {
        /// In the database.
        found: i64,
        /// What the rows need.
        wanted: i64,
    },
    /// Rows with columns that the table does not have, or with a table that is not there.
    #[error("the rows of `{0}` do not fit the table of this schema; nothing was written")]
    OtherColumns(String),
    /// A column that could not be carried from one engine to the other.
    #[error("`{0}` has the type {1}, which cannot be carried from one database to another")]
    ColumnType(String, String),
    /// A migration that was applied is not the one this program has.
    #[error(
        "migration {0} was applied in another form; this program and the store do not belong together"
    )]
    ChangedMigration(i64),
}

impl StoreError {
    /// Whether it is certain that nothing was written.
    pub const fn nothing_written(&self) -> bool {
        !matches!(self, Self::Uncertain(_))
    }
}

impl std::fmt::Debug for StoreError {
    /// The sentence and its cause. The driver's own form repeats values that were to be stored.
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, out)?;
        match std::error::Error::source(self) {
            Some(cause) => write!(out, ": {cause}"),
            None => Ok(()),
        }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        let code = error.as_database_error().and_then(DatabaseError::code);
        // `character_not_in_repertoire`: our texts are UTF-8 by their type, so it can only be a NUL.
        if code.is_some_and(|code| code == "22021") {
            return Self::Nul;
        }
        Self::Database(error)
    }
}

/// The result of every query.
pub type Result<T> = std::result::Result<T, StoreError>;
