//! Server-sent events as models' providers send them (HTML Living Standard §9.2.5 and §9.2.6),
//! without I/O: chunks cut anywhere go in, frames come out.

use crate::error::LlmError;

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// What stood between two blank lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    /// The event's type; absent means `message`.
    pub(crate) event: Option<&'a str>,
    /// The data lines joined by LF.
    pub(crate) data: &'a str,
    /// The frame as it came, its blank line included.
    pub(crate) raw: &'a [u8],
}

/// Collects bytes until a frame is whole. It holds no more than one frame.
#[derive(Debug)]
pub(crate) struct FrameReader {
    limit_bytes: usize,
    /// The frame under way, as it came.
    raw: Vec<u8>,
    /// Where its present line begins.
    line_start: usize,
    /// The last line ended with CR: an LF that follows belongs to it.
    after_carriage_return: bool,
    event: Vec<u8>,
    data: Vec<u8>,
    has_data: bool,
    before_first_line: bool,
    failed: bool,
}

impl FrameReader {
    pub(crate) const fn new(limit_bytes: usize) -> Self {
        Self {
            limit_bytes,
            raw: Vec::new(),
            line_start: 0,
            after_carriage_return: false,
            event: Vec::new(),
            data: Vec::new(),
            has_data: false,
            before_first_line: true,
            failed: false,
        }
    }

    /// Takes bytes, and hands on each frame that they complete. After an error there is nothing more.
    pub(crate) fn push(
        &mut self,
        mut bytes: &[u8],
        mut take: impl FnMut(&Frame<'_>),
    ) -> Result<(), LlmError> {
        if self.failed {
            return Ok(());
        }
        while !bytes.is_empty() {
            if std::mem::take(&mut self.after_carriage_return)
                && let Some(rest) = bytes.strip_prefix(b"\n")
            {
                // A line end in two pieces. Where it ended a frame, it stands before the next one.
                self.raw.push(b'\n');
                self.line_start = self.raw.len();
                bytes = rest;
                continue;
            }
            let Some(end) = memchr::memchr2(b'\n', b'\r', bytes) else {
                self.keep(bytes)?;
                return Ok(());
            };
            let (line, rest) = bytes.split_at(end);
            self.keep(line)?;
            let terminator = rest.first().copied().unwrap_or(b'\n');
            bytes = rest.get(1..).unwrap_or_default();
            self.after_carriage_return = terminator == b'\r';
            let blank = self.end_line();
            self.raw.push(terminator);
            if blank {
                // The frame's own last byte, if it is there already.
                if terminator == b'\r'
                    && let Some(rest) = bytes.strip_prefix(b"\n")
                {
                    self.raw.push(b'\n');
                    self.after_carriage_return = false;
                    bytes = rest;
                }
                self.hand_on(&mut take);
            }
            self.line_start = self.raw.len();
        }
        Ok(())
    }

    /// What came after the last blank line.
    pub(crate) fn rest(&self) -> &[u8] {
        &self.raw
    }

    fn keep(&mut self, bytes: &[u8]) -> Result<(), LlmError> {
        if self.raw.len().saturating_add(bytes.len()) > self.limit_bytes {
            let limit_bytes = self.limit_bytes;
            *self = Self::new(limit_bytes);
            self.failed = true;
            return Err(LlmError::EventTooLarge { limit_bytes });
        }
        self.raw.extend_from_slice(bytes);
        Ok(())
    }

    /// Reads the present line; says whether it is blank.
    fn end_line(&mut self) -> bool {
        let mut line = self.raw.get(self.line_start..).unwrap_or_default();
        if std::mem::take(&mut self.before_first_line) {
            line = line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line);
        }
        if line.is_empty() {
            return true;
        }
        let (name, value) = match memchr::memchr(b':', line) {
            Some(colon) => {
                let (name, value) = line.split_at(colon);
                let value = value.get(1..).unwrap_or_default();
                (name, value.strip_prefix(b" ").unwrap_or(value))
            }
            None => (line, b"".as_slice()),
        };
        match name {
            b"data" => {
                if std::mem::replace(&mut self.has_data, true) {
                    self.data.push(b'\n');
                }
                self.data.extend_from_slice(value);
            }
            b"event" => {
                self.event.clear();
                self.event.extend_from_slice(value);
            }
            _ => {}
        }
        false
    }

    fn hand_on(&mut self, take: &mut impl FnMut(&Frame<'_>)) {
        // Bytes that are no UTF-8 are replaced, as the standard's own readers do.
        let event = String::from_utf8_lossy(&self.event);
        let data = String::from_utf8_lossy(&self.data);
        take(&Frame {
            event: (!event.is_empty()).then_some(event.as_ref()),
            data: &data,
            raw: &self.raw,
        });
        self.raw.clear();
        self.event.clear();
        self.data.clear();
        self.has_data = false;
    }
}

/// Appends a frame without a type. The data are JSON of ours: one line.
pub(crate) fn push_data(out: &mut String, data: &str) {
    out.push_str("data: ");
    out.push_str(data);
    out.push_str("\n\n");
}

/// Appends a frame with a type, which Anthropic's and OpenAI's newer clients insist on.
pub(crate) fn push_event(out: &mut String, event: &str, data: &str) {
    out.push_str("event: ");
    out.push_str(event);
    out.push('\n');
    push_data(out, data);
}
