//! Consents in memory.

use std::collections::HashMap;
use std::sync::Mutex;

use async_trait::async_trait;
use portcullis_core::Timestamp;

use super::lock;
use crate::{ConsentRecord, ConsentStore, StoreError};

#[derive(Debug, Default)]
pub(super) struct MemoryConsents {
    consents: Mutex<HashMap<[u8; 32], ConsentRecord>>,
}

#[async_trait]
impl ConsentStore for MemoryConsents {
    async fn give(&self, consent: &ConsentRecord) -> Result<(), StoreError> {
        let mut consents = lock(&self.consents, "consents.give")?;
        match consents.get(&consent.id) {
            Some(known) if known.expires_at >= consent.expires_at => {}
            _ => {
                consents.insert(consent.id, consent.clone());
            }
        }
        Ok(())
    }

    async fn get(
        &self,
        id: &[u8; 32],
        now: Timestamp,
    ) -> Result<Option<ConsentRecord>, StoreError> {
        Ok(lock(&self.consents, "consents.get")?
            .get(id)
            .filter(|consent| consent.expires_at > now)
            .cloned())
    }

    async fn of_principal(
        &self,
        principal: &[u8; 32],
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<ConsentRecord>, StoreError> {
        let consents = lock(&self.consents, "consents.of_principal")?;
        let mut found: Vec<ConsentRecord> = consents
            .values()
            .filter(|consent| consent.principal == *principal && consent.expires_at > now)
            .cloned()
            .collect();
        found.sort_by_key(|consent| (std::cmp::Reverse(consent.given_at), consent.id));
        found.truncate(limit);
        Ok(found)
    }

    async fn withdraw(&self, client: &[u8; 32]) -> Result<u64, StoreError> {
        let mut consents = lock(&self.consents, "consents.withdraw")?;
        let before = consents.len();
        consents.retain(|_, consent| consent.client != *client);
        Ok((before - consents.len()) as u64)
    }

    async fn purge(&self, now: Timestamp) -> Result<u64, StoreError> {
        let mut consents = lock(&self.consents, "consents.purge")?;
        let before = consents.len();
        consents.retain(|_, consent| consent.expires_at >= now);
        Ok((before - consents.len()) as u64)
    }
}
