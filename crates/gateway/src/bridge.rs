//! A client that starts a program and talks to it over standard input and output, in front of a
//! gateway's Streamable HTTP. Messages pass as they are; what HTTP wants beside them (headers,
//! session, streams) is made and kept here. Which era is spoken is the client's choice.

mod door;
mod exchange;
mod lines;
mod listen;
mod modern;
mod oldest;
mod reopen;
mod running;
mod session;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use portcullis_mcp::{Envelope, Kind, MessageError, Method, RpcError, code};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::cli::exit::CommandError;
pub use door::Door;
pub use lines::{Console, Line};
use modern::Mirrors;
use running::Running;
use session::Session;

/// Most requests of the client that run at one time; also most batches, most answers, and most
/// notifications that wait for their turn.
const MOST_RUNNING: usize = 100;
/// How long the end of the session may take.
const FAREWELL: Duration = Duration::from_secs(2);

/// Both sides of it.
struct Bridge {
    door: Door,
    output: mpsc::Sender<Bytes>,
    session: Session,
    running: Running,
    mirrors: Mirrors,
    tasks: TaskTracker,
    batches: Arc<Semaphore>,
    answers: Arc<Semaphore>,
    stop: CancellationToken,
    /// Something was answered; from then on trouble is the client's to hear of.
    worked: AtomicBool,
    /// The first thing that went wrong before.
    trouble: Mutex<Option<CommandError>>,
}

/// Carries messages until the client has no more, reads no more, or `stop` says so.
pub async fn run(
    door: Door,
    lines: mpsc::Receiver<Line>,
    output: mpsc::Sender<Bytes>,
    stop: CancellationToken,
) -> Result<(), CommandError> {
    let bridge = Arc::new(Bridge {
        door,
        output,
        session: Session::default(),
        running: Running::default(),
        mirrors: Mirrors::default(),
        tasks: TaskTracker::new(),
        batches: Arc::new(Semaphore::new(MOST_RUNNING)),
        answers: Arc::new(Semaphore::new(MOST_RUNNING)),
        stop,
        worked: AtomicBool::new(false),
        trouble: Mutex::default(),
    });
    let (notes, waiting) = mpsc::channel(MOST_RUNNING);
    let telling = TaskTracker::new();
    let teller = Arc::clone(&bridge);
    let teller = telling.spawn(async move { teller.tell(waiting).await });
    telling.close();
    bridge.carry(lines, notes).await;
    // What was asked is answered, but for what never ends by itself.
    bridge.running.end_listening();
    bridge.session.end_listening();
    bridge.tasks.close();
    tokio::select! {
        () = bridge.tasks.wait() => {}
        () = bridge.over() => bridge.running.cancel_all(),
    }
    // What was noted last may still be on its way; nobody waits for it for long.
    tokio::select! {
        () = telling.wait() => {}
        () = tokio::time::sleep(FAREWELL) => {}
        () = bridge.over() => {}
    }
    teller.abort();
    let _ = tokio::time::timeout(FAREWELL, bridge.end_session()).await;
    bridge.trouble().map_or(Ok(()), Err)
}

impl Bridge {
    /// Returns when it must end, whatever runs.
    async fn over(&self) {
        tokio::select! {
            () = self.stop.cancelled() => {}
            () = self.output.closed() => {}
        }
    }

    async fn carry(self: &Arc<Self>, mut lines: mpsc::Receiver<Line>, notes: mpsc::Sender<Bytes>) {
        let taking = async {
            while let Some(line) = lines.recv().await {
                match line {
                    Line::Text(text) => self.take(text, &notes).await,
                    Line::TooLong => {
                        let error = RpcError::new(code::INVALID_REQUEST, "the message is too long");
                        self.say(error.response(None)).await;
                    }
                }
            }
        };
        tokio::select! {
            () = taking => {}
            () = self.over() => {}
        }
    }

    /// Tells the gateway what is no request, in the order in which it was said.
    async fn tell(self: Arc<Self>, mut notes: mpsc::Receiver<Bytes>) {
        while let Some(text) = notes.recv().await {
            let Ok(envelope) = Envelope::parse(&text) else {
                continue;
            };
            self.told(&envelope).await;
            if envelope.kind.method() == Some(Method::Initialized.as_str()) {
                self.session.introduced();
                if self.session.begins_listening() {
                    let bridge = Arc::clone(&self);
                    self.tasks.spawn(async move { bridge.listen().await });
                }
            }
        }
    }

    /// Takes one message. Requests and answers run beside each other; notifications keep their order,
    /// and hold nothing else up but for the one that completes the handshake.
    async fn take(self: &Arc<Self>, text: Bytes, notes: &mpsc::Sender<Bytes>) {
        let envelope = match Envelope::parse(&text) {
            Ok(envelope) => envelope,
            // The gateway knows whether this client may send any.
            Err(MessageError::Batch) => {
                let Ok(room) = Arc::clone(&self.batches).try_acquire_owned() else {
                    let error = RpcError::new(code::INVALID_REQUEST, "too many batches run");
                    return self.say(error.response(None)).await;
                };
                let bridge = Arc::clone(self);
                self.tasks.spawn(async move {
                    bridge.batch(text).await;
                    drop(room);
                });
                return;
            }
            Err(error) => {
                let error = RpcError::new(error.code(), error.to_string());
                return self.say(error.response(None)).await;
            }
        };
        match envelope.kind {
            Kind::Request { id, .. } => {
                let Some(place) = self.running.add(&envelope, MOST_RUNNING) else {
                    let text = "this id runs already, or too many requests do";
                    let error = RpcError::new(code::INVALID_REQUEST, text);
                    return self.say(error.response(Some(id.as_json()))).await;
                };
                let (bridge, text) = (Arc::clone(self), text.clone());
                self.tasks
                    .spawn(async move { bridge.request(place, text).await });
            }
            Kind::Notification { method } => {
                if method == Method::Cancelled.as_str() && self.running.cancel_modern(&envelope) {
                    return;
                }
                if method == Method::Initialized.as_str() {
                    self.session.is_being_introduced();
                }
                // The teller is there as long as anything is taken.
                let _ = notes.send(text.clone()).await;
            }
            Kind::Response { .. } => {
                // An answer is not lost: where too many are under way, it waits, and what follows too.
                let Ok(room) = Arc::clone(&self.answers).acquire_owned().await else {
                    return;
                };
                let (bridge, text) = (Arc::clone(self), text.clone());
                self.tasks.spawn(async move {
                    if let Ok(envelope) = Envelope::parse(&text) {
                        bridge.told(&envelope).await;
                    }
                    drop(room);
                });
            }
        }
    }

    /// Writes a message to the client, on one line.
    async fn say(&self, text: impl Into<Bytes>) {
        // The writer is gone only when the client is.
        let _ = self.output.send(lines::one_line(text.into())).await;
    }

    fn works(&self) {
        self.worked.store(true, Ordering::Relaxed);
    }

    /// Something went wrong that a person should see.
    fn failed(&self, error: CommandError) {
        tracing::warn!("{}", error.told());
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        trouble.get_or_insert(error);
    }

    /// Why nothing ever worked, if so.
    fn trouble(&self) -> Option<CommandError> {
        let trouble = self.trouble.lock();
        let first = trouble.unwrap_or_else(PoisonError::into_inner).take();
        first.filter(|_| !self.worked.load(Ordering::Relaxed))
    }
}
