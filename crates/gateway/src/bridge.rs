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
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::cli::exit::CommandError;
pub use door::Door;
pub use lines::{Console, Line};
use modern::Mirrors;
use running::Running;
use session::Session;

/// Most requests of the client that run at one time.
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
        stop,
        worked: AtomicBool::new(false),
        trouble: Mutex::default(),
    });
    bridge.carry(lines).await;
    // What was asked is answered, but for what never ends by itself.
    bridge.running.end_listening();
    bridge.session.end_listening();
    bridge.tasks.close();
    tokio::select! {
        () = bridge.tasks.wait() => {}
        () = bridge.over() => bridge.running.cancel_all(),
    }
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

    async fn carry(self: &Arc<Self>, mut lines: mpsc::Receiver<Line>) {
        loop {
            let line = tokio::select! {
                line = lines.recv() => line,
                () = self.over() => return,
            };
            match line {
                Some(Line::Text(text)) => self.take(text).await,
                Some(Line::TooLong) => {
                    let error = RpcError::new(code::INVALID_REQUEST, "the message is too long");
                    self.say(error.response(None)).await;
                }
                None => return,
            }
        }
    }

    /// Takes one message. Requests and answers run beside each other; notifications keep their order.
    async fn take(self: &Arc<Self>, text: Bytes) {
        let envelope = match Envelope::parse(&text) {
            Ok(envelope) => envelope,
            // The gateway knows whether this client may send any.
            Err(MessageError::Batch) => {
                let bridge = Arc::clone(self);
                let carrying = async move { bridge.batch(text).await };
                self.tasks.spawn(carrying);
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
                self.told(&envelope).await;
                if method == Method::Initialized.as_str() && self.session.begins_listening() {
                    let bridge = Arc::clone(self);
                    self.tasks.spawn(async move { bridge.listen().await });
                }
            }
            Kind::Response { .. } => {
                let (bridge, text) = (Arc::clone(self), text.clone());
                self.tasks.spawn(async move {
                    if let Ok(envelope) = Envelope::parse(&text) {
                        bridge.told(&envelope).await;
                    }
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
