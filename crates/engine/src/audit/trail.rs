//! Reading the trail back, for those who may.

use std::sync::Arc;

use portcullis_core::Timestamp;
use portcullis_store::{AuditFilter, AuditStore, PageRequest, StoreError};

/// The stored events.
#[derive(Clone, Debug)]
pub struct AuditTrail(Arc<dyn AuditStore>);

impl AuditTrail {
    /// Reads from this store.
    pub fn new(store: Arc<dyn AuditStore>) -> Self {
        Self(store)
    }

    /// One page of events as their exact JSON texts, oldest first, and where the next page starts.
    pub async fn page(
        &self,
        since: Option<Timestamp>,
        request_id: Option<String>,
        after: Option<String>,
        limit: usize,
    ) -> Result<(Vec<String>, Option<String>), StoreError> {
        let filter = AuditFilter {
            since,
            request_id,
            ..AuditFilter::default()
        };
        let page = self.0.list(&filter, &PageRequest { after, limit }).await?;
        Ok((
            page.items.into_iter().map(|row| row.event).collect(),
            page.next,
        ))
    }

    /// The newest events, newest first.
    pub async fn latest(
        &self,
        since: Option<Timestamp>,
        request_id: Option<String>,
        limit: usize,
    ) -> Result<Vec<String>, StoreError> {
        let filter = AuditFilter {
            since,
            request_id,
            ..AuditFilter::default()
        };
        Ok(self
            .0
            .latest(&filter, limit)
            .await?
            .into_iter()
            .map(|row| row.event)
            .collect())
    }
}
