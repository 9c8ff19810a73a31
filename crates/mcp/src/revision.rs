//! The protocol's revisions.

use std::fmt;
use std::str::FromStr;

/// A dated revision of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Revision {
    /// HTTP+SSE.
    V2024_11_05,
    /// Streamable HTTP, batches.
    V2025_03_26,
    /// `MCP-Protocol-Version`, no batches, elicitation.
    V2025_06_18,
    /// URL elicitation, tasks, SSE polling.
    V2025_11_25,
    /// Stateless: no handshake, everything in each request.
    V2026_07_28,
}

/// Every revision that we speak over Streamable HTTP, newest first.
pub const SUPPORTED_REVISIONS: [Revision; 4] = [
    Revision::V2026_07_28,
    Revision::V2025_11_25,
    Revision::V2025_06_18,
    Revision::V2025_03_26,
];

/// Those that open with `initialize`, newest first.
pub const LEGACY_REVISIONS: [Revision; 3] = [
    Revision::V2025_11_25,
    Revision::V2025_06_18,
    Revision::V2025_03_26,
];

/// Those that are spoken over HTTP+SSE, newest first: the transport is of 2024-11-05, but later revisions
/// did not leave it, and most of its clients speak one of those.
pub const SSE_REVISIONS: [Revision; 4] = [
    Revision::V2025_11_25,
    Revision::V2025_06_18,
    Revision::V2025_03_26,
    Revision::V2024_11_05,
];

impl Revision {
    /// The date as it stands on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V2024_11_05 => "2024-11-05",
            Self::V2025_03_26 => "2025-03-26",
            Self::V2025_06_18 => "2025-06-18",
            Self::V2025_11_25 => "2025-11-25",
            Self::V2026_07_28 => "2026-07-28",
        }
    }

    /// Whether each request stands alone (2026-07-28 and later).
    pub const fn is_modern(self) -> bool {
        matches!(self, Self::V2026_07_28)
    }

    /// The revision to answer `initialize` with: the asked one if we speak it, else our newest
    /// legacy one. Never a modern one (lifecycle, "version negotiation").
    pub fn negotiate(asked: &str) -> Self {
        Self::among(&LEGACY_REVISIONS, asked)
    }

    /// The same over HTTP+SSE.
    pub fn negotiate_over_sse(asked: &str) -> Self {
        Self::among(&SSE_REVISIONS, asked)
    }

    fn among(spoken: &[Self], asked: &str) -> Self {
        match asked.parse() {
            Ok(revision) if spoken.contains(&revision) => revision,
            _ => Self::V2025_11_25,
        }
    }
}

impl FromStr for Revision {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        [
            Self::V2024_11_05,
            Self::V2025_03_26,
            Self::V2025_06_18,
            Self::V2025_11_25,
            Self::V2026_07_28,
        ]
        .into_iter()
        .find(|revision| revision.as_str() == text)
        .ok_or(())
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
