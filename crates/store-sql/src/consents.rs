//! Consents.

use async_trait::async_trait;
use portcullis_core::Timestamp;
use portcullis_store::{ConsentRecord, ConsentStore, StoreError};

use crate::columns::{Columns, saturated};
use crate::database::{Database, Operation, Row, failed};
use crate::statement::{Changed, query};

#[derive(Debug)]
pub(crate) struct SqlConsents {
    database: Database,
}

impl SqlConsents {
    pub(crate) const fn new(database: Database) -> Self {
        Self { database }
    }
}

fn read(row: &Row, operation: Operation) -> Result<ConsentRecord, StoreError> {
    let columns = Columns::of(row, operation);
    Ok(ConsentRecord {
        id: columns.bytes32("id")?,
        principal: columns.bytes32("principal")?,
        client: columns.bytes32("client")?,
        sealed: columns.get("sealed")?,
        given_at: columns.timestamp("given_at")?,
        expires_at: columns.timestamp("expires_at")?,
    })
}

#[async_trait]
impl ConsentStore for SqlConsents {
    async fn give(&self, consent: &ConsentRecord) -> Result<(), StoreError> {
        query(
            "INSERT INTO consents (id, principal, client, sealed, given_at, expires_at) \
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (id) DO UPDATE SET principal = $2, \
             client = $3, sealed = $4, given_at = $5, expires_at = $6 \
             WHERE consents.expires_at < $6",
        )
        .bind(consent.id.as_slice())
        .bind(consent.principal.as_slice())
        .bind(consent.client.as_slice())
        .bind(consent.sealed.as_slice())
        .bind(consent.given_at.as_millis())
        .bind(consent.expires_at.as_millis())
        .execute(&self.database.writer)
        .await
        .map(drop)
        .map_err(failed("consents.give"))
    }

    async fn get(
        &self,
        id: &[u8; 32],
        now: Timestamp,
    ) -> Result<Option<ConsentRecord>, StoreError> {
        const OPERATION: &str = "consents.get";
        query(
            "SELECT id, principal, client, sealed, given_at, expires_at FROM consents \
             WHERE id = $1 AND expires_at > $2",
        )
        .bind(id.as_slice())
        .bind(now.as_millis())
        .fetch_optional(&self.database.reader)
        .await
        .map_err(failed(OPERATION))?
        .map(|row| read(&row, OPERATION))
        .transpose()
    }

    async fn of_principal(
        &self,
        principal: &[u8; 32],
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<ConsentRecord>, StoreError> {
        const OPERATION: &str = "consents.of_principal";
        query(
            "SELECT id, principal, client, sealed, given_at, expires_at FROM consents \
             WHERE principal = $1 AND expires_at > $2 ORDER BY given_at DESC, id LIMIT $3",
        )
        .bind(principal.as_slice())
        .bind(now.as_millis())
        .bind(saturated(limit))
        .fetch_all(&self.database.reader)
        .await
        .map_err(failed(OPERATION))?
        .iter()
        .map(|row| read(row, OPERATION))
        .collect()
    }

    async fn withdraw(&self, client: &[u8; 32]) -> Result<u64, StoreError> {
        query("DELETE FROM consents WHERE client = $1")
            .bind(client.as_slice())
            .execute(&self.database.writer)
            .await
            .map(Changed::rows_affected)
            .map_err(failed("consents.withdraw"))
    }

    async fn purge(&self, now: Timestamp) -> Result<u64, StoreError> {
        query("DELETE FROM consents WHERE expires_at < $1")
            .bind(now.as_millis())
            .execute(&self.database.writer)
            .await
            .map(Changed::rows_affected)
            .map_err(failed("consents.purge"))
    }
}
