//! Runs a script that drives an endpoint with an official client.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context, bail};
use tokio::process::Command;

use crate::{Judges, workspace};

const PATIENCE: Duration = Duration::from_mins(2);

/// An official client in another language.
#[derive(Debug, Clone, Copy)]
pub enum Driver {
    /// `mcp` from PyPI.
    Python,
    /// `@modelcontextprotocol/client` from npm.
    TypeScript,
}

/// What the driver talks to.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// The endpoint.
    pub url: &'a str,
    /// Sent as `Authorization: Bearer`.
    pub key: &'a str,
    /// Of tool and prompt names.
    pub prefix: &'a str,
    /// `legacy`, or a stateless revision.
    pub mode: &'a str,
}

impl Driver {
    /// Runs the script to its end; its failure carries what it printed.
    pub async fn run(self, judges: &Judges, target: Target<'_>) -> anyhow::Result<()> {
        let clients = workspace().join("tests/e2e/clients");
        let (program, script): (PathBuf, PathBuf) = match self {
            Self::Python => (judges.python(), clients.join("python/driver.py")),
            Self::TypeScript => (
                judges.node().to_owned(),
                clients.join("typescript/driver.mjs"),
            ),
        };
        let run = Command::new(program)
            .arg(script)
            .args([target.url, target.key, target.prefix, target.mode])
            .current_dir(judges.folder())
            .kill_on_drop(true)
            .output();
        let output = tokio::time::timeout(PATIENCE, run)
            .await
            .with_context(|| format!("{self:?} hangs at {target:?}"))??;
        if output.status.success() {
            return Ok(());
        }
        bail!(
            "{self:?} at {target:?}:\n{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        )
    }
}

/// Has the official Python client try whatever a server at this endpoint offers.
pub async fn visit_foreign(
    judges: &Judges,
    url: &str,
    key: &str,
    mode: &str,
) -> anyhow::Result<()> {
    let run = Command::new(judges.python())
        .arg(workspace().join("tests/e2e/clients/python/echo.py"))
        .args([url, key, mode])
        .current_dir(judges.folder())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(PATIENCE, run)
        .await
        .with_context(|| format!("the client hangs at {url}"))??;
    if output.status.success() {
        return Ok(());
    }
    bail!("{}", String::from_utf8_lossy(&output.stderr))
}
