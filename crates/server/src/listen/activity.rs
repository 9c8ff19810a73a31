//! What one connection is busy with, so that one which is busy with nothing can be ended.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::time::Instant;

/// The requests of one connection, counted from their head to the last byte of their answer.
pub(super) struct Activity {
    opened: Instant,
    asked: AtomicBool,
    in_flight: AtomicUsize,
    waiting_for_peer: AtomicUsize,
    /// Nanoseconds after `opened`: who was answered first must be told also among fast answers.
    moved: AtomicU64,
}

/// What a look at a connection finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nothing was ever asked.
    Unused,
    /// Somebody works on an answer, or waits for one from elsewhere.
    Busy,
    /// Nothing has been asked since.
    Idle(Instant),
    /// Every answer waits for the peer, which has read nothing since.
    Unread(Instant),
}

impl Activity {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            opened: Instant::now(),
            asked: AtomicBool::new(false),
            in_flight: AtomicUsize::new(0),
            waiting_for_peer: AtomicUsize::new(0),
            moved: AtomicU64::new(0),
        })
    }

    /// A request has come.
    pub(super) fn begin(self: &Arc<Self>) -> InFlight {
        self.asked.store(true, Ordering::Relaxed);
        self.in_flight.fetch_add(1, Ordering::AcqRel);
        InFlight {
            activity: Arc::clone(self),
            waits_for_peer: false,
        }
    }

    pub(super) fn standing(&self) -> Standing {
        let in_flight = self.in_flight.load(Ordering::Acquire);
        let unread = self.waiting_for_peer.load(Ordering::Acquire);
        let moved = self.opened + Duration::from_nanos(self.moved.load(Ordering::Acquire));
        if !self.asked.load(Ordering::Relaxed) {
            Standing::Unused
        } else if in_flight == 0 {
            Standing::Idle(moved)
        } else if unread >= in_flight {
            Standing::Unread(moved)
        } else {
            Standing::Busy
        }
    }

    /// Something of an answer went on its way.
    pub(super) fn moves(&self) {
        let nanos = u64::try_from(self.opened.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.moved.store(nanos, Ordering::Release);
    }
}

/// One request that is not answered to its end.
pub(super) struct InFlight {
    activity: Arc<Activity>,
    waits_for_peer: bool,
}

impl InFlight {
    /// Stays in flight until this body is gone.
    pub(super) fn answer(mut self, body: Body) -> CountedBody {
        self.waits_for_peer(true);
        CountedBody {
            body,
            in_flight: self,
        }
    }

    fn waits_for_peer(&mut self, waits: bool) {
        if waits {
            self.activity.moves();
        }
        if waits == self.waits_for_peer {
            return;
        }
        self.waits_for_peer = waits;
        let count = &self.activity.waiting_for_peer;
        if waits {
            count.fetch_add(1, Ordering::AcqRel);
        } else {
            count.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.activity.moves();
        self.waits_for_peer(false);
        self.activity.in_flight.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A response body that keeps its request in flight. hyper asks it for more only when the peer has
/// room: between a frame and the next question for one, the peer is the one to be waited for.
pub(super) struct CountedBody {
    body: Body,
    in_flight: InFlight,
}

impl http_body::Body for CountedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        self.in_flight.waits_for_peer(polled.is_ready());
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
