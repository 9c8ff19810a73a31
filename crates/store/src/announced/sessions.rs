//! Sessions that end.

use async_trait::async_trait;
use portcullis_core::Timestamp;

use super::Announced;
use crate::{SessionStore, StoreError, TerminatedSession, Topic};

#[async_trait]
impl SessionStore for Announced<dyn SessionStore> {
    async fn terminate(&self, session: &TerminatedSession) -> Result<(), StoreError> {
        self.store.terminate(session).await?;
        self.to.announce(Topic::SESSIONS).await;
        Ok(())
    }

    async fn is_terminated(&self, digest: &[u8; 32]) -> Result<bool, StoreError> {
        self.store.is_terminated(digest).await
    }

    async fn terminated_since(
        &self,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, TerminatedSession)>, StoreError> {
        self.store.terminated_since(after, limit).await
    }

    async fn purge(&self, now: Timestamp) -> Result<u64, StoreError> {
        self.store.purge(now).await
    }
}
