//! Connections and upstream clients in memory.

use std::collections::HashMap;
use std::sync::Mutex;

use async_trait::async_trait;
use portcullis_core::{PrincipalId, ServerId};

use super::lock;
use crate::{
    ConnectionPlace, ConnectionRecord, ConnectionStore, Page, PageRequest, StoreError,
    UpstreamClientRecord, UpstreamClientStore,
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

    async fn put(&self, record: &ConnectionRecord) -> Result<Option<ConnectionRecord>, StoreError> {
        let place = place(&record.principal, &record.server);
        Ok(lock(&self.rows, "connections.put")?.insert(place, record.clone()))
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

    async fn places(&self, page: &PageRequest) -> Result<Page<ConnectionPlace>, StoreError> {
        let rows = lock(&self.rows, "connections.places")?;
        let after = page.after.as_deref();
        let after = after.and_then(ConnectionPlace::of_position);
        let mut places: Vec<_> = rows
            .values()
            .filter(|row| {
                after.is_none_or(|after| after < (row.principal.as_str(), row.server.as_str()))
            })
            .map(|row| ConnectionPlace {
                principal: row.principal.clone(),
                server: row.server.clone(),
                version: row.version,
            })
            .collect();
        places.sort_by(|one, other| {
            (one.principal.as_str(), one.server.as_str())
                .cmp(&(other.principal.as_str(), other.server.as_str()))
        });
        let limit = page.effective_limit();
        Ok(Page::from_probe(places, limit, ConnectionPlace::position))
    }

    async fn remove_state(
        &self,
        seen: &ConnectionPlace,
    ) -> Result<Option<ConnectionRecord>, StoreError> {
        let mut rows = lock(&self.rows, "connections.remove_state")?;
        let place = place(&seen.principal, &seen.server);
        let same = rows
            .get(&place)
            .is_some_and(|row| row.version == seen.version);
        Ok(if same { rows.remove(&place) } else { None })
    }

    async fn remove(
        &self,
        principal: &PrincipalId,
        server: &ServerId,
    ) -> Result<Option<ConnectionRecord>, StoreError> {
        let mut rows = lock(&self.rows, "connections.remove")?;
        Ok(rows.remove(&place(principal, server)))
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
