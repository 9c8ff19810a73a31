//! One look at everybody who only listens: whether they still may. A timer of its own in each of
//! thousands of silent streams would cost more than all that they hear.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use portcullis_core::{ErrorKind, Principal};
use portcullis_policy::Operation;
use tokio::sync::Notify;

use crate::call::{Admission, Call};
use crate::gateway::Gateway;
use crate::pulse::STANDING;
use crate::snapshot::ServerEntry;

/// Streams looked at before other tasks of the thread get a turn.
const LOOKS_PER_TURN: usize = 256;

/// Who is watched over.
#[derive(Debug, Default)]
pub(crate) struct Vigil(Mutex<Watched>);

#[derive(Debug, Default)]
struct Watched {
    /// The gateway ends: who only listens is to go.
    closing: bool,
    next: u64,
    streams: HashMap<u64, Arc<Stream>>,
    /// Somebody looks already.
    kept: bool,
}

#[derive(Debug)]
struct Stream {
    principal: Arc<Principal>,
    admission: Admission,
    /// The server of a named endpoint: without it there is nothing left to hear.
    named: Option<Arc<ServerEntry>>,
    /// Whether no answer can come on it that somebody waits for.
    listens: bool,
    /// Why it ends; `None`: because the gateway does.
    verdict: OnceLock<Option<ErrorKind>>,
    judged: Notify,
}

/// One stream under watch, until it is dropped.
pub(crate) struct Watch {
    gateway: Arc<Gateway>,
    number: u64,
    stream: Arc<Stream>,
}

impl Vigil {
    fn watched(&self) -> MutexGuard<'_, Watched> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everybody; nobody is left to look for them when there is nobody.
    fn roll(&self) -> Vec<Arc<Stream>> {
        let mut watched = self.watched();
        watched.kept = !watched.streams.is_empty();
        watched.streams.values().cloned().collect()
    }

    /// Whether whoever only listens is let go.
    pub(crate) fn is_closing(&self) -> bool {
        self.watched().closing
    }
}

impl Gateway {
    /// From now on whoever only listens is let go, within about a second: a stop waits for answers, not for
    /// news, and who listens can do so elsewhere.
    pub fn dismiss_listeners(&self) {
        self.vigil.watched().closing = true;
    }

    /// Watches over the stream of a call.
    pub(crate) fn watch(self: &Arc<Self>, call: &Call, named: Option<&Arc<ServerEntry>>) -> Watch {
        self.watch_over(call, named, false)
    }

    /// The same for a stream that only hears what happens.
    pub(crate) fn watch_listener(
        self: &Arc<Self>,
        call: &Call,
        named: Option<&Arc<ServerEntry>>,
    ) -> Watch {
        self.watch_over(call, named, true)
    }

    fn watch_over(
        self: &Arc<Self>,
        call: &Call,
        named: Option<&Arc<ServerEntry>>,
        listens: bool,
    ) -> Watch {
        let stream = Arc::new(Stream {
            principal: Arc::clone(&call.principal),
            admission: call.admission.clone(),
            named: named.cloned(),
            listens,
            verdict: OnceLock::new(),
            judged: Notify::new(),
        });
        let mut watched = self.vigil.watched();
        let number = watched.next;
        watched.next = number.wrapping_add(1);
        watched.streams.insert(number, Arc::clone(&stream));
        if !std::mem::replace(&mut watched.kept, true) {
            self.tracker.spawn(keep_vigil(Arc::clone(self)));
        }
        drop(watched);
        Watch {
            gateway: Arc::clone(self),
            number,
            stream,
        }
    }

    /// Why a stream may not go on, if so.
    fn verdict(&self, stream: &Stream) -> Option<ErrorKind> {
        let (principal, admission) = (&stream.principal, &stream.admission);
        if !self.still_stands(principal, admission) {
            Some(ErrorKind::Unauthenticated)
        } else if let Some(named) = &stream.named
            && !self.still_serves(principal, admission, named, Operation::Use)
        {
            Some(ErrorKind::NotFound)
        } else {
            None
        }
    }
}

async fn keep_vigil(gateway: Arc<Gateway>) {
    loop {
        tokio::time::sleep(STANDING).await;
        let everybody = gateway.vigil.roll();
        if everybody.is_empty() {
            return;
        }
        for some in everybody.chunks(LOOKS_PER_TURN) {
            for stream in some {
                let fallen = judged(|| gateway.verdict(stream));
                let goes = fallen.is_some() || stream.listens && gateway.vigil.is_closing();
                if goes && stream.verdict.set(fallen).is_ok() {
                    stream.judged.notify_one();
                }
            }
            tokio::task::yield_now().await;
        }
    }
}

/// A verdict, whatever happens: whom a defect keeps from being judged may not go on, and holds up
/// nobody else's verdict.
fn judged(judge: impl FnOnce() -> Option<ErrorKind>) -> Option<ErrorKind> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(judge)).unwrap_or_else(|_| {
        tracing::error!("whether a stream may go on cannot be judged: it ends");
        Some(ErrorKind::Internal)
    })
}

impl Watch {
    /// The moment, by the gateway's clock.
    pub(crate) fn now(&self) -> Duration {
        self.gateway.clock.monotonic()
    }

    /// Returns when the stream must end, and why.
    pub(crate) async fn over(&self) -> ErrorKind {
        // Nobody is dismissed who does not only listen.
        self.ended().await.unwrap_or(ErrorKind::Unavailable)
    }

    /// The same of a stream that only listens; `None`: it is dismissed.
    pub(crate) async fn ended(&self) -> Option<ErrorKind> {
        loop {
            if let Some(kind) = self.stream.verdict.get() {
                return *kind;
            }
            self.stream.judged.notified().await;
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut watched = self.gateway.vigil.watched();
        watched.streams.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_cannot_be_judged_may_not_go_on() {
        let defect = judged(|| panic!("a defect of ours"));
        assert_eq!(defect, Some(ErrorKind::Internal));
        assert_eq!(judged(|| None), None);
        let fallen = judged(|| Some(ErrorKind::Unauthenticated));
        assert_eq!(fallen, Some(ErrorKind::Unauthenticated));
    }
}
