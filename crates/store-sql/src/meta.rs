//! Named values.

use async_trait::async_trait;
use portcullis_store::{MetaStore, StoreError};

use crate::columns::Columns;
use crate::database::{Database, failed};
use crate::statement::query;

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
        const OPERATION: &str = "meta.get";
        query("SELECT value FROM meta WHERE name = $1")
            .bind(name)
            .fetch_optional(&self.database.reader)
            .await
            .map_err(failed(OPERATION))?
            .map(|row| Columns::of(&row, OPERATION).get("value"))
            .transpose()
    }

    async fn put_if_absent(&self, name: &str, value: &[u8]) -> Result<Vec<u8>, StoreError> {
        const OPERATION: &str = "meta.put_if_absent";
        // The update changes nothing; it is what makes `RETURNING` answer with the row that is there.
        let row = query(
            "INSERT INTO meta (name, value) VALUES ($1, $2) \
             ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING value",
        )
        .bind(name)
        .bind(value)
        .fetch_one(&self.database.writer)
        .await
        .map_err(failed(OPERATION))?;
        Columns::of(&row, OPERATION).get("value")
    }

    async fn put(&self, name: &str, value: &[u8]) -> Result<(), StoreError> {
        query(
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
