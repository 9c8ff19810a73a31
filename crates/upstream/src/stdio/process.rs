//! One process: started, read, written to, and ended with everything that it started itself.

use std::process::Stdio as Pipe;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use portcullis_mcp::parse_batch;
use portcullis_policy::Party;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::limit::Permit;
use super::lines::{Line, next_line};
use super::rests::Rests;
use super::secrets::Secrets;
use super::{StdioEnv, StdioServer, stderr};
use crate::channel::{Channel, Sharing};
use crate::error::{UpstreamError, UpstreamErrorKind};
use crate::pending::Owner;
use crate::server::UpstreamServer;
use crate::stream::EventStream;
use crate::transport::{Means, Reply};

/// Longest message of a process: what a JSON answer may have too.
const MAX_LINE: usize = 16 * 1024 * 1024;
/// Messages that wait until the process reads on.
const WAITING: usize = 64;
/// How long a process may take to end by itself when its input is closed, and again when it is asked
/// to. Then it is ended.
const GRACE: Duration = Duration::from_secs(2);

/// How long what a process said last is waited for.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What a process is started with.
pub(super) struct Start<'a> {
    pub(super) server: &'a Arc<UpstreamServer>,
    pub(super) command: &'a StdioServer,
    /// What of the caller's request is handed on.
    pub(super) headers: &'a HeaderMap,
    pub(super) sharing: Sharing,
    pub(super) means: &'a Means,
    pub(super) permit: Permit,
    /// Where it is noted that it ended by itself, and whose it was.
    pub(super) rests: Option<(Arc<Rests<Party>>, Party)>,
}

/// A running process. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Process {
    server: Arc<UpstreamServer>,
    channel: Arc<Channel>,
    stdin: mpsc::Sender<Bytes>,
    stop: CancellationToken,
}

