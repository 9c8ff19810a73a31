//! Entries of the revocation list that are added and lifted.

use async_trait::async_trait;
use portcullis_core::{RevocationId, Timestamp};

use super::Announced;
use crate::{
    Inserted, Lifted, Page, PageRequest, ReadRevocation, RevocationRecord, RevocationStore,
    StoreError, Topic,
};

#[async_trait]
impl RevocationStore for Announced<dyn RevocationStore> {
    async fn add(&self, record: &RevocationRecord) -> Result<Inserted, StoreError> {
        let added = self.store.add(record).await?;
        self.to.announce(Topic::REVOCATIONS).await;
        Ok(added)
    }

    async fn get(&self, id: &RevocationId) -> Result<Option<RevocationRecord>, StoreError> {
        self.store.get(id).await
    }

    async fn list(
        &self,
        now: Timestamp,
        page: &PageRequest,
    ) -> Result<Page<ReadRevocation>, StoreError> {
        self.store.list(now, page).await
    }

    async fn lift(
        &self,
        id: &RevocationId,
        lifted: &Lifted,
        seal: &[u8; 32],
    ) -> Result<bool, StoreError> {
        let lifted = self.store.lift(id, lifted, seal).await?;
        self.to.announce(Topic::REVOCATIONS).await;
        Ok(lifted)
    }

    async fn changed_since(
        &self,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, ReadRevocation)>, StoreError> {
        self.store.changed_since(after, limit).await
    }

    async fn standing(&self, now: Timestamp) -> Result<Vec<RevocationId>, StoreError> {
        self.store.standing(now).await
    }

    async fn purge(&self, now: Timestamp, lifted: Timestamp) -> Result<u64, StoreError> {
        self.store.purge(now, lifted).await
    }
}
