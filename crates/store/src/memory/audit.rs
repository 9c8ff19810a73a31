//! The audit chain in memory.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Mutex;

use async_trait::async_trait;

use super::lock;
use crate::audit::{AuditCursor, NO_SUCH_ROW, follows_head};
use crate::{
    AuditFilter, AuditHead, AuditPruning, AuditRow, AuditStore, Page, PageRequest, StoreError,
};

#[derive(Debug, Default)]
pub(super) struct MemoryAudit {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    heads: BTreeMap<String, AuditHead>,
    rows: BTreeMap<AuditCursor, AuditRow>,
    chains: BTreeMap<(String, u64), AuditCursor>,
    prunings: BTreeMap<String, AuditPruning>,
}

fn wanted(filter: &AuditFilter, row: &AuditRow) -> bool {
    filter.since.is_none_or(|since| row.at >= since)
        && filter.until.is_none_or(|until| row.at < until)
        && filter
            .request_id
            .as_ref()
            .is_none_or(|id| *id == row.request_id)
        && filter
            .writer
            .as_ref()
            .is_none_or(|writer| *writer == row.writer)
}

#[async_trait]
impl AuditStore for MemoryAudit {
    async fn append(&self, rows: &[AuditRow], head: &AuditHead) -> Result<(), StoreError> {
        let mut state = lock(&self.state, "audit.append")?;
        let stored = state.heads.get(&head.writer).map_or(0, |head| head.seq);
        follows_head(rows, head, stored)
            .map_err(|reason| StoreError::corrupt("audit.append", reason))?;
        for row in rows {
            let cursor = AuditCursor::of(row);
            state
                .chains
                .insert((row.writer.clone(), row.seq), cursor.clone());
            state.rows.insert(cursor, row.clone());
        }
        state.heads.insert(head.writer.clone(), head.clone());
        Ok(())
    }

    async fn heads(&self) -> Result<Vec<AuditHead>, StoreError> {
        Ok(lock(&self.state, "audit.heads")?
            .heads
            .values()
            .cloned()
            .collect())
    }

    async fn list(
        &self,
        filter: &AuditFilter,
        page: &PageRequest,
    ) -> Result<Page<AuditRow>, StoreError> {
        let start = match &page.after {
            Some(text) => Bound::Excluded(text.parse::<AuditCursor>()?),
            None => Bound::Unbounded,
        };
        let limit = page.effective_limit();
        let rows = lock(&self.state, "audit.list")?
            .rows
            .range((start, Bound::Unbounded))
            .map(|(_, row)| row)
            .filter(|row| wanted(filter, row))
            .take(limit + 1)
            .cloned()
            .collect();
        Ok(Page::from_probe(rows, limit, |row| {
            AuditCursor::of(row).to_string()
        }))
    }

    async fn latest(
        &self,
        filter: &AuditFilter,
        limit: usize,
    ) -> Result<Vec<AuditRow>, StoreError> {
        Ok(lock(&self.state, "audit.latest")?
            .rows
            .values()
            .rev()
            .filter(|row| wanted(filter, row))
            .take(limit)
            .cloned()
            .collect())
    }

    async fn chain(
        &self,
        writer: &str,
        from_seq: u64,
        limit: usize,
    ) -> Result<Vec<AuditRow>, StoreError> {
        let state = lock(&self.state, "audit.chain")?;
        Ok(state
            .chains
            .range((writer.to_owned(), from_seq)..=(writer.to_owned(), u64::MAX))
            .take(limit)
            .filter_map(|(_, cursor)| state.rows.get(cursor).cloned())
            .collect())
    }

    async fn prune(&self, pruning: &AuditPruning) -> Result<u64, StoreError> {
        let mut state = lock(&self.state, "audit.prune")?;
        let AuditPruning { writer, seq, .. } = pruning;
        let last = (writer.clone(), *seq);
        let row = state.chains.get(&last);
        let row = row.and_then(|cursor| state.rows.get(cursor));
        if row.is_none_or(|row| row.mac != pruning.mac) {
            return Err(StoreError::corrupt("audit.prune", NO_SUCH_ROW));
        }
        let places: Vec<_> = state
            .chains
            .range((writer.clone(), 0)..=last)
            .map(|(place, cursor)| (place.clone(), cursor.clone()))
            .collect();
        for (place, cursor) in &places {
            state.chains.remove(place);
            state.rows.remove(cursor);
        }
        state.prunings.insert(writer.clone(), pruning.clone());
        Ok(places.len() as u64)
    }

    async fn prunings(&self) -> Result<Vec<AuditPruning>, StoreError> {
        let state = lock(&self.state, "audit.prunings")?;
        Ok(state.prunings.values().cloned().collect())
    }
}
