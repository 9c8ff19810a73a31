//! ID tokens in memory.

use std::collections::HashMap;
use std::sync::Mutex;

use async_trait::async_trait;
use portcullis_core::Timestamp;

use super::lock;
use crate::{IdTokenRecord, IdTokenStore, StoreError};

#[derive(Debug, Default)]
pub(super) struct MemoryIdTokens {
    tokens: Mutex<HashMap<[u8; 32], IdTokenRecord>>,
}

#[async_trait]
impl IdTokenStore for MemoryIdTokens {
    async fn keep(&self, token: &IdTokenRecord) -> Result<(), StoreError> {
        lock(&self.tokens, "id_tokens.keep")?.insert(token.digest, token.clone());
        Ok(())
    }

    async fn get(
        &self,
        digest: &[u8; 32],
        now: Timestamp,
    ) -> Result<Option<IdTokenRecord>, StoreError> {
        Ok(lock(&self.tokens, "id_tokens.get")?
            .get(digest)
            .filter(|token| token.expires_at > now)
            .cloned())
    }

    async fn forget(&self, digest: &[u8; 32]) -> Result<(), StoreError> {
        lock(&self.tokens, "id_tokens.forget")?.remove(digest);
        Ok(())
    }

    async fn purge(&self, now: Timestamp) -> Result<u64, StoreError> {
        let mut tokens = lock(&self.tokens, "id_tokens.purge")?;
        let before = tokens.len();
        tokens.retain(|_, token| token.expires_at >= now);
        Ok((before - tokens.len()) as u64)
    }
}
