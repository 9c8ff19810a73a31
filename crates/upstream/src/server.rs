//! One upstream MCP server as the operator described it.

use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use portcullis_core::ServerId;
use portcullis_egress::{Destination, EgressPolicy};
use portcullis_mcp::{PushPolicy, Revision};

use crate::error::{UpstreamError, UpstreamErrorKind};
use crate::openapi::OpenApiEndpoint;
use crate::stdio::StdioServer;

/// Which revisions to try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProtocolChoice {
    /// Ask the server (2026-07-28 "versioning": discover, then fall back to `initialize`).
    Auto,
    /// Only this one.
    Pinned(Revision),
}

/// By which transport a server is reached. Which revisions it speaks is another matter.
#[derive(Clone, Debug, PartialEq)]
pub enum Endpoint {
    /// Streamable HTTP at this address, or HTTP+SSE where the server speaks only that.
    Http(Uri),
    /// HTTP+SSE at this address.
    Sse(Uri),
    /// A process of ours.
    Stdio(Arc<StdioServer>),
    /// An OpenAPI document, answered for within this process.
    OpenApi(Box<OpenApiEndpoint>),
}

impl Endpoint {
    /// Its address, where it has one.
    pub const fn uri(&self) -> Option<&Uri> {
        match self {
            Self::Http(uri) | Self::Sse(uri) => Some(uri),
            Self::OpenApi(api) => api.base.as_ref(),
            Self::Stdio(_) => None,
        }
    }

    /// Everything that says where it leads, as one text: another server has another. Nothing of it is secret by
    /// itself, but an address may hold what its owner keeps to themselves.
    pub fn identity(&self) -> String {
        let optional = |uri: &Option<Uri>| uri.as_ref().map(Uri::to_string).unwrap_or_default();
        match self {
            Self::Http(uri) | Self::Sse(uri) => format!("{} {uri}", self.transport()),
            Self::Stdio(program) => {
                format!(
                    "stdio {:?} {:?} {:?}",
                    program.program, program.args, program.cwd
                )
            }
            Self::OpenApi(api) => {
                format!("openapi {:?} {:?}", api.document, optional(&api.base))
            }
        }
    }

    /// The transport as configuration files call it.
    pub const fn transport(&self) -> &'static str {
        match self {
            Self::Http(_) => "http",
            Self::Sse(_) => "sse",
            Self::Stdio(_) => "stdio",
            Self::OpenApi(_) => "openapi",
        }
    }
}

/// Where a server is and how to speak to it. Two equal values may share connections and sessions.
#[derive(Clone, Debug, PartialEq)]
pub struct UpstreamServer {
    /// Its id.
    pub id: ServerId,
    /// How it is reached.
    pub endpoint: Endpoint,
    /// How far the address is trusted.
    pub destination: Destination,
    /// Longest wait for an answer's head, and for the whole of a JSON answer.
    pub timeout: Duration,
    /// Longest silence on a stream.
    pub stream_idle: Duration,
    /// Longest that the stream of one request may last in all.
    pub stream_total: Duration,
    /// Which revisions.
    pub protocol: ProtocolChoice,
    /// What it may ask of clients.
    pub push: PushPolicy,
}

impl UpstreamServer {
    pub(crate) fn error(&self, kind: UpstreamErrorKind) -> UpstreamError {
        UpstreamError::new(&self.id, kind)
    }

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
