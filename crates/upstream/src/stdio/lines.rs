//! Lines of a process, of bounded length.

use std::io;

use memchr::memchr;
use tokio::io::{AsyncBufRead, AsyncBufReadExt};

/// What was read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// A line, without its end.
    Whole(Vec<u8>),
    /// The beginning of one that is longer than allowed; the rest of it was skipped.
    Beginning(Vec<u8>),
    /// There is nothing more.
    End,
}

/// The next line of at most this many bytes.
pub(super) async fn next_line<R>(reader: &mut R, most: usize) -> io::Result<Line>
where
    R: AsyncBufRead + Unpin,
{
    let mut line = Vec::new();
    let mut whole = true;
    loop {
        let read = reader.fill_buf().await?;
        if read.is_empty() {
            // What has no end is no line, but people want to see it.
            return Ok(match (line.is_empty(), whole) {
                (true, _) => Line::End,
                (false, true) => Line::Whole(line),
                (false, false) => Line::Beginning(line),
            });
        }
        let end = memchr(b'\n', read);
        let part = read.get(..end.unwrap_or(read.len())).unwrap_or_default();
        let room = most.saturating_sub(line.len());
        whole &= part.len() <= room;
        line.extend_from_slice(part.get(..room).unwrap_or(part));
        let used = part.len() + usize::from(end.is_some());
        reader.consume(used);
        if end.is_some() {
            if line.last() == Some(&b'\r') {
                line.pop();
            }
            return Ok(if whole {
                Line::Whole(line)
            } else {
                Line::Beginning(line)
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_line_that_is_too_long_is_cut_and_the_next_is_whole() {
        let text: &[u8] = b"one\r\n\nlonger than it may be\nlast";
        let mut reader = tokio::io::BufReader::with_capacity(3, text);
        let mut lines = Vec::new();
        loop {
            match next_line(&mut reader, 8).await.unwrap() {
                Line::End => break,
                line => lines.push(line),
            }
        }
        let whole = |text: &str| Line::Whole(text.as_bytes().to_vec());
        assert_eq!(
            lines,
            [
                whole("one"),
                whole(""),
                Line::Beginning(b"longer t".to_vec()),
                whole("last")
            ]
        );
    }
}
