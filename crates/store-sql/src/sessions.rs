//! Terminated sessions.

use async_trait::async_trait;
use portcullis_core::Timestamp;
use portcullis_store::{SessionStore, StoreError, TerminatedSession};

use crate::columns::{Columns, saturated};
use crate::database::{Alone, Database, failed, next_change};
use crate::statement::{Changed, query};

#[derive(Debug)]
pub(crate) struct SqlSessions {
    database: Database,
}

impl SqlSessions {
    pub(crate) const fn new(database: Database) -> Self {
        Self { database }
    }
}

#[async_trait]
impl SessionStore for SqlSessions {
    async fn terminate(&self, session: &TerminatedSession) -> Result<(), StoreError> {
        const OPERATION: &str = "sessions.terminate";
        let mut transaction = self.database.begin(Alone::ByItsRows, OPERATION).await?;
        let change = next_change(&mut transaction, "sessions", OPERATION).await?;
        let inserted = query(
            "INSERT INTO terminated_sessions (digest, expires_at, change) VALUES ($1, $2, $3) \
             ON CONFLICT (digest) DO NOTHING",
        )
        .bind(session.digest.as_slice())
        .bind(session.expires_at.as_millis())
        .bind(change)
        .execute(&mut transaction)
        .await
        .map_err(failed(OPERATION))?;
        let end = if inserted.rows_affected() == 0 {
            transaction.rollback().await
        } else {
            transaction.commit().await
        };
        end.map_err(failed(OPERATION))
    }

    async fn is_terminated(&self, digest: &[u8; 32]) -> Result<bool, StoreError> {
        query("SELECT 1 FROM terminated_sessions WHERE digest = $1")
            .bind(digest.as_slice())
            .fetch_optional(&self.database.reader)
            .await
            .map(|found| found.is_some())
            .map_err(failed("sessions.is_terminated"))
    }

    async fn terminated_since(
        &self,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, TerminatedSession)>, StoreError> {
        const OPERATION: &str = "sessions.terminated_since";
        query(
            "SELECT digest, expires_at, change FROM terminated_sessions \
             WHERE change > $1 ORDER BY change LIMIT $2",
        )
        .bind(saturated(after))
        .bind(saturated(limit))
        .fetch_all(&self.database.reader)
        .await
        .map_err(failed(OPERATION))?
        .iter()
        .map(|row| {
            let columns = Columns::of(row, OPERATION);
            let session = TerminatedSession {
                digest: columns.bytes32("digest")?,
                expires_at: columns.timestamp("expires_at")?,
            };
            Ok((columns.number("change")?, session))
        })
        .collect()
    }

    async fn purge(&self, now: Timestamp) -> Result<u64, StoreError> {
        query("DELETE FROM terminated_sessions WHERE expires_at < $1")
            .bind(now.as_millis())
            .execute(&self.database.writer)
            .await
            .map(Changed::rows_affected)
            .map_err(failed("sessions.purge"))
    }
}
