//! The revocation list: which credentials are refused although they would verify.

use async_trait::async_trait;
use portcullis_core::{KeyId, RevocationId, Timestamp};

use crate::{Inserted, Page, PageRequest, StoreError};

/// Which credentials are refused. Texts are compared character by character.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RevokedTarget {
    /// One key of ours: the id of a store key, or `file:` and the id of a key in the file.
    Key {
        /// Its public id.
        id: KeyId,
    },
    /// Every key of ours that acts for this user and was made by then.
    User {
        /// The key's `user_id`.
        user_id: String,
        /// The cut-off: what was made at or before it is refused, and what does not say when.
        before: Timestamp,
    },
    /// One token (RFC 7519 §4.1.7).
    Token {
        /// Its `iss`.
        issuer: String,
        /// Its `jti`.
        jti: String,
    },
    /// Every token of one session at the issuer (OpenID Connect Back-Channel Logout §2.1).
    Session {
        /// Their `iss`.
        issuer: String,
        /// Their `sid`.
        sid: String,
    },
    /// Every token about one subject that was issued by then.
    Subject {
        /// Their `iss`.
        issuer: String,
        /// Their `sub`.
        sub: String,
        /// The cut-off: an `iat` at or before it is refused, and a token without one.
        before: Timestamp,
    },
    /// Every token of an issuer that was issued by then.
    Issuer {
        /// Their `iss`.
        issuer: String,
        /// The cut-off, as for a subject.
        before: Timestamp,
    },
}

/// One entry of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevocationRecord {
    /// Its name, unique.
    pub id: RevocationId,
    /// What it refuses.
    pub target: RevokedTarget,
    /// Why, in the words of whoever made it.
    pub reason: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// The principal that made it.
    pub created_by: String,
    /// When nothing that it refuses can be alive any more; `None`: that moment is not known.
    pub until: Option<Timestamp>,
    /// When and by whom it was taken back.
    pub lifted: Option<Lifted>,
    /// MAC over the rest, made by whoever made the last change; stores only keep it. All zero: never
    /// sealed.
    pub seal: [u8; 32],
}

/// The end of an entry before its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lifted {
    /// When.
    pub at: Timestamp,
    /// The principal that did it.
    pub by: String,
}

/// An entry whose row says something that cannot be.
#[derive(Debug, thiserror::Error)]
#[error("the row of revocation {:?} cannot be read", id.as_str())]
pub struct UnreadableRevocation {
    /// Which entry.
    pub id: RevocationId,
    /// What is wrong with it.
    #[source]
    pub source: StoreError,
}

/// An entry as far as its row can be read.
pub type ReadRevocation = Result<RevocationRecord, UnreadableRevocation>;

/// The list at rest.
///
/// Every change gets the next number of one sequence, so that each process keeps the list in memory
/// by asking for what is new.
#[async_trait]
pub trait RevocationStore: Send + Sync + std::fmt::Debug {
    /// Stores a new entry; of several concurrent adds of one id exactly one is `Stored`, and the
    /// others change nothing. Several entries may have one target.
    async fn add(&self, record: &RevocationRecord) -> Result<Inserted, StoreError>;
    /// The entry with this id, lifted or not.
    async fn get(&self, id: &RevocationId) -> Result<Option<RevocationRecord>, StoreError>;
    /// The entries that are neither lifted nor over at `now`, in order of their ids. One row that
    /// cannot be read does not keep the others from being read.
    async fn list(
        &self,
        now: Timestamp,
        page: &PageRequest,
    ) -> Result<Page<ReadRevocation>, StoreError>;
    /// Takes an entry back, under a new seal. `false`: there is no such entry, or it was lifted
    /// before; nothing was changed then.
    async fn lift(
        &self,
        id: &RevocationId,
        lifted: &Lifted,
        seal: &[u8; 32],
    ) -> Result<bool, StoreError>;
    /// Up to `limit` entries changed after sequence number `after` (0: all), oldest change first,
    /// each with its number. An entry that changed twice appears once, with its last change. Numbers
    /// become visible in order: a reader that continues from the last one misses nothing.
    async fn changed_since(
        &self,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, ReadRevocation)>, StoreError>;
    /// The ids of all entries that are neither lifted nor over at `now`: what a process that has seen
    /// them compares with what it knows.
    async fn standing(&self, now: Timestamp) -> Result<Vec<RevocationId>, StoreError>;
    /// Forgets entries that were over before `now`, and those that were lifted before `lifted`;
    /// returns how many. Their numbers are not used again.
    async fn purge(&self, now: Timestamp, lifted: Timestamp) -> Result<u64, StoreError>;
}
