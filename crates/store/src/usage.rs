//! What was done and spent, for people to look at; nothing is decided by it.

use async_trait::async_trait;
use portcullis_core::Timestamp;

use crate::StoreError;

/// What one caller did with one server in one hour. Whose they are and where they went may be empty texts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct UsageRow {
    /// The begin of the hour, in milliseconds since the Unix epoch.
    pub hour_millis: i64,
    /// The key that was used.
    pub key_id: String,
    /// The person.
    pub user_id: String,
    /// Their team.
    pub team: String,
    /// The server that was called.
    pub server: String,
    /// Calls that were let through.
    pub calls: u64,
    /// Calls that a limit or a budget refused.
    pub limited: u64,
    /// What they cost, in billionths of a US dollar.
    pub spent_nano_usd: u64,
}

/// Whose usage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UsageOf<'a> {
    /// A key's.
    Key(&'a str),
    /// A person's, by whatever key.
    User(&'a str),
    /// A team's, by whatever key.
    Team(&'a str),
}

/// Sums by hour, caller and server.
#[async_trait]
pub trait UsageStore: Send + Sync + std::fmt::Debug {
    /// Adds each row to what stands for the same hour, key, person, team and server; all of them or none.
    async fn add(&self, rows: &[UsageRow]) -> Result<(), StoreError>;

    /// The sums of all hours that begin at `from` or later and before `until`, by key, person, team and
    /// server (`hour_millis` is that of the first), in the order of these; up to `limit`. Where a key is
    /// named, only that key's.
    async fn sums(
        &self,
        from: Timestamp,
        until: Timestamp,
        key_id: Option<&str>,
        limit: usize,
    ) -> Result<Vec<UsageRow>, StoreError>;

    /// What somebody spent in all that is remembered, in billionths of a US dollar.
    async fn spent(&self, of: UsageOf<'_>) -> Result<u64, StoreError>;

    /// Forgets hours that began before `before`; returns how many rows.
    async fn purge(&self, before: Timestamp) -> Result<u64, StoreError>;
}
