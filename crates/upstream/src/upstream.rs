//! One configured server: its wire, its era, its sessions.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use portcullis_core::{Clock, PrincipalId};
use portcullis_mcp::{ClientCapabilities, Revision};
use portcullis_policy::Evidence;

use crate::era::Era;
use crate::error::{UpstreamError, UpstreamErrorKind};
use crate::handshake::initialize;
use crate::probe::settled;
use crate::server::UpstreamServer;
use crate::session::LegacySession;
use crate::sessions::{Closing, Sessions};
use crate::stateless::Refusal;
use crate::transport::{Means, Outgoing, Presents, Reply, Wire};

/// Which session is wanted: legacy revisions fix all of this at `initialize`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SessionWish {
    /// The revision to ask for.
    pub revision: Revision,
    /// What the client can do, less what the operator withholds.
    pub capabilities: ClientCapabilities,
    /// For clients that know no sessions. They share none with those that do, who would hear other
    /// log messages by their doing, and on whose stream what is meant for them would arrive.
    pub stateless: bool,
}

/// A server and everything open to it.
pub struct Upstream {
    wire: Arc<Wire>,
    clock: Arc<dyn Clock>,
    era: Era,
    refusal: Refusal,
    sessions: Mutex<Sessions>,
}

impl Upstream {
    /// Nothing is opened yet.
    pub fn new(server: UpstreamServer, means: &Means) -> Self {
        Self {
            wire: Arc::new(Wire::new(server, means)),
            clock: Arc::clone(&means.clock),
            era: Era::default(),
            refusal: Refusal::default(),
            sessions: Mutex::default(),
        }
    }

    /// How the operator described it.
    pub fn server(&self) -> &UpstreamServer {
        &self.wire.server
    }

    fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn check(&self, evidence: &Evidence) -> Result<(), UpstreamError> {
        if evidence.server() == &self.wire.server.id {
            Ok(())
        } else {
            Err(self.wire.error(UpstreamErrorKind::WrongPermit))
        }
    }

    /// Whether the server speaks the stateless era.
    pub async fn speaks_modern(
        &self,
        evidence: &Evidence,
        presents: &dyn Presents,
    ) -> Result<bool, UpstreamError> {
        self.check(evidence)?;
        self.era
            .speaks_modern(
                &self.wire,
                evidence.acting(),
                presents,
                self.clock.monotonic(),
            )
            .await
    }

    /// The same, as far as it is pinned or was asked so lately that nobody would be asked again.
    pub fn lately_modern(&self, evidence: &Evidence) -> Option<bool> {
        let now = self.clock.monotonic();
        self.era.lately(&self.wire, evidence.acting(), now)
    }

    /// Whether the server speaks the stateless era, as far as that is known without asking.
    pub fn known_modern(&self, evidence: &Evidence) -> Option<bool> {
        self.era.known(&self.wire, evidence.acting())
    }

    /// The same for a report: not of what one caller found, where everybody's credential found it.
    pub fn reported_modern(&self) -> Option<bool> {
        self.era.reported(&self.wire)
    }

    /// Whether the server opens no sessions, as far as it is pinned or was found out lately.
    pub fn opens_no_sessions(&self) -> bool {
        settled(&self.wire).unwrap_or_else(|| self.refusal.is_fresh(self.clock.monotonic()))
    }

    /// Whether the last that was heard of it is that the server opens no sessions, however long ago: for
    /// whoever waits for its news, and asks it for nothing by which that would be found out anew.
    pub fn opened_no_session_last(&self) -> bool {
        settled(&self.wire).unwrap_or_else(|| self.refusal.is_last_word())
    }

    /// Whether a request of this method is answered within this process, so that nothing is
    /// presented for it.
    pub fn answers_itself(&self, method: &str) -> bool {
        self.wire.answers_itself(method)
    }

    /// What is kept of the server's description, its OpenAPI document, is read anew before it is used
    /// again.
    pub fn recheck(&self) {
        self.wire.recheck();
    }

    /// What is wrong with the server's OpenAPI document, as far as it is used in spite of it; an error
    /// when it is not. `None` when there is none.
    pub async fn document_findings(&self) -> Option<Result<Vec<String>, UpstreamError>> {
        self.wire.document_findings().await
    }

