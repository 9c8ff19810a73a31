//! The pools, and what is the same for every statement that runs on them.

use portcullis_store::StoreError;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{Sqlite, SqlitePool};

use crate::columns::Columns;
use crate::postgres::{PostgresPool, PostgresTransaction, refused};
use crate::statement::query;

/// A database: where statements run that write, and where those that read. SQLite has one connection
/// that writes and several that read.
#[derive(Clone, Debug)]
pub(crate) struct Database {
    pub(crate) writer: Pool,
    pub(crate) reader: Pool,
}

/// Connections of one kind.
#[derive(Clone, Debug)]
pub(crate) enum Pool {
    Sqlite(SqlitePool),
    Postgres(PostgresPool),
}

/// What was read.
pub(crate) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

impl From<SqliteRow> for Row {
    fn from(row: SqliteRow) -> Self {
        Self::Sqlite(row)
    }
}

impl From<PgRow> for Row {
    fn from(row: PgRow) -> Self {
        Self::Postgres(row)
    }
}

/// What a store failed at, for [`StoreError::operation`].
pub(crate) type Operation = &'static str;

/// Whom a transaction keeps out until it ends, where not every writer is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Alone<'a> {
    /// Nobody: its first statement takes the row that decides.
    ByItsRows,
    /// Whoever else asks for the same words.
    About(&'static str, &'a str),
    /// Everybody who writes into a table; the statement takes it.
    InTable(&'static str),
}

/// Several statements that are one step.
#[derive(Debug)]
pub(crate) enum Transaction {
    Sqlite(sqlx::Transaction<'static, Sqlite>),
    Postgres(PostgresTransaction),
}

impl Transaction {
    pub(crate) async fn commit(self) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(open) => open.commit().await,
            Self::Postgres(open) => open.end("COMMIT").await,
        }
    }

    pub(crate) async fn rollback(self) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(open) => open.rollback().await,
            Self::Postgres(open) => open.end("ROLLBACK").await,
        }
    }

    /// On PostgreSQL, takes the rows that a `SELECT … FOR UPDATE` names; SQLite has one writer anyway.
    pub(crate) async fn take_rows(
        &mut self,
        statement: crate::statement::Statement<'_>,
    ) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(_) => Ok(()),
            Self::Postgres(_) => statement.fetch_all(self).await.map(drop),
        }
    }
}

impl Database {
    /// A transaction for which what it reads stays true until it commits. Dropped without commit, it
    /// changes nothing.
    ///
    /// SQLite holds the write lock from the start. PostgreSQL keeps out those whom `alone` names.
    pub(crate) async fn begin(
        &self,
        alone: Alone<'_>,
        operation: Operation,
    ) -> Result<Transaction, StoreError> {
        match &self.writer {
            Pool::Sqlite(writer) => writer
                .begin_with("BEGIN IMMEDIATE")
                .await
                .map(Transaction::Sqlite),
            Pool::Postgres(writer) => writer.begin(alone).await.map(Transaction::Postgres),
        }
        .map_err(failed(operation))
    }

    /// Waits for what is running, then closes every connection.
    pub(crate) async fn close(&self) {
        for pool in [&self.reader, &self.writer] {
            match pool {
                Pool::Sqlite(pool) => pool.close().await,
                Pool::Postgres(pool) => pool.close().await,
            }
        }
    }
}

/// The next number of a change feed. The counter row serialises writers, so numbers commit in order.
pub(crate) async fn next_change(
    transaction: &mut Transaction,
    feed: &str,
    operation: Operation,
) -> Result<i64, StoreError> {
    let row = query("UPDATE change_counters SET last = last + 1 WHERE feed = $1 RETURNING last")
        .bind(feed)
        .fetch_one(transaction)
        .await
        .map_err(failed(operation))?;
    Columns::of(&row, operation).get("last")
}

/// Sorts the driver's errors: what is stored wrongly is corrupt, everything else may pass.
pub(crate) fn failed(operation: Operation) -> impl FnOnce(sqlx::Error) -> StoreError {
    move |error| {
        let corrupt = match &error {
            sqlx::Error::ColumnDecode { .. }
            | sqlx::Error::Decode(_)
            | sqlx::Error::Encode(_)
            | sqlx::Error::ColumnNotFound(_)
            | sqlx::Error::TypeNotFound { .. }
            // Rows that the schema guarantees, such as the counters.
            | sqlx::Error::RowNotFound => true,
            // Expected collisions are `ON CONFLICT`; one that is left contradicts what was checked.
            sqlx::Error::Database(refusal) => {
                return match refused(&**refusal) {
                    Some(refusal) if refusal.corrupt() => StoreError::corrupt(operation, refusal),
                    Some(refusal) => StoreError::unavailable(operation, refusal),
                    None if refusal.is_unique_violation() => StoreError::corrupt(operation, error),
                    None => StoreError::unavailable(operation, error),
                };
            }
            _ => false,
        };
        if corrupt {
            StoreError::corrupt(operation, error)
        } else {
            StoreError::unavailable(operation, error)
        }
    }
}
