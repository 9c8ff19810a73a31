//! Signing keys in memory.

use std::sync::Mutex;

use async_trait::async_trait;

use super::lock;
use crate::{SigningKeyRecord, SigningKeyStore, StoreError};

#[derive(Debug, Default)]
pub(super) struct MemorySigningKeys {
    keys: Mutex<Vec<SigningKeyRecord>>,
}

#[async_trait]
impl SigningKeyStore for MemorySigningKeys {
    async fn list(&self) -> Result<Vec<SigningKeyRecord>, StoreError> {
        Ok(lock(&self.keys, "signing_keys.list")?.clone())
    }

    async fn append(
        &self,
        record: &SigningKeyRecord,
        follows: Option<&str>,
    ) -> Result<bool, StoreError> {
        const OPERATION: &str = "signing_keys.append";
        let mut keys = lock(&self.keys, OPERATION)?;
        let newest = keys
            .iter()
            .rev()
            .find(|key| key.algorithm == record.algorithm);
        if newest.map(|key| key.kid.as_str()) != follows {
            return Ok(false);
        }
        if keys.iter().any(|key| key.kid == record.kid) {
            return Err(StoreError::corrupt(OPERATION, "a kid stands for one key"));
        }
        keys.push(record.clone());
        Ok(true)
    }

    async fn remove(&self, kid: &str) -> Result<(), StoreError> {
        lock(&self.keys, "signing_keys.remove")?.retain(|key| key.kid != kid);
        Ok(())
    }
}
