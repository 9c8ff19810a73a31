//! The incremental reader: chunks in, events out, memory bounded.

use std::collections::VecDeque;

use bytes::{Buf, Bytes, BytesMut};
use portcullis_core::ErrorKind;

use super::event::{SseEvent, SseItem, line_end};

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// Why a stream cannot be read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SseError {
    /// One event is larger than allowed; where the next begins is unknown for ever.
    #[error("event stream holds an event of more than {limit} bytes")]
    TooLarge {
        /// The limit that it broke.
        limit: usize,
    },
}

impl SseError {
    /// What it means to whoever waits for the stream.
    pub const fn error_kind(self) -> ErrorKind {
        match self {
            Self::TooLarge { .. } => ErrorKind::UpstreamUnreachable,
        }
    }
}

/// Reads an event stream from chunks cut anywhere.
///
/// A line that lies within one chunk is not copied: its data is a slice of the chunk.
/// What follows the last blank line when the stream ends is no event (HTML §9.2.6).
#[derive(Debug)]
pub struct SseDecoder {
    max_event_bytes: usize,
    chunks: VecDeque<Bytes>,
    /// The beginning of a line whose end is in a chunk to come.
    partial_line: BytesMut,
    /// The last line ended with CR: an LF that follows belongs to it.
    after_carriage_return: bool,
    before_first_line: bool,
    block: Block,
    failed: Option<SseError>,
}

impl SseDecoder {
    /// A reader that gives up on an event (or a comment) of more than `max_event_bytes`, each
    /// line end counted as one byte.
    pub fn new(max_event_bytes: usize) -> Self {
        Self {
            max_event_bytes,
            chunks: VecDeque::new(),
            partial_line: BytesMut::new(),
            after_carriage_return: false,
            before_first_line: true,
            block: Block::default(),
            failed: None,
        }
    }

    /// Takes the next chunk. Drain [`next_event`](Self::next_event) before the next one: chunks
    /// not yet read are not counted against the limit.
    pub fn push(&mut self, chunk: Bytes) {
        if self.failed.is_none() && !chunk.is_empty() {
            self.chunks.push_back(chunk);
        }
    }

    /// The next complete event or comment, or `None` when more chunks are needed. An error stays.
    pub fn next_event(&mut self) -> Result<Option<SseItem>, SseError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        while let Some(line) = self.next_line()? {
            if let Some(item) = self.read_line(line) {
                return Ok(Some(item));
            }
        }
        Ok(None)
    }

    fn next_line(&mut self) -> Result<Option<Bytes>, SseError> {
        while let Some(mut chunk) = self.chunks.pop_front() {
            if std::mem::take(&mut self.after_carriage_return) && chunk.starts_with(b"\n") {
                chunk.advance(1);
            }
            let end = line_end(&chunk);
            self.hold_to_limit(end.unwrap_or(chunk.len()))?;
            let Some(end) = end else {
                self.partial_line.extend_from_slice(&chunk);
                continue;
            };
            let tail = chunk.split_to(end);
            self.after_carriage_return = chunk.starts_with(b"\r");
            chunk.advance(1);
            if !chunk.is_empty() {
                self.chunks.push_front(chunk);
            }
            return Ok(Some(self.complete_line(tail)));
        }
        Ok(None)
    }

    fn complete_line(&mut self, tail: Bytes) -> Bytes {
        let mut line = if self.partial_line.is_empty() {
            tail
        } else {
            let mut whole = std::mem::take(&mut self.partial_line);
            whole.extend_from_slice(&tail);
            whole.freeze()
        };
        if std::mem::take(&mut self.before_first_line) && line.starts_with(BYTE_ORDER_MARK) {
            line.advance(BYTE_ORDER_MARK.len());
        }
        line
    }

    fn hold_to_limit(&mut self, more: usize) -> Result<(), SseError> {
        let total = self
            .block
            .bytes
            .saturating_add(self.partial_line.len())
            .saturating_add(more);
        if total <= self.max_event_bytes {
            return Ok(());
        }
        let limit = self.max_event_bytes;
        let error = SseError::TooLarge { limit };
        *self = Self::new(limit);
        self.failed = Some(error);
        Err(error)
    }

    fn read_line(&mut self, line: Bytes) -> Option<SseItem> {
        match line.first() {
            None => std::mem::take(&mut self.block).finish().map(SseItem::Event),
            Some(b':') => Some(SseItem::Comment),
            Some(_) => {
                self.block.read_field(line);
                None
            }
        }
    }
}

/// The fields since the last blank line.
#[derive(Debug, Default)]
struct Block {
    event: SseEvent,
    /// The data from its second line on, when it no longer is a slice of one chunk.
    joined: Option<BytesMut>,
    bytes: usize,
}

impl Block {
    fn read_field(&mut self, mut line: Bytes) {
        // The terminator counts, so that a flood of short lines reaches the limit too.
        self.bytes = self.bytes.saturating_add(line.len()).saturating_add(1);
        let name_end = line
            .iter()
            .position(|byte| *byte == b':')
            .unwrap_or(line.len());
        let name = line.split_to(name_end);
        if line.starts_with(b": ") {
            line.advance(2);
        } else if !line.is_empty() {
            line.advance(1);
        }
        match name.as_ref() {
            b"data" => self.add_data(line),
            b"event" => self.event.event = (!line.is_empty()).then(|| text(&line)),
            b"id" if !line.contains(&0) => self.event.id = Some(text(&line)),
            b"retry" => self.event.retry_ms = milliseconds(&line).or(self.event.retry_ms),
            _ => {}
        }
    }

    fn add_data(&mut self, line: Bytes) {
        let Some(first) = &self.event.data else {
            self.event.data = Some(line);
            return;
        };
        let joined = self
            .joined
            .get_or_insert_with(|| BytesMut::from(first.as_ref()));
        joined.extend_from_slice(b"\n");
        joined.extend_from_slice(&line);
    }

    fn finish(mut self) -> Option<SseEvent> {
        if let Some(joined) = self.joined {
            self.event.data = Some(joined.freeze());
        }
        (!self.event.is_empty()).then_some(self.event)
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// ASCII digits only: `u64::from_str` alone would also take a plus sign.
fn milliseconds(bytes: &[u8]) -> Option<u64> {
    if !bytes.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(bytes).ok()?.parse().ok()
}
