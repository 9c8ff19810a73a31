//! How often something happened lately, counted once for all replicas.

use std::time::Duration;

use async_trait::async_trait;
use portcullis_core::{Rate, Timestamp};

use crate::StoreError;

/// A count that lies further ahead than its rate can bring it, by more than this, was made by a clock that
/// has gone back since. It is taken as one with nothing left, and not waited for.
pub const CLOCK_TOLERANCE: Duration = Duration::from_mins(1);

/// One more of something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charge {
    /// What is counted, a name of the caller's choice.
    pub scope: String,
    /// How often it may happen; `every` is a whole number of microseconds.
    pub rate: Rate,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It counts, in every scope.
    Taken,
    /// It counts in none.
    Limited {
        /// The place in the list of the scope that is to be waited for longest.
        which: usize,
        /// After this it passes, if nobody else took what fell due; never zero.
        retry_after: Duration,
    },
}

/// Counts by scope (the generic cell rate algorithm, see [`portcullis_core::gcra`]).
#[async_trait]
pub trait CounterStore: Send + Sync + std::fmt::Debug {
    /// One more in each scope, or in none: one of them that may not keeps the others from counting.
    /// However many ask at once, no scope lets more through than its rate. A scope that was never counted
    /// is one with everything left. The rate is the one of this call, whatever was asked before.
    async fn take(&self, charges: &[Charge], now: Timestamp) -> Result<Taken, StoreError>;

    /// Forgets the counts that make no difference any more; returns how many.
    async fn purge(&self, now: Timestamp) -> Result<u64, StoreError>;
}

impl Charge {
    /// The count before, as it may have been made: see [`CLOCK_TOLERANCE`]. Both since the Unix epoch.
    #[must_use]
    pub fn believed(&self, before: Duration, now: Duration) -> Duration {
        let furthest = now.saturating_add(self.rate.every.saturating_mul(self.rate.burst));
        if before > furthest.saturating_add(CLOCK_TOLERANCE) {
            furthest
        } else {
            before
        }
    }
}
