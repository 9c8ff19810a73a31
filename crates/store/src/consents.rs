//! What people agreed to that a client may do, so that they are not asked the same again.

use async_trait::async_trait;
use portcullis_core::Timestamp;

use crate::StoreError;

/// One consent. Who gave it to whom is told apart by keyed hashes, and said only in what is sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsentRecord {
    /// A MAC over everything that was agreed to: anything else is another consent.
    pub id: [u8; 32],
    /// A MAC of the principal.
    pub principal: [u8; 32],
    /// A MAC of the principal and the client.
    pub client: [u8; 32],
    /// What it says, sealed for this id.
    pub sealed: Vec<u8>,
    /// When it was given last.
    pub given_at: Timestamp,
    /// From when on the person is asked again.
    pub expires_at: Timestamp,
}

/// Consents.
#[async_trait]
pub trait ConsentStore: Send + Sync + std::fmt::Debug {
    /// Remembers a consent; one that is there already is as it was given last. A repetition changes
    /// nothing, and of several at once the one that ends last stays.
    async fn give(&self, consent: &ConsentRecord) -> Result<(), StoreError>;
    /// The consent of this id, if its time is not over at `now`.
    async fn get(&self, id: &[u8; 32], now: Timestamp)
    -> Result<Option<ConsentRecord>, StoreError>;
    /// Up to `limit` of a principal's whose time is not over at `now`, the latest first.
    async fn of_principal(
        &self,
        principal: &[u8; 32],
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<ConsentRecord>, StoreError>;
    /// Forgets all that a principal gave to a client; returns how many. The next request asks again.
    async fn withdraw(&self, client: &[u8; 32]) -> Result<u64, StoreError>;
    /// Forgets those that expired before `now`; returns how many.
    async fn purge(&self, now: Timestamp) -> Result<u64, StoreError>;
}
