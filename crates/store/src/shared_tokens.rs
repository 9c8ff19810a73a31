//! Tokens of upstream servers that one replica fetched for all.

use async_trait::async_trait;
use portcullis_core::Timestamp;

use crate::StoreError;

/// A token as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedTokenRecord {
    /// Digest of everything that the token depends on.
    pub key: [u8; 32],
    /// The token, sealed for this key.
    pub sealed: Vec<u8>,
    /// From when on it may be forgotten.
    pub expires_at: Timestamp,
}

/// A cache. What is not there, does not open or cannot be asked for is fetched instead.
#[async_trait]
pub trait SharedTokenStore: Send + Sync + std::fmt::Debug {
    /// Keeps a token in place of the one that was there.
    async fn put(&self, record: &SharedTokenRecord, now: Timestamp) -> Result<(), StoreError>;

    /// The sealed token of this key, if it is kept and its time is not over at `now`.
    async fn get(&self, key: &[u8; 32], now: Timestamp) -> Result<Option<Vec<u8>>, StoreError>;

    /// Forgets the token of this key if it is still this one. Repeated or late, it changes nothing.
    async fn forget(&self, key: &[u8; 32], sealed: &[u8]) -> Result<(), StoreError>;
}
