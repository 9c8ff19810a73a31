//! Named values.

use async_trait::async_trait;
use portcullis_store::{MetaStore, StoreError};

use crate::database::{Database, failed};

#[derive(Debug)]
pub(crate) struct SqlMeta {
    database: Database,
}

impl SqlMeta {
    pub(crate) const fn new(database: Database) -> Self {
        Self { database }
    }
}

#[async_trait]
impl MetaStore for SqlMeta {
    async fn get(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        sqlx::query_scalar("SELECT value FROM meta WHERE name = $1")
            .bind(name)
            .fetch_optional(&self.database.reader)
            .await
            .map_err(failed("meta.get"))
    }

    async fn put_if_absent(&self, name: &str, value: &[u8]) -> Result<Vec<u8>, StoreError> {
        // The update changes nothing; it is what makes `RETURNING` answer with the row that is there.
        sqlx::query_scalar(
            "INSERT INTO meta (name, value) VALUES ($1, $2) \
             ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING value",
        )
        .bind(name)
        .bind(value)
        .fetch_one(&self.database.writer)
        .await
        .map_err(failed("meta.put_if_absent"))
    }

    async fn put(&self, name: &str, value: &[u8]) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO meta (name, value) VALUES ($1, $2) \
             ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        )
        .bind(name)
        .bind(value)
        .execute(&self.database.writer)
        .await
        .map_err(failed("meta.put"))?;
        Ok(())
    }
}
