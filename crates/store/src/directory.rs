//! What is defined beside keys: teams, organizations, people, end users and toolsets.

use async_trait::async_trait;
use portcullis_core::Timestamp;

use crate::{Page, PageRequest, StoreError};

/// What an entry of the directory is. Ids of different kinds have nothing to do with each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EntryKind {
    /// A team.
    Team,
    /// An organization.
    Organization,
    /// A person or service that keys and tokens act for.
    User,
    /// Somebody for whom a caller says that it asks.
    EndUser,
    /// Tools of several servers under one name.
    Toolset,
}

impl EntryKind {
    /// Each of them.
    pub const ALL: [Self; 5] = [
        Self::Team,
        Self::Organization,
        Self::User,
        Self::EndUser,
        Self::Toolset,
    ];

    /// The stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Team => "team",
            Self::Organization => "organization",
            Self::User => "user",
            Self::EndUser => "end_user",
            Self::Toolset => "toolset",
        }
    }

    /// The kind of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// One entry, standing or deleted. A deleted one stays as what it was called, so that every replica
/// learns of its end, and nobody takes its name for one that was never defined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryRecord {
    /// What it is.
    pub kind: EntryKind,
    /// Which one; unique among those of its kind.
    pub id: String,
    /// By what else it is addressed; unique among those of its kind that have one.
    pub name: Option<String>,
    /// 1 when it is made, and one more with each change.
    pub version: u64,
    /// What was decided, in the words of whoever decides it; empty when it was deleted.
    pub body: String,
    /// Whether it was deleted.
    pub deleted: bool,
    /// When it became what it is.
    pub changed_at: Timestamp,
    /// The principal that made it so.
    pub changed_by: String,
    /// MAC over the rest, made by whoever decided; stores only keep it. All zero: never sealed.
    pub seal: [u8; 32],
}

/// An entry whose row says something that cannot be.
#[derive(Debug, thiserror::Error)]
#[error("the row of an entry of the directory cannot be read")]
pub struct UnreadableEntry {
    /// What it is, as far as that can be told.
    pub kind: Option<EntryKind>,
    /// Which one.
    pub id: String,
    /// What is wrong with it.
    #[source]
    pub source: StoreError,
}

/// An entry as far as its row can be read.
pub type ReadEntry = Result<EntryRecord, UnreadableEntry>;

/// One change of the feed: its number, and the entry as it is now.
pub type EntryChange = (u64, ReadEntry);

/// What became of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entered {
    /// Stored.
    Stored,
    /// The entry is not at the version before; nothing was changed.
    Stale,
    /// Another entry of the kind has the name; nothing was changed.
    NameTaken,
}

/// The directory at rest.
///
/// Every change gets the next number of one sequence, so that each replica keeps all of it in memory by
/// asking for what is new.
#[async_trait]
pub trait DirectoryStore: Send + Sync + std::fmt::Debug {
    /// Puts an entry in the place of its version before; version 1 where there was none. Of several
    /// concurrent changes to one version exactly one is `Stored`, and so is of several entries of one
    /// name.
    async fn enter(&self, record: &EntryRecord) -> Result<Entered, StoreError>;
    /// The entry with this id, deleted or not.
    async fn get(&self, kind: EntryKind, id: &str) -> Result<Option<EntryRecord>, StoreError>;
    /// All standing entries of a kind in order of their ids. One row that cannot be read does not keep
    /// the others from being read.
    async fn list(
        &self,
        kind: EntryKind,
        page: &PageRequest,
    ) -> Result<Page<ReadEntry>, StoreError>;
    /// Up to `limit` entries changed after sequence number `after` (0: all), deleted ones too, oldest
    /// change first, each with its number. An entry that changed twice appears once, with its last
    /// change. Numbers become visible in order: a reader that continues from the last one misses
    /// nothing. One row that cannot be read does not keep the others from being read.
    async fn changed_since(&self, after: u64, limit: usize)
    -> Result<Vec<EntryChange>, StoreError>;
}
