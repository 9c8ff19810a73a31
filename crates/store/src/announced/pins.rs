//! Pins that are written.

use async_trait::async_trait;

use super::Announced;
use crate::{PinChange, PinObjects, PinPlace, PinRecord, PinStore, StoreError, Topic};

#[async_trait]
impl PinStore for Announced<dyn PinStore> {
    async fn put(&self, changes: &[PinChange]) -> Result<Vec<bool>, StoreError> {
        let written = self.store.put(changes).await?;
        self.to.announce(Topic::PINS).await;
        Ok(written)
    }

    async fn get(&self, place: &PinPlace) -> Result<Option<(PinRecord, PinObjects)>, StoreError> {
        self.store.get(place).await
    }

    async fn changed_since(
        &self,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, PinRecord)>, StoreError> {
        self.store.changed_since(after, limit).await
    }
}
