//! What a provider said of the people who signed in, for acting as them towards whoever trusts it too.

use async_trait::async_trait;
use portcullis_core::Timestamp;

use crate::StoreError;

/// The ID token of one sign-in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdTokenRecord {
    /// SHA-256 of the sign-in's id.
    pub digest: [u8; 32],
    /// The token, sealed for this digest.
    pub sealed: Vec<u8>,
    /// When the token ends, and may be forgotten.
    pub expires_at: Timestamp,
}

/// ID tokens by sign-in.
#[async_trait]
pub trait IdTokenStore: Send + Sync + std::fmt::Debug {
    /// Keeps the token of a sign-in; a later one takes its place.
    async fn keep(&self, token: &IdTokenRecord) -> Result<(), StoreError>;
    /// The token of a sign-in, if it has not ended at `now`.
    async fn get(
        &self,
        digest: &[u8; 32],
        now: Timestamp,
    ) -> Result<Option<IdTokenRecord>, StoreError>;
    /// Forgets the token of a sign-in; repeating it changes nothing.
    async fn forget(&self, digest: &[u8; 32]) -> Result<(), StoreError>;
    /// Forgets those that ended before `now`; returns how many.
    async fn purge(&self, now: Timestamp) -> Result<u64, StoreError>;
}
