//! Running processes and moved sessions in memory.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;

use async_trait::async_trait;
use portcullis_core::{ReplicaId, Timestamp};

use super::lock;
use crate::{ReplicaRecord, ReplicaStore, SessionHomeRecord, SessionHomeStore, StoreError};

#[derive(Debug, Default)]
pub(super) struct MemoryReplicas {
    running: Mutex<BTreeMap<ReplicaId, ReplicaRecord>>,
}

#[async_trait]
impl ReplicaStore for MemoryReplicas {
    async fn announce(&self, record: &ReplicaRecord) -> Result<(), StoreError> {
        lock(&self.running, "replicas.announce")?.insert(record.id.clone(), record.clone());
        Ok(())
    }

    async fn running(&self, now: Timestamp) -> Result<Vec<ReplicaRecord>, StoreError> {
        Ok(lock(&self.running, "replicas.running")?
            .values()
            .filter(|record| record.expires_at > now)
            .cloned()
            .collect())
    }

    async fn leave(&self, id: &ReplicaId) -> Result<(), StoreError> {
        lock(&self.running, "replicas.leave")?.remove(id);
        Ok(())
    }

    async fn purge(&self, now: Timestamp) -> Result<u64, StoreError> {
        let mut running = lock(&self.running, "replicas.purge")?;
        let before = running.len();
        running.retain(|_, record| record.expires_at >= now);
        Ok((before - running.len()) as u64)
    }
}

#[derive(Debug, Default)]
pub(super) struct MemorySessionHomes {
    homes: Mutex<HashMap<[u8; 32], SessionHomeRecord>>,
}

#[async_trait]
impl SessionHomeStore for MemorySessionHomes {
    async fn get(&self, digest: &[u8; 32]) -> Result<Option<SessionHomeRecord>, StoreError> {
        Ok(lock(&self.homes, "session_homes.get")?.get(digest).cloned())
    }

    async fn put(
        &self,
        record: &SessionHomeRecord,
        follows: Option<u64>,
    ) -> Result<bool, StoreError> {
        let mut homes = lock(&self.homes, "session_homes.put")?;
        let there = homes.get(&record.digest).map(|there| there.version);
        if there == follows {
            homes.insert(record.digest, record.clone());
        }
        Ok(there == follows)
    }

    async fn remove(&self, digest: &[u8; 32]) -> Result<(), StoreError> {
        lock(&self.homes, "session_homes.remove")?.remove(digest);
        Ok(())
    }

    async fn purge(&self, now: Timestamp) -> Result<u64, StoreError> {
        let mut homes = lock(&self.homes, "session_homes.purge")?;
        let before = homes.len();
        homes.retain(|_, record| record.expires_at >= now);
        Ok((before - homes.len()) as u64)
    }
}
