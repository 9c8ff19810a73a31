//! The load generator as a process of its own, and what it costs the process that it calls.

use std::path::PathBuf;

use anyhow::{Context, bail};
use tokio::process::Command;

use crate::{
    load::{Outcome, Settings as Load},
    process_facts::cpu_seconds,
    services::{CORES, pin},
};

/// Starts the load generator, away from the core of what it calls.
pub(crate) struct Loader {
    program: PathBuf,
    pinned: bool,
}

impl Loader {
    pub(crate) fn new(pinned: bool) -> anyhow::Result<Self> {
        let program = std::env::current_exe()?;
        Ok(Self { program, pinned })
    }

    /// The load, and the CPU microseconds that `id` spent on each request; a tenth as much goes
    /// ahead so that pools and caches are warm.
    pub(crate) async fn measured(&self, load: &Load, id: u32) -> anyhow::Result<(Outcome, f64)> {
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

    pub(crate) async fn load(&self, load: &Load) -> anyhow::Result<Outcome> {
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
