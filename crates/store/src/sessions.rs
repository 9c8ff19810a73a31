//! Terminated legacy MCP sessions. Live ones are stateless: their sealed id says it all.

use async_trait::async_trait;
use portcullis_core::Timestamp;

use crate::StoreError;

/// A session that its client ended before its id expired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TerminatedSession {
    /// SHA-256 of the sealed id.
    pub digest: [u8; 32],
    /// When the sealed id expires by itself and the record may go.
    pub expires_at: Timestamp,
}

/// Which sealed session ids no longer count.
#[async_trait]
pub trait SessionStore: Send + Sync + std::fmt::Debug {
    /// Records the end of a session; repeating it changes nothing, whatever its expiry says.
    async fn terminate(&self, session: &TerminatedSession) -> Result<(), StoreError>;
    /// Whether this session was terminated.
    async fn is_terminated(&self, digest: &[u8; 32]) -> Result<bool, StoreError>;
    /// Up to `limit` terminations recorded after sequence number `after` (0: all), oldest first.
    async fn terminated_since(
        &self,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, TerminatedSession)>, StoreError>;
    /// Forgets those that expired before `now`; returns how many.
    async fn purge(&self, now: Timestamp) -> Result<u64, StoreError>;
}
