//! The directory in memory.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Mutex;

use async_trait::async_trait;

use super::lock;
use crate::{
    DirectoryStore, Entered, EntryChange, EntryKind, EntryRecord, Page, PageRequest, ReadEntry,
    StoreError,
};

#[derive(Debug, Default)]
pub(super) struct MemoryDirectory {
    state: Mutex<State>,
}

type Place = (EntryKind, String);

#[derive(Debug, Default)]
struct State {
    last: u64,
    entries: BTreeMap<Place, (u64, EntryRecord)>,
    changes: BTreeMap<u64, Place>,
}

impl State {
    fn has_name(&self, record: &EntryRecord) -> bool {
        let mut others = self.entries.values().map(|(_, other)| other);
        record.name.is_some()
            && others.any(|other| {
                other.kind == record.kind && other.id != record.id && other.name == record.name
            })
    }
}

#[async_trait]
impl DirectoryStore for MemoryDirectory {
    async fn enter(&self, record: &EntryRecord) -> Result<Entered, StoreError> {
        let mut state = lock(&self.state, "directory.enter")?;
        let place = (record.kind, record.id.clone());
        let before = state.entries.get(&place);
        let (version, change) = before.map_or((0, None), |(change, before)| {
            (before.version, Some(*change))
        });
        if version.checked_add(1) != Some(record.version) {
            return Ok(Entered::Stale);
        }
        if state.has_name(record) {
            return Ok(Entered::NameTaken);
        }
        if let Some(change) = change {
            state.changes.remove(&change);
        }
        state.last += 1;
        let change = state.last;
        state.changes.insert(change, place.clone());
        state.entries.insert(place, (change, record.clone()));
        Ok(Entered::Stored)
    }

    async fn get(&self, kind: EntryKind, id: &str) -> Result<Option<EntryRecord>, StoreError> {
        let state = lock(&self.state, "directory.get")?;
        let found = state.entries.get(&(kind, id.to_owned()));
        Ok(found.map(|(_, record)| record.clone()))
    }

    async fn list(
        &self,
        kind: EntryKind,
        page: &PageRequest,
    ) -> Result<Page<ReadEntry>, StoreError> {
        let start = match &page.after {
            Some(id) => Bound::Excluded((kind, id.clone())),
            None => Bound::Included((kind, String::new())),
        };
        let limit = page.effective_limit();
        let state = lock(&self.state, "directory.list")?;
        let found: Vec<EntryRecord> = state
            .entries
            .range((start, Bound::Unbounded))
            .take_while(|((of, _), _)| *of == kind)
            .map(|(_, (_, record))| record)
            .filter(|record| !record.deleted)
            .take(limit + 1)
            .cloned()
            .collect();
        let page = Page::from_probe(found, limit, |record| record.id.clone());
        Ok(Page {
            items: page.items.into_iter().map(Ok).collect(),
            next: page.next,
        })
    }

    async fn changed_since(
        &self,
        after: u64,
        limit: usize,
    ) -> Result<Vec<EntryChange>, StoreError> {
        let state = lock(&self.state, "directory.changed_since")?;
        Ok(state
            .changes
            .range((Bound::Excluded(after), Bound::Unbounded))
            .take(limit)
            .filter_map(|(change, place)| Some((*change, Ok(state.entries.get(place)?.1.clone()))))
            .collect())
    }
}
