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
    _process: Process,
    _folder: TempDir,
}

impl Issuer {
    /// Starts it and waits until it answers.
    pub async fn start(judges: &Judges) -> anyhow::Result<Self> {
        let folder = TempDir::new()?;
        let port = free_port().await?;
        let script = workspace().join("tests/e2e/issuer/provider.mjs");
        let script = script.to_str().context("a folder that is not UTF-8")?;
        // It finds its package from the folder where the judges are installed.
        let loader = folder.path().join("package.json");
        std::fs::write(loader, "{}")?;
        let modules = judges.folder().join("node_modules");
        std::os::unix::fs::symlink(modules, folder.path().join("node_modules"))?;
        let arguments = [script.to_owned(), port.to_string()];
        let mut process = Process::start(judges.node(), &arguments, folder.path())?;
        process
            .ready(port, "/.well-known/openid-configuration")
            .await?;
        Ok(Self {
            port,
            _process: process,
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

    /// From now on another key signs; the one before stays published.
    pub async fn rotate(&self) -> anyhow::Result<()> {
        let answer = post(self.port, "/rotate", &[], FORM, String::new()).await?;
        ensure!(answer.status == 200, "not rotated: {answer:?}");
        Ok(())
    }
}
