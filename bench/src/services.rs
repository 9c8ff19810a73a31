//! The processes under measurement, each on its own port, in its own folder, on its own core.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context;
use portcullis_e2e::{Process, free_port};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use crate::{
    http::KEY,
    load::{Caller, Settings as Load, now},
    work::Work,
};

/// Core of the gateway and the floor, core of everything else.
pub(crate) const CORES: [&str; 2] = ["0", "1"];

/// A program on its own port, in its own folder.
pub(crate) struct Service {
    pub(crate) port: u16,
    process: Process,
    health: &'static str,
    _folder: TempDir,
}

impl Service {
    /// The mock upstream, which lists so many tools.
    pub(crate) async fn mock(pinned: bool, tools: usize) -> anyhow::Result<Self> {
        let bench = std::env::current_exe()?;
        let core = pinned.then_some(CORES[1]);
        Self::start(&bench, core, "/health", |port| {
            let (port, tools) = (port.to_string(), tools.to_string());
            ["mock-upstream", "--port", &port, "--tools", &tools]
                .map(str::to_owned)
                .to_vec()
        })
        .await
    }

    /// The floor in front of the mock.
    pub(crate) async fn floor(pinned: bool, upstream: u16) -> anyhow::Result<Self> {
        let bench = std::env::current_exe()?;
        let core = pinned.then_some(CORES[0]);
        Self::start(&bench, core, "/health", |port| {
            let (port, upstream) = (port.to_string(), upstream.to_string());
            ["floor", "--port", &port, "--upstream", &upstream]
                .map(str::to_owned)
                .to_vec()
        })
        .await
    }

    async fn start(
        program: &Path,
        core: Option<&str>,
        health: &'static str,
        arguments: impl FnOnce(u16) -> Vec<String>,
    ) -> anyhow::Result<Self> {
        let folder = TempDir::new()?;
        let port = free_port().await?;
        let (program, arguments) = pin(program, &arguments(port), core);
        let mut process = Process::start(&program, &arguments, folder.path())?;
        process.ready(port, health).await?;
        Ok(Self {
            port,
            process,
            health,
            _folder: folder,
        })
    }

    pub(crate) fn id(&self) -> anyhow::Result<u32> {
        self.process.id().context("the process has ended")
    }

    /// What it printed.
    pub(crate) fn said(&self) -> String {
        self.process.said()
    }

    pub(crate) async fn still_there(&mut self) -> anyhow::Result<()> {
        self.process.ready(self.port, self.health).await
    }
}

/// Starts the gateway and calls until the first good answer.
pub(crate) async fn start_gateway(
    binaries: &Path,
    pinned: bool,
    upstream: u16,
    servers: usize,
) -> anyhow::Result<(Service, Duration)> {
    let folder = TempDir::new()?;
    let file = folder.path().join("portcullis.yaml");
    std::fs::write(&file, configuration(upstream, servers).to_string())?;
    let port = free_port().await?;
    let arguments = [
        "--config".to_owned(),
        file.to_string_lossy().into_owned(),
        "--port".to_owned(),
        port.to_string(),
    ];
    let program = binaries.join("portcullis");
    let (program, arguments) = pin(&program, &arguments, pinned.then_some(CORES[0]));
    let begun = now();
    let mut process = Process::start(&program, &arguments, folder.path())?;
    let load = Load {
        port,
        work: Work::Rest,
        connections: 1,
        requests: 1,
        credential: KEY.to_owned(),
    };
    let first_answer = async {
        loop {
            if let Ok(mut caller) = Caller::connect(&load).await
                && caller.call(1).await.is_ok()
            {
                return begun.elapsed();
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let took = tokio::time::timeout(Duration::from_secs(30), first_answer).await;
    let took =
        took.with_context(|| format!("no good answer; the gateway said:\n{}", process.said()))?;
    process.ready(port, "/health/ready").await?;
    Ok((
        Service {
            port,
            process,
            health: "/health/ready",
            _folder: folder,
        },
        took,
    ))
}

/// So many servers, all of them the mock; the first is `bench`.
fn configuration(upstream: u16, servers: usize) -> Value {
    let server = json!({
        "url": format!("http://127.0.0.1:{upstream}/mcp"),
        "transport": "http",
        "allow_all_keys": true,
        "auth_type": "oauth2",
        "oauth2_flow": "client_credentials",
        "client_id": "bench",
        "client_secret": "bench-secret-0123456789",
        "token_url": format!("http://127.0.0.1:{upstream}/token"),
    });
    let others = (1..servers).map(|number| (format!("bench{number}"), server.clone()));
    let all: serde_json::Map<String, Value> = std::iter::once(("bench".to_owned(), server.clone()))
        .chain(others)
        .collect();
    json!({"general_settings": {"master_key": KEY}, "mcp_servers": all})
}

/// What the mock counted.
pub(crate) async fn counts(port: u16) -> anyhow::Result<Value> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await?;
    let request =
        format!("GET /counts HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let body = answer.split_once("\r\n\r\n").context("no body")?.1;
    Ok(serde_json::from_str(body)?)
}

/// The command line that runs a program on one core.
pub(crate) fn pin(
    program: &Path,
    arguments: &[String],
    core: Option<&str>,
) -> (PathBuf, Vec<String>) {
    let Some(core) = core else {
        return (program.to_owned(), arguments.to_vec());
    };
    let mut all = vec!["--cpu-list".to_owned(), core.to_owned()];
    all.push(program.to_string_lossy().into_owned());
    all.extend(arguments.iter().cloned());
    (PathBuf::from("taskset"), all)
}

/// Whether processes can be pinned to two cores here.
pub(crate) async fn can_pin() -> bool {
    let [_, second] = CORES;
    let tried = Command::new("taskset")
        .args(["--cpu-list", second, "true"])
        .output()
        .await;
    tried.is_ok_and(|output| output.status.success())
}
