//! Servers of administrators.

use async_trait::async_trait;
use portcullis_core::ServerId;
use portcullis_store::{Defined, ServerRecord, ServerStore, StoreError};

use crate::columns::{Columns, saturated};
use crate::database::{Alone, Database, Operation, Row, Transaction, failed, next_change};
use crate::statement::query;

#[derive(Debug)]
pub(crate) struct SqlServers {
    database: Database,
}

impl SqlServers {
    pub(crate) const fn new(database: Database) -> Self {
        Self { database }
    }

    /// Ends a step that changed a row, or gives the change number back.
    async fn settle(
        transaction: Transaction,
        changed: bool,
        operation: Operation,
    ) -> Result<bool, StoreError> {
        let ended = if changed {
            transaction.commit().await
        } else {
            transaction.rollback().await
        };
        ended.map_err(failed(operation))?;
        Ok(changed)
    }
}

#[async_trait]
impl ServerStore for SqlServers {
    async fn last_change(&self) -> Result<u64, StoreError> {
        const OPERATION: Operation = "servers.last_change";
        let row = query("SELECT last FROM change_counters WHERE feed = $1")
            .bind("servers")
            .fetch_one(&self.database.reader)
            .await
            .map_err(failed(OPERATION))?;
        Columns::of(&row, OPERATION).number("last")
    }

    async fn all(&self) -> Result<Vec<ServerRecord>, StoreError> {
        const OPERATION: Operation = "servers.all";
        query("SELECT id, sealed, version FROM servers ORDER BY id")
            .fetch_all(&self.database.reader)
            .await
            .map_err(failed(OPERATION))?
            .iter()
            .map(|row| read(row, OPERATION))
            .collect()
    }

    async fn get(&self, id: &ServerId) -> Result<Option<ServerRecord>, StoreError> {
        const OPERATION: Operation = "servers.get";
        query("SELECT id, sealed, version FROM servers WHERE id = $1")
            .bind(id.as_str())
            .fetch_optional(&self.database.reader)
            .await
            .map_err(failed(OPERATION))?
            .map(|row| read(&row, OPERATION))
            .transpose()
    }

    async fn define(&self, record: &ServerRecord, room: usize) -> Result<Defined, StoreError> {
        const OPERATION: Operation = "servers.define";
        // The counter's row is taken first: whoever else defines one waits, and counts this one too.
        let mut transaction = self.database.begin(Alone::ByItsRows, OPERATION).await?;
        next_change(&mut transaction, "servers", OPERATION).await?;
        let stored = query(
            "INSERT INTO servers (id, sealed, version) SELECT $1, $2, $3 \
             WHERE (SELECT COUNT(*) FROM servers) < $4 ON CONFLICT DO NOTHING",
        )
        .bind(record.id.as_str())
        .bind(record.sealed.as_slice())
        .bind(saturated(record.version))
        .bind(saturated(room))
        .execute(&mut transaction)
        .await
        .map_err(failed(OPERATION))?
        .rows_affected()
            == 1;
        if Self::settle(transaction, stored, OPERATION).await? {
            return Ok(Defined::Stored);
        }
        let taken = self.get(&record.id).await?.is_some();
        Ok(if taken { Defined::Taken } else { Defined::Full })
    }

    async fn replace(&self, record: &ServerRecord, follows: u64) -> Result<bool, StoreError> {
        const OPERATION: Operation = "servers.replace";
        let mut transaction = self.database.begin(Alone::ByItsRows, OPERATION).await?;
        next_change(&mut transaction, "servers", OPERATION).await?;
        let replaced =
            query("UPDATE servers SET sealed = $2, version = $3 WHERE id = $1 AND version = $4")
                .bind(record.id.as_str())
                .bind(record.sealed.as_slice())
                .bind(saturated(record.version))
                .bind(saturated(follows))
                .execute(&mut transaction)
                .await
                .map_err(failed(OPERATION))?;
        Self::settle(transaction, replaced.rows_affected() == 1, OPERATION).await
    }

    async fn remove(&self, id: &ServerId, follows: u64) -> Result<bool, StoreError> {
        const OPERATION: Operation = "servers.remove";
        let mut transaction = self.database.begin(Alone::ByItsRows, OPERATION).await?;
        next_change(&mut transaction, "servers", OPERATION).await?;
        let removed = query("DELETE FROM servers WHERE id = $1 AND version = $2")
            .bind(id.as_str())
            .bind(saturated(follows))
            .execute(&mut transaction)
            .await
            .map_err(failed(OPERATION))?;
        Self::settle(transaction, removed.rows_affected() == 1, OPERATION).await
    }
}

fn read(row: &Row, operation: Operation) -> Result<ServerRecord, StoreError> {
    let columns = Columns::of(row, operation);
    Ok(ServerRecord {
        id: ServerId::from(columns.get::<&str>("id")?),
        sealed: columns.get("sealed")?,
        version: columns.number("version")?,
    })
}
