//! What runs: the mock, Redis, three gateways, and a database that somebody else started.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use portcullis_e2e::{Process, free_port};
use serde_json::json;
use tempfile::TempDir;
use tokio::process::Command;

use crate::{http::KEY, services::Service};

/// Gateways on the same database.
pub(crate) const REPLICAS: usize = 3;

/// A key that may call.
pub(crate) const GOOD: &str = "sk-chaos-good-0123456789abcdef0123456789";
/// A key that is known, and may call nothing.
pub(crate) const WITHOUT_GRANTS: &str = "sk-chaos-bare-0123456789abcdef0123456789";

/// Everything, on its ports.
pub(crate) struct Stage {
    pub(crate) ports: [u16; REPLICAS],
    replicas: [Option<Process>; REPLICAS],
    program: PathBuf,
    redis: Option<Process>,
    redis_port: u16,
    database_pid: u32,
    folder: TempDir,
    mock: Service,
}

impl Stage {
    pub(crate) async fn set(
        binaries: &Path,
        database_url: &str,
        database_pid: u32,
    ) -> anyhow::Result<Self> {
        let folder = TempDir::new()?;
        let mock = Service::mock(false, 1).await?;
        let redis_port = free_port().await?;
        let mut ports = [0; REPLICAS];
        for port in &mut ports {
            *port = free_port().await?;
        }
        let mut stage = Self {
            ports,
            replicas: [const { None }; REPLICAS],
            program: binaries.join("portcullis"),
            redis: None,
            redis_port,
            database_pid,
            folder,
            mock,
        };
        stage.configure(database_url)?;
        stage.start_redis().await?;
        stage.command(&["migrate"]).await?;
        for replica in 0..REPLICAS {
            stage.start_replica(replica).await?;
        }
        Ok(stage)
    }

    fn configure(&self, database_url: &str) -> anyhow::Result<()> {
        let upstream = self.mock.port;
        let server = json!({
            "url": format!("http://127.0.0.1:{upstream}/mcp"),
            "transport": "http",
            "auth_type": "oauth2",
            "oauth2_flow": "client_credentials",
            "client_id": "bench",
            "client_secret": "bench-secret-0123456789",
            "token_url": format!("http://127.0.0.1:{upstream}/token"),
        });
        let configuration = json!({
            "general_settings": {"master_key": KEY},
            "audit": {"required": true},
            "store": {
                "path": self.folder.path().join("portcullis.db"),
                "database_url": database_url,
            },
            "redis": {"url": format!("redis://127.0.0.1:{}/0", self.redis_port)},
            "identity": {"keys": [
                {"id": "good", "key": GOOD, "servers": ["bench"]},
                {"id": "bare", "key": WITHOUT_GRANTS},
            ]},
            "mcp_servers": {"bench": server},
        });
        std::fs::write(self.file(), configuration.to_string())?;
        Ok(())
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("portcullis.yaml")
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Runs the program with the gateways' configuration; what it prints.
    pub(crate) async fn command(&self, verb: &[&str]) -> anyhow::Result<String> {
        let output = Command::new(&self.program)
            .arg("--config")
            .arg(self.file())
            .args(verb)
            .env("PORTCULLIS_API_KEY", KEY)
            .current_dir(self.folder())
            .kill_on_drop(true)
            .output()
            .await?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        ensure!(
            output.status.success(),
            "`portcullis {}`: {said}{}",
            verb.join(" "),
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(said)
    }

    pub(crate) async fn start_replica(&mut self, number: usize) -> anyhow::Result<()> {
        let (Some(port), Some(place)) = (self.ports.get(number), self.replicas.get_mut(number))
        else {
            bail!("there is no replica {number}");
        };
        // A folder for each log.
        let folder = self.folder.path().join(format!("replica{number}"));
        std::fs::create_dir_all(&folder)?;
        let file = self.folder.path().join("portcullis.yaml");
        let arguments = [
            "--config".to_owned(),
            file.to_string_lossy().into_owned(),
            "--port".to_owned(),
            port.to_string(),
        ];
        let mut process = Process::start(&self.program, &arguments, &folder)?;
        process.ready(*port, "/health/ready").await?;
        *place = Some(process);
        Ok(())
    }

    /// As a machine that loses its power.
    pub(crate) async fn kill_replica(&mut self, number: usize) -> anyhow::Result<()> {
        let process = self.replicas.get_mut(number).and_then(Option::take);
        let process = process.context("it does not run")?;
        signal("KILL", &[process.id().context("it has ended")?]).await
    }

    /// Ends every gateway as a supervisor does.
    pub(crate) async fn end_replicas(&mut self) -> anyhow::Result<()> {
        for place in &mut self.replicas {
            if let Some(process) = place.take() {
                process.terminate().await?;
                process.ended().await?;
            }
        }
        Ok(())
    }

    pub(crate) async fn start_redis(&mut self) -> anyhow::Result<()> {
        let port = self.redis_port.to_string();
        let arguments = ["--port", &port, "--save", "", "--appendonly", "no"];
        let program = Path::new("redis-server");
        let mut process = Process::start(program, &arguments, self.folder.path())
            .context("the benchmark needs `redis-server`")?;
        process.listens(self.redis_port).await?;
        self.redis = Some(process);
        Ok(())
    }

    /// It keeps nothing.
    pub(crate) fn stop_redis(&mut self) {
        self.redis = None;
    }

    /// Sends the database server and each of its backends a signal.
    pub(crate) async fn database(&self, name: &str) -> anyhow::Result<()> {
        let mut ids = vec![self.database_pid];
        for entry in std::fs::read_dir("/proc")? {
            let id = entry?.file_name().to_string_lossy().parse::<u32>();
            if let Ok(id) = id
                && parent(id) == Some(self.database_pid)
            {
                ids.push(id);
            }
        }
        signal(name, &ids).await
    }
}

async fn signal(name: &str, ids: &[u32]) -> anyhow::Result<()> {
    let ids = ids.iter().map(u32::to_string);
    let status = Command::new("kill").args(["-s", name]).args(ids).status();
    // A backend may have ended on its own meanwhile.
    status.await?;
    Ok(())
}

/// proc(5): the field behind the name and the state.
fn parent(id: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    fields.nth(1)?.parse().ok()
}
