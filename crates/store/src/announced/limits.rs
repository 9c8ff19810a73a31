//! Limits that are written.

use async_trait::async_trait;

use super::Announced;
use crate::{LimitRecord, LimitScope, LimitStore, StoreError, Topic};

#[async_trait]
impl LimitStore for Announced<dyn LimitStore> {
    async fn put(&self, record: &LimitRecord, follows: Option<u64>) -> Result<bool, StoreError> {
        let written = self.store.put(record, follows).await?;
        self.to.announce(Topic::LIMITS).await;
        Ok(written)
    }

    async fn get(&self, scope: &LimitScope) -> Result<Option<LimitRecord>, StoreError> {
        self.store.get(scope).await
    }

    async fn changed_since(
        &self,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, LimitRecord)>, StoreError> {
        self.store.changed_since(after, limit).await
    }
}
