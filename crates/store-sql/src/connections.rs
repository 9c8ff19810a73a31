//! Connections and upstream clients.

use async_trait::async_trait;
use portcullis_core::{PrincipalId, ServerId};
use portcullis_store::{
    ConnectionPlace, ConnectionRecord, ConnectionStore, Page, PageRequest, StoreError,
    UpstreamClientRecord, UpstreamClientStore,
};

use crate::columns::Columns;
use crate::database::{Alone, Database, Operation, Row, failed};
use crate::statement::query;

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

/// What a row of a place says.
fn record(
    principal: &PrincipalId,
    server: &ServerId,
    row: &Row,
    operation: Operation,
) -> Result<ConnectionRecord, StoreError> {
    let columns = Columns::of(row, operation);
    Ok(ConnectionRecord {
        principal: principal.clone(),
        server: server.clone(),
        sealed: columns.get("sealed")?,
        version: columns.number("version")?,
    })
}

#[async_trait]
impl ConnectionStore for SqlConnections {
    async fn get(
        &self,
        principal: &PrincipalId,
        server: &ServerId,
    ) -> Result<Option<ConnectionRecord>, StoreError> {
        const OPERATION: &str = "connections.get";
        query("SELECT sealed, version FROM connections WHERE principal = $1 AND server = $2")
            .bind(principal.as_str())
            .bind(server.as_str())
            .fetch_optional(&self.database.reader)
            .await
            .map_err(failed(OPERATION))?
            .map(|row| record(principal, server, &row, OPERATION))
            .transpose()
    }

    async fn version(
        &self,
        principal: &PrincipalId,
        server: &ServerId,
    ) -> Result<Option<u64>, StoreError> {
        const OPERATION: &str = "connections.version";
        query("SELECT version FROM connections WHERE principal = $1 AND server = $2")
            .bind(principal.as_str())
            .bind(server.as_str())
            .fetch_optional(&self.database.reader)
            .await
            .map_err(failed(OPERATION))?
            .map(|row| Columns::of(&row, OPERATION).number("version"))
            .transpose()
    }

    async fn put(&self, new: &ConnectionRecord) -> Result<Option<ConnectionRecord>, StoreError> {
        const OPERATION: &str = "connections.put";
        // Of two that find nothing here the second must find the first.
        let place = format!("{} {}", new.principal.as_str(), new.server.as_str());
        let alone = Alone::About("connections", &place);
        let mut transaction = self.database.begin(alone, OPERATION).await?;
        let taken =
            query("SELECT 1 FROM connections WHERE principal = $1 AND server = $2 FOR UPDATE")
                .bind(new.principal.as_str())
                .bind(new.server.as_str());
        transaction
            .take_rows(taken)
            .await
            .map_err(failed(OPERATION))?;
        let former =
            query("SELECT sealed, version FROM connections WHERE principal = $1 AND server = $2")
                .bind(new.principal.as_str())
                .bind(new.server.as_str())
                .fetch_optional(&mut transaction)
                .await
                .map_err(failed(OPERATION))?
                .map(|row| record(&new.principal, &new.server, &row, OPERATION))
                .transpose()?;
        query(
            "INSERT INTO connections (principal, server, sealed, version) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (principal, server) DO UPDATE SET sealed = $3, version = $4",
        )
        .bind(new.principal.as_str())
        .bind(new.server.as_str())
        .bind(new.sealed.as_slice())
        .bind(signed(new.version, OPERATION)?)
        .execute(&mut transaction)
        .await
        .map_err(failed(OPERATION))?;
        transaction.commit().await.map_err(failed(OPERATION))?;
        Ok(former)
    }

    async fn replace(&self, record: &ConnectionRecord, follows: u64) -> Result<bool, StoreError> {
        const OPERATION: &str = "connections.replace";
        query(
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

    async fn places(&self, page: &PageRequest) -> Result<Page<ConnectionPlace>, StoreError> {
        const OPERATION: &str = "connections.places";
        let after = page.after.as_deref();
        let after = after.and_then(ConnectionPlace::of_position);
        let (principal, server) = after.unwrap_or_default();
        let limit = page.effective_limit();
        let rows = query(
            "SELECT principal, server, version FROM connections \
             WHERE (principal, server) > ($1, $2) ORDER BY principal, server LIMIT $3",
        )
        .bind(principal)
        .bind(server)
        .bind(i64::try_from(limit + 1).unwrap_or(i64::MAX))
        .fetch_all(&self.database.reader)
        .await
        .map_err(failed(OPERATION))?;
        let places = rows.iter().map(|row| {
            let columns = Columns::of(row, OPERATION);
            Ok(ConnectionPlace {
                principal: PrincipalId::from(columns.get::<String>("principal")?),
                server: ServerId::from(columns.get::<String>("server")?),
                version: columns.number("version")?,
            })
        });
        let places = places.collect::<Result<Vec<_>, StoreError>>()?;
        Ok(Page::from_probe(places, limit, ConnectionPlace::position))
    }

    async fn remove_state(
        &self,
        seen: &ConnectionPlace,
    ) -> Result<Option<ConnectionRecord>, StoreError> {
        const OPERATION: &str = "connections.remove_state";
        query(
            "DELETE FROM connections WHERE principal = $1 AND server = $2 AND version = $3 \
             RETURNING sealed, version",
        )
        .bind(seen.principal.as_str())
        .bind(seen.server.as_str())
        .bind(signed(seen.version, OPERATION)?)
        .fetch_optional(&self.database.writer)
        .await
        .map_err(failed(OPERATION))?
        .map(|row| record(&seen.principal, &seen.server, &row, OPERATION))
        .transpose()
    }

    async fn remove(
        &self,
        principal: &PrincipalId,
        server: &ServerId,
    ) -> Result<Option<ConnectionRecord>, StoreError> {
        const OPERATION: &str = "connections.remove";
        query(
            "DELETE FROM connections WHERE principal = $1 AND server = $2 \
             RETURNING sealed, version",
        )
        .bind(principal.as_str())
        .bind(server.as_str())
        .fetch_optional(&self.database.writer)
        .await
        .map_err(failed(OPERATION))?
        .map(|row| record(principal, server, &row, OPERATION))
        .transpose()
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
        query(
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
        let row = query(
            "INSERT INTO upstream_clients (issuer, redirect_uri, sealed, version) \
             VALUES ($1, $2, $3, $4) ON CONFLICT (issuer, redirect_uri) \
             DO UPDATE SET version = upstream_clients.version RETURNING sealed, version",
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
        query(
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
