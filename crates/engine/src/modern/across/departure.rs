//! A client that goes away cancels its request (2026-07-28), which a server of sessions has to be
//! told.

use std::sync::Arc;

use portcullis_policy::Evidence;
use portcullis_upstream::{LegacySession, Owner, SessionWish};

use crate::gateway::Gateway;
use crate::snapshot::ServerEntry;

/// Watches over a request whose answer has not begun: dropped before it has, its client went.
pub(super) struct Departure<'a> {
    gateway: &'a Arc<Gateway>,
    entry: &'a Arc<ServerEntry>,
    evidence: &'a Evidence,
    wish: &'a SessionWish,
    id: &'a str,
    owner: Owner,
    arrived: bool,
}

impl<'a> Departure<'a> {
    pub(super) const fn of(
        gateway: &'a Arc<Gateway>,
        entry: &'a Arc<ServerEntry>,
        evidence: &'a Evidence,
        wish: &'a SessionWish,
        id: &'a str,
        owner: Owner,
    ) -> Self {
        Self {
            gateway,
            entry,
            evidence,
            wish,
            id,
            owner,
            arrived: false,
        }
    }

    /// The answer begins, or there will be none.
    pub(super) fn arrived(mut self) {
        self.arrived = true;
    }
}

impl Drop for Departure<'_> {
    fn drop(&mut self) {
        if self.arrived {
            return;
        }
        let session = self.entry.upstream.open_session(self.evidence, self.wish);
        if let Some(session) = session
            && let Some(ours) = session.our_id_of(self.id, Some(self.owner))
        {
            let (entry, evidence) = (Arc::clone(self.entry), self.evidence.clone());
            self.gateway
                .tell_all_behind(entry, evidence, session, vec![cancelled(ours)], ());
        }
    }
}

/// The notification that a request of ours is not waited for any more.
pub(super) fn cancelled(ours: i64) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{ours},"reason":"the client went away"}}}}"#
    )
}

impl Gateway {
    /// Tells a server several things behind everybody's back; what is `held` lives as long.
    pub(super) fn tell_all_behind(
        self: &Arc<Self>,
        entry: Arc<ServerEntry>,
        evidence: Evidence,
        session: Arc<LegacySession>,
        messages: Vec<String>,
        held: impl Send + 'static,
    ) {
        // Where the process ends, its sessions end too.
        if tokio::runtime::Handle::try_current().is_err() {
            return;
        }
        let gateway = Arc::clone(self);
        self.tracker.spawn(async move {
            for text in messages {
                if let Err(error) = gateway.tell(&entry, &evidence, &session, text).await {
                    tracing::info!(mcp.server.id = %entry.id, error = %error, "server not told that nobody waits");
                    break;
                }
            }
            drop(held);
        });
    }
}
