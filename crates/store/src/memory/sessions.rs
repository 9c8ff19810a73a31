//! Terminated sessions in memory.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Mutex;

use async_trait::async_trait;
use portcullis_core::Timestamp;

use super::lock;
use crate::{SessionStore, StoreError, TerminatedSession};

#[derive(Debug, Default)]
pub(super) struct MemorySessions {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    last: u64,
    by_change: BTreeMap<u64, TerminatedSession>,
    changes: HashMap<[u8; 32], u64>,
}

#[async_trait]
impl SessionStore for MemorySessions {
    async fn terminate(&self, session: &TerminatedSession) -> Result<(), StoreError> {
        let mut state = lock(&self.state, "sessions.terminate")?;
        if !state.changes.contains_key(&session.digest) {
            state.last += 1;
            let change = state.last;
            state.changes.insert(session.digest, change);
            state.by_change.insert(change, session.clone());
        }
        Ok(())
    }

    async fn is_terminated(&self, digest: &[u8; 32]) -> Result<bool, StoreError> {
        Ok(lock(&self.state, "sessions.is_terminated")?
            .changes
            .contains_key(digest))
    }

    async fn terminated_since(
        &self,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, TerminatedSession)>, StoreError> {
        Ok(lock(&self.state, "sessions.terminated_since")?
            .by_change
            .range((Bound::Excluded(after), Bound::Unbounded))
            .take(limit)
            .map(|(change, session)| (*change, session.clone()))
            .collect())
    }

    async fn purge(&self, now: Timestamp) -> Result<u64, StoreError> {
        let mut state = lock(&self.state, "sessions.purge")?;
        let before = state.by_change.len();
        state
            .by_change
            .retain(|_, session| session.expires_at >= now);
        let State {
            by_change, changes, ..
        } = &mut *state;
        changes.retain(|_, change| by_change.contains_key(change));
        Ok((before - state.by_change.len()) as u64)
    }
}
