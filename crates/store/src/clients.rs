//! OAuth clients that registered themselves (RFC 7591).

use async_trait::async_trait;
use portcullis_core::Timestamp;

use crate::StoreError;

/// A client as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientRecord {
    /// Its `client_id`, ours to give.
    pub id: String,
    /// What it registered, sealed for this row.
    pub sealed: Vec<u8>,
    /// When it did.
    pub registered_at: Timestamp,
    /// When a person last let it in. `None`: nobody ever did.
    pub used_at: Option<Timestamp>,
}

/// What became of a registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registered {
    /// It is kept.
    Kept,
    /// There is no room, and no client that nobody ever used.
    Full,
    /// There is a client of this id.
    Duplicate,
}

/// Registered clients, no more than there is room for: everybody may register.
#[async_trait]
pub trait ClientStore: Send + Sync + std::fmt::Debug {
    /// Keeps a client where fewer than `room` are kept. Otherwise the one that was registered first,
    /// of those that nobody ever used, makes room. However many register at once, there are never
    /// more than `room`.
    async fn register(&self, record: &ClientRecord, room: u64) -> Result<Registered, StoreError>;

    /// The client of this id.
    async fn get(&self, id: &str) -> Result<Option<ClientRecord>, StoreError>;

    /// Notes that a person let the client in; one that is gone stays gone.
    async fn used(&self, id: &str, now: Timestamp) -> Result<(), StoreError>;

    /// Forgets those that were last used, or registered if never used, before `moment`; returns how
    /// many.
    async fn purge(&self, moment: Timestamp) -> Result<u64, StoreError>;
}
