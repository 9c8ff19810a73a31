//! The closed list of ways in which a call can fail.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What kind of failure an error is: metric label, audit outcome, and the only thing a surface
/// switches on. Closed and low-cardinality by design.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// Nobody we know, or a credential that does not verify.
    Unauthenticated,
    /// Known, visible, but not allowed.
    Forbidden,
    /// Does not exist, or must look as if it did not.
    NotFound,
    /// The request itself is wrong.
    Invalid,
    /// Contradicts the present state.
    Conflict,
    /// Too many; try later.
    RateLimited,
    /// The user has to connect an upstream account first.
    ConsentRequired,
    /// Somebody has to approve the call first.
    ApprovalRequired,
    /// The upstream answered, and refused.
    UpstreamRefused,
    /// No usable answer from the upstream.
    UpstreamUnreachable,
    /// Took longer than allowed.
    Timeout,
    /// Something of ours that the call needs is down: the closed answer to doubt.
    Unavailable,
    /// A defect of ours.
    Internal,
}

impl ErrorKind {
    /// The stable snake-case name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not_found",
            Self::Invalid => "invalid",
            Self::Conflict => "conflict",
            Self::RateLimited => "rate_limited",
            Self::ConsentRequired => "consent_required",
            Self::ApprovalRequired => "approval_required",
            Self::UpstreamRefused => "upstream_refused",
            Self::UpstreamUnreachable => "upstream_unreachable",
            Self::Timeout => "timeout",
            Self::Unavailable => "unavailable",
            Self::Internal => "internal",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
