//! The gateway's own program with a configuration of a story.

use anyhow::Context;
use serde_json::Value;
use tempfile::TempDir;

use crate::{Process, binary, free_port};

/// The master key of every gateway here; long and dull, as a test's key should be.
pub const KEY: &str = "sk-end-to-end-0123456789abcdef0123456789abcdef";

/// A running gateway; it ends when dropped.
#[derive(Debug)]
pub struct Gateway {
    port: u16,
    process: Process,
    _folder: TempDir,
}

impl Gateway {
    /// Starts it and waits until it is ready. `general_settings.master_key` is [`KEY`].
    pub async fn start(configuration: Value) -> anyhow::Result<Self> {
        Self::start_at(free_port().await?, configuration).await
    }

    /// The same with `server.public_url`, which people and authorization servers need:
    /// `http://localhost` and the port.
    pub async fn public(configuration: Value) -> anyhow::Result<Self> {
        Self::public_at(free_port().await?, configuration).await
    }

    /// The same at a port that somebody else has been told already.
    pub async fn public_at(port: u16, mut configuration: Value) -> anyhow::Result<Self> {
        let origin = format!("http://localhost:{port}");
        set(&mut configuration, "server", "public_url", &origin);
        Self::start_at(port, configuration).await
    }

    async fn start_at(port: u16, mut configuration: Value) -> anyhow::Result<Self> {
        set(&mut configuration, "general_settings", "master_key", KEY);
        // JSON is YAML.
        let (folder, arguments) = written(port, &configuration.to_string())?;
        let process = Process::start(&binary("portcullis")?, &arguments, folder.path())?;
        Self::ready(folder, port, process).await
    }

    /// Starts it with this file, which says `master_key` itself, and with nothing but these variables
    /// in its environment. If it does not start, the error holds what it said.
    pub async fn start_with(file: &str, environment: &[(&str, &str)]) -> anyhow::Result<Self> {
        let port = free_port().await?;
        let (folder, arguments) = written(port, file)?;
        let program = binary("portcullis")?;
        let process = Process::start_alone(&program, &arguments, folder.path(), environment)?;
        Self::ready(folder, port, process).await
    }

    async fn ready(folder: TempDir, port: u16, mut process: Process) -> anyhow::Result<Self> {
        process.ready(port, "/health/ready").await?;
        Ok(Self {
            port,
            process,
            _folder: folder,
        })
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A URL under the name that [`Self::public`] gives it.
    pub fn endpoint(&self, path: &str) -> String {
        format!("http://localhost:{}{path}", self.port)
    }

    /// Its process.
    pub fn process(&self) -> &Process {
        &self.process
    }
}

fn set(configuration: &mut Value, section: &str, key: &str, value: &str) {
    if let Some(sections) = configuration.as_object_mut() {
        let section = sections
            .entry(section)
            .or_insert_with(|| Value::Object(serde_json::Map::default()));
        if let Some(section) = section.as_object_mut() {
            section.insert(key.to_owned(), value.into());
        }
    }
}

fn written(port: u16, text: &str) -> anyhow::Result<(TempDir, [String; 4])> {
    let folder = TempDir::new()?;
    let file = folder.path().join("portcullis.yaml");
    std::fs::write(&file, text)?;
    let file = file.to_str().context("a folder that is not UTF-8")?;
    let arguments = ["--config", file, "--port", &port.to_string()].map(str::to_owned);
    Ok((folder, arguments))
}
