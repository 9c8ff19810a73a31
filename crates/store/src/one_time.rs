//! Values that are good once: authorization codes, states of a redirect, ids of assertions.

use async_trait::async_trait;
use portcullis_core::Timestamp;

use crate::StoreError;

/// What a value is for. One that was put for one use is unknown to every other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OneTimeUse {
    /// An authorization code of ours (RFC 6749 §4.1.2).
    AuthorizationCode,
    /// A request to our authorization endpoint that waits for its user.
    AuthorizationRequest,
    /// The `state` of a sign-in at an identity provider.
    SignInState,
    /// The `state` of a request to an upstream's authorization server.
    UpstreamState,
    /// The `jti` of an assertion that was exchanged here (RFC 7523 §3).
    AssertionId,
}

impl OneTimeUse {
    /// The stable name, as a backend keeps it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AuthorizationCode => "authorization-code",
            Self::AuthorizationRequest => "authorization-request",
            Self::SignInState => "sign-in-state",
            Self::UpstreamState => "upstream-state",
            Self::AssertionId => "assertion-id",
        }
    }

    /// Whether a value that was lost before its time only makes somebody begin anew. Where it is not so,
    /// having been used is what is remembered, and a store that may forget would let it be used again.
    pub const fn may_be_forgotten(self) -> bool {
        match self {
            Self::AuthorizationCode
            | Self::AuthorizationRequest
            | Self::SignInState
            | Self::UpstreamState => true,
            Self::AssertionId => false,
        }
    }
}

/// A value as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OneTimeRecord {
    /// What it is for.
    pub usage: OneTimeUse,
    /// SHA-256 of what is presented for it.
    pub digest: [u8; 32],
    /// What it stands for, sealed for this digest. Empty where having been used is all that matters.
    pub sealed: Vec<u8>,
    /// From when on it is not good any more, and may be forgotten.
    pub expires_at: Timestamp,
}

/// What presenting a value came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Redeemed {
    /// It was good, and is used now: this is what it stood for.
    Value(Vec<u8>),
    /// Never put, or forgotten.
    Unknown,
    /// Somebody was here before; what it stood for says what that somebody got.
    AlreadyUsed(Vec<u8>),
    /// Nobody used it in time.
    Expired,
}

/// What became of a value where there is only so much room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// It is kept.
    Kept,
    /// There is one of this digest for this use.
    Taken,
    /// There is no room.
    Full,
}

/// Values that are good once.
#[async_trait]
pub trait OneTimeStore: Send + Sync + std::fmt::Debug {
    /// Keeps a value, and says whether there was none of this digest for this use. Of several
    /// concurrent callers exactly one keeps its value; one that is there, used or not, stays.
    async fn put(&self, record: &OneTimeRecord) -> Result<bool, StoreError>;

    /// The same where fewer than `room` values of this use are kept that nobody used yet and that are
    /// good at `now`: for what anybody may have kept. However many put at once, there are never more.
    async fn put_within(
        &self,
        record: &OneTimeRecord,
        room: u64,
        now: Timestamp,
    ) -> Result<Put, StoreError>;

    /// Uses a value. Of several concurrent callers exactly one gets [`Redeemed::Value`]. A value whose
    /// expiry is `now` or earlier is not good any more; one that was used in its time stays
    /// [`Redeemed::AlreadyUsed`] until it is purged.
    async fn redeem(
        &self,
        usage: OneTimeUse,
        digest: &[u8; 32],
        now: Timestamp,
    ) -> Result<Redeemed, StoreError>;

    /// What a value stands for, without using it: `None` if [`redeem`](Self::redeem) would not give
    /// it.
    async fn peek(
        &self,
        usage: OneTimeUse,
        digest: &[u8; 32],
        now: Timestamp,
    ) -> Result<Option<Vec<u8>>, StoreError>;

    /// Forgets those that expired before `now`; returns how many.
    async fn purge(&self, now: Timestamp) -> Result<u64, StoreError>;
}
