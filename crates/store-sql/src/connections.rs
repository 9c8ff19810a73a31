//! Connections and upstream clients.

use async_trait::async_trait;
use portcullis_core::{PrincipalId, ServerId};
use portcullis_store::{
    ConnectionRecord, ConnectionStore, StoreError, UpstreamClientRecord, UpstreamClientStore,
};

use crate::columns::Columns;
use crate::database::{Database, Operation, failed};

#[derive(Debug)]
pub(crate) struct SqlConnections {
    database: Database,
}

impl SqlConnections {
    pub(crate) const fn new(database: Database) -> Self {
        Self { database }
    }
}

/// As the column holds it.
fn signed(version: u64, operation: Operation) -> Result<i64, StoreError> {
    i64::try_from(version).map_err(|error| StoreError::corrupt(operation, error))
}

#[async_trait]
impl ConnectionStore for SqlConnections {
    async fn get(
        &self,
        principal: &PrincipalId,
        server: &ServerId,
    ) -> Result<Option<ConnectionRecord>, StoreError> {
        const OPERATION: &str = "connections.get";
        sqlx::query("SELECT sealed, version FROM connections WHERE principal = $1 AND server = $2")
            .bind(principal.as_str())
            .bind(server.as_str())
            .fetch_optional(&self.database.reader)
            .await
            .map_err(failed(OPERATION))?
            .map(|row| {
                let columns = Columns::of(&row, OPERATION);
                Ok(ConnectionRecord {
                    principal: principal.clone(),
                    server: server.clone(),
                    sealed: columns.get("sealed")?,
                    version: columns.number("version")?,
                })
            })
            .transpose()
    }

    async fn version(
        &self,
        principal: &PrincipalId,
        server: &ServerId,
    ) -> Result<Option<u64>, StoreError> {
        const OPERATION: &str = "connections.version";
        sqlx::query("SELECT version FROM connections WHERE principal = $1 AND server = $2")
            .bind(principal.as_str())
            .bind(server.as_str())
            .fetch_optional(&self.database.reader)
            .await
            .map_err(failed(OPERATION))?
            .map(|row| Columns::of(&row, OPERATION).number("version"))
            .transpose()
    }

    async fn put(&self, record: &ConnectionRecord) -> Result<(), StoreError> {
        const OPERATION: &str = "connections.put";
        sqlx::query(
            "INSERT INTO connections (principal, server, sealed, version) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (principal, server) DO UPDATE SET sealed = $3, version = $4",
        )
        .bind(record.principal.as_str())
        .bind(record.server.as_str())
        .bind(record.sealed.as_slice())
        .bind(signed(record.version, OPERATION)?)
        .execute(&self.database.writer)
        .await
        .map(drop)
        .map_err(failed(OPERATION))
    }

    async fn replace(&self, record: &ConnectionRecord, follows: u64) -> Result<bool, StoreError> {
        const OPERATION: &str = "connections.replace";
        sqlx::query(
            "UPDATE connections SET sealed = $3, version = $4 \
             WHERE principal = $1 AND server = $2 AND version = $5",
        )
        .bind(record.principal.as_str())
        .bind(record.server.as_str())
        .bind(record.sealed.as_slice())
        .bind(signed(record.version, OPERATION)?)
        .bind(signed(follows, OPERATION)?)
        .execute(&self.database.writer)
        .await
        .map(|updated| updated.rows_affected() == 1)
        .map_err(failed(OPERATION))
    }

    async fn remove(&self, principal: &PrincipalId, server: &ServerId) -> Result<bool, StoreError> {
        sqlx::query("DELETE FROM connections WHERE principal = $1 AND server = $2")
            .bind(principal.as_str())
            .bind(server.as_str())
            .execute(&self.database.writer)
            .await
            .map(|deleted| deleted.rows_affected() == 1)
            .map_err(failed("connections.remove"))
    }
}

#[derive(Debug)]
pub(crate) struct SqlUpstreamClients {
    database: Database,
}

impl SqlUpstreamClients {
    pub(crate) const fn new(database: Database) -> Self {
        Self { database }
    }
}

#[async_trait]
impl UpstreamClientStore for SqlUpstreamClients {
    async fn get(
        &self,
        issuer: &str,
        redirect_uri: &str,
    ) -> Result<Option<UpstreamClientRecord>, StoreError> {
        const OPERATION: &str = "upstream_clients.get";
        sqlx::query(
            "SELECT sealed, version FROM upstream_clients WHERE issuer = $1 AND redirect_uri = $2",
        )
        .bind(issuer)
        .bind(redirect_uri)
        .fetch_optional(&self.database.reader)
        .await
        .map_err(failed(OPERATION))?
        .map(|row| {
            let columns = Columns::of(&row, OPERATION);
            Ok(UpstreamClientRecord {
                issuer: issuer.to_owned(),
                redirect_uri: redirect_uri.to_owned(),
                sealed: columns.get("sealed")?,
                version: columns.number("version")?,
            })
        })
        .transpose()
    }

    async fn put_if_absent(
        &self,
        record: &UpstreamClientRecord,
    ) -> Result<UpstreamClientRecord, StoreError> {
        const OPERATION: &str = "upstream_clients.put_if_absent";
        // One statement keeps or finds: an update that changes nothing gives back what is there.
        let row = sqlx::query(
            "INSERT INTO upstream_clients (issuer, redirect_uri, sealed, version) \
             VALUES ($1, $2, $3, $4) ON CONFLICT (issuer, redirect_uri) \
             DO UPDATE SET version = version RETURNING sealed, version",
        )
        .bind(&record.issuer)
        .bind(&record.redirect_uri)
        .bind(record.sealed.as_slice())
        .bind(signed(record.version, OPERATION)?)
        .fetch_one(&self.database.writer)
        .await
        .map_err(failed(OPERATION))?;
        let columns = Columns::of(&row, OPERATION);
        Ok(UpstreamClientRecord {
            sealed: columns.get("sealed")?,
            version: columns.number("version")?,
            ..record.clone()
        })
    }

    async fn remove(
        &self,
        issuer: &str,
        redirect_uri: &str,
        version: u64,
    ) -> Result<(), StoreError> {
        const OPERATION: &str = "upstream_clients.remove";
        sqlx::query(
            "DELETE FROM upstream_clients \
             WHERE issuer = $1 AND redirect_uri = $2 AND version = $3",
        )
        .bind(issuer)
        .bind(redirect_uri)
        .bind(signed(version, OPERATION)?)
        .execute(&self.database.writer)
        .await
        .map(drop)
        .map_err(failed(OPERATION))
    }
}
