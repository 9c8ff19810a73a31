//! Servers of administrators in memory.

use std::collections::BTreeMap;
use std::sync::Mutex;

use async_trait::async_trait;
use portcullis_core::ServerId;

use super::lock;
use crate::{Defined, ServerRecord, ServerStore, StoreError};

#[derive(Debug, Default)]
pub(super) struct MemoryServers {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    last: u64,
    rows: BTreeMap<ServerId, ServerRecord>,
}

impl State {
    fn is_at(&self, id: &ServerId, version: u64) -> bool {
        self.rows.get(id).is_some_and(|row| row.version == version)
    }
}

#[async_trait]
impl ServerStore for MemoryServers {
    async fn last_change(&self) -> Result<u64, StoreError> {
        Ok(lock(&self.state, "servers.last_change")?.last)
    }

    async fn all(&self) -> Result<Vec<ServerRecord>, StoreError> {
        let state = lock(&self.state, "servers.all")?;
        Ok(state.rows.values().cloned().collect())
    }

    async fn get(&self, id: &ServerId) -> Result<Option<ServerRecord>, StoreError> {
        Ok(lock(&self.state, "servers.get")?.rows.get(id).cloned())
    }

    async fn define(&self, record: &ServerRecord, room: usize) -> Result<Defined, StoreError> {
        let mut state = lock(&self.state, "servers.define")?;
        if state.rows.contains_key(&record.id) {
            return Ok(Defined::Taken);
        }
        if state.rows.len() >= room {
            return Ok(Defined::Full);
        }
        state.rows.insert(record.id.clone(), record.clone());
        state.last += 1;
        Ok(Defined::Stored)
    }

    async fn replace(&self, record: &ServerRecord, follows: u64) -> Result<bool, StoreError> {
        let mut state = lock(&self.state, "servers.replace")?;
        let there = state.is_at(&record.id, follows);
        if there {
            state.rows.insert(record.id.clone(), record.clone());
            state.last += 1;
        }
        Ok(there)
    }

    async fn remove(&self, id: &ServerId, follows: u64) -> Result<bool, StoreError> {
        let mut state = lock(&self.state, "servers.remove")?;
        let there = state.is_at(id, follows);
        if there {
            state.rows.remove(id);
            state.last += 1;
        }
        Ok(there)
    }
}
