//! Shared tokens in memory.

use std::collections::HashMap;
use std::sync::Mutex;

use async_trait::async_trait;
use portcullis_core::Timestamp;

use super::lock;
use crate::{SharedTokenRecord, SharedTokenStore, StoreError};

/// Tokens that no other process sees.
#[derive(Debug, Default)]
pub struct MemorySharedTokens {
    kept: Mutex<HashMap<[u8; 32], SharedTokenRecord>>,
}

#[async_trait]
impl SharedTokenStore for MemorySharedTokens {
    async fn put(&self, record: &SharedTokenRecord, now: Timestamp) -> Result<(), StoreError> {
        let mut kept = lock(&self.kept, "shared_tokens.put")?;
        kept.retain(|_, other| other.expires_at > now);
        kept.insert(record.key, record.clone());
        Ok(())
    }

    async fn get(&self, key: &[u8; 32], now: Timestamp) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(lock(&self.kept, "shared_tokens.get")?
            .get(key)
            .filter(|record| record.expires_at > now)
            .map(|record| record.sealed.clone()))
    }

    async fn forget(&self, key: &[u8; 32], sealed: &[u8]) -> Result<(), StoreError> {
        let mut kept = lock(&self.kept, "shared_tokens.forget")?;
        if kept.get(key).is_some_and(|record| record.sealed == sealed) {
            kept.remove(key);
        }
        Ok(())
    }
}
