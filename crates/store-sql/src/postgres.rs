//! A PostgreSQL server: connections that are lent, transactions, and what the server says no to.

mod lending;
mod open;
mod url;

use std::time::Duration;

use sqlx::error::DatabaseError;
use sqlx::postgres::{PgConnection, PgDatabaseError};
use tokio::time::error::Elapsed;

use self::lending::{Lending, Lent};
use crate::database::Alone;

pub use open::{Migrated, PostgresSettings, PostgresStores};
pub use url::{PostgresUrl, UrlError};

/// Connections that read, or such that write.
#[derive(Clone, Debug)]
pub(crate) struct PostgresPool {
    pub(crate) lending: Lending,
    pub(crate) only_reads: bool,
}

impl PostgresPool {
    pub(crate) const fn only_reads(&self) -> bool {
        self.only_reads
    }

    pub(crate) async fn lend(&self) -> Result<Lent, sqlx::Error> {
        self.lending.lend().await
    }

    pub(crate) async fn begin(&self, alone: Alone<'_>) -> Result<PostgresTransaction, sqlx::Error> {
        let mut open = PostgresTransaction {
            lent: self.lend().await?,
            ended: false,
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
        self.lending.close().await;
    }
}

/// Several statements that are one step. Dropped before its end, it takes its connection with it: the
/// server undoes what was done.
#[derive(Debug)]
pub(crate) struct PostgresTransaction {
    lent: Lent,
    ended: bool,
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
        self.ended = true;
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
        if !self.ended {
            self.lent.cut();
        }
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
