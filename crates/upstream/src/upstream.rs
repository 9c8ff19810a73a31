//! One configured server: its wire, its era, its sessions.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use portcullis_core::{Clock, PrincipalId};
use portcullis_egress::HttpClient;
use portcullis_mcp::{ClientCapabilities, Revision};
use portcullis_policy::Evidence;

use crate::error::{UpstreamError, UpstreamErrorKind};
use crate::handshake::initialize;
use crate::probe::Era;
use crate::server::UpstreamServer;
use crate::session::LegacySession;
use crate::sessions::{Closing, Sessions};
use crate::transport::{Outgoing, Presents, Reply, Wire};

/// Which session is wanted: legacy revisions fix all of this at `initialize`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SessionWish {
    /// The revision to ask for.
    pub revision: Revision,
    /// What the client can do, less what the operator withholds.
    pub capabilities: ClientCapabilities,
}

/// A server and everything open to it.
pub struct Upstream {
    wire: Arc<Wire>,
    clock: Arc<dyn Clock>,
    era: Era,
    sessions: Mutex<Sessions>,
}

impl Upstream {
    /// Nothing is opened yet.
    pub fn new(server: UpstreamServer, client: Arc<dyn HttpClient>, clock: Arc<dyn Clock>) -> Self {
        Self {
            wire: Arc::new(Wire::new(server, client)),
            clock,
            era: Era::default(),
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
            .speaks_modern(&self.wire, presents, self.clock.monotonic())
            .await
    }

    /// The same, as far as it is pinned or was asked so lately that nobody would be asked again.
    pub fn lately_modern(&self) -> Option<bool> {
        self.era.lately(&self.wire, self.clock.monotonic())
    }

    /// Whether the server speaks the stateless era, as far as that is known without asking.
    pub fn known_modern(&self) -> Option<bool> {
        self.era.known(&self.wire)
    }

    /// One stateless exchange.
    pub async fn exchange(
        &self,
        evidence: &Evidence,
        presents: &dyn Presents,
        outgoing: Outgoing,
    ) -> Result<Reply, UpstreamError> {
        self.check(evidence)?;
        self.wire.post(presents, None, outgoing).await
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
            let handshake =
                initialize(&self.wire, presents, wish.revision, &wish.capabilities).await?;
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
            .map_err(|_| self.wire.error(UpstreamErrorKind::Timeout))??;
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
        self.sessions().count()
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
        self.sessions().take(closing, now)
    }
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upstream")
            .field("server", &self.wire.server.id)
            .finish_non_exhaustive()
    }
}
