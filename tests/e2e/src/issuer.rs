//! An issuer that we did not write, and what one asks of it.

use anyhow::{Context, ensure};
use serde_json::Value;
use tempfile::TempDir;

use crate::{Judges, Process, free_port, post, workspace};

const FORM: &str = "application/x-www-form-urlencoded";

/// The certified `oidc-provider`; it ends when dropped.
#[derive(Debug)]
pub struct Issuer {
    port: u16,
    process: Process,
    _folder: TempDir,
}

impl Issuer {
    /// Starts it and waits until it answers.
    pub async fn start(judges: &Judges) -> anyhow::Result<Self> {
        Self::begin(judges, free_port().await?, None).await
    }

    /// One where people sign in with any name, also for the gateway of this origin, whose client
    /// is `portcullis` with the secret `the-secret-of-portcullis`.
    pub async fn of_people(judges: &Judges, port: u16, gateway: &str) -> anyhow::Result<Self> {
        Self::begin(judges, port, Some(gateway)).await
    }

    async fn begin(judges: &Judges, port: u16, gateway: Option<&str>) -> anyhow::Result<Self> {
        let folder = TempDir::new()?;
        let told = [Some(port.to_string()), gateway.map(str::to_owned)];
        let told: Vec<_> = told.into_iter().flatten().collect();
        let mut process = script(judges, "provider.mjs", &told, &folder)?;
        process
            .ready(port, "/.well-known/openid-configuration")
            .await?;
        Ok(Self {
            port,
            process,
            _folder: folder,
        })
    }

    /// Its identifier.
    pub fn url(&self) -> String {
        format!("http://localhost:{}", self.port)
    }

    /// An access token of the client `agent` for one resource (RFC 8707).
    pub async fn token(&self, resource: &str) -> anyhow::Result<String> {
        let form = format!(
            "grant_type=client_credentials&client_id=agent&client_secret=the-secret-of-agent\
             &scope=tools&resource={resource}"
        );
        let answer = post(self.port, "/token", &[], FORM, form).await?;
        ensure!(answer.status == 200, "no token: {answer:?}");
        let response: Value = serde_json::from_str(&answer.text)?;
        let token = response.get("access_token").and_then(Value::as_str);
        Ok(token.context("no access_token")?.to_owned())
    }

    /// Everything it has said.
    pub fn said(&self) -> String {
        self.process.said()
    }

    /// From now on another key signs; the one before stays published.
    pub async fn rotate(&self) -> anyhow::Result<()> {
        let answer = post(self.port, "/rotate", &[], FORM, String::new()).await?;
        ensure!(answer.status == 200, "not rotated: {answer:?}");
        Ok(())
    }
}

/// Starts a script of `tests/e2e/issuer`, which finds its packages from the folder that it runs in.
fn script(
    judges: &Judges,
    name: &str,
    told: &[String],
    folder: &TempDir,
) -> anyhow::Result<Process> {
    let script = workspace().join("tests/e2e/issuer").join(name);
    let script = script.to_str().context("a folder that is not UTF-8")?;
    std::fs::write(folder.path().join("package.json"), "{}")?;
    let modules = judges.folder().join("node_modules");
    std::os::unix::fs::symlink(modules, folder.path().join("node_modules"))?;
    let arguments: Vec<_> = std::iter::once(script.to_owned())
        .chain(told.iter().cloned())
        .collect();
    Process::start(judges.node(), &arguments, folder.path())
}

/// An MCP server that knows people: it takes tokens of an issuer for itself, and its tool `whoami`
/// says whose the token was. It ends when dropped.
#[derive(Debug)]
pub struct Protected {
    port: u16,
    _process: Process,
    _folder: TempDir,
}

impl Protected {
    /// Starts it and waits until it answers.
    pub async fn start(judges: &Judges, issuer: &Issuer) -> anyhow::Result<Self> {
        let folder = TempDir::new()?;
        let port = free_port().await?;
        let told = [port.to_string(), issuer.url()];
        let mut process = script(judges, "protected.mjs", &told, &folder)?;
        process.ready(port, "/health").await?;
        Ok(Self {
            port,
            _process: process,
            _folder: folder,
        })
    }

    /// Its endpoint.
    pub fn url(&self) -> String {
        format!("http://localhost:{}/mcp", self.port)
    }
}
