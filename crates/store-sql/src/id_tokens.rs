//! ID tokens by sign-in.

use async_trait::async_trait;
use portcullis_core::Timestamp;
use portcullis_store::{IdTokenRecord, IdTokenStore, StoreError};

use crate::columns::Columns;
use crate::database::{Database, failed};
use crate::statement::{Changed, query};

#[derive(Debug)]
pub(crate) struct SqlIdTokens {
    database: Database,
}

impl SqlIdTokens {
    pub(crate) const fn new(database: Database) -> Self {
        Self { database }
    }
}

#[async_trait]
impl IdTokenStore for SqlIdTokens {
    async fn keep(&self, token: &IdTokenRecord) -> Result<(), StoreError> {
        query(
            "INSERT INTO id_tokens (digest, sealed, expires_at) VALUES ($1, $2, $3) \
             ON CONFLICT (digest) DO UPDATE SET sealed = $2, expires_at = $3",
        )
        .bind(token.digest.as_slice())
        .bind(token.sealed.as_slice())
        .bind(token.expires_at.as_millis())
        .execute(&self.database.writer)
        .await
        .map(drop)
        .map_err(failed("id_tokens.keep"))
    }

    async fn get(
        &self,
        digest: &[u8; 32],
        now: Timestamp,
    ) -> Result<Option<IdTokenRecord>, StoreError> {
        const OPERATION: &str = "id_tokens.get";
        let found = query(
            "SELECT digest, sealed, expires_at FROM id_tokens WHERE digest = $1 AND expires_at > $2",
        )
        .bind(digest.as_slice())
        .bind(now.as_millis())
        .fetch_optional(&self.database.reader)
        .await
        .map_err(failed(OPERATION))?;
        let Some(row) = found else {
            return Ok(None);
        };
        let columns = Columns::of(&row, OPERATION);
        Ok(Some(IdTokenRecord {
            digest: columns.bytes32("digest")?,
            sealed: columns.get("sealed")?,
            expires_at: columns.timestamp("expires_at")?,
        }))
    }

    async fn forget(&self, digest: &[u8; 32]) -> Result<(), StoreError> {
        query("DELETE FROM id_tokens WHERE digest = $1")
            .bind(digest.as_slice())
            .execute(&self.database.writer)
            .await
            .map(drop)
            .map_err(failed("id_tokens.forget"))
    }

    async fn purge(&self, now: Timestamp) -> Result<u64, StoreError> {
        query("DELETE FROM id_tokens WHERE expires_at < $1")
            .bind(now.as_millis())
            .execute(&self.database.writer)
            .await
            .map(Changed::rows_affected)
            .map_err(failed("id_tokens.purge"))
    }
}
