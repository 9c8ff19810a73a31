//! One-time values in memory.

use std::collections::HashMap;
use std::sync::Mutex;

use async_trait::async_trait;
use portcullis_core::Timestamp;

use super::lock;
use crate::{OneTimeRecord, OneTimeStore, OneTimeUse, Put, Redeemed, StoreError};

#[derive(Debug, Default)]
pub(super) struct MemoryOneTimes {
    values: Mutex<HashMap<(OneTimeUse, [u8; 32]), Kept>>,
}

#[derive(Debug)]
struct Kept {
    sealed: Vec<u8>,
    expires_at: Timestamp,
    used: bool,
}

#[async_trait]
impl OneTimeStore for MemoryOneTimes {
    async fn put(&self, record: &OneTimeRecord) -> Result<bool, StoreError> {
        use std::collections::hash_map::Entry;
        let mut values = lock(&self.values, "one_time.put")?;
        match values.entry((record.usage, record.digest)) {
            Entry::Occupied(_) => Ok(false),
            Entry::Vacant(place) => {
                place.insert(Kept {
                    sealed: record.sealed.clone(),
                    expires_at: record.expires_at,
                    used: false,
                });
                Ok(true)
            }
        }
    }

    async fn put_within(
        &self,
        record: &OneTimeRecord,
        room: u64,
        now: Timestamp,
    ) -> Result<Put, StoreError> {
        let mut values = lock(&self.values, "one_time.put_within")?;
        let place = (record.usage, record.digest);
        if values.contains_key(&place) {
            return Ok(Put::Taken);
        }
        let good = |((usage, _), kept): &(&(OneTimeUse, [u8; 32]), &Kept)| {
            *usage == record.usage && !kept.used && kept.expires_at > now
        };
        if values.iter().filter(good).count() as u64 >= room {
            return Ok(Put::Full);
        }
        values.insert(
            place,
            Kept {
                sealed: record.sealed.clone(),
                expires_at: record.expires_at,
                used: false,
            },
        );
        Ok(Put::Kept)
    }

    async fn redeem(
        &self,
        usage: OneTimeUse,
        digest: &[u8; 32],
        now: Timestamp,
    ) -> Result<Redeemed, StoreError> {
        let mut values = lock(&self.values, "one_time.redeem")?;
        let Some(kept) = values.get_mut(&(usage, *digest)) else {
            return Ok(Redeemed::Unknown);
        };
        if kept.used {
            return Ok(Redeemed::AlreadyUsed(kept.sealed.clone()));
        }
        if kept.expires_at <= now {
            return Ok(Redeemed::Expired);
        }
        kept.used = true;
        Ok(Redeemed::Value(kept.sealed.clone()))
    }

    async fn peek(
        &self,
        usage: OneTimeUse,
        digest: &[u8; 32],
        now: Timestamp,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(lock(&self.values, "one_time.peek")?
            .get(&(usage, *digest))
            .filter(|kept| !kept.used && kept.expires_at > now)
            .map(|kept| kept.sealed.clone()))
    }

    async fn purge(&self, now: Timestamp) -> Result<u64, StoreError> {
        let mut values = lock(&self.values, "one_time.purge")?;
        let before = values.len();
        values.retain(|_, kept| kept.expires_at >= now);
        Ok((before - values.len()) as u64)
    }
}
