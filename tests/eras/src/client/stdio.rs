//! Lines to and from the gateway's bridge for clients of stdio.

use std::{process::Stdio as Pipe, sync::Arc};

use anyhow::Context;
use async_trait::async_trait;
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::{Child, Command},
    sync::mpsc,
};

use super::{
    Way,
    http::take,
    inbox::Inbox,
    line::{Line, Reading},
};

#[derive(Debug)]
pub(super) struct Stdio {
    lines: mpsc::UnboundedSender<Value>,
    /// Killed when dropped.
    _bridge: Child,
}

impl Stdio {
    /// Starts the bridge.
    pub(super) fn start(way: &Way, inbox: Arc<Inbox>) -> anyhow::Result<Self> {
        let mut bridge = Command::new(&way.program)
            .args(["stdio", "--url", &format!("http://127.0.0.1:{}", way.port)])
            .args(["--server", &way.server, "--key-env", "ERA_KEY"])
            .env("ERA_KEY", &way.key)
            .stdin(Pipe::piped())
            .stdout(Pipe::piped())
            .stderr(Pipe::null())
            .kill_on_drop(true)
            .spawn()
            .context("the bridge does not start")?;
        let mut input = bridge.stdin.take().context("no standard input")?;
        let output = bridge.stdout.take().context("no standard output")?;
        let tasks = tokio_util::task::TaskTracker::new();
        let (lines, mut outgoing) = mpsc::unbounded_channel::<Value>();
        tasks.spawn(async move {
            while let Some(message) = outgoing.recv().await {
                let line = format!("{message}\n");
                if input.write_all(line.as_bytes()).await.is_err() || input.flush().await.is_err() {
                    return;
                }
            }
        });
        tasks.spawn(async move {
            let mut lines = BufReader::new(output).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                take(&inbox, &line);
            }
        });
        Ok(Self {
            lines,
            _bridge: bridge,
        })
    }
}

#[async_trait]
impl Line for Stdio {
    async fn send(&self, message: Value) -> anyhow::Result<Reading> {
        self.lines.send(message).context("the bridge has ended")?;
        Ok(None)
    }

    fn answering(&self) -> mpsc::UnboundedSender<Value> {
        self.lines.clone()
    }

    async fn close(&self) {}
}
