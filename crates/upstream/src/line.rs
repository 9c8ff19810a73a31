//! The line of messages between a channel that many requests share and whoever waits for one of
//! them: bounded in messages and in bytes, because a reader that does not read must neither hold up
//! the others nor decide how much we hold.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::error::UpstreamErrorKind;

/// Messages that one reader may be behind.
const MESSAGES: usize = 1024;
/// Bytes of them together. A message that is larger gets an empty line to itself.
const BYTES: u32 = 16 * 1024 * 1024;

/// A message and the room that it takes until it is read.
type Queued = (Bytes, OwnedSemaphorePermit);

/// Why a line ended, if not because all was said.
#[derive(Debug, Default)]
struct End(Mutex<Option<UpstreamErrorKind>>);

impl End {
    fn set(&self, kind: UpstreamErrorKind) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(kind);
    }

    fn take(&self) -> Option<UpstreamErrorKind> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Where the channel puts messages in. Dropping it ends the line.
#[derive(Clone, Debug)]
pub(crate) struct LineSender {
    line: mpsc::Sender<Queued>,
    room: Arc<Semaphore>,
    end: Arc<End>,
}

/// Where a reader takes them out.
pub(crate) struct Line {
    queue: mpsc::Receiver<Queued>,
    end: Arc<End>,
    /// Already taken out once, to see what it is.
    first: Option<Bytes>,
    /// Longest silence.
    idle: Duration,
    /// Told when nobody reads any more.
    _guard: Option<Box<dyn Send + Sync>>,
}

/// An empty line; `guard` is dropped when nobody reads any more.
pub(crate) fn line(idle: Duration, guard: Option<Box<dyn Send + Sync>>) -> (LineSender, Line) {
    let (sender, receiver) = mpsc::channel(MESSAGES);
    let room = Arc::new(Semaphore::new(BYTES as usize));
    let end = Arc::new(End::default());
    let sender = LineSender {
        line: sender,
        room,
        end: Arc::clone(&end),
    };
    let line = Line {
        queue: receiver,
        end,
        first: None,
        idle,
        _guard: guard,
    };
    (sender, line)
}

impl LineSender {
    /// Puts a message in. `false`: nobody reads, or the reader is too far behind and is cut off.
    pub(crate) fn send(&self, message: Bytes) -> bool {
        let weight = u32::try_from(message.len()).unwrap_or(BYTES).min(BYTES);
        let room = Arc::clone(&self.room).try_acquire_many_owned(weight);
        let taken = room.is_ok_and(|room| self.line.try_send((message, room)).is_ok());
        if !taken {
            self.end.set(UpstreamErrorKind::TooLarge);
        }
        taken
    }

    /// Ends the line with a failure, after what is in it.
    pub(crate) fn fail(self, kind: UpstreamErrorKind) {
        self.end.set(kind);
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.line.is_closed()
    }
}

impl Line {
    /// The next message; `None` when all was said. Cancelling this call loses nothing.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, UpstreamErrorKind> {
        if let Some(first) = self.first.take() {
            return Ok(Some(first));
        }
        match tokio::time::timeout(self.idle, self.queue.recv()).await {
            Ok(Some((message, _room))) => Ok(Some(message)),
            Ok(None) => self.end.take().map_or(Ok(None), Err),
            Err(_) => Err(UpstreamErrorKind::Timeout),
        }
    }

    /// Puts back what was taken out.
    pub(crate) fn put_back(&mut self, message: Bytes) {
        self.first = Some(message);
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: Duration = Duration::from_mins(1);

    #[tokio::test]
    async fn a_reader_too_far_behind_hears_so_after_what_it_was_told() {
        let (sender, mut line) = line(IDLE, None);
        for _ in 0..MESSAGES {
            assert!(sender.send(Bytes::from_static(b"{}")));
        }
        assert!(!sender.send(Bytes::from_static(b"{}")));
        drop(sender);
        for _ in 0..MESSAGES {
            assert_eq!(line.next().await, Ok(Some(Bytes::from_static(b"{}"))));
        }
        assert_eq!(line.next().await, Err(UpstreamErrorKind::TooLarge));
        assert_eq!(line.next().await, Ok(None));
    }

    #[tokio::test]
    async fn large_messages_fill_a_line_as_many_small_ones_do() {
        let (sender, mut line) = line(IDLE, None);
        let large = Bytes::from(vec![b' '; BYTES as usize + 1]);
        assert!(sender.send(large.clone()));
        assert!(!sender.send(Bytes::from_static(b"{}")));
        assert_eq!(line.next().await, Ok(Some(large)));
        assert!(sender.send(Bytes::from_static(b"{}")));
    }

    #[tokio::test]
    async fn silence_ends_a_line() {
        let (sender, mut line) = line(Duration::from_millis(1), None);
        assert_eq!(line.next().await, Err(UpstreamErrorKind::Timeout));
        assert!(!sender.is_closed());
    }
}
