//! How much whoever may do, as administrators decided.

use async_trait::async_trait;
use portcullis_core::Timestamp;

use crate::StoreError;

/// Whose limits: a kind of scope (`key`, `user`, `team`, `org`), and which.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LimitScope {
    /// What kind of thing.
    pub kind: String,
    /// Which of them.
    pub id: String,
}

/// The limits of one scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitRecord {
    /// Whose.
    pub scope: LimitScope,
    /// The limits, a JSON object as text; an empty one says nothing. Its meaning is not the store's.
    pub limits: String,
    /// How often it was written; the first time is 1.
    pub version: u64,
    /// When it was written last.
    pub updated_at: Timestamp,
    /// The principal that did it.
    pub updated_by: String,
    /// MAC over the rest, made by whoever wrote it; stores only keep it. All zero: never sealed.
    pub seal: [u8; 32],
}

/// Limits at rest.
///
/// Every change gets the next number of one sequence, so that each process keeps them in memory by asking
/// for what is new.
#[async_trait]
pub trait LimitStore: Send + Sync + std::fmt::Debug {
    /// Writes what follows the version that was seen (`None`: nothing was there). `false`: something else
    /// was written since, and nothing was changed. Of several who follow one state exactly one does.
    async fn put(&self, record: &LimitRecord, follows: Option<u64>) -> Result<bool, StoreError>;

    /// What stands for this scope.
    async fn get(&self, scope: &LimitScope) -> Result<Option<LimitRecord>, StoreError>;

    /// Up to `limit` scopes changed after sequence number `after` (0: all), oldest change first, each
    /// with its number. One that changed twice appears once, with its last change. Numbers become visible
    /// in order: a reader that continues from the last one misses nothing.
    async fn changed_since(
        &self,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, LimitRecord)>, StoreError>;
}
