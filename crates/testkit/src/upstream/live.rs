//! Streams that a story writes into while they are open.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{mpsc, watch};

use super::reply::{Reply, Step, event};
use crate::PATIENCE;

/// Every stream that was opened for one kind of request.
#[derive(Clone, Debug)]
pub struct Live {
    streams: Arc<Mutex<Vec<mpsc::UnboundedSender<String>>>>,
    opened: watch::Sender<usize>,
}

impl Live {
    pub(super) fn new() -> Self {
        Self {
            streams: Arc::default(),
            opened: watch::Sender::new(0),
        }
    }

    pub(super) fn open(&self) -> Reply {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.lock().push(sender);
        self.opened.send_modify(|opened| *opened += 1);
        Reply::events(vec![
            // The head goes out with the first bytes.
            Step::Bytes(": open\n\n".to_owned()),
            Step::Live(receiver),
        ])
    }

    /// How many streams the story has not let go of.
    pub(super) fn kept(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<mpsc::UnboundedSender<String>>> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until `count` streams were opened.
    ///
    /// # Panics
    /// When they are not.
    pub async fn opened(&self, count: usize) {
        let mut opened = self.opened.subscribe();
        let waited = tokio::time::timeout(PATIENCE, opened.wait_for(|opened| *opened >= count));
        assert!(waited.await.is_ok(), "{count} streams were not opened");
    }

    /// How many streams were opened.
    pub fn count(&self) -> usize {
        *self.opened.borrow()
    }

    /// How many of them somebody still reads.
    pub fn open_now(&self) -> usize {
        self.lock()
            .iter()
            .filter(|stream| !stream.is_closed())
            .count()
    }

    /// Waits until the other side has let go of every stream.
    ///
    /// # Panics
    /// When it does not.
    pub async fn abandoned(&self) {
        let streams = self.lock().clone();
        for stream in streams {
            let closed = tokio::time::timeout(PATIENCE, stream.closed()).await;
            assert!(closed.is_ok(), "the stream is still being read");
        }
    }

    /// Sends a message on the stream that was opened last.
    pub fn message(&self, data: &str) {
        self.bytes(&event(data));
    }

    /// Sends bytes on the stream that was opened last; nobody may be reading any more.
    ///
    /// # Panics
    /// When no stream was opened.
    pub fn bytes(&self, bytes: &str) {
        send(self.lock().last(), bytes);
    }

    /// Sends bytes on the stream of this number, counted from zero.
    ///
    /// # Panics
    /// When it was not opened.
    pub fn bytes_on(&self, number: usize, bytes: &str) {
        send(self.lock().get(number), bytes);
    }

    /// Ends every stream.
    pub fn close(&self) {
        self.lock().clear();
    }
}

fn send(stream: Option<&mpsc::UnboundedSender<String>>, bytes: &str) {
    #[expect(clippy::expect_used, reason = "what is said to nobody proves nothing")]
    let stream = stream.expect("a stream that was opened");
    let _ = stream.send(bytes.to_owned());
}
