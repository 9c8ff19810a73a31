//! What servers' tools looked like when they were first seen, or last approved.

use async_trait::async_trait;
use portcullis_core::{ServerId, Timestamp};

use crate::StoreError;

/// What is pinned: a thing of a kind (`tool`), by the name that its server gives it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PinPlace {
    /// Whose.
    pub server: ServerId,
    /// What kind of thing.
    pub kind: String,
    /// Which of them.
    pub name: String,
}

/// How one of them stands, without the objects themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PinRecord {
    /// Of what.
    pub place: PinPlace,
    /// The digest of the pinned object; `None`: the pin was forgotten, and the next sight is the first.
    pub pinned: Option<[u8; 32]>,
    /// The digest of what was seen in its place, and waits for somebody's approval.
    pub seen: Option<[u8; 32]>,
    /// How often it was written; the first time is 1.
    pub version: u64,
    /// When it was written last.
    pub changed_at: Timestamp,
    /// The principal that did it; empty: nobody did, it was seen.
    pub changed_by: String,
    /// MAC over the rest, made by whoever wrote it; stores only keep it. All zero: never sealed.
    pub seal: [u8; 32],
}

/// The objects whose digests a record tells, as their server wrote them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PinObjects {
    /// The pinned one; empty when the pin was forgotten.
    pub pinned: String,
    /// The one that was seen in its place.
    pub seen: Option<String>,
}

/// One thing that is to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PinChange {
    /// What it says afterwards.
    pub record: PinRecord,
    /// The pinned object; `None`: the one that stands there stays.
    pub pinned: Option<String>,
    /// The one that was seen in its place; `None`: there is none.
    pub seen: Option<String>,
    /// The version that was seen (`None`: nothing was there).
    pub follows: Option<u64>,
}

/// Pins at rest.
///
/// Every change gets the next number of one sequence, so that each process keeps them in memory by asking
/// for what is new.
#[async_trait]
pub trait PinStore: Send + Sync + std::fmt::Debug {
    /// Writes each of these that follows what stands there; for each, whether it was written. One that is
    /// not hinders no other. Of several who follow one state exactly one does. All or, on `Err`, none.
    async fn put(&self, changes: &[PinChange]) -> Result<Vec<bool>, StoreError>;

    /// What stands there, with its objects.
    async fn get(&self, place: &PinPlace) -> Result<Option<(PinRecord, PinObjects)>, StoreError>;

    /// Up to `limit` records changed after sequence number `after` (0: all), oldest change first, each with
    /// its number. One that changed twice appears once, with its last change. Numbers become visible in
    /// order: a reader that continues from the last one misses nothing.
    async fn changed_since(
        &self,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, PinRecord)>, StoreError>;
}
