//! Leases in memory.

use std::collections::HashMap;
use std::sync::Mutex;

use async_trait::async_trait;
use portcullis_core::Timestamp;

use super::lock;
use crate::{LeaseStore, StoreError};

#[derive(Debug, Default)]
pub(super) struct MemoryLeases {
    held: Mutex<HashMap<String, (String, Timestamp)>>,
}

#[async_trait]
impl LeaseStore for MemoryLeases {
    async fn acquire(
        &self,
        name: &str,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut held = lock(&self.held, "leases.acquire")?;
        let of_another = held
            .get(name)
            .is_some_and(|(who, end)| who != holder && *end > now);
        if !of_another {
            held.insert(name.to_owned(), (holder.to_owned(), until));
        }
        Ok(!of_another)
    }

    async fn release(&self, name: &str, holder: &str) -> Result<(), StoreError> {
        let mut held = lock(&self.held, "leases.release")?;
        if held.get(name).is_some_and(|(who, _)| who == holder) {
            held.remove(name);
        }
        Ok(())
    }
}
