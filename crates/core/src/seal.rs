//! Sealing of small values that leave the house and come back: session ids, cursors, request state.

use std::fmt;

use crate::time::Timestamp;

/// What a sealed value is for. A value sealed for one purpose does not open for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// `Mcp-Session-Id` handed to a legacy client.
    McpSession,
    /// Where a client of HTTP+SSE sends its messages.
    SseSession,
    /// A pagination cursor of an aggregated list.
    McpCursor,
    /// `requestState` of a 2026-07-28 `input_required` result.
    McpRequestState,
    /// `requestState` of an `input_required` result of our own: the client's user is to connect an
    /// account first.
    McpConsentState,
    /// `requestState` of a call that a gateway holds open in a session while its client is asked.
    McpParkedState,
    /// For whom an address under `/connect/` was made.
    Invitation,
    /// The cookie of a browser in which somebody is signed in.
    BrowserSession,
    /// What proves that a form was filled in on a page of ours, in the browser that it was made for.
    FormToken,
    /// Where a replica is reached by the others.
    ReplicaAddress,
    /// A request that one replica hands over to another.
    HandOver,
    /// What the client of a legacy session set, for whichever replica has the session next.
    SessionHome,
    /// A call that waits for an approval, with its arguments.
    Approval,
    /// What was decided about it.
    ApprovalDecision,
}

impl Purpose {
    /// The name that goes into the associated data.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::McpSession => "mcp-session",
            Self::SseSession => "sse-session",
            Self::McpCursor => "mcp-cursor",
            Self::McpRequestState => "mcp-request-state",
            Self::McpConsentState => "mcp-consent-state",
            Self::McpParkedState => "mcp-parked-state",
            Self::Invitation => "invitation",
            Self::BrowserSession => "browser-session",
            Self::FormToken => "form-token",
            Self::ReplicaAddress => "replica-address",
            Self::HandOver => "hand-over",
            Self::SessionHome => "session-home",
            Self::Approval => "approval",
            Self::ApprovalDecision => "approval-decision",
        }
    }
}

/// Authenticated encryption of values that travel through foreign hands.
///
/// Every replica that shares the key ring opens what any of them sealed.
pub trait Sealer: Send + Sync + fmt::Debug {
    /// Seals `plaintext` for `purpose`, bound to `binding` (normally the principal) and valid until
    /// `expires`. The result is URL-safe visible ASCII.
    fn seal(
        &self,
        purpose: Purpose,
        binding: &[u8],
        expires: Timestamp,
        plaintext: &[u8],
    ) -> Result<String, SealError>;

    /// Opens what `seal` made for the same purpose and binding, if it has not expired at `now`.
    fn open(
        &self,
        purpose: Purpose,
        binding: &[u8],
        now: Timestamp,
        sealed: &str,
    ) -> Result<Vec<u8>, SealError>;
}

/// Why sealing or opening failed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// Forged, damaged, sealed for another purpose or principal, or under a key we no longer hold.
    /// Deliberately not told apart.
    #[error("the sealed value does not open")]
    Invalid,
    /// Was valid; its time is over.
    #[error("the sealed value has expired")]
    Expired,
    /// The key ring or random source is unusable.
    #[error("the key ring is unavailable")]
    Unavailable,
}
