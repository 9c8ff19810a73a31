//! Calls that wait for somebody's approval.

use async_trait::async_trait;
use portcullis_core::{ApprovalId, PrincipalId, ServerId, Timestamp};

use crate::{Page, PageRequest, StoreError};

/// How far an approval has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ApprovalState {
    /// Nobody has decided.
    Pending,
    /// Given, and not used yet.
    Granted,
    /// Refused.
    Denied,
    /// Used: one call went out with it.
    Redeemed,
    /// Nobody decided in time, and that was put on record.
    Expired,
}

impl ApprovalState {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Pending,
        Self::Granted,
        Self::Denied,
        Self::Redeemed,
        Self::Expired,
    ];

    /// The stable name, as a backend keeps it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Granted => "granted",
            Self::Denied => "denied",
            Self::Redeemed => "redeemed",
            Self::Expired => "expired",
        }
    }

    /// The state of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }

    /// Whether there may be no second one about the same, as long as its time is not over.
    pub const fn lives(self) -> bool {
        matches!(self, Self::Pending | Self::Granted | Self::Denied)
    }
}

/// An approval as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApprovalRecord {
    /// Names it, and orders it by the time at which it was asked for.
    pub id: ApprovalId,
    /// SHA-256 of exactly what it is about: who calls which tool of which server with which arguments.
    pub subject: [u8; 32],
    /// Among whom the room is shared: the principal, or all strangers together.
    pub owner: String,
    /// Whose call waits.
    pub principal: PrincipalId,
    /// On which server.
    pub server: ServerId,
    /// Everything that whoever decides has to know, arguments included, sealed for this id.
    pub sealed: String,
    /// How far it has come.
    pub state: ApprovalState,
    /// When it was asked for.
    pub asked_at: Timestamp,
    /// Until when its state lasts: to be decided, to be used, or to stand.
    pub expires_at: Timestamp,
    /// What was decided, by whom and why, sealed for this id and subject.
    pub decision: Option<String>,
}

/// How many approvals may be pending at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ApprovalRoom {
    /// Of everybody.
    pub of_all: u64,
    /// Of one owner.
    pub of_one: u64,
}

/// What asking came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// It waits now.
    New,
    /// There is one about the same.
    There(Box<ApprovalRecord>),
    /// Too many are pending.
    Full,
}

/// What deciding came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decided {
    /// It is decided.
    Done,
    /// It was decided before, or its time is over: this is how it stands.
    Over(Box<ApprovalRecord>),
    /// There is none of this id.
    Unknown,
}

/// Calls that wait for somebody's approval.
#[async_trait]
pub trait ApprovalStore: Send + Sync + std::fmt::Debug {
    /// Keeps one that is pending, unless one about the same [lives](ApprovalState::lives) at `now`. Of
    /// several concurrent callers exactly one is told [`Asked::New`], and however many ask at once,
    /// there are never more pending at `now` than there is room for.
    async fn ask(
        &self,
        record: &ApprovalRecord,
        room: ApprovalRoom,
        now: Timestamp,
    ) -> Result<Asked, StoreError>;

    /// The one of this id.
    async fn get(&self, id: &ApprovalId) -> Result<Option<ApprovalRecord>, StoreError>;

    /// The one about this that lives at `now`.
    async fn find(
        &self,
        subject: &[u8; 32],
        now: Timestamp,
    ) -> Result<Option<ApprovalRecord>, StoreError>;

    /// Decides one that is pending at `now`: it is granted or denied until `until`. Of several
    /// concurrent callers exactly one is told [`Decided::Done`].
    async fn decide(
        &self,
        id: &ApprovalId,
        granted: bool,
        decision: &str,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<Decided, StoreError>;

    /// Uses one that is granted at `now` and about this, and says whether it did: of several concurrent
    /// callers exactly one does.
    async fn redeem(
        &self,
        id: &ApprovalId,
        subject: &[u8; 32],
        now: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Ends at most `limit` that nobody decided in time, and returns them: each to exactly one caller.
    async fn expire(&self, now: Timestamp, limit: usize)
    -> Result<Vec<ApprovalRecord>, StoreError>;

    /// The latest first; with a state, those only. What is pending is so whether or not its time is over.
    async fn list(
        &self,
        state: Option<ApprovalState>,
        page: &PageRequest,
    ) -> Result<Page<ApprovalRecord>, StoreError>;

    /// Forgets those whose state lasted until before `before`, but for those that are pending; returns
    /// how many.
    async fn purge(&self, before: Timestamp) -> Result<u64, StoreError>;
}
