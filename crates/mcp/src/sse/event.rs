//! One event, and how it is written.

use bytes::{Bytes, BytesMut};

/// One block of an event stream: what stood between two blank lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SseEvent {
    /// The new last-event id; the empty string resets it.
    pub id: Option<String>,
    /// The event type; absent means `message`.
    pub event: Option<String>,
    /// The reconnection time, in milliseconds.
    pub retry_ms: Option<u64>,
    /// The data lines joined by LF; `Some` and empty when there was only an empty data line.
    pub data: Option<Bytes>,
}

/// What a stream can hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SseItem {
    /// An event.
    Event(SseEvent),
    /// A comment: no content, but a sign of life.
    Comment,
}

/// The longest field name with its colon and space.
const FIELD_OVERHEAD: usize = "event: \n".len();
const DECIMAL_U64: usize = 20;

impl SseEvent {
    /// An event of type `message` with this data.
    pub fn message(data: impl Into<Bytes>) -> Self {
        Self {
            data: Some(data.into()),
            ..Self::default()
        }
    }

    /// Whether there is nothing in it, so that nothing would be written.
    pub fn is_empty(&self) -> bool {
        self.id.is_none() && self.event.is_none() && self.retry_ms.is_none() && self.data.is_none()
    }

    /// Appends the event and its closing blank line.
    ///
    /// CR, LF and CRLF in the data each start a new data line, so a reader sees them all as LF.
    /// In the id and the type they are dropped: there they would let a value forge fields.
    pub fn encode(&self, out: &mut BytesMut) {
        if self.is_empty() {
            return;
        }
        out.reserve(self.encoded_size_hint());
        if let Some(id) = &self.id {
            put_one_line(out, b"id", id);
        }
        if let Some(event) = &self.event {
            put_one_line(out, b"event", event);
        }
        if let Some(retry_ms) = self.retry_ms {
            put_field(out, b"retry", retry_ms.to_string().as_bytes());
        }
        if let Some(data) = &self.data {
            put_data(out, data);
        }
        out.extend_from_slice(b"\n");
    }

    /// The event in bytes of its own.
    pub fn to_bytes(&self) -> Bytes {
        let mut out = BytesMut::new();
        self.encode(&mut out);
        out.freeze()
    }

    fn encoded_size_hint(&self) -> usize {
        let text =
            |field: &Option<String>| field.as_ref().map_or(0, |text| FIELD_OVERHEAD + text.len());
        text(&self.id)
            + text(&self.event)
            + self.retry_ms.map_or(0, |_| FIELD_OVERHEAD + DECIMAL_U64)
            + self
                .data
                .as_ref()
                .map_or(0, |data| FIELD_OVERHEAD + data.len())
            + 1
    }
}

fn put_field(out: &mut BytesMut, name: &[u8], value: &[u8]) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\n");
}

/// NUL goes with CR and LF: a reader must ignore an id that contains one.
fn put_one_line(out: &mut BytesMut, name: &[u8], value: &str) {
    let forbidden = ['\r', '\n', '\0'];
    if value.contains(forbidden) {
        put_field(out, name, value.replace(forbidden, "").as_bytes());
    } else {
        put_field(out, name, value.as_bytes());
    }
}

fn put_data(out: &mut BytesMut, data: &[u8]) {
    let mut rest = data;
    while let Some(end) = line_end(rest) {
        let (line, terminated) = rest.split_at(end);
        put_field(out, b"data", line);
        rest = match terminated {
            [b'\r', b'\n', after @ ..] | [_, after @ ..] => after,
            [] => terminated,
        };
    }
    put_field(out, b"data", rest);
}

/// Where the first CR or LF is. Looks at whole blocks first, which compiles to vector code.
pub(super) fn line_end(bytes: &[u8]) -> Option<usize> {
    const BLOCK: usize = 32;
    let ends_line = |byte: &u8| matches!(byte, b'\r' | b'\n');
    bytes.chunks(BLOCK).enumerate().find_map(|(index, block)| {
        if block
            .iter()
            .fold(false, |found, byte| found | ends_line(byte))
        {
            block
                .iter()
                .position(ends_line)
                .map(|at| index * BLOCK + at)
        } else {
            None
        }
    })
}
