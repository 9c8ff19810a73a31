//! Registered OAuth clients.

use async_trait::async_trait;
use portcullis_core::Timestamp;
use portcullis_store::{ClientRecord, ClientStore, Registered, StoreError};
use sqlx::Row;

use crate::columns::Columns;
use crate::database::{Database, failed};

#[derive(Debug)]
pub(crate) struct SqlClients {
    database: Database,
}

impl SqlClients {
    pub(crate) const fn new(database: Database) -> Self {
        Self { database }
    }
}

#[async_trait]
impl ClientStore for SqlClients {
    async fn register(&self, record: &ClientRecord, room: u64) -> Result<Registered, StoreError> {
        const OPERATION: &str = "clients.register";
        let mut transaction = self
            .database
            .writer
            .begin_with("BEGIN IMMEDIATE")
            .await
            .map_err(failed(OPERATION))?;
        let found = sqlx::query(
            "SELECT (SELECT COUNT(*) FROM oauth_clients) AS kept, \
             EXISTS (SELECT 1 FROM oauth_clients WHERE id = $1) AS known",
        )
        .bind(&record.id)
        .fetch_one(&mut *transaction)
        .await
        .map_err(failed(OPERATION))?;
        let columns = Columns::of(&found, OPERATION);
        if columns.number("known")? != 0 {
            return Ok(Registered::Duplicate);
        }
        if columns.number("kept")? >= room {
            let made_room = sqlx::query(
                "DELETE FROM oauth_clients WHERE id = (SELECT id FROM oauth_clients \
                 WHERE used_at IS NULL ORDER BY registered_at, id LIMIT 1)",
            )
            .execute(&mut *transaction)
            .await
            .map_err(failed(OPERATION))?;
            if made_room.rows_affected() == 0 {
                return Ok(Registered::Full);
            }
        }
        sqlx::query(
            "INSERT INTO oauth_clients (id, sealed, registered_at, used_at) \
             VALUES ($1, $2, $3, $4)",
        )
        .bind(&record.id)
        .bind(record.sealed.as_slice())
        .bind(record.registered_at.as_millis())
        .bind(record.used_at.map(Timestamp::as_millis))
        .execute(&mut *transaction)
        .await
        .map_err(failed(OPERATION))?;
        transaction.commit().await.map_err(failed(OPERATION))?;
        Ok(Registered::Kept)
    }

    async fn get(&self, id: &str) -> Result<Option<ClientRecord>, StoreError> {
        const OPERATION: &str = "clients.get";
        let row = sqlx::query(
            "SELECT id, sealed, registered_at, used_at FROM oauth_clients WHERE id = $1",
        )
        .bind(id)
        .fetch_optional(&self.database.reader)
        .await
        .map_err(failed(OPERATION))?;
        row.map(|row| {
            let columns = Columns::of(&row, OPERATION);
            Ok(ClientRecord {
                id: columns.get("id")?,
                sealed: row.try_get("sealed").map_err(failed(OPERATION))?,
                registered_at: columns.timestamp("registered_at")?,
                used_at: columns.optional_timestamp("used_at")?,
            })
        })
        .transpose()
    }

    async fn used(&self, id: &str, now: Timestamp) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE oauth_clients SET used_at = $2 \
             WHERE id = $1 AND (used_at IS NULL OR used_at < $2)",
        )
        .bind(id)
        .bind(now.as_millis())
        .execute(&self.database.writer)
        .await
        .map(drop)
        .map_err(failed("clients.used"))
    }

    async fn purge(&self, moment: Timestamp) -> Result<u64, StoreError> {
        sqlx::query("DELETE FROM oauth_clients WHERE COALESCE(used_at, registered_at) < $1")
            .bind(moment.as_millis())
            .execute(&self.database.writer)
            .await
            .map(|deleted| deleted.rows_affected())
            .map_err(failed("clients.purge"))
    }
}
