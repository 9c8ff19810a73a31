//! A PostgreSQL server: connections that are lent, transactions, and what the server says no to.

mod open;
mod url;

use std::time::Duration;

use sqlx::Postgres;
use sqlx::error::DatabaseError;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnection, PgDatabaseError, PgPool};
use tokio::time::error::Elapsed;

use crate::database::Alone;

pub use open::{Migrated, PostgresSettings, PostgresStores};
pub use url::{PostgresUrl, UrlError};

/// Connections that read, or such that write.
#[derive(Clone, Debug)]
pub(crate) struct PostgresPool {
    pub(crate) pool: PgPool,
    /// How long an answer is waited for. The server gives up before that, if it lives.
    pub(crate) patience: Duration,
    pub(crate) only_reads: bool,
}

impl PostgresPool {
    pub(crate) const fn only_reads(&self) -> bool {
        self.only_reads
    }

    pub(crate) async fn lend(&self) -> Result<Lent, sqlx::Error> {
        let connection = self.pool.acquire().await?;
        Ok(Lent {
            connection: Some(connection),
            patience: self.patience,
        })
    }

    pub(crate) async fn begin(&self, alone: Alone<'_>) -> Result<PostgresTransaction, sqlx::Error> {
        let mut open = PostgresTransaction {
            lent: self.lend().await?,
        };
        open.run("BEGIN").await?;
        match alone {
            Alone::ByItsRows => {}
            Alone::InTable(lock) => open.run(lock).await?,
            // Two that share a number by chance wait for each other, nothing else.
            Alone::About(subject, which) => {
                let (patience, connection) = open.connection()?;
                let taken = sqlx::query("SELECT pg_advisory_xact_lock(hashtext($1), hashtext($2))")
                    .bind(subject)
                    .bind(which)
                    .execute(connection);
                let ended = tokio::time::timeout(patience, taken).await;
                open.settle(ended)?;
            }
        }
        Ok(open)
    }

    pub(crate) async fn close(&self) {
        // A server that does not answer is not waited for.
        let closed = tokio::time::timeout(self.patience, self.pool.close()).await;
        if closed.is_err() {
            tracing::warn!("the database does not answer; its connections are left to it");
        }
    }
}

/// A connection in use. One whose answer was not waited for is not used again.
#[derive(Debug)]
pub(crate) struct Lent {
    connection: Option<PoolConnection<Postgres>>,
    patience: Duration,
}

impl Lent {
    pub(crate) fn connection(&mut self) -> Result<(Duration, &mut PgConnection), sqlx::Error> {
        let connection = self.connection.as_mut().ok_or_else(gone)?;
        Ok((self.patience, connection))
    }

    /// The end of a call: its answer, or the end of the connection.
    pub(crate) fn settle<T>(
        &mut self,
        ended: Result<Result<T, sqlx::Error>, Elapsed>,
    ) -> Result<T, sqlx::Error> {
        ended.unwrap_or_else(|_| {
            self.cut();
            Err(sqlx::Error::Io(std::io::Error::new(
                std::io::ErrorKind::TimedOut,
                "the database did not answer in time",
            )))
        })
    }

    /// Closes the connection as it is. The pool may open another at once.
    fn cut(&mut self) {
        drop(self.connection.take().map(PoolConnection::detach));
    }
}

fn gone() -> sqlx::Error {
    sqlx::Error::Io(std::io::ErrorKind::NotConnected.into())
}

/// Several statements that are one step. Dropped before its end, it takes its connection with it: the
/// server undoes what was done.
#[derive(Debug)]
pub(crate) struct PostgresTransaction {
    lent: Lent,
}

impl PostgresTransaction {
    pub(crate) fn connection(&mut self) -> Result<(Duration, &mut PgConnection), sqlx::Error> {
        self.lent.connection()
    }

    pub(crate) fn settle<T>(
        &mut self,
        ended: Result<Result<T, sqlx::Error>, Elapsed>,
    ) -> Result<T, sqlx::Error> {
        self.lent.settle(ended)
    }

    pub(crate) async fn end(mut self, how: &'static str) -> Result<(), sqlx::Error> {
        self.run(how).await?;
        // Given back whole.
        drop(self.lent.connection.take());
        Ok(())
    }

    async fn run(&mut self, text: &'static str) -> Result<(), sqlx::Error> {
        let (patience, connection) = self.lent.connection()?;
        // The simple protocol: these take no values, and need no place among prepared statements.
        let running = sqlx::raw_sql(text).execute(connection);
        let ended = tokio::time::timeout(patience, running).await;
        self.lent.settle(ended).map(drop)
    }
}

impl Drop for PostgresTransaction {
    fn drop(&mut self) {
        self.lent.cut();
    }
}

/// What the server answered, without its details: those quote values of rows.
#[derive(Debug, thiserror::Error)]
#[error("the database refuses ({code}): {message}")]
pub(crate) struct Refused {
    code: String,
    message: String,
}

impl Refused {
    /// Whether what is stored, or was to be, cannot be right (classes of `SQLSTATE`, appendix A of the
    /// manual): data exceptions, violated constraints, and the server's own word for damaged files.
    pub(crate) fn corrupt(&self) -> bool {
        ["22", "23", "XX001", "XX002"]
            .iter()
            .any(|class| self.code.starts_with(class))
    }
}

/// The refusal of a PostgreSQL server, if it is one.
pub(crate) fn refused(error: &dyn DatabaseError) -> Option<Refused> {
    let error = error.try_downcast_ref::<PgDatabaseError>()?;
    Some(Refused {
        code: error.code().to_owned(),
        message: error.message().to_owned(),
    })
}
