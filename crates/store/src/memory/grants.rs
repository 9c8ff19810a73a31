//! Grants in memory.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;

use async_trait::async_trait;
use portcullis_core::Timestamp;

use super::lock;
use crate::{FoundToken, GrantRecord, GrantStore, RefreshTokenRecord, Rotated, StoreError};

#[derive(Debug, Default)]
pub(super) struct MemoryGrants {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    grants: BTreeMap<String, GrantRecord>,
    tokens: HashMap<[u8; 32], FoundToken>,
}

impl State {
    fn standing(&self, id: &str, now: Timestamp) -> Result<&GrantRecord, Rotated> {
        match self.grants.get(id) {
            None => Err(Rotated::Unknown),
            Some(grant) if grant.ended_at.is_some() => Err(Rotated::Ended),
            Some(grant) if grant.expires_at <= now => Err(Rotated::Expired),
            Some(grant) => Ok(grant),
        }
    }

    fn give(&mut self, record: &RefreshTokenRecord) {
        let token = FoundToken {
            record: record.clone(),
            used: false,
        };
        self.tokens.insert(record.digest, token);
    }

    fn end(&mut self, id: &str, now: Timestamp) -> bool {
        match self.grants.get_mut(id) {
            Some(grant) if grant.ended_at.is_none() => {
                grant.ended_at = Some(now);
                true
            }
            _ => false,
        }
    }
}

#[async_trait]
impl GrantStore for MemoryGrants {
    async fn open(&self, record: &GrantRecord) -> Result<bool, StoreError> {
        let mut state = lock(&self.state, "grants.open")?;
        if state.grants.contains_key(&record.id) {
            return Ok(false);
        }
        state.grants.insert(record.id.clone(), record.clone());
        Ok(true)
    }

    async fn get(&self, id: &str) -> Result<Option<GrantRecord>, StoreError> {
        Ok(lock(&self.state, "grants.get")?.grants.get(id).cloned())
    }

    async fn standing(
        &self,
        principal: &str,
        now: Timestamp,
    ) -> Result<Vec<GrantRecord>, StoreError> {
        let state = lock(&self.state, "grants.standing")?;
        let mut found: Vec<GrantRecord> = state
            .grants
            .values()
            .filter(|one| {
                one.principal == principal && one.ended_at.is_none() && one.expires_at > now
            })
            .cloned()
            .collect();
        found.sort_by(|one, other| (one.created_at, &one.id).cmp(&(other.created_at, &other.id)));
        Ok(found)
    }

    async fn of_client(
        &self,
        client: &str,
        now: Timestamp,
    ) -> Result<Vec<GrantRecord>, StoreError> {
        let state = lock(&self.state, "grants.of_client")?;
        let mut found: Vec<GrantRecord> = state
            .grants
            .values()
            .filter(|one| one.client == client && one.ended_at.is_none() && one.expires_at > now)
            .cloned()
            .collect();
        found.sort_by(|one, other| (one.created_at, &one.id).cmp(&(other.created_at, &other.id)));
        Ok(found)
    }

    async fn begin(
        &self,
        id: &str,
        until: Timestamp,
        refresh: Option<&RefreshTokenRecord>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut state = lock(&self.state, "grants.begin")?;
        if state.standing(id, now).is_err() {
            return Ok(false);
        }
        if let Some(grant) = state.grants.get_mut(id) {
            grant.expires_at = until;
        }
        if let Some(refresh) = refresh {
            state.give(refresh);
        }
        Ok(true)
    }

    async fn end(&self, id: &str, now: Timestamp) -> Result<bool, StoreError> {
        Ok(lock(&self.state, "grants.end")?.end(id, now))
    }

    async fn token(&self, digest: &[u8; 32]) -> Result<Option<FoundToken>, StoreError> {
        Ok(lock(&self.state, "grants.token")?
            .tokens
            .get(digest)
            .cloned())
    }

    async fn rotate(
        &self,
        used: &[u8; 32],
        next: &RefreshTokenRecord,
        now: Timestamp,
    ) -> Result<Rotated, StoreError> {
        let mut state = lock(&self.state, "grants.rotate")?;
        let Some(token) = state.tokens.get(used) else {
            return Ok(Rotated::Unknown);
        };
        let (grant, was_used) = (token.record.grant.clone(), token.used);
        let expired = token.record.expires_at <= now;
        if grant != next.grant {
            return Ok(Rotated::Unknown);
        }
        if was_used {
            state.end(&grant, now);
            return Ok(Rotated::Reused(grant));
        }
        if let Err(over) = state.standing(&grant, now) {
            return Ok(over);
        }
        if expired {
            return Ok(Rotated::Expired);
        }
        if let Some(token) = state.tokens.get_mut(used) {
            token.used = true;
        }
        state.give(next);
        Ok(Rotated::Rotated)
    }

    async fn purge(&self, moment: Timestamp) -> Result<u64, StoreError> {
        let mut state = lock(&self.state, "grants.purge")?;
        let State { grants, tokens } = &mut *state;
        let before = grants.len();
        grants.retain(|_, one| {
            one.expires_at >= moment && one.ended_at.is_none_or(|ended| ended >= moment)
        });
        tokens.retain(|_, one| {
            one.record.expires_at >= moment && grants.contains_key(&one.record.grant)
        });
        Ok(u64::try_from(before - grants.len()).unwrap_or(u64::MAX))
    }
}
