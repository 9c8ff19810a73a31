//! The session that a client of a revision with a handshake has at the gateway.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use portcullis_mcp::{Envelope, Members};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub(super) static SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
pub(super) static PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");

/// The session, once there is one.
#[derive(Debug, Default)]
pub(super) struct Session {
    open: Mutex<Option<Open>>,
    listening: AtomicBool,
    /// Whether the notification that completes the handshake is on its way.
    introducing: watch::Sender<bool>,
    /// Nobody is left who could be told anything.
    over: CancellationToken,
    /// Held by whoever opens it anew.
    pub(super) reopening: tokio::sync::Mutex<()>,
}

/// An open session.
#[derive(Clone, Debug)]
pub(super) struct Open {
    pub(super) id: HeaderValue,
    revision: Option<HeaderValue>,
    /// The `initialize` that opened it.
    pub(super) hello: Bytes,
}

impl Session {
    fn open(&self) -> MutexGuard<'_, Option<Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The present one.
    pub(super) fn now(&self) -> Option<Open> {
        self.open().clone()
    }

    /// `initialize` was answered.
    pub(super) fn opened(&self, hello: Bytes, headers: &HeaderMap, answer: &Envelope<'_>) {
        let Some(id) = headers.get(&SESSION_ID).cloned() else {
            return;
        };
        let result = answer.result().and_then(|raw| Members::of(raw).ok());
        let revision = result.and_then(|members| {
            let revision = members.string("protocolVersion")?;
            HeaderValue::from_str(&revision).ok()
        });
        *self.open() = Some(Open {
            id,
            revision,
            hello,
        });
    }

    /// It is over; gives what ends it at the gateway.
    pub(super) fn close(&self) -> Option<Open> {
        self.open().take()
    }

    /// Whether listening begins now: there is a session, and nobody listens yet.
    pub(super) fn begins_listening(&self) -> bool {
        self.open().is_some() && !self.listening.swap(true, Ordering::Relaxed)
    }

    /// The notification that completes the handshake is on its way from now on.
    pub(super) fn is_being_introduced(&self) {
        self.introducing.send_replace(true);
    }

    /// It has arrived, or never will.
    pub(super) fn introduced(&self) {
        self.introducing.send_replace(false);
    }

    /// Returns when no handshake waits to be completed.
    pub(super) async fn settled(&self) {
        let mut introducing = self.introducing.subscribe();
        // Its sender lives as long as this.
        let _ = introducing.wait_for(|introducing| !introducing).await;
    }

    pub(super) fn end_listening(&self) {
        self.over.cancel();
    }

    /// Returns when nobody listens any more.
    pub(super) async fn over(&self) {
        self.over.cancelled().await;
    }
}

impl Open {
    /// The headers of a message in it.
    pub(super) fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(8);
        headers.insert(&SESSION_ID, self.id.clone());
        if let Some(revision) = &self.revision {
            headers.insert(&PROTOCOL_VERSION, revision.clone());
        }
        headers
    }
}
