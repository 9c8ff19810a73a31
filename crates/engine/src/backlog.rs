//! The line of messages between whoever has news and a client's open stream: bounded in messages and
//! in bytes, because a reader that does not read must not decide how much we hold.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

/// Messages that a slow reader may be behind.
const MESSAGES: usize = 256;
/// Bytes of them together. A message that is larger gets an empty line to itself.
const BYTES: u32 = 4 * 1024 * 1024;

/// A message and the room that it takes until it is read.
type Queued = (Bytes, OwnedSemaphorePermit);

/// Where news go in.
#[derive(Clone, Debug)]
pub(crate) struct NewsSender {
    line: mpsc::Sender<Queued>,
    room: Arc<Semaphore>,
}

/// Where the open stream takes them out.
#[derive(Debug)]
pub(crate) struct NewsReceiver(mpsc::Receiver<Queued>);

/// An empty line.
pub(crate) fn backlog() -> (NewsSender, NewsReceiver) {
    let (line, receiver) = mpsc::channel(MESSAGES);
    let room = Arc::new(Semaphore::new(BYTES as usize));
    (NewsSender { line, room }, NewsReceiver(receiver))
}

impl NewsSender {
    /// Puts a message in if there is room; says whether it did.
    pub(crate) fn try_send(&self, message: Bytes) -> bool {
        let Ok(taken) = Arc::clone(&self.room).try_acquire_many_owned(weight(&message)) else {
            return false;
        };
        self.line.try_send((message, taken)).is_ok()
    }

    /// Puts a message in when there is room; says whether anybody was there to wait for it.
    pub(crate) async fn send(&self, message: Bytes) -> bool {
        let room = Arc::clone(&self.room).acquire_many_owned(weight(&message));
        let taken = tokio::select! {
            taken = room => taken,
            () = self.line.closed() => return false,
        };
        match taken {
            Ok(taken) => self.line.send((message, taken)).await.is_ok(),
            Err(_) => false,
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.line.is_closed()
    }

    /// Waits until nobody reads any more.
    pub(crate) async fn closed(&self) {
        self.line.closed().await;
    }
}

impl NewsReceiver {
    /// The next message; `None` when nobody is left who could send one. Cancelling this loses none.
    pub(crate) async fn recv(&mut self) -> Option<Bytes> {
        self.0.recv().await.map(|(message, _)| message)
    }
}

fn weight(message: &Bytes) -> u32 {
    u32::try_from(message.len()).map_or(BYTES, |length| length.min(BYTES))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(length: u32) -> Bytes {
        Bytes::from(vec![b'x'; length as usize])
    }

    #[tokio::test]
    async fn a_line_holds_so_many_messages_and_so_many_bytes() {
        let (sender, mut receiver) = backlog();
        let small = (0..=MESSAGES).filter(|_| sender.try_send(message(1)));
        assert_eq!(small.count(), MESSAGES);
        for _ in 0..MESSAGES {
            receiver.recv().await.unwrap();
        }
        assert!(sender.try_send(message(BYTES - 1)));
        assert!(!sender.try_send(message(2)));
        assert!(sender.try_send(message(1)));
        receiver.recv().await.unwrap();
        assert!(sender.try_send(message(2)), "what was read takes no room");
    }

    #[tokio::test]
    async fn a_message_of_more_than_that_gets_the_line_to_itself() {
        let (sender, mut receiver) = backlog();
        assert!(sender.try_send(message(BYTES + 1)));
        assert!(!sender.try_send(message(1)));
        assert_eq!(receiver.recv().await.unwrap().len(), BYTES as usize + 1);
        assert!(sender.try_send(message(1)));
        assert!(!sender.try_send(message(BYTES + 1)));
    }

    #[tokio::test]
    async fn who_waits_for_room_goes_on_when_it_is_read_and_gives_up_when_nobody_reads() {
        let (sender, mut receiver) = backlog();
        assert!(sender.send(message(BYTES)).await);
        let (sent, read) = tokio::join!(sender.send(message(1)), receiver.recv());
        assert!(sent && read.is_some());
        assert!(sender.try_send(message(BYTES - 1)));
        let waiting = sender.send(message(BYTES));
        let leaving = async { drop(receiver) };
        let (sent, ()) = tokio::join!(waiting, leaving);
        assert!(!sent && sender.is_closed());
    }
}
