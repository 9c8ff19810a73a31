//! Connections and upstream clients in memory.

use std::collections::HashMap;
use std::sync::Mutex;

use async_trait::async_trait;
use portcullis_core::{PrincipalId, ServerId};

use super::lock;
use crate::{
    ConnectionRecord, ConnectionStore, StoreError, UpstreamClientRecord, UpstreamClientStore,
};

#[derive(Debug, Default)]
pub(super) struct MemoryConnections {
    rows: Mutex<HashMap<(PrincipalId, ServerId), ConnectionRecord>>,
}

fn place(principal: &PrincipalId, server: &ServerId) -> (PrincipalId, ServerId) {
    (principal.clone(), server.clone())
}

#[async_trait]
impl ConnectionStore for MemoryConnections {
    async fn get(
        &self,
        principal: &PrincipalId,
        server: &ServerId,
    ) -> Result<Option<ConnectionRecord>, StoreError> {
        let rows = lock(&self.rows, "connections.get")?;
        Ok(rows.get(&place(principal, server)).cloned())
    }

    async fn version(
        &self,
        principal: &PrincipalId,
        server: &ServerId,
    ) -> Result<Option<u64>, StoreError> {
        let rows = lock(&self.rows, "connections.version")?;
        Ok(rows.get(&place(principal, server)).map(|row| row.version))
    }

    async fn put(&self, record: &ConnectionRecord) -> Result<(), StoreError> {
        let place = place(&record.principal, &record.server);
        lock(&self.rows, "connections.put")?.insert(place, record.clone());
        Ok(())
    }

    async fn replace(&self, record: &ConnectionRecord, follows: u64) -> Result<bool, StoreError> {
        let mut rows = lock(&self.rows, "connections.replace")?;
        let found = rows.get_mut(&place(&record.principal, &record.server));
        let Some(row) = found.filter(|row| row.version == follows) else {
            return Ok(false);
        };
        *row = record.clone();
        Ok(true)
    }

    async fn remove(&self, principal: &PrincipalId, server: &ServerId) -> Result<bool, StoreError> {
        let mut rows = lock(&self.rows, "connections.remove")?;
        Ok(rows.remove(&place(principal, server)).is_some())
    }
}

#[derive(Debug, Default)]
pub(super) struct MemoryUpstreamClients {
    rows: Mutex<HashMap<(String, String), UpstreamClientRecord>>,
}

#[async_trait]
impl UpstreamClientStore for MemoryUpstreamClients {
    async fn get(
        &self,
        issuer: &str,
        redirect_uri: &str,
    ) -> Result<Option<UpstreamClientRecord>, StoreError> {
        let rows = lock(&self.rows, "upstream_clients.get")?;
        let place = (issuer.to_owned(), redirect_uri.to_owned());
        Ok(rows.get(&place).cloned())
    }

    async fn put_if_absent(
        &self,
        record: &UpstreamClientRecord,
    ) -> Result<UpstreamClientRecord, StoreError> {
        let mut rows = lock(&self.rows, "upstream_clients.put_if_absent")?;
        let place = (record.issuer.clone(), record.redirect_uri.clone());
        Ok(rows.entry(place).or_insert_with(|| record.clone()).clone())
    }

    async fn remove(
        &self,
        issuer: &str,
        redirect_uri: &str,
        version: u64,
    ) -> Result<(), StoreError> {
        let mut rows = lock(&self.rows, "upstream_clients.remove")?;
        let place = (issuer.to_owned(), redirect_uri.to_owned());
        if rows.get(&place).is_some_and(|row| row.version == version) {
            rows.remove(&place);
        }
        Ok(())
    }
}
