//! The revocation list in memory.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Mutex;

use async_trait::async_trait;
use portcullis_core::{RevocationId, Timestamp};

use super::lock;
use crate::{
    Inserted, Lifted, Page, PageRequest, ReadRevocation, RevocationRecord, RevocationStore,
    StoreError,
};

#[derive(Debug, Default)]
pub(super) struct MemoryRevocations {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    last: u64,
    entries: BTreeMap<RevocationId, (u64, RevocationRecord)>,
    changes: BTreeMap<u64, RevocationId>,
}

impl State {
    fn put(&mut self, record: RevocationRecord) {
        self.last += 1;
        let change = self.last;
        self.changes.insert(change, record.id.clone());
        let before = self.entries.insert(record.id.clone(), (change, record));
        if let Some((former, _)) = before {
            self.changes.remove(&former);
        }
    }
}

fn stands(record: &RevocationRecord, now: Timestamp) -> bool {
    record.lifted.is_none() && record.until.is_none_or(|until| now < until)
}

#[async_trait]
impl RevocationStore for MemoryRevocations {
    async fn add(&self, record: &RevocationRecord) -> Result<Inserted, StoreError> {
        let mut state = lock(&self.state, "revocations.add")?;
        if state.entries.contains_key(&record.id) {
            return Ok(Inserted::Duplicate);
        }
        state.put(record.clone());
        Ok(Inserted::Stored)
    }

    async fn get(&self, id: &RevocationId) -> Result<Option<RevocationRecord>, StoreError> {
        Ok(lock(&self.state, "revocations.get")?
            .entries
            .get(id)
            .map(|(_, record)| record.clone()))
    }

    async fn list(
        &self,
        now: Timestamp,
        page: &PageRequest,
    ) -> Result<Page<ReadRevocation>, StoreError> {
        let start = match &page.after {
            Some(id) => Bound::Excluded(RevocationId::from(id.as_str())),
            None => Bound::Unbounded,
        };
        let limit = page.effective_limit();
        let found: Vec<RevocationRecord> = lock(&self.state, "revocations.list")?
            .entries
            .range((start, Bound::Unbounded))
            .filter(|(_, (_, record))| stands(record, now))
            .take(limit + 1)
            .map(|(_, (_, record))| record.clone())
            .collect();
        let page = Page::from_probe(found, limit, |record| record.id.as_str().to_owned());
        Ok(Page {
            items: page.items.into_iter().map(Ok).collect(),
            next: page.next,
        })
    }

    async fn lift(
        &self,
        id: &RevocationId,
        lifted: &Lifted,
        seal: &[u8; 32],
    ) -> Result<bool, StoreError> {
        let mut state = lock(&self.state, "revocations.lift")?;
        let Some((_, record)) = state.entries.get(id) else {
            return Ok(false);
        };
        if record.lifted.is_some() {
            return Ok(false);
        }
        let record = RevocationRecord {
            lifted: Some(lifted.clone()),
            seal: *seal,
            ..record.clone()
        };
        state.put(record);
        Ok(true)
    }

    async fn changed_since(
        &self,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, ReadRevocation)>, StoreError> {
        let state = lock(&self.state, "revocations.changed_since")?;
        Ok(state
            .changes
            .range((Bound::Excluded(after), Bound::Unbounded))
            .take(limit)
            .filter_map(|(change, id)| Some((*change, Ok(state.entries.get(id)?.1.clone()))))
            .collect())
    }

    async fn standing(&self, now: Timestamp) -> Result<Vec<RevocationId>, StoreError> {
        Ok(lock(&self.state, "revocations.standing")?
            .entries
            .values()
            .filter(|(_, record)| stands(record, now))
            .map(|(_, record)| record.id.clone())
            .collect())
    }

    async fn purge(&self, now: Timestamp, lifted: Timestamp) -> Result<u64, StoreError> {
        let mut state = lock(&self.state, "revocations.purge")?;
        let before = state.entries.len();
        state.entries.retain(|_, (_, record)| {
            record.until.is_none_or(|until| until >= now)
                && record.lifted.as_ref().is_none_or(|end| end.at >= lifted)
        });
        let State {
            entries, changes, ..
        } = &mut *state;
        changes.retain(|_, id| entries.contains_key(id));
        Ok((before - state.entries.len()) as u64)
    }
}
