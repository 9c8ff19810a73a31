//! The audit chain at rest: appended, read, never changed.

use std::fmt;
use std::str::FromStr;

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

/// How far one chain was pruned: its rows up to this place were removed because they were old enough.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditPruning {
    /// The chain.
    pub writer: String,
    /// The last place that is gone.
    pub seq: u64,
    /// The MAC of the row that stood there: what the next row follows.
    pub mac: [u8; 32],
    /// MAC over (writer, seq, mac) so that nobody without the key makes a removal look like this.
    pub seal: [u8; 32],
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

/// The audit chain. There is no way to change a row through this trait, nor to remove any but a chain's
/// oldest.
#[async_trait]
pub trait AuditStore: Send + Sync + std::fmt::Debug {
    /// Appends rows of one writer and moves its head, in one atomic step. Refuses (as `Corrupt`,
    /// changing nothing) whatever [`follows_head`] refuses: also a repeated append.
    async fn append(&self, rows: &[AuditRow], head: &AuditHead) -> Result<(), StoreError>;
    /// Every writer's head, ordered by writer.
    async fn heads(&self) -> Result<Vec<AuditHead>, StoreError>;
    /// Rows in order of (time, writer, seq), oldest first; pages continue from an [`AuditCursor`].
    async fn list(
        &self,
        filter: &AuditFilter,
        page: &PageRequest,
    ) -> Result<Page<AuditRow>, StoreError>;
    /// The newest rows that match, newest first.
    async fn latest(&self, filter: &AuditFilter, limit: usize)
    -> Result<Vec<AuditRow>, StoreError>;
    /// One writer's rows in chain order, from `seq` on.
    async fn chain(
        &self,
        writer: &str,
        from_seq: u64,
        limit: usize,
    ) -> Result<Vec<AuditRow>, StoreError>;
    /// Removes a chain's rows up to the place of the pruning, and keeps the pruning instead of that
    /// chain's earlier one, in one atomic step; says how many rows went. Refuses (as `Corrupt`, changing
    /// nothing) when no row with that MAC stands there: also a repeated pruning.
    async fn prune(&self, pruning: &AuditPruning) -> Result<u64, StoreError>;
    /// Every chain's pruning, ordered by writer; chains that were never pruned have none.
    async fn prunings(&self) -> Result<Vec<AuditPruning>, StoreError>;
}

/// Whether `rows` and `head` may be appended when the writer's stored head stands at `stored`
/// (0: none yet): at least one row, all of the head's writer, without a gap, ending in the head.
///
/// Pure and here so that every backend refuses the same.
pub fn follows_head(rows: &[AuditRow], head: &AuditHead, stored: u64) -> Result<(), &'static str> {
    let mut expected = stored;
    for row in rows {
        expected = expected.checked_add(1).ok_or("the chain is full")?;
        if row.writer != head.writer {
            return Err("a row belongs to another writer than the head");
        }
        if row.seq != expected {
            return Err("a row does not follow the one before");
        }
    }
    match rows.last() {
        Some(last) if last.seq == head.seq && last.mac == head.mac => Ok(()),
        Some(_) => Err("the head is not the last row"),
        None => Err("no rows to append"),
    }
}

/// Why a pruning is refused.
pub const NO_SUCH_ROW: &str = "no such row stands where the pruning would end";

/// A position in the (time, writer, seq) order; its text is what pages carry.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AuditCursor {
    /// When the row happened.
    pub at: Timestamp,
    /// Its chain.
    pub writer: String,
    /// Its place in the chain.
    pub seq: u64,
}

impl AuditCursor {
    /// The position of one row.
    pub fn of(row: &AuditRow) -> Self {
        Self {
            at: row.at,
            writer: row.writer.clone(),
            seq: row.seq,
        }
    }
}

impl fmt::Display for AuditCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.at.as_millis(), self.seq, self.writer)
    }
}

impl FromStr for AuditCursor {
    type Err = StoreError;

    fn from_str(text: &str) -> Result<Self, StoreError> {
        let parse = || {
            let (at, rest) = text.split_once('.')?;
            let (seq, writer) = rest.split_once('.')?;
            Some(Self {
                at: Timestamp::from_millis(at.parse().ok()?),
                writer: writer.to_owned(),
                seq: seq.parse().ok()?,
            })
        };
        parse().ok_or(StoreError::invalid_cursor("audit.list"))
    }
}
