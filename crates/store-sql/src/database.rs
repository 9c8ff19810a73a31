//! The pools, and what is the same for every statement that runs on them.

use portcullis_store::StoreError;
use sqlx::{Sqlite, SqliteConnection, SqlitePool, Transaction};

/// The embedded database: one connection that writes, several that read.
#[derive(Clone, Debug)]
pub(crate) struct Database {
    pub(crate) writer: SqlitePool,
    pub(crate) reader: SqlitePool,
}

/// What a store failed at, for [`StoreError::operation`].
pub(crate) type Operation = &'static str;

impl Database {
    /// A transaction that holds the write lock from its start: what it reads stays true until it
    /// commits. Dropped without commit, it changes nothing.
    pub(crate) async fn begin(
        &self,
        operation: Operation,
    ) -> Result<Transaction<'static, Sqlite>, StoreError> {
        self.writer
            .begin_with("BEGIN IMMEDIATE")
            .await
            .map_err(failed(operation))
    }
}

/// The next number of a change feed. The counter row serialises writers, so numbers commit in order.
pub(crate) async fn next_change(
    connection: &mut SqliteConnection,
    feed: &str,
    operation: Operation,
) -> Result<i64, StoreError> {
    sqlx::query_scalar("UPDATE change_counters SET last = last + 1 WHERE feed = $1 RETURNING last")
        .bind(feed)
        .fetch_one(connection)
        .await
        .map_err(failed(operation))
}

/// Sorts the driver's errors: what is stored wrongly is corrupt, everything else may pass.
pub(crate) fn failed(operation: Operation) -> impl FnOnce(sqlx::Error) -> StoreError {
    move |error| {
        let corrupt = match &error {
            sqlx::Error::ColumnDecode { .. }
            | sqlx::Error::Decode(_)
            | sqlx::Error::ColumnNotFound(_)
            | sqlx::Error::TypeNotFound { .. }
            // Rows that the schema guarantees, such as the counters.
            | sqlx::Error::RowNotFound => true,
            // Expected collisions are `ON CONFLICT`; one that is left contradicts what was checked.
            sqlx::Error::Database(refusal) => refusal.is_unique_violation(),
            _ => false,
        };
        if corrupt {
            StoreError::corrupt(operation, error)
        } else {
            StoreError::unavailable(operation, error)
        }
    }
}
