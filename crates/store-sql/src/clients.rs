//! Registered OAuth clients.

use async_trait::async_trait;
use portcullis_core::Timestamp;
use portcullis_store::{ClientRecord, ClientStore, Registered, StoreError};

use crate::columns::Columns;
use crate::database::{Alone, Database, failed};
use crate::statement::{Changed, query};

#[derive(Debug)]
pub(crate) struct SqlClients {
    database: Database,
}

impl SqlClients {
    pub(crate) const fn new(database: Database) -> Self {
        Self { database }
    }
}

/// Who is counted, and who has to make room, must not change before the new one is in.
const ALONE: &str = "LOCK TABLE oauth_clients IN SHARE ROW EXCLUSIVE MODE";

#[async_trait]
impl ClientStore for SqlClients {
    async fn register(&self, record: &ClientRecord, room: u64) -> Result<Registered, StoreError> {
        const OPERATION: &str = "clients.register";
        let mut transaction = self
            .database
            .begin(Alone::InTable(ALONE), OPERATION)
            .await?;
        let found = query(
            "SELECT (SELECT COUNT(*) FROM oauth_clients) AS kept, \
             (SELECT COUNT(*) FROM oauth_clients WHERE id = $1) AS known",
        )
        .bind(&record.id)
        .fetch_one(&mut transaction)
        .await
        .map_err(failed(OPERATION))?;
        let columns = Columns::of(&found, OPERATION);
        if columns.number("known")? != 0 {
            transaction.rollback().await.map_err(failed(OPERATION))?;
            return Ok(Registered::Duplicate);
        }
        if columns.number("kept")? >= room {
            let made_room = query(
                "DELETE FROM oauth_clients WHERE id = (SELECT id FROM oauth_clients \
                 WHERE used_at IS NULL ORDER BY registered_at, id LIMIT 1)",
            )
            .execute(&mut transaction)
            .await
            .map_err(failed(OPERATION))?;
            if made_room.rows_affected() == 0 {
                transaction.rollback().await.map_err(failed(OPERATION))?;
                return Ok(Registered::Full);
            }
        }
        query(
            "INSERT INTO oauth_clients (id, sealed, registered_at, used_at) \
             VALUES ($1, $2, $3, $4)",
        )
        .bind(&record.id)
        .bind(record.sealed.as_slice())
        .bind(record.registered_at.as_millis())
        .bind(record.used_at.map(Timestamp::as_millis))
        .execute(&mut transaction)
        .await
        .map_err(failed(OPERATION))?;
        transaction.commit().await.map_err(failed(OPERATION))?;
        Ok(Registered::Kept)
    }

    async fn get(&self, id: &str) -> Result<Option<ClientRecord>, StoreError> {
        const OPERATION: &str = "clients.get";
        let row =
            query("SELECT id, sealed, registered_at, used_at FROM oauth_clients WHERE id = $1")
                .bind(id)
                .fetch_optional(&self.database.reader)
                .await
                .map_err(failed(OPERATION))?;
        row.map(|row| {
            let columns = Columns::of(&row, OPERATION);
            Ok(ClientRecord {
                id: columns.get("id")?,
                sealed: columns.get("sealed")?,
                registered_at: columns.timestamp("registered_at")?,
                used_at: columns.optional_timestamp("used_at")?,
            })
        })
        .transpose()
    }

    async fn used(&self, id: &str, now: Timestamp) -> Result<(), StoreError> {
        query(
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
        query("DELETE FROM oauth_clients WHERE COALESCE(used_at, registered_at) < $1")
            .bind(moment.as_millis())
            .execute(&self.database.writer)
            .await
            .map(Changed::rows_affected)
            .map_err(failed("clients.purge"))
    }
}
