//! What a surface gives back to its caller.

use std::fmt;
use std::pin::Pin;

use bytes::Bytes;
use futures_util::Stream;
use http::StatusCode;
use portcullis_core::{ReplicaId, ScopeSet};

use crate::call::Call;
use crate::challenge::Challenge;
use crate::error::EngineError;
use crate::legacy::answer;
use crate::relay::error_answer;

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
    /// 429 with one JSON document (RFC 6585 §4): a limit is reached.
    Limited {
        /// The text.
        body: Bytes,
        /// When it may help to come again, in seconds (`Retry-After`).
        retry_after_secs: Option<u64>,
    },
    /// Another replica holds what the request is about.
    Elsewhere(Box<Elsewhere>),
    /// `text/event-stream`. Dropping it cancels what feeds it.
    Stream(ByteStream),
}

/// A request for another replica. It goes there as it came; its event is still open, because whoever
/// answers it records it.
#[derive(Debug)]
pub struct Elsewhere {
    /// The request.
    pub call: Call,
    /// Who holds what it is about.
    pub owner: ReplicaId,
    /// The status of the refusal, should the request not reach its owner.
    status: StatusCode,
    /// The client's request id, as JSON text.
    id: Option<String>,
}

impl Elsewhere {
    /// A request with this id, as JSON text, if it has one. `status`: under which it is refused, where
    /// that is another than 503.
    pub fn new(call: Call, owner: ReplicaId, status: Option<StatusCode>, id: Option<&str>) -> Self {
        Self {
            call,
            owner,
            status: status.unwrap_or(StatusCode::SERVICE_UNAVAILABLE),
            id: id.map(str::to_owned),
        }
    }

    /// The answer where the owner is out of reach.
    pub async fn refuse(self) -> Answer {
        let error = EngineError::Elsewhere(self.owner);
        let (_, outcome, text) = error_answer(&error, self.call.id, self.id.as_deref());
        let id = self.id.as_deref().unwrap_or("null");
        answer(self.call, self.status, outcome, text, id).await
    }
}

impl From<Elsewhere> for Answer {
    fn from(elsewhere: Elsewhere) -> Self {
        Self::Elsewhere(Box::new(elsewhere))
    }
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
            Self::Limited { .. } => f.write_str("Limited"),
            Self::Elsewhere(elsewhere) => {
                f.debug_tuple("Elsewhere").field(&elsewhere.owner).finish()
            }
            Self::Stream(_) => f.write_str("Stream"),
        }
    }
}
