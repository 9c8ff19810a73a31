//! HTTP+SSE, the transport of 2024-11-05: one stream that a client opens with GET, and POSTs whose
//! answers come on it. The stream is the session: who is known here, and for how long, ends with it.

mod message;
mod stream;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use portcullis_core::{Principal, PrincipalId, Purpose, ReplicaId, Timestamp, sha256};
use serde::{Deserialize, Serialize};
use tokio::sync::{Semaphore, oneshot};

use super::LegacyClient;
use super::session::LIFETIME;
use crate::backlog::{NewsReceiver, NewsSender};
use crate::call::Call;
use crate::error::EngineError;
use crate::gateway::Gateway;
use crate::prepare::protocol;
use crate::view::View;

/// Most open streams of one principal.
const MOST_OF_ONE: usize = 256;
/// Most requests that run for one stream at a time.
const MOST_RUNNING: usize = 100;

/// A client of HTTP+SSE whose stream is open here.
#[derive(Debug)]
pub struct SseSession {
    principal: PrincipalId,
    /// The endpoint that the stream was opened on.
    label: String,
    digest: [u8; 32],
    expires: Timestamp,
    /// Answers and whatever else belongs to a request; it waits for a reader, other than news.
    answers: NewsSender,
    /// Once it is initialized.
    client: OnceLock<Arc<LegacyClient>>,
    /// Where the stream learns whence its news come, once it is initialized.
    news: Mutex<Option<oneshot::Sender<NewsReceiver>>>,
    running: Arc<Semaphore>,
}

/// What a client hands back with each message.
#[derive(Serialize, Deserialize)]
struct Handle {
    v: String,
    /// The process that holds the stream.
    r: String,
}

/// Why a message is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SseRefusal {
    /// Forged, another principal's, another endpoint's, or of a stream that is over: 404, all alike.
    #[error("no such stream")]
    NotFound,
    /// The stream is open at another process.
    #[error("the stream is open at replica {0}")]
    Elsewhere(ReplicaId),
}

/// Streams that are open here.
#[derive(Debug, Default)]
pub(crate) struct SseSessions(Mutex<Open>);

#[derive(Debug, Default)]
struct Open {
    /// By the digest of their handle, which no two share: a handle holds a nonce.
    sessions: HashMap<[u8; 32], Arc<SseSession>>,
    of: HashMap<PrincipalId, usize>,
}

impl SseSessions {
    fn open(&self) -> MutexGuard<'_, Open> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, digest: &[u8; 32]) -> Option<Arc<SseSession>> {
        self.open().sessions.get(digest).cloned()
    }

    /// Takes a stream in; `None`: its principal has too many.
    fn add(&self, session: SseSession) -> Option<()> {
        let mut open = self.open();
        let count = open.of.entry(session.principal.clone()).or_default();
        if *count >= MOST_OF_ONE {
            return None;
        }
        *count += 1;
        open.sessions.insert(session.digest, Arc::new(session));
        Some(())
    }

    /// Takes a stream out; whose it was.
    fn remove(&self, digest: &[u8; 32]) -> Option<PrincipalId> {
        let mut open = self.open();
        let session = open.sessions.remove(digest)?;
        if let Some(count) = open.of.get_mut(&session.principal) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                open.of.remove(&session.principal);
            }
        }
        Some(session.principal.clone())
    }
}

impl Gateway {
    fn seal_handle(
        &self,
        principal: &Principal,
        label: &str,
        expires: Timestamp,
    ) -> Result<String, EngineError> {
        let handle = Handle {
            v: label.to_owned(),
            r: self.replica_id().as_str().to_owned(),
        };
        let text = serde_json::to_vec(&handle).map_err(|_| EngineError::KeyRing)?;
        let binding = principal.id.as_str().as_bytes();
        self.sealer
            .seal(Purpose::SseSession, binding, expires, &text)
            .map_err(|_| EngineError::KeyRing)
    }

    /// The open stream behind a handle, if this principal may send to it on this endpoint.
    pub fn sse_session(
        &self,
        principal: &Principal,
        view: &View,
        handle: &str,
    ) -> Result<Arc<SseSession>, SseRefusal> {
        let binding = principal.id.as_str().as_bytes();
        let text = self
            .sealer
            .open(Purpose::SseSession, binding, self.clock.now(), handle)
            .map_err(|_| SseRefusal::NotFound)?;
        let sealed: Handle = serde_json::from_slice(&text).map_err(|_| SseRefusal::NotFound)?;
        if sealed.v != view.label() {
            return Err(SseRefusal::NotFound);
        }
        if sealed.r != self.replica_id().as_str() {
            let owner = ReplicaId::read(&sealed.r).ok_or(SseRefusal::NotFound)?;
            return Err(SseRefusal::Elsewhere(owner));
        }
        let session = self.sse_sessions.find(&sha256(handle.as_bytes()));
        session
            .filter(|session| session.principal == principal.id && session.label == sealed.v)
            .ok_or(SseRefusal::NotFound)
    }

    /// `initialize` came over this stream: from now on its client is known, and hears news.
    pub(super) fn begin_on_stream(
        self: &Arc<Self>,
        call: &Call,
        view: &View,
        session: &SseSession,
        mut client: LegacyClient,
    ) -> Result<(), EngineError> {
        client.digest = Some(session.digest);
        client.expires = session.expires;
        let again = || {
            protocol(
                portcullis_mcp::code::INVALID_REQUEST,
                "the session is already initialized",
            )
        };
        let client = Arc::new(client);
        session
            .client
            .set(Arc::clone(&client))
            .map_err(|_| again())?;
        let stream = session.news.lock();
        let stream = stream.unwrap_or_else(PoisonError::into_inner).take();
        let messages = self
            .listeners
            .subscribe(&call.principal, &client, view, session.digest)
            .ok_or_else(|| {
                protocol(
                    portcullis_mcp::code::INTERNAL_ERROR,
                    "too many open streams",
                )
            })?;
        // A stream that is gone meanwhile is forgotten like any other.
        let _ = stream.ok_or_else(again)?.send(messages);
        self.listen_to_open_sessions(call, view, &client);
        Ok(())
    }
}

impl SseSession {
    /// How long a stream that is opened now may last.
    fn end(now: Timestamp) -> Timestamp {
        now.after(LIFETIME)
    }

    /// The room for one more request.
    fn room() -> Arc<Semaphore> {
        Arc::new(Semaphore::new(MOST_RUNNING))
    }
}
