//! Grants and refresh tokens.

use async_trait::async_trait;
use portcullis_core::Timestamp;
use portcullis_store::{
    FoundToken, GrantRecord, GrantStore, RefreshTokenRecord, Rotated, StoreError,
};

use crate::columns::Columns;
use crate::database::{Alone, Database, Operation, Row, Transaction, failed};
use crate::statement::query;

#[derive(Debug)]
pub(crate) struct SqlGrants {
    database: Database,
}

impl SqlGrants {
    pub(crate) const fn new(database: Database) -> Self {
        Self { database }
    }
}

#[async_trait]
impl GrantStore for SqlGrants {
    async fn open(&self, record: &GrantRecord) -> Result<bool, StoreError> {
        query(
            "INSERT INTO oauth_grants (id, principal, client, sealed, created_at, expires_at, \
             ended_at) VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (id) DO NOTHING",
        )
        .bind(&record.id)
        .bind(&record.principal)
        .bind(&record.client)
        .bind(record.sealed.as_slice())
        .bind(record.created_at.as_millis())
        .bind(record.expires_at.as_millis())
        .bind(record.ended_at.map(Timestamp::as_millis))
        .execute(&self.database.writer)
        .await
        .map(|inserted| inserted.rows_affected() == 1)
        .map_err(failed("grants.open"))
    }

    async fn get(&self, id: &str) -> Result<Option<GrantRecord>, StoreError> {
        const OPERATION: &str = "grants.get";
        let row = query(
            "SELECT id, principal, client, sealed, created_at, expires_at, ended_at \
             FROM oauth_grants WHERE id = $1",
        )
        .bind(id)
        .fetch_optional(&self.database.reader)
        .await
        .map_err(failed(OPERATION))?;
        row.map(|row| grant(&row, OPERATION)).transpose()
    }

    async fn standing(
        &self,
        principal: &str,
        now: Timestamp,
    ) -> Result<Vec<GrantRecord>, StoreError> {
        const OPERATION: &str = "grants.standing";
        query(
            "SELECT id, principal, client, sealed, created_at, expires_at, ended_at \
             FROM oauth_grants WHERE principal = $1 AND ended_at IS NULL AND expires_at > $2 \
             ORDER BY created_at, id",
        )
        .bind(principal)
        .bind(now.as_millis())
        .fetch_all(&self.database.reader)
        .await
        .map_err(failed(OPERATION))?
        .iter()
        .map(|row| grant(row, OPERATION))
        .collect()
    }

    async fn of_client(
        &self,
        client: &str,
        now: Timestamp,
    ) -> Result<Vec<GrantRecord>, StoreError> {
        const OPERATION: &str = "grants.of_client";
        query(
            "SELECT id, principal, client, sealed, created_at, expires_at, ended_at \
             FROM oauth_grants WHERE client = $1 AND ended_at IS NULL AND expires_at > $2 \
             ORDER BY created_at, id",
        )
        .bind(client)
        .bind(now.as_millis())
        .fetch_all(&self.database.reader)
        .await
        .map_err(failed(OPERATION))?
        .iter()
        .map(|row| grant(row, OPERATION))
        .collect()
    }

    async fn begin(
        &self,
        id: &str,
        until: Timestamp,
        refresh: Option<&RefreshTokenRecord>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        const OPERATION: &str = "grants.begin";
        let mut transaction = self.database.begin(Alone::ByItsRows, OPERATION).await?;
        let stood = query(
            "UPDATE oauth_grants SET expires_at = $2 \
             WHERE id = $1 AND ended_at IS NULL AND expires_at > $3",
        )
        .bind(id)
        .bind(until.as_millis())
        .bind(now.as_millis())
        .execute(&mut transaction)
        .await
        .map_err(failed(OPERATION))?;
        if stood.rows_affected() != 1 {
            transaction.rollback().await.map_err(failed(OPERATION))?;
            return Ok(false);
        }
        if let Some(refresh) = refresh {
            give(&mut transaction, refresh, OPERATION).await?;
        }
        transaction.commit().await.map_err(failed(OPERATION))?;
        Ok(true)
    }

    async fn end(&self, id: &str, now: Timestamp) -> Result<bool, StoreError> {
        query("UPDATE oauth_grants SET ended_at = $2 WHERE id = $1 AND ended_at IS NULL")
            .bind(id)
            .bind(now.as_millis())
            .execute(&self.database.writer)
            .await
            .map(|ended| ended.rows_affected() == 1)
            .map_err(failed("grants.end"))
    }

