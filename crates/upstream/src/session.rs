//! A session with a server whose revision opens with `initialize`.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http::header::HeaderValue;
use portcullis_mcp::eras::modern_client::LogLevel;
use portcullis_mcp::{ClientCapabilities, Edits, Envelope, Revision};

use crate::error::{UpstreamError, UpstreamErrorKind};
use crate::handshake::Handshake;
use crate::pending::{Owner, Pending, Restored};
use crate::stream::EventStream;
use crate::transport::{Link, Outgoing, Presents, Reply, Wire};

/// One open session, shared by all requests of one acting party with one capability set.
#[derive(Debug)]
pub struct LegacySession {
    wire: Arc<Wire>,
    link: Link,
    revision: Revision,
    result: String,
    /// What was declared to the server when the session was opened.
    capabilities: ClientCapabilities,
    /// As which account it was opened.
    account: Option<[u8; 32]>,
    pending: Pending,
    lost: AtomicBool,
    /// The server said that it has no stream for messages that belong to no request.
    streamless: AtomicBool,
    used: AtomicI64,
    parting: Parting,
    level: tokio::sync::Mutex<Option<LogLevel>>,
}

/// What the session's own caller presented last, to be presented once more when it ends.
#[derive(Default)]
struct Parting(Mutex<Option<Arc<dyn Presents>>>);

impl fmt::Debug for Parting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Parting")
    }
}

/// The answer to a request on a session. While it lives, progress and answers find their caller;
/// dropping it lets the request go.
#[derive(Debug)]
pub struct SessionReply {
    session: Arc<LegacySession>,
    ours: i64,
    keep: bool,
    complete: bool,
    /// What came back, ids still ours: pass each message through [`LegacySession::restore`].
    pub reply: Reply,
}

impl SessionReply {
    /// Keeps the request's place after this value is gone, so that a client that reconnects with
    /// `Last-Event-ID` still finds its answer. The answer itself, or the session's end, frees it.
    pub fn keep_for_resumption(&mut self) {
        self.keep = true;
    }

    /// The answer is through. Where the server can replay it, it may be asked for again.
    pub fn complete(&mut self) {
        self.complete = true;
    }

    /// The id under which the request was sent: an answer under another is not its answer.
    pub const fn ours(&self) -> i64 {
        self.ours
    }

    /// Nothing more will come of it.
    pub fn abandon(&mut self) {
        self.keep = false;
    }
}

impl Drop for SessionReply {
    fn drop(&mut self) {
        if self.keep {
            self.session.pending.keep(self.ours, self.complete);
        } else {
            self.session.pending.forget(self.ours);
        }
    }
}

impl LegacySession {
    pub(crate) fn new(
        wire: Arc<Wire>,
        handshake: Handshake,
        capabilities: ClientCapabilities,
        account: Option<[u8; 32]>,
    ) -> Self {
        Self {
            wire,
            link: handshake.link,
            revision: handshake.revision,
            result: handshake.result,
            capabilities,
            account,
            pending: Pending::new(),
            lost: AtomicBool::new(false),
            streamless: AtomicBool::new(false),
            used: AtomicI64::new(0),
            parting: Parting::default(),
            level: tokio::sync::Mutex::default(),
        }
    }

    /// The server's `InitializeResult`, as it wrote it.
    pub fn initialize_result(&self) -> &str {
        &self.result
    }

    /// The negotiated revision.
    pub const fn revision(&self) -> Revision {
        self.revision
    }

    /// What was declared to the server when the session was opened.
    pub const fn capabilities(&self) -> &ClientCapabilities {
        &self.capabilities
    }

    /// The least serious log messages that were asked for on behalf of stateless clients; held while
    /// the server is told of another.
    pub const fn log_level(&self) -> &tokio::sync::Mutex<Option<LogLevel>> {
        &self.level
    }

    /// Whether a stream for messages that belong to no request is worth asking for.
    pub fn offers_stream(&self) -> bool {
        !self.streamless.load(Ordering::Acquire)
    }

