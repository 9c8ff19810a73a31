//! Approvals in memory.

use std::collections::BTreeMap;
use std::sync::Mutex;

use async_trait::async_trait;
use portcullis_core::{ApprovalId, Timestamp};

use super::lock;
use crate::{
    ApprovalRecord, ApprovalRoom, ApprovalState, ApprovalStore, Asked, Decided, Page, PageRequest,
    StoreError,
};

#[derive(Debug, Default)]
pub(super) struct MemoryApprovals {
    records: Mutex<BTreeMap<String, ApprovalRecord>>,
}

fn lives(record: &ApprovalRecord, now: Timestamp) -> bool {
    record.state.lives() && record.expires_at > now
}

#[async_trait]
impl ApprovalStore for MemoryApprovals {
    async fn ask(
        &self,
        record: &ApprovalRecord,
        room: ApprovalRoom,
        now: Timestamp,
    ) -> Result<Asked, StoreError> {
        let mut records = lock(&self.records, "approvals.ask")?;
        let same = |one: &&ApprovalRecord| one.subject == record.subject && lives(one, now);
        if let Some(there) = records.values().rev().find(same) {
            return Ok(Asked::There(Box::new(there.clone())));
        }
        if let Some(there) = records.get(record.id.as_str()) {
            return Ok(Asked::There(Box::new(there.clone())));
        }
        let pending = || {
            let pending =
                |one: &&ApprovalRecord| one.state == ApprovalState::Pending && one.expires_at > now;
            records.values().filter(pending)
        };
        let of_one = pending().filter(|one| one.owner == record.owner).count() as u64;
        if pending().count() as u64 >= room.of_all || of_one >= room.of_one {
            return Ok(Asked::Full);
        }
        records.insert(record.id.as_str().to_owned(), record.clone());
        Ok(Asked::New)
    }

    async fn get(&self, id: &ApprovalId) -> Result<Option<ApprovalRecord>, StoreError> {
        let records = lock(&self.records, "approvals.get")?;
        Ok(records.get(id.as_str()).cloned())
    }

    async fn find(
        &self,
        subject: &[u8; 32],
        now: Timestamp,
    ) -> Result<Option<ApprovalRecord>, StoreError> {
        let records = lock(&self.records, "approvals.find")?;
        let same = |one: &&ApprovalRecord| one.subject == *subject && lives(one, now);
        Ok(records.values().rev().find(same).cloned())
    }

    async fn decide(
        &self,
        id: &ApprovalId,
        granted: bool,
        decision: &str,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<Decided, StoreError> {
        let mut records = lock(&self.records, "approvals.decide")?;
        let Some(record) = records.get_mut(id.as_str()) else {
            return Ok(Decided::Unknown);
        };
        if record.state != ApprovalState::Pending || record.expires_at <= now {
            return Ok(Decided::Over(Box::new(record.clone())));
        }
        record.state = if granted {
            ApprovalState::Granted
        } else {
            ApprovalState::Denied
        };
        record.decision = Some(decision.to_owned());
        record.expires_at = until;
        Ok(Decided::Done)
    }

    async fn redeem(
        &self,
        id: &ApprovalId,
        subject: &[u8; 32],
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut records = lock(&self.records, "approvals.redeem")?;
        let Some(record) = records.get_mut(id.as_str()) else {
            return Ok(false);
        };
        let usable = record.state == ApprovalState::Granted
            && record.subject == *subject
            && record.expires_at > now;
        if usable {
            record.state = ApprovalState::Redeemed;
        }
        Ok(usable)
    }

    async fn expire(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<ApprovalRecord>, StoreError> {
        let mut records = lock(&self.records, "approvals.expire")?;
        let over = records
            .values_mut()
            .filter(|record| record.state == ApprovalState::Pending && record.expires_at <= now);
        let ended = over.take(limit).map(|record| {
            record.state = ApprovalState::Expired;
            record.clone()
        });
        Ok(ended.collect())
    }

    async fn list(
        &self,
        state: Option<ApprovalState>,
        page: &PageRequest,
    ) -> Result<Page<ApprovalRecord>, StoreError> {
        let limit = page.effective_limit();
        let records = lock(&self.records, "approvals.list")?;
        let found = records
            .values()
            .rev()
            .filter(|one| {
                page.after
                    .as_deref()
                    .is_none_or(|after| one.id.as_str() < after)
            })
            .filter(|one| state.is_none_or(|state| one.state == state))
            .take(limit + 1)
            .cloned()
            .collect();
        Ok(Page::from_probe(found, limit, |one: &ApprovalRecord| {
            one.id.as_str().to_owned()
        }))
    }

    async fn purge(&self, before: Timestamp) -> Result<u64, StoreError> {
        let mut records = lock(&self.records, "approvals.purge")?;
        let count = records.len();
        records.retain(|_, one| one.state == ApprovalState::Pending || one.expires_at >= before);
        Ok((count - records.len()) as u64)
    }
}
