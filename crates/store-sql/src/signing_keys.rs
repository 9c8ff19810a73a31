//! Signing keys.

use async_trait::async_trait;
use portcullis_store::{SigningKeyRecord, SigningKeyStore, StoreError};

use crate::columns::Columns;
use crate::database::{Database, failed};

#[derive(Debug)]
pub(crate) struct SqlSigningKeys {
    database: Database,
}

impl SqlSigningKeys {
    pub(crate) const fn new(database: Database) -> Self {
        Self { database }
    }
}

#[async_trait]
impl SigningKeyStore for SqlSigningKeys {
    async fn list(&self) -> Result<Vec<SigningKeyRecord>, StoreError> {
        const OPERATION: &str = "signing_keys.list";
        sqlx::query(
            "SELECT kid, algorithm, sealed_key, signs_from FROM signing_keys ORDER BY number",
        )
        .fetch_all(&self.database.reader)
        .await
        .map_err(failed(OPERATION))?
        .iter()
        .map(|row| {
            let columns = Columns::of(row, OPERATION);
            Ok(SigningKeyRecord {
                kid: columns.get("kid")?,
                algorithm: columns.get("algorithm")?,
                sealed_key: columns.get("sealed_key")?,
                signs_from: columns.timestamp("signs_from")?,
            })
        })
        .collect()
    }

    async fn append(
        &self,
        record: &SigningKeyRecord,
        follows: Option<&str>,
    ) -> Result<bool, StoreError> {
        // One statement: whoever writes has the write lock, and sees what was there before.
        sqlx::query(
            "INSERT INTO signing_keys (kid, algorithm, sealed_key, signs_from) \
             SELECT $1, $2, $3, $4 WHERE (SELECT kid FROM signing_keys WHERE algorithm = $2 \
             ORDER BY number DESC LIMIT 1) IS $5",
        )
        .bind(&record.kid)
        .bind(&record.algorithm)
        .bind(&record.sealed_key)
        .bind(record.signs_from.as_millis())
        .bind(follows)
        .execute(&self.database.writer)
        .await
        .map(|inserted| inserted.rows_affected() == 1)
        .map_err(failed("signing_keys.append"))
    }

    async fn remove(&self, kid: &str) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM signing_keys WHERE kid = $1")
            .bind(kid)
            .execute(&self.database.writer)
            .await
            .map(drop)
            .map_err(failed("signing_keys.remove"))
    }
}