impl Process {
    pub(super) fn start(start: Start<'_>) -> Result<Arc<Self>, UpstreamErrorKind> {
        let Start {
            server,
            command,
            headers,
            sharing,
            means,
            permit,
            rests,
        } = start;
        let (mut child, secrets) = spawn(command, headers).map_err(|error| {
            tracing::warn!(mcp.server.id = %server.id, error = %error, program = command.program, "process not started");
            UpstreamErrorKind::NotStarted
        })?;
        let (Some(stdin), Some(stdout), Some(stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(UpstreamErrorKind::NotStarted);
        };
        let (sender, receiver) = mpsc::channel(WAITING);
        let channel = Channel::new(Arc::clone(server), sharing, Some(sender.clone()));
        let (stop, reaped) = (CancellationToken::new(), CancellationToken::new());
        let logging = stderr::log(
            stderr,
            server.id.clone(),
            Arc::clone(&secrets),
            Arc::clone(&means.clock),
        );
        let no_longer = reaped.clone();
        means.tasks.spawn(async move {
            // What it started itself may hold the other end for ever.
            let over = async {
                no_longer.cancelled().await;
                tokio::time::sleep(LAST_WORDS).await;
            };
            tokio::select! {
                () = logging => {}
                () = over => {}
            }
        });
        let watched = Watched {
            server: Arc::clone(server),
            channel: Arc::clone(&channel),
            secrets,
            stop: stop.clone(),
        };
        let clock = Arc::clone(&means.clock);
        let started = clock.monotonic();
        tracing::debug!(mcp.server.id = %server.id, "process started");
        means.tasks.spawn(async move {
            let stopped = watched.run(child, stdin, stdout, receiver).await;
            let now = clock.monotonic();
            if let (false, Some((rests, party))) = (stopped, rests) {
                rests.ended(&party, now.saturating_sub(started), now);
            }
            reaped.cancel();
            drop(permit);
        });
        Ok(Arc::new(Self {
            server: Arc::clone(server),
            channel,
            stdin: sender,
            stop,
        }))
    }

    fn error(&self, kind: UpstreamErrorKind) -> UpstreamError {
        self.server.error(kind)
    }

    /// Sends one message, and waits for the first that answers it.
    pub(super) async fn post(
        &self,
        owner: Option<Owner>,
        client: Option<Owner>,
        body: Bytes,
    ) -> Result<Reply, UpstreamError> {
        let limit = self.server.timeout;
        let admitted = self.channel.admit(owner, client, &body);
        let admitted = admitted.map_err(|kind| self.error(kind))?;
        let Some(text) = admitted.text else {
            return Ok(Reply::Accepted);
        };
        match tokio::time::timeout(limit, self.stdin.send(text)).await {
            Ok(Ok(())) => {}
            // Never written, so it may be said again to one that lives.
            Ok(Err(_)) => return Err(self.error(UpstreamErrorKind::SessionLost)),
            Err(_) => return Err(self.error(UpstreamErrorKind::Timeout)),
        }
        match admitted.line {
            Some(line) => {
                let settled = self.channel.settle(line, limit).await;
                settled.map_err(|kind| self.error(kind))
            }
            None => Ok(Reply::Accepted),
        }
    }

    pub(super) fn listen(&self) -> Result<EventStream, UpstreamError> {
        let stream = self.channel.listen();
        stream.ok_or_else(|| self.error(UpstreamErrorKind::SessionLost))
    }

    pub(super) fn has_ended(&self) -> bool {
        self.channel.has_ended()
    }

    pub(super) fn under_way(&self) -> usize {
        self.channel.under_way()
    }

    /// Has it end.
    pub(super) fn stop(&self) {
        self.channel.end(UpstreamErrorKind::SessionLost);
        self.stop.cancel();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Starts it; also the values that must not be seen in what it says.
fn spawn(command: &StdioServer, headers: &HeaderMap) -> std::io::Result<(Child, Arc<Secrets>)> {
    let (mut silent, mut told) = (Vec::new(), Vec::new());
    let mut started = Command::new(&command.program);
    started.args(&command.args).env_clear();
    for (name, value) in &command.env {
        let value = match value {
            StdioEnv::Plain(value) => value.clone(),
            StdioEnv::Setting(value) => {
                silent.push(value.expose().to_owned());
                value.expose().to_owned()
            }
            StdioEnv::Secret(value) => {
                silent.push(value.expose().to_owned());
                told.push(value.expose().to_owned());
                value.expose().to_owned()
            }
            StdioEnv::Header(header) => {
                let Some(Ok(value)) = headers.get(header).map(|value| value.to_str()) else {
                    continue;
                };
                silent.push(value.to_owned());
                told.push(value.to_owned());
                value.to_owned()
            }
        };
        started.env(name, value);
    }
    if let Some(cwd) = &command.cwd {
        started.current_dir(cwd);
    }
    let child = started
        .stdin(Pipe::piped())
        .stdout(Pipe::piped())
        .stderr(Pipe::piped())
        // A group of its own: a signal for us is not for it, and what it starts ends with it.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()?;
    Ok((child, Arc::new(Secrets::new(&silent, &told))))
}

/// What the supervising task needs.
struct Watched {
    server: Arc<UpstreamServer>,
    channel: Arc<Channel>,
    /// What it was given, which must not come back.
    secrets: Arc<Secrets>,
    stop: CancellationToken,
}

impl Watched {
    /// Carries messages until the process ends or is to end, and sees to its end. Says whether it was
    /// stopped.
    async fn run(
        self,
        mut child: Child,
        stdin: ChildStdin,
        stdout: ChildStdout,
        outgoing: mpsc::Receiver<Bytes>,
    ) -> bool {
        let kind = {
            let reading = self.read(stdout);
            let writing = async {
                write(stdin, outgoing).await;
                // It may have answered before it stopped to read.
                tokio::time::sleep(LAST_WORDS).await;
            };
            tokio::select! {
                biased;
                () = self.stop.cancelled() => None,
                kind = reading => Some(kind),
                () = writing => Some(UpstreamErrorKind::Broken),
            }
        };
        self.channel
            .end(kind.unwrap_or(UpstreamErrorKind::SessionLost));
        let status = end(&mut child).await;
        match kind {
            None => tracing::debug!(mcp.server.id = %self.server.id, "process ended"),
            Some(kind) => {
                tracing::warn!(mcp.server.id = %self.server.id, status, reason = %kind, "process ended by itself");
            }
        }
        kind.is_none()
    }

    /// Why there is nothing more to read.
    async fn read(&self, stdout: ChildStdout) -> UpstreamErrorKind {
        let mut reader = BufReader::new(stdout);
        loop {
            match next_line(&mut reader, MAX_LINE).await {
                Ok(Line::Whole(line)) => {
                    if let Ok(text) = std::str::from_utf8(&line) {
                        self.arrived(text.trim());
                    }
                }
                Ok(Line::Beginning(_)) => return UpstreamErrorKind::TooLarge,
                Ok(Line::End) | Err(_) => return UpstreamErrorKind::Broken,
            }
        }
    }

    /// One message, or several at once (JSON-RPC batches of 2025-03-26).
    fn arrived(&self, text: &str) {
        if !text.starts_with('[') {
            if !text.is_empty() {
                self.message(text);
            }
            return;
        }
        for text in parse_batch(text.as_bytes()).unwrap_or_default() {
            self.message(text);
        }
    }

    /// Some programs put what they were started with into their errors.
    fn message(&self, text: &str) {
        if self.secrets.appear_in(text) {
            tracing::warn!(mcp.server.id = %self.server.id, "server repeated a secret of its `env`: message withheld");
            return self.channel.withheld(text);
        }
        self.channel.arrived(text);
    }
}

/// Writes as long as the process reads.
async fn write(mut stdin: ChildStdin, mut outgoing: mpsc::Receiver<Bytes>) {
    while let Some(text) = outgoing.recv().await {
        // Between its tokens a message may have line breaks, in its strings it has none.
        let mut line: Vec<u8> = text.iter().map(|byte| one_line(*byte)).collect();
        line.push(b'\n');
        if stdin.write_all(&line).await.is_err() || stdin.flush().await.is_err() {
            return;
        }
    }
}

const fn one_line(byte: u8) -> u8 {
    match byte {
        b'\n' | b'\r' => b' ',
        other => other,
    }
}

/// Sees a process to its end: its input is closed already; then it is asked, then it is ended, and so
/// is whatever it left behind.
async fn end(child: &mut Child) -> String {
    let group = child
        .id()
        .and_then(|id| i32::try_from(id).ok())
        .and_then(Pid::from_raw);
    let signal = |signal| {
        if let Some(group) = group {
            // It has gone already, where this fails.
            let _ = kill_process_group(group, signal);
        }
    };
    let mut status = tokio::time::timeout(GRACE, child.wait()).await;
    if status.is_err() {
        signal(Signal::TERM);
        status = tokio::time::timeout(GRACE, child.wait()).await;
    }
    // Also what it started and left behind: the group keeps its number while anybody is in it.
    signal(Signal::KILL);
    let status = match status {
        Ok(status) => status,
        Err(_) => child.wait().await,
    };
    status.map_or_else(|error| error.to_string(), |status| status.to_string())
}
