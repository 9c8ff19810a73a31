//! Runs a script that verifies tokens with somebody else's library.

use std::{path::PathBuf, process::Stdio, time::Duration};

use anyhow::{Context, bail};
use serde_json::Value;
use tokio::{io::AsyncWriteExt, process::Command};

use crate::{Judges, workspace};

const PATIENCE: Duration = Duration::from_mins(1);

/// A library that servers verify tokens with.
#[derive(Debug, Clone, Copy)]
pub enum Verifier {
    /// `PyJWT` with its `PyJWKClient`.
    PyJwt,
    /// `jose` from npm.
    Jose,
}

impl Verifier {
    /// The claims of tokens by this issuer for this audience, if every one of them is good.
    pub async fn claims(
        self,
        judges: &Judges,
        issuer: &str,
        audience: &str,
        algorithm: &str,
        tokens: &[String],
    ) -> anyhow::Result<Vec<Value>> {
        let clients = workspace().join("tests/e2e/clients");
        let (program, script): (PathBuf, PathBuf) = match self {
            Self::PyJwt => (judges.python(), clients.join("python/verify.py")),
            Self::Jose => (
                judges.node().to_owned(),
                clients.join("typescript/verify.mjs"),
            ),
        };
        let mut run = Command::new(program)
            .arg(script)
            .args([issuer, audience, algorithm])
            .current_dir(judges.folder())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let mut input = run.stdin.take().context("no standard input")?;
        input.write_all(tokens.join("\n").as_bytes()).await?;
        drop(input);
        let output = tokio::time::timeout(PATIENCE, run.wait_with_output())
            .await
            .with_context(|| format!("{self:?} hangs"))??;
        let said = String::from_utf8_lossy(&output.stdout);
        if output.status.success() {
            return Ok(serde_json::from_str(&said)?);
        }
        bail!(
            "{self:?}:\n{said}{}",
            String::from_utf8_lossy(&output.stderr)
        )
    }
}
