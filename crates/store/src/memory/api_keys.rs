//! Virtual keys in memory.

use std::collections::{BTreeMap, HashSet};
use std::ops::Bound;
use std::sync::Mutex;

use async_trait::async_trait;
use portcullis_core::{KeyId, Timestamp};

use super::lock;
use crate::{
    ApiKeyRecord, ApiKeyStore, Inserted, KeyChange, Page, PageRequest, ReadKey, Replaced,
    StoreError,
};

#[derive(Debug, Default)]
pub(super) struct MemoryApiKeys {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    last: u64,
    keys: BTreeMap<KeyId, (u64, ApiKeyRecord)>,
    changes: BTreeMap<u64, KeyId>,
    macs: HashSet<[u8; 32]>,
    aliases: HashSet<String>,
}

impl State {
    fn next_change(&mut self, id: &KeyId) -> u64 {
        self.last += 1;
        self.changes.insert(self.last, id.clone());
        self.last
    }
}

#[async_trait]
impl ApiKeyStore for MemoryApiKeys {
    async fn insert(&self, record: &ApiKeyRecord) -> Result<Inserted, StoreError> {
        let mut state = lock(&self.state, "api_keys.insert")?;
        let alias_taken = record
            .alias
            .as_ref()
            .is_some_and(|alias| state.aliases.contains(alias));
        if alias_taken || state.keys.contains_key(&record.id) || state.macs.contains(&record.mac) {
            return Ok(Inserted::Duplicate);
        }
        let change = state.next_change(&record.id);
        state.macs.insert(record.mac);
        state.aliases.extend(record.alias.clone());
        state
            .keys
            .insert(record.id.clone(), (change, record.clone()));
        Ok(Inserted::Stored)
    }

    async fn replace(
        &self,
        record: &ApiKeyRecord,
        seen: &[u8; 32],
    ) -> Result<Replaced, StoreError> {
        let mut state = lock(&self.state, "api_keys.replace")?;
        let Some((change, before)) = state.keys.get(&record.id).cloned() else {
            return Ok(Replaced::Stale);
        };
        if before.seal != *seen || before.revoked_at.is_some() || before.mac != record.mac {
            return Ok(Replaced::Stale);
        }
        if record.alias != before.alias {
            let taken = |alias: &String| state.aliases.contains(alias);
            if record.alias.as_ref().is_some_and(taken) {
                return Ok(Replaced::AliasTaken);
            }
            if let Some(alias) = &before.alias {
                state.aliases.remove(alias);
            }
            state.aliases.extend(record.alias.clone());
        }
        state.changes.remove(&change);
        let change = state.next_change(&record.id);
        state
            .keys
            .insert(record.id.clone(), (change, record.clone()));
        Ok(Replaced::Stored)
    }

    async fn get(&self, id: &KeyId) -> Result<Option<ApiKeyRecord>, StoreError> {
        Ok(lock(&self.state, "api_keys.get")?
            .keys
            .get(id)
            .map(|(_, record)| record.clone()))
    }

    async fn list(&self, page: &PageRequest) -> Result<Page<ReadKey>, StoreError> {
        let start = match &page.after {
            Some(id) => Bound::Excluded(KeyId::from(id.as_str())),
            None => Bound::Unbounded,
        };
        let limit = page.effective_limit();
        let found: Vec<ApiKeyRecord> = lock(&self.state, "api_keys.list")?
            .keys
            .range((start, Bound::Unbounded))
            .take(limit + 1)
            .map(|(_, (_, record))| record.clone())
            .collect();
        let page = Page::from_probe(found, limit, |record| record.id.as_str().to_owned());
        Ok(Page {
            items: page.items.into_iter().map(Ok).collect(),
            next: page.next,
        })
    }

    async fn revoke(&self, id: &KeyId, now: Timestamp) -> Result<Option<ApiKeyRecord>, StoreError> {
        let mut state = lock(&self.state, "api_keys.revoke")?;
        let Some((change, mut record)) = state.keys.get(id).cloned() else {
            return Ok(None);
        };
        if record.revoked_at.is_none() {
            record.revoked_at = Some(now);
            state.changes.remove(&change);
            let change = state.next_change(id);
            state.keys.insert(id.clone(), (change, record.clone()));
        }
        Ok(Some(record))
    }

    async fn changed_since(&self, after: u64, limit: usize) -> Result<Vec<KeyChange>, StoreError> {
        let state = lock(&self.state, "api_keys.changed_since")?;
        Ok(state
            .changes
            .range((Bound::Excluded(after), Bound::Unbounded))
            .take(limit)
            .filter_map(|(change, id)| Some((*change, Ok(state.keys.get(id)?.1.clone()))))
            .collect())
    }
}
