//! What goes on at this moment, counted once for all replicas.

use async_trait::async_trait;
use portcullis_core::Timestamp;

use crate::StoreError;

/// A place among so many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// What is counted, a name of the caller's choice.
    pub scope: String,
    /// How many there are.
    pub most: u32,
}

/// What became of a wish for places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seated {
    /// There is a place in every scope, and the holder has it.
    Held,
    /// One scope has none left, and the holder has a place in none.
    Full {
        /// Its place in the list.
        which: usize,
    },
}

/// Places by scope, each held until it is given back or its time is over: a process that dies gives
/// nothing back. A clock that goes back makes a place last longer, never shorter.
#[async_trait]
pub trait ConcurrencyStore: Send + Sync + std::fmt::Debug {
    /// Takes one place in each scope until `until`, or none. However many ask at once, no scope has more
    /// holders than it has places. `holder` is a name that nobody used before.
    async fn acquire(
        &self,
        holder: &str,
        slots: &[Slot],
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Seated, StoreError>;

    /// Prolongs every place of the holder that is not over. `false`: there is none, somebody else may
    /// have it.
    async fn renew(
        &self,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Gives every place of the holder back; repeated, it changes nothing.
    async fn release(&self, holder: &str) -> Result<(), StoreError>;

    /// How many places of a scope are taken.
    async fn held(&self, scope: &str, now: Timestamp) -> Result<u64, StoreError>;

    /// Forgets places whose time was over before `now`; returns how many.
    async fn purge(&self, now: Timestamp) -> Result<u64, StoreError>;
}
