//! Keys that are made and revoked.

use async_trait::async_trait;
use portcullis_core::{KeyId, Timestamp};

use super::Announced;
use crate::{
    ApiKeyRecord, ApiKeyStore, Inserted, KeyChange, Page, PageRequest, ReadKey, Replaced,
    StoreError, Topic,
};

#[async_trait]
impl ApiKeyStore for Announced<dyn ApiKeyStore> {
    async fn insert(&self, record: &ApiKeyRecord) -> Result<Inserted, StoreError> {
        let inserted = self.store.insert(record).await?;
        self.to.announce(Topic::KEYS).await;
        Ok(inserted)
    }

    async fn replace(
        &self,
        record: &ApiKeyRecord,
        seen: &[u8; 32],
    ) -> Result<Replaced, StoreError> {
        let replaced = self.store.replace(record, seen).await?;
        self.to.announce(Topic::KEYS).await;
        Ok(replaced)
    }

    async fn get(&self, id: &KeyId) -> Result<Option<ApiKeyRecord>, StoreError> {
        self.store.get(id).await
    }

    async fn list(&self, page: &PageRequest) -> Result<Page<ReadKey>, StoreError> {
        self.store.list(page).await
    }

    async fn revoke(&self, id: &KeyId, now: Timestamp) -> Result<Option<ApiKeyRecord>, StoreError> {
        let revoked = self.store.revoke(id, now).await?;
        self.to.announce(Topic::KEYS).await;
        Ok(revoked)
    }

    async fn changed_since(&self, after: u64, limit: usize) -> Result<Vec<KeyChange>, StoreError> {
        self.store.changed_since(after, limit).await
    }
}
