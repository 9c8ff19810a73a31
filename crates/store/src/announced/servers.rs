//! Servers that are defined, changed and taken away.

use async_trait::async_trait;
use portcullis_core::ServerId;

use super::Announced;
use crate::{Defined, ServerRecord, ServerStore, StoreError, Topic};

#[async_trait]
impl ServerStore for Announced<dyn ServerStore> {
    async fn last_change(&self) -> Result<u64, StoreError> {
        self.store.last_change().await
    }

    async fn all(&self) -> Result<Vec<ServerRecord>, StoreError> {
        self.store.all().await
    }

    async fn get(&self, id: &ServerId) -> Result<Option<ServerRecord>, StoreError> {
        self.store.get(id).await
    }

    async fn define(&self, record: &ServerRecord, room: usize) -> Result<Defined, StoreError> {
        let defined = self.store.define(record, room).await?;
        self.to.announce(Topic::SERVERS).await;
        Ok(defined)
    }

    async fn replace(&self, record: &ServerRecord, follows: u64) -> Result<bool, StoreError> {
        let replaced = self.store.replace(record, follows).await?;
        self.to.announce(Topic::SERVERS).await;
        Ok(replaced)
    }

    async fn remove(&self, id: &ServerId, follows: u64) -> Result<bool, StoreError> {
        let removed = self.store.remove(id, follows).await?;
        self.to.announce(Topic::SERVERS).await;
        Ok(removed)
    }
}
