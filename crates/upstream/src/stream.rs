//! A server's event stream, one item at a time, never buffered beyond one event.

use http_body_util::BodyExt;
use portcullis_core::ServerId;
use portcullis_egress::ResponseBody;
use portcullis_mcp::{SseDecoder, SseItem};

use crate::echo::Presented;
use crate::error::{UpstreamError, UpstreamErrorKind};

/// Largest single event that we pass on: what a JSON answer may have too.
const MAX_EVENT: usize = 16 * 1024 * 1024;

/// Items of one `text/event-stream` response. Dropping it closes the upstream connection.
#[derive(Debug)]
pub struct EventStream {
    server: ServerId,
    body: ResponseBody,
    decoder: Box<SseDecoder>,
    presented: Presented,
}

impl EventStream {
    pub(crate) fn new(server: ServerId, body: ResponseBody, presented: Presented) -> Self {
        Self {
            server,
            body,
            decoder: Box::new(SseDecoder::new(MAX_EVENT)),
            presented,
        }
    }

    /// The next item; `None` when the server ended the stream. Cancelling this call loses nothing.
    pub async fn next(&mut self) -> Result<Option<SseItem>, UpstreamError> {
        loop {
            match self.decoder.next_event() {
                Ok(Some(SseItem::Event(mut event))) => {
                    event.data = event.data.map(|data| self.presented.taken_out(data));
                    return Ok(Some(SseItem::Event(event)));
                }
                Ok(Some(item)) => return Ok(Some(item)),
                Ok(None) => {}
                Err(_) => {
                    return Err(UpstreamError::new(
                        &self.server,
                        UpstreamErrorKind::TooLarge,
                    ));
                }
            }
            match self.body.frame().await {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.decoder.push(data);
                    }
                }
                Some(Err(error)) => return Err(UpstreamError::egress(&self.server, error)),
                None => return Ok(None),
            }
        }
    }
}
