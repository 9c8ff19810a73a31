//! A server's event stream, one item at a time, never buffered beyond one event.

use std::time::Duration;

use http_body_util::BodyExt;
use portcullis_core::ServerId;
use portcullis_egress::ResponseBody;
use portcullis_mcp::{SseDecoder, SseEvent, SseItem, parse_batch};
use tokio::time::Instant;

use crate::error::{UpstreamError, UpstreamErrorKind};
use crate::line::Line;

/// Largest single event that we pass on: what a JSON answer may have too.
const MAX_EVENT: usize = 16 * 1024 * 1024;

/// Items of one `text/event-stream` response. Dropping it closes the upstream connection.
#[derive(Debug)]
pub struct EventStream {
    server: ServerId,
    source: Source,
    /// How long it may last, whatever comes on it, and until when that is.
    deadline: Option<(Duration, Instant)>,
}

#[derive(Debug)]
enum Source {
    /// A response of its own. Boxed, because streams travel inside the answers that most often are
    /// none.
    Body(ResponseBody, Box<Decoding>),
    /// Its share of a channel.
    Line(Box<Line>),
}

#[derive(Debug)]
struct Decoding {
    decoder: SseDecoder,
    /// What else stood in one event (JSON-RPC batches of 2025-03-26), the last first.
    batched: Vec<SseEvent>,
}

impl EventStream {
    pub(crate) fn new(server: ServerId, body: ResponseBody) -> Self {
        Self {
            server,
            source: Source::Body(
                body,
                Box::new(Decoding {
                    decoder: SseDecoder::new(MAX_EVENT),
                    batched: Vec::new(),
                }),
            ),
            deadline: None,
        }
    }

    pub(crate) fn of_line(server: ServerId, line: Line) -> Self {
        Self {
            server,
            source: Source::Line(Box::new(line)),
            deadline: None,
        }
    }

    /// The same for the answer of one request: silence ends it, which progress breaks, and so does
    /// its whole length, which nothing does.
    pub(crate) fn lasting(mut self, most: Duration) -> Self {
        self.deadline = until(most);
        self
    }

    /// Silence and length are counted from now on: nobody waited until now.
    pub fn waits_anew(&mut self) {
        if let Source::Body(body, _) = &mut self.source {
            body.waits_anew();
        }
        self.deadline = self.deadline.and_then(|(most, _)| until(most));
    }

    /// The next item; `None` when the server ended the stream. Cancelling this call loses nothing.
    pub async fn next(&mut self) -> Result<Option<SseItem>, UpstreamError> {
        let Some((_, deadline)) = self.deadline else {
            return self.read().await;
        };
        match tokio::time::timeout_at(deadline, self.read()).await {
            Ok(item) => item,
            Err(_) => Err(UpstreamError::new(&self.server, UpstreamErrorKind::Timeout)),
        }
    }

    async fn read(&mut self) -> Result<Option<SseItem>, UpstreamError> {
        let server = &self.server;
        let (body, decoding) = match &mut self.source {
            Source::Body(body, decoding) => (body, decoding),
            Source::Line(line) => {
                let message = line.next().await;
                let message = message.map_err(|kind| UpstreamError::new(server, kind))?;
                return Ok(message.map(|text| SseItem::Event(SseEvent::message(text))));
            }
        };
        loop {
            if let Some(event) = decoding.batched.pop() {
                return Ok(Some(SseItem::Event(event)));
            }
            match decoding.decoder.next_event() {
                Ok(Some(SseItem::Event(event))) => match apart(&event) {
                    Some(batched) => decoding.batched = batched,
                    None => return Ok(Some(SseItem::Event(event))),
                },
                Ok(Some(item)) => return Ok(Some(item)),
                Ok(None) => {}
                Err(_) => return Err(UpstreamError::new(server, UpstreamErrorKind::TooLarge)),
            }
            match body.frame().await {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        decoding.decoder.push(data);
                    }
                }
                Some(Err(error)) => return Err(UpstreamError::egress(server, error)),
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

fn until(most: Duration) -> Option<(Duration, Instant)> {
    Some((most, Instant::now().checked_add(most)?))
}

/// The messages of a batch, each as an event of its own, the last first; `None` where it is none. Only
/// the last has the id: whoever comes back after it has them all.
fn apart(event: &SseEvent) -> Option<Vec<SseEvent>> {
    let data = event.data.as_ref().filter(|data| data.starts_with(b"["))?;
    let texts = parse_batch(data).ok()?;
    let mut messages: Vec<SseEvent> = texts
        .into_iter()
        .rev()
        .map(|text| SseEvent {
            event: event.event.clone(),
            ..SseEvent::message(data.slice_ref(text.as_bytes()))
        })
        .collect();
    if let Some(last) = messages.first_mut() {
        last.id.clone_from(&event.id);
        last.retry_ms = event.retry_ms;
    }
    Some(messages)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_on_a_stream_is_its_messages() {
        let mut event = SseEvent::message(r#"[{"a":1}, {"b":2}]"#);
        event.id = Some("7".to_owned());
        let mut messages = apart(&event).unwrap();
        let first = messages.pop().unwrap();
        assert_eq!(
            (first.data.unwrap().as_ref(), first.id),
            (&b"{\"a\":1}"[..], None)
        );
        let second = messages.pop().unwrap();
        assert_eq!(
            (second.data.unwrap().as_ref(), second.id),
            (&b"{\"b\":2}"[..], event.id)
        );
        assert!(messages.is_empty());
        for none in ["{}", "[]", "[", ""] {
            assert!(apart(&SseEvent::message(none)).is_none(), "{none}");
        }
    }
}
