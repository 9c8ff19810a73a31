//! Calls that somebody has to approve first: asked for, decided, and used once.
//!
//! What is approved is one call: of this caller, on this server, of this tool, with exactly these
//! arguments. The store decides who of several is first; that a decision is one of ours, and about this
//! very call, is shown by its seal, which whoever can write the table cannot make.

mod ask;
mod behalf;
mod desk;
mod forms;
mod sealed;

use std::sync::Arc;
use std::time::Duration;

use portcullis_core::{ApprovalId, ErrorKind, ServerId, Timestamp};
use portcullis_store::{ApprovalState, ApprovalStore, StoreError};

pub(crate) use self::ask::{Granted, Waiting};
pub(crate) use self::behalf::Behalf;
pub use self::desk::{ShownApproval, ShownCall, ShownDecision, Verdict};

/// How long approvals last, and who may give them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ApprovalSettings {
    /// How long a call waits for a decision; a refusal stands as long.
    pub waiting: Duration,
    /// How long an approval can be used.
    pub usable: Duration,
    /// Whether people may decide about their own calls.
    pub own: bool,
}

impl Default for ApprovalSettings {
    fn default() -> Self {
        Self {
            waiting: Duration::from_mins(10),
            usable: Duration::from_mins(5),
            own: false,
        }
    }
}

/// Where approvals are kept.
#[derive(Clone, Debug)]
pub(crate) struct Approvals {
    store: Arc<dyn ApprovalStore>,
}

impl Approvals {
    pub(crate) const fn new(store: Arc<dyn ApprovalStore>) -> Self {
        Self { store }
    }
}

/// A call that is not made now, because nobody has approved it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The approval that it waits for.
    pub id: ApprovalId,
    /// On which server.
    pub server: ServerId,
    /// Which tool, as its server spells it.
    pub tool: String,
    /// Why it was refused, where somebody has decided against it.
    pub refused: Option<Refused>,
    /// Until when that lasts.
    pub until: Timestamp,
    /// How long an approval can be used.
    pub usable: Duration,
    /// Where its person can see what becomes of it; `None` when the request does not say under which
    /// origin we are reached.
    pub url: Option<String>,
}

/// That somebody decided against a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// What they gave as the reason.
    pub reason: Option<String>,
}

/// Why an approval can neither be shown nor decided.
#[derive(Debug, thiserror::Error)]
pub enum ApprovalError {
    /// There is none of this id, for this caller.
    #[error("no such approval")]
    Unknown,
    /// The caller's role does not reach that far.
    #[error("approvals are decided by approvers and administrators")]
    NotADecider,
    /// The caller's role does not reach that far.
    #[error("approvals are shown to approvers, viewers and administrators")]
    NotShown,
    /// The call is the decider's own.
    #[error(
        "this call is your own, and somebody else has to decide; `policy.approvals.allow_own_decisions` would allow it"
    )]
    Own,
    /// It was decided before, was used, or nobody decided in time.
    #[error("the approval is {} already", .0.as_str())]
    Over(ApprovalState),
    /// What a decider wrote is too long.
    #[error("a reason has at most {0} characters")]
    LongReason(usize),
    /// Its row is not as it was sealed.
    #[error("the approval's row is not as it was sealed: nothing can be decided by it")]
    Damaged,
    /// The store failed.
    #[error("approvals cannot be reached")]
    Store(#[from] StoreError),
    /// A key or random source of ours is down.
    #[error("the key ring is unavailable")]
    KeyRing,
}

impl ApprovalError {
    /// The kind.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Unknown => ErrorKind::NotFound,
            Self::NotADecider | Self::NotShown | Self::Own => ErrorKind::Forbidden,
            Self::Over(_) => ErrorKind::Conflict,
            Self::LongReason(_) => ErrorKind::Invalid,
            Self::Store(error) => error.error_kind(),
            Self::Damaged | Self::KeyRing => ErrorKind::Unavailable,
        }
    }
}
