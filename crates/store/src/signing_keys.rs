//! The keys that sign for upstream servers, private halves sealed.

use async_trait::async_trait;
use portcullis_core::Timestamp;

use crate::StoreError;

/// One key as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningKeyRecord {
    /// Its `kid`, unique.
    pub kid: String,
    /// Its JOSE algorithm: keys of one algorithm follow each other.
    pub algorithm: String,
    /// The private half, sealed for this row.
    pub sealed_key: Vec<u8>,
    /// Since when it signs; before that it is only published.
    pub signs_from: Timestamp,
}

/// Keys in the order in which they were made.
#[async_trait]
pub trait SigningKeyStore: Send + Sync + std::fmt::Debug {
    /// All of them, oldest first.
    async fn list(&self) -> Result<Vec<SigningKeyRecord>, StoreError>;

    /// Appends a key if `follows` is the newest of its algorithm at this moment (`None`: there is
    /// none), and says whether it did. Of several concurrent callers who follow the same key exactly
    /// one appends.
    async fn append(
        &self,
        record: &SigningKeyRecord,
        follows: Option<&str>,
    ) -> Result<bool, StoreError>;

    /// Forgets a key; one that is not there is forgotten already.
    async fn remove(&self, kid: &str) -> Result<(), StoreError>;
}
