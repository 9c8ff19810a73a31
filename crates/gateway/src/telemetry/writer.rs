//! A writer that never makes a request wait for whoever reads the log.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

/// Lines that may wait while the pipe is blocked.
const WAITING: usize = 4096;
/// How long the end of the process may be delayed by a blocked pipe.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The count of dropped lines.
#[derive(Clone, Debug, Default)]
pub struct Dropped(Arc<AtomicU64>);

impl Dropped {
    /// The count so far.
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

enum Message {
    Line(Vec<u8>),
    Flush(SyncSender<()>),
}

/// Hands each line to one thread that writes; when too many wait, drops and counts.
#[derive(Clone)]
pub struct Lines {
    queue: SyncSender<Message>,
    dropped: Dropped,
}

impl Lines {
    /// Starts the thread that writes to `sink`. It ends with the last clone.
    pub fn to(sink: impl Write + Send + 'static) -> io::Result<Self> {
        Self::with_room(WAITING, sink)
    }

    fn with_room(room: usize, sink: impl Write + Send + 'static) -> io::Result<Self> {
        let (queue, waiting) = sync_channel(room);
        std::thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || write_all(&waiting, sink))?;
        Ok(Self {
            queue,
            dropped: Dropped::default(),
        })
    }

    /// The counter of dropped lines.
    pub fn dropped(&self) -> Dropped {
        self.dropped.clone()
    }

    /// Waits until everything handed over so far is written, but not for long.
    pub fn flush(&self) {
        let (done, written) = sync_channel(1);
        // A full queue means a blocked pipe: then there is nothing worth waiting for.
        if self.queue.try_send(Message::Flush(done)).is_ok() {
            let _ = written.recv_timeout(LAST_WORDS);
        }
    }
}

/// A sink that fails (a closed pipe) must not end the thread: senders would see a closed queue.
fn write_all(waiting: &Receiver<Message>, mut sink: impl Write) {
    while let Ok(message) = waiting.recv() {
        match message {
            Message::Line(line) => {
                let _ = sink.write_all(&line);
            }
            Message::Flush(done) => {
                let _ = sink.flush();
                let _ = done.try_send(());
            }
        }
    }
}

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match self.queue.try_send(Message::Line(line.to_vec())) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.dropped.0.fetch_add(1, Ordering::Relaxed);
            }
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl std::fmt::Debug for Lines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lines")
            .field("dropped", &self.dropped.count())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::mpsc::{Sender, channel};

    use super::*;

    /// A pipe whose reader decides when each line is taken.
    struct Pipe {
        turn: Receiver<()>,
        arrived: Sender<()>,
        written: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Pipe {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            self.arrived.send(()).unwrap();
            let _ = self.turn.recv();
            self.written.lock().unwrap().extend_from_slice(line);
            Ok(line.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_blocked_pipe_costs_lines_not_time_and_the_loss_is_counted() {
        let (read, turn) = channel();
        let (arrived, blocked) = channel();
        let written = Arc::new(Mutex::new(Vec::new()));
        let pipe = Pipe {
            turn,
            arrived,
            written: Arc::clone(&written),
        };
        let mut lines = Lines::with_room(2, pipe).unwrap();
        lines.write_all(b"1\n").unwrap();
        // The thread is inside the blocked pipe now, so exactly two more lines fit.
        blocked.recv().unwrap();
        for line in [b"2\n", b"3\n", b"4\n", b"5\n"] {
            lines.write_all(line).unwrap();
        }
        assert_eq!(lines.dropped().count(), 2);
        drop(read);
        lines.flush();
        while written.lock().unwrap().len() < 6 {
            lines.flush();
        }
        assert_eq!(*written.lock().unwrap(), b"1\n2\n3\n");
    }
}
