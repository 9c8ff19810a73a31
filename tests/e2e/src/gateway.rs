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
    pub async fn start(mut configuration: Value) -> anyhow::Result<Self> {
        if let Some(sections) = configuration.as_object_mut() {
            let general = sections
                .entry("general_settings")
                .or_insert_with(|| Value::Object(serde_json::Map::default()));
            if let Some(general) = general.as_object_mut() {
                general.insert("master_key".to_owned(), KEY.into());
            }
        }
        // JSON is YAML.
        let (folder, port, arguments) = written(&configuration.to_string()).await?;
        let process = Process::start(&binary("portcullis")?, &arguments, folder.path())?;
        Self::ready(folder, port, process).await
    }

    /// Starts it with this file, which says `master_key` itself, and with nothing but these variables
    /// in its environment. If it does not start, the error holds what it said.
    pub async fn start_with(file: &str, environment: &[(&str, &str)]) -> anyhow::Result<Self> {
        let (folder, port, arguments) = written(file).await?;
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

    /// Its process.
    pub fn process(&self) -> &Process {
        &self.process
    }
}

async fn written(text: &str) -> anyhow::Result<(TempDir, u16, [String; 4])> {
    let folder = TempDir::new()?;
    let port = free_port().await?;
    let file = folder.path().join("portcullis.yaml");
    std::fs::write(&file, text)?;
    let file = file.to_str().context("a folder that is not UTF-8")?;
    let arguments = ["--config", file, "--port", &port.to_string()].map(str::to_owned);
    Ok((folder, port, arguments))
}
