//! The orchestrator: starts mock, floor and gateway, sends the load, reads the processes.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use portcullis_e2e::{Process, free_port};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use crate::{
    http::{KEY, TOKEN},
    load::{Caller, Outcome, Settings as Load, now},
    process_facts::{cpu_seconds, resident_mib},
    report::{Report, Row},
    work::Work,
};

/// Core of the gateway and the floor, core of everything else.
const CORES: [&str; 2] = ["0", "1"];

#[derive(Debug, clap::Args)]
pub(crate) struct Settings {
    /// Folder of the programs.
    #[arg(long)]
    binaries: PathBuf,
    /// A few hundred requests, for correctness only.
    #[arg(long)]
    smoke: bool,
    /// Requests for each row and way.
    #[arg(long, default_value_t = 20_000)]
    requests: u64,
    /// Where to write the figures as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
}

pub(crate) async fn run(settings: &Settings) -> anyhow::Result<()> {
    let pinned = can_pin().await;
    let bench = std::env::current_exe()?;
    let mut mock = Service::start(&bench, pinned.then_some(CORES[1]), "/health", |port| {
        vec![
            "mock-upstream".to_owned(),
            "--port".to_owned(),
            port.to_string(),
        ]
    })
    .await?;
    let upstream = mock.port.to_string();
    let mut floor = Service::start(&bench, pinned.then_some(CORES[0]), "/health", |port| {
        let port = port.to_string();
        ["floor", "--port", &port, "--upstream", &upstream]
            .map(str::to_owned)
            .to_vec()
    })
    .await?;
    let (mut gateway, start) = start_gateway(settings, pinned, mock.port).await?;
    let resident_idle_mib = resident_mib(gateway.id()?)?;

    let (rows, connections) = if settings.smoke {
        (64, vec![1, 16])
    } else {
        (settings.requests, vec![1, 16, 64])
    };
    let bench = Bench {
        program: bench,
        pinned,
        requests: rows,
    };
    let mut report = Report {
        rows: Vec::new(),
        start_to_first_answer_ms: start.as_secs_f64() * 1e3,
        resident_idle_mib,
        resident_after_mib: 0.0,
        pinned,
    };
    for work in Work::GATEWAY {
        for &connections in &connections {
            println!("    {} with {connections} connections", work.name());
            let row = bench.row(work, connections, &mock, &floor, &gateway).await;
            report
                .rows
                .push(row.with_context(|| gateway.process.said())?);
        }
    }
    report.resident_after_mib = resident_mib(gateway.id()?)?;
    let counts = counts(mock.port).await?;
    ensure!(
        counts.get("wrong") == Some(&json!(0)),
        "requests without the right token: {counts}"
    );
    for service in [&mut mock, &mut floor, &mut gateway] {
        service.still_there().await?;
    }
    if settings.smoke {
        println!("    every answer carried its number, every request its token: {counts}");
    } else {
        report.print();
    }
    if let Some(path) = &settings.json {
        std::fs::write(path, serde_json::to_string_pretty(&report)?)?;
    }
    Ok(())
}

struct Bench {
    program: PathBuf,
    pinned: bool,
    requests: u64,
}

impl Bench {
    async fn row(
        &self,
        work: Work,
        connections: u64,
        mock: &Service,
        floor: &Service,
        gateway: &Service,
    ) -> anyhow::Result<Row> {
        let load = |port, work, credential: &str| Load {
            port,
            work,
            connections,
            requests: self.requests,
            credential: credential.to_owned(),
        };
        let direct = self.load(&load(mock.port, work.plain(), TOKEN)).await?;
        let (floor, floor_cpu_us) = self
            .measured(&load(floor.port, work.plain(), KEY), floor.id()?)
            .await?;
        let (gateway, gateway_cpu_us) = self
            .measured(&load(gateway.port, work, KEY), gateway.id()?)
            .await?;
        let work = work.name();
        Ok(Row {
            work,
            connections,
            direct,
            floor,
            floor_cpu_us,
            gateway,
            gateway_cpu_us,
        })
    }

    /// The load, and the CPU microseconds that `id` spent on each request; a tenth as much goes
    /// ahead so that pools and caches are warm.
    async fn measured(&self, load: &Load, id: u32) -> anyhow::Result<(Outcome, f64)> {
        self.load(&Load {
            requests: (load.requests / 10).max(load.connections),
            ..load.clone()
        })
        .await?;
        let before = cpu_seconds(id)?;
        let outcome = self.load(load).await?;
        #[expect(clippy::cast_precision_loss, reason = "a few thousand requests")]
        let each = (cpu_seconds(id)? - before) * 1e6 / outcome.requests as f64;
        Ok((outcome, each))
    }

    async fn load(&self, load: &Load) -> anyhow::Result<Outcome> {
        let work =
            clap::ValueEnum::to_possible_value(&load.work).context("a work without a name")?;
        let arguments = [
            "load".to_owned(),
            format!("--port={}", load.port),
            format!("--work={}", work.get_name()),
            format!("--connections={}", load.connections),
            format!("--requests={}", load.requests),
            format!("--credential={}", load.credential),
        ];
        let (program, arguments) = pin(&self.program, &arguments, self.pinned.then_some(CORES[1]));
        let output = Command::new(program)
            .args(arguments)
            .kill_on_drop(true)
            .output()
            .await?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!(
                "{} with {} connections: {said}",
                load.work.name(),
                load.connections
            );
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    }
}

/// A program on its own port, in its own folder.
struct Service {
    port: u16,
    process: Process,
    health: &'static str,
    _folder: TempDir,
}

impl Service {
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

    fn id(&self) -> anyhow::Result<u32> {
        self.process.id().context("the process has ended")
    }

    async fn still_there(&mut self) -> anyhow::Result<()> {
        self.process.ready(self.port, self.health).await
    }
}

/// Starts the gateway and calls until the first good answer.
async fn start_gateway(
    settings: &Settings,
    pinned: bool,
    upstream: u16,
) -> anyhow::Result<(Service, Duration)> {
    let folder = TempDir::new()?;
    let file = folder.path().join("portcullis.yaml");
    std::fs::write(&file, configuration(upstream).to_string())?;
    let port = free_port().await?;
    let arguments = [
        "--config".to_owned(),
        file.to_string_lossy().into_owned(),
        "--port".to_owned(),
        port.to_string(),
    ];
    let program = settings.binaries.join("portcullis");
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

fn configuration(upstream: u16) -> Value {
    json!({
        "general_settings": {"master_key": KEY},
        "mcp_servers": {"bench": {
            "url": format!("http://127.0.0.1:{upstream}/mcp"),
            "transport": "http",
            "allow_all_keys": true,
            "auth_type": "oauth2",
            "oauth2_flow": "client_credentials",
            "client_id": "bench",
            "client_secret": "bench-secret-0123456789",
            "token_url": format!("http://127.0.0.1:{upstream}/token"),
        }},
    })
}

async fn counts(port: u16) -> anyhow::Result<Value> {
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

fn pin(program: &Path, arguments: &[String], core: Option<&str>) -> (PathBuf, Vec<String>) {
    let Some(core) = core else {
        return (program.to_owned(), arguments.to_vec());
    };
    let mut all = vec!["--cpu-list".to_owned(), core.to_owned()];
    all.push(program.to_string_lossy().into_owned());
    all.extend(arguments.iter().cloned());
    (PathBuf::from("taskset"), all)
}

async fn can_pin() -> bool {
    let [_, second] = CORES;
    let tried = Command::new("taskset")
        .args(["--cpu-list", second, "true"])
        .output()
        .await;
    tried.is_ok_and(|output| output.status.success())
}
