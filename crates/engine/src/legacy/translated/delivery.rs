//! From a call's tape to its client's connection.

use std::sync::Arc;

use bytes::Bytes;
use portcullis_mcp::sse;
use tokio_util::sync::CancellationToken;

use super::tape::Reading;
use crate::answer::ByteStream;
use crate::audit::Outcome;
use crate::call::Call;
use crate::gateway::Gateway;
use crate::pulse::until_keep_alive;
use crate::vigil::Watch;

/// A client's connection to the stream of its call.
pub(super) struct Delivery {
    pub(super) gateway: Arc<Gateway>,
    pub(super) reading: Reading,
    /// Ends the call with the connection.
    pub(super) cancels: Option<CancellationToken>,
    /// The request that came back for the rest, which has an end of its own.
    pub(super) resumed: Option<(Call, Watch)>,
}

impl Delivery {
    pub(super) fn into_stream(self) -> ByteStream {
        Box::pin(futures_util::stream::unfold(self, Self::next))
    }

    async fn next(mut self) -> Option<(Bytes, Self)> {
        let silence = until_keep_alive(self.gateway.clock.monotonic());
        let watch = self.resumed.as_ref().map(|(_, watch)| watch);
        let fallen = async {
            match watch {
                Some(watch) => watch.over().await,
                // The call itself is watched over, and ends the stream.
                None => std::future::pending().await,
            }
        };
        let said = tokio::select! {
            biased;
            kind = fallen => Err(kind),
            event = self.reading.next() => Ok(event),
            () = tokio::time::sleep(silence) => Ok(Some(Bytes::from_static(sse::keep_alive()))),
        };
        match said {
            Ok(event) => {
                let event = event?;
                if let Some((call, _)) = &mut self.resumed {
                    call.audit.add_response_bytes(event.len() as u64);
                }
                Some((event, self))
            }
            Err(kind) => {
                if let Some((call, _)) = self.resumed.take() {
                    call.audit.finish(Outcome::Kind(kind));
                }
                None
            }
        }
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        self.reading.leave(self.gateway.clock.monotonic());
        if let Some(cancels) = &self.cancels {
            cancels.cancel();
        }
        if let Some((call, _)) = self.resumed.take() {
            call.audit.finish(Outcome::Ok);
        }
    }
}
