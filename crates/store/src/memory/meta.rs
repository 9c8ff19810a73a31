//! Named values in memory.

use std::collections::BTreeMap;
use std::sync::Mutex;

use async_trait::async_trait;

use super::lock;
use crate::{MetaStore, StoreError};

#[derive(Debug, Default)]
pub(super) struct MemoryMeta {
    values: Mutex<BTreeMap<String, Vec<u8>>>,
}

#[async_trait]
impl MetaStore for MemoryMeta {
    async fn get(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(lock(&self.values, "meta.get")?.get(name).cloned())
    }

    async fn put_if_absent(&self, name: &str, value: &[u8]) -> Result<Vec<u8>, StoreError> {
        let mut values = lock(&self.values, "meta.put_if_absent")?;
        Ok(values
            .entry(name.to_owned())
            .or_insert_with(|| value.to_vec())
            .clone())
    }

    async fn put(&self, name: &str, value: &[u8]) -> Result<(), StoreError> {
        lock(&self.values, "meta.put")?.insert(name.to_owned(), value.to_vec());
        Ok(())
    }
}
