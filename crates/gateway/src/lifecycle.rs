//! From the first signal to the last task.

mod files;

use std::io;

use portcullis_server::listen::Stop;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot};
use tokio_util::task::TaskTracker;

pub use files::FileWatch;

/// Why the configuration should be read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReloadCause {
    /// SIGHUP.
    Signal,
    /// A watched file has other content.
    FileChanged,
    /// Somebody asked by the API.
    Request,
    /// A secret store gives another value, or none any more.
    SecretChanged,
    /// Servers that the admin API defines are others than before; the file is not looked at.
    ServersChanged,
}

/// What became of a reload: the generation in force, or why the file was refused.
pub type Reloaded = Result<u64, String>;

/// Asks for a reload. Several causes that wait are one.
#[derive(Clone, Debug)]
pub struct ReloadRequester {
    causes: mpsc::Sender<ReloadCause>,
    /// Apart, because the file is not looked at for it: whoever waits here stands for no other cause.
    servers: mpsc::Sender<()>,
    questions: mpsc::Sender<(ReloadCause, oneshot::Sender<Reloaded>)>,
}

impl ReloadRequester {
    /// Asks; never waits.
    pub fn request(&self, cause: ReloadCause) {
        // Full means that a reload is due already and will see this change too.
        let _ = match cause {
            ReloadCause::ServersChanged => self.servers.try_send(()).is_ok(),
            cause => self.causes.try_send(cause).is_ok(),
        };
    }

    /// Asks, and waits for what becomes of it; `None` when nobody performs reloads any more.
    pub async fn ask(&self) -> Option<Reloaded> {
        self.ask_because(ReloadCause::Request).await
    }

    /// The same for another reason.
    pub async fn ask_because(&self, cause: ReloadCause) -> Option<Reloaded> {
        let (answer, answered) = oneshot::channel();
        self.questions.send((cause, answer)).await.ok()?;
        answered.await.ok()
    }
}

/// A reload that is due.
#[derive(Debug)]
pub struct DueReload {
    /// Why.
    pub cause: ReloadCause,
    /// Who waits for what becomes of it.
    pub answer: Option<oneshot::Sender<Reloaded>>,
}

/// Where reloads arrive; held by the one task that performs them.
#[derive(Debug)]
pub struct Reloads {
    causes: mpsc::Receiver<ReloadCause>,
    servers: mpsc::Receiver<()>,
    questions: mpsc::Receiver<(ReloadCause, oneshot::Sender<Reloaded>)>,
}

impl Reloads {
    /// The next one; `None` when nobody is left who could ask.
    pub async fn next(&mut self) -> Option<DueReload> {
        tokio::select! {
            Some(cause) = self.causes.recv() => Some(DueReload { cause, answer: None }),
            Some(()) = self.servers.recv() => Some(DueReload {
                cause: ReloadCause::ServersChanged,
                answer: None,
            }),
            Some((cause, answer)) = self.questions.recv() => Some(DueReload {
                cause,
                answer: Some(answer),
            }),
            else => None,
        }
    }
}

/// A channel for reloads.
pub fn reloads() -> (ReloadRequester, Reloads) {
    let (cause, causes) = mpsc::channel(1);
    let (server, servers) = mpsc::channel(1);
    let (question, questions) = mpsc::channel(1);
    let requester = ReloadRequester {
        causes: cause,
        servers: server,
        questions: question,
    };
    let reloads = Reloads {
        causes,
        servers,
        questions,
    };
    (requester, reloads)
}

/// What lives as long as the process.
#[derive(Debug)]
pub struct Lifecycle {
    /// When to end.
    pub stop: Stop,
    /// Everything that must be finished before the end; closed by [`Lifecycle::finish`].
    pub tasks: TaskTracker,
    /// Asks for a reload.
    pub reload: ReloadRequester,
    signals: TaskTracker,
}

impl Lifecycle {
    /// Installs the signal handlers: the first SIGTERM or SIGINT stops softly, the second at once,
    /// SIGHUP reloads.
    pub fn start() -> io::Result<(Self, Reloads)> {
        let (reload, reloads) = reloads();
        let stop = Stop::default();
        let signals = TaskTracker::new();
        let (terminate, interrupt) = (
            signal(SignalKind::terminate())?,
            signal(SignalKind::interrupt())?,
        );
        let hangup = signal(SignalKind::hangup())?;
        signals.spawn(stop_on_signals(terminate, interrupt, stop.clone()));
        signals.spawn(reload_on_signal(hangup, reload.clone()));
        let lifecycle = Self {
            stop,
            tasks: TaskTracker::new(),
            reload,
            signals,
        };
        Ok((lifecycle, reloads))
    }

    /// Waits for all tasks, or for the second signal.
    pub async fn finish(&self) {
        self.tasks.close();
        self.signals.close();
        tokio::select! {
            () = self.tasks.wait() => {}
            () = self.stop.hard.cancelled() => {}
        }
    }
}

async fn stop_on_signals(mut terminate: Signal, mut interrupt: Signal, stop: Stop) {
    let mut either = async || {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    either().await;
    tracing::info!("stopping: finishing what runs; signal again to end at once");
    stop.soft.cancel();
    either().await;
    tracing::warn!("stopping at once");
    stop.soft.cancel();
    stop.hard.cancel();
}

async fn reload_on_signal(mut hangup: Signal, reload: ReloadRequester) {
    while hangup.recv().await.is_some() {
        reload.request(ReloadCause::Signal);
    }
}
