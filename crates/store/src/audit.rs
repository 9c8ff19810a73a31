//! The audit chain at rest: appended, read, never changed.

use async_trait::async_trait;
use portcullis_core::Timestamp;

use crate::{Page, PageRequest, StoreError};

/// One event with its place in its writer's chain. What the MAC covers is the engine's business.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRow {
    /// The chain: one per writer (a process's life).
    pub writer: String,
    /// Position in the chain, from 1 without gaps.
    pub seq: u64,
    /// When the event happened.
    pub at: Timestamp,
    /// The request.
    pub request_id: String,
    /// The event as the exact JSON text that the MAC covers.
    pub event: String,
    /// MAC over the previous MAC and this row.
    pub mac: [u8; 32],
}

/// The last known position of one writer's chain, anchored beside the rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditHead {
    /// The chain.
    pub writer: String,
    /// Its last position.
    pub seq: u64,
    /// Its last MAC.
    pub mac: [u8; 32],
    /// MAC over (writer, seq, mac) so that an anchor cannot be rewritten without the key.
    pub anchor: [u8; 32],
}

/// Which events are wanted; every given field must match.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// Not before.
    pub since: Option<Timestamp>,
    /// Before.
    pub until: Option<Timestamp>,
    /// One request.
    pub request_id: Option<String>,
    /// One writer's chain.
    pub writer: Option<String>,
}

/// The audit chain. There is no way to change or delete a row through this trait.
#[async_trait]
pub trait AuditStore: Send + Sync + std::fmt::Debug {
    /// Appends rows of one writer and moves its head, in one atomic step. Refuses (as `Corrupt`) a
    /// first `seq` that does not follow the stored head.
    async fn append(&self, rows: &[AuditRow], head: &AuditHead) -> Result<(), StoreError>;
    /// Every writer's head, ordered by writer.
    async fn heads(&self) -> Result<Vec<AuditHead>, StoreError>;
    /// Rows in order of (time, writer, seq), oldest first.
    async fn list(
        &self,
        filter: &AuditFilter,
        page: &PageRequest,
    ) -> Result<Page<AuditRow>, StoreError>;
    /// One writer's rows in chain order, from `seq` on.
    async fn chain(
        &self,
        writer: &str,
        from_seq: u64,
        limit: usize,
    ) -> Result<Vec<AuditRow>, StoreError>;
}
