//! What a surface gives back to its caller.

use std::fmt;
use std::pin::Pin;

use bytes::Bytes;
use futures_util::Stream;
use http::StatusCode;
use portcullis_core::ScopeSet;

use crate::challenge::Challenge;

/// Bytes of an event stream, each item one event or keep-alive, to be sent at once.
pub type ByteStream = Pin<Box<dyn Stream<Item = Bytes> + Send>>;

/// An answer, independent of the HTTP framework.
pub enum Answer {
    /// 202 without a body.
    Accepted,
    /// One JSON document.
    Json {
        /// Its status.
        status: StatusCode,
        /// The text.
        body: Bytes,
        /// A new `Mcp-Session-Id`.
        session: Option<String>,
    },
    /// 403 with one JSON document: the call needs these scopes, all of them (RFC 6750 §3.1).
    InsufficientScope {
        /// The text.
        body: Bytes,
        /// All that the call needs.
        required: ScopeSet,
    },
    /// 401 with one JSON document (RFC 9110 §15.5.2): what let the caller in does not stand any more,
    /// or what the server wants to be shown is missing or spent.
    Unauthenticated {
        /// The text.
        body: Bytes,
        /// What the caller is asked for, and by whom.
        challenge: Challenge,
    },
    /// `text/event-stream`. Dropping it cancels what feeds it.
    Stream(ByteStream),
}

impl Answer {
    /// A JSON answer without a session.
    pub fn json(status: StatusCode, body: impl Into<Bytes>) -> Self {
        Self::Json {
            status,
            body: body.into(),
            session: None,
        }
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accepted => f.write_str("Accepted"),
            Self::Json { status, .. } => f.debug_tuple("Json").field(status).finish(),
            Self::InsufficientScope { required, .. } => {
                f.debug_tuple("InsufficientScope").field(required).finish()
            }
            Self::Unauthenticated { challenge, .. } => {
                f.debug_tuple("Unauthenticated").field(challenge).finish()
            }
            Self::Stream(_) => f.write_str("Stream"),
        }
    }
}
