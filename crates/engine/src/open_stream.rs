//! A stream that a client keeps open to hear what happens, in either era: messages as they come,
//! comments in silence, and an end with its principal's standing.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;
use portcullis_core::ErrorKind;
use portcullis_mcp::sse;

use crate::answer::ByteStream;
use crate::audit::Outcome;
use crate::backlog::NewsReceiver;
use crate::call::Call;
use crate::gateway::Gateway;
use crate::pulse::{Pulse, STANDING};
use crate::snapshot::ServerEntry;

/// An open stream. A client ends it whenever it likes, so its end is no abandonment.
pub(crate) struct OpenStream {
    gateway: Arc<Gateway>,
    call: Option<Call>,
    messages: NewsReceiver,
    /// Said when nobody is left who could send a message.
    farewell: Option<Bytes>,
    /// The server of a named endpoint: without it there is nothing left to hear.
    named: Option<Arc<ServerEntry>>,
    pulse: Pulse,
}

impl OpenStream {
    pub(crate) fn new(
        gateway: &Arc<Gateway>,
        call: Call,
        messages: NewsReceiver,
        farewell: Option<Bytes>,
    ) -> Self {
        let pulse = Pulse::started(gateway.clock.monotonic());
        let gateway = Arc::clone(gateway);
        Self {
            gateway,
            call: Some(call),
            messages,
            farewell,
            named: None,
            pulse,
        }
    }

    /// The same of a named endpoint.
    pub(crate) fn of(mut self, named: Option<&Arc<ServerEntry>>) -> Self {
        self.named = named.cloned();
        self
    }

    /// The client's bytes. `first` goes out at once, so that the client knows that it is heard.
    pub(crate) fn into_stream(self, first: Bytes) -> ByteStream {
        let rest = futures_util::stream::unfold(self, Self::next);
        Box::pin(futures_util::stream::iter([first]).chain(rest))
    }

    async fn next(mut self) -> Option<(Bytes, Self)> {
        loop {
            let now = self.gateway.clock.monotonic();
            if self.pulse.must_look(now) && !self.stands() {
                return None;
            }
            match tokio::time::timeout(STANDING, self.messages.recv()).await {
                Ok(Some(bytes)) => {
                    self.pulse.spoke(now);
                    return Some((bytes, self));
                }
                Ok(None) => return self.farewell.take().map(|bytes| (bytes, self)),
                Err(_) if self.pulse.must_speak(self.gateway.clock.monotonic()) => {
                    return Some((Bytes::from_static(sse::keep_alive()), self));
                }
                Err(_) => {}
            }
        }
    }

    /// Whether its principal still stands, and its server is still there; if not, the event says so.
    fn stands(&mut self) -> bool {
        let Some(call) = self.call.as_ref() else {
            return false;
        };
        let gateway = &self.gateway;
        let kind = if !gateway.still_stands(&call.principal, &call.admission) {
            ErrorKind::Unauthenticated
        } else if let Some(named) = &self.named
            && !gateway.still_serves(&call.principal, &call.admission, named)
        {
            ErrorKind::NotFound
        } else {
            return true;
        };
        if let Some(call) = self.call.take() {
            call.audit.finish(Outcome::Kind(kind));
        }
        false
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        if let Some(call) = self.call.take() {
            call.audit.finish(Outcome::Ok);
        }
    }
}
