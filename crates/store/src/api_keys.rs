//! Virtual keys: only their MAC is stored, never the key.

use async_trait::async_trait;
use portcullis_core::{KeyId, Role, ScopeSet, ServerGrants, Timestamp};

use crate::{Page, PageRequest, StoreError};

/// One virtual key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKeyRecord {
    /// The public part, unique.
    pub id: KeyId,
    /// HMAC-SHA-256 of the whole key under the pepper, unique.
    pub mac: [u8; 32],
    /// What people call it (LiteLLM's `key_alias`); free text, unique when present.
    pub alias: Option<String>,
    /// User, team and organization that it acts for.
    pub user_id: Option<String>,
    /// Team.
    pub team: Option<String>,
    /// Organization.
    pub org: Option<String>,
    /// Rights over the gateway.
    pub role: Role,
    /// Which servers it sees.
    pub grants: ServerGrants,
    /// OAuth scopes that the key carries.
    pub scopes: ScopeSet,
    /// When it was made, and by whom.
    pub created_at: Timestamp,
    /// The principal that made it.
    pub created_by: String,
    /// When it stops working.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// Free JSON object that the operator attached, as text.
    pub metadata: String,
    /// MAC over the rest, made by whoever made the key; stores only keep it. All zero: never sealed.
    pub seal: [u8; 32],
}

/// A key whose row says something that cannot be.
#[derive(Debug, thiserror::Error)]
#[error("the row of key {:?} cannot be read", id.as_str())]
pub struct UnreadableKey {
    /// Which key: never accepted as it is.
    pub id: KeyId,
    /// What is wrong with it.
    #[source]
    pub source: StoreError,
}

/// A key as far as its row can be read.
pub type ReadKey = Result<ApiKeyRecord, UnreadableKey>;

/// One change of the feed: its number, and the key as it is now.
pub type KeyChange = (u64, ReadKey);

/// What became of an insert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inserted {
    /// Stored.
    Stored,
    /// The id, MAC or alias is taken; nothing was changed.
    Duplicate,
}

/// What became of a replacement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replaced {
    /// Stored.
    Stored,
    /// The key is not as it was seen, or was revoked, or is not there; nothing was changed.
    Stale,
    /// Some other key has the alias; nothing was changed.
    AliasTaken,
}

/// Keys at rest.
///
/// Every change gets the next number of one sequence, so that each replica keeps an index in
/// memory by asking for what is new.
#[async_trait]
pub trait ApiKeyStore: Send + Sync + std::fmt::Debug {
    /// Stores a new key; of several concurrent inserts of one id, MAC or alias exactly one is `Stored`.
    async fn insert(&self, record: &ApiKeyRecord) -> Result<Inserted, StoreError>;
    /// Puts a record in the place of the one with the same id and MAC, if that one's seal is still the one
    /// that was `seen` and it was not revoked. Of several concurrent replacements of one state exactly one
    /// is `Stored`.
    async fn replace(&self, record: &ApiKeyRecord, seen: &[u8; 32])
    -> Result<Replaced, StoreError>;
    /// The key with this id, revoked or not.
    async fn get(&self, id: &KeyId) -> Result<Option<ApiKeyRecord>, StoreError>;
    /// All keys in order of their ids. One row that cannot be read does not keep the others from
    /// being read.
    async fn list(&self, page: &PageRequest) -> Result<Page<ReadKey>, StoreError>;
    /// Marks the key revoked; repeated calls keep the first time and are no change. `None`: no
    /// such key.
    async fn revoke(&self, id: &KeyId, now: Timestamp) -> Result<Option<ApiKeyRecord>, StoreError>;
    /// Up to `limit` keys changed after sequence number `after` (0: all), oldest change first,
    /// each with its number. A key that changed twice appears once, with its last change. Numbers
    /// become visible in order: a reader that continues from the last one misses nothing. One row
    /// that cannot be read does not keep the others from being read.
    async fn changed_since(&self, after: u64, limit: usize) -> Result<Vec<KeyChange>, StoreError>;
}
