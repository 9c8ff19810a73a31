//! Messages as lines (MCP "stdio": newline-delimited, no newline within), on threads of their own:
//! who waits for standard input waits as long as the client likes.

use std::io::{BufRead, BufReader, Read, Write};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

/// Longest message of a client.
const MAX_LINE: usize = 64 * 1024 * 1024;
/// Messages that were read and not taken.
const MOST_UNTAKEN: usize = 16;
/// Messages that the client is behind in reading.
const MOST_UNREAD: usize = 64;

/// One line that holds something.
#[derive(Debug, PartialEq, Eq)]
pub enum Line {
    /// A message, as far as a line can tell.
    Text(Bytes),
    /// It was longer than any message, and is left out.
    TooLong,
}

/// The standard streams of the process.
#[derive(Debug)]
pub struct Console {
    /// What is read; ends with standard input.
    pub lines: mpsc::Receiver<Line>,
    /// What is written; closed when nobody reads it.
    pub output: mpsc::Sender<Bytes>,
    /// Everything is written.
    pub written: oneshot::Receiver<()>,
}

impl Console {
    /// Begins to read and write.
    pub fn open() -> Self {
        let (line, lines) = mpsc::channel(MOST_UNTAKEN);
        let (output, unwritten) = mpsc::channel(MOST_UNREAD);
        let (done, written) = oneshot::channel();
        // The process ends without waiting for the first: it ends when the client says so.
        std::thread::spawn(move || read(std::io::stdin(), &line));
        std::thread::spawn(move || {
            write(std::io::stdout(), unwritten);
            let _ = done.send(());
        });
        Self {
            lines,
            output,
            written,
        }
    }
}

/// Reads lines until there are no more, or nobody wants them.
fn read(input: impl Read, lines: &mpsc::Sender<Line>) {
    let mut input = BufReader::new(input);
    loop {
        let mut line = Vec::new();
        let most = u64::try_from(MAX_LINE).unwrap_or(u64::MAX);
        match input.by_ref().take(most).read_until(b'\n', &mut line) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(error = %error, "standard input cannot be read any more");
                return;
            }
        }
        let line = if line.len() == MAX_LINE && !line.ends_with(b"\n") {
            if input.skip_until(b'\n').is_err() {
                return;
            }
            Line::TooLong
        } else {
            let line = Bytes::from(line);
            let trimmed = line.trim_ascii();
            if trimmed.is_empty() {
                continue;
            }
            Line::Text(line.slice_ref(trimmed))
        };
        if lines.blocking_send(line).is_err() {
            return;
        }
    }
}

/// Writes lines until there are no more, or nobody reads them.
fn write(mut output: impl Write, mut lines: mpsc::Receiver<Bytes>) {
    while let Some(line) = lines.blocking_recv() {
        let mut writing = || {
            output.write_all(&line)?;
            output.write_all(b"\n")?;
            output.flush()
        };
        if writing().is_err() {
            return;
        }
    }
}

/// A JSON text without line ends, which can stand only between its tokens.
pub(super) fn one_line(text: Bytes) -> Bytes {
    let ends_line = |byte: &u8| matches!(byte, b'\n' | b'\r');
    if !text.iter().any(ends_line) {
        return text;
    }
    let spaced = |byte: u8| if ends_line(&byte) { b' ' } else { byte };
    text.into_iter().map(spaced).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(input: &[u8]) -> Vec<Line> {
        let (sender, mut receiver) = mpsc::channel(MOST_UNTAKEN);
        read(input, &sender);
        drop(sender);
        std::iter::from_fn(|| receiver.blocking_recv()).collect()
    }

    fn line(text: &'static str) -> Line {
        Line::Text(Bytes::from_static(text.as_bytes()))
    }

    #[test]
    fn lines_are_what_stands_between_line_ends() {
        let read = all(b"{}\r\n\n  \n [1] \nlast");
        assert_eq!(read, [line("{}"), line("[1]"), line("last")]);
        assert!(all(b"").is_empty());
    }

    #[test]
    fn a_line_that_is_too_long_is_left_out_and_the_next_is_read() {
        let mut input = vec![b'x'; MAX_LINE + 1];
        input.extend_from_slice(b"\n{}\n");
        assert_eq!(all(&input), [Line::TooLong, line("{}")]);
    }

    #[test]
    fn a_message_is_written_on_one_line() {
        let text = one_line(Bytes::from_static(b"{\r\n\"a\":\n1}"));
        assert_eq!(text.as_ref(), b"{  \"a\": 1}");
        let (sender, receiver) = mpsc::channel(2);
        sender.blocking_send(text).unwrap();
        drop(sender);
        let mut written = Vec::new();
        write(&mut written, receiver);
        assert_eq!(written, b"{  \"a\": 1}\n");
    }
}
