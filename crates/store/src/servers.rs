//! Servers that administrators define at run time.

use async_trait::async_trait;
use portcullis_core::ServerId;

use crate::StoreError;

/// One server, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerRecord {
    /// Its name, unique.
    pub id: ServerId,
    /// Everything about it, sealed for this name and this state: elsewhere it does not open.
    pub sealed: Vec<u8>,
    /// Which state of it this is: random, so that none is ever the same as an earlier one, whatever was removed
    /// in between. At most 63 bits.
    pub version: u64,
}

/// What became of a new server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Defined {
    /// Stored.
    Stored,
    /// The name is taken; nothing was changed.
    Taken,
    /// There are as many as there is room for; nothing was changed.
    Full,
}

/// Servers at rest.
///
/// Every change gets the next number of one sequence: a replica whose last number is the store's knows all there
/// is, and reads all of them when it is not.
#[async_trait]
pub trait ServerStore: Send + Sync + std::fmt::Debug {
    /// The number of the last change, removals included; 0: there was none. What is read after it is at least
    /// as new.
    async fn last_change(&self) -> Result<u64, StoreError>;
    /// All of them in order of their names.
    async fn all(&self) -> Result<Vec<ServerRecord>, StoreError>;
    /// The one of this name.
    async fn get(&self, id: &ServerId) -> Result<Option<ServerRecord>, StoreError>;
    /// Stores a new one where there are fewer than `room`; of several concurrent ones of one name exactly one is
    /// `Stored`.
    async fn define(&self, record: &ServerRecord, room: usize) -> Result<Defined, StoreError>;
    /// Puts this in the place of the state `follows`; of several that follow one state exactly one does. `false`:
    /// that state is not there (any more), and nothing was changed.
    async fn replace(&self, record: &ServerRecord, follows: u64) -> Result<bool, StoreError>;
    /// Removes the state `follows`; of several exactly one does. `false`: that state is not there (any more).
    async fn remove(&self, id: &ServerId, follows: u64) -> Result<bool, StoreError>;
}
