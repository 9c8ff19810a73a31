//! Entries of the directory that are made, changed and deleted.

use async_trait::async_trait;

use super::Announced;
use crate::{
    DirectoryStore, Entered, EntryChange, EntryKind, EntryRecord, Page, PageRequest, ReadEntry,
    StoreError, Topic,
};

#[async_trait]
impl DirectoryStore for Announced<dyn DirectoryStore> {
    async fn enter(&self, record: &EntryRecord) -> Result<Entered, StoreError> {
        let entered = self.store.enter(record).await?;
        self.to.announce(Topic::DIRECTORY).await;
        Ok(entered)
    }

    async fn get(&self, kind: EntryKind, id: &str) -> Result<Option<EntryRecord>, StoreError> {
        self.store.get(kind, id).await
    }

    async fn list(
        &self,
        kind: EntryKind,
        page: &PageRequest,
    ) -> Result<Page<ReadEntry>, StoreError> {
        self.store.list(kind, page).await
    }

    async fn changed_since(
        &self,
        after: u64,
        limit: usize,
    ) -> Result<Vec<EntryChange>, StoreError> {
        self.store.changed_since(after, limit).await
    }
}
