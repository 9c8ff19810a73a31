//! Limits in memory.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Mutex;

use async_trait::async_trait;

use super::lock;
use crate::{LimitRecord, LimitScope, LimitStore, StoreError};

#[derive(Debug, Default)]
pub(super) struct MemoryLimits {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    last: u64,
    records: BTreeMap<LimitScope, (u64, LimitRecord)>,
    changes: BTreeMap<u64, LimitScope>,
}

#[async_trait]
impl LimitStore for MemoryLimits {
    async fn put(&self, record: &LimitRecord, follows: Option<u64>) -> Result<bool, StoreError> {
        let mut state = lock(&self.state, "limits.put")?;
        let before = state.records.get(&record.scope);
        if before.map(|(_, before)| before.version) != follows {
            return Ok(false);
        }
        let former = before.map(|(change, _)| *change);
        if let Some(former) = former {
            state.changes.remove(&former);
        }
        state.last += 1;
        let change = state.last;
        state.changes.insert(change, record.scope.clone());
        let scope = record.scope.clone();
        state.records.insert(scope, (change, record.clone()));
        Ok(true)
    }

    async fn get(&self, scope: &LimitScope) -> Result<Option<LimitRecord>, StoreError> {
        let state = lock(&self.state, "limits.get")?;
        Ok(state.records.get(scope).map(|(_, record)| record.clone()))
    }

    async fn changed_since(
        &self,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, LimitRecord)>, StoreError> {
        let state = lock(&self.state, "limits.changed_since")?;
        Ok(state
            .changes
            .range((Bound::Excluded(after), Bound::Unbounded))
            .take(limit)
            .filter_map(|(change, scope)| {
                let (_, record) = state.records.get(scope)?;
                Some((*change, record.clone()))
            })
            .collect())
    }
}
