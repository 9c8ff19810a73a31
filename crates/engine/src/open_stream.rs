//! A stream that a client keeps open to hear what happens, in either era: messages as they come,
//! comments in silence, and an end with its principal's standing.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;
use portcullis_mcp::sse;

use crate::answer::ByteStream;
use crate::audit::Outcome;
use crate::backlog::NewsReceiver;
use crate::call::Call;
use crate::gateway::Gateway;
use crate::pulse::until_keep_alive;
use crate::snapshot::ServerEntry;
use crate::vigil::Watch;

/// An open stream. A client ends it whenever it likes, so its end is no abandonment.
pub(crate) struct OpenStream {
    call: Option<Call>,
    messages: NewsReceiver,
    /// Said when nobody is left who could send a message, or the gateway ends.
    farewell: Option<Bytes>,
    watch: Watch,
}

impl OpenStream {
    /// `named`: the server of a named endpoint.
    pub(crate) fn new(
        gateway: &Arc<Gateway>,
        call: Call,
        messages: NewsReceiver,
        farewell: Option<Bytes>,
        named: Option<&Arc<ServerEntry>>,
    ) -> Self {
        let watch = gateway.watch_listener(&call, named);
        Self {
            call: Some(call),
            messages,
            farewell,
            watch,
        }
    }

    /// The client's bytes. `first` goes out at once, so that the client knows that it is heard.
    pub(crate) fn into_stream(self, first: Bytes) -> ByteStream {
        let rest = futures_util::stream::unfold(self, Self::next);
        Box::pin(futures_util::stream::iter([first]).chain(rest))
    }

    async fn next(mut self) -> Option<(Bytes, Self)> {
        let silence = until_keep_alive(self.watch.now());
        let said = tokio::select! {
            biased;
            ended = self.watch.ended() => match ended {
                Some(kind) => {
                    if let Some(call) = self.call.take() {
                        call.audit.finish(Outcome::Kind(kind));
                    }
                    return None;
                }
                None => self.farewell.take()?,
            },
            message = self.messages.recv() => match message {
                Some(bytes) => bytes,
                None => self.farewell.take()?,
            },
            () = tokio::time::sleep(silence) => Bytes::from_static(sse::keep_alive()),
        };
        Some((said, self))
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        if let Some(call) = self.call.take() {
            call.audit.finish(Outcome::Ok);
        }
    }
}
