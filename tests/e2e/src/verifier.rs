//! Runs a script that verifies tokens with somebody else's library.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

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
        let (arguments, told) = ([issuer, audience, algorithm], tokens.join("\n"));
        let said = ask(judges, &program, &script, &arguments, &told).await;
        let said = said.with_context(|| format!("{self:?}"))?;
        Ok(serde_json::from_str(&said)?)
    }
}

/// What a script prints when it is told this on its standard input.
pub(crate) async fn ask(
    judges: &Judges,
    program: &Path,
    script: &Path,
    arguments: &[&str],
    told: &str,
) -> anyhow::Result<String> {
    let mut run = Command::new(program)
        .arg(script)
        .args(arguments)
        .current_dir(judges.folder())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let mut input = run.stdin.take().context("no standard input")?;
    input.write_all(told.as_bytes()).await?;
    drop(input);
    let output = tokio::time::timeout(PATIENCE, run.wait_with_output())
        .await
        .with_context(|| format!("{} hangs", script.display()))??;
    let said = String::from_utf8_lossy(&output.stdout);
    if output.status.success() {
        return Ok(said.into_owned());
    }
    bail!(
        "{}:\n{said}{}",
        script.display(),
        String::from_utf8_lossy(&output.stderr)
    )
}