    /// One stateless exchange.
    pub async fn exchange(
        &self,
        evidence: &Evidence,
        presents: &dyn Presents,
        outgoing: Outgoing,
    ) -> Result<Reply, UpstreamError> {
        self.check(evidence)?;
        // A subscription lasts as long as its client wants.
        let listens = outgoing
            .headers
            .get("mcp-method")
            .is_some_and(|method| method == "subscriptions/listen");
        let reply = self
            .wire
            .exchange(evidence.acting(), presents, outgoing)
            .await;
        let doubtful = match &reply {
            Ok(Reply::Message { status, .. }) => status.is_client_error(),
            Ok(Reply::Accepted | Reply::Stream(_)) => false,
            Err(error) => doubtful(error.kind),
        };
        if doubtful {
            self.era.doubt(evidence.acting(), self.clock.monotonic());
        }
        if listens {
            return reply;
        }
        reply.map(|reply| reply.lasting(self.wire.server.stream_total))
    }

    /// The session for this acting party and wish: an open one, or a new one. Concurrent callers
    /// share one handshake.
    pub async fn session(
        &self,
        evidence: &Evidence,
        presents: &dyn Presents,
        wish: &SessionWish,
    ) -> Result<Arc<LegacySession>, UpstreamError> {
        self.check(evidence)?;
        let place = || {
            self.sessions()
                .slot(evidence.acting(), wish)
                .ok_or_else(|| self.wire.error(UpstreamErrorKind::TooManySessions))
        };
        let mut slot = place()?;
        let account = presents.account();
        if let Some(session) = slot.get()
            && !session.is_of(account)
        {
            session.abandon();
            slot = place()?;
        }
        if let Some(session) = slot.get() {
            session.touch(self.clock.monotonic());
            return Ok(Arc::clone(session));
        }
        // Boxed, because every call carries the room for it and hardly any opens a session.
        let opening = Box::pin(slot.get_or_try_init(|| async {
            let handshake = initialize(
                &self.wire,
                evidence.acting(),
                presents,
                wish.revision,
                &wish.capabilities,
            )
            .await?;
            let wire = Arc::clone(&self.wire);
            let capabilities = wish.capabilities.clone();
            let session = LegacySession::new(wire, handshake, capabilities, account);
            // Before anybody can see it, or it would look as if it had been idle for ever.
            session.touch(self.clock.monotonic());
            Ok::<_, UpstreamError>(Arc::new(session))
        }));
        // Also bounds those who wait behind a handshake that hangs: together, not one by one.
        let session = tokio::time::timeout(self.wire.server.timeout, opening)
            .await
            .map_err(|_| self.wire.error(UpstreamErrorKind::Timeout))?;
        self.refusal.learn(&session, self.clock.monotonic());
        let session = session.inspect_err(|error| {
            if doubtful(error.kind) {
                self.era.doubt(evidence.acting(), self.clock.monotonic());
            }
        })?;
        session.touch(self.clock.monotonic());
        Ok(Arc::clone(session))
    }

    /// The open session for this wish, if there is one.
    pub fn open_session(
        &self,
        evidence: &Evidence,
        wish: &SessionWish,
    ) -> Option<Arc<LegacySession>> {
        self.sessions().open(evidence.acting(), wish)
    }

    /// How many sessions are open.
    pub fn session_count(&self) -> usize {
        self.sessions().count() + self.wire.lasting()
    }

    /// Whoever acts for this principal gets no session again that was opened before: an account of
    /// theirs is another one now. What is under way may finish.
    pub fn leave_sessions_of(&self, principal: &PrincipalId) {
        self.sessions().leave(principal);
    }

    /// Takes out the sessions that are to be closed, and those that had to make room; the caller
    /// closes them.
    pub fn take_sessions(&self, closing: Closing) -> Vec<Arc<LegacySession>> {
        let now = self.clock.monotonic();
        self.wire.tidy(closing, now);
        self.sessions().take(closing, now, self.wire.session_idle())
    }
}

/// Whether a server of the other era, or one that was replaced, would answer so.
const fn doubtful(kind: UpstreamErrorKind) -> bool {
    matches!(
        kind,
        UpstreamErrorKind::Era
            | UpstreamErrorKind::BadAnswer
            | UpstreamErrorKind::Broken
            | UpstreamErrorKind::Status(400 | 404 | 405)
    )
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upstream")
            .field("server", &self.wire.server.id)
            .finish_non_exhaustive()
    }
}
