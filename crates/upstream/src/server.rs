//! One upstream MCP server as the operator described it.

use std::time::Duration;

use http::Uri;
use portcullis_core::ServerId;
use portcullis_egress::{Destination, EgressPolicy};
use portcullis_mcp::{PushPolicy, Revision};

/// Which revisions to try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProtocolChoice {
    /// Ask the server (2026-07-28 "versioning": discover, then fall back to `initialize`).
    Auto,
    /// Only this one.
    Pinned(Revision),
}

/// Where a server is and how to speak to it. Two equal values may share connections and sessions.
#[derive(Clone, Debug, PartialEq)]
pub struct UpstreamServer {
    /// Its id.
    pub id: ServerId,
    /// Its MCP endpoint.
    pub uri: Uri,
    /// How far the address is trusted.
    pub destination: Destination,
    /// Longest wait for an answer's head, and for the whole of a JSON answer.
    pub timeout: Duration,
    /// Longest silence on a stream.
    pub stream_idle: Duration,
    /// Which revisions.
    pub protocol: ProtocolChoice,
    /// What it may ask of clients.
    pub push: PushPolicy,
}

impl UpstreamServer {
    /// Every exchange is bounded as a whole by [`Self::timeout`] where it is made.
    pub(crate) fn egress_policy(&self) -> EgressPolicy {
        EgressPolicy {
            destination: self.destination,
            connect_timeout: self.timeout.min(Duration::from_secs(5)),
            head_timeout: Duration::MAX,
            idle_timeout: self.stream_idle,
            max_body: None,
        }
    }
}
