//! What people granted to OAuth clients, and the refresh tokens of it.

use async_trait::async_trait;
use portcullis_core::Timestamp;

use crate::StoreError;

/// A grant as it is kept: a family of tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantRecord {
    /// Random, unique: the `sid` of its access tokens.
    pub id: String,
    /// Whose it is, for listing: the principal's id.
    pub principal: String,
    /// The client, for listing.
    pub client: String,
    /// Everything that it says, sealed for this row: who granted what, to whom, for which resource.
    pub sealed: Vec<u8>,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it is over by itself.
    pub expires_at: Timestamp,
    /// When it was ended before that.
    pub ended_at: Option<Timestamp>,
}

/// A refresh token as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefreshTokenRecord {
    /// SHA-256 of the token.
    pub digest: [u8; 32],
    /// The grant that it belongs to.
    pub grant: String,
    /// From when on it is not good any more.
    pub expires_at: Timestamp,
}

/// A refresh token, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundToken {
    /// The token.
    pub record: RefreshTokenRecord,
    /// It was replaced.
    pub used: bool,
}

/// What presenting a refresh token came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rotated {
    /// It was good, and its successor is in force now.
    Rotated,
    /// It was rotated before: its grant, of this id, is ended now.
    Reused(String),
    /// There is no such token.
    Unknown,
    /// It, or its grant, is over by itself.
    Expired,
    /// Its grant was ended.
    Ended,
}

/// Grants and their refresh tokens.
#[async_trait]
pub trait GrantStore: Send + Sync + std::fmt::Debug {
    /// Keeps a new grant, and says whether there was none of this id.
    async fn open(&self, record: &GrantRecord) -> Result<bool, StoreError>;

    /// The grant of this id, ended ones among them, until it is purged.
    async fn get(&self, id: &str) -> Result<Option<GrantRecord>, StoreError>;

    /// Those of a principal that stand at `now`, oldest first.
    async fn standing(
        &self,
        principal: &str,
        now: Timestamp,
    ) -> Result<Vec<GrantRecord>, StoreError>;

    /// Those to a client that stand at `now`, oldest first.
    async fn of_client(&self, client: &str, now: Timestamp)
    -> Result<Vec<GrantRecord>, StoreError>;

    /// Prolongs a grant that stands at `now` and gives it a refresh token, if there is one to give, in
    /// one step; says whether it stood.
    async fn begin(
        &self,
        id: &str,
        until: Timestamp,
        refresh: Option<&RefreshTokenRecord>,
        now: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Ends a grant, and says whether it was this call that did. One that is not there stays so.
    async fn end(&self, id: &str, now: Timestamp) -> Result<bool, StoreError>;

    /// A refresh token, whatever became of it, until it is purged.
    async fn token(&self, digest: &[u8; 32]) -> Result<Option<FoundToken>, StoreError>;

    /// Replaces a refresh token by its successor, which is of the same grant. Of several concurrent
    /// callers with one token exactly one gets [`Rotated::Rotated`]; to the others it was reused, and
    /// the grant is ended, the winner's successor with it.
    async fn rotate(
        &self,
        used: &[u8; 32],
        next: &RefreshTokenRecord,
        now: Timestamp,
    ) -> Result<Rotated, StoreError>;

    /// Forgets grants that were over before `moment`, with their tokens, and tokens that were; returns
    /// how many grants.
    async fn purge(&self, moment: Timestamp) -> Result<u64, StoreError>;
}