    async fn token(&self, digest: &[u8; 32]) -> Result<Option<FoundToken>, StoreError> {
        const OPERATION: &str = "grants.token";
        let row = query(
            "SELECT digest, grant_id, expires_at, used FROM oauth_refresh_tokens \
             WHERE digest = $1",
        )
        .bind(digest.as_slice())
        .fetch_optional(&self.database.reader)
        .await
        .map_err(failed(OPERATION))?;
        row.map(|row| {
            let columns = Columns::of(&row, OPERATION);
            Ok(FoundToken {
                record: RefreshTokenRecord {
                    digest: columns.bytes32("digest")?,
                    grant: columns.get("grant_id")?,
                    expires_at: columns.timestamp("expires_at")?,
                },
                used: columns.number("used")? != 0,
            })
        })
        .transpose()
    }

    async fn rotate(
        &self,
        used: &[u8; 32],
        next: &RefreshTokenRecord,
        now: Timestamp,
    ) -> Result<Rotated, StoreError> {
        const OPERATION: &str = "grants.rotate";
        let mut transaction = self.database.begin(Alone::ByItsRows, OPERATION).await?;
        // Whoever holds the grant sees what all before it did.
        let taken = query("SELECT 1 FROM oauth_grants WHERE id = $1 FOR UPDATE").bind(&next.grant);
        transaction
            .take_rows(taken)
            .await
            .map_err(failed(OPERATION))?;
        let found = query(
            "SELECT token.used AS used, token.expires_at AS token_end, \
             grants.expires_at AS grant_end, grants.ended_at AS ended_at \
             FROM oauth_refresh_tokens AS token JOIN oauth_grants AS grants \
             ON grants.id = token.grant_id WHERE token.digest = $1 AND token.grant_id = $2",
        )
        .bind(used.as_slice())
        .bind(&next.grant)
        .fetch_optional(&mut transaction)
        .await
        .map_err(failed(OPERATION))?;
        let Some(found) = found else {
            transaction.rollback().await.map_err(failed(OPERATION))?;
            return Ok(Rotated::Unknown);
        };
        let columns = Columns::of(&found, OPERATION);
        if columns.number("used")? != 0 {
            query("UPDATE oauth_grants SET ended_at = $2 WHERE id = $1 AND ended_at IS NULL")
                .bind(&next.grant)
                .bind(now.as_millis())
                .execute(&mut transaction)
                .await
                .map_err(failed(OPERATION))?;
            transaction.commit().await.map_err(failed(OPERATION))?;
            return Ok(Rotated::Reused(next.grant.clone()));
        }
        if columns.optional_timestamp("ended_at")?.is_some() {
            transaction.rollback().await.map_err(failed(OPERATION))?;
            return Ok(Rotated::Ended);
        }
        if columns.timestamp("grant_end")? <= now || columns.timestamp("token_end")? <= now {
            transaction.rollback().await.map_err(failed(OPERATION))?;
            return Ok(Rotated::Expired);
        }
        query("UPDATE oauth_refresh_tokens SET used = 1 WHERE digest = $1")
            .bind(used.as_slice())
            .execute(&mut transaction)
            .await
            .map_err(failed(OPERATION))?;
        give(&mut transaction, next, OPERATION).await?;
        transaction.commit().await.map_err(failed(OPERATION))?;
        Ok(Rotated::Rotated)
    }

    async fn purge(&self, moment: Timestamp) -> Result<u64, StoreError> {
        const OPERATION: &str = "grants.purge";
        let mut transaction = self.database.begin(Alone::ByItsRows, OPERATION).await?;
        let purged =
            query("DELETE FROM oauth_grants WHERE expires_at < $1 OR COALESCE(ended_at, $1) < $1")
                .bind(moment.as_millis())
                .execute(&mut transaction)
                .await
                .map_err(failed(OPERATION))?;
        query(
            "DELETE FROM oauth_refresh_tokens WHERE expires_at < $1 \
             OR grant_id NOT IN (SELECT id FROM oauth_grants)",
        )
        .bind(moment.as_millis())
        .execute(&mut transaction)
        .await
        .map_err(failed(OPERATION))?;
        transaction.commit().await.map_err(failed(OPERATION))?;
        Ok(purged.rows_affected())
    }
}

async fn give(
    connection: &mut Transaction,
    token: &RefreshTokenRecord,
    operation: Operation,
) -> Result<(), StoreError> {
    query("INSERT INTO oauth_refresh_tokens (digest, grant_id, expires_at) VALUES ($1, $2, $3)")
        .bind(token.digest.as_slice())
        .bind(&token.grant)
        .bind(token.expires_at.as_millis())
        .execute(connection)
        .await
        .map(drop)
        .map_err(failed(operation))
}

fn grant(row: &Row, operation: Operation) -> Result<GrantRecord, StoreError> {
    let columns = Columns::of(row, operation);
    Ok(GrantRecord {
        id: columns.get("id")?,
        principal: columns.get("principal")?,
        client: columns.get("client")?,
        sealed: columns.get("sealed")?,
        created_at: columns.timestamp("created_at")?,
        expires_at: columns.timestamp("expires_at")?,
        ended_at: columns.optional_timestamp("ended_at")?,
    })
}
