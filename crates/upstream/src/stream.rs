//! A server's event stream, one item at a time, never buffered beyond one event.

use http_body_util::BodyExt;
use portcullis_core::ServerId;
use portcullis_egress::ResponseBody;
use portcullis_mcp::{SseDecoder, SseItem};

use crate::error::{UpstreamError, UpstreamErrorKind};

/// Largest single event that we pass on: what a JSON answer may have too.
const MAX_EVENT: usize = 16 * 1024 * 1024;

/// Items of one `text/event-stream` response. Dropping it closes the upstream connection.
#[derive(Debug)]
pub struct EventStream {
    server: ServerId,
    body: ResponseBody,
    /// Boxed, because streams travel inside the answers that most often are none.
    decoder: Box<SseDecoder>,
}

impl EventStream {
    pub(crate) fn new(server: ServerId, body: ResponseBody) -> Self {
        Self {
            server,
            body,
            decoder: Box::new(SseDecoder::new(MAX_EVENT)),
        }
    }

    /// The next item; `None` when the server ended the stream. Cancelling this call loses nothing.
    pub async fn next(&mut self) -> Result<Option<SseItem>, UpstreamError> {
        loop {
            match self.decoder.next_event() {
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

    /// The text of the next event that has any. Cancelling this call loses no text.
    pub async fn next_text(&mut self) -> Result<Option<String>, UpstreamError> {
        while let Some(item) = self.next().await? {
            let SseItem::Event(event) = item else {
                continue;
            };
            let text = event
                .data
                .and_then(|data| String::from_utf8(data.into()).ok());
            if let Some(text) = text.filter(|text| !text.is_empty()) {
                return Ok(Some(text));
            }
        }
        Ok(None)
    }
}
