//! Places in memory.

use std::collections::HashMap;
use std::sync::Mutex;

use async_trait::async_trait;
use portcullis_core::Timestamp;

use super::lock;
use crate::{ConcurrencyStore, Seated, Slot, StoreError};

/// Who has a place in each scope, and until when.
type Places = HashMap<String, HashMap<String, Timestamp>>;

#[derive(Debug, Default)]
pub(super) struct MemoryConcurrency {
    places: Mutex<Places>,
}

fn standing(holders: Option<&HashMap<String, Timestamp>>, now: Timestamp) -> usize {
    holders.map_or(0, |holders| {
        holders.values().filter(|until| **until > now).count()
    })
}

#[async_trait]
impl ConcurrencyStore for MemoryConcurrency {
    async fn acquire(
        &self,
        holder: &str,
        slots: &[Slot],
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Seated, StoreError> {
        let mut places = lock(&self.places, "concurrency.acquire")?;
        let full = slots
            .iter()
            .position(|slot| standing(places.get(&slot.scope), now) >= slot.most as usize);
        if let Some(which) = full {
            return Ok(Seated::Full { which });
        }
        for slot in slots {
            let holders = places.entry(slot.scope.clone()).or_default();
            holders.insert(holder.to_owned(), until);
        }
        Ok(Seated::Held)
    }

    async fn renew(
        &self,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut places = lock(&self.places, "concurrency.renew")?;
        let mut renewed = false;
        for end in places
            .values_mut()
            .filter_map(|holders| holders.get_mut(holder))
        {
            if *end > now {
                *end = until;
                renewed = true;
            }
        }
        Ok(renewed)
    }

    async fn release(&self, holder: &str) -> Result<(), StoreError> {
        let mut places = lock(&self.places, "concurrency.release")?;
        places.retain(|_, holders| {
            holders.remove(holder);
            !holders.is_empty()
        });
        Ok(())
    }

    async fn held(&self, scope: &str, now: Timestamp) -> Result<u64, StoreError> {
        let places = lock(&self.places, "concurrency.held")?;
        Ok(standing(places.get(scope), now) as u64)
    }

    async fn purge(&self, now: Timestamp) -> Result<u64, StoreError> {
        let mut places = lock(&self.places, "concurrency.purge")?;
        let mut forgotten = 0;
        places.retain(|_, holders| {
            let before = holders.len();
            holders.retain(|_, until| *until >= now);
            forgotten += (before - holders.len()) as u64;
            !holders.is_empty()
        });
        Ok(forgotten)
    }
}
