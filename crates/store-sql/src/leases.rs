//! Leases.

use async_trait::async_trait;
use portcullis_core::Timestamp;
use portcullis_store::{LeaseStore, StoreError};

use crate::database::{Database, failed};
use crate::statement::query;

#[derive(Debug)]
pub(crate) struct SqlLeases {
    database: Database,
}

impl SqlLeases {
    pub(crate) const fn new(database: Database) -> Self {
        Self { database }
    }
}

#[async_trait]
impl LeaseStore for SqlLeases {
    async fn acquire(
        &self,
        name: &str,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool, StoreError> {
        query(
            "INSERT INTO leases (name, holder, until) VALUES ($1, $2, $4) \
             ON CONFLICT (name) DO UPDATE SET holder = $2, until = $4 \
             WHERE leases.holder = $2 OR leases.until <= $3",
        )
        .bind(name)
        .bind(holder)
        .bind(now.as_millis())
        .bind(until.as_millis())
        .execute(&self.database.writer)
        .await
        .map(|written| written.rows_affected() == 1)
        .map_err(failed("leases.acquire"))
    }

    async fn release(&self, name: &str, holder: &str) -> Result<(), StoreError> {
        query("DELETE FROM leases WHERE name = $1 AND holder = $2")
            .bind(name)
            .bind(holder)
            .execute(&self.database.writer)
            .await
            .map(drop)
            .map_err(failed("leases.release"))
    }
}
