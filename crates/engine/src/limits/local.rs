//! A replica's own share of what all may do, where the store cannot say and the operator allowed it.

use std::sync::atomic::{AtomicU32, Ordering};

use portcullis_core::{Rate, Timestamp};
use portcullis_store::{Charge, Seated, Slot, StoreError, Stores, Taken, memory};

#[derive(Debug)]
pub(super) struct Local {
    stores: Stores,
    /// How many replicas there are, this one among them.
    replicas: AtomicU32,
}

impl Default for Local {
    fn default() -> Self {
        Self {
            stores: memory::stores(),
            replicas: AtomicU32::new(1),
        }
    }
}

impl Local {
    pub(super) fn shared_by(&self, replicas: usize) {
        let replicas = u32::try_from(replicas).unwrap_or(u32::MAX).max(1);
        self.replicas.store(replicas, Ordering::Relaxed);
    }

    pub(super) async fn take(
        &self,
        charges: &[Charge],
        now: Timestamp,
    ) -> Result<Taken, StoreError> {
        let replicas = self.replicas.load(Ordering::Relaxed);
        let shares: Vec<Charge> = charges
            .iter()
            .map(|charge| Charge {
                scope: charge.scope.clone(),
                rate: Rate {
                    every: charge.rate.every.saturating_mul(replicas),
                    burst: share(charge.rate.burst, replicas),
                },
            })
            .collect();
        self.stores.counters.take(&shares, now).await
    }

    pub(super) async fn acquire(
        &self,
        holder: &str,
        slots: &[Slot],
        now: Timestamp,
    ) -> Result<Seated, StoreError> {
        let replicas = self.replicas.load(Ordering::Relaxed);
        let shares: Vec<Slot> = slots
            .iter()
            .map(|slot| Slot {
                scope: slot.scope.clone(),
                most: share(slot.most, replicas),
            })
            .collect();
        // Nothing outlives this process: what it holds, it gives back.
        let ever = Timestamp::from_millis(i64::MAX);
        let concurrency = &self.stores.concurrency;
        concurrency.acquire(holder, &shares, now, ever).await
    }

    pub(super) async fn release(&self, holder: &str) {
        // Memory fails only after a panic, and then gives nothing out any more.
        let _ = self.stores.concurrency.release(holder).await;
    }

    pub(super) async fn purge(&self, now: Timestamp) {
        let _ = self.stores.counters.purge(now).await;
    }
}

/// One of so many equal parts; where there is one at all, not none.
fn share(most: u32, replicas: u32) -> u32 {
    if most == 0 {
        0
    } else {
        (most / replicas).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::share;

    #[test]
    fn a_share_is_never_more_than_its_part_but_never_nothing() {
        for (most, replicas, expected) in [(9, 3, 3), (10, 3, 3), (2, 3, 1), (0, 3, 0), (7, 1, 7)] {
            assert_eq!(share(most, replicas), expected);
        }
    }
}