    /// Whether the server has forgotten the session.
    pub fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Acquire) || self.link.has_ended()
    }

    /// Whether it was opened as this account.
    pub(crate) fn is_of(&self, account: Option<[u8; 32]>) -> bool {
        self.account == account
    }

    /// It is not gone on with.
    pub(crate) fn abandon(&self) {
        self.lost.store(true, Ordering::Release);
    }

    pub(crate) fn touch(&self, now: Duration) {
        self.used.store(
            i64::try_from(now.as_millis()).unwrap_or(i64::MAX),
            Ordering::Relaxed,
        );
    }

    /// When it was last asked for: as good as now for whoever just asked.
    pub(crate) fn used(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.used.load(Ordering::Relaxed)).unwrap_or(0))
    }

    /// Sends a request under an id of ours, for one of the session's clients. `edits` are changes already wanted in its text.
    pub async fn request(
        self: &Arc<Self>,
        presents: &dyn Presents,
        envelope: &Envelope<'_>,
        mut edits: Edits<'_>,
        owner: Option<Owner>,
        headers: HeaderMap,
    ) -> Result<SessionReply, UpstreamError> {
        let ours = self
            .pending
            .admit(envelope, &mut edits, owner)
            .ok_or_else(|| self.wire.error(UpstreamErrorKind::RateLimited))?;
        let mut waiting = SessionReply {
            session: Arc::clone(self),
            ours,
            keep: false,
            complete: false,
            reply: Reply::Accepted,
        };
        let posted = self.post(presents, owner, Bytes::from(edits.finish()), headers);
        let reply = posted.await.map_err(|error| UpstreamError {
            unanswered: (error.kind == UpstreamErrorKind::Timeout).then_some(ours),
            ..error
        })?;
        waiting.reply = reply.lasting(self.wire.server.stream_total);
        Ok(waiting)
    }

    /// Sends a notification, or the client's answer to a request of the server.
    pub async fn notify(
        &self,
        presents: &dyn Presents,
        text: String,
        headers: HeaderMap,
    ) -> Result<(), UpstreamError> {
        match self
            .post(presents, None, Bytes::from(text), headers)
            .await?
        {
            // An error in the form of an answer is still no for an answer.
            Reply::Message { status, .. } if !status.is_success() => {
                Err(self.wire.error(UpstreamErrorKind::Status(status.as_u16())))
            }
            Reply::Accepted | Reply::Message { .. } | Reply::Stream(_) => Ok(()),
        }
    }

    async fn post(
        &self,
        presents: &dyn Presents,
        client: Option<Owner>,
        body: Bytes,
        headers: HeaderMap,
    ) -> Result<Reply, UpstreamError> {
        let outgoing = Outgoing {
            body,
            revision: Some(self.revision),
            headers,
            client,
        };
        self.noting_loss(self.wire.post(presents, &self.link, outgoing).await)
    }

    /// Opens the stream of messages that belong to no request, or resumes one after an event id.
    pub async fn stream(
        &self,
        presents: &dyn Presents,
        last_event_id: Option<HeaderValue>,
    ) -> Result<Option<EventStream>, UpstreamError> {
        let opened = self
            .wire
            .stream(presents, &self.link, self.revision, last_event_id)
            .await;
        if let Ok(None) = &opened {
            self.streamless.store(true, Ordering::Release);
        }
        self.noting_loss(opened)
    }

    /// Keeps what its caller presented, for the end of a session that nobody else can end. It is worth
    /// no more than the session, and goes with it.
    pub fn part_with(&self, presents: Arc<dyn Presents>) {
        if self.link.has_farewell() {
            *self
                .parting
                .0
                .lock()
                .unwrap_or_else(PoisonError::into_inner) = Some(presents);
        }
    }

    /// What was kept for the end.
    pub fn parting(&self) -> Option<Arc<dyn Presents>> {
        let parting = self.parting.0.lock();
        parting.unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Tells the server that the session is over.
    pub async fn close(&self, presents: &dyn Presents) -> Result<(), UpstreamError> {
        self.lost.store(true, Ordering::Release);
        self.wire.close(presents, &self.link, self.revision).await
    }

    /// Gives a message of the server the caller's own id or progress token back.
    pub fn restore(&self, text: &str) -> Restored {
        self.pending.restore(text)
    }

    /// Our id of a request of this client that is under way.
    pub fn our_id_of(&self, theirs: &str, owner: Option<Owner>) -> Option<i64> {
        self.pending.ours(theirs, owner)
    }

    fn noting_loss<T>(&self, result: Result<T, UpstreamError>) -> Result<T, UpstreamError> {
        if let Err(error) = &result
            && error.kind == UpstreamErrorKind::SessionLost
        {
            self.lost.store(true, Ordering::Release);
        }
        result
    }
}
