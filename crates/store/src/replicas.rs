//! Which processes of the gateway run, and what they keep for each other.

use async_trait::async_trait;
use portcullis_core::{ReplicaId, Timestamp};

use crate::StoreError;

/// One process that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicaRecord {
    /// Which one.
    pub id: ReplicaId,
    /// Where the others reach it, sealed for its id: whoever can only write the table sends nobody to a
    /// place of theirs.
    pub sealed: String,
    /// From when on it counts as gone, unless it said that it runs again.
    pub expires_at: Timestamp,
}

/// The processes that share this store.
#[async_trait]
pub trait ReplicaStore: Send + Sync + std::fmt::Debug {
    /// Says that a process runs, or that it still does; replaces what it said before.
    async fn announce(&self, record: &ReplicaRecord) -> Result<(), StoreError>;

    /// Those that count as running at this moment, by id.
    async fn running(&self, now: Timestamp) -> Result<Vec<ReplicaRecord>, StoreError>;

    /// Says that a process ends; whoever is not there changes nothing.
    async fn leave(&self, id: &ReplicaId) -> Result<(), StoreError>;

    /// Forgets those that expired before `now`; returns how many.
    async fn purge(&self, now: Timestamp) -> Result<u64, StoreError>;
}

/// What a legacy session needs beside its id, when it needs anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionHomeRecord {
    /// SHA-256 of the sealed id.
    pub digest: [u8; 32],
    /// The process that has its open streams and unanswered questions.
    pub home: ReplicaId,
    /// What its client set, sealed for this session.
    pub sealed: String,
    /// Which state of it this is: one more with every change. At most 63 bits.
    pub version: u64,
    /// When the id expires by itself and the record may go.
    pub expires_at: Timestamp,
}

/// Legacy sessions that moved, or whose client set something.
#[async_trait]
pub trait SessionHomeStore: Send + Sync + std::fmt::Debug {
    /// What is known of a session.
    async fn get(&self, digest: &[u8; 32]) -> Result<Option<SessionHomeRecord>, StoreError>;

    /// Puts the next state of a session in place of version `follows` (`None`: nothing is there yet),
    /// and says whether it did: of several concurrent callers with the same `follows` exactly one does.
    async fn put(
        &self,
        record: &SessionHomeRecord,
        follows: Option<u64>,
    ) -> Result<bool, StoreError>;

    /// Forgets a session.
    async fn remove(&self, digest: &[u8; 32]) -> Result<(), StoreError>;

    /// Forgets those that expired before `now`; returns how many.
    async fn purge(&self, now: Timestamp) -> Result<u64, StoreError>;
}
