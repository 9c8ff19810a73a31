//! Registered clients in memory.

use std::collections::BTreeMap;
use std::sync::Mutex;

use async_trait::async_trait;
use portcullis_core::Timestamp;

use super::lock;
use crate::{ClientRecord, ClientStore, Registered, StoreError};

#[derive(Debug, Default)]
pub(super) struct MemoryClients {
    clients: Mutex<BTreeMap<String, ClientRecord>>,
}

#[async_trait]
impl ClientStore for MemoryClients {
    async fn register(&self, record: &ClientRecord, room: u64) -> Result<Registered, StoreError> {
        let mut clients = lock(&self.clients, "clients.register")?;
        if clients.contains_key(&record.id) {
            return Ok(Registered::Duplicate);
        }
        if u64::try_from(clients.len()).is_ok_and(|count| count >= room) {
            let unused = clients.values().filter(|one| one.used_at.is_none());
            let first = unused.min_by_key(|one| (one.registered_at, one.id.clone()));
            let Some(first) = first.map(|one| one.id.clone()) else {
                return Ok(Registered::Full);
            };
            clients.remove(&first);
        }
        clients.insert(record.id.clone(), record.clone());
        Ok(Registered::Kept)
    }

    async fn get(&self, id: &str) -> Result<Option<ClientRecord>, StoreError> {
        Ok(lock(&self.clients, "clients.get")?.get(id).cloned())
    }

    async fn used(&self, id: &str, now: Timestamp) -> Result<(), StoreError> {
        if let Some(client) = lock(&self.clients, "clients.used")?.get_mut(id) {
            client.used_at = client.used_at.max(Some(now));
        }
        Ok(())
    }

    async fn purge(&self, moment: Timestamp) -> Result<u64, StoreError> {
        let mut clients = lock(&self.clients, "clients.purge")?;
        let before = clients.len();
        clients.retain(|_, one| one.used_at.unwrap_or(one.registered_at) >= moment);
        Ok(u64::try_from(before - clients.len()).unwrap_or(u64::MAX))
    }
}
